"""The names of a file's values: Slicer's segments in an NRRD header, our own names in a NIfTI header.

FewLabel stores the names of a label in the NIfTI header itself, as a header extension of the type "comment", which ITK,
Slicer, nibabel and others ignore. So names and voxels are written together, are copied together, and stay when the
workspace is deleted; a separate file of names could be left behind, could belong to an earlier label, and would lie
among the labels.
"""

from __future__ import annotations

import gzip
import json
import re
import struct
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

_MOST_HEADER = 2**22
"""Bytes of a header that are read: Slicer writes about a kilobyte for each segment."""

_OURS = b'{"fewlabel"'
_FIELD = re.compile(r"Segment(\d+)_(\w+):=(.*)")
_NAME_LINE = re.compile(rb"(Segment\d+_Name:=)([^\r\n]*)")
_NAMED = ("Name", "ID")
_NIFTI_1 = {struct.pack(f"{order}i", 348): order for order in "<>"}
"""First bytes of a NIfTI-1 file -> byte order, for struct."""

_DAMAGED = (AttributeError, EOFError, KeyError, OSError, TypeError, ValueError, struct.error, zlib.error)
"""Errors of reading a damaged file, or one that is not NIfTI."""


@dataclass(frozen=True)
class Segment:
    """One named segment of a file.

    Attributes:
        name: as in the file.
        value: of its voxels.
        layer: of its voxels; 0 in a file with one layer.
    """

    name: str
    value: int
    layer: int = 0


def names_as_bytes(classes: Sequence[str]) -> bytes:
    """The comment of a NIfTI header that names a label's values: ``classes[i]`` is value ``i + 1``."""
    values = {name: value for value, name in enumerate(classes, start=1)}
    return json.dumps({"fewlabel": {"classes": values}}).encode()


def named_segments(path: str | Path) -> list[Segment]:
    """The segments named in a file's header, in its order; [] where there are none, or for other files.

    The voxels are neither read nor checked.
    """
    with open(path, "rb") as file:
        start = file.read(4)
        file.seek(0)
        if start == b"NRRD":
            return of_nrrd(file.read(_MOST_HEADER))
        try:
            return _of_nifti(gzip.GzipFile(fileobj=file) if start[:2] == b"\x1f\x8b" else file)
        except (
            AttributeError,
            EOFError,
            KeyError,
            OSError,
            TypeError,
            ValueError,
            struct.error,
            zlib.error,
        ):  # no NIfTI file, or a damaged one
            return []


def layers_of(path: str | Path) -> int:
    """Number of segment layers of an NRRD file; 1 for every other file."""
    with open(path, "rb") as file:
        fields = dict(line.split(": ", 1) for line in _lines(file.read(_MOST_HEADER)) if ": " in line)
    sizes, kinds = fields.get("sizes", "").split(), fields.get("kinds", "").split()
    if len(sizes) != 4 or len(kinds) != 4 or fields.get("dimension", "4").strip() != "4":
        return 1
    of_space = [kind in ("domain", "space") for kind in kinds]
    return int(sizes[of_space.index(False)]) if of_space.count(False) == 1 else 1


def of_nrrd(data: bytes) -> list[Segment]:
    """The segments of an NRRD file, from its first bytes.

    Slicer before 4.11 stored each segment in its own layer, and wrote neither layer nor value.
    """
    fields: dict[int, dict[str, str]] = {}
    lines = _lines(data)
    for line in lines:
        found = _FIELD.fullmatch(line)
        if found:
            fields.setdefault(int(found[1]), {})[found[2]] = found[3]
    several = "dimension: 4" in lines
    segments = []
    for number, (_, said) in enumerate(sorted(fields.items())):
        name = next((_unescaped(said[key]).strip() for key in _NAMED if said.get(key, "").strip()), "")
        own_layer = several and "Layer" not in said
        value = said.get("LabelValue", "1" if several else str(number + 1))
        layer = str(number) if own_layer else said.get("Layer", "0")
        if name and value.strip().isdecimal() and layer.strip().isdecimal():
            segments.append(Segment(name, int(value), int(layer)))
    return segments


def _lines(data: bytes) -> list[str]:
    """Lines of an NRRD header, which ends with an empty one; [] for another file."""
    if not data.startswith(b"NRRD"):
        return []
    header = re.split(rb"\r?\n\r?\n", data, maxsplit=1)[0]
    return [line.rstrip("\r") for line in header.decode("utf-8", "replace").split("\n")]


def _unescaped(text: str) -> str:
    return text.replace("\\n", " ").replace("\\\\", "\\")


def _of_nifti(stream: IO[bytes] | gzip.GzipFile) -> list[Segment]:
    start = stream.read(352)
    start += stream.read(max(0, min(_offset(start), _MOST_HEADER) - len(start)))
    for _, _, content in _extensions(start):
        if content.startswith(_OURS):
            return _segments(json.loads(content.rstrip(b"\0"))["fewlabel"].get("classes"))
    return []


def _segments(values: Any) -> list[Segment]:
    if not isinstance(values, dict) or not all(isinstance(value, int) for value in values.values()):
        return []
    return [Segment(str(name), value) for name, value in sorted(values.items(), key=lambda each: each[1])]


def _order(data: bytes) -> str:
    """Byte order of a NIfTI-1 file, for struct."""
    if len(data) < 352 or data[:4] not in _NIFTI_1:
        raise ValueError("not a NIfTI-1 file")
    return _NIFTI_1[data[:4]]


def _offset(data: bytes) -> int:
    return int(struct.unpack_from(f"{_order(data)}f", data, 108)[0])


def _extensions(data: bytes) -> list[tuple[int, int, bytes]]:
    """(code, offset of its end, content) of each header extension of a NIfTI-1 file."""
    order, end, offset = _order(data), _offset(data), 352
    found = []
    while data[348] and offset + 8 <= min(end, len(data)):
        size, code = struct.unpack_from(f"{order}ii", data, offset)
        if size < 16 or offset + size > end:
            break
        found.append((code, offset + size, data[offset + 8 : offset + size]))
        offset += size
    return found


def with_other_names(data: bytes, change: Callable[[str], str]) -> bytes:
    """Change the names of values in the header of a NIfTI or NRRD file; all else stays the same.

    Args:
        data: the whole file.
        change: old name -> new name.

    Returns:
        The changed bytes; the same bytes where no name changes. The result is deterministic.

    Raises:
        OSError, ValueError, EOFError: a damaged gzip stream or header.
    """
    if data.startswith(b"NRRD"):
        header, empty, voxels = re.split(rb"(\r?\n\r?\n)", data, maxsplit=1)
        return _NAME_LINE.sub(lambda found: found[1] + _changed(found[2], change), header) + empty + voxels
    if data[:2] != b"\x1f\x8b":
        return _nifti_with_other_names(data, change)
    content = gzip.decompress(data)
    changed = _nifti_with_other_names(content, change)
    return data if changed == content else gzip.compress(changed, compresslevel=1, mtime=0)


def _changed(line: bytes, change: Callable[[str], str]) -> bytes:
    name = _unescaped(line.decode("utf-8", "replace")).strip()
    new = change(name)
    return line if new == name else new.encode()


def _nifti_with_other_names(data: bytes, change: Callable[[str], str]) -> bytes:
    """Header extensions are padded to multiples of 16 bytes, as the format requires."""
    if data[:4] not in _NIFTI_1:
        return data
    order, begin, parts, same = _order(data), 352, [], True
    for code, end, content in _extensions(data):
        if content.startswith(_OURS):
            said = json.loads(content.rstrip(b"\0"))
            values = {change(name): value for name, value in said["fewlabel"]["classes"].items()}
            same = same and values == said["fewlabel"]["classes"]
            said["fewlabel"]["classes"] = values
            content = json.dumps(said).encode()
            content += bytes(-(len(content) + 8) % 16)
        parts.append(struct.pack(f"{order}ii", len(content) + 8, code) + content)
        begin = end
    if same:
        return data
    extensions = b"".join(parts)
    header = bytearray(data[:352])
    header[108:112] = struct.pack(f"{order}f", float(_offset(data) + len(extensions) - (begin - 352)))
    return bytes(header) + extensions + data[begin:]
