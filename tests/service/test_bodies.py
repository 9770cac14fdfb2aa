"""Options of a request: what cannot be meant is refused at once, and what is left out is said."""

import asyncio
import json

import pytest

from fewlabel.errors import Refusal
from fewlabel.service.bodies import Body, with_keys
from fewlabel.service.rules import RULES

RULE = {rule.path: rule for rule in RULES if rule.method == "POST"}


def passed_on(options, path="/train/{model}", content_type="application/json"):
    """What the application receives of these options."""

    async def play():
        async def receive():
            return {"type": "http.request", "body": json.dumps(options).encode(), "more_body": False}

        return await (await with_keys(RULE[path], Body(receive), content_type))()

    return json.loads(asyncio.run(play())["body"])


STOCK = {
    **{"method": ["bcp", "cps"], "network": ["auto", "unet"], "training": ["on_request"], "max_minutes": 10.0},
    **{"device": ["cpu"], "model": "fewlabel", "client_id": "someone"},
}


@pytest.mark.parametrize("options", [STOCK, {"fewlabel": STOCK}, {"max_steps": ""}, {"device": "cuda:77"}, [], None])
def test_what_viewers_send_is_passed_on_as_it_is(options):
    assert passed_on(options) == options


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"method": "bpc"}, "The training option method bpc: must be one of supervised"),
        ({"network": "nothing"}, "The training option network nothing"),
        ({"max_minutes": -1}, "must be above 0"),
        ({"max_minuts": 1}, "no option 'max_minuts': 'max_minutes' may be meant."),
        ({"fewlabel": {"metod": "bcp"}}, "'method' may be meant."),
    ],
)
@pytest.mark.parametrize("path", ["/train/", "/train/{model}"])
def test_a_training_option_that_cannot_be_meant_is_refused_at_once_and_in_its_own_words(path, options, words):
    with pytest.raises(Refusal) as refused:
        passed_on(options, path)
    assert refused.value.status_code == 422
    assert words in str(refused.value)
    assert "--conf" not in str(refused.value)


def test_options_of_other_apps_are_left_out_and_the_training_is_given_their_names():
    sent = {"max_epochs": 50, "train_batch_size": 1, "method": "bcp", "left_out": "nothing of a client"}
    assert passed_on(sent) == {"method": "bcp", "left_out": ["max_epochs", "train_batch_size"]}


def test_the_options_of_other_requests_are_not_those_of_a_training():
    assert passed_on({"method": "fewlabel", "minutes": 3}, "/scoring/") == {"method": "fewlabel", "minutes": 3}


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "text/plain"])
def test_options_that_are_not_said_to_be_json_are_answered_with_the_header_to_add(kind):
    with pytest.raises(Refusal, match="add the header Content-Type: application/json"):
        passed_on({"method": "bcp"}, content_type=kind)
