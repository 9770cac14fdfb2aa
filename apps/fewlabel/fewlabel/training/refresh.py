"""When a training predicts the pool again, so that cached pseudo-labels follow the network."""

from __future__ import annotations

import bisect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from fewlabel.data.loaders import Record
from fewlabel.methods.base import Method
from fewlabel.plan import Plan
from fewlabel.predictions.pool import Pass, predict_pool
from fewlabel.predictions.predict import Eyes
from fewlabel.predictions.store import PredictionStore
from fewlabel.training.budget import Budget

SHARES = (0.2, 0.35, 0.5, 0.65, 0.8)  # of a training, chosen by measurement; a cached teacher is used from the first on
MOST_TIME = 0.2  # of the time spent so far
OVERLAP = 0.25  # of the sliding window: pseudo-labels need no more


class PoolRefresh:
    """Predicts the pool with a method's deployed network after given shares of a training.

    It takes at most a fifth of the time. A pass that is cut short by that is continued by the next one, which begins
    with the stalest predictions. An interrupted training goes on with the predictions that exist.

    Args:
        store: of the predictions.
        plan: of the training.
        records: of the pool.
        device: to compute on.
        budget: of the training: its time.
        shares: after which the pool is predicted, each in 0..1, rising.
        beat: called often, so that people see it is alive.
        first: version that was published before this training. Predictions made during it have versions in between:
            7.35 was made after 35 % of the training that makes version 8.
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
        """Predict the pool if the training (``done``, 0..1) has passed another share; gives what was predicted."""
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


class TimeShare:
    """Keeps work beside a training (scoring, predicting the pool) within a share of the time.

    Args:
        now: gives the time in seconds.
        share: of the time since this object was made, in (0, 1), that may be spent.

    Attributes:
        spent: seconds so far.

    Examples:
        >>> times = iter([0.0, 100.0, 100.0, 110.0, 110.0])
        >>> share = TimeShare(lambda: next(times))
        >>> share.left()
        25.0
        >>> with share.spending():
        ...     pass  # ten seconds
        >>> share.left()
        15.0
    """

    def __init__(self, now: Callable[[], float], share: float = MOST_TIME) -> None:
        self.now, self.share, self.spent = now, share, 0.0
        self._begun = now()

    def left(self) -> float:
        """Seconds that may be spent now: then they are the share of all time, theirs included."""
        training = self.now() - self._begun - self.spent
        return training * self.share / (1 - self.share) - self.spent

    @contextmanager
    def spending(self) -> Iterator[None]:
        """The time of a block is spent."""
        begun = self.now()
        try:
            yield
        finally:
            self.spent += self.now() - begun


class Movement:
    """Whether a model has changed enough since the last pass over the pool for another one.

    A new label is reason enough. Otherwise the Dice of the validation cases must have changed, or the predictions of a
    few scans, which are predicted for this check and stored.

    Attributes:
        scans: number of scans that are predicted for the check.
    """

    scans = 10

    def __init__(self, least_dice: float = 0.01, least_changed: float = 0.03) -> None:
        """``least_dice``: change of the validation Dice; ``least_changed``: share of the foreground (Pass.changed)."""
        self.least_dice, self.least_changed = least_dice, least_changed
        self._dice: float | None = None
        self._label_came = True  # nothing was predicted yet

    def label_came(self) -> None:
        """A label came that the stored predictions do not know."""
        self._label_came = True

    def is_worth_it(self, dice: float, look: Callable[[], float]) -> bool:
        """Whether to predict the pool again.

        Args:
            dice: mean Dice of the validation cases; NaN where there are none.
            look: predicts some scans and gives the share that changed, NaN where none was predicted before; called
                only where the other checks say no.
        """
        moved = self._dice is not None and abs(dice - self._dice) > self.least_dice  # False where it is NaN
        return self._label_came or moved or not look() <= self.least_changed

    def predicted(self, dice: float) -> None:
        """A pass was made by a model with this Dice."""
        self._dice, self._label_came = dice, False


class PoolPasses:
    """When a training that goes on predicts its pool, and for how long: after a publication that changed the model
    enough, in at most a fifth of the time. A pass that this cuts short goes on after the next publication.

    Args:
        now: gives the time in seconds.
        shortest: seconds; a shorter part of a pass is not worth beginning, and the first one may always take so long.

    Attributes:
        movement: whether another pass is worth it.
    """

    def __init__(self, now: Callable[[], float], shortest: float = 5.0) -> None:
        self.shortest = shortest
        self.movement = Movement()
        self._share = TimeShare(now)
        self._since: float | None = None

    def __call__(
        self,
        store: PredictionStore,
        version: float,
        dice: float,
        cases: Sequence[str],
        look: Callable[[], float],
        predict: Callable[[float], bool],
    ) -> None:
        """A version was published.

        Args:
            store: of the predictions.
            version: its number.
            dice: mean Dice of the validation cases; NaN where there are none.
            cases: ids of the pool.
            look: see ``Movement.is_worth_it``.
            predict: called with the seconds that it may take; predicts the pool, those first whose prediction is the
                oldest, and gives whether it came to its end.
        """
        allowed = self._share.left()
        if allowed < self.shortest and self._share.spent:
            return
        with self._share.spending():
            if self.movement.is_worth_it(dice, look):
                self._since = version if self._since is None else self._since
                if predict(max(allowed, self.shortest)) or _has_all(store, cases, self._since):
                    self.movement.predicted(dice)
                    self._since = None


def _has_all(store: PredictionStore, cases: Sequence[str], since: float) -> bool:
    """Whether each case has a prediction of this version or a later one."""
    heads = store.heads
    return all(case in heads and heads[case].version >= since for case in cases)
