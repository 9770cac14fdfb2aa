"""Files beside scans that are none, by their names."""

import pytest

from fewlabel.datastore.companions import companions
from fewlabel.datastore.walk import File
from fewlabel.volumes.reading import split_extension


def found(*paths: str) -> set[str]:
    return companions(File(path, *split_extension(path), (0, 0), (0, 0)) for path in paths)


@pytest.mark.parametrize(
    "name",
    ["a.seg.nrrd", "a.seg.nii.gz", "a-label.nrrd", "a-label.nii.gz", "a_seg.nii.gz", "b_seg.nrrd", "A-Label.nrrd"],
)
def test_names_that_only_segmentations_have_are_no_scans(name):
    assert found("a.nii.gz", name) == {name}
    assert found(name) == {name}


@pytest.mark.parametrize("suffix", ["_mask", "-mask", ".mask", "_label", "_labels", ".label", "_segmentation", "_gt"])
def test_a_mask_named_by_a_scan_is_none_itself(suffix):
    assert found("a.nii.gz", f"a{suffix}.nii.gz", "c.nrrd") == {f"a{suffix}.nii.gz"}
    assert found("sub/a.nii.gz", f"sub/a{suffix}.nrrd") == {f"sub/a{suffix}.nrrd"}
    assert found("b.nii.gz", f"a{suffix}.nii.gz") == set(), "there is no such scan"


def test_a_mask_in_the_folder_of_its_scan_is_none():
    assert found("p1/image.nii.gz", "p1/label.nii.gz", "p2/t1.nrrd", "p2/mask.nrrd") == {
        "p1/label.nii.gz",
        "p2/mask.nrrd",
    }
    assert found("p1/label.nii.gz", "p2/image.nii.gz") == set(), "nothing lies beside it"


def test_a_folder_of_masks_holds_no_scans():
    assert found("images/a.nii.gz", "masks/a.nii.gz", "masks/b.nii.gz") == {"masks/a.nii.gz"}
    assert found("a.nii.gz", "segmentations/a_mask.nii.gz") == {"segmentations/a_mask.nii.gz"}
    assert found("seg/a.nii.gz", "masks/a.nii.gz") == set(), "no folder of scans holds them"


@pytest.mark.parametrize("name", ["a.nii.gz", "label1.nii.gz", "segmented.nrrd", "unlabelled.nii", "a_masked.nii.gz"])
def test_other_names_are_scans(name):
    assert found(name, "other.nii.gz", "label1_x.nii") == set()
