"""The list of cases: what its columns mean, and what stands in them."""

from __future__ import annotations

from typing import Mapping, Optional

COLUMNS = (
    ("Case", "Name of the scan. A double click opens it."),
    ("Reason", "What to know first: what looks wrong, why it was put off, or what the model is least sure of."),
    ("State", "Whether it has a label, is in work, or was put off. Validation: its label measures the model."),
    ("Score", "How unsure the model is, from 0 (sure) to 1. The higher, the more its label teaches the model."),
    (
        "Expected Dice",
        "How well the proposal should agree with a person's label; 1 is perfect. In brackets: 8 of 10 cases.",
    ),
    ("Domain", "Scanner or site that the scan comes from."),
    ("Who", "Who submitted its label."),
    ("When", "When its label was submitted, or when the scan was handed out within the last hour."),
)
STATES = {
    "unlabelled": "unlabelled",
    "in_work": "in work",
    "submitted": "submitted",
    "validation": "validation",
    "skipped": "skipped",
    "unusable": "unusable",
}
KINDS = {"accepted": "accepted as proposed", "corrected": "a corrected proposal", "drawn": "drawn by a person"}
UNKNOWN_KIND = "of unknown kind, counts as drawn"
LEVELS = ("low", "middle", "high")


def score(value: Optional[float], level: str) -> str:
    """``0.412 high``: a score beside what it is among the others, "" where that is not known."""
    return "" if value is None else f"{value:.3f} {level}".strip()


def score_meaning(level: str, worst: str) -> str:
    """Explains a score.

    Args:
        level: one of ``LEVELS``, or "".
        worst: the class that the model is least sure of, or "".
    """
    among = f"Compared with the other scans without a label, this is {level}." if level else ""
    return " ".join(part for part in (among, f"The model is least sure of {worst}." if worst else "") if part)


def expected_dice(proposal: Mapping[str, Optional[float]]) -> str:
    """``0.87 (0.80 to 0.93)``; "" where no label was compared yet."""
    if proposal.get("dice") is None:
        return ""
    between = f" ({proposal['low']:.2f} to {proposal['high']:.2f})" if proposal.get("low") is not None else ""
    return f"{proposal['dice']:.2f}{between}"


def proposed(version: object, newest: bool) -> str:
    """That there is a proposal of *Label all*, and whether it is out of date."""
    return "proposal" if newest else f"proposal of version {version}, not the newest"


def put_off(why: str) -> str:
    """That a case was skipped."""
    return f"skipped: {why}" if why else "skipped"


def agreed(dice: str) -> str:
    """How much of the first proposal a person left as it was."""
    return f"the proposal agreed with the label to a Dice of {dice}"


def doubt(rank: int, worst: str) -> str:
    """Its place among the others by score."""
    return f"number {rank} by uncertainty{f'; least sure of {worst}' if worst else ''}"


def handed_out(when: str) -> str:
    """When somebody was given the case."""
    return f"handed out {when}"


def first_of(limit: int, fitting: int) -> str:
    """Said where more cases fit than can be shown."""
    return f"The first {limit} of {fitting:,} are shown: type a part of a name to find others."
