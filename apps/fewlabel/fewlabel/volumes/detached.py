"""Volumes that consist of two files: a header (.mhd, .nhdr) that names the file of the voxels.

A header could name any file of this computer, whose bytes would then be served as voxels. So the other file is only
read if it is named by a plain name, lies beside the header, and both are in the folder of the studies after links are
followed. Uploads are never read by this module.
"""

from __future__ import annotations

import io
import re
from pathlib import Path

import nrrd
import numpy as np

from fewlabel.volumes.formats import UnreadableVolume
from fewlabel.volumes.metaimage import decode_metaimage, read_header
from fewlabel.volumes.nrrd_file import decode_nrrd, encode_nrrd

HEADERS = (".mhd", ".nhdr")
"""Extensions of headers."""

_LONGEST_HEADER = 2**16
_DATA_FILE = re.compile(rb"^data ?file:", re.IGNORECASE)


def data_file(header: Path, inside: Path) -> Path:
    """The file of the voxels, with links followed.

    Args:
        header: ends with one of ``HEADERS``.
        inside: folder that must contain both files.

    Raises:
        UnreadableVolume: the name is not plain, the file does not exist, or it lies elsewhere.
    """
    name = _named(header)
    words = name.split()
    plain = words and words[0].upper() != "LIST" and not name.startswith(".") and ".." not in name
    if not plain or any(sign in '/\\:%*?"<>|' or ord(sign) < 32 for sign in name):
        raise UnreadableVolume(
            f"names the file of its voxels as '{name[:80]}': only the plain name of one file in the same folder is "
            "followed. Save it as one .nrrd or .mha file"
        )
    try:
        real, of_header = (header.parent / name).resolve(strict=True), header.resolve(strict=True)
    except (OSError, RuntimeError, ValueError) as error:  # no such file, or a loop of links
        raise UnreadableVolume(
            f"names the file '{name[:80]}', which is not there. Copy it beside the header"
        ) from error
    for path in (real, of_header):
        if not path.is_relative_to(inside.resolve()) or _is_hidden(path.relative_to(inside.resolve())):
            raise UnreadableVolume(
                "is a header whose voxels, or which itself, lie outside the folder of the studies when links are "
                "followed. Copy both files into it"
            )
    if not real.is_file() or real == of_header:
        raise UnreadableVolume(f"names '{name[:80]}', which is not a file of voxels. Save it as one .nrrd or .mha file")
    return real


def write_attached(header: Path, inside: Path, target: Path) -> None:
    """Read a volume of two files and write it as one ``.nrrd`` with the same voxels.

    Args:
        header: ends with one of ``HEADERS``.
        inside: see :func:`data_file`.
        target: file to write; an existing one is overwritten.

    Raises:
        UnreadableVolume: damaged, unusual, or refused by :func:`data_file`.
    """
    voxels = data_file(header, inside).read_bytes()
    if header.suffix.lower() == ".mhd":
        head = header.read_bytes()[:_LONGEST_HEADER].rstrip()
        array, grid = decode_metaimage(head[: head.rindex(b"\n")] + b"\nElementDataFile = LOCAL\n" + voxels, None)
        if array.ndim != 3:
            raise UnreadableVolume(f"has {array.ndim} dimensions. Save the scan as a 3-D volume")
        encode_nrrd(str(target), array, grid.affine)
        return
    head = b"\n".join(line for line in _lines(header) if not _DATA_FILE.match(line))
    content = head + b"\n\n" + voxels
    decode_nrrd(content, np.float32)
    target.write_bytes(content)


def _named(header: Path) -> str:
    if header.suffix.lower() == ".mhd":
        with header.open("rb") as file:
            found = read_header(file.read(_LONGEST_HEADER).rstrip() + b"\n")
        found.check()
        name, one = found.data_file, "LOCAL"
    else:
        fields = nrrd.read_header(io.BytesIO(b"\n".join(_lines(header)) + b"\n\n"))
        name, one = str(fields.get("data file") or fields.get("datafile") or ""), ""
    if name == one:
        right = ".mha" if one else ".nrrd"
        raise UnreadableVolume(f"holds its voxels itself. Rename it to end with {right}")
    return name


def _lines(header: Path) -> list[bytes]:
    """Lines of an NRRD header, up to the empty line that ends it."""
    with header.open("rb") as file:
        text = file.read(_LONGEST_HEADER)
    lines = text.replace(b"\r\n", b"\n").split(b"\n")
    return lines[: lines.index(b"")] if b"" in lines else lines


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)
