"""What each strategy asks for first."""

import pytest

from fewlabel.errors import Refusal
from fewlabel.selection.leases import Leases
from fewlabel.selection.strategies import Random
from fewlabel.selection.table import STRATEGIES
from fewlabel.workspace import write_json

POINTS = {"near-1": [0.0, 0.0], "near-2": [0.1, 0.0], "near-3": [0.0, 0.1], "far": [3.0, 0.0], "middle": [1.0, 1.0]}


@pytest.mark.parametrize("name", STRATEGIES)
def test_after_an_hour_a_case_is_offered_as_if_it_were_new(make, clock, name, images):
    strategy, datastore = make(name), images("a")
    first = strategy({}, datastore)["reason"]
    clock.now += 3601
    assert strategy({}, datastore)["reason"] == first


def test_by_name_means_by_name(make, images):
    strategy = make("first")
    assert [strategy({}, images("cab"))["id"] for _ in range(3)] == ["a", "b", "c"]


def test_at_random_is_another_order_for_each_server_and_the_same_for_one_seed(clock, tmp_path, images):
    datastore = images([f"{number:02}" for number in range(30)])
    orders = []
    for number, seed in enumerate((0, 0, 1)):
        strategy = Random(Leases(tmp_path / f"{number}.json", clock), seed)
        orders.append([strategy({}, datastore)["id"] for _ in range(30)])
    assert orders[0] == orders[1] != orders[2]


def test_the_first_case_is_typical_and_the_second_unlike_it(make, images):
    strategy, datastore = make(known=POINTS), images(POINTS)
    first, second, third = (strategy({}, datastore) for _ in range(3))
    assert "typical" in first["reason"]
    assert first["id"].startswith("near")
    assert second["id"] in ("far", "middle")
    assert "unlike the chosen ones" in second["reason"]
    assert second["score"] > third["score"] > 0


def test_what_is_labelled_counts_as_covered(make, images):
    answer = make(known=POINTS)({}, images(POINTS, labelled=["far", "near-1"]))
    assert answer["id"] == "middle"


def test_while_no_scan_has_been_looked_at_it_gives_cases_in_mixed_order(make, images):
    strategy, datastore = make(), images("abcdefgh")
    given = [strategy({}, datastore) for _ in range(8)]
    assert {answer["id"] for answer in given} == set("abcdefgh")
    assert [answer["id"] for answer in given] != sorted("abcdefgh")
    assert "not been read yet" in given[0]["reason"]


def test_scans_that_came_later_are_looked_at_too(make, monkeypatch, images):
    strategy, asked = make(known=POINTS), []
    monkeypatch.setattr(
        strategy.coverage.features, "fill_in_background", lambda scans, locate: asked.append(list(scans))
    )
    strategy({}, images([*POINTS, "new"]))
    assert asked == [[*POINTS, "new"]]


def test_the_least_sure_case_comes_first(make, images, write_scores):
    write_scores({"a": 0.2, "b": 0.7, "c": 0.4}, version=3)
    strategy, datastore = make(known=POINTS), images("abcd")
    answer = strategy({}, datastore)
    assert (answer["id"], answer["rank"], answer["of"]) == ("b", 1, 4)
    assert (answer["score"], answer["model_version"]) == (0.7, 3)
    assert "Model version 3" in answer["reason"]
    assert "number 1 of the 3 unlabelled cases" in answer["reason"]
    assert [strategy({}, datastore)["id"] for _ in range(3)] == ["c", "a", "d"]


def test_scores_of_a_newer_model_are_seen_without_a_restart(make, clock, images, write_scores):
    strategy, datastore = make(), images("ab")
    write_scores({"a": 0.9, "b": 0.1})
    assert strategy({}, datastore)["id"] == "a"
    clock.now += 3601
    write_scores({"a": 0.1, "b": 0.8}, version=2)
    answer = strategy({}, datastore)
    assert (answer["id"], answer["model_version"]) == ("b", 2)


def test_where_all_scored_cases_are_labelled_it_does_not_say_that_there_is_no_model(make, images, write_scores):
    write_scores({"near-1": 0.9})
    answer = make(known=POINTS)({}, images(POINTS, labelled=["near-1"]))
    assert answer["id"] in ("far", "middle")
    assert "No model yet" not in answer["reason"]


@pytest.mark.parametrize("content", ["", "{", '{"cases": {}}'])
def test_a_damaged_score_file_is_as_none(make, workspace, content, images):
    workspace.scores.write_text(content)
    assert make(known=POINTS)({}, images(POINTS))["id"] in POINTS


def test_a_case_that_is_skipped_says_so_when_it_is_the_last(make, images):
    strategy = make("first")
    assert "It was skipped" in strategy({"skip": "a"}, images("a"))["reason"]


def test_a_case_that_does_not_exist_cannot_be_skipped(make, images):
    with pytest.raises(Refusal, match="no image 'z'") as refusal:
        make()({"skip": "z"}, images("abc"))
    assert refusal.value.status_code == 404


def test_who_was_given_what_is_known_after_a_restart(make, images):
    first = make("first")({}, images("ab"))["id"]
    assert make("first")({}, images("ab"))["id"] != first
    make("first")({"skip": "c"}, images("abcde"))
    assert make("first")({}, images("abcde"))["id"] == "e"


def test_scans_in_which_the_model_sees_nothing_come_last_at_random(make, workspace, images):
    cases = {f"{number:02}": {"score": 0.5, "foreground": 0.0 if number < 5 else 0.1} for number in range(20)}
    write_json(workspace.scores, {"version": 1, "done": 20, "of": 20, "cases": cases})
    strategy, datastore = make("foreground_random"), images(cases)
    given = [strategy({}, datastore) for _ in range(20)]
    assert {answer["id"] for answer in given[15:]} == {f"{number:02}" for number in range(5)}
    assert "almost nothing" in given[-1]["reason"]


def test_scans_drawn_among_those_that_show_the_structures_come_with_what_the_model_said(make, workspace, images):
    slices = {"axial": [3], "coronal": [], "sagittal": [2]}
    cases = {"a": {"score": 0.5, "foreground": 0.1, "classes": {"x": 0.2, "y": 0.8}, "slices": slices}}
    write_json(workspace.scores, {"version": 5, "done": 1, "of": 2, "cases": cases})
    answers = {each["id"]: each for each in make("foreground_random")({"count": 2}, images("ab"))["batch"]}
    said = {"score": 0.5, "uncertain_class": "y", "slices": slices, "model_version": 5}
    assert said.items() <= answers["a"].items()
    assert answers["b"]["model_version"] == 5


def test_a_batch_of_first_cases_covers_different_groups(make, images):
    """Three groups of scans that look alike: a batch of three has one of each."""
    groups = {
        f"{group}{number}": [10.0 * index + 0.1 * number, number * 0.1]
        for index, group in enumerate("abc")
        for number in range(5)
    }
    batch = make("coverage", known=groups)({"count": 3}, images(groups))["batch"]
    assert {answer["id"][0] for answer in batch} == set("abc")
