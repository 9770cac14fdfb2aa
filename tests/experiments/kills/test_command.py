"""The command that kills a server: it notices what it should, and goes on where it was stopped."""

import os
import random
import shutil

import pytest

from experiments.harness.errors import ExperimentError
from experiments.kills import command
from experiments.kills.check import Fault
from experiments.kills.command import kills
from experiments.kills.life import DEEDS, Life


@pytest.fixture(scope="module")
def life(tmp_path_factory):
    """A study that has lived through a kill in an export, so that it has a model and an export."""
    life = Life(tmp_path_factory.mktemp("life"), seed=3, images=4)
    life.longest_export = 0.0
    try:
        life.begin()
        life.kill_during("export")
        life.check.look(restarted=True)
        yield life
    finally:
        life.end()


@pytest.fixture
def file_again(life):
    """Callable (path): the path, whose content is put back after the test."""
    kept = {}

    def keep(path):
        kept[path] = path.read_bytes() if path.exists() else None
        return path

    yield keep
    for path, content in kept.items():
        path.unlink(missing_ok=True) if content is None else path.write_bytes(content)


@pytest.mark.slow
def test_a_label_of_another_case_in_its_file_is_noticed(life, file_again):
    final = life.server.studies / "labels" / "final"
    shutil.copyfile(final / "scan_1.nii.gz", file_again(final / "scan_0.nii.gz"))
    with pytest.raises(Fault, match=r"scan_0 is none that was sent"):
        life.check.look(restarted=True)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["studies/labels/final/.writing-x", "temporary/tmp12345678", "sessions/a/b.nii.gz"])
def test_a_file_that_stays_is_noticed(life, file_again, name):
    path = file_again(life.home / name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"half")
    with pytest.raises(Fault, match=f"belong to nobody: .*{path.name}"):
        life.check.look(restarted=True)


@pytest.mark.slow
def test_a_model_that_is_gone_or_older_is_noticed(life, file_again, monkeypatch):
    monkeypatch.setattr(life.check, "version", 10)
    with pytest.raises(Fault, match="from version 10 to 1"):
        life.check.look(restarted=False)
    monkeypatch.setattr(life.check, "version", 1)
    file_again(life.workspace.model).unlink()
    with pytest.raises(Fault, match="version 1 is gone"):
        life.check.look(restarted=False)


@pytest.mark.slow
def test_an_acknowledged_label_that_is_gone_is_noticed(life, file_again):
    file_again(life.server.studies / "labels" / "final" / "scan_0.nii.gz").unlink()
    life._kill_server()
    with pytest.raises(Fault, match=r"scan_0 was acknowledged and is lost"):
        life.check.look(restarted=True)


def test_a_fault_ends_the_command_and_keeps_the_study(tmp_path, monkeypatch):
    monkeypatch.setattr(command, "Life", FaultyLife)
    with pytest.raises(ExperimentError, match=r"Kill 1 \(.*\): a planted fault. The study and its log are in"):
        kills(3, 0, tmp_path, say=lambda line: None)
    assert not (tmp_path / "kills.csv").exists()
    assert len(list(tmp_path.glob("life-*"))) == 1


def test_lives_that_were_lived_are_not_lived_again(tmp_path, monkeypatch):
    monkeypatch.setattr(command, "Life", QuietLife)
    monkeypatch.setattr(command, "KILLS_OF_A_LIFE", 2)
    lived = []
    kills(4, 0, tmp_path, say=lived.append)
    assert len(lived) == 4
    table = kills(6, 0, tmp_path, say=lived.append)
    assert len(lived) == 6
    assert table.startswith("6 kills in")
    with pytest.raises(ExperimentError, match="another seed"):
        kills(6, 1, tmp_path, say=lived.append)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_nothing_is_lost_in_twenty_kills(tmp_path):
    table = kills(20, 14, tmp_path, say=print)
    assert "nothing acknowledged was lost" in table
    assert sum(f"| {deed} |" in table for deed in DEEDS) >= 4


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_nothing_is_lost_in_twelve_kills_while_it_trains_by_itself(tmp_path):
    deeds = ("train", "train and server", "submit", "undo", "export")
    table = kills(12, 3, tmp_path, say=print, only=deeds, training="continuous")
    assert "nothing acknowledged was lost" in table
    assert (tmp_path / "kills-continuous.csv").exists()


@pytest.mark.slow
def test_a_file_that_a_running_process_is_writing_belongs_to_it(life, file_again):
    pid = life.server._process.pid
    path = file_again(life.workspace.folder / f".writing-{pid}-x.pt")
    path.write_bytes(b"half")
    gone = file_again(life.workspace.folder / ".writing-1-x.pt")
    gone.write_bytes(b"half")
    assert [name for name in map(os.path.basename, life.server.leftovers()) if ".writing" in name] == [gone.name]


class QuietLife(Life):
    """A life in which nothing happens."""

    def __init__(self, home, seed, training):
        self.random = random.Random(seed)
        self.check = self

    def begin(self):
        pass

    def kill_during(self, deed):
        pass

    def look(self, restarted):
        pass

    def end(self):
        pass


class FaultyLife(QuietLife):
    """The same, with a fault at its second kill."""

    deaths = 0

    def look(self, restarted):
        self.deaths += 1
        if self.deaths == 2:
            raise Fault("a planted fault")
