"""Benchmarks as their makers give them away: class values, geometry, frames, refusals in words."""

import dataclasses

import nibabel
import numpy as np
import pytest

from experiments.comparison.cases import UnusableData, read_cases
from experiments.papers.convert import convert
from experiments.papers.protocols import PROTOCOLS
from fewlabel.volumes.reading import read_label, read_volume

SIDES = (24, 20, 16)
AFFINE = np.array([[0, 1.5, 0, -10], [-2.0, 0, 0, 30], [0, 0, 3.0, 5], [0, 0, 0, 1]])  # P-L-S: turned by conversion


def save(path, array, affine=AFFINE):
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(array, affine), path)


def scan(seed=0, sides=SIDES):
    return np.random.default_rng(seed).normal(100, 50, sides).astype(np.float32)


def blocks(*values, sides=SIDES):
    """One block of each value."""
    label = np.zeros(sides, np.int16)
    for number, value in enumerate(values):
        label[2 + 3 * number : 5 + 3 * number, 6:14, 4:12] = value
    return label


def centre(array, affine):
    """Of the voxels that are set, mm."""
    return (affine @ [*np.argwhere(array).mean(0), 1])[:3]


@pytest.fixture
def small(monkeypatch):
    """A protocol that resizes to a small grid."""

    def shrink(name, grid=(16, 12, 8)):
        monkeypatch.setitem(PROTOCOLS, name, dataclasses.replace(PROTOCOLS[name], grid=grid))
        return PROTOCOLS[name]

    return shrink


def converted(protocol, target, root):
    data = root.parent / "out"
    convert(protocol, target, root, data, lambda _: None)
    return data, read_cases(data)


def abdomen(root, name, cases, label_of):
    for seed, case in enumerate(cases):
        save(root / "imagesTr" / f"{case}.nii.gz", scan(seed))
        save(root / "labelsTr" / f"{label_of(case)}.nii.gz", blocks(1, 2, 13))
    return root


@pytest.mark.parametrize(
    ("name", "cases", "label_of"),
    [
        ("synapse", ["img0001", "img0002", "img0003"], lambda case: case.replace("img", "label")),
        ("amos", ["amos_0001", "amos_0004", "amos_0008"], lambda case: case),
    ],
)
def test_organs_keep_their_values_and_their_position_on_the_resized_grid(
    tmp_path, publish, small, untouched, name, cases, label_of
):
    publish(name, development=cases[:2], test=cases[2:], labelled={"1": cases[1:2]})
    root = abdomen(tmp_path / "root", name, cases, label_of)
    before = untouched(root)
    data, found = converted(small(name), "", root)
    assert untouched(root) == before
    assert found.classes == PROTOCOLS[name].classes
    assert found.draw(1, 0) == (cases[1:2], cases[:1])
    image, label = (
        read_volume(data / "images" / f"{cases[0]}.nii.gz"),
        read_label(data / "labels" / f"{cases[0]}.nii.gz"),
    )
    assert image.array.shape == label.array.shape == (16, 12, 8)
    assert set(np.unique(label.array)) == {0, 1, 2, 13}
    assert nibabel.aff2axcodes(image.affine) == ("R", "A", "S")
    np.testing.assert_allclose(image.affine, label.affine)
    np.testing.assert_allclose(image.spacing, (1.5 * 20 / 16, 2.0 * 24 / 12, 3.0 * 16 / 8))
    for value in (1, 2, 13):
        there = centre(blocks(1, 2, 13) == value, AFFINE)
        assert np.abs(centre(label.array == value, label.affine) - there).max() < max(image.spacing)


def test_an_organ_beyond_the_known_classes_is_refused(tmp_path, publish, small):
    publish("synapse", development=["img0001"], test=["img0002"])
    root = abdomen(tmp_path / "root", "synapse", ["img0001", "img0002"], lambda case: case.replace("img", "label"))
    save(root / "labelsTr" / "label0001.nii.gz", blocks(14))
    with pytest.raises(UnusableData, match="label of img0001 has the value 14, but there are 13 classes"):
        converted(small("synapse"), "", root)


def test_a_missing_label_and_a_label_on_another_grid_are_refused(tmp_path, publish, small):
    publish("amos", development=["amos_0001"], test=["amos_0008"])
    root = abdomen(tmp_path / "root", "amos", ["amos_0001", "amos_0008"], lambda case: case)
    save(root / "labelsTr" / "amos_0008.nii.gz", blocks(1), np.eye(4))
    with pytest.raises(UnusableData, match=r"label of .*amos_0008.* lies on another grid"):
        converted(small("amos"), "", root)
    (root / "labelsTr" / "amos_0008.nii.gz").unlink()
    with pytest.raises(UnusableData, match=r"amos_0008 of AMOS .* has an image but no label: labelsTr/amos_0008"):
        converted(small("amos"), "", root)


def test_every_tumour_value_is_the_whole_tumour_and_the_brain_is_cut_out_with_its_geometry(tmp_path, publish):
    publish("brats2019", development=["BraTS19_A_1"], test=["BraTS19_B_1"], first=[1])
    for case in ("BraTS19_A_1", "BraTS19_B_1"):
        image = np.zeros(SIDES, np.float32)
        image[2:20, 3:15, 4:13] = scan()[2:20, 3:15, 4:13]
        save(tmp_path / "root" / "HGG" / case / f"{case}_flair.nii.gz", image, np.eye(4))
        save(tmp_path / "root" / "HGG" / case / f"{case}_seg.nii.gz", blocks(1, 2, 4), np.eye(4))
    data, _ = converted(PROTOCOLS["brats2019"], "", tmp_path / "root")
    label = read_label(data / "labels" / "BraTS19_A_1.nii.gz")
    assert label.array.shape == (18, 12, 9)
    assert set(np.unique(label.array)) == {0, 1}
    np.testing.assert_allclose(centre(label.array, label.affine), centre(blocks(1, 2, 4) > 0, np.eye(4)))


@pytest.fixture
def hearts(tmp_path, publish):
    publish(
        "mmwhs",
        ct={"development": ["mr_train_1"], "test": ["ct_train_2"], "first": [1], "unlabelled": ["ct_train_1"]},
    )
    for case in ("mr_train_1", "ct_train_1", "ct_train_2"):
        save(tmp_path / "root" / case[:2] / f"{case}_image.nii.gz", scan())
        if case != "ct_train_1":
            label = blocks(205, 420, 500, 550, 600, 820, 850)
            label[0, 0, 0] = 421
            save(tmp_path / "root" / case[:2] / f"{case}_label.nii.gz", label)
    return tmp_path / "root"


def test_four_heart_structures_are_kept_and_the_target_needs_no_label_for_training(hearts, small):
    data, cases = converted(small("mmwhs", (20, 24, 16)), "ct", hearts)
    label = read_label(data / "labels" / "mr_train_1.nii.gz")
    assert set(np.unique(label.array)) == {0, 1, 2, 3, 4}
    whole = blocks(205, 420, 500, 550, 600, 820, 850)
    for value, stored in enumerate((205, 420, 500, 820), 1):
        at = centre(label.array == value, label.affine)
        assert np.abs(at - centre(whole == stored, AFFINE)).max() < 1
    assert cases.draw(1, 0) == (["mr_train_1"], ["ct_train_1"])
    assert not (data / "labels" / "ct_train_1.nii.gz").exists()
    image = read_volume(data / "images" / "mr_train_1.nii.gz").array
    assert image.min() == 0
    assert image.max() <= np.percentile(scan(), 98) + 1e-3


def test_a_heart_value_that_the_challenge_has_not_is_refused(hearts, small):
    save(hearts / "mr" / "mr_train_1_label.nii.gz", blocks(205, 7))
    with pytest.raises(UnusableData, match=r"mr_train_1_label.nii.gz has the value 7, but MM-WHS has 0, 205"):
        converted(small("mmwhs"), "ct", hearts)


@pytest.fixture
def cine(tmp_path, publish):
    """Five patients of three frames; the label of frame 1 is one class, of frame 2 all three."""
    publish("mnms", A={"labelled": {"2": ["P2"]}})
    lines = ["External code,VendorName,Vendor,Centre,ED,ES"]
    for number, vendor in enumerate("ABBCC", 1):
        lines.append(f"P{number},name,{vendor},1,1,2")
        folder = tmp_path / "root" / "Training" / ("Unlabeled" if number == 5 else "Labeled") / f"P{number}"
        save(folder / f"P{number}_sa.nii.gz", np.stack([scan(frame) for frame in range(3)], -1))
        label = np.stack([blocks(), blocks(1), blocks(1, 2, 3)], -1)
        save(folder / f"P{number}_sa_gt.nii.gz", label if number < 5 else label * 0)
    (tmp_path / "root" / "info.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return tmp_path / "root"


def test_two_frames_a_patient_and_the_held_out_vendor_only_in_the_test(cine, small, untouched):
    before = untouched(cine)
    data, cases = converted(small("mnms", (12, 16, 16)), "A", cine)
    assert untouched(cine) == before
    assert cases.test == ("P1_ED", "P1_ES")
    assert cases.draw(2, 7) == (["P2_ED", "P2_ES"], ["P3_ED", "P3_ES", "P4_ED", "P4_ES"])
    diastole, systole = (read_label(data / "labels" / f"P2_{phase}.nii.gz") for phase in ("ED", "ES"))
    assert set(np.unique(diastole.array)) == {0, 1}
    assert set(np.unique(systole.array)) == {0, 1, 2, 3}
    for value in (2, 3):
        at = centre(systole.array == value, systole.affine)
        assert np.abs(at - centre(blocks(1, 2, 3) == value, AFFINE)).max() < 1


def test_a_frame_without_a_label_or_beyond_the_file_is_refused(cine, small):
    table = (cine / "info.csv").read_text(encoding="utf-8")
    for frame, sentence in (("0", "Frame 0 of .*P2_sa_gt.nii.gz has no label"), ("9", "the csv names its frame 9")):
        (cine / "info.csv").write_text(table.replace("P2,name,B,1,1,2", f"P2,name,B,1,{frame},2"), encoding="utf-8")
        with pytest.raises(UnusableData, match=sentence):
            converted(small("mnms", (12, 16, 16)), "A", cine)


def test_a_labelled_patient_that_the_table_has_not_is_refused(cine, small, publish):
    publish("mnms", A={"labelled": {"2": ["P1"]}})
    with pytest.raises(UnusableData, match="published list for target A has the labelled patient P1"):
        converted(small("mnms"), "A", cine)
