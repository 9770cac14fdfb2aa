"""Decodes and encodes NRRD files, segmentations of Slicer included."""

import io
from typing import IO

import nrrd
import numpy as np

from fewlabel.volumes.formats import UnreadableVolume, check_shape, unpack
from fewlabel.volumes.geometry import LPS_RAS, Grid, nrrd_grid


def decode_nrrd(data: bytes, dtype: type | None) -> tuple[np.ndarray, Grid]:
    """Decode an NRRD file (`.seg.nrrd` included) whose voxels are in the same file.

    A detached header refers to another file, so it is refused. Args, returns and errors as
    :func:`fewlabel.volumes.nifti.decode_nifti`; array of rank 3.
    """
    array, grid = _with_grid(*_nrrd_content(data))
    return array.astype(dtype or (array.dtype if array.dtype.kind in "iu" else np.float32), copy=False), grid


def decode_nrrd_layers(data: bytes) -> tuple[np.ndarray, Grid]:
    """Decode a segmentation in layers: (layer, i, j, k) of the file's own type, and the grid of each layer."""
    return _layers_with_grid(*_nrrd_content(data))


def _layers_with_grid(array: np.ndarray, header: dict) -> tuple[np.ndarray, Grid]:
    directions = _directions(array, header)
    other = _not_of_space(directions)
    if len(other) != 1:
        raise UnreadableVolume(f"has {array.ndim} axes, not one of layers and three of space. Save it again in Slicer")
    affine, notes = _nrrd_affine(np.delete(directions, other, axis=0), header)
    array = np.moveaxis(array, other[0], 0)
    return array, nrrd_grid(array.shape[1:], affine, notes)


def _nrrd_content(data: bytes) -> tuple[np.ndarray, dict]:
    """Voxels as stored in the file, and its header."""
    stream = io.BytesIO(data)
    if not data.startswith(b"NRRD"):
        raise UnreadableVolume("is not an NRRD image. Export the scan as .nii.gz or .nrrd")
    header = nrrd.read_header(stream)
    fields = {name.lower().replace(" ", ""): value for name, value in header.items()}
    if "datafile" in fields:
        raise UnreadableVolume("is a header whose voxels lie in another file. Save it as one .nrrd file")
    skips = fields.get("lineskip") or fields.get("byteskip")
    if skips or fields.get("encoding") not in ("raw", "gzip", "gz"):
        raise UnreadableVolume("is stored in an unusual way. Save it as .nrrd with gzip or no compression")
    sizes = tuple(int(size) for size in fields.get("sizes", ()))
    check_shape(sizes)
    if fields.get("type") in (None, "block"):
        raise UnreadableVolume("does not hold numbers. Save it as a scalar volume")
    content = stream.read()
    if fields["encoding"] != "raw":
        content = unpack(content, 0, int(np.prod(sizes, dtype=np.int64)) * _bytes_of(str(fields["type"])))
    header["encoding"] = "raw"
    try:
        array = nrrd.read_data(header, io.BytesIO(content))
    except (ValueError, nrrd.NRRDError) as error:
        raise UnreadableVolume(f"is cut short or damaged ({error}). Copy or save it again") from error
    return array, header


def _bytes_of(kind: str) -> int:
    """Bytes of a voxel of a type, by NRRD's name for it."""
    wide = {8: "long long|int64|uint64|double", 4: "int32|uint32|float", 2: "short|int16|uint16", 1: "char|int8|uint8"}
    found = next((size for size, names in wide.items() if any(name in kind for name in names.split("|"))), 0)
    return found or (4 if kind in ("int", "signed int", "uint", "unsigned int") else 8)


def _with_grid(array: np.ndarray, header: dict) -> tuple[np.ndarray, Grid]:
    array, directions = _spatial_axes(array, header)
    affine, notes = _nrrd_affine(directions, header)
    return array, nrrd_grid(array.shape, affine, notes)


def _spatial_axes(array: np.ndarray, header: dict) -> tuple[np.ndarray, np.ndarray]:
    """Drop non-spatial axes of length 1; directions (3, 3), one row an axis."""
    directions = _directions(array, header)
    other = _not_of_space(directions)
    if any(array.shape[axis] > 1 for axis in other):
        raise UnreadableVolume(
            "holds several layers, colours or time points in one file. Save one 3-D scalar volume; "
            "a segmentation with overlapping segments must be saved without overlap (one layer)"
        )
    return np.squeeze(array, axis=tuple(other)), np.delete(directions, other, axis=0)


def _directions(array: np.ndarray, header: dict) -> np.ndarray:
    """(axes, 3): a row for each axis, not finite where the axis is not spatial."""
    if "space directions" in header:
        directions = np.asarray(header["space directions"], dtype=np.float64)
    else:
        spacings = np.asarray(header.get("spacings", np.ones(array.ndim)), dtype=np.float64)
        directions = np.eye(array.ndim, 3) if len(spacings) != 3 else np.diag(spacings)
    if directions.shape != (array.ndim, 3):
        raise UnreadableVolume(f"has {array.ndim} axes, not all placed in space. Save it as a 3-D volume")
    return directions


def _not_of_space(directions: np.ndarray) -> list[int]:
    return [axis for axis, row in enumerate(directions) if not np.isfinite(row).all()]


def _nrrd_affine(directions: np.ndarray, header: dict) -> tuple[np.ndarray, list[str]]:
    if len(directions) != 3:
        raise UnreadableVolume(f"has {len(directions)} dimensions of space. Save it as a 3-D volume")
    affine = np.eye(4)
    affine[:3, :3] = directions.T
    affine[:3, 3] = np.asarray(header.get("space origin", np.zeros(3)), dtype=np.float64)
    space = str(header.get("space", "")).lower()
    signs = {
        "right-anterior-superior": (1, 1, 1), "ras": (1, 1, 1),
        "left-anterior-superior": (-1, 1, 1), "las": (-1, 1, 1),
        "left-posterior-superior": (-1, -1, 1), "lps": (-1, -1, 1),
    }  # fmt: skip
    notes = [] if space in signs else ["It states no anatomical space; LPS was assumed."]
    return np.diag([*signs.get(space, (-1, -1, 1)), 1.0]) @ affine, notes


def encode_nrrd(path: str, array: np.ndarray, affine: np.ndarray) -> None:
    """Write gzip-compressed NRRD in LPS, as Slicer and ITK do."""
    lps = LPS_RAS @ affine
    header = {
        "space": "left-posterior-superior",
        "space directions": lps[:3, :3].T,
        "space origin": lps[:3, 3],
        "kinds": ["domain"] * 3,
        "encoding": "gzip",
    }
    nrrd.write(path, array, header)


def nrrd_grid_of(file: IO[bytes], layers: bool) -> Grid:
    """The grid of an open file, from its header alone; with ``layers``, that of each layer."""
    header = nrrd.read_header(file)
    sizes = tuple(int(size) for size in header.get("sizes", ()))
    check_shape(sizes)
    array = np.broadcast_to(np.uint8(0), sizes)
    return (_layers_with_grid if layers and len(sizes) == 4 else _with_grid)(array, header)[1]
