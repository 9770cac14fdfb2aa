"""What the server says about a submitted label."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Dict, List, Optional


@dataclass(frozen=True)
class Submitted:
    """What the server says about a submitted label.

    Attributes:
        case: its id.
        correction: mean Dice between the model's proposal and this label; None: not known (yet).
        by_class: the same for each class.
        flags: sentences on what looks wrong.
        notes: sentences on what was changed on the way, by this panel and by the server.
    """

    case: str
    correction: Optional[float] = None
    by_class: Dict[str, float] = field(default_factory=dict)
    flags: List[str] = field(default_factory=list)
    notes: List[str] = field(default_factory=list)


def read_answer(case: str, answer: Dict[str, Any], notes: List[str]) -> Submitted:
    """What the answer of PUT /datastore/label says; ``notes`` of this panel go before the server's."""
    correction = answer.get("correction") or {}
    if not isinstance(correction, dict):
        correction = {"mean": correction}
    flags = [flag["reason"] if isinstance(flag, dict) else str(flag) for flag in answer.get("flags") or []]
    said = [str(note) for note in answer.get("notes") or []]
    return Submitted(case, correction.get("mean"), correction.get("classes") or {}, flags, [*notes, *said])
