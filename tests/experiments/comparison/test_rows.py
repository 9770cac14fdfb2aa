import json

import pytest

from experiments.comparison.cases import read_cases
from experiments.comparison.rows import CEILING, FLOOR, RADIOLOGY, Row, comparison
from fewlabel.methods import METHODS

WITH_MODULES = [name for name, method in METHODS.items() if method.switches]
TRIED = [("confident", "mean_teacher", {"threshold": 0.95}), ("Sure & slow", "uamt", {"start": 0.5})]


def everything():
    return comparison(list(METHODS), (4, 8), (0, 1, 2), WITH_MODULES, TRIED)


def test_every_module_of_every_method_gives_one_row_for_each_seed():
    ablations = [row for row in everything() if row.part != "methods"]
    expected = {
        (name, seed, module) for name in WITH_MODULES for seed in (0, 1, 2) for module in METHODS[name].switches
    }
    assert len(ablations) == len(expected)
    assert {(row.part, row.seed, row.name.partition(" without ")[2]) for row in ablations} == expected
    for row in ablations:
        assert row.method == row.part
        assert row.labelled == 4
        assert row.settings == METHODS[row.method].switches[row.name.partition(" without ")[2]]


def test_the_whole_method_is_there_for_each_ablation_though_it_was_not_asked_for():
    for references in (True, False):
        rows = comparison([], (8, 4), (0, 1), ["dtlp"], references=references)
        whole = [row for row in rows if row.name == "dtlp"]
        assert [(row.labelled, row.seed, row.part, row.settings) for row in whole] == [
            (4, 0, "methods", {}),
            (4, 1, "methods", {}),
        ]


def test_keys_are_unique_and_fit_for_file_names():
    keys = [row.key for row in everything()]
    assert len(set(keys)) == len(keys)
    assert all(key.replace("-", "").replace("_", "").isalnum() for key in keys)


def test_rows_come_seed_by_seed_and_radiology_last():
    rows = everything()
    radiology = [row for row in rows if row.method == RADIOLOGY]
    assert rows[-len(radiology) :] == radiology
    assert {(row.labelled, row.seed) for row in radiology} == {(count, seed) for count in (4, 8) for seed in (0, 1, 2)}
    seeds = [row.seed for row in rows[: -len(radiology)]]
    assert seeds == sorted(seeds)
    assert {seeds.count(seed) for seed in (0, 1, 2)} == {len(seeds) / 3}


@pytest.mark.parametrize("methods", [[], ["mean_teacher"], ["supervised"], ["mean_teacher", "supervised"]])
def test_the_floor_is_always_there_once_and_first_and_so_is_the_ceiling(methods):
    rows = comparison(methods, (4, 8), (0, 1))
    for seed in (0, 1):
        of_seed = [row for row in rows if row.seed == seed and row.method != RADIOLOGY]
        assert of_seed[0].name == FLOOR
        assert [row.labelled for row in of_seed if row.name == FLOOR] == [4, 8]
        ceilings = [row for row in of_seed if row.name == CEILING]
        assert [(row.method, row.labelled, row.settings) for row in ceilings] == [(FLOOR, None, {})]


def test_without_references_there_is_what_was_asked_for_only():
    rows = comparison(["uamt"], (4,), (0,), tried=TRIED, references=False)
    assert [row.name for row in rows] == ["uamt", "confident", "Sure & slow"]
    assert rows[1].settings == {"threshold": 0.95}


def test_every_row_of_a_seed_and_count_is_given_the_same_cases(data):
    cases = read_cases(data.folder)
    rows = comparison(list(METHODS), (1, 2), (0, 1, 2), WITH_MODULES, TRIED)
    draws = {}
    for row in rows:
        draws.setdefault((row.labelled, row.seed), []).append(cases.draw(row.labelled, row.seed))
    assert set(draws) == {(count, seed) for count in (1, 2, None) for seed in (0, 1, 2)}
    assert all(draw == same[0] for same in draws.values() for draw in same)


def test_a_row_makes_a_journey_through_json():
    for row in everything():
        back = Row(**json.loads(json.dumps(row.to_dict())))
        assert back.key == row.key
        assert json.dumps(back.to_dict()) == json.dumps(row.to_dict())
