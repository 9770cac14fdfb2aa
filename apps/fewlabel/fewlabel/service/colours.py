"""A colour for each class by its position in the order, so that it stays when classes are added at the end."""

from __future__ import annotations

import colorsys

# Distinct on grey scans; the first eight also for red-green colour blindness (after Okabe and Ito, 2008).
_PALETTE = (
    (230, 159, 0),
    (86, 180, 233),
    (0, 158, 115),
    (213, 94, 0),
    (240, 228, 66),
    (204, 121, 167),
    (0, 114, 178),
    (170, 255, 195),
    (220, 40, 60),
    (145, 60, 200),
    (128, 128, 0),
    (70, 240, 240),
)
_GOLDEN = 0.61803398875  # golden ratio: step on the circle of hues, which never repeats


def colour(index: int) -> tuple[int, int, int]:
    """Red, green and blue (0 to 255) of the class with this index, 0 for the first."""
    if index < len(_PALETTE):
        return _PALETTE[index]
    turn = index - len(_PALETTE)
    saturation, value = ((0.55, 1.0), (1.0, 0.75), (0.8, 0.9))[turn % 3]
    red, green, blue = colorsys.hsv_to_rgb(turn * _GOLDEN % 1.0, saturation, value)
    return round(255 * red), round(255 * green), round(255 * blue)
