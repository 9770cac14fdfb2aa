"""What lies beside scans and is none is no case, unless somebody made it one."""

import numpy as np

from fewlabel.volumes.reading import write_volume


def test_what_lies_beside_scans_is_no_case_and_is_said_once(folder, caplog):
    folder.put("a.nii.gz", "a.seg.nrrd", "a-label.nrrd", "b.nrrd", "b_seg.nii.gz", "c.seg.nii.gz", "b_mask.nii.gz")
    store = folder.open()
    assert store.list_images() == ["a", "b"]
    store.refresh()
    assert store.found().passed == {"companion": 5}
    (line,) = folder.said(caplog, "segmentations, label maps or masks")
    assert "5 files" in line
    assert "--conf companions yes" in line


def test_it_is_served_where_that_is_asked_for_and_stays_so(folder):
    folder.put("a.nii.gz", "a.seg.nrrd")
    assert folder.open(companions=True).list_images() == ["a", "a.seg"]
    assert folder.open().list_images() == ["a", "a.seg"], "it stands in the list of the study"


def test_a_case_with_a_submitted_label_stays_one_whatever_its_name(folder):
    folder.put("a.nii.gz", "a_mask.nii.gz", "b-label.nrrd", "c_seg.nii.gz")
    write_volume(
        folder.root / "labels" / "final" / "a_mask.nii.gz", (folder.volume() > 50).astype(np.uint8), folder.affine
    )
    store = folder.open()
    assert store.list_images() == ["a", "a_mask"]
    (folder.root / "datastore_v2.json").unlink()
    assert folder.open().get_labeled_images() == ["a_mask"], "even if the list is lost"


def test_a_study_opened_before_keeps_its_cases_whatever_their_names(folder):
    folder.put("a.nii.gz", "a_seg.nii.gz", "a-label.nrrd")
    folder.open_before()
    folder.put("b_seg.nii.gz")
    assert sorted(folder.open().list_images()) == ["a", "a-label", "a_seg"]


def test_files_beside_labels_are_no_cases(folder):
    folder.put("a.nii.gz")
    store = folder.open()
    folder.label(store, "a")
    (folder.root / "labels" / "final" / "a.json").write_text("{}")
    store.refresh()
    assert store.list_images() == ["a"]
    assert store.get_labeled_images() == ["a"]
