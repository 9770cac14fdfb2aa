"""Every registered network, exported in every format of a model, against the server."""

import numpy as np
import pytest

from fewlabel.export.comparing import compare_runs
from fewlabel.export.source import Source
from fewlabel.export.table import EXPORTS
from fewlabel.networks import NETWORKS, partner
from fewlabel.volumes.reading import read_volume, write_volume

CLASSES = ("a", "b", "c", "d", "e")
PATCH = (32, 48, 32)  # multiples of what every network asks for
MEANS = ("unet_small+unet", f"vnet+{partner('vnet')}")


@pytest.fixture
def scans(volume, tmp_path):
    """An oblique scan with thick slices, and one with the plan's voxel size."""
    oblique = volume(tmp_path / "oblique.nii.gz")
    array = read_volume(oblique).array.astype(np.int16)
    write_volume(tmp_path / "plan.nii.gz", array, np.diag([-1.1, 0.9, 1.7, 1.0]))
    return [(name, tmp_path / name) for name in ("oblique.nii.gz", "plan.nii.gz")]


def compared(form, source, folder, scans):
    """What the comparison of an export says of each scan; a sentence where this network cannot be exported so."""
    if problem := form.problem(source, folder):
        return problem
    folder.mkdir()
    form.write(source.model, folder)
    return compare_runs(source, folder, form.run, scans, form.like)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("network", [*NETWORKS, *MEANS])
def test_its_exports_agree_with_the_server(network, publish, scans, tmp_path):
    forms = {name: form for name, form in EXPORTS.items() if form.kind == "model" and not form.lacks()}
    with Source(publish(network, classes=CLASSES, patch=PATCH)) as source:
        rows = {name: compared(form, source, tmp_path / name, scans) for name, form in forms.items()}
        assert all(len(np.unique(source.segment(image).labels)) > 1 for _, image in scans)
    for name in ("bundle", "torchscript"):
        assert [row.differing for row in rows[name]] == [0, 0], name
    if "onnx" in rows:
        assert [EXPORTS["onnx"].agrees(row) for row in rows["onnx"]] == ["", ""]
        assert all(row.probability < 1e-3 for row in rows["onnx"])
    if "vnet" in network or "+" in network:
        assert "Slicer's MONAIAuto3DSeg" in rows["auto3dseg"]
    else:
        assert [row.unlike for row in rows["auto3dseg"]] == [0, 0]
        assert all(row.dice.keys() == set(CLASSES) for row in rows["auto3dseg"])
