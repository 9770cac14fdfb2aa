"""Checks from the headers alone whether a submitted label map can belong to an image; no voxels are unpacked."""

from __future__ import annotations

import math
from pathlib import Path

from fewlabel.errors import Refusal
from fewlabel.volumes.geometry import Grid, spacing_of
from fewlabel.volumes.reading import UnreadableVolume, read_grid
from fewlabel.volumes.segments import layers_of

_ALWAYS, _FINER, _MUCH = 2**24, 8, 2**27
"""Voxels that any label may have; otherwise the factor of its image's (twice along each axis), and the limit then."""


def check_belongs(image_id: str, image_path: str | Path, label_path: str | Path) -> None:
    """Refuse a label map whose header shows that it cannot belong to this image, however small the file is.

    A few kilobytes of gzip can unpack to gigabytes. A label may lie on another grid than its image, but not on one
    with far more voxels. A file that passes is never unpacked further than its header says.

    Args:
        image_id: for messages.
        image_path: the image that it should belong to.
        label_path: the file that was sent.

    Raises:
        Refusal: (422) not 3-D, too many voxels, or a header that cannot be read.
    """
    called = f"The label for image '{image_id}'"
    try:
        image, label = read_grid(image_path), read_grid(label_path, called, layers=True)
    except UnreadableVolume as error:
        raise Refusal(f"{error} Nothing was stored.", 422) from error
    sides = [size for size in label.shape if size > 1]
    if len(sides) > 3:
        raise Refusal(
            f"{called} has {len(label.shape)} dimensions ({_size(label)}): several frames or layers. Nothing was "
            "stored. Save one 3-D label map.",
            422,
        )
    voxels, layers = math.prod(image.shape), layers_of(label_path)
    most = max(_ALWAYS, (2 if layers == 1 else _FINER) * voxels, min(_FINER * voxels, _MUCH))
    if math.prod(label.shape) * layers > most:
        raise Refusal(
            f"{called} has {math.prod(label.shape) * layers:,} voxels ({_size(label)}), the image has {voxels:,} "
            f"({_size(image)}): it is the label of something else. Nothing was stored. Save it with the image's "
            "geometry.",
            422,
        )


def _size(grid: Grid) -> str:
    shape = " x ".join(str(size) for size in grid.shape)
    return f"{shape} of {' x '.join(f'{length:.3g}' for length in spacing_of(grid.affine))} mm"
