"""Every curve of a training has a name, and every term of a loss an explanation."""

from fewlabel.methods import METHODS
from FewLabelLib.panel.terms import PALETTE, colors_of, curves, legend
from FewLabelLib.texts.training import TERMS, UNEXPLAINED


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


def test_the_legend_names_and_explains_every_curve_in_the_colour_in_which_it_is_drawn():
    losses = {f"term_{number}": [(1, 0.5)] for number in range(8)}
    entries = legend({"supervised": [(1, 0.5), (2, 0.25)], **losses}, {"liver": [(1, 0.75)]}, {"liver": (1, 2, 3)})
    assert [entry.text for entry in entries] == [
        "supervised 0.250",
        *(f"{name} 0.500" for name in losses),
        "liver 0.750",
    ]
    assert entries[0].meaning == f"supervised 0.250: {TERMS['supervised']}."
    assert "perfect overlap" in entries[-1].meaning
    assert [entry.color for entry in entries] == [*PALETTE, *PALETTE[:3], (1, 2, 3)]


def test_a_loss_that_is_named_like_a_class_has_a_colour_of_its_own():
    assert colors_of({"liver": []}, {})["liver"] == PALETTE[0]
    assert [entry.color for entry in legend({"liver": []}, {"liver": []}, {"liver": (1, 2, 3)})] == [
        PALETTE[0],
        (1, 2, 3),
    ]
