import itertools
import json

import pytest

from experiments.comparison.cases import UnusableData, draw_split, read_cases
from experiments.comparison.experiment import make_experiment_plan
from fewlabel.settings import Settings

SEEDS = range(6)


@pytest.mark.parametrize(("decathlon", "classes"), [(False, ("class 1", "class 2")), (True, ("liver", "kidney"))])
def test_both_layouts_are_read(make_data, decathlon, classes):
    data = make_data(decathlon=decathlon)
    cases = read_cases(data.folder)
    assert set(cases.images) == {*data.names, *data.without}
    assert set(cases.labels) == set(data.names)
    assert all(path.is_file() for path in (*cases.images.values(), *cases.labels.values()))
    assert (cases.test, cases.development) == (tuple(data.test), tuple(data.development))
    assert cases.classes == classes


def test_another_split_can_be_given(data, tmp_path):
    other = tmp_path / "other.json"
    other.write_text(json.dumps({"test": ["c5"], "development": ["c0", "c1"]}))
    cases = read_cases(data.folder, other)
    assert (cases.test, cases.development) == (("c5",), ("c0", "c1"))


@pytest.mark.parametrize("seed", SEEDS)
def test_fewer_labelled_cases_are_among_more(data, seed):
    cases = read_cases(data.folder)
    draws = [set(cases.draw(count, seed)[0]) for count in (1, 2, 3, 4)]
    assert [len(draw) for draw in draws] == [1, 2, 3, 4]
    assert all(fewer < more for fewer, more in itertools.pairwise(draws))
    assert set(cases.draw(None, seed)[0]) == set(data.development)


@pytest.mark.parametrize("tuning", [False, True])
@pytest.mark.parametrize("seed", SEEDS)
def test_test_cases_are_neither_labelled_nor_unlabelled_and_nothing_else_is_lost(data, seed, tuning):
    cases = read_cases(data.folder)
    cases = cases.without_test() if tuning else cases
    for count in (1, 2, None):
        labelled, unlabelled = cases.draw(count, seed)
        assert not {*labelled, *unlabelled} & set(cases.test)
        assert not set(labelled) & set(unlabelled)
        assert {*labelled, *unlabelled} == set(cases.images) - set(cases.test)


def test_a_draw_is_the_same_each_time_and_differs_between_seeds(data):
    draws = [read_cases(data.folder).draw(2, seed) for seed in SEEDS for _ in range(2)]
    assert draws[::2] == draws[1::2]
    assert len({str(draw) for draw in draws}) > 1


def test_more_labelled_cases_than_there_are_is_refused(data):
    with pytest.raises(UnusableData, match="There are 4 development cases, too few to label 5"):
        read_cases(data.folder).draw(5, seed=0)


def test_without_test_never_shows_a_test_case(data):
    tuned = read_cases(data.folder).without_test()
    shown = {*tuned.images, *tuned.labels, *tuned.test, *tuned.development}
    assert not shown & set(data.test)
    assert shown == {*data.development, *data.without}
    assert set(tuned.test) | set(tuned.development) == set(data.development)
    assert not set(tuned.test) & set(tuned.development)
    assert tuned == read_cases(data.folder).without_test()


def test_no_file_of_a_test_case_is_opened_to_read_the_cases_and_to_plan(data, monkeypatch):
    opened = []

    def audited(function):
        def read(path, *arguments):
            opened.append(path)
            return function(path, *arguments)

        return read

    for target in ("experiments.comparison.cases.read_label", "experiments.comparison.experiment.read_volume"):
        module, _, name = target.rpartition(".")
        original = getattr(__import__(module, fromlist=[name]), name)
        monkeypatch.setattr(target, audited(original))
    plan = make_experiment_plan(read_cases(data.folder), Settings(), "cpu")
    assert {path.name.partition(".")[0] for path in opened} == set(data.development)
    assert {path.parent.name for path in opened} == {"images", "labels"}
    assert plan.classes == ("class 1", "class 2")


def test_a_folder_without_labels_is_refused(tmp_path, make_data):
    data = make_data(labelled=1)
    (data.folder / "labels" / "c0.nii.gz").unlink()
    for refused in (lambda: read_cases(data.folder), lambda: draw_split(data.folder, tmp_path / "split.json")):
        with pytest.raises(UnusableData, match="has no labelled volumes: it needs images/ and labels/"):
            refused()


def test_a_missing_split_is_refused_with_the_option_that_makes_one(data):
    (data.folder / "splits.json").unlink()
    with pytest.raises(UnusableData, match=r"no .*splits.json, which names the test cases.*--draw-split\.$"):
        read_cases(data.folder)


@pytest.mark.parametrize(
    ("test", "development", "sentence"),
    [
        (["c0", "nobody"], ["c1"], "names nobody, which has no label"),
        (["c0"], ["c1", "u0"], "names u0, which has no label"),
        (["c0", "c1"], ["c1", "c2"], "names c1 as a test and as a development case"),
        ([], ["c1"], "must name a test case and a development case"),
        (["c1"], [], "must name a test case and a development case"),
    ],
)
def test_a_split_that_cannot_be_right_is_refused(data, test, development, sentence):
    data.split(test, development)
    with pytest.raises(UnusableData, match=sentence):
        read_cases(data.folder)


@pytest.mark.parametrize("text", ["{", '{"test": ["c0"]}', '["c0"]', '{"test": 1, "development": 2}'])
def test_a_file_that_is_no_split_is_refused(data, text):
    (data.folder / "splits.json").write_text(text)
    with pytest.raises(UnusableData, match="is not of the form"):
        read_cases(data.folder)


@pytest.mark.parametrize("decathlon", [False, True])
def test_a_drawn_split_is_the_same_each_time_and_holds_every_labelled_case_once(make_data, tmp_path, decathlon):
    data = make_data(labelled=9, decathlon=decathlon)
    splits = []
    for name in ("one.json", "two.json"):
        draw_split(data.folder, tmp_path / name)
        splits.append(json.loads((tmp_path / name).read_text()))
    assert splits[0] == splits[1]
    assert len(splits[0]["test"]) == 2
    assert sorted([*splits[0]["test"], *splits[0]["development"]]) == data.names
    assert read_cases(data.folder, tmp_path / "one.json").test == tuple(splits[0]["test"])


def test_a_label_without_an_image_is_not_drawn_into_a_split(data, tmp_path):
    (data.folder / "images" / "c3.nii.gz").unlink()
    draw_split(data.folder, tmp_path / "split.json")
    named = json.loads((tmp_path / "split.json").read_text())
    assert "c3" not in [*named["test"], *named["development"]]
