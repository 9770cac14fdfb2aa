"""The generated vendors: one anatomy, another look; written once."""

import numpy as np
import pytest

from experiments.demo.phantom import Scanner, generate
from experiments.demo.vendors import VENDORS, write_vendors
from fewlabel.volumes.reading import read_label, read_volume

COARSE = 2.5


@pytest.fixture
def ordinary():
    return generate(3, coarser=COARSE)


def contrast(scan):
    """Mean brightness of the liver less that of the kidneys."""
    values = [scan.image.array[scan.label.array == value].mean() for value in (1, 2)]
    return (values[0] - values[1]) / scan.image.array.mean()


@pytest.mark.parametrize("vendor", ["A", "C", "D"])  # a seed gives another patient for another modality
def test_a_vendor_changes_how_a_patient_looks_and_not_what_is_there(vendor, ordinary):
    scan = generate(3, **{**VENDORS[vendor], "coarser": COARSE})
    assert np.array_equal(scan.label.array, ordinary.label.array)
    assert np.array_equal(scan.image.array, ordinary.image.array) == (vendor == "A")


def test_an_inverted_contrast_is_inverted_between_organs(ordinary):
    inverted = generate(3, coarser=COARSE, scanner=Scanner(inverted=True))
    assert contrast(ordinary) * contrast(inverted) < 0


def test_ct_has_no_inverted_contrast():
    scans = [generate(3, modality="ct", coarser=COARSE, scanner=Scanner(inverted=flag)) for flag in (False, True)]
    assert np.array_equal(*(scan.image.array for scan in scans))


def test_scans_are_written_once_with_their_vendors_and_do_not_depend_on_their_number(tmp_path, monkeypatch):
    for name in VENDORS:
        monkeypatch.setitem(VENDORS, name, {**VENDORS[name], "coarser": 3.0})
    assert write_vendors(tmp_path / "one", {"A": 1, "D": 1}) == {"a_01": "A", "d_01": "D"}
    image = tmp_path / "one" / "images" / "d_01.nii.gz"
    before, written = read_volume(image).array, image.stat().st_mtime_ns
    write_vendors(tmp_path / "one", {"A": 2, "D": 1})
    assert image.stat().st_mtime_ns == written
    assert (tmp_path / "one" / "domains.csv").read_text() == "id,domain\na_01,vendor A\na_02,vendor A\nd_01,vendor D\n"
    write_vendors(tmp_path / "other", {"D": 2})
    assert np.array_equal(read_volume(tmp_path / "other" / "images" / "d_01.nii.gz").array, before)
    label = read_label(tmp_path / "other" / "labels" / "d_01.nii.gz").array
    assert set(np.unique(label)) == {0, 1, 2}
