import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from fewlabel import background

CHILD = """
import time
from fewlabel.background import end_with_server

end_with_server()
print("ready", flush=True)
time.sleep(60)
"""


def child_of(server):
    package = str(Path(background.__file__).parents[1])
    environment = {**os.environ, "PYTHONPATH": package, "FEWLABEL_SERVER": str(server)}
    return subprocess.Popen([sys.executable, "-c", CHILD], env=environment, stdout=subprocess.PIPE, text=True)


def test_a_background_process_ends_when_its_server_is_killed():
    sleeper = [sys.executable, "-c", "import time; time.sleep(60)"]
    with subprocess.Popen(sleeper) as server, child_of(server.pid) as child:
        assert child.stdout.readline() == "ready\n"
        with pytest.raises(subprocess.TimeoutExpired):
            child.wait(0.3)
        server.kill()
        server.wait()
        assert child.wait(30) == 1


def test_a_background_process_whose_server_is_gone_already_ends_at_once():
    with subprocess.Popen([sys.executable, "-c", ""]) as server:
        server.wait()
    with child_of(server.pid) as child:
        assert child.wait(30) == 1


def test_the_server_itself_is_not_watched(monkeypatch):
    monkeypatch.setenv("FEWLABEL_SERVER", "0")
    background.announce_server()
    assert os.environ["FEWLABEL_SERVER"] == str(os.getpid())
    before = threading.active_count()
    background.end_with_server()
    assert threading.active_count() == before
    assert not background.is_background_process()


def test_background_processes_inherit_how_to_handle_memory_but_not_against_a_persons_choice(monkeypatch):
    monkeypatch.setenv("FEWLABEL_SERVER", "0")
    monkeypatch.setenv("MALLOC_MMAP_THRESHOLD_", "1000000")
    monkeypatch.delenv("MALLOC_TRIM_THRESHOLD_", raising=False)
    background.announce_server()
    assert os.environ["MALLOC_MMAP_THRESHOLD_"] == "1000000"
    assert int(os.environ["MALLOC_TRIM_THRESHOLD_"]) > 2**20
