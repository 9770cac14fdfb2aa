"""The grid that the server takes of a NIfTI file is the one of the volume node that Slicer makes of it."""

import importlib.util
import itertools
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("slicer", reason="needs slicer-core: python3 scripts/test.py sets it up and runs this")

ROOT = Path(__file__).resolve().parents[3]


def load(name, path):
    specification = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(specification)
    sys.modules[name] = module  # dataclasses look their module up
    specification.loader.exec_module(module)
    return module


forms = load("two_forms", ROOT / "tests" / "volumes" / "two_forms.py")


def servers_grid(path):
    import nibabel

    from fewlabel.volumes.nifti_grid import nifti_grid

    return nifti_grid(nibabel.Nifti1Header(path.read_bytes()[:348], check=False))


def shown_by_slicer(slicer, path):
    """Voxel to RAS mm of the volume node; None where Slicer cannot read the file."""
    from FewLabelLib.slicer import segmentation

    node, storage = slicer.vtkMRMLScalarVolumeNode(), slicer.vtkMRMLVolumeArchetypeStorageNode()
    storage.SetFileName(str(path))
    storage.SetSingleFile(True)
    if not storage.ReadData(node) or node.GetImageData() is None:
        return None
    return np.array(segmentation.geometry_of(node).ijk_to_ras)


def unmirrored(affine):
    """Slicer mirrors the slices of a left-handed volume, voxels and affine: the same grid, counted from the end."""
    if np.linalg.det(affine[:3, :3]) > 0:
        return affine
    mirror = np.diag([1.0, 1.0, -1.0, 1.0])
    mirror[2, 3] = forms.SHAPE[2] - 1
    return affine @ mirror


@pytest.mark.parametrize("name", forms.SFORMS)
@pytest.mark.parametrize(("sform_code", "qform_code"), list(itertools.product(forms.CODES, (0, 1, 2))))
def test_the_servers_grid_is_the_volume_nodes(slicer, tmp_path, name, sform_code, qform_code):
    path = forms.write(tmp_path / "scan.nii", forms.SFORMS[name], sform_code, forms.QFORM, qform_code)
    shown, grid = shown_by_slicer(slicer, path), servers_grid(path)
    if shown is None:
        assert name == "flat" or not grid.opens
        return
    assert grid.opens
    np.testing.assert_allclose(unmirrored(shown), unmirrored(grid.affine), atol=1e-4)


@pytest.mark.parametrize("pixdim", [(-0.9, 1.2, 2.5), (0.9, 1.2, -2.5), (0, 1.2, 2.5), (1.8, 2.4, 5)])
@pytest.mark.parametrize("codes", [(0, 0), (1, 0), (0, 1), (2, 1)])
@pytest.mark.parametrize("unit", [1, 2, 3])
def test_voxel_size_and_unit_are_the_volume_nodes(slicer, tmp_path, pixdim, codes, unit):
    path = forms.write(tmp_path / "scan.nii", forms.SFORMS["turned"], codes[0], forms.QFORM, codes[1], pixdim, unit)
    shown, grid = shown_by_slicer(slicer, path), servers_grid(path)
    np.testing.assert_allclose(unmirrored(shown), unmirrored(grid.affine), atol=1e-6 * np.abs(shown).max())


def test_a_sheared_nrrd_lies_where_slicer_shows_it(slicer, tmp_path):
    import nrrd

    sheared = forms.tilted(15)
    from fewlabel.volumes.geometry import LPS_RAS

    lps = LPS_RAS @ sheared
    grid = {"space": "left-posterior-superior", "space directions": lps[:3, :3].T, "space origin": lps[:3, 3]}
    array = np.arange(120, dtype=np.int16).reshape(forms.SHAPE)
    nrrd.write(str(tmp_path / "scan.nrrd"), array, {**grid, "kinds": ["domain"] * 3})
    np.testing.assert_allclose(shown_by_slicer(slicer, tmp_path / "scan.nrrd"), sheared, atol=1e-5)
