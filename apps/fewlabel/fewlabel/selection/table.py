"""The strategies that can be chosen by name. To add one: one file here, one line in the table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fewlabel.selection.base import FewLabelStrategy
from fewlabel.selection.cold_start import ColdStart
from fewlabel.selection.coverage import Coverage
from fewlabel.selection.expected_correction import Corrections, ExpectedCorrection
from fewlabel.selection.features import FeatureStore
from fewlabel.selection.leases import Leases
from fewlabel.selection.scores import ScoreFile
from fewlabel.selection.strategies import First, ForegroundRandom, Random
from fewlabel.selection.uncertain import Uncertainty, UncertaintyAndDiversity
from fewlabel.selection.uncertain_part import UncertainPart
from fewlabel.workspace import Workspace

DEFAULT_STRATEGY = "uncertainty+diversity"


@dataclass(frozen=True)
class Parts:
    """Objects that the strategies of a server share.

    Attributes:
        leases: which cases were handed out or skipped.
        scores: of the unlabelled scans by the published model.
        features: of the scans, for distances between them.
        coverage: the strategy for a study without a model.
        seed: of random choices.
        corrections: of the labels that people have submitted.

    Examples:
        >>> from tempfile import mkdtemp
        >>> strategies, features = make_strategies(Workspace(mkdtemp()), seed=0)
        >>> list(strategies) == list(STRATEGIES)
        True
    """

    leases: Leases
    scores: ScoreFile
    features: FeatureStore
    coverage: Coverage
    seed: int
    corrections: Corrections


STRATEGIES: dict[str, Callable[[Parts], FewLabelStrategy]] = {
    DEFAULT_STRATEGY: lambda it: UncertaintyAndDiversity(it.leases, it.scores, it.coverage, it.features, it.seed),
    "uncertainty": lambda it: Uncertainty(it.leases, it.scores, it.coverage, it.seed),
    "uncertain_part": lambda it: UncertainPart(it.leases, it.scores, it.coverage, it.features, it.seed),
    "expected_correction": lambda it: ExpectedCorrection(
        it.leases, it.scores, it.coverage, it.features, it.corrections, it.seed
    ),
    "coverage": lambda it: it.coverage,
    "cold_start": lambda it: ColdStart(it.leases, it.features, it.seed),
    "foreground_random": lambda it: ForegroundRandom(it.leases, it.scores, it.seed),
    "random": lambda it: Random(it.leases, it.seed),
    "first": lambda it: First(it.leases),
}


def make_strategies(workspace: Workspace, seed: int) -> tuple[dict[str, FewLabelStrategy], FeatureStore]:
    """Strategies by name, the default first, since viewers show the first one; and the features that they share.

    Args:
        workspace: of the study, with scores, features and leases.
        seed: of random choices.
    """
    leases, scores, features = Leases(workspace.leases), ScoreFile(workspace.scores), FeatureStore(workspace.features)
    coverage, corrections = Coverage(leases, features, seed), Corrections(workspace.history)
    parts = Parts(leases, scores, features, coverage, seed, corrections)
    return {name: make(parts) for name, make in STRATEGIES.items()}, features
