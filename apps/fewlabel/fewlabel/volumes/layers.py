"""Reads a label map with the names of its values, also from a segmentation in several layers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fewlabel.volumes.checks import LABEL_LIMIT
from fewlabel.volumes.formats import UnreadableVolume
from fewlabel.volumes.nrrd_file import decode_nrrd_layers
from fewlabel.volumes.reading import Volume, check_affine, in_words, read_label
from fewlabel.volumes.segments import Segment, layers_of, named_segments
from fewlabel.wording import amount


def read_named_label(
    path: str | Path, called: str, order: Sequence[str] = ()
) -> tuple[Volume, list[dict[str, Any]] | None]:
    """Read a label map and the names of its values in the header.

    Args:
        path: as :func:`fewlabel.volumes.reading.read_label`.
        called: name of the file in messages.
        order: class names. Where segments of several layers overlap, the later class wins, as in the panel: a tumour
            that is listed after its organ is written over it.

    Returns:
        The map, and ``{"name", "idx"}`` of each value with a name; None where the file has no names.

    Raises:
        UnreadableVolume: as :func:`fewlabel.volumes.reading.read_label`; also for layers without names.
    """
    path = Path(path)
    segments = named_segments(path) if path.is_file() else []
    if path.suffix.lower() == ".nrrd" and segments and layers_of(path) > 1:
        return _joined(path, called, segments, order)
    volume = read_label(path, called)
    return volume, _info((segment.name, segment.value) for segment in segments) if segments else None


def _info(named: Any) -> list[dict[str, Any]]:
    return [{"name": name, "idx": value} for name, value in named]


def _joined(
    path: Path, called: str, segments: list[Segment], order: Sequence[str]
) -> tuple[Volume, list[dict[str, Any]]]:
    """Several layers merged into one; the i-th name gets the value i + 1."""
    rank = {name.strip().casefold(): number for number, name in enumerate(order)}
    segments = sorted(segments, key=lambda segment: rank.get(segment.name.strip().casefold(), len(rank)))
    with in_words(called):
        if len(segments) > LABEL_LIMIT:
            raise UnreadableVolume(f"has {len(segments)} segments; at most {LABEL_LIMIT} are possible")
        layers, grid = decode_nrrd_layers(path.read_bytes())
        check_affine(grid.affine)
        if any(segment.layer >= len(layers) for segment in segments):
            raise UnreadableVolume("names a layer that it does not hold. Save it again")
        array, notes = np.zeros(layers.shape[1:], np.uint8), list(grid.notes)
        for value, segment in enumerate(segments, start=1):
            mask = layers[segment.layer] == segment.value
            for other in np.unique(array[mask]):
                if other:
                    covered, lost = int((array[mask] == other).sum()), segments[other - 1].name
                    both = f"both '{lost}' and '{segment.name}'; the latter counts."
                    notes.append(f"{amount(covered, 'voxel')} {'was' if covered == 1 else 'were'} {both}")
            array[mask] = value
    info = _info((segment.name, value) for value, segment in enumerate(segments, start=1))
    return Volume(np.ascontiguousarray(array), grid.affine, tuple(f"{called}: {note}" for note in notes)), info
