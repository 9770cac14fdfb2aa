"""Ramps for the weights of terms on unlabelled scans."""

from __future__ import annotations

import math


def sigmoid_ramp(progress: float, start: float, length: float) -> float:
    """0 before ``start``, then ``exp(-5 (1 - x)^2)`` with x from 0 to 1 over ``length``, then 1.

    Laine & Aila 2017, section 3.1, in shares of the training (0..1) and not in epochs, so that it does not depend on
    the size of the pool. The delayed start is our addition: an untrained teacher does harm.
    """
    if progress < start:
        return 0.0
    done = min((progress - start) / length, 1.0) if length > 0 else 1.0
    return math.exp(-5 * (1 - done) ** 2)


def linear_ramp(progress: float, start: float, first: float, last: float) -> float:
    """``first`` until ``start``, then linear to ``last`` at the end of the training."""
    done = max(progress - start, 0.0) / (1 - start) if start < 1 else 0.0
    return first + (last - first) * done
