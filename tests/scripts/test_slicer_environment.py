"""The second environment, of the tests on parts of Slicer; nothing is built or downloaded here."""

import pytest

import environment
import slicer_environment


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Requirement files that were installed, into a folder that looks created."""
    names = []
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    monkeypatch.setenv("FEWLABEL_SLICER_VENV", str(folder))
    monkeypatch.setattr(environment, "version_of", lambda command: "3.11")
    monkeypatch.setattr(environment, "ensure_pip", lambda python: None)
    monkeypatch.setattr(environment, "install", lambda folder, name, options: names.append((folder.name, name)))
    return names


def test_it_is_made_once_in_a_folder_of_its_own(installed):
    first = slicer_environment.slicer_command(["-x"])
    assert slicer_environment.slicer_command(["-x"]) == first
    assert installed == [("elsewhere", "requirements-slicer.txt")]
    assert "elsewhere" in first[0]
    assert first[-3:] == ["tests/slicer/layer1", "tests/slicer/layer2", "-x"]


@pytest.mark.parametrize("trouble", [environment.SetupTrouble("no network."), PermissionError("read-only")])
def test_where_it_cannot_be_had_a_sentence_says_so(installed, monkeypatch, capsys, trouble):
    def fail(*_):
        raise trouble

    monkeypatch.setattr(environment, "install", fail)
    assert slicer_environment.slicer_command([]) is None
    assert capsys.readouterr().out == f"The tests on parts of 3D Slicer are skipped: {trouble}\n"


def test_both_layers_run_without_the_fixtures_that_need_the_server(installed):
    command = slicer_environment.slicer_command([])
    above = environment.ROOT / command[command.index("--confcutdir") + 1]
    for layer in slicer_environment.TESTS:
        folder = environment.ROOT / layer
        assert (folder / "conftest.py").is_file()
        assert folder.parent in above.parents


def test_every_line_of_its_requirements_pins_a_version():
    lines = (environment.ROOT / "requirements-slicer.txt").read_text().splitlines()
    assert all(line.startswith("#") or "==" in line for line in lines)
