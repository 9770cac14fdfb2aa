"""Pixel positions of curves in a chart. No widgets."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Dict, List, Mapping, Sequence, Tuple

Point = Tuple[float, float]

MOST = 400  # points of a curve: a chart has no more columns


@dataclass(frozen=True)
class Box:
    """A rectangle in pixels, y downwards."""

    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True)
class Axis:
    """A range with round ends."""

    low: float
    high: float

    def share(self, value: float) -> float:
        """Relative position of a value, 0 to 1."""
        return min(1.0, max(0.0, (value - self.low) / (self.high - self.low)))


def axis(values: Sequence[float], low: float = math.inf, high: float = -math.inf) -> Axis:
    """A range that contains all finite values and these two ends."""
    finite = [value for value in values if math.isfinite(value)]
    low, high = min([low, *finite], default=0.0), max([high, *finite], default=1.0)
    if not (math.isfinite(low) and math.isfinite(high)):
        return Axis(0.0, 1.0)
    if high - low < 1e-9:
        return Axis(low, low + 1.0)
    step = 10 ** math.floor(math.log10(high - low)) / 2
    return Axis(math.floor(low / step) * step, math.ceil(high / step) * step)


def pixels_of(curves: Mapping[str, Sequence[Point]], x: Axis, y: Axis, box: Box) -> Dict[str, List[Tuple[int, int]]]:
    """Pixels of each curve's finite points; long curves are thinned."""
    placed = {}
    for name, points in curves.items():
        finite = [point for point in points if math.isfinite(point[0]) and math.isfinite(point[1])]
        if len(finite) > MOST:
            every = len(finite) / MOST
            finite = [*(finite[int(number * every)] for number in range(MOST - 1)), finite[-1]]
        placed[name] = [
            (round(box.left + x.share(step) * box.width), round(box.top + (1 - y.share(value)) * box.height))
            for step, value in finite
        ]
    return placed


def tick(value: float) -> str:
    """The text of a number at an axis."""
    return f"{value:,.0f}" if abs(value) >= 10 or value == int(value) else f"{value:.2g}"
