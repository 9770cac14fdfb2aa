"""From a folder of scans to a server that answers, with scripts that print what the real ones print."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from FewLabelLib.launch import probe, setting_up, texts
from FewLabelLib.launch.record import Record, Served
from FewLabelLib.launch.status import Stage

pytestmark = pytest.mark.skipif(os.name == "nt" or not Path("/proc").exists(), reason="needs Linux")


@pytest.fixture
def copy(tmp_path, panel_copy):
    copy = panel_copy(tmp_path)
    yield copy
    copy.close()


def test_a_server_runs_for_the_folder_and_ends_when_it_is_stopped(copy, panel_copy_tools):
    launcher = copy.launcher()
    status = copy.run(launcher, classes="liver,left kidney")
    assert (status.stage, status.detail) == (Stage.RUNNING, "")
    assert probe.serves(status.url, copy.studies)
    assert copy.about["studies"] == str(copy.studies)
    assert copy.about["conf"] == [["labels", "liver,left kidney"]]
    launcher.stop()
    assert panel_copy_tools.until(launcher, Stage.IDLE).text == texts.STOPPED
    assert not panel_copy_tools.is_alive(copy.about["pid"])
    assert launcher.record.served(copy.studies) == Served(int(status.url.rsplit(":")[-1]), 0, "liver,left kidney")


def test_a_start_returns_before_anything_was_looked_for(copy, monkeypatch):
    gate = threading.Event()
    monkeypatch.setattr(Path, "is_dir", lambda path: gate.wait(60))
    launcher = copy.launcher()
    launcher.start(copy.wish())
    assert (launcher.status.stage, launcher.status.text) == (Stage.WORKING, texts.LOOKING)
    launcher.stop()
    assert launcher.status.text == texts.STOPPING
    gate.set()


def test_what_is_downloaded_and_how_large_it_is_is_told():
    downloads = setting_up.Downloads()
    for line in ("Installing requirements.txt ...", "  torch (180.5 MB)", "  scipy (1.2 GB)", "", "  unpacking"):
        downloads.take(line)
    assert downloads.words == "unpacking\n2 large packages so far, 1380 MB in all."


def test_slicers_own_libraries_are_not_seen_by_the_server(copy):
    home = copy.folder / "Slicer 5.10"
    own = {
        "SLICER_HOME": str(home),
        "PYTHONHOME": f"{home}/lib/Python",
        "PYTHONPATH": f"{home}/lib:/elsewhere",
        "LD_LIBRARY_PATH": f"{home}/lib:/opt/cuda",
        "QT_PLUGIN_PATH": f"{home}/plugins",
        "SSL_CERT_FILE": f"{home}/share/Slicer.crt",
        "PATH": f"{home}/bin{os.pathsep}{os.environ['PATH']}",
    }
    assert copy.run(copy.launcher({**copy.variables, **own})).stage is Stage.RUNNING
    seen = copy.about["variables"]
    assert [name for name in seen if str(home) in seen[name]] == []
    assert not {"PYTHONHOME", "PYTHONPATH", "QT_PLUGIN_PATH", "SSL_CERT_FILE", "SLICER_HOME"} & set(seen)
    assert (seen["LD_LIBRARY_PATH"], seen["PATH"]) == ("/opt/cuda", os.environ["PATH"])


def test_a_server_that_is_not_kept_ends_with_slicer(copy, panel_copy_tools):
    launcher = copy.launcher()
    copy.run(launcher)
    launcher.close()
    panel_copy_tools.wait(lambda: not panel_copy_tools.is_alive(copy.about["pid"]))
    assert launcher.record.served(copy.studies).pid == 0


def test_a_server_that_is_not_kept_ends_also_when_slicer_crashes(copy, panel_copy_tools):
    code = (
        "import sys, time; from pathlib import Path\n"
        "from FewLabelLib.launch.launcher import Launcher; from FewLabelLib.launch.status import Wish\n"
        "launcher = Launcher(Path(sys.argv[1]), here=Path(sys.argv[1]))\n"
        "launcher.start(Wish(Path(sys.argv[2]), Path(sys.argv[3])))\n"
        "while not launcher.status.url: time.sleep(0.05)\n"
        "print(launcher.status.url, flush=True); time.sleep(60)\n"
    )
    module = Path(setting_up.__file__).parents[2]
    command = [sys.executable, "-c", code, str(copy.folder / "its settings"), str(copy.studies), str(copy.root)]
    variables = {**copy.variables, "PYTHONPATH": str(module)}
    slicer = subprocess.Popen(command, env=variables, stdout=subprocess.PIPE, text=True)
    assert slicer.stdout.readline().startswith("http://127.0.0.1:")
    slicer.send_signal(signal.SIGKILL)
    slicer.communicate()
    panel_copy_tools.wait(lambda: not panel_copy_tools.is_alive(copy.about["pid"]))


def test_a_server_that_is_kept_goes_on_and_the_next_slicer_finds_it_and_can_stop_it(copy, panel_copy_tools):
    launcher = copy.launcher()
    launcher.keeps = True
    first = copy.run(launcher)
    launcher.close()
    later = copy.launcher()
    assert copy.run(later).url == first.url
    assert copy.said("attempts.txt") == "x"  # nothing was set up again
    later.stop()
    assert panel_copy_tools.until(later, Stage.IDLE).text == texts.STOPPED
    assert not panel_copy_tools.is_alive(copy.about["pid"])


def test_the_next_server_of_a_folder_takes_the_same_port_if_it_is_free(copy, panel_copy_tools):
    launcher = copy.launcher()
    url = copy.run(launcher).url
    launcher.stop()
    panel_copy_tools.until(launcher, Stage.IDLE)
    assert copy.run(launcher).url == url
    launcher.stop()
    panel_copy_tools.until(launcher, Stage.IDLE)
    with socket.create_server(("127.0.0.1", int(url.rsplit(":")[-1]))):
        assert copy.run(launcher).url not in ("", url)


def test_another_port_is_tried_where_a_program_was_faster(copy):
    copy.plan(busy=True)
    assert copy.run(copy.launcher()).stage is Stage.RUNNING


def test_a_cancelled_set_up_leaves_no_process_and_the_next_start_goes_on(copy, panel_copy_tools):
    copy.plan(slow=True)
    launcher = copy.launcher()
    launcher.start(copy.wish())
    panel_copy_tools.wait(lambda: "220 MB" in launcher.status.detail)
    panel_copy_tools.wait(lambda: (copy.root / "scripts" / "child.txt").exists())
    launcher.stop()
    assert panel_copy_tools.until(launcher, Stage.IDLE).text == texts.CANCELLED
    assert not any(panel_copy_tools.is_alive(pid) for pid in copy.said("child.txt").split())
    copy.plan()
    assert copy.run(launcher).stage is Stage.RUNNING


def test_the_set_up_waits_for_the_network_and_goes_on(copy, monkeypatch):
    monkeypatch.setattr(setting_up, "WAITS", (0.01, 0.01))
    copy.plan(offline=2)
    assert copy.run(copy.launcher()).stage is Stage.RUNNING
    assert copy.said("attempts.txt") == "xxx"


@pytest.mark.parametrize(
    ("plan", "attempts", "sentence"),
    [
        ({"offline": 9}, "xxx", "The package index cannot be reached; check the network."),
        ({"full": True}, "x", "The disk is full; free about 3 GB and run this again."),
        ({"refuses": "This study is served already."}, "x", "This study is served already."),
    ],
)
def test_a_start_that_fails_says_why_in_the_scripts_words_and_leaves_a_log(copy, monkeypatch, plan, attempts, sentence):
    monkeypatch.setattr(setting_up, "WAITS", (0.01, 0.01))
    copy.plan(**plan)
    launcher = copy.launcher()
    status = copy.run(launcher)
    assert (status.stage, status.text, status.url) == (Stage.FAILED, sentence, "")
    assert copy.said("attempts.txt") == attempts
    assert "Setting up FewLabel" in launcher.log.read_text(encoding="utf-8")


def test_a_server_that_ends_by_itself_is_noticed(copy, panel_copy_tools):
    launcher = copy.launcher()
    copy.run(launcher)
    os.kill(copy.about["pid"], signal.SIGKILL)
    assert panel_copy_tools.until(launcher, Stage.FAILED).text == texts.ENDED
    assert copy.run(launcher).stage is Stage.RUNNING


def test_the_folder_of_fewlabel_is_asked_for_once(copy):
    launcher = copy.launcher()
    status = copy.run(launcher, root=None)
    assert (status.text, status.asks_folder) == (texts.ASK_FOLDER, True)
    status = copy.run(launcher, root=copy.studies)
    assert (status.text, status.asks_folder) == (texts.not_fewlabel(copy.studies), True)
    assert copy.run(launcher).stage is Stage.RUNNING
    launcher.close()
    assert copy.run(copy.launcher(), root=None).stage is Stage.RUNNING


@pytest.mark.parametrize("name", ["", "relative", "/no such folder"])
def test_a_folder_of_scans_that_is_none_is_said(copy, name):
    status = copy.run(copy.launcher(), studies=Path(name))
    assert status.stage is Stage.FAILED
    assert status.text.endswith(texts.NO_STUDIES)


@pytest.mark.parametrize("content", ["", "[]", "{", json.dumps({"servers": 5, "root": 1})])
def test_a_damaged_record_counts_as_forgotten(tmp_path, content):
    record = Record(tmp_path / "servers.json")
    record.file.write_text(content)
    assert record.served(tmp_path) == Served()
    record.put_served(tmp_path, Served(1, 2, "ä"))
    assert record.served(tmp_path) == Served(1, 2, "ä")
