"""The panel's start with FewLabel's own scripts, the environment that is there, and the real server."""

import os
from pathlib import Path

import pytest
import requests

import environment
from FewLabelLib.launch.launcher import Launcher
from FewLabelLib.launch.status import Stage, Wish
from FewLabelLib.net.client import Client


@pytest.fixture
def launcher(tmp_path):
    """A panel's, in a Slicer whose libraries would break any other Python."""
    folder = environment.environment_folder()
    version = environment.version_of([str(environment.environment_python(folder))])
    if not all(environment.is_installed(folder, name, version) for name in environment.RUNTIME):
        pytest.skip(f"needs a complete environment at {folder}: python3 scripts/environment.py makes it")
    home = tmp_path / "Slicer ä"
    slicers = {"SLICER_HOME": str(home), "PYTHONHOME": f"{home}/lib/Python", "LD_LIBRARY_PATH": f"{home}/lib"}
    launcher = Launcher(tmp_path / "panel ö", {**os.environ, **slicers, "FEWLABEL_VENV": str(folder)})
    yield launcher
    launcher.close()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_real_server_starts_answers_and_ends(launcher, panel_copy_tools, volumes, tmp_path):
    studies = volumes.study(tmp_path / "Bilder für 肝", 2)
    launcher.start(Wish(studies, classes="organ,tumour"))
    status = panel_copy_tools.until(launcher, Stage.RUNNING, Stage.FAILED, patience=600.0)
    assert status.stage is Stage.RUNNING, (status, launcher.log.read_text(encoding="utf-8"))
    offered = Client(status.url, tmp_path / "files", "anna").capabilities()
    assert offered.study == studies.name
    assert [entry.name for entry in offered.classes] == ["organ", "tumour"]
    said = launcher.log.read_text(encoding="utf-8")
    assert f"FewLabel is starting for {studies}" in said
    launcher.stop()
    panel_copy_tools.until(launcher, Stage.IDLE, patience=120.0)
    with pytest.raises(requests.ConnectionError):
        requests.get(f"{status.url}/info/", timeout=10)
    assert Path(launcher.record.root) == environment.ROOT  # the copy that the panel lies in was found by itself
