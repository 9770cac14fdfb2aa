"""Decodes and encodes NIfTI files."""

from typing import Any

import nibabel
import numpy as np

from fewlabel.volumes.formats import UnreadableVolume, check_shape, unpack
from fewlabel.volumes.geometry import Grid, shear_of
from fewlabel.volumes.nifti_grid import nifti_grid


def decode_nifti(data: bytes, compressed: bool, dtype: type | None) -> tuple[np.ndarray, Grid]:
    """Decode NIfTI-1 or NIfTI-2 with its scaling.

    Args:
        data: the whole file.
        compressed: the data are gzip.
        dtype: of the result; None: integers as stored, all others float32.

    Returns:
        Array of any rank, and its grid.

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
        return stored.get_unscaled(), nifti_grid_of(start)
    return np.array(stored, dtype=dtype or np.float32), nifti_grid_of(start)


def nifti_grid_of(start: bytes) -> Grid:
    """The grid, from the first 540 bytes of the unpacked file."""
    kind = _nifti_class(start).header_class
    return nifti_grid(kind(start[: kind.sizeof_hdr], check=False))


def _nifti_class(start: bytes) -> type[nibabel.Nifti1Image]:
    for image_class, offset in ((nibabel.Nifti1Image, 344), (nibabel.Nifti2Image, 4)):
        size = image_class.header_class.sizeof_hdr
        if start[:4] not in (size.to_bytes(4, "little"), size.to_bytes(4, "big")) or len(start) < size:
            continue
        if start[offset : offset + 3] in (b"n+1", b"n+2"):
            return image_class
        raise UnreadableVolume("is a header whose voxels lie in another file. Save it as one .nii.gz file")
    raise UnreadableVolume("is not a NIfTI image. Export the scan as .nii.gz or .nrrd")


def encode_nifti(path: str, array: np.ndarray, affine: np.ndarray, comment: bytes = b"") -> None:
    """Write NIfTI-1 with equal sform and qform, mm as unit, and a comment in the header.

    A qform cannot express shear, so a sheared affine is written as sform only: then ITK refuses the file, while with a
    qform it would show the voxels at wrong positions.
    """
    image = nibabel.Nifti1Image(array, affine)
    image.set_sform(affine, code="scanner")
    image.set_qform(affine, code="unknown" if shear_of(affine) else "scanner")
    image.header.set_xyzt_units("mm")
    if comment:
        image.header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", comment))
    nibabel.save(image, path)
