"""The meaning of a stored label's values: from the names stored with it, never from the order of the classes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fewlabel.datastore.submission import on_grid_of
from fewlabel.errors import Refusal
from fewlabel.files import stamp
from fewlabel.labels import InvalidNames, UnknownClass, check_names, named_values, remap
from fewlabel.volumes.layers import read_named_label
from fewlabel.volumes.reading import UnreadableVolume, Volume, read_grid, same_grid, write_volume
from fewlabel.volumes.segments import layers_of

Named = list[dict[str, Any]]
"""``{"name", "idx"}`` for each value."""


def listed(classes: Sequence[str]) -> Named:
    """The study's own names and values."""
    return [{"name": name, "idx": value} for value, name in enumerate(classes, start=1)]


def fits(named: Named, classes: Sequence[str]) -> bool:
    """Whether each name has the study's own value; True where nothing is named."""
    own = {value: name.strip().casefold() for value, name in enumerate(classes, start=1)}
    own[0] = "background"
    try:
        return all(own.get(value) == name.strip().casefold() for value, name in named_values(named).items())
    except UnknownClass:
        return False


def union_of(lists: Iterable[Named]) -> list[str]:
    """All names in some labels: those of the longest list in the order of its values, then those of the others.

    Lists that cannot be a study's classes are ignored: their labels are reported as not usable.
    """
    names: list[str] = []
    for named in sorted(lists, key=len, reverse=True):
        try:
            values = sorted(named_values(named).items())
            known = {name.casefold() for name in [*names, "background"]}
            names = check_names([*names, *(name for _, name in values if name.strip().casefold() not in known)])
        except (InvalidNames, UnknownClass):
            continue
    return names


class LabelInStudyValues:
    """One stored label, converted to the study's values.

    Args:
        image_id: whose label it is.
        path: the stored label.
        image: its image.
        named: the names of its values, as far as they are known.
        classes: of the study.
    """

    def __init__(self, image_id: str, path: Path, image: Path, named: Named, classes: Sequence[str]) -> None:
        self.image_id, self.path, self.image, self.named, self.classes = image_id, path, image, named, list(classes)
        self._placed = path.suffix.lower() == ".nrrd" and bool(named)

    @property
    def key(self) -> str:
        """A hash of everything that the result depends on."""
        known = [self.image_id, str(self.path), stamp(self.path), self.named, self.classes]
        if self._placed:
            known.append(stamp(self.image))
        return hashlib.sha256(repr(known).encode("utf-8", "backslashreplace")).hexdigest()[:24]

    def file(self, folder: Path) -> Path:
        """The stored file itself where its values are the study's, else a converted copy in a folder of the workspace.

        Raises:
            Refusal: (409) it holds a class that the study does not have, or cannot be read.
        """
        try:
            if fits(self.named, self.classes) and not (self._placed and self._lies_elsewhere()):
                return self.path
            target = folder / self.key / f"{self.image_id}.nii.gz"
            if not target.is_file():
                array, affine = self._rewritten()
                write_volume(target, array, affine, self.classes)
            return target
        except (UnreadableVolume, UnknownClass, InvalidNames, OSError) as error:
            raise Refusal(f"The label of '{self.image_id}' cannot be used: {error}", 409) from error
        except Refusal as refusal:
            if refusal.status_code == 422:
                text = f"The label of '{self.image_id}' cannot be used: it does not lie on its image."
                raise Refusal(text, 409) from refusal
            raise

    def _lies_elsewhere(self) -> bool:
        return layers_of(self.path) > 1 or not same_grid(_empty(self.path), _empty(self.image))

    def _rewritten(self) -> tuple[np.ndarray, np.ndarray]:
        """Values of the study, and the affine."""
        volume, in_file = read_named_label(self.path, self.path.name, self.classes)
        names = self._present(volume.array, named_values(in_file or self.named))
        array, affine = volume.array, volume.affine
        if self._placed:
            image = _empty(self.image)
            array, affine = on_grid_of(image, volume, self.path.name)[0], image.affine
        return remap(array, [{"name": name, "idx": value} for value, name in names.items()], self.classes)[0], affine

    def _present(self, array: np.ndarray, names: Mapping[int, str]) -> dict[int, str]:
        """Names of the values in the map; refuses names that are not the study's."""
        known = {name.casefold() for name in [*self.classes, "background"]}
        present = [int(value) for value in np.unique(array) if value]
        nameless = [value for value in present if value not in names]
        if nameless:
            values = ", ".join(str(value) for value in nameless)
            raise UnknownClass(f"it holds the value(s) {values}, for which no name is stored. Submit it again.")
        unknown = [names[value] for value in present if names[value].strip().casefold() not in known]
        if unknown:
            raise UnknownClass(
                f"it holds {', '.join(unknown)}, and the study's classes are {', '.join(self.classes)}. Add the name "
                "to --conf labels, or rename the class with scripts/serve.py --rename-class OLD NEW."
            )
        return {value: names[value] for value in present}


def _empty(path: Path) -> Volume:
    """A volume with the grid of a file, but without its voxels."""
    grid = read_grid(path)
    return Volume(np.broadcast_to(np.uint8(0), grid.shape[:3]), grid.affine)
