"""The cost of one step: what is counted, on tiny crops."""

from __future__ import annotations

import pytest
import torch

import experiment
from experiments import commands
from experiments.speed import steps as steps_module
from experiments.speed.steps import Case, Cost, host_waits, measure


def cost_of(method, **more):
    return measure(Case(method, "unet_small", (16, 16, 16), 1, "cpu", 1, 1, **more))


def test_parameters_trained_and_deployed_are_distinguished():
    cost = cost_of("dtlp")
    assert cost.trained > cost.deployed > 0
    two = cost_of("dual_network")
    assert two.deployed == 2 * cost.deployed


def test_a_step_takes_time_and_memory_and_no_wait():
    cost = cost_of("mean_teacher")
    assert cost.seconds > 0
    assert cost.memory > 0
    assert cost.waits == 0


def test_a_wait_of_the_host_is_counted():
    assert host_waits(lambda: torch.ones(3).sum().item()) == steps_module._PERIOD


def test_the_table_compares_with_both_supervised_steps(monkeypatch, capsys):
    seconds = {("supervised", 2, "live"): 1.0, ("supervised", 4, "live"): 2.0}
    seconds |= {("bcp", 2, "live"): 3.0, ("bcp", 2, "cached"): 1.5}
    made = lambda case: Cost(seconds[case.method, case.batch, case.teacher], 0.5, 10**6, 10**6, 0.0)  # noqa: E731
    monkeypatch.setattr(steps_module, "measure_apart", made)
    options = commands.parse(["steps", "--methods", "bcp", "--threads", "1"])
    assert experiment.main(options) == 0
    table = [line for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    assert len({line.count("|") for line in table}) == 1
    assert "| bcp | 3.000 | 3.00 | 1.50 |" in table[-2]
    assert "| bcp, cached teacher | 1.500 | 1.50 | 0.75 |" in table[-1]


def test_a_step_with_a_cached_teacher_takes_the_guesses_that_the_loader_cuts_and_no_wait(monkeypatch):
    seen = []
    original = steps_module._step

    def step(method, optimiser, labelled, unlabelled, amp):
        seen.append(set(unlabelled))
        original(method, optimiser, labelled, unlabelled, amp)

    monkeypatch.setattr(steps_module, "_step", step)
    assert cost_of("bcp", teacher="cached").waits == 0
    assert set(map(frozenset, seen)) == {frozenset({"strong", "pseudo_label", "confidence"})}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["map", "--data", "no such folder"], "no such folder is not a folder"),
        (["features", "--data", "no such folder"], "no such folder is not a folder"),
        (["rounds", "--data", "no such folder"], "no such folder is not a folder"),
        (["map", "--data", ".", "--cases", "0"], "above 0"),
    ],
)
def test_what_cannot_work_is_refused_in_words(arguments, sentence, capsys):
    with pytest.raises(SystemExit) as ending:
        commands.parse(arguments)
    assert ending.value.code == 2
    assert sentence in capsys.readouterr().err
