"""The strategies that can be chosen by name."""

from __future__ import annotations

from fewlabel.selection.coverage import Coverage
from fewlabel.selection.features import FeatureStore
from fewlabel.selection.scores import ScoreFile
from fewlabel.selection.served import Served
from fewlabel.selection.strategies import FewLabelStrategy, First, ForegroundRandom, Random
from fewlabel.selection.uncertain import Uncertainty, UncertaintyAndDiversity
from fewlabel.workspace import Workspace

DEFAULT_STRATEGY = "uncertainty+diversity"


def make_strategies(workspace: Workspace, seed: int) -> tuple[dict[str, FewLabelStrategy], FeatureStore]:
    """Strategies by name, the default first: viewers show the first one; and the features that they share.

    Args:
        workspace: of the study: scores, features, and who was given what.
        seed: of all that is drawn.
    """
    served, scores, features = Served(workspace.served), ScoreFile(workspace.scores), FeatureStore(workspace.features)
    coverage = Coverage(served, features, seed)
    strategies: dict[str, FewLabelStrategy] = {
        DEFAULT_STRATEGY: UncertaintyAndDiversity(served, scores, coverage, features, seed),
        "uncertainty": Uncertainty(served, scores, coverage),
        "coverage": coverage,
        "foreground_random": ForegroundRandom(served, scores, seed),
        "random": Random(served, seed),
        "first": First(served),
    }
    return strategies, features
