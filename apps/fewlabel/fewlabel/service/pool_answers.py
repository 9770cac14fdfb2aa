"""Bodies of requests and responses about the proposals of the whole pool, as documented on the OpenAPI page."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field


class ProposalAnswer(BaseModel):
    """The stored proposal for a case."""

    version: int = Field(description="of the model that made it")
    newest: bool = Field(description="whether that model is still the published one")
    score: float | None = Field(description="uncertainty of that model, 0 to 1")
    dice: float | None = Field(description="expected mean Dice; null while no label was compared")
    low: float | None = Field(description="8 of 10 such cases lie between low and high; null with too few comparisons")
    high: float | None


class AcceptRequest(BaseModel):
    """Which proposal is accepted."""

    version: int = Field(description="of the model whose proposal was shown")
    client_id: str | None = Field(default=None, max_length=200, description="who accepts it")


class AcceptAnswer(BaseModel):
    """The label that was stored."""

    id: str
    state: str = Field(description="of the case, as in its row")
    kind: str = Field(description="of its label")
    notes: list[str] = Field(description="sentences about what was changed in it")


class LabelAllAnswer(BaseModel):
    """How far *Label all* is."""

    state: Literal["idle", "running", "done", "failed"] = Field(description="idle: not running, and not complete")
    model_version: int | None = Field(description="of the published model")
    done: int = Field(description="unlabelled scans with a proposal of this model")
    of: int = Field(description="unlabelled scans")
    left_out: int = Field(description="of these, those that could not be read")
    seconds_left: float | None = Field(description="null where that is not known")
    calibration: str = Field(description="where the expected Dice comes from, and how well it is calibrated")
    error: str | None = Field(description="why it failed, in a sentence")
