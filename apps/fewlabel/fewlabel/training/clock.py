"""The schedule of a continuous training: everything in it that depends on time.

The length of such a training is not known, so nothing here is a share of it:

- the ramps of the pool terms, the mean teacher's window and ``uamt``'s bound follow ``Clock.progress``: it grows with
  the training time from 0 to 1 over ``WARM_UP``, stays 1, and survives new labels and restarts;
- the learning rate rises over ``RISE`` and then stays constant; what is published is annealed separately (branch.py);
- the guard against harm checks every ``CHECK_EVERY``, and tries the pool again after ``RETRY_AFTER``;
- a new model is published at most every ``PUBLISH_EVERY``. A candidate is looked at (measured) twice as often where
  two looks are needed, and the branch before each look takes at most a fifth of the time;
- it rests when no look was better for ``REST_AFTER``, or, where nothing can be validated, ``REST_UNVALIDATED`` after
  the last label.

Training time is the time spent in steps: waiting for people, looking at candidates and scoring do not count.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

WARM_UP = 900.0  # seconds of training; pool terms start after 180 with a cached teacher, after 315 with a live one
RISE = 10.0  # seconds of training
CHECK_EVERY = 12.0  # seconds of training: 50 times in ten minutes, as on request
RETRY_AFTER = 300.0  # seconds of training
FIRST_LOOK = 20.0  # seconds of training: something is better than nothing
PUBLISH_EVERY = 120.0  # seconds of training
BRANCH = (5.0, 30.0)  # seconds, shortest and longest
REST_AFTER = 1200.0  # seconds of training
REST_UNVALIDATED = 2400.0  # seconds of training; gains were measured up to there
BETTER = 0.005  # of Dice: less is noise


@dataclass
class Clock:
    """How far a continuous training is.

    Attributes:
        trained: seconds of all its steps, over restarts and new labels.
        looked: ``trained`` at the last look at a candidate.
        improved: ``trained`` when a look was last better, or a label came last.
        best: Dice of that look, only used to decide when to rest; -1: no look since the last label.
        look_every: seconds of training between two looks.
    """

    trained: float = 0.0
    looked: float = -math.inf
    improved: float = 0.0
    best: float = -1.0
    look_every: float = PUBLISH_EVERY

    def progress(self) -> float:
        """Share of the warm-up of the pool terms, in [0, 1]."""
        return min(1.0, self.trained / WARM_UP)

    def rate(self, highest: float) -> float:
        """The learning rate of the trunk."""
        return highest * min(1.0, 0.1 + 0.9 * self.trained / RISE)

    def is_look_due(self) -> bool:
        """Whether it is time to look at a candidate."""
        first = min(FIRST_LOOK, self.look_every)
        return self.trained - self.looked >= self.look_every if self.looked >= 0 else self.trained >= first

    def branch(self) -> float:
        """Seconds that a branch takes: a quarter of the training so far, or since the last look."""
        shortest, longest = (min(each, self.look_every / 4) for each in BRANCH)
        return min(max(self.trained / 4, shortest), longest)

    def round(self) -> float:
        """Share of the time until the next look, in [0, 1]."""
        if self.looked < 0:
            return min(1.0, self.trained / min(FIRST_LOOK, self.look_every))
        return min(1.0, (self.trained - self.looked) / self.look_every)

    def has_looked(self, dice: float) -> None:
        """A look is over; ``dice`` is NaN where nothing could be measured."""
        self.looked = self.trained
        if math.isfinite(dice) and dice > self.best + BETTER:
            self.best, self.improved = dice, self.trained

    def label_came(self) -> None:
        """The labels have changed: improvement is measured from here on; all else goes on."""
        self.best, self.improved = -1.0, self.trained

    def may_rest(self, validated: bool) -> bool:
        """Whether nothing improves any more."""
        return self.trained - self.improved >= (REST_AFTER if validated else REST_UNVALIDATED)

    def state(self) -> dict[str, Any]:
        """State for a checkpoint."""
        return {key: value for key, value in asdict(self).items() if key != "look_every"}

    def restore(self, state: dict[str, Any]) -> None:
        """Take over the state of a checkpoint."""
        for key in ("trained", "looked", "improved", "best"):
            setattr(self, key, float(state.get(key, getattr(self, key))))
