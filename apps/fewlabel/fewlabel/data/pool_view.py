"""Crops of unlabelled volumes, with the stored guess of what they show where there is one."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, Protocol

import numpy as np
import torch
from monai.data import MetaTensor
from monai.transforms import map_classes_to_indices

from fewlabel.data import transforms
from fewlabel.data.streams import Record
from fewlabel.files import Stamp, stamp
from fewlabel.plan import Plan

Grid = tuple[tuple[int, ...], np.ndarray]
"""Of a preprocessed volume before it is padded: its shape, and its affine (4 x 4, RAS mm)."""

_PER_CLASS = 20_000  # voxels of each class that a crop's centre is drawn from


class StoredGuesses(Protocol):
    """Predictions of the pool, as far as crops need them."""

    def usable(self) -> Collection[str]:
        """Ids of the cases that have a prediction which may be used now."""

    def version(self, case: str) -> float | None:
        """Which model made the prediction of a case; None where there is none that may be used."""

    def guess(self, case: str, grid: Grid, source: Stamp | None) -> torch.Tensor | None:
        """Label map and confidence (0..255), uint8 2HWD, for this grid and image file; None where there is none."""


class Held:
    """The stored guess of one volume in memory, read anew when a newer model has made it again.

    Args:
        case: id.
        grid: of the volume.
        source: stamp of the image file that the volume was read from.
        predictions: where guesses are.
        plan: padding and classes.
    """

    def __init__(self, case: str, grid: Grid, source: Stamp | None, predictions: StoredGuesses, plan: Plan) -> None:
        self.case, self.grid, self.source, self.predictions = case, grid, source, predictions
        self.pad = transforms.pad_to_patch(plan, ("guess",))
        self.classes = len(plan.classes) + 1
        self._version: float | None = None
        self._known: tuple[torch.Tensor, list[Any]] | None = None

    def __call__(self) -> tuple[torch.Tensor, list[Any]] | None:
        """The guess 2HWD, padded as the volume is, and where each class is; None where there is no guess."""
        version = self.predictions.version(self.case)
        if version != self._version:
            self._version, self._known = version, None if version is None else self._read()
        return self._known

    def _read(self) -> tuple[torch.Tensor, list[Any]] | None:
        guess = self.predictions.guess(self.case, self.grid, self.source)
        if guess is None:
            return None
        doubt = torch.stack([guess[0], 255 - guess[1]])  # so that what is padded by 0 is background without a doubt
        padded = self.pad({"guess": doubt})["guess"]
        padded = padded.as_tensor() if isinstance(padded, MetaTensor) else padded
        guess = torch.stack([padded[0], 255 - padded[1]])
        return guess, map_classes_to_indices(guess[:1], self.classes, max_samples_per_class=_PER_CLASS)


class PoolView:
    """An unlabelled volume to one crop with the tensors that a method looks at; draws from the seed alone.

    Where a guess of the volume is stored, the crop's centre is drawn from every predicted class with equal chance,
    background included, as that of a labelled crop is; guess and image are cut and turned together. Where there is
    none, the crop comes from anywhere and its confidence is 0.

    Args:
        plan: crop size and classes.
        views: names of the tensors (see Method.needs).
    """

    def __init__(self, plan: Plan, views: Collection[str]) -> None:
        self.views = frozenset(views)
        self.anywhere = transforms.unlabelled_view(plan, self.views)
        self.guided = transforms.guided_view(plan, self.views)

    def set_random_state(self, seed: int) -> None:
        """Begin the random numbers of both kinds of crops."""
        self.anywhere.set_random_state(seed)
        self.guided.set_random_state(seed)

    def __call__(self, volume: dict[str, Any]) -> dict[str, Any]:
        held = volume.get("held")
        known = held() if held is not None else None
        if known is None:
            crop = self.anywhere(volume)
            nothing = {"pseudo_label", "confidence"} & self.views
            return {**crop, **{name: torch.zeros_like(crop["strong"]) for name in nothing}}
        guess, where = known
        (crop,) = self.guided({"image": volume["image"], "guess": guess, "guess_cls_indices": where})
        cut = crop.pop("guess")
        if "pseudo_label" in self.views:
            crop["pseudo_label"] = cut[:1]
        if "confidence" in self.views:
            crop["confidence"] = cut[1:] / 255
        return crop


def with_guesses(
    load: Callable[[Record], dict], predictions: StoredGuesses | None, plan: Plan
) -> Callable[[Record], dict]:
    """The same loader of volumes, whose volumes hold their stored guess too."""
    if predictions is None:
        return load

    def load_with(record: Record) -> dict:
        source = stamp(record["image"])  # before it is read: a file that is replaced meanwhile is another one
        data = load(record)
        return {**data, "held": Held(record["id"], data["grid"], source, predictions, plan)}

    return load_with
