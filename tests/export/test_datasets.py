"""The study as a data set in other formats: which labels are exported, and that they are what was submitted."""

import hashlib
import json
import os

import nibabel
import numpy as np
import pytest
import SimpleITK
from monai.data import load_decathlon_datalist

from fewlabel.errors import Refusal
from fewlabel.export.dataset import list_cases, open_store
from fewlabel.export.nnunet import DATASET
from fewlabel.export.table import find_export
from fewlabel.volumes.reading import read_label, read_volume, write_volume

ROOTS = {"nnunet": DATASET, "msd": "."}
LABELLED = {"oblique", "plain", "holes"}


@pytest.fixture(params=list(ROOTS))
def name(request):
    return request.param


@pytest.fixture
def exported(name, labelled_study, tmp_path):
    """Callable (options): (folder of the data set, its table by case, the study)."""

    def export(target="export", study=None, **options):
        study = study or labelled_study()
        with study.source(**options) as source:
            rows = find_export(name).export(source, tmp_path / target)
        assert rows, "it is read back"
        table = json.loads((tmp_path / target / "fewlabel.json").read_text(encoding="utf-8"))["fewlabel"]
        return tmp_path / target, {row["case"]: row for row in table["cases"]}, study

    return export


def files(folder):
    return sorted(path.name.removesuffix(".nii.gz").removesuffix("_0000") for path in folder.iterdir())


def test_scans_with_a_label_and_those_without_are_apart_and_an_accepted_one_is_without(exported, name):
    folder, table, _ = exported()
    root = folder / ROOTS[name]
    assert files(root / "labelsTr") == files(root / "imagesTr") == sorted(LABELLED)
    assert files(root / "imagesTs") == ["deep", "left", "pool"]
    assert "accepted as the model proposed it" in table["left"]["left_out"]
    assert table["left"]["kind"] == "accepted"
    assert (table["pool"]["kind"], table["pool"]["label"], table["pool"]["left_out"]) == (None, None, "")


def test_accepted_labels_go_along_if_asked_for(exported, name):
    folder, table, _ = exported(accepted=True)
    assert files(folder / ROOTS[name] / "labelsTr") == sorted({*LABELLED, "left"})
    assert (table["left"]["kind"], table["left"]["left_out"]) == ("accepted", "")


def test_voxels_and_grid_of_every_file_are_the_study_s(exported, name):
    """By SimpleITK and by nibabel, of scans in other formats, with voxels that are no number, in four dimensions."""
    folder, table, study = exported()
    assert table.keys() == {"oblique", "plain", "holes", "left", "pool", "deep"}
    for case, row in table.items():
        image = read_volume(study.store.get_image_uri(case))
        written = nibabel.load(folder / row["image"])
        np.testing.assert_array_equal(np.asarray(written.dataobj), image.array)
        read = SimpleITK.ReadImage(str(folder / row["image"]))
        assert read.GetDimension() == 3
        np.testing.assert_array_equal(SimpleITK.GetArrayFromImage(read).transpose(), image.array)
        np.testing.assert_allclose(written.affine, image.affine, atol=1e-4)
        if row["label"]:
            label = SimpleITK.ReadImage(str(folder / row["label"]))
            np.testing.assert_array_equal(
                SimpleITK.GetArrayFromImage(label).transpose(),
                read_label(study.store.get_label_uri(case, "final")).array,
            )
            for of_label, of_image in zip(
                (label.GetSpacing(), label.GetOrigin(), label.GetDirection()),
                (read.GetSpacing(), read.GetOrigin(), read.GetDirection()),
                strict=True,
            ):
                np.testing.assert_allclose(of_label, of_image, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("what", ["image", "label"])
def test_a_file_that_lies_elsewhere_in_space_is_reported(exported, name, what):
    """Its voxels are right, and its geometry is wrong."""
    folder, table, study = exported()
    file = folder / table["oblique"][what]
    written = nibabel.load(file)
    affine = written.affine.copy()
    affine[:3, 3] += 3
    nibabel.save(nibabel.Nifti1Image(np.asarray(written.dataobj), affine), file)
    with study.source() as source, pytest.raises(Refusal, match="has another affine than the scan"):
        find_export(name).compare(source, folder, ())


def test_the_table_says_who_submitted_what_when_and_the_checksums_fit(exported, name):
    folder, table, _ = exported()
    plain = table["plain"]
    assert (plain["kind"], plain["kind_unknown"], plain["submitted_by"]) == ("corrected", False, "anna")
    assert plain["validates"]
    assert not table["oblique"]["validates"]
    assert table["oblique"]["submitted_by"] is None
    assert plain["submitted_at"].endswith("Z")
    assert {case: row["rewritten"] for case, row in table.items()} == {
        **{"oblique": False, "left": False, "pool": False},
        **{"plain": True, "holes": True, "deep": True},
    }
    lines = [line.split("  ", 1) for line in (folder / "SHA256SUMS").read_text(encoding="utf-8").splitlines()]
    assert {file for _, file in lines} == {row[key] for row in table.values() for key in ("image", "label")} - {None}
    assert all(hashlib.sha256((folder / file).read_bytes()).hexdigest() == digest for digest, file in lines)
    assert all(row["image_sha256"] in dict(lines) for row in table.values())


def test_a_label_that_cannot_be_used_is_left_out_with_the_reason(exported, name, labelled_study):
    study = labelled_study()
    study.submit("holes", "drawn", last=False)
    study.workspace.set_classes(["organ", "another"])
    _, table, _ = exported(study=study)
    assert table["oblique"]["label"] is None
    assert "tumour" in table["oblique"]["left_out"]
    assert (table["holes"]["left_out"], table["holes"]["label"] is None) == ("", False)


def test_links_are_made_for_scans_alone_where_that_is_asked(exported, name):
    folder, table, study = exported(link=True)
    scan = folder / table["oblique"]["image"]
    assert os.path.samefile(scan, study.store.get_image_uri("oblique"))
    assert not os.path.samefile(folder / table["oblique"]["label"], study.store.get_label_uri("oblique", "final"))
    folder, table, study = exported("copied", study=study)
    assert not os.path.samefile(folder / table["oblique"]["image"], study.store.get_image_uri("oblique"))


def test_a_disk_without_links_gets_copies(exported, name, monkeypatch):
    def fail(*_, **__):
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", fail)
    folder, table, _ = exported(link=True)
    assert (folder / table["oblique"]["image"]).stat().st_nlink == 1


def test_a_label_that_is_submitted_during_an_export_is_not_mixed_into_it(name, labelled_study, tmp_path):
    """The comparison sees that the study is another one by then, and nothing is kept."""
    study, export = labelled_study(), find_export(name)
    with study.source() as source:
        source.tell = lambda share, words: study.submit("plain", "drawn", 2) if "read back" in words else None
        with pytest.raises(Refusal, match=r"plain \(label\): \d+ of 960 voxels differ"):
            export.export(source, tmp_path / "export")
    assert not (tmp_path / "export").exists()


def test_a_study_without_usable_labels_is_refused_in_words(name, labelled_study, tmp_path):
    study = labelled_study()
    for case in LABELLED:
        study.store.remove_label(case, "final")
    form = find_export(name)
    with study.source() as source:
        problem = form.problem(source, tmp_path)
    assert problem == "None of the 1 submitted labels can be exported. Accepted labels are exported with --accepted."
    study.store.remove_label("left", "final")
    with study.source() as source:
        assert form.problem(source, tmp_path) == "No label is submitted yet: submit a label first."


def test_the_cases_are_the_same_for_a_process_beside_the_server(labelled_study):
    study = labelled_study()
    beside = list_cases(open_store(study.folder, study.workspace), study.workspace)
    ours = list_cases(study.store, study.workspace)
    assert [(each.id, each.image, each.kind, each.submitted_at) for each in beside] == [
        (each.id, each.image, each.kind, each.submitted_at) for each in ours
    ]
    assert [each.label() for each in beside if each.label] == [each.label() for each in ours if each.label]


# --- nnU-Net


def test_nnunet_gets_names_and_a_split_of_the_study_s_own_validation(labelled_study, tmp_path):
    with labelled_study().source() as source:
        find_export("nnunet").export(source, tmp_path / "export")
    root = tmp_path / "export" / DATASET
    dataset = json.loads((root / "dataset.json").read_text(encoding="utf-8"))
    assert dataset["labels"] == {"background": 0, "organ": 1, "tumour": 2}
    assert (dataset["numTraining"], dataset["file_ending"], dataset["channel_names"]) == (3, ".nii.gz", {"0": "MRI"})
    assert sorted(path.name for path in (root / "imagesTr").iterdir()) == [
        f"{case}_0000.nii.gz" for case in sorted(LABELLED)
    ]
    splits = json.loads((root / "splits_final.json").read_text(encoding="utf-8"))
    assert splits == [{"train": ["holes", "oblique"], "val": ["plain"]}]
    assert "splits_final.json" in (tmp_path / "export" / "README.md").read_text(encoding="utf-8")


def test_without_validation_cases_nnunet_makes_its_own_split(labelled_study, tmp_path):
    study = labelled_study()
    study.workspace.pools.unlink()
    with study.source() as source:
        find_export("nnunet").export(source, tmp_path / "export")
    assert not (tmp_path / "export" / DATASET / "splits_final.json").exists()
    assert "its own five folds" in (tmp_path / "export" / "README.md").read_text(encoding="utf-8")


def test_a_class_that_nnunet_would_ignore_is_refused(labelled_study, tmp_path):
    with labelled_study(classes=("organ", "Ignore")).source() as source:
        assert "--rename-class Ignore" in find_export("nnunet").problem(source, tmp_path)
        assert find_export("msd").problem(source, tmp_path) == ""


# --- Decathlon


def test_monai_reads_the_decathlon_layout(labelled_study, tmp_path):
    with labelled_study().source() as source:
        find_export("msd").export(source, tmp_path / "export")
    file = str(tmp_path / "export" / "dataset.json")
    training = load_decathlon_datalist(file, data_list_key="training")
    assert {os.path.basename(each["label"]) for each in training} == {f"{case}.nii.gz" for case in LABELLED}
    assert all(os.path.isfile(each[key]) for each in training for key in ("image", "label"))
    test = load_decathlon_datalist(file, data_list_key="test")
    assert {os.path.basename(each["image"]) for each in test} == {"deep.nii.gz", "left.nii.gz", "pool.nii.gz"}
    dataset = json.loads((tmp_path / "export" / "dataset.json").read_text(encoding="utf-8"))
    assert dataset["labels"] == {"0": "background", "1": "organ", "2": "tumour"}
    assert (dataset["numTraining"], dataset["numTest"], dataset["modality"]) == (3, 3, {"0": "MRI"})


def test_values_with_gaps_become_the_study_s_by_name(name, labelled_study, tmp_path):
    """A label of the values 2 and 5, named the other way round, has the data set's values of these names."""
    study = labelled_study()
    image = read_volume(study.store.get_image_uri("pool"))
    array = np.zeros(image.array.shape, np.uint8)
    array[1:4], array[6:8] = 5, 2
    write_volume(tmp_path / "gaps.nii.gz", array, image.affine)
    info = [{"name": "tumour", "idx": 2}, {"name": "organ", "idx": 5}]
    study.store.save_label("pool", str(tmp_path / "gaps.nii.gz"), "final", {"label_info": info, "kind": "drawn"})
    with study.source() as source:
        find_export(name).export(source, tmp_path / "export")
    written = np.asarray(nibabel.load(tmp_path / "export" / ROOTS[name] / "labelsTr" / "pool.nii.gz").dataobj)
    np.testing.assert_array_equal(written, np.where(array == 5, 1, np.where(array == 2, 2, 0)))
