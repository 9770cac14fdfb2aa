"""Exports of the model against the server, for tasks of several classes and scans of several grids and formats.

The weights are random, so the label maps are speckled: how near Slicer's extension comes to the server is not judged.
"""

import numpy as np
import pytest

from fewlabel.export.comparing import compare_runs
from fewlabel.export.source import Source
from fewlabel.export.table import EXPORTS
from fewlabel.volumes.reading import read_volume, write_volume

MODELS = [name for name, each in EXPORTS.items() if each.kind == "model"]
PLAN = np.diag([-1.1, 0.9, 1.7, 1.0])  # axes of the plan's voxel size, the first of them turned


@pytest.fixture
def scans(volume, tmp_path):
    """Ids and files: oblique and anisotropic; with the voxel size of the plan; a NRRD of another; thick slices."""
    image = read_volume(volume(tmp_path / "oblique.nii.gz"))
    array = image.array.astype(np.int16)
    write_volume(tmp_path / "at the plan's.nii.gz", array, PLAN)
    write_volume(tmp_path / "other.nrrd", array, np.diag([0.7, -1.4, 2.0, 1.0]))
    write_volume(tmp_path / "thick.nii", array[:, :, ::3], np.diag([1.0, 1.0, 5.0, 1.0]))
    names = ("oblique.nii.gz", "at the plan's.nii.gz", "other.nrrd", "thick.nii")
    return [(name, tmp_path / name) for name in names]


@pytest.mark.slow
@pytest.mark.parametrize("classes", [("one",), ("a", "b", "c", "d", "e")], ids=len)
@pytest.mark.parametrize("name", MODELS)
def test_it_agrees_with_the_server_as_far_as_its_form_can(name, classes, publish, scans, tmp_path):
    form = EXPORTS[name]
    if form.lacks():
        pytest.skip(form.lacks())
    with Source(publish(classes=classes)) as source:
        assert form.problem(source, tmp_path / "export") == ""
        (tmp_path / "export").mkdir()
        form.write(source.model, tmp_path / "export")
        rows = compare_runs(source, tmp_path / "export", form.run, scans, form.like)
        assert all(len(np.unique(source.segment(image).labels)) > 1 for _, image in scans)
    assert [row.case for row in rows] == [case for case, _ in scans]
    assert [row.at_plan_spacing for row in rows] == [False, True, False, False]
    assert all(row.dice.keys() == set(classes) for row in rows)
    if name in ("bundle", "torchscript"):
        assert [row.differing for row in rows] == [0] * 4
    elif name == "onnx":
        assert all(row.share <= 1e-4 and row.probability < 1e-3 for row in rows)
    else:
        assert [row.unlike for row in rows] == [0] * 4
