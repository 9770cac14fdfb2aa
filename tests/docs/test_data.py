"""What docs/data.md prints lays the public data sets out as the comparisons read them."""

import json
import re
import shutil
from pathlib import Path

import h5py
import nibabel
import numpy as np
import pytest

from experiments.comparison.cases import read_cases
from experiments.papers.convert import convert
from experiments.papers.protocols import PROTOCOLS
from fewlabel.volumes.reading import read_volume

DOCS = Path(__file__).resolve().parents[2] / "docs"
NUMBERS = {"hippocampus": (40, 120), "left_atrium": (20, 80)}  # test and development cases


def block(heading: str) -> str:
    """The Python code printed under a heading of docs/data.md."""
    section = (DOCS / "data.md").read_text(encoding="utf-8").split(f"## {heading}\n")[1].split("\n## ")[0]
    return re.search(r"```python\n(.*?)```", section, re.DOTALL).group(1)


def split_of(name: str) -> dict[str, list[str]]:
    return json.loads((DOCS / "splits" / f"{name}.json").read_text(encoding="utf-8"))


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty folder with the splits, as seen from the repository's root."""
    shutil.copytree(DOCS / "splits", tmp_path / "docs" / "splits")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", NUMBERS)
def test_a_split_names_each_case_once(name):
    split = split_of(name)
    assert (len(split["test"]), len(split["development"])) == NUMBERS[name]
    assert len({*split["test"], *split["development"]}) == sum(NUMBERS[name])


def test_the_hippocampus_is_laid_out_from_what_the_decathlon_distributes(here):
    split, source = split_of("hippocampus"), here / "Task04_Hippocampus"
    used = [*split["test"], *split["development"]]
    for folder in ("imagesTr", "labelsTr", "imagesTs"):
        (source / folder).mkdir(parents=True)
    nibabel.save(nibabel.Nifti1Image(np.ones((2, 2, 2), np.uint8), np.eye(4)), here / "any.nii.gz")
    for case in (*used, "hippocampus_of_no_split"):
        shutil.copy(here / "any.nii.gz", source / "imagesTr" / f"{case}.nii.gz")
        shutil.copy(here / "any.nii.gz", source / "labelsTr" / f"{case}.nii.gz")
    shutil.copy(here / "any.nii.gz", source / "imagesTs" / "unlabelled.nii.gz")
    (source / "imagesTs" / "._unlabelled.nii.gz").write_bytes(b"as archives made on a Mac have them")

    exec(block("Hippocampus"), {})
    cases = read_cases(here / "hippocampus")
    assert (cases.test, cases.development) == (tuple(split["test"]), tuple(split["development"]))
    assert cases.images.keys() == {*used, "unlabelled"}
    assert cases.labels.keys() == set(used)
    assert len(list((here / "hippocampus" / "unlabelled").iterdir())) == 1
    for kind in ("images", "labels"):
        files = sorted((here / "hippocampus" / "development" / kind).iterdir())
        assert [file.name[: -len(".nii.gz")] for file in files] == sorted(split["development"])


def test_the_left_atrium_is_halved_from_what_is_converted(here):
    split, random = split_of("left_atrium"), np.random.default_rng(0)
    image, label = random.normal(size=(5, 6, 4)).astype(np.float32), random.integers(0, 2, (5, 6, 4), np.uint8)
    for case in (*split["test"], *split["development"]):
        (here / "root" / case).mkdir(parents=True)
        with h5py.File(here / "root" / case / "mri_norm2.h5", "w") as file:
            file["image"], file["label"] = image, label
    convert(PROTOCOLS["la"], "", here / "root", here / "la" / "data", lambda text: None)

    exec(block("Left atrium"), {})
    cases = read_cases(here / "left_atrium")
    assert (cases.test, cases.development) == (tuple(split["test"]), tuple(split["development"]))
    assert cases.classes == ("left atrium",)
    volume, truth = read_volume(cases.images[cases.test[0]]), read_volume(cases.labels[cases.test[0]])
    np.testing.assert_allclose(volume.array[0, 0, 0], image[:2, :2, :2].mean(), atol=1e-6)
    np.testing.assert_array_equal(truth.array, label[:4].reshape(2, 2, 3, 2, 2, 2).mean((1, 3, 5)) >= 0.5)
    np.testing.assert_allclose(volume.affine @ [0, 0, 0, 1], [0.5, 0.5, 0.5, 1])
    np.testing.assert_allclose(np.diag(volume.affine), [2, 2, 2, 1])
