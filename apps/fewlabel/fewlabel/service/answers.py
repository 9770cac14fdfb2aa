"""Bodies of requests and responses of the routes, as documented on the OpenAPI page."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

from fewlabel.datastore.kinds import Kind
from fewlabel.export.base import Kind as ExportKind
from fewlabel.export.comparing import Comparison
from fewlabel.export.table import DEFAULT_EXPORT, EXPORTS
from fewlabel.service.pool_answers import ProposalAnswer

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


class ExportChoice(Choice):
    """A format of export."""

    kind: ExportKind = Field(description="of the model, of the study's scans and labels, or of single cases")
    problem: str = Field(description="the package that it needs and that is not installed, in a sentence; else empty")


class PublishedModel(BaseModel):
    """The published model."""

    version: int
    method: str
    network: str
    validated: bool
    validation: dict[str, float | None] = Field(description="Dice by class on the validation cases")
    labelled: int = Field(description="cases that it was trained on with their labels")
    time: int = Field(description="of publishing, seconds since the epoch")
    quality: str = Field(description="its Dice, the number of validation cases, and a warning if needed")
    doubtful: bool = Field(description="whether ``quality`` contains a warning")


class Scans(BaseModel):
    """Content of the study's folder."""

    usable: int
    pending: int = Field(description="files whose headers are still to be read")
    passed: dict[str, int] = Field(description="files that are not served or cannot be used, by reason")
    sentences: list[str] = Field(description="a sentence for each reason")
    problem: str = Field(description="an error where there is no usable scan, else empty")
    short: str = Field(description="a summary in one line")


class DomainEntry(BaseModel):
    """One domain: a scanner, a site or a protocol."""

    name: str
    scans: int
    labelled: int = Field(description="scans with a submitted label")


class DomainsAnswer(BaseModel):
    """The domains of the study's scans."""

    source: str = Field(description="where they come from: domains.csv, the pattern or the names of subfolders")
    domains: list[DomainEntry]
    notes: list[str] = Field(description="sentences about scans whose domain is not known")
    problem: str = Field(description="why they cannot be used, else empty")
    setting: str = Field(description="semi_supervised, adaptation or generalisation")
    target: str | None = Field(description="domains that the model is adapted to, or that no training opens")
    proposal: str = Field(description="a sentence that proposes another setting with its reason, else empty")


class Counts(BaseModel):
    """Cases by state: the four states add up to ``cases``; unusable scans are not counted."""

    cases: int
    submitted: int
    validation: int
    in_work: int
    unlabelled: int


class StudyAnswer(BaseModel):
    """What a viewer needs when it connects."""

    version: Literal[1] = Field(default=1, description="of these routes")
    app_version: str
    name: str
    classes: list[ClassEntry]
    methods: list[Choice]
    default_method: str
    strategies: list[Choice]
    exports: list[ExportChoice]
    device: str
    devices: list[str]
    model: PublishedModel | None
    problem: str | None = Field(default=None, description="why the published model cannot be used")
    counts: Counts
    scans: Scans
    domains: DomainsAnswer | None = Field(default=None, description="none where the scans have no domains")
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
    by: str | None = Field(default=None, description="who submitted its label, where they gave a name")
    kind: Kind | None = Field(description="kind of its submitted label: drawn, corrected or accepted")
    kind_unknown: bool = Field(
        description="its label was stored before there were kinds, or put into the folder by hand: counts as drawn"
    )
    correction: float | None = Field(description="mean Dice of the model's proposal and the first submission")
    flags: list[str] = Field(description="sentences about what looks wrong with its label or scan")
    file: str
    domain: str | None = Field(default=None, description="scanner or site that it comes from, where that is known")
    proposal: ProposalAnswer | None = Field(default=None, description="stored by Label all, of a case without a label")
    slices: dict[str, list[int]] | None = Field(description="worth looking at, by anatomical axis, worst first")


class CasesAnswer(BaseModel):
    """All cases, by id."""

    model_version: int | None = Field(description="of the model that gave the scores")
    cases: list[Case]


class SkipRequest(BaseModel):
    """Why a case is skipped."""

    reason: str = Field(default="", max_length=500)


class SkipAnswer(BaseModel):
    """Until when a case is skipped; seconds since the epoch."""

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
    """The review of each submission, oldest first, and the estimated gain from more labels."""

    entries: list[dict[str, Any]]
    stopping: dict[str, Any] | None


class ExportRequest(BaseModel):
    """What to export."""

    formats: list[str] = Field(
        default=[DEFAULT_EXPORT],
        min_length=1,
        max_length=len(EXPORTS),
        json_schema_extra={"items": {"type": "string", "enum": list(EXPORTS)}},
        description="all of them come in one zip",
    )
    format: str | None = Field(default=None, description="one of them, where no list is given")
    check: bool = Field(default=True, description="compare with the study: a model is run by itself on some scans")
    accepted: bool = Field(default=False, description="a data set also has labels that were left as proposed")
    cases: list[str] = Field(default=[], description="ids of the scans that are exported one by one; default: all")
    predictions: bool = Field(default=False, description="of these scans the model's label map, not the submitted one")
    single: bool = Field(default=False, description="only the better one of a mean of two networks")

    @property
    def chosen(self) -> list[str]:
        """Names of the formats."""
        return self.formats if "formats" in self.model_fields_set or self.format is None else [self.format]


class ExportStarted(BaseModel):
    """An export has begun."""

    state: Literal["running"] = "running"


class Verified(BaseModel):
    """One comparison of an export with the study: a model that was run by itself, or a file that was read back."""

    format: str = DEFAULT_EXPORT
    case: str
    voxels_differing: int
    of: int
    probability: float | None = Field(default=None, description="largest difference of a probability, where known")
    seconds: float = Field(default=0.0, description="that it took")

    @classmethod
    def from_row(cls, format: str, row: Comparison) -> Verified:
        """Of a comparison of an export of this format."""
        return cls(
            format=format,
            case=row.case,
            voxels_differing=row.differing,
            of=row.voxels,
            probability=row.probability,
            seconds=row.seconds,
        )


class ExportAnswer(BaseModel):
    """How far the last export is."""

    state: Literal["none", "running", "done", "failed"] = "none"
    progress: float = 0.0
    step: str = ""
    seconds_left: float | None = None
    formats: list[str] = [DEFAULT_EXPORT]
    file: str | None = None
    bytes: int | None = None
    sha256: str | None = Field(default=None, description="of the file")
    model_version: int | None = None
    verified: Verified | None = Field(default=None, description="of the results, the one that differs most")
    results: list[Verified] = []
    error: str | None = None
