"""How a training uses the store of predictions: learns from it, and fills it during the training and at its end."""

from __future__ import annotations

from collections.abc import Callable

from fewlabel.data.loaders import Record
from fewlabel.methods import METHODS
from fewlabel.methods.base import Method
from fewlabel.plan import Plan
from fewlabel.predictions.pool import Keeper
from fewlabel.predictions.predict import Eyes
from fewlabel.predictions.store import PredictionStore
from fewlabel.settings import Settings
from fewlabel.training.budget import Budget
from fewlabel.training.refresh import PoolRefresh
from fewlabel.workspace import Workspace


class StoredPool:
    """The store of one study, as one training uses it.

    Args:
        workspace: of the study.
        settings: the teacher, and the share of the disk.
        device: of the networks.
        beat: called often, to show that it is alive.
    """

    def __init__(self, workspace: Workspace, settings: Settings, device: str, beat: Callable[[], None]) -> None:
        self.workspace, self.settings, self.device, self.beat = workspace, settings, device, beat

    def teacher_of(self, method: str) -> dict[str, str]:
        """The argument ``teacher`` of a method, where the settings ask for a cached one and the method takes it."""
        cached = METHODS[method].takes_cached and self.settings.teacher == "cached"
        return {"teacher": "cached"} if cached else {}

    def open(self, plan: Plan) -> PredictionStore:
        """The predictions that can be used with a plan."""
        store = PredictionStore(self.workspace.predictions, plan, self.settings.predictions_gb)
        store.clear_leftovers()
        return store

    def refresh(
        self, method: Method, store: PredictionStore, plan: Plan, pool: list[Record], budget: Budget, version: int
    ) -> PoolRefresh | None:
        """Predicts the pool during the training of this version; None where the method uses no stored predictions."""
        if "pseudo_label" not in method.needs or not pool:
            return None
        return PoolRefresh(store, plan, pool, self.device, budget, beat=self.beat, first=version - 1)

    def keeper(self, method: Method, candidate: str, store: PredictionStore, plan: Plan, version: int) -> Keeper:
        """Stores the predictions of the published candidate and the method's members for each scan that is scored."""
        eyes = Eyes(method.candidates[candidate], method.member_networks, plan, beat=self.beat)
        return Keeper(eyes, store, plan, version, self.device)
