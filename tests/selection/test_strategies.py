import os

import numpy as np
import pytest

from fewlabel.errors import Refusal
from fewlabel.selection.coverage import Coverage
from fewlabel.selection.features import FeatureStore
from fewlabel.selection.scores import ScoreFile
from fewlabel.selection.served import Served
from fewlabel.selection.strategies import First, ForegroundRandom, Random
from fewlabel.selection.uncertain import Uncertainty, UncertaintyAndDiversity
from fewlabel.workspace import Workspace, write_json


class Images:
    """A datastore of which the strategies may ask lists only; counts the calls."""

    def __init__(self, images, labelled=()):
        self.images, self.labelled, self.calls = list(images), list(labelled), []

    def list_images(self):
        self.calls.append("list")
        return self.images

    def get_labeled_images(self, label_tag=None, labels=None):
        self.calls.append("labelled")
        return self.labelled

    def get_unlabeled_images(self, label_tag=None, labels=None):
        self.calls.append("unlabelled")
        return [image for image in self.images if image not in self.labelled]

    def get_image_uri(self, image):
        self.calls.append("uri")
        raise Refusal(f"No image '{image}' in this study.", 404)


class Clock:
    def __init__(self):
        self.now = 1e6

    def __call__(self):
        return self.now


@pytest.fixture
def workspace(tmp_path):
    return Workspace(tmp_path / "workspace")


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def make(workspace, clock):
    """Callable (name, features): a strategy; the features of the default one are given by hand."""

    def build(name="uncertainty", known=None, seed=0):
        served = Served(workspace.served, clock)
        features = FeatureStore(workspace.features)
        features.known = known or {}
        scores, coverage = ScoreFile(workspace.scores), Coverage(served, features, seed)
        kinds = {
            "first": lambda: First(served),
            "random": lambda: Random(served, seed),
            "foreground_random": lambda: ForegroundRandom(served, scores, seed),
            "coverage": lambda: coverage,
            "uncertainty": lambda: Uncertainty(served, scores, coverage),
            "uncertainty+diversity": lambda: UncertaintyAndDiversity(served, scores, coverage, features, seed),
        }
        return kinds[name]()

    return build


def write_scores(workspace, scores, version=1):
    cases = {case: {"score": score} for case, score in scores.items()}
    write_json(workspace.scores, {"version": version, "done": len(cases), "of": len(cases), "cases": cases})


NAMES = ("uncertainty+diversity", "uncertainty", "coverage", "foreground_random", "random", "first")
POINTS = {"near-1": [0.0, 0.0], "near-2": [0.1, 0.0], "near-3": [0.0, 0.1], "far": [3.0, 0.0], "middle": [1.0, 1.0]}


@pytest.mark.parametrize("name", NAMES)
def test_an_answer_says_which_case_and_why(make, name):
    answer = make(name)({}, Images("abc"))
    assert answer["id"] in "abc"
    assert 1 <= answer["rank"] <= answer["of"] == 3
    assert answer["reason"].endswith(".")


@pytest.mark.parametrize("name", NAMES)
def test_repeated_asks_give_every_case_before_any_comes_again(make, clock, name):
    strategy, images = make(name), Images("abcde")
    given = []
    for _ in range(10):
        clock.now += 1
        given.append(strategy({}, images))
    ids = [answer["id"] for answer in given]
    assert set(ids[:5]) == set("abcde")
    assert ids[5:] == ids[:5]
    assert all("handed out" in answer["reason"] for answer in given[5:])
    assert not any("handed out" in answer["reason"] for answer in given[:5])


@pytest.mark.parametrize("name", NAMES)
def test_after_an_hour_a_case_is_offered_as_if_it_were_new(make, clock, name):
    strategy, images = make(name), Images("a")
    first = strategy({}, images)["reason"]
    clock.now += 3601
    assert strategy({}, images)["reason"] == first


@pytest.mark.parametrize("name", NAMES)
def test_labelled_cases_are_not_offered(make, name):
    strategy = make(name)
    assert {strategy({}, Images("abcd", labelled="bd"))["id"] for _ in range(6)} == {"a", "c"}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("images", "words"), [(Images("ab", "ab"), "All 2 cases"), (Images(""), "no images")])
def test_with_nothing_left_it_says_so(make, name, images, words):
    with pytest.raises(Refusal, match=words) as refusal:
        make(name)({}, images)
    assert refusal.value.status_code == 404


def test_by_name_means_by_name(make):
    strategy = make("first")
    assert [strategy({}, Images("cab"))["id"] for _ in range(3)] == ["a", "b", "c"]


def test_at_random_is_another_order_for_each_server_and_the_same_for_one_seed(clock, tmp_path):
    images = Images([f"{number:02}" for number in range(30)])
    orders = []
    for number, seed in enumerate((0, 0, 1)):
        strategy = Random(Served(tmp_path / f"{number}.json", clock), seed)
        orders.append([strategy({}, images)["id"] for _ in range(30)])
    assert orders[0] == orders[1] != orders[2]


def test_the_first_case_is_typical_and_the_second_unlike_it(make):
    strategy, images = make(known=POINTS), Images(POINTS)
    first, second, third = (strategy({}, images) for _ in range(3))
    assert "typical" in first["reason"]
    assert first["id"].startswith("near")
    assert second["id"] in ("far", "middle")
    assert "unlike those chosen" in second["reason"]
    assert second["score"] > third["score"] > 0


def test_what_is_labelled_counts_as_covered(make):
    answer = make(known=POINTS)({}, Images(POINTS, labelled=["far", "near-1"]))
    assert answer["id"] == "middle"


def test_while_no_scan_has_been_looked_at_it_gives_cases_in_mixed_order(make):
    strategy, images = make(), Images("abcdefgh")
    given = [strategy({}, images) for _ in range(8)]
    assert {answer["id"] for answer in given} == set("abcdefgh")
    assert [answer["id"] for answer in given] != sorted("abcdefgh")
    assert "not been looked at" in given[0]["reason"]


def test_scans_that_came_later_are_looked_at_too(make, monkeypatch):
    strategy, asked = make(known=POINTS), []
    monkeypatch.setattr(
        strategy.coverage.features, "fill_in_background", lambda images, locate: asked.append(list(images))
    )
    strategy({}, Images([*POINTS, "new"]))
    assert asked == [[*POINTS, "new"]]


def test_the_least_sure_case_comes_first(make, workspace):
    write_scores(workspace, {"a": 0.2, "b": 0.7, "c": 0.4}, version=3)
    strategy, images = make(known=POINTS), Images("abcd")
    answer = strategy({}, images)
    assert (answer["id"], answer["rank"], answer["of"]) == ("b", 1, 4)
    assert (answer["score"], answer["model_version"]) == (0.7, 3)
    assert "Model version 3" in answer["reason"]
    assert "number 1 of the 3 unlabelled cases" in answer["reason"]
    assert [strategy({}, images)["id"] for _ in range(3)] == ["c", "a", "d"]


def test_scores_of_a_newer_model_are_seen_without_a_restart(make, workspace, clock):
    strategy, images = make(), Images("ab")
    write_scores(workspace, {"a": 0.9, "b": 0.1})
    assert strategy({}, images)["id"] == "a"
    clock.now += 3601
    write_scores(workspace, {"a": 0.1, "b": 0.8}, version=2)
    answer = strategy({}, images)
    assert (answer["id"], answer["model_version"]) == ("b", 2)


def test_where_all_scored_cases_are_labelled_it_does_not_say_that_there_is_no_model(make, workspace):
    write_scores(workspace, {"near-1": 0.9})
    answer = make(known=POINTS)({}, Images(POINTS, labelled=["near-1"]))
    assert answer["id"] in ("far", "middle")
    assert "No model yet" not in answer["reason"]


@pytest.mark.parametrize("content", ["", "{", '{"cases": {}}'])
def test_a_damaged_score_file_is_as_none(make, workspace, content):
    workspace.scores.write_text(content)
    assert make(known=POINTS)({}, Images(POINTS))["id"] in POINTS


@pytest.mark.parametrize("scored", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_ten_thousand_cases_need_no_look_at_any_file(make, workspace, monkeypatch, scored, name):
    names = [f"case-{number:05}" for number in range(10_000)]
    known = dict(zip(names[:500], np.random.default_rng(0).random((500, 219)).tolist(), strict=True))
    if scored:
        write_scores(workspace, dict(zip(names, np.random.default_rng(0).random(10_000).tolist(), strict=True)))
    strategy, images = make(name, known=known), Images(names, labelled=names[:50])
    strategy({}, images)
    images.calls.clear()
    monkeypatch.setattr(strategy.served, "_keep", lambda: None)  # which writes its one small file
    monkeypatch.setattr("builtins.open", None)
    monkeypatch.setattr(os, "open", None)
    monkeypatch.setattr(os, "listdir", None)
    answer = strategy({}, images)
    assert answer["of"] == 9950
    assert len(images.calls) <= 4
    assert "uri" not in images.calls


@pytest.mark.parametrize("name", NAMES)
def test_a_batch_holds_different_cases_with_a_reason_each_and_nobody_else_is_given_them(make, workspace, name):
    write_scores(workspace, {case: 0.1 + 0.05 * place for place, case in enumerate("abcdefghij")})
    strategy, images = make(name), Images("abcdefghij")
    batch = strategy({"count": 4}, images)["batch"]
    following = strategy({"count": "4"}, images)["batch"]
    ids = [answer["id"] for answer in (*batch, *following)]
    assert len(set(ids)) == 8
    assert all(answer["reason"] and answer["of"] == 10 for answer in batch)


@pytest.mark.parametrize("name", NAMES)
def test_more_than_there_are_gives_what_there_is(make, name):
    assert len(make(name)({"count": 9}, Images("abc"))["batch"]) == 3


@pytest.mark.parametrize("count", [0, -1, 101, "many", None])
def test_a_count_that_is_none_is_refused_in_words(make, count):
    with pytest.raises(Refusal, match="ask for 1 to 100") as refusal:
        make()({"count": count}, Images("abc"))
    assert refusal.value.status_code == 400


@pytest.mark.parametrize("name", NAMES)
def test_a_skipped_case_comes_after_all_others_and_back_after_a_day(make, clock, name):
    strategy, images = make(name), Images("abc")
    first = strategy({}, images)["id"]
    given = [strategy({"skip": first}, images)["id"], strategy({}, images)["id"], strategy({}, images)["id"]]
    assert given[:2] == [case for case in given[:2] if case != first]
    assert given[2] == first
    clock.now += 24 * 3600 + 1
    assert strategy({}, images)["id"] == first or name in ("random", "foreground_random")


def test_a_case_that_is_skipped_says_so_when_it_is_the_last(make):
    strategy = make("first")
    assert "It was skipped" in strategy({"skip": "a"}, Images("a"))["reason"]


def test_a_case_that_does_not_exist_cannot_be_skipped(make):
    with pytest.raises(Refusal, match="no image 'z'") as refusal:
        make()({"skip": "z"}, Images("abc"))
    assert refusal.value.status_code == 404


def test_who_was_given_what_is_known_after_a_restart(make):
    first = make("first")({}, Images("ab"))["id"]
    assert make("first")({}, Images("ab"))["id"] != first
    make("first")({"skip": "c"}, Images("abcde"))
    assert make("first")({}, Images("abcde"))["id"] == "e"


def test_scans_in_which_the_model_sees_nothing_come_last_at_random(make, workspace):
    cases = {f"{number:02}": {"score": 0.5, "foreground": 0.0 if number < 5 else 0.1} for number in range(20)}
    write_json(workspace.scores, {"version": 1, "done": 20, "of": 20, "cases": cases})
    strategy, images = make("foreground_random"), Images(cases)
    given = [strategy({}, images) for _ in range(20)]
    assert {answer["id"] for answer in given[15:]} == {f"{number:02}" for number in range(5)}
    assert "next to nothing" in given[-1]["reason"]


def test_scans_drawn_among_those_that_show_the_structures_come_with_what_the_model_said_of_them(make, workspace):
    slices = {"axial": [3], "coronal": [], "sagittal": [2]}
    cases = {"a": {"score": 0.5, "foreground": 0.1, "classes": {"x": 0.2, "y": 0.8}, "slices": slices}}
    write_json(workspace.scores, {"version": 5, "done": 1, "of": 2, "cases": cases})
    answers = {each["id"]: each for each in make("foreground_random")({"count": 2}, Images("ab"))["batch"]}
    said = {"score": 0.5, "uncertain_class": "y", "slices": slices, "model_version": 5}
    assert said.items() <= answers["a"].items()
    assert answers["b"]["model_version"] == 5
