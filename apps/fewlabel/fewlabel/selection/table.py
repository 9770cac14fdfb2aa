"""The strategies that can be chosen by name. To add one: one file here, one line in the table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fewlabel.selection.base import FewLabelStrategy
from fewlabel.selection.coverage import Coverage
from fewlabel.selection.features import FeatureStore
from fewlabel.selection.leases import Leases
from fewlabel.selection.scores import ScoreFile
from fewlabel.selection.strategies import First, ForegroundRandom, Random
from fewlabel.selection.uncertain import Uncertainty, UncertaintyAndDiversity
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


STRATEGIES: dict[str, Callable[[Parts], FewLabelStrategy]] = {
    DEFAULT_STRATEGY: lambda it: UncertaintyAndDiversity(it.leases, it.scores, it.coverage, it.features, it.seed),
    "uncertainty": lambda it: Uncertainty(it.leases, it.scores, it.coverage),
    "coverage": lambda it: it.coverage,
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
    parts = Parts(leases, scores, features, Coverage(leases, features, seed), seed)
    return {name: make(parts) for name, make in STRATEGIES.items()}, features
