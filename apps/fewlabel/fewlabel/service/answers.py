"""What the routes are sent and what they answer, as people read it in the OpenAPI page."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

from fewlabel.datastore.kinds import Kind
from fewlabel.export.table import DEFAULT_EXPORT, EXPORTS

State = Literal["unlabelled", "in_work", "submitted", "validation", "unusable"]


class ClassEntry(BaseModel):
    """One class of the study."""

    name: str
    value: int = Field(description="of its voxels in label maps")
    color: tuple[int, int, int] = Field(description="red, green, blue: 0 to 255")


class Choice(BaseModel):
    """Something that can be chosen by name."""

    name: str
    description: str


class PublishedModel(BaseModel):
    """What is told of the published model."""

    version: int
    method: str
    network: str
    validated: bool
    validation: dict[str, float | None] = Field(description="Dice by class on the validation cases")
    labelled: int = Field(description="cases that it was trained on with their labels")
    time: int = Field(description="of publishing, seconds since the epoch")
    quality: str = Field(description="its Dice with the number of validation cases, and a warning where one is due")
    doubtful: bool = Field(description="whether that warns")


class Scans(BaseModel):
    """What the folder of the study holds."""

    usable: int
    pending: int = Field(description="files whose headers are still to be looked at")
    passed: dict[str, int] = Field(description="files that are passed over, or cannot be used, by reason")
    sentences: list[str] = Field(description="the same in words")
    problem: str = Field(description="said loudly where there is no usable scan, else empty")


class Counts(BaseModel):
    """Cases by state: the four states add up to ``cases``; unusable scans are none."""

    cases: int
    submitted: int
    validation: int
    in_work: int
    unlabelled: int


class StudyAnswer(BaseModel):
    """What a viewer needs to know when it connects."""

    version: Literal[1] = Field(default=1, description="of these routes")
    app_version: str
    name: str
    classes: list[ClassEntry]
    methods: list[Choice]
    default_method: str
    strategies: list[Choice]
    exports: list[Choice]
    device: str
    devices: list[str]
    model: PublishedModel | None
    problem: str | None = Field(default=None, description="why the published model cannot be used, in words")
    counts: Counts
    scans: Scans
    training: dict[str, Any] | None = Field(description="the trainer's progress, as train_stats in /info")


class Case(BaseModel):
    """One case as a row of a list."""

    id: str
    state: State
    score: float | None = Field(description="uncertainty of the model")
    uncertain_class: str | None
    rank: int | None = Field(description="by score among the cases without a label, 1 is the most uncertain")
    skipped: bool
    skip_reason: str | None
    served: float | None = Field(description="when it was handed out, within the last hour; seconds since the epoch")
    submitted: float | None = Field(description="when its label was stored; seconds since the epoch")
    kind: Kind | None = Field(description="who has looked at its submitted label: drawn, corrected or accepted")
    kind_unknown: bool = Field(
        description="it was stored before kinds, or laid into the folder by hand: counts as drawn"
    )
    correction: float | None = Field(description="mean Dice of the model's proposal and the first submission")
    flags: list[str] = Field(description="what looks wrong in its label, or with its scan, a sentence each")
    file: str
    slices: dict[str, list[int]] | None = Field(description="worth looking at, by anatomical axis, worst first")


class CasesAnswer(BaseModel):
    """All cases, by id."""

    model_version: int | None = Field(description="of the model that gave the scores")
    cases: list[Case]


class SkipRequest(BaseModel):
    """Why a case is put off."""

    reason: str = Field(default="", max_length=500)


class SkipAnswer(BaseModel):
    """Until when a case is put off; seconds since the epoch."""

    id: str
    skipped_until: float


class CaseId(BaseModel):
    """A case."""

    id: str


class UndoAnswer(BaseModel):
    """The state of a case after its last submission was taken back."""

    id: str
    state: State


class HistoryAnswer(BaseModel):
    """What was said of each submission, oldest first, and what more labels would bring."""

    entries: list[dict[str, Any]]
    stopping: dict[str, Any] | None


class ExportRequest(BaseModel):
    """What to export."""

    format: str = Field(default=DEFAULT_EXPORT, json_schema_extra={"enum": list(EXPORTS)})
    check: bool = Field(default=True, description="run it by itself on one case and compare with the server")


class ExportStarted(BaseModel):
    """An export has begun."""

    state: Literal["running"] = "running"


class Verified(BaseModel):
    """An exported model that was run by itself beside the server's own."""

    case: str
    voxels_differing: int
    of: int


class ExportAnswer(BaseModel):
    """How far the last export is."""

    state: Literal["none", "running", "done", "failed"] = "none"
    progress: float = 0.0
    step: str = ""
    format: str = DEFAULT_EXPORT
    file: str | None = None
    bytes: int | None = None
    sha256: str | None = Field(default=None, description="of the file")
    model_version: int | None = None
    verified: Verified | None = None
    error: str | None = None
