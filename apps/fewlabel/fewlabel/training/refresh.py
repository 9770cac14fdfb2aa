"""When a training predicts the pool again, so that it learns from what it knows by now."""

from __future__ import annotations

import bisect
from collections.abc import Callable, Sequence

from fewlabel.data.loaders import Record
from fewlabel.methods.base import Method
from fewlabel.plan import Plan
from fewlabel.predictions.pool import Pass, predict_pool
from fewlabel.predictions.predict import Eyes
from fewlabel.predictions.store import PredictionStore
from fewlabel.training.budget import Budget

SHARES = (0.2, 0.35, 0.5, 0.65, 0.8)  # of a training, as measured; the first is where a cached teacher begins to teach
MOST_TIME = 0.2  # of all that was spent so far
OVERLAP = 0.25  # of the sliding window: pseudo-labels need no more


class PoolRefresh:
    """Predicts the pool with a method's deployed network after given shares of a training.

    Never more than a fifth of the time goes into it; where that ends a pass, the next one begins with the stalest
    cases. A training that was interrupted goes on with the predictions that there are.

    Args:
        store: of the predictions.
        plan: of the training.
        records: of the pool.
        device: to compute on.
        budget: of the training: its time.
        shares: after which the pool is predicted, each in 0..1, rising.
        beat: called often, so that people see it is alive.
        first: version that was published before this training. Its predictions on the way to the next one are between
            the two: 7.35 was made after 35 % of the training that makes version 8.
    """

    def __init__(
        self,
        store: PredictionStore,
        plan: Plan,
        records: Sequence[Record],
        device: str,
        budget: Budget,
        shares: Sequence[float] = SHARES,
        beat: Callable[[], None] = lambda: None,
        first: float = 0.0,
    ) -> None:
        self.store, self.plan, self.records, self.device = store, plan, list(records), device
        self.budget, self.shares, self.beat = budget, list(shares), beat
        self.first = first
        self.spent = 0.0
        self.passed = 0

    def __call__(self, method: Method, done: float) -> Pass | None:
        """Predict the pool if a share of the training (``done``, 0..1) was passed since; how far that came."""
        passed = bisect.bisect_right(self.shares, done)
        if passed <= self.passed or done >= 1:
            return None
        self.passed = passed
        allowed = MOST_TIME * self.budget.elapsed() - self.spent
        begun = self.budget.elapsed()
        deployed = method.deployed
        eyes = Eyes(deployed, [deployed], self.plan, OVERLAP, self.beat)
        found = predict_pool(
            eyes,
            self.store,
            self.plan,
            self.records,
            self.first + self.shares[passed - 1],
            self.device,
            allowed,
            self.budget.elapsed,
        )
        self.spent += self.budget.elapsed() - begun
        return found


class Movement:
    """Whether a model moved so much since its last pass over the pool that another one is worth its time.

    A new label is reason enough. Otherwise the Dice of the validation cases must have moved, or the predictions of a
    few scans, which are made for that and stored.

    Attributes:
        scans: looked at for that.
    """

    scans = 10

    def __init__(self, least_dice: float = 0.01, least_changed: float = 0.03) -> None:
        """``least_dice``: of the validation Dice; ``least_changed``: share of foreground voxels (see Pass.changed)."""
        self.least_dice, self.least_changed = least_dice, least_changed
        self._dice: float | None = None
        self._label_came = True  # nothing was predicted yet

    def label_came(self) -> None:
        """What was predicted before does not know it."""
        self._label_came = True

    def is_worth_it(self, dice: float, look: Callable[[], float]) -> bool:
        """Whether to predict the pool again.

        Args:
            dice: mean Dice of the validation cases; NaN where there are none.
            look: predicts some scans and gives the share that changed, NaN where none was predicted before; called
                only where nothing else says that it is worth it.
        """
        moved = self._dice is not None and abs(dice - self._dice) > self.least_dice  # never where it is NaN
        return self._label_came or moved or not look() <= self.least_changed

    def predicted(self, dice: float) -> None:
        """A pass was made, by a model of this Dice."""
        self._dice, self._label_came = dice, False
