"""Reads and writes 3-D volumes: damage is detected, the geometry is kept."""

import gzip
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fewlabel.volumes.checks import checked_image, checked_label
from fewlabel.volumes.damage import reported
from fewlabel.volumes.formats import UnreadableVolume, unpacking
from fewlabel.volumes.geometry import Grid, same_grid, spacing_of
from fewlabel.volumes.metaimage import decode_metaimage, read_header
from fewlabel.volumes.nifti import decode_nifti, encode_nifti, nifti_grid_of
from fewlabel.volumes.nrrd_file import decode_nrrd, encode_nrrd, nrrd_grid_of
from fewlabel.volumes.segments import names_as_bytes
from fewlabel.workspace import replace_file

__all__ = [
    "EXTENSIONS",
    "WRITTEN",
    "UnreadableVolume",
    "Volume",
    "check_affine",
    "in_words",
    "read_grid",
    "read_label",
    "read_volume",
    "same_grid",
    "split_extension",
    "write_volume",
]

WRITTEN = (".nii.gz", ".nii", ".nrrd")
"""Extensions that can be written."""

EXTENSIONS = (*WRITTEN, ".mha")
"""Extensions that can be read; `.seg.nrrd` ends with one of them."""

_WRITABLE = (np.uint8, np.uint16, np.int16, np.float32)


@dataclass(frozen=True, eq=False)
class Volume:
    """A 3-D scalar volume with its geometry.

    Attributes:
        array: (i, j, k) voxels; float32 for images, uint8 for label maps.
        affine: (4, 4) float64, voxel index -> RAS in mm, as ITK shows it.
        notes: sentences for the user about what was changed while reading.
    """

    array: np.ndarray
    affine: np.ndarray
    notes: tuple[str, ...] = ()

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Distance of neighbouring voxels along each axis of the array, mm."""
        return spacing_of(self.affine)


def split_extension(name: str) -> tuple[str, str]:
    """Split a file name into stem and supported extension, "" where it has none."""
    for extension in EXTENSIONS:
        if name.lower().endswith(extension):
            return name[: -len(extension)], name[-len(extension) :]
    return name, ""


def read_volume(path: str | Path, name: str | None = None) -> Volume:
    """Read an image.

    Args:
        path: `.nii`, `.nii.gz`, `.nrrd` or `.mha`.
        name: of the file in messages; by default its own.

    Returns:
        Volume of float32, finite, not constant. NaN and infinite voxels are replaced by the smallest finite
        value, with a note.

    Raises:
        UnreadableVolume: not an image, damaged, not one 3-D scalar volume, or without contrast. It is reported
            (:mod:`fewlabel.volumes.damage`).
    """
    with reported(Path(path)):
        return _read(path, name, np.float32, checked_image)


def read_label(path: str | Path, name: str | None = None) -> Volume:
    """Read a label map. A constant map is allowed: no class, or one class everywhere.

    Values are rounded, because a scaled NIfTI file may store 1 as 0.9999999.

    Args:
        path: as :func:`read_volume`.
        name: as :func:`read_volume`.

    Returns:
        Volume of uint8, 0 = background.

    Raises:
        UnreadableVolume: not an image, damaged, or values that are not whole numbers from 0 to 255.
    """
    return _read(path, name, None, checked_label)


def read_grid(path: str | Path, name: str | None = None, layers: bool = False) -> Grid:
    """The grid of a file, from its header alone.

    Args:
        path: as :func:`read_volume`.
        name: as :func:`read_volume`.
        layers: also accept a segmentation in several layers, and give the grid of one layer.

    Raises:
        UnreadableVolume: the header is damaged, or the file is not an image.
    """
    with in_words(name or Path(path).name):
        kind = _kind_of(Path(path))
        grid = _metaimage_grid(Path(path)) if kind == ".mha" else _grid_of_file(Path(path), layers)
        check_affine(grid.affine)
        return grid


def _kind_of(path: Path) -> str:
    extension = split_extension(path.name)[1].lower()
    if not extension:
        raise UnreadableVolume(f"has a file format that is not supported. Use one of {', '.join(EXTENSIONS)}")
    return extension


def _grid_of_file(path: Path, layers: bool) -> Grid:
    with open(path, "rb") as file:
        start = file.read(4)
        file.seek(0)
        if start == b"NRRD":
            return nrrd_grid_of(file, layers)
        if start[:2] != b"\x1f\x8b":
            return nifti_grid_of(file.read(540))
        with unpacking(), gzip.GzipFile(fileobj=file) as stream:
            return nifti_grid_of(stream.read(540))


def _metaimage_grid(path: Path) -> Grid:
    with path.open("rb") as file:
        header = read_header(file.read(2**16))
    header.check()
    return header.grid()


def _read(path: str | Path, name: str | None, dtype: type | None, check: Callable) -> Volume:
    path = Path(path)
    called = name or path.name
    with in_words(called):
        with np.errstate(over="ignore", invalid="ignore"):  # too large for float32: becomes infinite, handled below
            array, grid = _decode(path, dtype)
        array, notes = _three_dimensions(array, list(grid.notes))
        check_affine(grid.affine)
        array, notes = check(array, notes)
    return Volume(np.ascontiguousarray(array), grid.affine, tuple(f"{called}: {note}" for note in notes))


@contextmanager
def in_words(called: str) -> Iterator[None]:
    """Turn every error about a file into a message that names it."""
    try:
        yield
    except UnreadableVolume as error:
        raise UnreadableVolume(f"{called} {error}.") from error
    except FileNotFoundError as error:
        raise UnreadableVolume(f"{called} does not exist. Check the name and the folder.") from error
    # Parsers raise anything for damaged headers; in any case it is not a readable image.
    except Exception as error:
        reason = str(error) or type(error).__name__
        message = f"{called} cannot be read as an image ({reason}). Export the scan again."
        raise UnreadableVolume(message) from error


def _decode(path: Path, dtype: type | None) -> tuple[np.ndarray, Grid]:
    extension = _kind_of(path)
    data = path.read_bytes()
    if not data:
        raise UnreadableVolume("is empty. Copy or save it again")
    if extension == ".nrrd":
        return decode_nrrd(data, dtype)
    if extension == ".mha":
        return decode_metaimage(data, dtype)
    compressed = data[:2] == b"\x1f\x8b"
    if compressed != (extension == ".nii.gz"):
        right = ".nii.gz" if compressed else ".nii"
        decode_nifti(data, compressed, dtype)
        raise UnreadableVolume(f"has the wrong extension for its content. Rename it to end with {right}")
    return decode_nifti(data, compressed, dtype)


def _three_dimensions(array: np.ndarray, notes: list[str]) -> tuple[np.ndarray, list[str]]:
    if any(size > 1 for size in array.shape[3:]):
        size = " x ".join(str(size) for size in array.shape)
        raise UnreadableVolume(
            f"has {array.ndim} dimensions ({size}): several frames or channels. Save one 3-D volume per file"
        )
    if array.ndim > 3:
        notes = [*notes, f"Its {array.ndim - 3} empty extra dimension(s) were dropped."]
        array = array.reshape(array.shape[:3])
    if array.ndim < 3:
        raise UnreadableVolume(f"has only {array.ndim} dimension(s). Save the scan as a 3-D volume")
    return array, notes


def check_affine(affine: np.ndarray) -> None:
    """Refuse degenerate axes."""
    lengths = np.linalg.norm(affine[:3, :3], axis=0)
    usable = np.isfinite(affine).all() and lengths.min() > 0
    if not usable or abs(np.linalg.det(affine[:3, :3] / lengths)) < 1e-4:
        raise UnreadableVolume("has an unusable geometry (its axes span no volume). Export the scan again")


def write_volume(path: str | Path, array: np.ndarray, affine: np.ndarray, classes: Sequence[str] = ()) -> None:
    """Write a volume atomically, in the format of its extension.

    Args:
        path: ends with one of ``WRITTEN``.
        array: (i, j, k) of uint8, uint16, int16 or float32.
        affine: (4, 4), voxel -> RAS mm.
        classes: of a label map, stored in the header of a NIfTI file: ``classes[i]`` is value ``i + 1``.

    Raises:
        ValueError: another extension, shape or type of voxel.
        Refusal: (507) the file cannot be written; an older one is still there.
    """
    extension = split_extension(Path(path).name)[1].lower()
    if extension not in WRITTEN:
        raise ValueError(f"{path}: the extension must be one of {', '.join(WRITTEN)}.")
    if array.ndim != 3 or array.dtype not in _WRITABLE:
        raise ValueError(f"{path}: cannot write {array.ndim} dimensions of {array.dtype}.")
    encode = encode_nrrd if extension == ".nrrd" else encode_nifti
    affine = np.asarray(affine, dtype=np.float64)
    named = (names_as_bytes(classes),) if classes and extension != ".nrrd" else ()
    replace_file(Path(path), lambda temporary: encode(str(temporary), array, affine, *named))
