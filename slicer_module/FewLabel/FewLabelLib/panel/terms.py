"""The names of a training's curves, each with its last value and what it means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, List, Mapping, Sequence, Tuple

from ..texts import training as texts
from .words import number

Curves = Mapping[str, Sequence[Tuple[float, float]]]
Color = Tuple[int, int, int]
PALETTE = ((31, 119, 180), (255, 127, 14), (44, 160, 44), (148, 103, 189), (140, 86, 75), (227, 119, 194))


@dataclass(frozen=True)
class Entry:
    """One curve in the legend.

    Attributes:
        text: its name and last value.
        meaning: of the curve, in a sentence.
        color: in which it is drawn.
    """

    text: str
    meaning: str
    color: Color


def colors_of(curves: Curves, classes: Mapping[str, Color]) -> Dict[str, Color]:
    """The colour of each curve: that of the class of this name, else the next of the palette."""
    shown = dict(zip(curves, PALETTE * (1 + len(curves) // len(PALETTE))))
    return {name: classes.get(name, color) for name, color in shown.items()}


def legend(losses: Curves, validation: Curves, classes: Mapping[str, Color]) -> List[Entry]:
    """Every curve of a chart, losses first."""
    of_losses, of_classes = colors_of(losses, {}), colors_of(validation, classes)
    entries = [
        Entry(f"{name} {_last(curve)}", texts.term(name, _last(curve)), of_losses[name])
        for name, curve in losses.items()
    ]
    for name, curve in validation.items():
        entries.append(Entry(f"{name} {_last(curve)}", texts.dice_of(name, _last(curve)), of_classes[name]))
    return entries


def curves(losses: Curves, validation: Curves) -> str:
    """Every curve by name, with its last value; terms of the loss are explained."""
    lines = [texts.LOSS] if losses else []
    lines += [texts.term(name, _last(curve)) for name, curve in losses.items()]
    lines += [texts.DICE] if validation else []
    lines += [f"{name} {_last(curve)}" for name, curve in validation.items()]
    return "\n".join(lines)


def _last(curve: Sequence[Tuple[float, float]]) -> str:
    return number(curve[-1][1]) if curve else ""
