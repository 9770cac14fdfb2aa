import dataclasses
import itertools
import json

import numpy as np
import pytest
import torch
from torch import nn

from fewlabel.methods import METHODS
from fewlabel.plan import Plan
from fewlabel.selection import scoring
from fewlabel.selection.scoring import score_cases
from fewlabel.volumes.reading import write_volume

PLAN = Plan((1.0, 1.0, 1.0), (16, 16, 16), "meanstd", None, "unet_small", 1, ("organ",))


class Clock:
    def __init__(self):
        self.now = 0.0

    def monotonic(self):
        return self.now


@pytest.fixture
def records(tmp_path):
    for number in range(6):
        image = np.random.default_rng(number).normal(size=(18, 17, 16)).astype(np.float32)
        write_volume(tmp_path / f"{number}.nii.gz", image, np.eye(4))
    return [{"id": str(number), "image": str(tmp_path / f"{number}.nii.gz")} for number in range(6)]


def method(name="mean_teacher"):
    torch.manual_seed(0)
    return METHODS[name](lambda: nn.Conv3d(1, 2, 3, padding=1), 2).eval()


def score(records, path, name="mean_teacher", version=1, minutes=10.0, **more):
    return score_cases(method(name).members, PLAN, records, path, version, minutes, "cpu", **more)


def read(path):
    return json.loads(path.read_text(), parse_constant=lambda constant: pytest.fail(constant))


@pytest.mark.parametrize("name", sorted(METHODS))
def test_every_case_gets_a_finite_score(records, tmp_path, name):
    path = tmp_path / "scores.json"
    assert score(records, path, name) == 6
    scores = read(path)
    assert (scores["version"], scores["done"], scores["of"]) == (1, 6, 6)
    assert set(scores["cases"]) == {str(number) for number in range(6)}
    assert all(0 <= case["score"] <= 1 for case in scores["cases"].values())


def test_an_unreadable_case_is_left_out(records, tmp_path):
    (tmp_path / "3.nii.gz").write_bytes(b"no image")
    assert score(records, tmp_path / "scores.json") == 5
    assert "3" not in read(tmp_path / "scores.json")["cases"]


def test_an_empty_pool_gives_an_empty_file(tmp_path):
    assert score([], tmp_path / "scores.json") == 0
    assert read(tmp_path / "scores.json")["cases"] == {}


def test_the_time_ends_the_scoring(records, tmp_path, monkeypatch):
    clock = Clock()
    monkeypatch.setattr(scoring, "time", clock)

    def minute(done, of):
        clock.now = 60.0 * done

    assert score(records, tmp_path / "scores.json", minutes=2.5, report=minute) == 3
    assert read(tmp_path / "scores.json")["of"] == 6


def test_the_time_is_counted_by_the_clock_that_is_given(records, tmp_path):
    seconds = iter(range(100))
    assert score(records, tmp_path / "scores.json", minutes=2.5 / 60, clock=lambda: next(seconds)) == 2


def test_what_a_short_time_allows_is_another_sample_after_each_training(records, tmp_path, monkeypatch):
    clock = Clock()
    monkeypatch.setattr(scoring, "time", clock)

    def minute(done, of):
        clock.now += 60.0 * done

    seen = set()
    for version in range(1, 13):
        score(records, tmp_path / "scores.json", version=version, minutes=0.5, report=minute)
        seen |= set(read(tmp_path / "scores.json")["cases"])
    assert len(seen) > 3


def test_scores_are_written_while_it_goes_on(records, tmp_path, monkeypatch):
    clock, seen = Clock(), []
    monkeypatch.setattr(scoring, "time", clock)

    def watch(done, of):
        clock.now += 3
        seen.append(len(read(tmp_path / "scores.json")["cases"]) if (tmp_path / "scores.json").exists() else 0)

    score(records, tmp_path / "scores.json", report=watch)
    assert seen == sorted(seen)
    assert len(set(seen)) > 1


def test_it_reports_before_every_pass_of_the_network(records, tmp_path):
    reported = []
    score(records[:1], tmp_path / "scores.json", report=lambda *counts: reported.append(counts))
    assert len(reported) > 2
    assert reported[-1] == (1, 1)
    assert all(before <= after for before, after in itertools.pairwise(reported))


def test_scores_of_a_newer_model_are_never_replaced(records, tmp_path):
    path = tmp_path / "scores.json"
    score(records, path, version=5)
    score(records, path, version=4)
    assert read(path)["version"] == 5
    score(records, path, version=6)
    assert read(path)["version"] == 6


def test_each_case_has_its_classes_by_name_and_slices_to_look_at(records, tmp_path):
    path = tmp_path / "scores.json"
    score(records, path)
    for case in read(path)["cases"].values():
        assert set(case["classes"]) <= {"organ"}
        assert set(case["slices"]) == set(case["points"]) == {"sagittal", "coronal", "axial"}
        assert 1 <= len(case["slices"]["axial"]) <= 3
        assert all(0 <= index < 16 for index in case["slices"]["axial"])


def mark(path):
    """Make what was scored recognisable: the cases."""
    scores = read(path)
    for case in scores["cases"].values():
        case["marked"] = True
    path.write_text(json.dumps(scores))
    return scores["cases"]


def marked(path):
    return {case for case, said in read(path)["cases"].items() if said.get("marked")}


def test_a_second_call_goes_on_where_the_time_of_the_first_ended(records, tmp_path, monkeypatch):
    clock, path = Clock(), tmp_path / "scores.json"
    monkeypatch.setattr(scoring, "time", clock)

    def minute(done, of):
        clock.now += 60.0 * (done > 0)

    first = score(records, path, minutes=0.5, report=minute)
    before = mark(path)
    assert first == len(before) == 1
    score(records, path)
    scores = read(path)
    assert (scores["done"], scores["of"]) == (6, 6)
    assert marked(path) == set(before)


def test_what_another_version_scored_or_nobody_asks_for_any_more_is_not_kept(records, tmp_path):
    path = tmp_path / "scores.json"
    score(records, path)
    mark(path)
    assert score(records[:3], path) == 3
    assert marked(path) == set(read(path)["cases"]) == {"0", "1", "2"}
    assert score(records, path, version=2) == 6
    assert not marked(path)


def test_the_score_of_a_class_is_under_its_own_name(records, tmp_path):
    """The first class is seen with certainty in one half, the second with doubt in the other."""
    plan = dataclasses.replace(PLAN, classes=("sure", "doubtful", "nowhere"))

    def member(crops):
        logits = torch.full((len(crops), 4, *crops.shape[2:]), -20.0)
        middle = crops.shape[2] // 2
        logits[:, 1, :middle] = 20
        logits[:, 2, middle:], logits[:, 0, middle:] = 0.5, 0.0
        return logits.softmax(1)

    path = tmp_path / "scores.json"
    score_cases(lambda crops: [member(crops)], plan, records[:1], path, 1, 10.0, "cpu")
    (case,) = read(path)["cases"].values()
    assert set(case["classes"]) == {"sure", "doubtful"}
    assert case["classes"]["sure"] < case["classes"]["doubtful"]
