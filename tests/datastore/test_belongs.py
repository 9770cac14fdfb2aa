"""A label that cannot be one of its image is refused by its header, unread."""

import gzip
import os
import subprocess
import sys

import nibabel
import numpy as np
import pytest

from fewlabel.datastore import submission
from fewlabel.datastore.belongs import check_belongs
from fewlabel.errors import Refusal

AFFINE = np.array([[-1.0, 0, 0, 30], [0, 1.5, 0, -20], [0, 0, 2.0, 5], [0, 0, 0, 1]])
NAMES = [{"name": "liver", "idx": 1}, {"name": "tumour", "idx": 2}]


def header_of(path, shape):
    """A packed NIfTI file of which nothing but the header is there."""
    header = nibabel.Nifti1Header()
    header.set_data_dtype(np.uint8)
    header.set_data_shape(shape)
    header.set_sform(np.eye(4), 1)
    header["magic"], header["vox_offset"] = b"n+1", 352
    path.write_bytes(gzip.compress(header.binaryblock + bytes(4)))
    return path


@pytest.fixture
def unpacked(monkeypatch):
    """Names of the files of labels that were read as a whole."""
    names = []
    monkeypatch.setattr(submission, "read_label", lambda path, name=None: names.append(str(path)))
    return names


@pytest.mark.parametrize("shape", [(300, 1000, 1000), (30000, 10000, 1), (8, 9, 10, 7), (20000, 1, 1, 2, 1000)])
@pytest.mark.parametrize("tag", ["final", "original"])
def test_what_has_far_more_voxels_or_dimensions_is_not_unpacked(store, tmp_path, unpacked, shape, tag):
    file = header_of(tmp_path / "sent.nii.gz", shape)
    with pytest.raises(Refusal, match="Nothing was stored") as caught:
        store.save_label("a", str(file), tag, {})
    assert caught.value.status_code == 422
    assert unpacked == []


@pytest.mark.parametrize(
    ("image", "label", "fits"),
    [
        ((512, 512, 600), (512, 512, 600), True),
        ((512, 512, 600), (512, 512, 1201), False),
        ((256, 256, 256), (512, 512, 512), True),  # twice along each axis
        ((256, 256, 256), (512, 512, 513), False),
        ((8, 9, 10), (256, 256, 256), True),  # drawn on another scan of the same person
        ((8, 9, 10), (256, 256, 257), False),
        ((8, 9, 10), (8, 9, 10, 1, 1), True),
    ],
)
def test_a_finer_grid_is_let_through_up_to_a_bound(tmp_path, image, label, fits):
    files = header_of(tmp_path / "image.nii.gz", image), header_of(tmp_path / "label.nii.gz", label)
    if fits:
        check_belongs("a", *files)
    else:
        with pytest.raises(Refusal, match="the label of something else"):
            check_belongs("a", *files)


def test_what_a_killed_process_was_writing_is_removed_and_what_another_writes_is_not(studies, workspace, open_store):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    folders = [studies, studies / "labels" / "final", workspace.folder, workspace.undo, workspace.labels / "original"]
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
        for process in (dead.pid, os.getpid(), os.getppid()):
            (folder / f".writing-{process}-abc.json").write_bytes(b"half")
    reused = studies / f".writing-{os.getpid()}-before.json"  # by a process that had the number before
    reused.write_bytes(b"half")
    os.utime(reused, (0, 0))
    open_store()
    left = {path.name for folder in folders for path in folder.glob(".writing-*")}
    assert left == {f".writing-{process}-abc.json" for process in (os.getpid(), os.getppid())}
