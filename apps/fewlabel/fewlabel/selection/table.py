"""The strategies that can be chosen by name. To add one: one line in the table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fewlabel.selection.coverage import Coverage
from fewlabel.selection.features import FeatureStore
from fewlabel.selection.scores import ScoreFile
from fewlabel.selection.served import Served
from fewlabel.selection.strategies import FewLabelStrategy, First, ForegroundRandom, Random
from fewlabel.selection.uncertain import Uncertainty, UncertaintyAndDiversity
from fewlabel.workspace import Workspace

DEFAULT_STRATEGY = "uncertainty+diversity"


@dataclass(frozen=True)
class _Parts:
    """What the strategies of one server share."""

    served: Served
    scores: ScoreFile
    features: FeatureStore
    coverage: Coverage
    seed: int


STRATEGIES: dict[str, Callable[[_Parts], FewLabelStrategy]] = {
    DEFAULT_STRATEGY: lambda it: UncertaintyAndDiversity(it.served, it.scores, it.coverage, it.features, it.seed),
    "uncertainty": lambda it: Uncertainty(it.served, it.scores, it.coverage),
    "coverage": lambda it: it.coverage,
    "foreground_random": lambda it: ForegroundRandom(it.served, it.scores, it.seed),
    "random": lambda it: Random(it.served, it.seed),
    "first": lambda it: First(it.served),
}


def make_strategies(workspace: Workspace, seed: int) -> tuple[dict[str, FewLabelStrategy], FeatureStore]:
    """Strategies by name, the default first: viewers show the first one; and the features that they share.

    Args:
        workspace: of the study: scores, features, and who was given what.
        seed: of all that is drawn.
    """
    served, scores, features = Served(workspace.served), ScoreFile(workspace.scores), FeatureStore(workspace.features)
    parts = _Parts(served, scores, features, Coverage(served, features, seed), seed)
    return {name: make(parts) for name, make in STRATEGIES.items()}, features
