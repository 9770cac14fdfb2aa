"""Predictions of the pool while a training goes on, as the server makes them after it has published."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf, nan

from fewlabel.data.loaders import Record
from fewlabel.methods.base import Method
from fewlabel.plan import Plan
from fewlabel.predictions.pool import predict_pool
from fewlabel.predictions.predict import Eyes
from fewlabel.predictions.store import PredictionStore
from fewlabel.settings import Settings
from fewlabel.training.refresh import Movement

_SHARE = 0.2  # of the time, at most, as on the server


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
        self.movement = Movement()
        self.version = int(store.current)
        self.seconds = Settings().scoring_minutes * 60
        self._at, self._took = -inf, 0.0

    def __call__(self, method: Method) -> None:
        """A version was published: the network that ``method`` deploys."""
        self.version += 1
        now = self.now()
        if now - self._at < self._took / _SHARE:
            return
        if self.movement.is_worth_it(nan, lambda: self._predict(method, self._some(), inf)):
            self._predict(method, self.pool, self.seconds)
            self.movement.predicted(nan)
        self._at = self.now()
        self._took = self._at - now

    def _some(self) -> list[Record]:
        known = [record for record in self.pool if record["id"] in self.store.heads]
        return known[self.version % max(1, len(known)) :][: Movement.scans]

    def _predict(self, method: Method, records: Sequence[Record], seconds: float) -> float:
        """Share of the foreground that was given to another class than the last time."""
        eyes = Eyes(method.deployed, method.member_networks, self.plan)
        where = self.store, self.plan, records, self.version, self.device
        return predict_pool(eyes, *where, seconds, self.now).changed
