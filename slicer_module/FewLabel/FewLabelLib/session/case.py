"""The current case, and the server's response to its submitted label."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Dict, List, Optional

from ..label.drafts import Draft


@dataclass
class Case:
    """The current case.

    Attributes:
        id, server, study: that identify it.
        reason: why it was chosen; "": it was opened by hand.
        slices, points: where to look, for each of sagittal, coronal and axial, the most uncertain first.
        response: of the server when it chose the case.
        handle: of the scene; None until the image is loaded.
        ready: whether it can be edited.
        draft: that its edits were restored from.
        shown: source of the segments: "model", "label", "draft" or "" (none).
        revision: of the segments when they were loaded or last saved as a draft.
        loaded: revision of the segments when they were loaded.
        stored: revision that the server has, or can give again; None: what is shown is on this computer only.
        told: revision of which was said that it is kept.
        kept: time of ``revision``, seconds since the epoch.
        discards: earlier edits are removed when the segments are shown.
        submitted: whether a label was submitted from here.
        version: of the model whose proposal was shown; None: not known.
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
    stored: Optional[int] = None
    told: Optional[int] = None
    kept: float = 0.0
    discards: bool = False
    submitted: bool = False
    version: Optional[int] = None

    @property
    def reason(self) -> str:
        return str(self.response.get("reason", ""))

    @property
    def kind(self) -> Optional[str]:
        """The kind of the label, as far as this panel knows: "accepted", "corrected" or "drawn".

        None where editing started elsewhere: the server then knows better.
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
    """What is being done now.

    Attributes:
        case: the current one; None: none.
        activity: "" or the value of a state: loading, editing, submitting.
    """

    def __init__(self) -> None:
        self.case: Optional[Case] = None
        self.activity = ""

    def fall_back(self) -> None:
        """Cancel the activity; a case that was open before can be edited again."""
        if self.case is not None and not self.case.ready:
            self.case = None
        self.activity = "editing" if self.case is not None else ""


@dataclass(frozen=True)
class Submitted:
    """The server's response to a submitted label.

    Attributes:
        case: its id.
        correction: mean Dice between the model's proposal and this label; None: not known (yet).
        by_class: Dice for each class.
        flags: sentences about what looks wrong.
        notes: sentences about what this panel and the server changed.
        kind: "accepted", "corrected" or "drawn"; "": the server has no kinds.
    """

    case: str
    correction: Optional[float] = None
    by_class: Dict[str, float] = field(default_factory=dict)
    flags: List[str] = field(default_factory=list)
    notes: List[str] = field(default_factory=list)
    kind: str = ""


def read_response(case: str, answer: Dict[str, Any], notes: List[str]) -> Submitted:
    """Read the response of PUT /datastore/label; ``notes`` of this panel come before the server's."""
    correction = answer.get("correction") or {}
    if not isinstance(correction, dict):
        correction = {"mean": correction}
    flags = [flag["reason"] if isinstance(flag, dict) else str(flag) for flag in answer.get("flags") or []]
    said = [str(note) for note in answer.get("notes") or []]
    by_class = correction.get("classes") or {}
    return Submitted(case, correction.get("mean"), by_class, flags, [*notes, *said], str(answer.get("kind") or ""))
