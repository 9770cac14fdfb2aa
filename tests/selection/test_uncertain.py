"""The default strategy: uncertain cases, each class in its turn, none like another."""

from __future__ import annotations

import numpy as np
import pytest

from fewlabel.selection.coverage import Coverage
from fewlabel.selection.features import FeatureStore
from fewlabel.selection.leases import Leases
from fewlabel.selection.scores import ScoreFile
from fewlabel.selection.uncertain import UncertaintyAndDiversity
from fewlabel.workspace import Workspace, write_json


class Images:
    """A datastore of which the strategies may ask lists only."""

    def __init__(self, images, labelled=()):
        self.images, self.labelled = list(images), list(labelled)

    def list_images(self):
        return self.images

    def get_labeled_images(self):
        return self.labelled

    def get_unlabeled_images(self):
        return [image for image in self.images if image not in self.labelled]


@pytest.fixture
def workspace(tmp_path):
    return Workspace(tmp_path / "workspace")


@pytest.fixture
def make(workspace):
    """Callable (cases, features, seed): the strategy, with the score file written."""

    def build(cases, known=None, seed=0, version=1):
        write_json(workspace.scores, {"version": version, "done": len(cases), "of": len(cases), "cases": cases})
        features = FeatureStore(workspace.features)
        features.known = known or {}
        leases = Leases(workspace.leases)
        coverage = Coverage(leases, features, seed)
        return UncertaintyAndDiversity(leases, ScoreFile(workspace.scores), coverage, features, seed)

    return build


def scored(values, **classes):
    """Cases 000, 001, ... with these scores, and those of each class."""
    names = [f"{number:03}" for number in range(len(values))]
    columns = {name: dict(zip(names, each, strict=True)) for name, each in classes.items()}
    return {
        case: {"score": float(value), "classes": {name: float(each[case]) for name, each in columns.items()}}
        for case, value in zip(names, values, strict=True)
    }


@pytest.mark.parametrize("seed", range(10))
def test_planted_hard_cases_are_served_within_the_first_quarter(make, seed):
    random = np.random.default_rng(seed)
    values = random.uniform(0.05, 0.2, 40)
    hard = random.choice(40, 5, replace=False)
    values[hard] = random.uniform(0.45, 0.6, 5)
    cases = scored(values, organ=values)
    known = {case: random.normal(size=8).tolist() for case in cases}
    strategy, images = make(cases, known, seed), Images(cases)
    given = [strategy({}, images)["id"] for _ in range(10)]
    assert {f"{number:03}" for number in hard} <= set(given)


@pytest.mark.parametrize("count", [1, 5])
def test_near_duplicates_are_never_in_one_batch(make, count):
    random = np.random.default_rng(0)
    values = [0.9, 0.89, 0.88, 0.87, *random.uniform(0.2, 0.6, 20)]
    cases = scored(values)
    known = {case: random.normal(size=8).tolist() for case in cases}
    for twin in ("001", "002", "003"):
        known[twin] = [each + 1e-3 for each in known["000"]]
    strategy, images = make(cases, known), Images(cases)
    given = [answer["id"] for _ in range(5 // count) for answer in _asked(strategy, images, count)]
    assert len({"000", "001", "002", "003"} & set(given)) == 1


def _asked(strategy, images, count):
    answer = strategy({"count": count}, images)
    return answer.get("batch", [answer])


def test_what_is_like_a_labelled_scan_waits(make):
    cases = scored([0.9, 0.5, 0.5])
    known = {"000": [0.0, 0.0], "001": [5.0, 0.0], "002": [0.0, 5.0], "labelled": [0.0, 0.001]}
    strategy = make(cases, known)
    assert strategy({}, Images([*cases, "labelled"], labelled=["labelled"]))["id"] != "000"


def test_each_class_has_its_turn_even_if_one_is_always_more_uncertain(make):
    easy, hard = np.linspace(0.01, 0.02, 30), np.linspace(0.5, 0.6, 30)[::-1]
    cases = scored((easy + hard) / 2, easy=easy, hard=hard)
    batch = make(cases)({"count": 6}, Images(cases))["batch"]
    assert {answer["uncertain_class"] for answer in batch} == {"easy", "hard"}
    for answer in batch:
        assert answer["uncertain_class"] in answer["reason"]


def test_the_same_question_has_the_same_answer_and_another_seed_or_version_another(make, workspace):
    random = np.random.default_rng(0)
    cases = scored(random.uniform(0.3, 0.5, 50))

    def order(**changed):
        workspace.leases.unlink(missing_ok=True)
        return [answer["id"] for answer in make(cases, **changed)({"count": 10}, Images(cases))["batch"]]

    assert order() == order()
    assert order() != order(seed=1)
    assert order() != order(version=2)


def test_the_noise_fades_with_the_labels(make, workspace):
    random = np.random.default_rng(0)
    values = random.uniform(0.3, 0.5, 60)
    best = {f"{number:03}" for number in np.argsort(-values)[:10]}
    found = []
    for labels in (0, 64):
        workspace.leases.unlink(missing_ok=True)
        labelled = [f"labelled-{number}" for number in range(labels)]
        images = Images([*scored(values), *labelled], labelled)
        batch = make(scored(values))({"count": 10}, images)["batch"]
        found.append(len(best & {answer["id"] for answer in batch}))
    assert found[0] < found[1] == 10


def test_small_and_large_organs_are_compared_by_their_own_spread(make):
    large = np.full(20, 0.30) + np.linspace(0, 0.001, 20)
    small = np.full(20, 0.05)
    small[7] = 0.08
    cases = scored((large + small) / 2, large=large, small=small)
    batch = make(cases)({"count": 3}, Images(cases))["batch"]
    assert "007" in {answer["id"] for answer in batch}


def test_an_answer_says_where_to_look(make):
    cases = scored([0.5, 0.4], organ=[0.5, 0.4])
    for case in cases.values():
        case |= {"slices": {"axial": [3, 7, 9]}, "points": {"axial": [[1.0, 2.0, 3.0]] * 3}}
    answer = make(cases, version=4)({}, Images(cases))
    assert answer["slices"]["axial"] == [3, 7, 9]
    assert len(answer["points"]["axial"]) == 3
    assert answer["model_version"] == 4
    assert answer["class_scores"] == {"organ": answer["score"]}


def test_cases_that_nobody_scored_come_after_those_that_are(make):
    strategy, images = make(scored([0.1, 0.2])), Images(["new", "000", "001"])
    given = [strategy({}, images) for _ in range(3)]
    assert given[2]["id"] == "new"
    assert "has not scored it" in given[2]["reason"]


def lacking(count, seen_by):
    """Scans of which these many show a structure; the others are otherwise the least uncertain of all."""
    cases = scored(np.full(count, 0.3), organ=np.linspace(0.3, 0.4, count), tumour=np.linspace(0.2, 0.5, count))
    for number, case in enumerate(cases.values()):
        if number >= seen_by:
            case["classes"] = {"organ": 0.1}
            case["score"] = 0.1
    return cases


def without_noise(cases):
    """So many labels that the noise has faded."""
    labelled = [f"labelled-{number}" for number in range(64)]
    return Images([*cases, *labelled], labelled)


def test_a_scan_in_which_the_model_sees_no_structure_that_nearly_all_have_comes_early(make):
    cases = lacking(30, seen_by=29)
    batch = make(cases)({"count": 6}, without_noise(cases))["batch"]
    answer = next(each for each in batch if each["id"] == "029")
    assert "It sees no tumour in it" in answer["reason"]
    assert answer["class_scores"]["tumour"] == max(case["classes"].get("tumour", 0) for case in cases.values())


def test_a_structure_that_many_scans_lack_makes_none_of_them_uncertain(make):
    cases = lacking(30, seen_by=20)
    batch = make(cases)({"count": 10}, without_noise(cases))["batch"]
    assert not {answer["id"] for answer in batch} & {f"{number:03}" for number in range(20, 30)}


def test_a_scan_in_which_nothing_is_seen_keeps_the_highest_score(make, workspace):
    cases = lacking(30, seen_by=30)
    cases["004"] = {"score": 1.0, "classes": {}}
    make(cases)
    scores = ScoreFile(workspace.scores).read()
    assert scores.cases["004"]["score"] == 1.0
    assert set(scores.cases["004"]["missing"]) == {"organ", "tumour"}


def test_of_two_equally_uncertain_scans_the_one_unlike_the_labelled_comes_first(make):
    cases = scored([0.5, 0.5, 0.5])
    known = {"000": [1.0, 0.0], "001": [4.0, 0.0], "002": [2.0, 0.0], "labelled": [0.0, 0.0]}
    others = [f"labelled-{number}" for number in range(64)]  # so many that the noise has faded
    images = Images([*cases, "labelled", *others], ["labelled", *others])
    strategy = make(cases, known)
    assert strategy({}, images)["id"] == "001"


def test_of_a_large_pool_the_most_uncertain_come_first_and_the_ranking_goes_on_in_this_order(make):
    """More scans than diversity is weighed for, spread so that distance decides little, and no noise."""
    values = np.random.default_rng(0).permutation(np.linspace(0.01, 0.9, 300))
    cases = scored(values)
    images = without_noise(cases)
    ranking = make(cases).rank(images.get_unlabeled_images(), images, 5)
    expected = [f"{number:03}" for number in np.argsort(-values)]
    assert set(ranking.order[:5]) <= set(expected[:10])  # the noise has faded, but not to nothing
    ranks = [expected.index(case) for case in ranking.order]
    assert np.mean(np.abs(np.diff(ranks)) < 20) > 0.95
    assert ranks[-1] > 280
