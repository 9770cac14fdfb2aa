"""Decides from a file's header alone whether it is a usable scan, and why it is not."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from pathlib import Path

import nibabel
import nrrd
import numpy as np

from fewlabel.volumes.formats import UnreadableVolume, check_shape
from fewlabel.volumes.metaimage import read_header
from fewlabel.volumes.reading import read_grid, split_extension

UNREADABLE, FOUR_D, COLOUR, SEGMENTATION = "unreadable", "4-D", "RGB", "segmentation"
_BEGINNING = 2**16
_COLOURS = ("rgb", "hsv", "vector", "complex", "quaternion", "matrix", "xyz", "normal", "gradient", "2-", "3-", "4-")
"""Prefixes of NRRD's kinds of axes that hold several values of a voxel."""


@dataclass(frozen=True)
class Fault:
    """Why a file cannot be used as a scan.

    Attributes:
        kind: one of the four above.
        message: a sentence that names the file.
    """

    kind: str
    message: str


@dataclass(frozen=True)
class Facts:
    """What a header says about the voxels."""

    shape: tuple[int, ...]  # spatial axes first
    colours: bool = False
    segments: bool = False
    bytes_expected: int = 0


def fault_of(path: Path, name: str) -> Fault | None:
    """Why a file cannot be used as a scan; None where its header promises one 3-D scalar volume.

    :func:`fewlabel.volumes.reading.read_volume` refuses everything that this refuses, and also finds damage after the
    header.

    Args:
        path: ends with one of ``EXTENSIONS``.
        name: of the file in messages.
    """
    try:
        facts = _facts(path)
        if facts.segments:
            return Fault(SEGMENTATION, f"{name} is a segmentation, not a scan: its header names segments.")
        if facts.colours:
            return Fault(COLOUR, f"{name} holds several values a voxel, as colours do. Save it as a grey volume.")
        if len(facts.shape) > 3 and any(size > 1 for size in facts.shape[3:]):
            size = " x ".join(str(size) for size in facts.shape)
            return Fault(
                FOUR_D,
                f"{name} has {len(facts.shape)} dimensions ({size}): several frames or channels. "
                "Save one 3-D volume per file.",
            )
        if len(facts.shape) < 3:
            return Fault(UNREADABLE, f"{name} has only {len(facts.shape)} dimension(s). Save the scan as a 3-D volume.")
        if path.stat().st_size < facts.bytes_expected:
            return Fault(UNREADABLE, f"{name} is cut short. Copy or save it again.")
        read_grid(path, name)
    except UnreadableVolume as error:
        sentence = str(error) if str(error).startswith(name) else f"{name} {error}."
        return Fault(UNREADABLE, sentence)
    except Exception as error:  # parsers raise anything for damaged headers
        return Fault(UNREADABLE, f"{name} cannot be read as an image ({error or type(error).__name__}).")
    return None


def _facts(path: Path) -> Facts:
    extension = split_extension(path.name)[1].lower()
    with path.open("rb") as file:
        start = file.read(_BEGINNING)
    if not start:
        raise UnreadableVolume("is empty. Copy or save it again")
    if extension == ".nrrd":
        return _nrrd_facts(path)
    if extension == ".mha":
        header = read_header(start)
        colours = header.channels != 1
        if not colours:
            header.check()
        expected = 0 if header.compressed or colours else header.size + header.bytes_expected
        return Facts(header.shape, colours, bytes_expected=expected)
    return _nifti_facts(path, start, extension)


def _nifti_facts(path: Path, start: bytes, extension: str) -> Facts:
    packed = start[:2] == b"\x1f\x8b"
    if packed:
        with gzip.open(path) as stream:
            start = stream.read(540)
    kind = nibabel.Nifti2Header if start[:4] in (b"\x1c\x02\0\0", b"\0\0\x02\x1c") else nibabel.Nifti1Header
    if len(start) < kind.sizeof_hdr:
        raise UnreadableVolume("is not a NIfTI image. Export the scan as .nii.gz or .nrrd")
    header = kind(start[: kind.sizeof_hdr])
    if packed != (extension == ".nii.gz"):
        right = ".nii.gz" if packed else ".nii"
        raise UnreadableVolume(f"has the wrong extension for its content. Rename it to end with {right}")
    shape, voxel = header.get_data_shape(), header.get_data_dtype()
    check_shape(shape)
    colours = voxel.fields is not None or voxel.kind not in "iuf"
    expected = header.get_data_offset() + voxel.itemsize * int(np.prod(shape, dtype=np.int64))
    return Facts(tuple(shape), colours, bytes_expected=0 if packed else expected)


def _nrrd_facts(path: Path) -> Facts:
    with path.open("rb") as file:
        header = nrrd.read_header(file)
    fields = {name.lower().replace(" ", ""): value for name, value in header.items()}
    if "datafile" in fields:
        raise UnreadableVolume("is a header whose voxels lie in another file. Save it as one .nrrd file")
    if fields.get("encoding") not in ("raw", "gzip", "gz") or fields.get("lineskip") or fields.get("byteskip"):
        raise UnreadableVolume("is stored in an unusual way. Save it as .nrrd with gzip or no compression")
    if fields.get("type") in (None, "block"):
        raise UnreadableVolume("does not hold numbers. Save it as a scalar volume")
    sizes = [int(size) for size in fields.get("sizes", ())]
    check_shape(tuple(sizes))
    segments = any(name.lower().startswith("segment0_") for name in header)
    directions = np.asarray(header.get("space directions", np.zeros((min(len(sizes), 3), 3))), dtype=np.float64)
    space = [axis for axis, row in enumerate(directions[: len(sizes)]) if np.isfinite(row).all()]
    other = [axis for axis in range(len(sizes)) if axis not in space]
    kinds = [str(kind).lower() for kind in fields.get("kinds", ())]
    colours = any(sizes[axis] > 1 and axis < len(kinds) and kinds[axis].startswith(_COLOURS) for axis in other)
    return Facts(tuple(sizes[axis] for axis in (*space, *other)), colours, segments)
