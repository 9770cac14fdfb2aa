"""Benchmarks in the h5 files of the field: published lists, conversion, refusals in words."""

import json
import re
from itertools import pairwise
from pathlib import Path

import h5py
import numpy as np
import pytest

import experiment
from experiments import options
from experiments.comparison.cases import UnusableData, read_cases
from experiments.papers.convert import convert
from experiments.papers.protocols import PROTOCOLS
from experiments.papers.splits import listed, read_split
from fewlabel.volumes.reading import read_label, read_volume

TRAIN, TEST = ["AA", "BB", "CC"], ["DD"]
PLACES = {"la": "deep/{}/mri_norm2.h5", "pancreas": "Pancreas_h5/{}_norm.h5", "brats2019": "data/{}.h5"}


def fake(root: Path, name: str, cases: list[str]) -> Path:
    """Volumes of 16 voxels a side, a cube of 255 as label (some copies of the data have 255 for 1)."""
    for seed, case in enumerate(cases):
        path = root / PLACES[name].format(case)
        path.parent.mkdir(parents=True, exist_ok=True)
        label = np.zeros((16, 12, 10), np.uint8)
        label[4:9, 3:8, 2:7] = 255
        with h5py.File(path, "w") as file:
            file["image"] = np.random.default_rng(seed).normal(size=label.shape).astype(np.float32)
            file["label"] = label
    return root


@pytest.fixture
def messages():
    return []


@pytest.fixture
def la(tmp_path, publish):
    publish("la", development=TRAIN, test=TEST, first=[1, 2])
    return fake(tmp_path / "root", "la", TRAIN + TEST)


def convert_la(root, messages):
    return convert(PROTOCOLS["la"], "", root, root.parent / "out" / "data", messages.append)


@pytest.mark.parametrize(
    ("name", "development", "test"),
    [("la", 80, 20), ("pancreas", 62, 20), ("brats2019", 250, 60), ("synapse", 20, 6), ("amos", 216, 120)],
)
def test_published_lists_have_the_size_that_the_field_gives_and_no_case_twice(name, development, test):
    split = read_split(name)
    assert (len(split.development), len(split.test)) == (development, test)
    assert len(set(split.cases)) == development + test
    assert tuple(split.labelled) == PROTOCOLS[name].labelled[""]
    for count, cases in split.labelled.items():
        assert len(set(cases)) == count
        assert set(cases) <= set(split.development)


@pytest.mark.parametrize("target", ["ct", "mr"])
def test_adaptation_has_all_source_cases_labelled_and_the_targets_training_cases_unlabelled(target):
    split = read_split("mmwhs", target)
    assert [len(each) for each in (split.development, split.unlabelled, split.test)] == [16, 13, 4]
    assert len(split.cases) == 33
    assert all(case.startswith(target) for case in (*split.unlabelled, *split.test))
    assert not any(case.startswith(target) for case in split.development)
    assert split.labelled == {16: split.development}


@pytest.mark.parametrize("target", ["A", "B", "C", "D"])
def test_generalisation_has_two_labelled_frames_of_each_published_patient(target):
    lists = listed("mnms")[target]["labelled"]
    assert tuple(2 * len(set(names)) for names in lists.values()) == PROTOCOLS["mnms"].labelled[target]
    assert tuple(map(int, lists)) == PROTOCOLS["mnms"].labelled[target]


def test_the_first_so_many_of_a_list_are_labelled():
    split = read_split("la")
    for few, many in pairwise(split.labelled.values()):
        assert many[: len(few)] == few
    assert (split.labelled[4][0], split.labelled[4][-1]) == ("06SR5RBREL16DQ6M8LWS", "1GU15S0GJ6PFNARO469W")


@pytest.mark.parametrize("name", PLACES)
def test_h5_files_become_a_folder_that_a_comparison_reads(tmp_path, name, publish, untouched, messages):
    publish(name, development=TRAIN, test=TEST, first=[1, 2])
    root = fake(tmp_path / "root", name, TRAIN + TEST)
    before = untouched(root)
    data = tmp_path / "out" / "data"
    convert(PROTOCOLS[name], "", root, data, messages.append)
    assert untouched(root) == before
    cases = read_cases(data)
    assert (cases.development, cases.test, cases.classes) == (tuple(TRAIN), tuple(TEST), PROTOCOLS[name].classes)
    assert cases.draw(2, seed=5) == (["AA", "BB"], ["CC"])
    with h5py.File(root / PLACES[name].format("CC"), "r") as file:
        image, label = (
            read(data / kind / "CC.nii.gz") for read, kind in ((read_volume, "images"), (read_label, "labels"))
        )
        np.testing.assert_array_equal(image.array, file["image"][:])
        np.testing.assert_array_equal(label.array, file["label"][:] > 0)
    np.testing.assert_array_equal(image.affine, np.eye(4))
    np.testing.assert_array_equal(label.affine, np.eye(4))
    assert messages[-1] == "converted 4 of 4: DD"


def test_a_conversion_goes_on_where_it_was_stopped(la, messages):
    damaged = la / PLACES["la"].format("CC")
    whole = damaged.read_bytes()
    damaged.write_bytes(b"not an h5 file")
    with pytest.raises(UnusableData, match=r"CC.mri_norm2\.h5 cannot be read as an h5 file"):
        convert_la(la, messages)
    data = la.parent / "out" / "data"
    assert not (data / "splits.json").exists()
    first = (data / "images" / "AA.nii.gz").stat().st_mtime_ns
    damaged.write_bytes(whole)
    convert_la(la, messages)
    assert messages[-2:] == [
        "2 of 4 cases of LA (left atrium, 2018 Atrial Segmentation Challenge) are converted, 2 to do.",
        messages[-1],
    ]
    assert (data / "images" / "AA.nii.gz").stat().st_mtime_ns == first
    convert_la(la, messages)
    assert messages[-1].startswith("4 of 4 cases")


def test_a_half_written_case_is_written_again(la, messages):
    convert_la(la, messages)
    label = la.parent / "out" / "data" / "labels" / "BB.nii.gz"
    label.unlink()
    convert_la(la, messages)
    assert read_label(label).array.max() == 1


def test_a_folder_that_is_not_the_data_set_is_refused_in_words(tmp_path, messages):
    (tmp_path / "empty").mkdir()
    for name in ("la", "pancreas", "brats2019", "synapse", "amos"):
        with pytest.raises(UnusableData, match=r"does not look like .* a file such as .* Give with --root"):
            convert(PROTOCOLS[name], "", tmp_path / "empty", tmp_path / "out", messages.append)
    with pytest.raises(UnusableData, match="does not look like MM-WHS"):
        convert(PROTOCOLS["mmwhs"], "ct", tmp_path / "empty", tmp_path / "out", messages.append)
    with pytest.raises(UnusableData, match=r"does not look like M&Ms.*External code"):
        convert(PROTOCOLS["mnms"], "A", tmp_path / "empty", tmp_path / "out", messages.append)
    assert not (tmp_path / "out").exists()


def test_a_missing_case_of_the_standard_split_is_named(la, messages):
    (la / PLACES["la"].format("BB")).unlink()
    with pytest.raises(
        UnusableData, match=r"names BB, but BB/mri_norm2.h5 is not below .* \(1 of 4 cases are missing\)"
    ):
        convert_la(la, messages)


def test_arrays_that_do_not_fit_together_are_refused(la, messages):
    with h5py.File(la / PLACES["la"].format("AA"), "w") as file:
        file["image"], file["label"] = np.zeros((4, 4, 4)), np.zeros((4, 4, 5))
    with pytest.raises(UnusableData, match=r"AA.* have the shapes \(4, 4, 4\) and \(4, 4, 5\)"):
        convert_la(la, messages)


def test_nothing_is_written_into_the_downloaded_folder(la, messages):
    with pytest.raises(UnusableData, match="--output lies in --root"):
        convert(PROTOCOLS["la"], "", la, la / "results" / "data", messages.append)


def test_two_conversions_do_not_share_a_folder(la, messages, publish):
    convert_la(la, messages)
    publish("pancreas", development=TRAIN, test=TEST, first=[1])
    fake(la, "pancreas", TRAIN + TEST)
    with pytest.raises(UnusableData, match=r"holds another conversion \(dataset la, not pancreas"):
        convert(PROTOCOLS["pancreas"], "", la, la.parent / "out" / "data", messages.append)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--dataset", "la", "--target", "ct"], "--target ct: LA .* has one domain"),
        (["--dataset", "mmwhs"], "say which of ct, mr is the target"),
        (["--dataset", "mnms", "--target", "E"], "say which of A, B, C, D"),
        (["--dataset", "la", "--labelled", "9"], "--labelled 9: .* has 3 cases for training"),
        (["--dataset", "la", "--methods", "magic"], "--methods magic: there is"),
    ],
)
def test_options_that_cannot_work_are_refused_in_words(la, arguments, sentence, capsys):
    options = ["paper", *arguments, "--root", str(la), "--output", str(la.parent / "out"), "--prepare-only"]
    assert experiment.main(experiment.parse(options)) == 1
    assert re.search(sentence, capsys.readouterr().err)


def test_every_data_set_with_a_protocol_can_be_chosen():
    assert tuple(PROTOCOLS) == options.DATASETS
    assert all(protocol.name == name for name, protocol in PROTOCOLS.items())


def test_a_root_that_is_not_there_is_refused_before_anything_else(capsys):
    with pytest.raises(SystemExit):
        experiment.parse(["paper", "--dataset", "la", "--root", "no such folder"])
    assert "no such folder is not a folder" in capsys.readouterr().err


def test_preparing_only_converts_and_says_what_the_numbers_will_mean(la, capsys):
    output = la.parent / "out"
    options = ["paper", "--dataset", "la", "--root", str(la), "--output", str(output), "--labelled", "1", "3"]
    assert experiment.main(experiment.parse([*options, "--prepare-only"])) == 0
    shown = capsys.readouterr().out
    assert "distances are in voxels" in shown
    assert "Labelled cases of 3: not the published list" in shown
    assert "Lists: nowhere." in shown
    assert json.loads((output / "data" / "splits.json").read_text())["labelled"] == {"1": ["AA"], "2": ["AA", "BB"]}
    assert not (output / "outcomes").exists()
