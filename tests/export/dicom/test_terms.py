"""How classes are coded for DICOM."""

import pytest

from fewlabel.export.terms import LONGEST, SCHEME, term


@pytest.mark.parametrize(
    ("name", "category", "value", "side"),
    [
        ("Liver", "Anatomical Structure", "10200004", None),
        ("LEFT  kidney", "Anatomical Structure", "64033007", "Left"),
        ("kidney_right", "Anatomical Structure", "64033007", "Right"),
        ("kidneys", "Anatomical Structure", "64033007", None),
        ("left atrium", "Anatomical Structure", "82471001", None),
        ("tumour", "Morphologically Abnormal Structure", "108369006", None),
        ("oesophagus", "Anatomical Structure", "32849002", None),
    ],
)
def test_a_name_that_snomed_knows_has_its_code(name, category, value, side):
    found = term(name)
    assert (found.category.meaning, found.type.value, found.type.scheme_designator) == (category, value, "SCT")
    assert (found.side.meaning if found.side else None) == side


@pytest.mark.parametrize("name", ["blob", "left", "right blob", "肝臓", "a" * 100, "$x_{$", "s"])
def test_another_name_is_its_own_code(name):
    found = term(name)
    assert found.type.scheme_designator == SCHEME
    assert found.type.meaning == name[:LONGEST]
    assert 0 < len(found.type.value) <= 16
    assert found.type == term(name).type
    assert found.type.value != term(name + "x").type.value
