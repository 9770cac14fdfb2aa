"""The grid of a NIfTI file.

A file may have two forms, sform and qform. Where they differ, programs disagree on which one counts, and ITK cannot
show a sheared one (gantry tilt). People draw on what Slicer shows, so ITK's choice is used here.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import nibabel
import numpy as np

from fewlabel.volumes.geometry import LPS_RAS, Grid, agree, corner_distance, is_orthonormal, shear_of

_MILLIMETRES = {1: 1000.0, 2: 1.0, 3: 0.001}
"""NIfTI's code of the spatial unit -> mm."""

_SCANNER = 1
_PLACE = ("pixdim", "qform_code", "sform_code", *(f"quatern_{part}" for part in "bcd"))
_PLACE += (*(f"qoffset_{axis}" for axis in "xyz"), *(f"srow_{axis}" for axis in "xyz"))
"""Fields of a NIfTI header that define its grid."""


def nifti_grid(header: nibabel.Nifti1Header) -> Grid:
    """The grid of a NIfTI file, by the rules of ITK 5.4's reader.

    If neither form has a code, the axes are left, posterior, superior from the origin. The sform is used if it has no
    shear and either is the only form, or has the code "scanner", or equals the qform; otherwise the qform. The voxel
    size is always ``pixdim``. A sheared sform without a qform is refused by ITK; it is used here nevertheless, because
    other programs can draw on it.

    Args:
        header: as in the file; nibabel's own check would change the sign of a voxel size.
    """
    scale = _MILLIMETRES.get(int(header["xyzt_units"]) & 7, 1.0)
    unit = np.diag([scale, scale, scale, 1.0])
    notes = [] if scale == 1 else ["Its unit of length is not mm; it was converted."]
    shape, steps = tuple(int(size) for size in header.get_data_shape()), _steps(header)
    sform, qform = _sform(header), _qform(header, steps)
    if sform is None and qform is None:
        affine = unit @ LPS_RAS @ np.diag([*steps, 1.0])
        notes.append("It states no orientation; its axes were taken as left, posterior, superior.")
        return Grid(shape, affine, affine, tuple(notes), *_of_version(header))
    chosen = _choose(header, sform, qform, steps)
    former = unit @ (qform if sform is None else sform)
    affine = former if chosen is None else unit @ chosen
    if sform is not None and qform is not None and not agree(shape, unit @ sform, unit @ qform):
        far = corner_distance(shape, unit @ sform, unit @ qform)
        taken = "sform" if chosen is not qform else "qform"
        notes.append(f"Its sform and qform differ by up to {far:.1f} mm; the {taken} counts, as in Slicer.")
    unshown, opens = _of_version(header)
    if opens and sform is not None:
        unshown, opens = _of_shear(shape, former, affine, opens=chosen is not None)
    return Grid(shape, affine, former, tuple(notes), unshown, opens)


def _of_version(header: nibabel.Nifti1Header) -> tuple[str, bool]:
    if isinstance(header, nibabel.Nifti2Header):
        return "Slicer cannot open it: it is NIfTI-2, which ITK does not read. Save it as NIfTI-1 or .nrrd.", False
    return "", True


def _of_shear(shape: tuple[int, ...], sform: np.ndarray, shown: np.ndarray, opens: bool) -> tuple[str, bool]:
    """The message about a file with this sform, and whether Slicer can open it."""
    usable = np.isfinite(sform).all() and np.linalg.norm(sform[:3, :3], axis=0).min() > 0
    angle = shear_of(sform) if usable else 0.0
    if not opens:
        return (
            f"Slicer cannot open it: its only orientation (the sform) deviates by {angle:.1f} degrees from right "
            "angles, as by a gantry tilt. Resample it to axes at right angles (dcm2niix writes such a copy)."
        ), False
    if not angle or agree(shape, sform, shown):
        return "", True
    return (
        f"Its sform deviates by {angle:.1f} degrees from right angles, as by a gantry tilt, which Slicer cannot show: "
        f"scan, labels and proposals lie on its qform, up to {corner_distance(shape, sform, shown):.1f} mm beside the "
        "sform. Labels fit the scan voxel by voxel; only its position in the body is off."
    ), True


def _steps(header: nibabel.Nifti1Header) -> np.ndarray:
    """Voxel size as in ITK: zero or a missing size is 1; a negative one mirrors the axis."""
    steps = np.array(header["pixdim"][1:4], dtype=np.float64)
    return np.where(np.isfinite(steps) & (steps != 0), steps, 1.0)


def _sform(header: nibabel.Nifti1Header) -> np.ndarray | None:
    if header["sform_code"] <= 0:
        return None
    rows = [header[f"srow_{axis}"].astype(np.float64) for axis in "xyz"]
    return np.array([*rows, [0.0, 0.0, 0.0, 1.0]])


def _qform(header: nibabel.Nifti1Header, steps: np.ndarray) -> np.ndarray | None:
    if header["qform_code"] <= 0:
        return None
    b, c, d = (float(header[f"quatern_{part}"]) for part in "bcd")
    rest = 1.0 - (b * b + c * c + d * d)
    if rest < 1e-7:  # rounding: half a turn
        length = np.sqrt(b * b + c * c + d * d)
        b, c, d, rest = b / length, c / length, d / length, 0.0
    a = np.sqrt(rest)
    axes = np.array(
        [
            [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
            [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
            [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - c * c - b * b],
        ]
    )
    if header["pixdim"][0] < 0:
        axes[:, 2] *= -1
    affine = np.eye(4)
    affine[:3, :3] = _with_steps(axes * np.where(steps > 0, steps, 1.0), steps)
    affine[:3, 3] = [float(header[f"qoffset_{axis}"]) for axis in "xyz"]
    return affine


def _with_steps(axes: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """Axes of this voxel size, rounded as in ITK, since later steps of MONAI depend on the rounding."""
    axes = axes.astype(np.float32).astype(np.float64)
    return axes / np.sqrt((axes * axes).sum(axis=0)) * steps


def _choose(
    header: nibabel.Nifti1Header, sform: np.ndarray | None, qform: np.ndarray | None, steps: np.ndarray
) -> np.ndarray | None:
    """The form that ITK uses, the sform with ``pixdim`` as voxel size; None where it refuses the file."""
    if sform is None:
        return qform
    lengths = np.linalg.norm(sform[:3, :3], axis=0)
    if not np.isfinite(sform).all() or lengths.min() == 0 or not is_orthonormal(sform[:3, :3] / lengths):
        return qform
    straight = sform.copy()
    straight[:3, :3] = _with_steps(sform[:3, :3], steps)
    if qform is None or header["sform_code"] == _SCANNER:
        return straight
    same_lengths = np.allclose(np.sort(lengths), np.sort(np.abs(steps)), rtol=0, atol=1e-3)
    if np.abs(sform - qform)[:, 3].max() > 1e-3 or not same_lengths:
        return qform
    return straight if _itk_takes_sform(header, straight, qform) else qform


def _itk_takes_sform(header: nibabel.Nifti1Header, straight: np.ndarray, qform: np.ndarray) -> bool:
    """Ask ITK which form it uses, where both have the same origin and voxel sizes.

    It compares them by singular vectors whose signs depend on rounding, so that mirrored forms may count as equal;
    this cannot be predicted by a rule.
    """
    import SimpleITK  # half a second, and many studies have no such file

    asked = nibabel.Nifti1Header()
    asked.set_data_shape((1, 1, 1))
    for name in _PLACE:
        asked[name] = header[name]
    asked["vox_offset"] = 352
    with tempfile.TemporaryDirectory(prefix="fewlabel-grid-") as folder:
        file = Path(folder) / "header.nii"
        file.write_bytes(asked.binaryblock + bytes(4))
        reader = SimpleITK.ImageFileReader()
        reader.SetFileName(str(file))
        reader.ReadImageInformation()
    shown = np.eye(4)
    shown[:3, :3] = np.array(reader.GetDirection()).reshape(3, 3) @ np.diag(reader.GetSpacing())
    shown[:3, 3] = reader.GetOrigin()
    shown = LPS_RAS @ shown
    return bool(np.abs(shown - straight).max() <= np.abs(shown - qform).max())
