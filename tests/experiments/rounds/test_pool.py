"""A generated pool with rare kinds."""

import json
from collections import Counter

import numpy as np
import pytest

from experiments.comparison.cases import read_cases
from experiments.demo.phantom import MIRRORED, RESECTED, generate
from experiments.harness.errors import ExperimentError
from experiments.rounds.kinds import ORDINARY, read_kinds
from experiments.rounds.pool import RARE, write_pool
from fewlabel.volumes.reading import read_volume


@pytest.fixture(scope="module")
def pool(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pool") / "data"
    write_pool(folder, scans=30, test=9, seed=0)
    return folder


def side(phantom, value):
    """Mean x in mm of a class."""
    inside = np.argwhere(phantom.label.array == value).mean(0)
    return float((phantom.label.affine @ [*inside, 1])[0])


def test_a_tenth_of_the_pool_and_a_third_of_the_test_cases_are_rare_each_kind_alike(pool):
    kinds, split = read_kinds(pool), json.loads((pool / "splits.json").read_text())
    for part, ordinary in (("development", 27), ("test", 6)):
        counts = Counter(kinds[case] for case in split[part])
        assert counts == {ORDINARY: ordinary, **dict.fromkeys(RARE, 1)}
    assert set(kinds) == {*split["test"], *split["development"]}


def test_rounds_read_it(pool):
    cases = read_cases(pool)
    assert (len(cases.test), len(cases.development), cases.classes) == (9, 30, ("liver", "kidney"))


def test_volumes_are_small(pool):
    sizes = [read_volume(path).array.size for path in sorted((pool / "images").iterdir())]
    assert max(sizes) < 85_000


def test_names_say_nothing_about_kinds(pool):
    numbers = {case: int(case.removeprefix("case_")) for case in read_kinds(pool)}
    kinds, split = read_kinds(pool), json.loads((pool / "splits.json").read_text())
    assert sorted(numbers.values()) == list(range(1, 40))
    assert max(numbers[case] for case in split["development"]) > min(numbers[case] for case in split["test"])
    rare = [numbers[case] for case, kind in kinds.items() if kind != ORDINARY]
    assert max(rare) - min(rare) > 10


def test_a_folder_with_something_in_it_is_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(ExperimentError, match="is not empty"):
        write_pool(tmp_path, 30, 9, 0)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_rare_anatomy_is_on_the_other_side():
    usual, mirrored = generate(5, coarser=1.4), generate(5, coarser=1.4, variant=MIRRORED)
    assert side(usual, 1) > 20
    assert side(mirrored, 1) < -20


def test_after_a_resection_less_than_half_of_the_liver_is_left_and_none_on_the_right():
    usual, resected = generate(5, coarser=1.4), generate(5, coarser=1.4, variant=RESECTED)
    share = (resected.label.array == 1).sum() / (usual.label.array == 1).sum()
    assert 0.15 < share < 0.5
    assert side(resected, 1) < side(usual, 1) - 15


def test_the_second_scanner_shows_fluid_brighter_than_fat():
    first, second = (generate(5, coarser=1.4, modality=name) for name in ("mr", "t2"))
    organ = [phantom.image.array[phantom.label.array == 2].mean() for phantom in (first, second)]
    liver = [phantom.image.array[phantom.label.array == 1].mean() for phantom in (first, second)]
    assert organ[0] < 1.15 * liver[0]
    assert organ[1] > 1.4 * liver[1]


def test_an_unknown_variant_is_refused():
    with pytest.raises(ValueError, match="Variant 'upside down' is unknown"):
        generate(0, variant="upside down")
