"""The body of a request: how much of it was read, and which of its options are passed on."""

from __future__ import annotations

import difflib
import json
import logging
import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from fewlabel.datastore.kinds import check_tag
from fewlabel.errors import Refusal
from fewlabel.service.rules import TRAIN_KEYS, Rule
from fewlabel.settings import LEFT_OUT, Settings

logger = logging.getLogger(__name__)

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

LARGEST_JSON = 2**20  # bytes
_NEAR = 0.8  # similarity of names, 0..1; the options of MONAI Label's own apps, such as max_epochs, are less similar
_MOST_NAMED = 10
_CHOOSES = re.compile(r"path|dir|folder|file|ur[il]|bundle|module|class|target|env|script|conf", re.IGNORECASE)


class Body:
    """The body of a request, read as it arrives.

    Attributes:
        ended: the body is complete; a further call waits for the client to disconnect.
    """

    def __init__(self, receive: Receive) -> None:
        self._receive, self.ended = receive, False

    async def __call__(self) -> MutableMapping[str, Any]:
        message = await self._receive()
        self.ended = self.ended or message["type"] != "http.request" or not message.get("more_body", False)
        return message


async def with_keys(rule: Rule, receive: Body, content_type: str = "") -> Receive:
    """Read a JSON body and pass on only the keys that the route accepts.

    Args:
        content_type: the request's header of this name, "" for none.

    Raises:
        Refusal: (413, 422) it is too long or not JSON; (422) it tries to set what only the server may set, or holds an
            option of a training that cannot be meant.
    """
    body = b""
    while not receive.ended:
        body += (await receive()).get("body", b"")
        if len(body) > LARGEST_JSON:
            raise Refusal(f"The request's body is longer than {LARGEST_JSON // 2**20} MiB: send options only.", 413)
    if body.strip():
        try:
            parsed = json.loads(body)
        except (ValueError, RecursionError):
            raise Refusal(
                'The request\'s body is not JSON: send options as {"name": value}, or nothing.', 422
            ) from None
        if content_type and "json" not in content_type.lower():
            raise Refusal(
                f"The request's body is sent as {content_type[:60]}: add the header Content-Type: application/json.",
                422,
            )
        kept = _kept(parsed, rule.keys or frozenset())
        if rule.keys is TRAIN_KEYS:
            _check_training(parsed, kept)
        if isinstance(kept, dict):
            check_tag(kept.get("label_tag"))
        body = json.dumps(kept).encode()
    sent = False

    async def receive_again() -> MutableMapping[str, Any]:
        nonlocal sent
        if sent:
            return await receive()
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receive_again


def _check_training(given: Any, kept: Any) -> None:
    """Check the options of a training, or of each model's, and add the names of those that were left out.

    Raises:
        Refusal: (422) a value that no training can use, or a name that is nearly one of ours.
    """
    if not isinstance(given, dict):
        return
    try:
        Settings().with_request(kept)
    except ValueError as error:
        raise Refusal(str(error), 422) from None
    kept.pop(LEFT_OUT, None)
    unknown = [key for key in given if key not in kept and key != LEFT_OUT]
    for key in unknown:
        near = difflib.get_close_matches(key, sorted(TRAIN_KEYS), 1, _NEAR)
        if near:
            raise Refusal(f"A training has no option '{key[:100]}': '{near[0]}' may be meant.", 422)
    for key, value in kept.items():
        _check_training(given[key], value)
    if unknown:
        kept[LEFT_OUT] = [key[:100] for key in unknown[:_MOST_NAMED]]


def _kept(given: Any, keys: frozenset[str]) -> Any:
    """``given`` without unknown keys; also applied to the options of each model, if there are several."""
    if not isinstance(given, dict):
        return given
    kept: dict[str, Any] = {}
    for key, value in given.items():
        if key in keys:
            kept[key] = value
        elif _CHOOSES.search(key):
            raise Refusal(
                f"The request names '{key[:100]}': paths, code and environments of the server are chosen with --conf "
                "when it is started, never by a request.",
                422,
            )
        elif isinstance(value, dict):
            kept[key] = _kept(value, keys)
        else:
            logger.info("The option '%s' of a request means nothing to FewLabel and was left out", key[:100])
    return kept
