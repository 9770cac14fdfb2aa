import math

import pytest

from experiments.comparison.outcomes import groups, read_outcomes
from experiments.comparison.rows import CEILING, FLOOR, RADIOLOGY, Row
from experiments.comparison.table import ablation_table, methods_table, signed, spread


@pytest.fixture
def found(finish, tmp_path):
    """Two seeds and counts: the floor at 0.5 and 0.6, uamt at 0.6 and 0.8, all labels at 0.7 and 0.8."""
    for seed in (0, 1):
        for count in (4, 8):
            finish(Row(RADIOLOGY, RADIOLOGY, count, seed), 0.3)
            finish(Row(FLOOR, FLOOR, count, seed), 0.5 + 0.1 * seed)
            finish(Row("uamt", "uamt", count, seed), 0.6 + 0.2 * seed)
        finish(Row(CEILING, FLOOR, None, seed), 0.7 + 0.1 * seed)
        for module in ("ramp", "teacher"):
            finish(Row(f"uamt without {module}", "uamt", 4, seed, part="uamt"), 0.5)
    return groups(read_outcomes(tmp_path / "out"))


def cells(line):
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_tables_are_well_formed_markdown(found):
    for table in (methods_table(found), ablation_table(found, "uamt")):
        lines = table.splitlines()
        assert len({line.count("|") for line in lines}) == 1
        assert all(line.startswith("|") and line.endswith("|") for line in lines)
        assert set(cells(lines[1])) == {"---"}


def test_each_count_begins_with_the_floor_and_ends_with_radiology_and_the_ceiling_is_last(found):
    named = [cells(line)[:2] for line in methods_table(found).splitlines()[2:]]
    of_count = [FLOOR, "uamt", RADIOLOGY]
    assert named == [[count, name] for count in ("4", "8") for name in of_count] + [["all", CEILING]]


def test_gains_are_against_the_floor_seed_by_seed_and_the_share_is_of_the_gap_to_the_ceiling(found):
    floor, method, radiology, *_ = (cells(line) for line in methods_table(found).splitlines()[2:])
    assert floor[2:5] == ["0.550 ± 0.071", "", ""]
    assert method[2:5] == ["0.700 ± 0.141", "+0.150 ± 0.071", "75%"]
    assert radiology[3] == "-0.250 ± 0.071"


def test_there_is_no_share_of_a_gap_that_is_not_there(finish, tmp_path):
    finish(Row(FLOOR, FLOOR, 4, 0), 0.5)
    finish(Row("uamt", "uamt", 4, 0), 0.6)
    assert cells(methods_table(groups(read_outcomes(tmp_path / "out"))).splitlines()[-1])[3:5] == ["+0.100", ""]
    finish(Row(CEILING, FLOOR, None, 0), 0.5)
    lines = methods_table(groups(read_outcomes(tmp_path / "out"))).splitlines()
    assert cells(lines[3])[1:5] == ["uamt", "0.600", "+0.100", ""]


def test_an_ablation_tells_what_is_lost_without_each_module(found):
    whole, *without = (cells(line) for line in ablation_table(found, "uamt").splitlines()[2:])
    assert whole[:3] == ["uamt", "0.700 ± 0.141", ""]
    assert [line[0] for line in without] == ["uamt without ramp", "uamt without teacher"]
    assert {line[2] for line in without} == {"-0.200 ± 0.141"}


def test_a_table_of_runs_without_any_distance_can_be_made(finish, tmp_path):
    lacking = {"case": "a", "class": "liver", "dice": 0.0, "jaccard": 0.0, "hausdorff95": math.nan}
    cases = [{**lacking, "surface_distance": math.nan, "empty": "prediction"}]
    for seed in (0, 1):
        finish(Row(FLOOR, FLOOR, 4, seed), cases=cases)
    line = cells(methods_table(groups(read_outcomes(tmp_path / "out"))).splitlines()[2])
    assert line[6:9] == ["nan", "nan", "2"]


def test_numbers_have_their_deviation_and_differences_their_sign():
    assert spread(0.5, 0.1) == "0.500 ± 0.100"
    assert spread(0.5, math.nan, digits=1) == "0.5"
    assert signed(0.5, 0.1) == "+0.500 ± 0.100"
    assert signed(-0.5, math.nan) == "-0.500"
