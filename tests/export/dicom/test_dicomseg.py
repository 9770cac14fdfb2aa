"""DICOM SEG of single cases: written by one library, read back by another, voxel for voxel."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pydicom
import pytest
from pydicom.sr.codedict import codes

from fewlabel.errors import Refusal
from fewlabel.export.dicom_file import read_file, segmentation
from fewlabel.export.dicom_series import find_series
from fewlabel.export.dicomseg import DICOMSEG, refuses
from fewlabel.export.several import check_inputs
from fewlabel.export.source import Case, Options, Source
from fewlabel.volumes.reading import Volume, read_volume, write_volume
from fewlabel.workspace import Workspace

highdicom = pytest.importorskip("highdicom")
CLASSES = ("left kidney", "Lebér 肝臓", "blob " * 15, "absent")
ORIENTATIONS = ["LPS", "RAS", "PIR"]


def label_like(scan, seed=0):
    """Random values 0 to 3, nothing in the first and the last slice of any axis."""
    array = np.random.default_rng(seed).integers(0, 4, scan.array.shape, np.uint8)
    for axis in range(3):
        np.moveaxis(array, axis, 0)[[0, -1]] = 0
    return Volume(array, scan.affine)


@pytest.fixture
def study(write_series, tmp_path):
    """Callable (kinds of labels by case, options): a source of cases that lie on one series each."""

    def make(kinds, classes=CLASSES, **options):
        workspace = Workspace(tmp_path / "study" / ".fewlabel")
        workspace.set_classes(list(classes))
        cases = []
        for number, (id, kind) in enumerate(kinds.items()):
            written = write_series(f"dicom/{number}", seed=number)
            image = written.scan(tmp_path / f"{number}.nii.gz", ORIENTATIONS[number % 3])
            file, made = tmp_path / f"{number} label.nii.gz", label_like(read_volume(image), number)
            write_volume(file, made.array, made.affine)
            give = (lambda file=file: file) if kind else None
            cases.append(Case(id, image, give, kind))
        return Source(workspace, lambda: cases, Options(**{"series": tmp_path / "dicom", **options}))

    return make


def test_every_case_is_read_back_by_another_library_voxel_for_voxel(study, tmp_path):
    source = study({"a": "drawn", "b/../c": "corrected", "d": "accepted", "no label": None})
    rows = DICOMSEG.export(source, tmp_path / "export")
    assert [(row.case, row.differing, row.voxels) for row in rows] == [
        ("a", 0, 14 * 12 * 9),
        ("b/../c", 0, 14 * 12 * 9),
        ("d", 0, 14 * 12 * 9),
    ]
    card = json.loads((tmp_path / "export" / "fewlabel.json").read_text(encoding="utf-8"))["fewlabel"]
    assert [each["kind"] for each in card["cases"]] == ["drawn", "corrected", "accepted"]
    files = [tmp_path / "export" / each["file"] for each in card["cases"]]
    assert sorted(files) == sorted((tmp_path / "export").glob("*.dcm"))
    made = [pydicom.dcmread(file).SegmentSequence[0].SegmentAlgorithmType for file in files]
    assert made == ["MANUAL", "SEMIAUTOMATIC", "AUTOMATIC"]
    assert [each["name"] for each in card["classes"]] == list(CLASSES)


def test_a_flipped_row_is_seen(study, tmp_path, monkeypatch):
    """The comparison is with the label, not with what was written."""
    source = study({"a": "drawn"})
    write = DICOMSEG.write

    def flipped(source, folder):
        write(source, folder)
        (file,) = folder.glob("*.dcm")
        dataset = pydicom.dcmread(file)
        dataset.PixelData = dataset.PixelData[::-1]
        dataset.save_as(file)

    monkeypatch.setitem(DICOMSEG.__dict__, "write", flipped)
    with pytest.raises(Refusal, match="does not agree"):
        DICOMSEG.export(source, tmp_path / "export")
    assert not (tmp_path / "export").exists()


@pytest.fixture
def written(study, tmp_path):
    """The file of one drawn label, and the header of a slice of its series."""
    DICOMSEG.export(study({"a": "drawn"}), tmp_path / "export")
    slice_ = next((tmp_path / "dicom" / "0").iterdir())
    return pydicom.dcmread(tmp_path / "export" / "a.dcm"), pydicom.dcmread(slice_)


def test_it_belongs_to_the_patient_the_study_and_the_slices_of_its_series(written):
    made, slice_ = written
    assert (made.Modality, made.SOPClassUID.name) == ("SEG", "Segmentation Storage")
    for name in ("PatientID", "PatientName", "StudyInstanceUID", "FrameOfReferenceUID"):
        assert made[name].value == slice_[name].value, name
    assert made.SeriesInstanceUID != slice_.SeriesInstanceUID
    (reference,) = made.ReferencedSeriesSequence
    assert reference.SeriesInstanceUID == slice_.SeriesInstanceUID
    assert slice_.SOPInstanceUID in {each.ReferencedSOPInstanceUID for each in reference.ReferencedInstanceSequence}


def test_segments_are_in_the_study_s_order_and_coded_by_snomed_or_by_name(written):
    made, _ = written
    assert [each.SegmentNumber for each in made.SegmentSequence] == [1, 2, 3, 4]
    assert [each.SegmentLabel for each in made.SegmentSequence] == [name[:64].strip() for name in CLASSES]
    assert made.SegmentSequence[2].SegmentDescription == CLASSES[2].strip()
    kidney = made.SegmentSequence[0].SegmentedPropertyTypeCodeSequence[0]
    assert (kidney.CodeValue, kidney.CodingSchemeDesignator) == ("64033007", "SCT")
    assert kidney.SegmentedPropertyTypeModifierCodeSequence[0].CodeMeaning == "Left"
    assert made.SegmentSequence[1].SegmentedPropertyTypeCodeSequence[0].CodingSchemeDesignator == "99FEWLABEL"


def test_every_attribute_that_the_standard_demands_is_there(written):
    """By the standard's own tables of modules, as they come with highdicom."""
    from highdicom._iods import IOD_MODULE_MAP
    from highdicom._modules import MODULE_ATTRIBUTE_MAP

    made, checked = written[0], 0
    for module in IOD_MODULE_MAP["segmentation"]:
        if module["usage"] != "M":
            continue
        for attribute in MODULE_ATTRIBUTE_MAP[module["key"]]:
            if attribute["path"] or attribute["type"] not in ("1", "2"):
                continue
            assert attribute["keyword"] in made, (module["key"], attribute["keyword"])
            assert attribute["type"] == "2" or made[attribute["keyword"]].value not in (None, ""), attribute
            checked += 1
    assert checked > 30


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dciodvfy (Debian: dicom3tools) is not installed")
def test_dciodvfy_finds_no_error(written, tmp_path):
    done = subprocess.run(["dciodvfy", tmp_path / "export" / "a.dcm"], capture_output=True, text=True, check=False)
    assert not [line for line in done.stderr.splitlines() if line.startswith("Error")]


def test_an_empty_label_map_is_read_back_too(study, tmp_path):
    source = study({"a": "drawn"})
    made = label_like(read_volume(source.cases[0].image))
    write_volume(source.cases[0].label(), made.array * 0, made.affine)
    assert DICOMSEG.export(source, tmp_path / "export")[0].differing == 0


def test_a_series_of_thick_slices_is_read_back_by_the_distance_of_the_slices(write_series, tmp_path):
    """Not by their thickness, which is more where they overlap."""
    written = write_series(thickness=5.0)
    scan = read_volume(written.scan(tmp_path / "scan.nrrd"))
    label = label_like(scan)
    segmentation(find_series(written.folder)[0], label, CLASSES, "drawn").save_as(tmp_path / "a.dcm")
    np.testing.assert_array_equal(read_file(tmp_path / "a.dcm", label), label.array)
    with pytest.raises(Refusal, match="another affine"):
        read_file(tmp_path / "a.dcm", Volume(label.array[:5], label.affine))


def test_the_import_of_monai_label_s_server_goes_on_working():
    """highdicom must not bring a pydicom that MONAI Label cannot use."""
    code = "import highdicom, pydicom, pydicom_seg, monailabel.app; assert pydicom.__version__ < '3'"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("kinds", "options", "words"),
    [
        ({"a": "drawn"}, {"series": None}, "name its folder"),
        ({"a": None}, {}, "no submitted label to export"),
        ({"a": "drawn", "b": None}, {"cases": ("b",)}, "'b' has no submitted label"),
        ({"a": "drawn"}, {"cases": ("z",)}, "z"),
    ],
)
def test_what_cannot_be_exported_is_refused_in_words_before_anything_is_written(study, tmp_path, kinds, options, words):
    source = study(kinds, **options)
    assert words in refuses(source)
    with pytest.raises(Refusal, match=words):
        check_inputs(source, {"dicomseg": tmp_path / "export"})
    assert not (tmp_path / "export").exists()


def test_a_scan_of_another_grid_is_refused_in_words(study):
    source = study({"a": "drawn"})
    scan = read_volume(source.cases[0].image)
    write_volume(source.cases[0].image, scan.array[1:], scan.affine)
    assert "No DICOM series has the grid of 'a'" in refuses(source)


def test_predictions_are_exported_in_the_study_s_order_of_classes(publish, write_series, tmp_path):
    workspace = publish(classes=("organ", "tumour"))
    workspace.set_classes(["new", "tumour", "organ"])
    image = write_series("dicom").scan(tmp_path / "scan.nii.gz")
    options = Options(series=tmp_path / "dicom", predictions=True)
    with Source(workspace, lambda: [Case("a", image)], options) as source:
        (row,) = DICOMSEG.export(source, tmp_path / "export")
        assert row.differing == 0
        own = np.asarray(source.segment(image).labels)
    like = read_volume(image)
    theirs = read_file(tmp_path / "export" / "a.dcm", like)
    assert own.any()
    np.testing.assert_array_equal(theirs, np.array([0, 3, 2], np.uint8)[own])
    made = pydicom.dcmread(tmp_path / "export" / "a.dcm")
    assert made.SegmentSequence[0].SegmentAlgorithmType == "AUTOMATIC"
    assert made.SegmentSequence[0].SegmentAlgorithmName == "FewLabel"
    (family,) = made.SegmentSequence[0].SegmentationAlgorithmIdentificationSequence[0].AlgorithmFamilyCodeSequence
    assert family.CodeValue == codes.DCM.ArtificialIntelligence.value
