"""The quality of the published model in one sentence: its Dice and the number of cases behind it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fewlabel.wording import amount

LEAST_DICE = 0.5
"""Dice below which a warning advises against using a model, or one of its classes."""

LEAST_CASES = 5
"""Number of validation cases below which a warning says that there are too few."""

UNLIKE = "This scan is unlike those that the model learned from: do not trust its segmentation, and draw it yourself."

NOT_VALIDATED = "Not validated: no Dice, 0 validation cases. Check every one of its results."


@dataclass(frozen=True)
class Quality:
    """The quality of a model, as far as it is known.

    Attributes:
        dice: mean over the classes that could be measured, 0..1; None where there is none.
        cases: validation cases on which it was measured; None where the model was published before they were counted.
        doubtful: whether ``sentence`` contains a warning.
        sentence: plain text for people; may hold class names, so escape it for HTML and Markdown.
    """

    dice: float | None
    cases: int | None
    doubtful: bool
    sentence: str


def quality(card: Mapping[str, Any]) -> Quality:
    """The quality of a published model.

    Args:
        card: as ``fewlabel.published`` keeps it: ``validation`` {class: Dice or None} and ``validated_on``
            {case: [Dice or None, ...]}.

    Examples:
        >>> quality({"validation": {"organ": 0.1}, "validated_on": {"a": [0.1]}}).sentence
        'Dice 0.10 on 1 validation case: do not use it yet.'
        >>> quality({"validation": {}}).doubtful
        True
    """
    dice = _numbers(card.get("validation"))
    measured = {name: value for name, value in dice.items() if value is not None}
    if not measured:
        return Quality(None, 0, True, NOT_VALIDATED)
    mean, cases = sum(measured.values()) / len(measured), _cases(card.get("validated_on"))
    number = "validation cases" if cases is None else amount(cases, "validation case")
    text = f"Dice {mean:.2f} on {number}"
    warnings = list(_warnings(dice, mean, cases))
    return Quality(mean, cases, bool(warnings), f"{text}: {'; '.join(warnings)}." if warnings else f"{text}.")


def counted(measured: Sequence[float | None]) -> bool:
    """Whether a case could be measured: its label has at least one class."""
    return any(value is not None for value in measured)


def _warnings(dice: Mapping[str, float | None], mean: float, cases: int | None) -> list[str]:
    if _is_low(mean):
        return ["do not use it yet"]
    low = [f"{name} ({value:.2f})" for name, value in dice.items() if value is not None and _is_low(value)]
    unknown = [name for name, value in dice.items() if value is None]
    warnings = [f"do not use it yet for {_listed(low)}"] if low else []
    warnings += [f"nothing is known of {_listed(unknown)}, which none of them holds"] if unknown else []
    return [*warnings, "too few to rely on"] if cases is not None and cases < LEAST_CASES else warnings


def _is_low(dice: float) -> bool:
    return round(dice, 2) < LEAST_DICE  # as shown


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _numbers(values: Any) -> dict[str, float | None]:
    """The numbers in a card; one that was sent to the server may contain anything."""
    if not isinstance(values, Mapping):
        return {}
    return {str(name): float(value) if _is_number(value) else None for name, value in values.items()}


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and math.isfinite(value)


def _cases(validated_on: Any) -> int | None:
    if not isinstance(validated_on, Mapping):
        return None
    return sum(counted(dice) for dice in validated_on.values() if isinstance(dice, list))
