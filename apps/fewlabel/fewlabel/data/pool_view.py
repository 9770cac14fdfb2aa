"""Crops of unlabelled volumes, with the stored prediction (the guess) where there is one."""

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
from fewlabel.settings import STANDARD

Grid = tuple[tuple[int, ...], np.ndarray]
"""Shape and affine (4 x 4, RAS mm) of a preprocessed volume before padding."""

_PER_CLASS = 20_000  # voxels of each class from which a crop's centre is drawn


class StoredGuesses(Protocol):
    """The part of the store of predictions that crops need."""

    def usable(self) -> Collection[str]:
        """Ids of the cases with a usable prediction."""

    def version(self, case: str) -> float | None:
        """Version of the model that made a case's prediction; None where there is no usable one."""

    def guess(self, case: str, grid: Grid, source: Stamp | None) -> torch.Tensor | None:
        """Label map and confidence (0..255), uint8 2HWD, for this grid and image file; None where there is none."""


class Held:
    """The stored guess of a volume in memory; read again when a newer model has predicted it.

    Args:
        case: id.
        grid: of the volume.
        source: stamp of the image file that the volume was read from.
        predictions: the store.
        plan: padding and classes.
    """

    def __init__(self, case: str, grid: Grid, source: Stamp | None, predictions: StoredGuesses, plan: Plan) -> None:
        self.case, self.grid, self.source, self.predictions = case, grid, source, predictions
        self.pad = transforms.pad_to_patch(plan, ("guess",))
        self.classes = len(plan.classes) + 1
        self._version: float | None = None
        self._known: tuple[torch.Tensor, list[Any]] | None = None

    def __call__(self) -> tuple[torch.Tensor, list[Any]] | None:
        """The guess 2HWD, padded like the volume, and the locations of each class; None where there is no guess."""
        version = self.predictions.version(self.case)
        if version != self._version:
            self._version, self._known = version, None if version is None else self._read()
        return self._known

    def _read(self) -> tuple[torch.Tensor, list[Any]] | None:
        guess = self.predictions.guess(self.case, self.grid, self.source)
        if guess is None:
            return None
        doubt = torch.stack([guess[0], 255 - guess[1]])  # padding with 0 then means background with full confidence
        padded = self.pad({"guess": doubt})["guess"]
        padded = padded.as_tensor() if isinstance(padded, MetaTensor) else padded
        guess = torch.stack([padded[0], 255 - padded[1]])
        return guess, map_classes_to_indices(guess[:1], self.classes, max_samples_per_class=_PER_CLASS)


class PoolView:
    """Makes one crop of an unlabelled volume, with the tensors that a method needs; random by the seed alone.

    If a guess of the volume is stored, the crop's centre is drawn from every predicted class with equal probability,
    background included, as for labelled crops; guess and image are transformed together. Otherwise the crop is drawn
    uniformly and its confidence is 0.

    Args:
        plan: crop size and classes.
        views: names of the tensors (see Method.needs).
        augmentation: ``standard`` or ``shift``.
    """

    def __init__(self, plan: Plan, views: Collection[str], augmentation: str = STANDARD) -> None:
        self.views = frozenset(views)
        self.anywhere = transforms.unlabelled_view(plan, self.views, augmentation)
        self.guided = transforms.guided_view(plan, self.views, augmentation)

    def set_random_state(self, seed: int) -> None:
        """Seed both kinds of crops."""
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
    """Wrap a loader of volumes so that they also contain their stored guess."""
    if predictions is None:
        return load

    def load_with(record: Record) -> dict:
        source = stamp(record["image"])  # before reading: a file replaced meanwhile has another stamp
        data = load(record)
        return {**data, "held": Held(record["id"], data["grid"], source, predictions, plan)}

    return load_with
