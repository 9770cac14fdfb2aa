"""Draws the curves of a training, at each update (every two seconds); their names are in a list below."""

from __future__ import annotations

from typing import Any, Dict, Mapping, Sequence

import qt

from ..panel.curves import Axis, Box, Point, axis, pixels_of, tick
from ..panel.terms import Color, colors_of

HEIGHT = 150
INK, GRID, PAPER = (60, 60, 60), (215, 215, 215), (255, 255, 255)
LEFT, RIGHT, TOP, BOTTOM = 38, 8, 20, 16  # pixels around the curves


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
            _chart(painter, box, name, curves, colors_of(curves, colors if name == "Dice" else {}))
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
