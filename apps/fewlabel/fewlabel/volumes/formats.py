"""Bytes of a NIfTI or NRRD file -> voxels and geometry, with every claim of the header checked first.

The files come from other people's tools and over the network. Readers differ in what they let pass: ITK fills
a cut file with zeros and dies on some legal headers, nibabel does not reach the checksum of a damaged gzip
stream. So the bytes are unpacked and counted here, and only then handed to nibabel or pynrrd.
"""

import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nibabel
import nrrd
import numpy as np

from fewlabel.volumes.geometry import LPS_RAS, Grid, nifti_grid, nrrd_grid, shear_of

VOXEL_LIMIT = 2**31
"""More voxels than this are taken for a damaged header, not for a scan."""

_SLACK = 2**20


class UnreadableVolume(ValueError):
    """The file is not a 3-D image or label map; the message says what, where and what to do."""


def unpack(data: bytes, header_size: int, expected: int | None = None) -> bytes:
    """Unpack a gzip stream and check its checksum and length.

    Args:
        data: the compressed bytes.
        header_size: unpack only so many bytes, unchecked, if ``expected`` is None.
        expected: size of the whole content; some padding behind it is tolerated and dropped.

    Raises:
        UnreadableVolume: damaged, cut, or far larger than the header says.
    """
    with _unpacking(), gzip.GzipFile(fileobj=io.BytesIO(data)) as stream:
        if expected is None:
            return stream.read(header_size)
        content = stream.read(expected)
        # The checksum is compared only when the end of the stream has been reached.
        if len(stream.read(_SLACK + 1)) > _SLACK:
            raise UnreadableVolume("holds far more data than its header says. Save it again")
        return content


@contextmanager
def _unpacking() -> Iterator[None]:
    try:
        yield
    except EOFError as error:
        raise UnreadableVolume("is cut short: the compressed data end too early. Save it again") from error
    except (OSError, zlib.error) as error:
        raise UnreadableVolume(f"is damaged: {error}. Copy or save it again") from error


def check_shape(shape: tuple[int, ...]) -> None:
    """Refuse sizes that no scan has, before any memory is asked for."""
    text = " x ".join(str(size) for size in shape)
    if not shape or any(size <= 0 for size in shape):
        raise UnreadableVolume(f"has an axis without voxels (size {text}). Save the scan again")
    if np.prod([float(size) for size in shape]) > VOXEL_LIMIT:
        raise UnreadableVolume(f"claims the size {text}, too large for a scan. Save it again")


def decode_nifti(data: bytes, compressed: bool, dtype: type | None) -> tuple[np.ndarray, Grid]:
    """Decode NIfTI-1 or NIfTI-2 with its scaling.

    Args:
        data: the whole file.
        compressed: it is gzip.
        dtype: of the voxels wanted; None: whole numbers as they are stored, all others float32.

    Returns:
        Array of any rank, and where it lies.

    Raises:
        UnreadableVolume: see the messages.
    """
    start = unpack(data, 540) if compressed else data[:540]
    image_class = _nifti_class(start)
    header = image_class.header_class(start[: image_class.header_class.sizeof_hdr])
    check_shape(header.get_data_shape())
    voxel = header.get_data_dtype()
    if voxel.fields is not None or voxel.kind not in "iuf":
        raise UnreadableVolume(f"holds colours or complex numbers ({voxel}). Save it as a grey volume")
    voxels = int(np.prod(header.get_data_shape(), dtype=np.int64))
    expected = header.get_data_offset() + voxel.itemsize * voxels
    content = unpack(data, 0, expected) if compressed else data
    if len(content) < expected:
        raise UnreadableVolume(f"is cut short: {len(content)} of {expected} bytes are there. Save it again")
    stored: Any = image_class.from_bytes(content).dataobj
    if dtype is None and voxel.kind in "iu" and (stored.slope, stored.inter) == (1, 0):
        return stored.get_unscaled(), _nifti_place(start)
    return np.array(stored, dtype=dtype or np.float32), _nifti_place(start)


def grid_of_file(path: Path, layers: bool = False) -> Grid:
    """The grid of a NIfTI or NRRD file, from its header alone; the voxels are neither read nor counted.

    Args:
        path: of the file.
        layers: let a segmentation in several layers through, with the grid that each of them has.

    Raises:
        UnreadableVolume: it is neither, or its header is damaged.
    """
    with open(path, "rb") as file:
        start = file.read(4)
        file.seek(0)
        if start == b"NRRD":
            header = nrrd.read_header(file)
            sizes = tuple(int(size) for size in header.get("sizes", ()))
            check_shape(sizes)
            array = np.broadcast_to(np.uint8(0), sizes)
            return (_layers_place if layers and len(sizes) == 4 else _nrrd_place)(array, header)[1]
        if start[:2] != b"\x1f\x8b":
            return _nifti_place(file.read(540))
        with _unpacking(), gzip.GzipFile(fileobj=file) as stream:
            return _nifti_place(stream.read(540))


def _nifti_place(start: bytes) -> Grid:
    kind = _nifti_class(start).header_class
    return nifti_grid(kind(start[: kind.sizeof_hdr], check=False))


def _nifti_class(start: bytes) -> type[nibabel.Nifti1Image]:
    for image_class, place in ((nibabel.Nifti1Image, 344), (nibabel.Nifti2Image, 4)):
        size = image_class.header_class.sizeof_hdr
        if start[:4] not in (size.to_bytes(4, "little"), size.to_bytes(4, "big")) or len(start) < size:
            continue
        if start[place : place + 3] in (b"n+1", b"n+2"):
            return image_class
        raise UnreadableVolume("is a header whose voxels lie in another file. Save it as one .nii.gz file")
    raise UnreadableVolume("is not a NIfTI image. Export the scan as .nii.gz or .nrrd")


def decode_nrrd(data: bytes, dtype: type | None) -> tuple[np.ndarray, Grid]:
    """Decode an NRRD file (`.seg.nrrd` included) whose voxels are in the same file.

    A detached header names another file of this computer, so it is refused. Args, returns and errors as
    :func:`decode_nifti`; array of rank 3.
    """
    array, grid = _nrrd_place(*_nrrd_content(data))
    return array.astype(dtype or (array.dtype if array.dtype.kind in "iu" else np.float32), copy=False), grid


def decode_nrrd_layers(data: bytes) -> tuple[np.ndarray, Grid]:
    """The same of a segmentation in layers: (layer, i, j, k) of the file's own type, and the grid of each layer."""
    return _layers_place(*_nrrd_content(data))


def _layers_place(array: np.ndarray, header: dict) -> tuple[np.ndarray, Grid]:
    directions = _directions(array, header)
    other = _not_of_space(directions)
    if len(other) != 1:
        raise UnreadableVolume(f"has {array.ndim} axes, not one of layers and three of space. Save it again in Slicer")
    affine, notes = _nrrd_affine(np.delete(directions, other, axis=0), header)
    array = np.moveaxis(array, other[0], 0)
    return array, nrrd_grid(array.shape[1:], affine, notes)


def _nrrd_content(data: bytes) -> tuple[np.ndarray, dict]:
    """Voxels as they are in the file, and its header."""
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
    """Of one voxel of a type as NRRD calls it."""
    wide = {8: "long long|int64|uint64|double", 4: "int32|uint32|float", 2: "short|int16|uint16", 1: "char|int8|uint8"}
    found = next((size for size, names in wide.items() if any(name in kind for name in names.split("|"))), 0)
    return found or (4 if kind in ("int", "signed int", "uint", "unsigned int") else 8)


def _nrrd_place(array: np.ndarray, header: dict) -> tuple[np.ndarray, Grid]:
    array, directions = _spatial_axes(array, header)
    affine, notes = _nrrd_affine(directions, header)
    return array, nrrd_grid(array.shape, affine, notes)


def _spatial_axes(array: np.ndarray, header: dict) -> tuple[np.ndarray, np.ndarray]:
    """Drop axes that are not of space when they hold one layer only; directions (3, 3), one row an axis."""
    directions = _directions(array, header)
    other = _not_of_space(directions)
    if any(array.shape[axis] > 1 for axis in other):
        raise UnreadableVolume(
            "holds several layers, colours or time points in one file. Save one 3-D scalar volume; "
            "a segmentation with overlapping segments must be saved without overlap (one layer)"
        )
    return np.squeeze(array, axis=tuple(other)), np.delete(directions, other, axis=0)


def _directions(array: np.ndarray, header: dict) -> np.ndarray:
    """(axes, 3): a row of each axis, not finite where it is not of space."""
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


def encode_nifti(path: str, array: np.ndarray, affine: np.ndarray, comment: bytes = b"") -> None:
    """Write NIfTI-1 with sform and qform alike and mm as unit, and a text in the header.

    A qform cannot hold a shear, so a sheared affine is written as sform alone: ITK then refuses the file, where a
    qform would let it show the voxels in another place.
    """
    image = nibabel.Nifti1Image(array, affine)
    image.set_sform(affine, code="scanner")
    image.set_qform(affine, code="unknown" if shear_of(affine) else "scanner")
    image.header.set_xyzt_units("mm")
    if comment:
        image.header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", comment))
    nibabel.save(image, path)


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
