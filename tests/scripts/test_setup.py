"""The set-up and the launchers: no environment is built and nothing is downloaded here."""

import ast
import importlib.util
import os
import subprocess
import sys
import urllib.error
from pathlib import Path

import pytest

import environment

SCRIPTS = Path(environment.__file__).parent
EARLY = sorted([*SCRIPTS.glob("*.py"), *SCRIPTS.glob("serving/*.py")])  # read before anything is installed


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A repository with requirement files only, in a folder whose name has a space."""
    root = tmp_path / "few label"
    root.mkdir()
    for name in (*environment.RUNTIME, *environment.DEVELOPMENT):
        (root / name).write_text(f"# {name}\n")
    monkeypatch.setattr(environment, "ROOT", root)
    return root


@pytest.fixture
def folder(repository, monkeypatch):
    """An environment folder that looks created, with a pip that always succeeds."""
    (repository / ".venv").mkdir()
    (repository / ".venv" / "pyvenv.cfg").touch()
    monkeypatch.setattr(environment, "version_of", lambda command: "3.11")
    monkeypatch.setattr(environment, "ensure_pip", lambda python: None)
    monkeypatch.setattr(environment, "check_imports", lambda folder: None)
    return repository / ".venv"


@pytest.fixture
def installed(monkeypatch):
    """Names of the requirement files that were installed."""
    names = []
    monkeypatch.setattr(environment, "install", lambda folder, name, options: names.append(name))
    return names


@pytest.mark.parametrize("script", EARLY, ids=lambda path: path.name)
def test_an_old_python_can_parse_every_script(script):
    ast.parse(script.read_text(encoding="utf-8"), feature_version=(3, 7))


@pytest.mark.parametrize("version", ["(3, 9, 18)", "(3, 13, 0)"])
def test_an_unsuitable_python_gets_one_sentence_and_exit_code_2(tmp_path, version):
    code = f"import sys; sys.version_info = {version}; import environment; environment.ensure_environment()"
    variables = dict(os.environ, PATH="", PYTHONPATH=str(SCRIPTS), FEWLABEL_VENV=str(tmp_path / "absent"))
    result = subprocess.run([sys.executable, "-c", code], env=variables, capture_output=True, text=True)
    assert result.returncode == 2
    assert "FewLabel runs on Python 3.10, 3.11 or 3.12" in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_another_suitable_python_on_the_path_is_used(monkeypatch):
    monkeypatch.setattr(environment, "SUITABLE", ("3.98", "3.97"))
    monkeypatch.setattr(environment, "version_of", lambda command: "3.97" if "3.97" in command[-1] else "")
    assert "3.97" in environment.suitable_python()[-1]


def test_a_complete_environment_is_reused(folder, installed):
    environment.prepare(folder, development=True)
    assert installed == [*environment.RUNTIME, *environment.DEVELOPMENT]
    environment.prepare(folder, development=True)
    environment.prepare(folder, development=False)
    assert installed == [*environment.RUNTIME, *environment.DEVELOPMENT]


def test_only_what_changed_is_installed_again(folder, installed, repository):
    environment.prepare(folder, development=False)
    installed.clear()
    (repository / "requirements-monailabel.txt").write_text("monailabel==9\n")
    environment.prepare(folder, development=True)
    assert installed == ["requirements-monailabel.txt", *environment.DEVELOPMENT]


def test_another_python_version_installs_again(folder, installed, monkeypatch):
    environment.prepare(folder, development=False)
    monkeypatch.setattr(environment, "version_of", lambda command: "3.12")
    environment.prepare(folder, development=False)
    assert installed == [*environment.RUNTIME] * 2


def test_an_interrupted_install_is_repeated(folder, monkeypatch):
    attempts = []

    def interrupted(folder, name, options):
        attempts.append(name)
        if len(attempts) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(environment, "install", interrupted)
    with pytest.raises(KeyboardInterrupt):
        environment.prepare(folder, development=False)
    environment.prepare(folder, development=False)
    assert attempts == [*environment.RUNTIME] * 2


def test_a_folder_that_is_no_environment_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(environment.SetupTrouble, match="is no virtual environment"):
        environment.prepare(tmp_path, development=False)
    assert (tmp_path / "thesis.txt").read_text() == "precious"


def test_the_script_runs_again_inside_an_environment_whose_path_has_spaces(tmp_path):
    folder = tmp_path / "my environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    python = environment.environment_python(folder)
    version = environment.version_of([str(python)])
    for name in environment.RUNTIME:
        environment.stamp(folder, name).write_text(environment.fingerprint(name, version))
    script = tmp_path / "a script.py"
    script.write_text(
        f"import sys; sys.path.insert(0, {str(SCRIPTS)!r})\n"
        "from environment import ensure_environment; ensure_environment()\n"
        "print(sys.prefix, *sys.argv[1:], sep='|')\n"
    )
    command = [sys.executable, str(script), "two words", "it's", '"quoted"']
    variables = dict(os.environ, FEWLABEL_VENV=str(folder))
    result = subprocess.run(command, env=variables, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "|".join([str(folder), *command[2:]])


def test_no_network_gives_one_sentence_that_names_the_log(repository, monkeypatch):
    monkeypatch.setattr(environment, "environment_python", lambda folder: Path(sys.executable))
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    for name in ("PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS"):
        monkeypatch.delenv(name, raising=False)
    (repository / "requirements-dev.txt").write_text("fewlabel-absent-package==1.0\n")
    with pytest.raises(environment.SetupTrouble, match="package index cannot be reached") as trouble:
        environment.install(repository, "requirements-dev.txt", [])
    assert str(repository / "install.log") in str(trouble.value)
    assert "fewlabel-absent-package" in (repository / "install.log").read_text()


def test_packages_that_do_not_work_together_are_reported(repository, monkeypatch):
    monkeypatch.setattr(environment, "environment_python", lambda folder: Path(sys.executable))
    monkeypatch.setattr(environment, "IMPORTED", ("absent_package",))
    with pytest.raises(environment.SetupTrouble, match="No module named 'absent_package'"):
        environment.check_imports(repository)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("ERROR: Could not install packages: [Errno 28] No space left on device", "the disk is full"),
        ("ERROR: No matching distribution found for torch==2.13.0", "No matching distribution found"),
    ],
)
def test_a_failed_install_says_why(tmp_path, words, sentence):
    log = tmp_path / "install.log"
    log.write_text(words)
    assert sentence in environment.reason_of_failure("requirements.txt", log)


def test_torch_is_the_cpu_build_on_linux_without_a_gpu_where_it_can_be_had(monkeypatch, capsys):
    answers = []

    def unreachable(url, timeout):
        raise urllib.error.URLError("no route")

    def reachable(url, timeout):
        answers.append(url)
        return open(os.devnull)

    monkeypatch.delenv("FEWLABEL_TORCH_INDEX", raising=False)
    monkeypatch.setattr(environment.sys, "platform", "linux")
    monkeypatch.setattr(environment.shutil, "which", lambda name: None)
    monkeypatch.setattr(environment.urllib.request, "urlopen", unreachable)
    assert environment.torch_options() == []
    assert "cannot be reached" in capsys.readouterr().out
    monkeypatch.setattr(environment.urllib.request, "urlopen", reachable)
    assert environment.torch_options() == ["--extra-index-url", environment.CPU_TORCH]
    monkeypatch.setattr(environment.shutil, "which", lambda name: "/usr/bin/nvidia-smi")
    assert environment.torch_options() == []
    assert len(answers) == 1


@pytest.mark.parametrize("name", [*environment.RUNTIME, *environment.DEVELOPMENT])
def test_every_requirement_is_pinned(name):
    lines = (environment.ROOT / name).read_text(encoding="utf-8").splitlines()
    requirements = [line for line in lines if line and not line.startswith(("#", "-c "))]
    assert requirements
    assert [line for line in requirements if "==" not in line.split("#")[0]] == []


@pytest.fixture
def launcher():
    """scripts/test.py as a module."""
    spec = importlib.util.spec_from_file_location("launcher", SCRIPTS / "test.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_test_launcher_hands_its_arguments_to_pytest(launcher):
    assert launcher.pytest_command(["-k", "two words"])[-4:] == ["-m", "pytest", "-k", "two words"]
    assert launcher.pytest_command(["--slow", "-x"])[-4:] == ["pytest", "-m", "not gpu", "-x"]


@pytest.mark.parametrize(("failing", "code"), [("ruff", 1), ("mypy", 1), ("pytest", 3), (None, 0)])
def test_a_failed_check_of_style_or_types_fails_the_test_launcher(launcher, monkeypatch, failing, code):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setattr(launcher.subprocess, "call", lambda command, cwd: 3 if failing in command else 0)
    assert launcher.main(["-k", "words"]) == code
