"""Decodes MetaImage files (.mha) into voxels and geometry; the header is checked first."""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass

import numpy as np

from fewlabel.volumes.formats import UnreadableVolume, check_shape
from fewlabel.volumes.geometry import LPS_RAS, Grid, nrrd_grid

_LONGEST_HEADER = 2**16
_LINE = re.compile(r"([A-Za-z][A-Za-z0-9_]*)\s*=\s*(.*)")
_TYPES = {
    **{"MET_CHAR": "i1", "MET_UCHAR": "u1", "MET_SHORT": "i2", "MET_USHORT": "u2", "MET_INT": "i4", "MET_UINT": "u4"},
    **{"MET_LONG": "i4", "MET_ULONG": "u4", "MET_LONG_LONG": "i8", "MET_ULONG_LONG": "u8"},
    **{"MET_FLOAT": "f4", "MET_DOUBLE": "f8"},
}
_MATRIX = ("TransformMatrix", "Rotation", "Orientation")
_ORIGIN = ("Offset", "Position", "Origin")
_SPACING = ("ElementSpacing", "ElementSize")


@dataclass(frozen=True)
class Header:
    """A parsed MetaImage header.

    Attributes:
        fields: as in the file, without ``ElementDataFile``.
        data_file: ``LOCAL`` where the voxels are in the same file, else the name of another one.
        size: bytes of the header; in a single file the voxels follow.
    """

    fields: dict[str, str]
    data_file: str
    size: int

    @property
    def shape(self) -> tuple[int, ...]:
        """Voxels along each axis, of any rank.

        Raises:
            UnreadableVolume: there are none, or their number is not that of the dimensions.
        """
        sizes = tuple(int(size) for size in self._numbers(("DimSize",)))
        if str(len(sizes)) != self.fields.get("NDims"):
            raise UnreadableVolume("has a damaged header (NDims and DimSize differ). Save it again")
        return sizes

    @property
    def channels(self) -> int:
        """Values of each voxel."""
        return int(self.fields.get("ElementNumberOfChannels", "1"))

    @property
    def compressed(self) -> bool:
        """Whether the voxels are compressed."""
        return _is_true(self.fields.get("CompressedData", ""))

    @property
    def voxel(self) -> np.dtype:
        """Type of one value.

        Raises:
            UnreadableVolume: not a number.
        """
        kind = self.fields.get("ElementType", "")
        if kind not in _TYPES:
            raise UnreadableVolume(f"holds values of the type '{kind[:40]}'. Save it as a volume of plain numbers")
        big = self.fields.get("BinaryDataByteOrderMSB", self.fields.get("ElementByteOrderMSB", ""))
        return np.dtype(_TYPES[kind]).newbyteorder(">" if _is_true(big) else "<")

    @property
    def bytes_expected(self) -> int:
        """Size of all voxels in bytes, unpacked."""
        return int(np.prod(self.shape, dtype=np.int64)) * self.voxel.itemsize * self.channels

    def grid(self) -> Grid:
        """The grid as ITK reads it: LPS, one row of the matrix for each axis of the volume."""
        axes = len(self.shape)
        matrix = self._numbers(_MATRIX) or np.eye(axes).ravel().tolist()
        origin, spacing = self._numbers(_ORIGIN) or [0.0] * axes, self._numbers(_SPACING) or [1.0] * axes
        if (len(matrix), len(origin), len(spacing)) != (axes * axes, axes, axes):
            raise UnreadableVolume("has a damaged header (its geometry has too few numbers). Save it again")
        within = min(axes, 3)
        affine = np.eye(4)
        directions = np.reshape(matrix, (axes, axes))[:within, :within]
        affine[:within, :within] = directions.T * spacing[:within]
        affine[:within, 3] = origin[:within]
        return nrrd_grid(self.shape, LPS_RAS @ affine, [])

    def _numbers(self, names: tuple[str, ...]) -> list[float]:
        text = next((self.fields[name] for name in names if name in self.fields), "")
        return [float(part) for part in text.split()]

    def check(self) -> None:
        """Refuse, from the header alone, all but single scalar volumes stored in the usual way."""
        if self.fields.get("ObjectType", "Image") != "Image":
            raise UnreadableVolume("is a MetaImage file of something else than an image. Export the scan again")
        check_shape(self.shape)
        if self.channels != 1:
            raise UnreadableVolume(f"holds {self.channels} values a voxel, as colours do. Save it as a grey volume")
        scaled = ("ElementToIntensityFunctionSlope", "1"), ("ElementToIntensityFunctionOffset", "0")
        usual = _is_true(self.fields.get("BinaryData", "True")) and self.fields.get("HeaderSize", "0") == "0"
        if not usual or any(float(self.fields.get(name, value)) != float(value) for name, value in scaled):
            raise UnreadableVolume("is stored in an unusual way. Save it as .nrrd")
        _ = self.voxel


def read_header(start: bytes) -> Header:
    """The header of a MetaImage file.

    Args:
        start: the file, or its first 64 KiB.

    Raises:
        UnreadableVolume: not the header of a MetaImage file.
    """
    fields: dict[str, str] = {}
    begin = 0
    while (end := start.find(b"\n", begin, _LONGEST_HEADER)) >= 0:
        line = _LINE.fullmatch(start[begin:end].decode("utf-8", "replace").strip())
        begin = end + 1
        if line is None or line[1] in fields:
            break
        if line[1] == "ElementDataFile":
            return Header(fields, line[2], begin)
        fields[line[1]] = line[2]
    raise UnreadableVolume("is not a MetaImage file, or its header is damaged. Export the scan as .nii.gz or .nrrd")


def decode_metaimage(data: bytes, dtype: type | None) -> tuple[np.ndarray, Grid]:
    """Decode a MetaImage file whose voxels are in the same file.

    A header that refers to another file is refused. Args, returns and errors as
    :func:`fewlabel.volumes.nifti.decode_nifti`; ``dtype`` None: as stored.
    """
    header = read_header(data)
    if header.data_file != "LOCAL":
        raise UnreadableVolume("is a header whose voxels lie in another file. Save it as one .mha or .nrrd file")
    header.check()
    content: bytes | memoryview = memoryview(data)[header.size :]
    expected = header.bytes_expected
    if header.compressed:
        content = _inflate(content, expected)
    if len(content) < expected:
        raise UnreadableVolume(f"is cut short: {len(content)} of {expected} bytes are there. Save it again")
    array = np.frombuffer(content, header.voxel, count=expected // header.voxel.itemsize)
    array = array.reshape(header.shape, order="F")
    return array.astype(header.voxel.newbyteorder("=") if dtype is None else dtype), header.grid()


def _inflate(content: bytes | memoryview, expected: int) -> bytes:
    unpacker = zlib.decompressobj(wbits=47)  # zlib or gzip
    try:
        unpacked = unpacker.decompress(content, expected + 1)
        if len(unpacked) <= expected and not unpacker.eof:
            unpacked += unpacker.decompress(unpacker.unconsumed_tail, 1)  # the checksum after the last voxel
    except zlib.error as error:
        raise UnreadableVolume(f"is damaged: {error}. Copy or save it again") from error
    if len(unpacked) > expected:
        raise UnreadableVolume("holds more data than its header says. Save it again")
    if not unpacker.eof:
        raise UnreadableVolume("is cut short: the compressed data end too early. Save it again")
    return unpacked


def _is_true(text: str) -> bool:
    return text.strip().lower() in ("true", "1", "t", "yes")
