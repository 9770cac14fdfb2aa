"""What a continuous training publishes: nothing that was good in a single look only."""

from __future__ import annotations

import math
from collections.abc import Callable

from fewlabel.files import stamp
from fewlabel.methods.base import Method
from fewlabel.training.publish import Publisher
from fewlabel.training.validation import may_replace, mean_dice


class LookPublisher(Publisher):
    """Publishes a candidate that is not worse than the published model in two successive looks.

    Each look is at other weights, so a single lucky one publishes nothing, and after each publication two more are
    needed. The first model of all is published at once, and so is each where nothing can be validated: the last is the
    best guess then, and it is flagged. The reported Dice is that of the last weights, never the best of many.

    Attributes:
        looks: taken so far.
        released: called after each publication with the method whose network it is.
    """

    looks = 0
    released: Callable[[Method], None] = staticmethod(lambda method: None)
    _good = False  # whether the last look's candidate was not worse, and was not published

    def consider(self, method: Method, done: float, beat: Callable[[], None]) -> float:
        """Measure a candidate; publish it if neither it nor the last one was worse than the published model.

        Returns:
            Mean Dice of the validation cases; NaN where nothing can be measured.

        Raises:
            Refusal: (507) the model cannot be written; the published one is still there.
        """
        self.looks += 1
        candidates = method.candidates
        chosen, dice = self._measure(candidates, beat)
        mean = mean_dice(dice)
        if stamp(self.path) != self._seen:  # somebody else sent, deleted or restored one meanwhile
            self.measure_published(beat)
        known = mean_dice(self.published_dice or {})
        first = not math.isfinite(mean) or not math.isfinite(known)
        good = may_replace(dice, self.published_dice)
        publishes = good and (self._good or first)
        if publishes:
            self._publish(candidates[chosen], chosen, dice, done, self._others(method, candidates[chosen]))
            self.progress.update(published_dice=mean if math.isfinite(mean) else None)
            self.version += 1
            self.released(method)
        self._good = good and not publishes
        if math.isfinite(mean):
            self.progress.put(best_metric=mean)
        self.progress.update(validation=dice)
        return mean

    def measure_published(self, beat: Callable[[], None]) -> None:
        """As Publisher; also report the Dice of the published model on today's validation cases."""
        super().measure_published(beat)
        mean = mean_dice(self.published_dice or {})
        self.progress.put(published_dice=mean if math.isfinite(mean) else None)

    def _is_whole(self, done: float) -> bool:
        """Each publication is of a branch whose rate has fallen to zero."""
        return True

    def begin_anew(self, beat: Callable[[], None]) -> None:
        """The validation cases may have changed: earlier looks no longer count, and the published model is measured."""
        self._good = False
        self.measure_published(beat)
