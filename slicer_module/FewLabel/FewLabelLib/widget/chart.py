"""Draws the curves of a training, at each update (every two seconds)."""

from __future__ import annotations

from typing import Any, Dict, Mapping, Sequence, Tuple

import qt

from ..panel.curves import Axis, Box, Point, axis, pixels_of, tick

HEIGHT = 150
PALETTE = ((31, 119, 180), (255, 127, 14), (44, 160, 44), (148, 103, 189), (140, 86, 75), (227, 119, 194))
INK, GRID, PAPER = (60, 60, 60), (215, 215, 215), (255, 255, 255)
LEFT, RIGHT, TOP, BOTTOM = 38, 8, 20, 16  # pixels around the curves

Color = Tuple[int, int, int]


def draw(
    losses: Mapping[str, Sequence[Point]],
    validation: Mapping[str, Sequence[Point]],
    colors: Mapping[str, Color],
    width: int,
) -> Any:
    """Draw losses beside the Dice of each class, over the steps; gives a pixmap.

    Args:
        losses, validation: curves by name; if one of them is empty, the other takes the whole width.
        colors: of the classes.
        width: in pixels.
    """
    parts = [(name, curves) for name, curves in (("loss", losses), ("Dice", validation)) if curves]
    pixmap = qt.QPixmap(width, HEIGHT)
    pixmap.fill(qt.QColor(*PAPER))
    painter = qt.QPainter()
    painter.begin(pixmap)
    try:
        for number, (name, curves) in enumerate(parts):
            wide = width // len(parts)
            box = Box(number * wide + LEFT, TOP, wide - LEFT - RIGHT, HEIGHT - TOP - BOTTOM)
            shown = dict(zip(curves, PALETTE * (1 + len(curves) // len(PALETTE))))
            _chart(painter, box, name, curves, {**shown, **{key: colors[key] for key in curves if key in colors}})
    finally:
        painter.end()
    return pixmap


def _chart(painter: Any, box: Box, title: str, curves: Mapping[str, Sequence[Point]], colors: Dict[str, Color]) -> None:
    points = [point for curve in curves.values() for point in curve]
    x = axis([point[0] for point in points])
    values = [point[1] for point in points]
    y = axis(values, 0.0, 1.0) if title == "Dice" else axis(values, 0.0)
    _grid(painter, box, title, x, y)
    for name, pixels in pixels_of(curves, x, y, box).items():
        painter.setPen(_pen(colors[name], 2))
        for (x0, y0), (x1, y1) in zip(pixels, pixels[1:]):
            painter.drawLine(x0, y0, x1, y1)
        if len(pixels) == 1:
            painter.drawLine(pixels[0][0] - 2, pixels[0][1], pixels[0][0] + 2, pixels[0][1])
    across = int(box.left) + 34
    for name in curves:
        wide = 7 * len(name[:12])
        if across + wide > box.left + box.width:
            break  # no room for further names
        painter.setPen(_pen(colors[name], 1))
        painter.drawText(across, int(box.top) - 7, name[:12])
        across += 8 + wide


def _grid(painter: Any, box: Box, title: str, x: Axis, y: Axis) -> None:
    left, top = int(box.left), int(box.top)
    right, bottom = int(box.left + box.width), int(box.top + box.height)
    for part in (0.0, 0.5, 1.0):
        height = round(bottom - part * box.height)
        painter.setPen(_pen(GRID, 1))
        painter.drawLine(left, height, right, height)
        painter.setPen(_pen(INK, 1))
        painter.drawText(left - LEFT + 4, height + 4, tick(y.low + part * (y.high - y.low)))
    painter.drawText(left, top - 7, title)
    painter.drawText(left, bottom + 13, tick(x.low))
    painter.drawText(right - 40, bottom + 13, tick(x.high))


def _pen(color: Color, width: int) -> Any:
    pen = qt.QPen(qt.QColor(*color))
    pen.setWidth(width)
    return pen
