"""What is common to all exports, with a form that is made for the test."""

import json
from pathlib import Path

import numpy as np
import pytest

from fewlabel.errors import Refusal
from fewlabel.export.base import Export
from fewlabel.volumes.reading import write_volume


def write(model, folder):
    (folder / "fewlabel.json").write_text(json.dumps({"fewlabel": model.card}), encoding="utf-8")
    for part in ("a", "b", "c"):
        (folder / part).mkdir()
        (folder / part / "version.txt").write_text(str(model.card["version"]), encoding="utf-8")


def run_on_another_grid(folder, images, output):
    output.mkdir()
    for image in images.iterdir():
        write_volume(output / image.name, np.zeros((2, 3, 4), "uint8"), np.eye(4))


FORM = Export("Made for a test", write, run_on_another_grid, "fewlabel_test")


@pytest.mark.parametrize("number", [1, 2, 3, 6])
def test_a_part_that_cannot_be_moved_leaves_the_earlier_export_as_it_was(publish, tmp_path, monkeypatch, number):
    """Not half of the new one beside half of the old one."""
    target = FORM.export(publish(), tmp_path / "export")
    (target / "c" / "version.txt").unlink()
    (target / "c").rmdir()
    before = {path: path.is_file() and path.read_text() for path in target.rglob("*")}
    newer, replace, calls = publish(version=4), Path.replace, []

    def fail_at_last(path, other):
        calls.append(path)
        if len(calls) == number:
            raise OSError(28, "No space left on device")
        return replace(path, other)

    monkeypatch.setattr(Path, "replace", fail_at_last)
    with pytest.raises(Refusal, match="No space left"):
        FORM.export(newer, target)
    monkeypatch.undo()
    assert {path: path.is_file() and path.read_text() for path in target.rglob("*")} == before


def test_a_form_that_fails_in_mid_writing_leaves_nothing(publish, tmp_path):
    def write_half(model, folder):
        write(model, folder)
        raise KeyError("surprise")

    with pytest.raises(KeyError):
        Export("Made for a test", write_half).export(publish(), tmp_path / "out" / "export")
    assert not list((tmp_path / "out").iterdir())


def test_a_label_map_on_another_grid_differs_in_all_its_voxels(publish, volume, tmp_path):
    target = FORM.export(publish(), tmp_path / "export")
    assert FORM.check(publish(), target, volume(tmp_path / "scan.nii.gz")) == (24, 24)


def test_an_export_that_writes_no_label_map_is_told(publish, volume, tmp_path):
    form = Export("Made for a test", write, lambda folder, images, output: output.mkdir(), "fewlabel_test")
    target = form.export(publish(), tmp_path / "export")
    with pytest.raises(Refusal, match=r"wrote no label map for scan\.nii\.gz"):
        form.check(publish(), target, volume(tmp_path / "scan.nii.gz"))
