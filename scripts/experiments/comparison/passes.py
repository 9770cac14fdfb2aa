"""Predictions of the pool while a training goes on, as the server makes them after it has published."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf, nan

from fewlabel.data.loaders import Record
from fewlabel.methods.base import Method
from fewlabel.plan import Plan
from fewlabel.predictions.pool import Pass, predict_pool
from fewlabel.predictions.predict import Eyes
from fewlabel.predictions.store import PredictionStore
from fewlabel.settings import Settings
from fewlabel.training.refresh import Movement, PoolPasses


class Passes:
    """Predicts the pool with what was just published, where that moved enough, in at most a fifth of the time.

    Args:
        store: of the predictions.
        plan: of the training.
        pool: records of all its scans.
        device: of the networks.
        now: the time of the training.
    """

    def __init__(
        self, store: PredictionStore, plan: Plan, pool: Sequence[Record], device: str, now: Callable[[], float]
    ) -> None:
        self.store, self.plan, self.pool, self.device, self.now = store, plan, list(pool), device, now
        self.passes = PoolPasses(now)
        self.version = int(store.current)
        self.seconds = Settings().scoring_minutes * 60

    def __call__(self, method: Method) -> None:
        """A version was published: the network that ``method`` deploys."""
        self.version += 1
        cases = [record["id"] for record in self.pool]

        def predict(seconds: float) -> bool:
            made = self._predict(method, self.pool, min(seconds, self.seconds))
            return made.done == made.of

        self.passes(
            self.store, self.version, nan, cases, lambda: self._predict(method, self._some(), inf).changed, predict
        )

    def _some(self) -> list[Record]:
        known = [record for record in self.pool if record["id"] in self.store.heads]
        return known[self.version % max(1, len(known)) :][: Movement.scans]

    def _predict(self, method: Method, records: Sequence[Record], seconds: float) -> Pass:
        eyes = Eyes(method.deployed, method.member_networks, self.plan)
        where = self.store, self.plan, records, self.version, self.device
        return predict_pool(eyes, *where, seconds, self.now)
