"""Checks whether a downloaded file is complete, without libraries that would accept half of it."""

from __future__ import annotations

import gzip
import struct
import zipfile
import zlib
from pathlib import Path
from typing import IO, Dict, Optional, Protocol

from ..errors import Damaged

_CHUNK = 1 << 20
_NRRD_BYTES = {
    **dict.fromkeys(("signed char", "int8", "int8_t", "uchar", "unsigned char", "uint8", "uint8_t"), 1),
    **dict.fromkeys(("short", "short int", "signed short", "signed short int", "int16", "int16_t"), 2),
    **dict.fromkeys(("ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t"), 2),
    **dict.fromkeys(
        ("int", "signed int", "int32", "int32_t", "uint", "unsigned int", "uint32", "uint32_t", "float"), 4
    ),
    **dict.fromkeys(("longlong", "long long", "int64", "int64_t", "ulonglong", "unsigned long long", "uint64"), 8),
    **dict.fromkeys(("uint64_t", "double"), 8),
}


def check_file(path: Path, called: str) -> None:
    """Read a file to its end and compare its size with its header.

    Args:
        path: `.nii`, `.nii.gz`, `.nrrd` or `.zip`; other files must only not be empty.
        called: name of the file in messages.

    Raises:
        Damaged: it is incomplete or damaged.
    """
    name = path.name.lower()
    try:
        if path.stat().st_size == 0:
            raise Damaged(f"{called} arrived empty. Nothing was changed; try again.")
        if name.endswith((".nii.gz", ".nii")):
            whole = _nifti_is_whole(path)
        elif name.endswith(".nrrd"):
            whole = _nrrd_is_whole(path)
        elif name.endswith(".zip"):
            with zipfile.ZipFile(path) as archive:
                whole = archive.testzip() is None
        else:
            whole = True
    except (EOFError, zlib.error, gzip.BadGzipFile, zipfile.BadZipFile, struct.error, ValueError, KeyError):
        whole = False
    if not whole:
        raise Damaged(f"{called} arrived damaged or in part. Nothing was changed; try again.")


class _Readable(Protocol):
    """An open file, compressed or not (gzip's is not an ``IO``)."""

    def read(self, size: int = -1, /) -> bytes: ...


def _count(stream: _Readable) -> int:
    """Number of bytes to the end; for a gzip stream this also verifies the checksum."""
    total = 0
    while True:
        chunk = stream.read(_CHUNK)
        if not chunk:
            return total
        total += len(chunk)


def _nifti_is_whole(path: Path) -> bool:
    """Header fields of NIfTI-1: sizeof_hdr at 0, dim at 40, bitpix at 72, vox_offset at 108."""
    with gzip.open(path) if path.name.lower().endswith(".gz") else path.open("rb") as stream:
        header = stream.read(348)
        order = "<" if struct.unpack_from("<i", header)[0] in (348, 540) else ">"
        size = struct.unpack_from(order + "i", header)[0]
        present = len(header) + _count(stream)
    if size == 540:  # NIfTI-2: bitpix at 14, dim at 16, vox_offset at 168
        bits, dim = struct.unpack_from(order + "h", header, 14)[0], struct.unpack_from(order + "8q", header, 16)
        offset = struct.unpack_from(order + "q", header, 168)[0]
    elif size == 348:
        bits, dim = struct.unpack_from(order + "h", header, 72)[0], struct.unpack_from(order + "8h", header, 40)
        offset = int(struct.unpack_from(order + "f", header, 108)[0])
    else:
        return False
    voxels = 1
    for length in dim[1 : dim[0] + 1]:
        voxels *= max(1, length)
    return present >= offset + voxels * bits // 8


def _nrrd_is_whole(path: Path) -> bool:
    with path.open("rb") as stream:
        if not stream.readline().startswith(b"NRRD"):
            return False
        fields = _nrrd_fields(stream)
        if fields is None:
            return False
        if "data file" in fields or "datafile" in fields:
            return False  # its data are in another file, which was not downloaded
        encoding = fields["encoding"].lower()
        if encoding in ("gzip", "gz"):
            with gzip.open(stream) as unpacked:
                present = _count(unpacked)
        else:
            present = _count(stream)
            if encoding != "raw":
                return present > 0
    voxels = 1
    for length in fields["sizes"].split():
        voxels *= int(length)
    return present >= voxels * _NRRD_BYTES[fields["type"].lower()]


def _nrrd_fields(stream: IO[bytes]) -> Optional[Dict[str, str]]:
    """The header's fields up to the empty line; None if there is no such line."""
    fields: Dict[str, str] = {}
    for raw in stream:
        line = raw.decode("latin-1").strip("\r\n")
        if not line:
            return fields
        if not line.startswith("#") and ": " in line:
            name, value = line.split(": ", 1)
            fields[name.strip().lower()] = value.strip()
    return None
