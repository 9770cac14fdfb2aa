"""NIfTI files with any sform, qform, codes and voxel size, also such as no library writes."""

from pathlib import Path

import nibabel
import numpy as np

SHAPE = (4, 5, 6)
CODES = (0, 1, 2, 4)
SPACING = (0.9, 1.2, 2.5)


def turn(first, second=0.0, third=0.0):
    """Rotation by degrees about the three axes, one after the other."""
    matrix = np.eye(3)
    for axis, degrees in enumerate((first, second, third)):
        angle = np.radians(degrees)
        one = np.eye(3)
        others = [other for other in range(3) if other != axis]
        one[np.ix_(others, others)] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
        matrix = matrix @ one
    return matrix


def affine(axes, spacing=SPACING, origin=(10.0, -20.0, 30.0)):
    matrix = np.eye(4)
    matrix[:3, :3] = axes @ np.diag(spacing)
    matrix[:3, 3] = origin
    return matrix


def tilted(degrees):
    """A gantry tilt: the slices are pushed along the second axis."""
    matrix = affine(np.eye(3))
    matrix[1, 2] = SPACING[2] * np.tan(np.radians(degrees))
    return matrix


QFORM = affine(turn(5, 10, 20))
SFORMS = {
    "equal": QFORM,
    "rounded": np.round(QFORM, 6),
    "moved": affine(turn(5, 10, 20), origin=(12.0, -23.0, 30.0)),
    "turned": affine(turn(7, 10, 16)),
    "mirrored": QFORM @ np.diag([-1, 1, 1, 1]),
    "mirrored slices": QFORM @ np.diag([1, 1, -1, 1]),
    "half a turn": QFORM @ np.diag([-1, -1, 1, 1]),
    "swapped": QFORM[:, [1, 0, 2, 3]],
    "scaled": QFORM @ np.diag([1.05, 1, 1, 1]),
    "hardly sheared": QFORM @ (np.eye(4) + np.diag([3e-5, 0], 2)),
    "tilted by 5 degrees": tilted(5),
    "tilted by 15 degrees": tilted(15),
    "flat": QFORM @ np.diag([1, 1, 0, 1]),
}


def write(path: Path, sform, sform_code, qform, qform_code, pixdim=None, unit=2):
    """Write a ramp of SHAPE voxels; ``pixdim``: another voxel size than the qform's."""
    header = nibabel.Nifti1Header()
    header.set_data_shape(SHAPE)
    header.set_data_dtype(np.int16)
    header.set_qform(qform, code=1)
    header["srow_x"], header["srow_y"], header["srow_z"] = sform[:3]
    header["qform_code"], header["sform_code"] = qform_code, sform_code
    if pixdim is not None:
        header["pixdim"][1:4] = pixdim
    header["xyzt_units"], header["vox_offset"] = unit, 352
    path.write_bytes(header.binaryblock + bytes(4) + np.arange(np.prod(SHAPE), dtype=np.int16).tobytes())
    return path


def shown_by_itk(path):
    """Voxel to RAS mm as SimpleITK reads it; None where it refuses the file."""
    import SimpleITK

    try:
        image = SimpleITK.ReadImage(str(path))
    except RuntimeError:
        return None
    matrix = np.eye(4)
    matrix[:3, :3] = np.array(image.GetDirection()).reshape(3, 3) @ np.diag(image.GetSpacing())
    matrix[:3, 3] = image.GetOrigin()
    return np.diag([-1.0, -1.0, 1.0, 1.0]) @ matrix
