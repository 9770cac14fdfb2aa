"""Every curve of a training has a name, and every term of a loss an explanation."""

from fewlabel.methods import METHODS
from FewLabelLib.panel.terms import TERMS, UNEXPLAINED, curves


def test_every_term_of_every_method_is_explained():
    assert {name for method in METHODS.values() for name in method.trains} | {"total"} == set(TERMS)


def test_every_curve_is_named_with_its_last_value():
    told = curves({"supervised": [(1, 0.5), (2, 0.25)], "new": [(1, 1.0)]}, {"liver": [(1, 0.75)], "tumour": []})
    assert told.split("\n") == [
        "Terms of the loss (smaller is better):",
        f"supervised 0.250: {TERMS['supervised']}.",
        f"new 1.000: {UNEXPLAINED}.",
        "Dice (1 is a perfect overlap):",
        "liver 0.750",
        "tumour ",
    ]
    assert curves({}, {}) == ""
