import json
import math

import pytest

from fewlabel.training import progress as module
from fewlabel.training.progress import Progress, read_progress


class Clock:
    """Stands in for the module ``time``: seconds pass only when the test says so."""

    def __init__(self):
        self.now = 1000.0

    def time(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


def written(progress):
    def refuse(constant):
        raise AssertionError(constant)

    return json.loads(progress.path.read_text(), parse_constant=refuse)


def test_numbers_that_are_not_finite_never_reach_the_file(tmp_path):
    progress = Progress(tmp_path / "progress.json", 60)
    progress.update(0.5, losses={"total": math.nan}, validation={"organ": math.inf})
    assert written(progress)["losses"] == {"total": None}
    assert written(progress)["validation"] == {"organ": None}


def test_what_viewers_need_is_there_from_the_first_write_on(tmp_path):
    progress = Progress(tmp_path / "progress.json", 600, method="supervised")
    progress.update(phase="reading scans")
    values = written(progress)
    assert (values["epoch"], values["total_epochs"], values["best_metric"]) == (0, 120, 0.0)
    assert values["method"] == "supervised"


@pytest.mark.parametrize("minutes", [0.5, 10, 600])
def test_an_epoch_takes_at_most_five_seconds_of_the_budget(tmp_path, minutes):
    progress = Progress(tmp_path / "progress.json", minutes * 60)
    assert minutes * 60 / progress.snapshot()["total_epochs"] <= 5


def test_the_epoch_follows_the_progress_and_never_goes_back(tmp_path):
    progress = Progress(tmp_path / "progress.json", 500)
    seen = []
    for share in (0.0, 0.1, 0.35, 0.3, 0.99, 1.0):
        progress.update(share)
        seen.append(written(progress)["epoch"])
    assert seen == [0, 10, 35, 35, 99, 99]
    progress.update(phase="done")
    assert written(progress)["epoch"] == written(progress)["total_epochs"] == 100


def test_the_epoch_moves_on_with_time_after_the_training(tmp_path, clock):
    progress = Progress(tmp_path / "progress.json", 500, 60)
    seen = []
    progress.update(1.0)
    for _ in range(20):
        clock.now += 5
        progress.update(phase="scoring cases")
        seen.append(written(progress)["epoch"])
    assert seen == [*range(101, 112), *[111] * 9]
    progress.update(1.0, phase="done")
    assert written(progress)["epoch"] == written(progress)["total_epochs"] == 112


def test_it_is_due_two_seconds_after_the_last_write(tmp_path, clock):
    progress = Progress(tmp_path / "progress.json", 60)
    assert progress.due()
    progress.update()
    clock.now += 1.9
    assert not progress.due()
    clock.now += 0.2
    assert progress.due()


def test_the_fit_is_smoothed_and_shown_only_where_nothing_is_validated(tmp_path):
    progress = Progress(tmp_path / "progress.json", 60)
    for dice in (0.5, math.nan, 0.6):
        progress.fit(dice)
    assert progress.snapshot()["fit"] == progress.snapshot()["best_metric"] == pytest.approx(0.53)
    validated = Progress(tmp_path / "progress.json", 60, validation_cases=["a"])
    validated.fit(0.5)
    assert (validated.snapshot()["fit"], validated.snapshot()["best_metric"]) == (0.5, 0.0)


def test_problems_and_notes_are_reported(tmp_path):
    progress = Progress(tmp_path / "progress.json", 60)
    progress.problem("a", "It is cut.")
    progress.note("Started.")
    progress.update()
    assert written(progress)["problems"] == [{"id": "a", "reason": "It is cut."}]
    assert written(progress)["notes"] == ["Started."]


def test_without_a_training_there_is_nothing_to_read(tmp_path):
    assert read_progress(tmp_path / "progress.json") == {}
