"""Label all on a large pool, played small; and that what went wrong there would be reported."""

import os
from types import SimpleNamespace

import pytest

import experiment
from experiments import commands
from experiments.harness.errors import ExperimentError
from experiments.speed import whole_pool
from experiments.speed.whole_pool import Watch, memory_of


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_small_pool_is_predicted_over_a_kill(capsys):
    assert experiment.main(commands.parse(["bench", "--quick", "--only", "label_all"])) == 0
    printed = capsys.readouterr().out
    for part in ("Label all, 40 scans, killed at", "Memory of the server", "/info/ while 40", "next case while 40"):
        assert part in printed


@pytest.fixture
def server(monkeypatch):
    """Callable (what a server says of Label all, one after the other): that server."""

    def make(*said):
        left = list(said)
        monkeypatch.setattr(whole_pool, "_PAUSE", 0)
        monkeypatch.setattr(whole_pool, "memory_of", lambda _: 10.0)
        monkeypatch.setattr(whole_pool.requests, "get", lambda *_, **__: SimpleNamespace(json=lambda: left.pop(0)))
        client = SimpleNamespace(_server_url="", info=lambda: None, next_sample=lambda *_: None)
        return SimpleNamespace(client=client, process=SimpleNamespace(pid=0))

    return make


def said(state, done, error=None):
    return {"state": state, "done": done, "error": error}


def test_others_ask_until_enough_scans_are_done(server):
    watch = Watch()
    assert watch.until(server(said("running", 0), said("running", 4), said("running", 5)), 5)["done"] == 5
    assert len(watch.info) == len(watch.following) == 2
    assert watch.memory == [(0, 10.0), (4, 10.0), (5, 10.0)]


def test_one_that_failed_or_stands_still_is_reported(server):
    with pytest.raises(ExperimentError, match="failed: no space"):
        Watch().until(server(said("running", 1), said("failed", 1, "no space")), 5)
    with pytest.raises(ExperimentError, match="Label all is idle"):
        Watch().until(server(said("idle", 1)), 5)


def test_memory_is_that_of_running_processes():
    assert 1 < memory_of(os.getpid()) < 100_000
