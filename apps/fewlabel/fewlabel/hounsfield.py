"""Detects whether the intensities of a scan are Hounsfield units, whatever padding its scanner wrote."""

from __future__ import annotations

import numpy as np

_PADDING_VALUES = 2
"""Padding constants in a scan, e.g. one outside of the scanner's circle and one around a rotation."""

_LOWEST = -1100.0
"""Below the noise of air; there is hardly anything but padding there."""

_SIDE = 60


def in_hounsfield_units(array: np.ndarray) -> bool:
    """Whether a scan looks like CT: padding or air far below zero, little between it and soft tissue, none below.

    Padding is a constant below air: like air it is evidence for CT, however low it is, and the other checks leave it
    out. A distribution that thins out evenly below zero (a difference of two MR scans, a volume scaled to its
    standard deviation, a phase) is not CT.

    Args:
        array: of any rank; a regular sample of its planes is used.
    """
    sample = array[tuple(slice(None, None, -(-size // _SIDE)) for size in array.shape)].ravel()
    below = sample[sample < _LOWEST]
    values, counts = np.unique(below, return_counts=True)
    padding = values[np.argsort(counts)[-_PADDING_VALUES:]]
    measured = sample[~np.isin(sample, [*padding, sample.max()])]  # the largest: where a scan was clipped or padded
    if measured.size < 10:
        return False

    def density(low: float, high: float, more: float = 0.0) -> float:
        return (float(np.mean((measured >= low) & (measured < high))) + more) / (high - low)

    padded = float(np.isin(sample, padding).mean())
    stray = float(np.mean(measured < _LOWEST))
    air, between = density(_LOWEST, -600, padded), density(-600, -350)
    fat, tissue = density(-300, 0), density(-300, 400)
    solid = 700 * tissue / max(1e-9, float(np.mean(measured >= -300)))
    # Gas in the bowel has more border than inside.
    two_heaps = air > between or (air > 0.3 * between and tissue > 5 * between)
    return bool(
        np.percentile(sample, 99.5) > 50
        and stray <= 0.1  # interpolation between padding and its neighbours
        and 500 * air >= 0.001
        and two_heaps
        and 300 * fat >= 0.002  # and the edges of everything next to air
        and solid >= 0.4
    )
