"""Checks a submitted label map, puts it on its image's grid and converts it by class name, or refuses it."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from scipy import ndimage

from fewlabel.errors import Refusal
from fewlabel.files import Stamp, stamp
from fewlabel.labels import InvalidNames, UnknownClass, check_names, names_from_label_info, remap
from fewlabel.volumes.layers import read_named_label
from fewlabel.volumes.reading import UnreadableVolume, Volume, read_grid, read_label, read_volume, same_grid
from fewlabel.volumes.segments import layers_of

logger = logging.getLogger(__name__)

RESAMPLED = "it was resampled to it"
"""Part of the note about every label that was sent on another grid than its image's."""

_usable: dict[str, Stamp | None] = {}
"""Images that have been read completely and can be used."""

_LEAST_INSIDE = 0.5
"""A label with a smaller share inside its image belongs to another image or has lost its geometry."""


@dataclass(frozen=True)
class Submission:
    """A label map ready to be stored.

    Attributes:
        array: uint8 on the image's grid; ``classes[i]`` is value ``i + 1``.
        affine: (4, 4) of the image, voxel -> RAS mm.
        classes: names of the study's classes, learned from this label if the study had none.
        notes: sentences about what was changed.
    """

    array: np.ndarray
    affine: np.ndarray
    classes: list[str]
    notes: list[str] = field(default_factory=list)


def check_submission(
    image_id: str, image_path: str | Path, label_path: str | Path, label_info: Any, classes: list[str]
) -> Submission:
    """Check one submitted label map.

    Args:
        image_id: for messages.
        image_path: its image.
        label_path: the submitted file.
        label_info: the client's list of ``{"name", "idx"}``; None: use the names in the file's header.
        classes: names of the study; [] while none are known.

    Raises:
        Refusal: (422) unreadable, elsewhere in space, or of unknown names or values.
    """
    called = f"The label for image '{image_id}'"
    try:
        image = grid_of_image(image_path)
        label, in_file = read_named_label(label_path, called, classes)
        if in_file and (not label_info or layers_of(label_path) > 1):
            label_info = in_file
        array, notes = on_grid_of(image, label, called)
        named = list(classes) or _learned(array, label_info)
        array, by_name = remap(array, label_info, named)
    except UnreadableVolume as error:
        raise Refusal(f"{error} Nothing was stored.", 422) from error
    except (UnknownClass, InvalidNames) as error:
        raise Refusal(f"{called} was not stored. {error}", 422) from error
    if named != list(classes):
        numbers = ", ".join(f"{value} = {name}" for value, name in enumerate(named, start=1))
        by_name.insert(0, f"The classes of this study were learned from this label: {numbers}.")
    elif not label_info and array.any():
        by_name.insert(0, assumed(named))
    return Submission(array, image.affine, named, [*label.notes, *notes, *by_name])


def assumed(classes: list[str]) -> str:
    """The note about a label whose values have no names."""
    numbers = ", ".join(f"{value} = {name}" for value, name in enumerate(classes, start=1))
    return f"The label does not name its values: they were taken in the order of the study's classes, {numbers}."


def _learned(array: np.ndarray, label_info: Any) -> list[str]:
    names = names_from_label_info(label_info)
    if names:
        return check_names(names)
    return numbered(int(array.max()))


def highest_value(labels: Iterable[str]) -> int:
    """Highest value in any of these label maps; those that cannot be read are logged."""
    highest = 0
    for path in labels:
        try:
            highest = max(highest, int(read_label(path).array.max()))
        except (UnreadableVolume, OSError) as error:
            logger.warning("label not used: %s", error)
    return highest


def numbered(count: int) -> list[str]:
    """Names for classes without one."""
    return [f"class {value}" for value in range(1, count + 1)]


def check_on_grid(image_id: str, image_path: str | Path, label_path: str | Path) -> None:
    """Check a label map that is stored unchanged, such as a model's pre-label.

    Raises:
        Refusal: (422) unreadable, or on another grid than its image.
    """
    called = f"The label for image '{image_id}'"
    try:
        image, label = grid_of_image(image_path), read_label(label_path, called)
    except UnreadableVolume as error:
        raise Refusal(f"{error} Nothing was stored.", 422) from error
    if not same_grid(image, label):
        raise Refusal(
            f"{called} has another grid ({_size(label)}) than the image ({_size(image)}). "
            "Nothing was stored. Save it on the grid of the image.",
            422,
        )


def grid_of_image(image_path: str | Path) -> Volume:
    """An image's grid, as a volume of zeros that takes no memory: labels are compared with nothing else.

    Raises:
        UnreadableVolume: the image cannot be used. It is read completely once, and again when its file has changed.
    """
    now = stamp(image_path)
    if _usable.get(str(image_path)) != now:
        read_volume(image_path)
        _usable[str(image_path)] = now
    grid = read_grid(image_path)
    return Volume(np.broadcast_to(np.uint8(0), grid.shape[:3]), grid.affine)


def on_grid_of(image: Volume, label: Volume, called: str) -> tuple[np.ndarray, list[str]]:
    """The label map resampled to the image's grid (nearest neighbour).

    Args:
        image: gives the grid.
        label: uint8 map on any grid.
        called: name of the label in messages.

    Returns:
        uint8 array of the image's shape, and notes.

    Raises:
        Refusal: (422) most of the label lies outside the image.
    """
    if same_grid(image, label):
        return label.array, []
    advice = (
        f"{called} has another grid ({_size(label)}) than the image ({_size(image)}) and does not lie on it. "
        "Nothing was stored. Draw the label on this image, and save it with the image's geometry."
    )
    to_label = np.linalg.inv(label.affine) @ image.affine
    share = _share_inside(label, image.array.shape, np.linalg.inv(to_label))
    if share < _LEAST_INSIDE or not _overlap(image.array.shape, label.array.shape, to_label):
        raise Refusal(advice, 422)
    array = ndimage.affine_transform(
        label.array,
        to_label[:3, :3],
        offset=to_label[:3, 3],
        output_shape=image.array.shape,
        order=0,
        mode="grid-constant",
        cval=0,
    )
    note = f"The label's grid ({_size(label)}) is not the image's ({_size(image)}); {RESAMPLED}."
    lost = sorted({*np.unique(label.array)} - {*np.unique(array)} - {0})
    if lost:
        values = ", ".join(str(value) for value in lost)
        return array, [note, f"The value(s) {values} of the sent map cover too little to be seen on that grid."]
    return array, [note]


def _share_inside(label: Volume, shape: tuple[int, ...], to_image: np.ndarray) -> float:
    """Share of the labelled voxels (or of about 100,000 of them) whose centres lie in an image of this shape."""
    indices = np.flatnonzero(label.array)
    if not indices.size:
        return 1.0
    indices = indices[:: max(1, indices.size // 100_000)]
    points = np.stack(np.unravel_index(indices, label.array.shape), axis=1) @ to_image[:3, :3].T + to_image[:3, 3]
    return float(((points > -0.5) & (points < np.array(shape) - 0.5)).all(axis=1).mean())


def _overlap(image_shape: tuple[int, ...], label_shape: tuple[int, ...], to_label: np.ndarray) -> bool:
    """Whether the bounding boxes of both grids overlap, in the label's voxel indices."""
    corners = np.array(list(product(*((-0.5, size - 0.5) for size in image_shape))))
    inside = corners @ to_label[:3, :3].T + to_label[:3, 3]
    return bool((inside.max(0) > -0.5).all() and (inside.min(0) < np.array(label_shape) - 0.5).all())


def _size(volume: Volume) -> str:
    shape = " x ".join(str(size) for size in volume.array.shape)
    spacing = " x ".join(f"{length:.3g}" for length in volume.spacing)
    return f"{shape} voxels of {spacing} mm"
