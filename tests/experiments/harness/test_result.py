"""The arithmetic of a demo run, and its report."""

import math

import numpy as np
import pytest

from experiments.demo import pictures, report
from experiments.demo import study as study_module
from experiments.demo.report import write_report
from experiments.harness import result as result_module
from experiments.harness.result import Choice, Comparison, Result, Round


def test_dice_of_equal_disjoint_and_half_overlapping_maps():
    a = np.array([1, 1, 0, 0], bool)
    assert result_module.dice(a, a) == 1.0
    assert result_module.dice(a, ~a) == 0.0
    assert result_module.dice(a, np.array([0, 1, 1, 0], bool)) == 0.5


def test_dice_counts_a_class_found_where_there_is_none_and_leaves_out_one_absent_from_both():
    empty = np.zeros(5, bool)
    assert result_module.dice(empty, empty) is None
    assert result_module.dice(~empty, empty) == 0.0
    assert result_module.dice(empty, ~empty) == 0.0
    assert result_module.mean([None, 0.5, 0.7]) == pytest.approx(0.6)
    assert math.isnan(result_module.mean([None]))


def make_result():
    first = Round(2, [Choice("a", "most typical"), Choice("b", "<far>", 0.25, "strong noise")], 61.2)
    first.dice = {"a": {"liver": 0.2, "kidney": None}, "c": {"liver": 0.4, "kidney": 0.1}}
    second = Round(3, [Choice("a", "unsure", 0.5)], 62.0, {"unlabelled": 9, "notes": ["Went on."]})
    second.dice = {"c": {"liver": 0.8, "kidney": 0.6}}
    return Result(["liver", "kidney"], 4, [first, second], [Comparison("c", "s", "b", 1000, 0, True)], {"seed": "0"})


def test_only_cases_that_were_never_labelled_count():
    result = make_result()
    assert result.evaluated() == ["c"]
    assert result_module.round_mean(result.rounds[0], ["c"], result.classes) == pytest.approx(0.25)
    rows = result_module.table(result)
    assert rows[0][:4] == ["labels", "liver", "kidney", "mean"]
    assert rows[2][:4] == ["3", "0.800", "0.600", "0.700"]
    assert len(result_module.print_table(rows).splitlines()) == 3


def test_a_result_makes_a_round_trip_through_its_file(tmp_path):
    result = make_result()
    result.save(tmp_path / "demo.json")
    assert Result.load(tmp_path / "demo.json") == result


def test_a_comparison_with_one_different_voxel_is_not_equal():
    assert Comparison("c", "", "", 10, 0, True).equal
    assert not Comparison("c", "", "", 10, 1, True).equal
    assert not Comparison("c", "", "", 10, 0, False).equal


def test_the_report_is_one_file_with_pictures_numbers_and_reasons(tmp_path):
    study = study_module.generated_study(tmp_path, 3, seed=1)
    study.truth = dict(zip("abc", study.truth.values(), strict=True))
    for letter, path in zip("abc", sorted(study.images.iterdir()), strict=True):
        path.rename(study.images / f"{letter}.nii.gz")
    result = make_result()
    result.folders = {"predictions": str(tmp_path / "predictions")}
    for done in result.rounds:
        folder = tmp_path / "predictions" / f"labels_{done.labels:03d}"
        folder.mkdir(parents=True)
        (folder / "c.nii.gz").write_bytes(study.truth["c"].read_bytes())
    result.comparisons = [Comparison("c", str(folder / "c.nii.gz"), str(study.truth["c"]), 1000, 0, True)]
    page = write_report(result, study, tmp_path / "report.html").read_text()
    pictures = 1 + 1 + 3 + 1  # learning curve, the only case, the choices, the comparison
    assert page.count("data:image/png;base64,") == pictures
    assert "0.250" in page
    assert "0.700" in page
    assert "&lt;far&gt;" in page
    assert "strong noise" in page
    assert "in 1 of 1 cases" in page
    assert "src='http" not in page


def test_a_legend_shows_names_that_matplotlib_would_take_for_formulas_or_leave_out():
    result = make_result()
    names = ["$x_{$", "_hidden"]
    result.classes[:] = names
    for done in result.rounds:
        done.dice = {case: dict(zip(names, values.values(), strict=True)) for case, values in done.dice.items()}
    assert pictures.learning_curve(result).startswith(b"\x89PNG")
    assert pictures.plain_text("$x$ _y") == r"\$x\$ _y"
    assert not pictures.plain_text("_hidden").startswith("_")


def test_the_report_shows_names_that_look_like_html_as_they_are():
    rows = report.rows_to_html([["<b>class</b>"], ["<img src=x>"]])
    assert "<b>" not in rows
    assert "<img" not in rows
    assert "<i>" not in report._legend(["<i>liver"])
    assert "<i" not in report.picture(b"", "' onerror=alert(1) <i>").replace("<img", "", 1)
