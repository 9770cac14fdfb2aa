"""The most uncertain part of each structure, whatever its size, and of every class."""

from __future__ import annotations

import numpy as np
import pytest

from fewlabel.workspace import write_json

BY_CLASS = ("uncertain_part", "uncertainty+diversity")


@pytest.fixture
def write(workspace):
    """Callable (values by class): the score file; each class has one value a case, for its region and its part."""

    def build(**classes):
        count = len(next(iter(classes.values())))
        cases = {}
        for number in range(count):
            said = {name: float(values[number]) for name, values in classes.items()}
            score = sum(said.values()) / len(said)
            cases[f"{number:02}"] = {"score": score, "classes": said, "parts": said}
        write_json(workspace.scores, {"version": 4, "done": count, "of": count, "cases": cases})
        return cases

    return build


def without_noise(images, cases):
    """A study with so many labels that the default's noise has faded."""
    labelled = [f"labelled-{number}" for number in range(64)]
    return images([*cases, *labelled], labelled)


@pytest.mark.parametrize("name", BY_CLASS)
@pytest.mark.parametrize("planted", ["large", "small"])
def test_a_case_that_is_hard_in_one_structure_alone_comes_early_whichever_it_is(make, images, write, name, planted):
    random = np.random.default_rng(0)
    values = {"large": random.uniform(0.4, 0.5, 30), "small": random.uniform(0.01, 0.0125, 30)}
    values[planted][17] *= 2
    batch = make(name)({"count": 3}, without_noise(images, write(**values)))["batch"]
    assert "17" in [answer["id"] for answer in batch]


def test_the_part_decides_and_not_the_whole_region(make, images, write, workspace):
    cases = write(organ=np.linspace(0.3, 0.4, 10))
    cases["03"]["parts"] = {"organ": 0.9}
    write_json(workspace.scores, {"version": 4, "cases": cases})
    answer = make("uncertain_part")({}, images(cases))
    assert answer["id"] == "03"
    assert answer["uncertain_class"] == "organ"
    assert "least sure tenth of its organ has uncertainty 0.90" in answer["reason"]
    assert "model version 4" in answer["reason"]
    assert "number 1 of the 10" in answer["reason"]


def test_it_says_where_to_look(make, images, write, workspace):
    cases = write(organ=[0.3, 0.4])
    for said in cases.values():
        said["slices"] = {"axial": [3]}
    write_json(workspace.scores, {"version": 4, "cases": cases})
    assert make("uncertain_part")({}, images(cases))["slices"] == {"axial": [3]}


def test_scores_of_an_earlier_release_have_no_parts_and_serve_all_the_same(make, images, write_scores):
    write_scores({"a": 0.1, "b": 0.5})
    answer = make("uncertain_part")({}, images("ab"))
    assert answer["id"] == "b"
    assert "unsure about it: uncertainty 0.50" in answer["reason"]


def test_a_case_in_which_nothing_is_seen_says_so(make, images, write, workspace):
    cases = write(organ=np.linspace(0.3, 0.4, 4))
    for case in ("00", "01"):
        cases[case] = {"score": 1.0, "classes": {}, "parts": {}}
    write_json(workspace.scores, {"version": 4, "cases": cases})
    answers = make("uncertain_part")({"count": 4}, images(cases))["batch"]
    nothing = [answer for answer in answers if answer["id"] in ("00", "01")]
    assert all("Model version 4 sees no organ in it" in answer["reason"] for answer in nothing)
    assert not any("sees no" in answer["reason"] for answer in answers if answer not in nothing)


def test_a_class_that_this_scan_alone_lacks_is_not_said_to_have_a_part(make, images, write, workspace):
    cases = write(organ=np.linspace(0.3, 0.4, 20), lesion=np.linspace(0.1, 0.2, 20))
    cases["19"] = {"score": 0.1, "classes": {"organ": 0.1}, "parts": {"organ": 0.1}}
    write_json(workspace.scores, {"version": 4, "cases": cases})
    answers = make("uncertain_part")({"count": 20}, images(cases))["batch"]
    answer = next(each for each in answers if each["id"] == "19")
    assert "sees no lesion in it" in answer["reason"]
    assert "tenth of its lesion" not in answer["reason"]


def test_where_no_scan_shows_anything_it_says_so(make, images, workspace):
    write_json(workspace.scores, {"version": 4, "cases": {"a": {"score": 1.0, "classes": {}, "parts": {}}}})
    assert "sees no structure in it" in make("uncertain_part")({}, images("a"))["reason"]
