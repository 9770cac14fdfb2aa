"""One sentence for everybody: a number, the cases behind it, and a warning where one is due."""

import math

import pytest

from fewlabel.quality import NOT_VALIDATED, quality


def card(cases, **dice):
    return {"validation": dice, "validated_on": {f"case {n}": list(dice.values()) for n in range(cases)}}


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (card(1, organ=0.1), "Dice 0.10 on 1 validation case: do not use it yet."),
        (card(6, organ=0.84, tumour=0.8), "Dice 0.82 on 6 validation cases."),
        (card(2, organ=0.84), "Dice 0.84 on 2 validation cases: too few to rely on."),
        (card(5, organ=0.5), "Dice 0.50 on 5 validation cases."),
        (card(9, organ=0.494), "Dice 0.49 on 9 validation cases: do not use it yet."),
        (
            card(7, organ=0.9, tumour=0.2, vessel=0.3),
            "Dice 0.47 on 7 validation cases: do not use it yet.",
        ),
        (
            card(7, organ=0.95, tumour=0.2, vessel=0.9),
            "Dice 0.68 on 7 validation cases: do not use it yet for tumour (0.20).",
        ),
        (
            card(7, organ=0.95, tumour=None, vessel=None),
            "Dice 0.95 on 7 validation cases: nothing is known of tumour and vessel, which none of them holds.",
        ),
    ],
)
def test_the_sentence_has_the_dice_the_cases_and_the_warning(content, sentence):
    known = quality(content)
    assert known.sentence == sentence
    assert known.doubtful == (":" in sentence)


@pytest.mark.parametrize(
    "content", [{}, {"validation": {}}, {"validation": None}, card(3, organ=None), card(2, organ=math.nan)]
)
def test_without_a_measured_dice_it_says_not_validated(content):
    known = quality(content)
    assert (known.dice, known.cases, known.doubtful, known.sentence) == (None, 0, True, NOT_VALIDATED)


def test_a_case_that_holds_no_class_is_not_counted():
    content = card(6, organ=0.8)
    content["validated_on"]["empty"] = [None]
    assert quality(content).cases == 6


def test_a_model_of_an_earlier_version_has_its_dice_without_a_number_of_cases():
    known = quality({"validation": {"organ": 0.8}})
    assert (known.sentence, known.cases) == ("Dice 0.80 on validation cases.", None)


@pytest.mark.parametrize("nonsense", ["text", 3, [1], {"a": "b"}, {1: True}])
def test_a_card_that_was_sent_may_hold_anything(nonsense):
    assert quality({"validation": nonsense, "validated_on": nonsense}).sentence.endswith(".")
