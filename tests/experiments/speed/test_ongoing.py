"""The benchmark of a server that trains by itself: its arithmetic, and all of it played small."""

from __future__ import annotations

import random
from types import SimpleNamespace

import numpy as np
import pytest

import experiment
from experiments import commands
from experiments.speed import yielding
from experiments.speed.lasting import Samples, slope_of


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_played_small_it_tells_of_each_kind_of_request_and_of_both_memories(capsys):
    assert experiment.main(commands.parse(["ongoing", "--pairs=2", "--minutes=0.5"])) == 0
    table = [line for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    assert len({line.count("|") for line in table}) == 1
    for kind in ("/infer", "map of uncertainty", "next case"):
        assert sum(line.startswith(f"| {kind}, ") for line in table) == 3
    for words in ("Auto-Update Model", "A label comes", "Memory of the server", "Memory of the training"):
        assert any(words in line for line in table), words


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(["--pairs=0"], "above 0"), (["--minutes=-1"], "above 0"), (["--images=nowhere"], "not a folder")],
)
def test_what_cannot_work_is_refused_in_words(arguments, words, capsys):
    with pytest.raises(SystemExit):
        commands.parse(["ongoing", *arguments])
    assert words in capsys.readouterr().err


def test_the_slope_is_that_of_most_of_the_time_whatever_a_peak_does():
    hours = np.linspace(0, 2, 1000)
    values = 500 + 12 * hours
    values[300:320] += 400
    assert slope_of(hours, values) == pytest.approx(12, rel=0.01)
    assert slope_of(hours[:1], values[:1]) == 0


def test_what_fills_at_first_is_no_slope_and_what_grows_on_is_called_so():
    seconds = list(np.arange(0, 3600, 10.0))
    filling = [400 + min(second, 600) / 3 for second in seconds]
    growing = [value + second / 36 for value, second in zip(filling, seconds, strict=True)]
    samples = Samples(seconds, filling, growing)
    flat, leak = samples.row("server", samples.server), samples.row("training", samples.training)
    assert flat.measured == "start 600 MiB, end 600, peak 600; slope +0 MiB/h"
    assert flat.verdict == "met"
    assert leak.value == pytest.approx(100, rel=0.01)
    assert leak.verdict == "**missed**"


def test_of_each_pair_one_request_is_asked_while_the_training_is_suspended(monkeypatch):
    process = SimpleNamespace(at_work=True)
    process.suspend = lambda: setattr(process, "at_work", False)
    process.resume = lambda: setattr(process, "at_work", True)
    monkeypatch.setattr(yielding, "trainings", lambda server: [process])
    clock = SimpleNamespace(now=0.0, sleep=lambda seconds: None)
    clock.perf_counter = lambda: clock.now
    monkeypatch.setattr(yielding, "time", clock)
    asked = []

    def ask(case):
        asked.append((case, process.at_work))
        clock.now += 3 if process.at_work else 2

    found = yielding._pairs(ask, None, ["a", "b"], 4, random.Random(0))
    assert found == [(2, 3)] * 4
    assert process.at_work
    assert sorted(asked[1:]) == sorted([(case, at_work) for case in "abab" for at_work in (True, False)])
    rows = yielding._compare("/infer", found)
    assert rows[-1].value == 1.5
    assert rows[-1].verdict == "**missed**"
