"""Shared by the readers of all formats: bytes are unpacked and counted, and headers are checked first.

The files come from other people's tools and over the network. Libraries differ in what they accept: ITK fills a
truncated file with zeros and crashes on some legal headers; nibabel does not check the checksum of a damaged gzip
stream. So bytes are unpacked and counted here, and only then passed to nibabel (nifti.py) or pynrrd (nrrd_file.py).
"""

import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

VOXEL_LIMIT = 2**31
"""A header that claims more voxels is considered damaged."""

_SLACK = 2**20


class UnreadableVolume(ValueError):
    """The file is not a 3-D image or label map; the message says what, where and what to do."""


def unpack(data: bytes, header_size: int, expected: int | None = None) -> bytes:
    """Unpack a gzip stream and check its checksum and length.

    Args:
        data: the compressed bytes.
        header_size: if ``expected`` is None, unpack only that many bytes, without checks.
        expected: size of the whole content; a little padding after it is dropped.

    Raises:
        UnreadableVolume: damaged, cut, or far larger than the header says.
    """
    with unpacking(), gzip.GzipFile(fileobj=io.BytesIO(data)) as stream:
        if expected is None:
            return stream.read(header_size)
        content = stream.read(expected)
        # The checksum is only compared when the end of the stream is reached.
        if len(stream.read(_SLACK + 1)) > _SLACK:
            raise UnreadableVolume("holds far more data than its header says. Save it again")
        return content


@contextmanager
def unpacking() -> Iterator[None]:
    """Turn errors of compressed data into UnreadableVolume."""
    try:
        yield
    except EOFError as error:
        raise UnreadableVolume("is cut short: the compressed data end too early. Save it again") from error
    except (OSError, zlib.error) as error:
        raise UnreadableVolume(f"is damaged: {error}. Copy or save it again") from error


def check_shape(shape: tuple[int, ...]) -> None:
    """Refuse sizes that no scan has, before memory is allocated."""
    text = " x ".join(str(size) for size in shape)
    if not shape or any(size <= 0 for size in shape):
        raise UnreadableVolume(f"has an axis without voxels (size {text}). Save the scan again")
    if np.prod([float(size) for size in shape]) > VOXEL_LIMIT:
        raise UnreadableVolume(f"claims the size {text}, too large for a scan. Save it again")
