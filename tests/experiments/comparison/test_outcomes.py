import csv
import math
import statistics

import pytest

from experiments.comparison.measures import MEASURES
from experiments.comparison.outcomes import Group, ablation, as_text, groups, means, read_outcomes, write_csv
from experiments.comparison.rows import Row

ROW = Row("uamt", "uamt", 4, 0, {"start": 0.5})


def case(name, dice, empty="", **changed):
    return {"case": "a", "class": name, **dict.fromkeys(MEASURES, dice), "empty": empty, **changed}


def test_means_are_over_cases_first_and_then_over_classes():
    cases = [case("liver", 0.2), case("liver", 0.4), case("liver", 0.6), case("kidney", 0.8)]
    found = means(cases)
    assert found["dice"] == pytest.approx((0.4 + 0.8) / 2)
    assert found["dice liver"] == pytest.approx(0.4)
    assert found["dice kidney"] == pytest.approx(0.8)
    assert found["hausdorff95"] == pytest.approx(0.6)


@pytest.mark.parametrize("nothing", [None, math.nan])
def test_values_that_cannot_be_had_are_left_out_and_empty_predictions_are_counted(nothing):
    cases = [
        case("liver", 0.2),
        case("liver", 0.0, "prediction", hausdorff95=nothing),
        case("kidney", nothing, "both"),
        case("spleen", 0.0, "reference", hausdorff95=nothing),
    ]
    found = means(cases)
    assert found["dice"] == pytest.approx((0.1 + 0.0) / 2)
    assert found["hausdorff95"] == pytest.approx(0.2)
    assert math.isnan(found["dice kidney"])
    assert found["empty"] == 1


def test_outcomes_are_read_from_a_file_each_with_null_for_what_cannot_be_had(finish, tmp_path):
    assert read_outcomes(tmp_path / "out") == []
    finish(ROW, 0.7)
    finish(Row("uamt", "uamt", 4, 1), 0.7, cases=[case("liver", 0.7, hausdorff95=math.nan)])
    one, other = read_outcomes(tmp_path / "out")
    assert one["row"] == ROW.to_dict()
    assert one["dice"] == pytest.approx(0.7)
    assert other["cases"][0]["hausdorff95"] is None
    assert math.isnan(other["hausdorff95"])


def group(*dice, first=0, **changed):
    return Group("uamt", "methods", 4, {seed: {"dice": value, **changed} for seed, value in enumerate(dice, first)})


def test_the_spread_is_the_mean_and_sample_deviation_over_seeds():
    mean, deviation = group(0.5, 0.6, 0.8).spread("dice")
    assert mean == pytest.approx(1.9 / 3)
    assert deviation == pytest.approx(statistics.stdev([0.5, 0.6, 0.8]))
    mean, deviation = group(0.5).spread("dice")
    assert mean == 0.5
    assert math.isnan(deviation)


def test_a_seed_without_a_value_is_left_out_of_the_spread():
    assert group(0.5, math.nan, 0.7).spread("dice") == pytest.approx((0.6, statistics.stdev([0.5, 0.7])))
    assert all(map(math.isnan, group(math.nan, math.nan).spread("dice")))
    assert group(0.5, math.nan).gain(group(0.4, 0.4))[0] == pytest.approx(0.1)


def test_a_gain_is_taken_seed_by_seed_over_the_seeds_that_both_have():
    mean, deviation = group(0.5, 0.6, 0.8).gain(group(0.5, 0.7, 0.9, first=1))
    assert mean == pytest.approx(((0.6 - 0.5) + (0.8 - 0.7)) / 2)
    assert deviation == pytest.approx(0, abs=1e-9)
    assert all(map(math.isnan, group(0.5).gain(group(0.5, first=7))))


def test_groups_hold_the_seeds_of_a_name_and_count(outcome):
    rows = [Row("uamt", "uamt", count, seed) for seed in (0, 1, 2) for count in (4, 8)]
    found = groups([outcome(row) for row in rows])
    assert [(each.name, each.labelled, sorted(each.runs)) for each in found] == [
        ("uamt", 4, [0, 1, 2]),
        ("uamt", 8, [0, 1, 2]),
    ]


def test_an_ablation_is_of_one_number_of_labelled_cases_and_only_where_the_whole_method_is(outcome):
    def less(count):
        return outcome(Row("uamt without a", "uamt", count, 0, part="uamt"))

    assert ablation(groups([less(4)]), "uamt") is None
    whole = outcome(Row("uamt", "uamt", 8, 0))
    method, without = ablation(groups([less(4), whole, less(8)]), "uamt")
    assert (method.name, method.labelled) == ("uamt", 8)
    assert [(each.name, each.labelled) for each in without] == [("uamt without a", 8)]


def read_csv(file):
    with file.open(encoding="utf-8", newline="") as opened:
        return list(csv.DictReader(opened))


def test_csv_files_have_a_line_for_each_run_and_each_class_of_each_case(finish, tmp_path):
    for seed in (0, 1):
        finish(Row("uamt", "uamt", 4, seed, {"start": 0.5}), 0.25, notes=["One sentence.", "Another, with a comma."])
    write_csv(tmp_path, read_outcomes(tmp_path / "out"))
    runs, cases = read_csv(tmp_path / "runs.csv"), read_csv(tmp_path / "cases.csv")
    assert [(run["name"], run["labelled"], run["seed"]) for run in runs] == [("uamt", "4", "0"), ("uamt", "4", "1")]
    costs = {"steps", "seconds_per_step", "seconds", "peak_memory", "parameters_trained", "parameters_deployed"}
    words = {"name", "method", "part", "labelled", "seed", "settings", "labelled_cases", "notes"}
    assert set(runs[0]) == {*MEASURES, "dice liver", "dice kidney", "empty", *costs, *words}
    assert runs[0]["settings"] == '{"start": 0.5}'
    assert runs[0]["notes"] == "One sentence. Another, with a comma."
    assert float(runs[0]["dice liver"]) == 0.25
    assert len(cases) == 2 * 2 * 2
    assert {"name", "seed", "case", "class", "empty", *MEASURES} <= set(cases[0])


def test_no_outcomes_give_no_csv_file(tmp_path):
    write_csv(tmp_path, [])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["=1+1", "@SUM(A1)", "+1", "-1", "\t=1"])
def test_a_spreadsheet_takes_no_name_for_a_formula(finish, tmp_path, name):
    finish(Row("uamt", "uamt", 4, 0, {}), 0.25, notes=[name])
    write_csv(tmp_path, read_outcomes(tmp_path / "out"))
    assert read_csv(tmp_path / "runs.csv")[0]["notes"] == f"'{name}"
    assert as_text(-0.5) == -0.5
