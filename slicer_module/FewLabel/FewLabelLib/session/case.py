"""The case on the screen, and what the server says about its submitted label."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Dict, List, Optional

from ..label.drafts import Draft


@dataclass
class Case:
    """The case on the screen.

    Attributes:
        id, server, study: which it is.
        reason: why it was chosen; "": it was opened by hand.
        slices, points: where to look, for each of sagittal, coronal and axial, the worst first.
        response: all that the server said when it chose it.
        handle: the scene's; None until the image is there.
        ready: whether it can be edited.
        draft: the draft that its edits were taken from.
        shown: where the segments come from: "model", "label", "draft" or "" (none).
        revision: of the segments when they were loaded or last kept.
        loaded: of the segments when they were loaded.
        kept: seconds since the epoch of that moment.
        submitted: whether the server has a label of it from here.
    """

    id: str
    server: str
    study: str
    response: Dict[str, Any] = field(default_factory=dict)
    handle: Any = None
    ready: bool = False
    draft: Optional[Draft] = None
    shown: str = ""
    revision: int = 0
    loaded: int = 0
    kept: float = 0.0
    submitted: bool = False

    @property
    def reason(self) -> str:
        return str(self.response.get("reason", ""))

    @property
    def kind(self) -> Optional[str]:
        """Who has looked at what is on the screen, as far as this panel saw it: a kind of label of the server.

        None where edits were begun elsewhere: the server knows more of them.
        """
        if self.shown == "model":
            return "accepted" if self.revision == self.loaded else "corrected"
        return "drawn" if self.shown == "" else None

    @property
    def slices(self) -> Dict[str, List[int]]:
        return self.response.get("slices") or {}

    @property
    def points(self) -> Dict[str, List[List[float]]]:
        return self.response.get("points") or {}


class Current:
    """What is done at the moment.

    Attributes:
        case: the one on the screen; None: none.
        activity: "" or the value of a state: loading, editing, submitting.
    """

    def __init__(self) -> None:
        self.case: Optional[Case] = None
        self.activity = ""

    def fall_back(self) -> None:
        """What was under way is off; a case that was there before can be edited on."""
        if self.case is not None and not self.case.ready:
            self.case = None
        self.activity = "editing" if self.case is not None else ""


@dataclass(frozen=True)
class Submitted:
    """What the server says about a submitted label.

    Attributes:
        case: its id.
        correction: mean Dice between the model's proposal and this label; None: not known (yet).
        by_class: the same for each class.
        flags: sentences on what looks wrong.
        notes: sentences on what was changed on the way, by this panel and by the server.
        kind: "accepted", "corrected" or "drawn"; "": the server knows no kinds.
    """

    case: str
    correction: Optional[float] = None
    by_class: Dict[str, float] = field(default_factory=dict)
    flags: List[str] = field(default_factory=list)
    notes: List[str] = field(default_factory=list)
    kind: str = ""


def read_answer(case: str, answer: Dict[str, Any], notes: List[str]) -> Submitted:
    """What the answer of PUT /datastore/label says; ``notes`` of this panel go before the server's."""
    correction = answer.get("correction") or {}
    if not isinstance(correction, dict):
        correction = {"mean": correction}
    flags = [flag["reason"] if isinstance(flag, dict) else str(flag) for flag in answer.get("flags") or []]
    said = [str(note) for note in answer.get("notes") or []]
    by_class = correction.get("classes") or {}
    return Submitted(case, correction.get("mean"), by_class, flags, [*notes, *said], str(answer.get("kind") or ""))
