"""The demo as a whole: its arguments, and that it leaves no server behind."""

import ast
import subprocess
import sys

import pytest

import environment
from serving import process
from experiments.demo import options as options_module
from experiments.demo import play
from experiments.harness.errors import ExperimentError
from experiments.harness.study import Study

SCRIPTS = environment.ROOT / "scripts"


def test_labels_per_round_continue_with_the_last_number():
    assert options_module.labels_per_round(None, None) == [2, 2, 2, 2]
    assert options_module.labels_per_round(None, [2, 2, 4]) == [2, 2, 4]
    assert options_module.labels_per_round(5, [1, 3]) == [1, 3, 3, 3, 3]
    assert options_module.labels_per_round(2, [2, 2, 4]) == [2, 2]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--studies", "."], "--studies and --truth go together"),
        (["--studies", "absent", "--truth", "."], "absent is not a folder"),
        (["--rounds", "0"], "--rounds 0 is too small"),
        (["--minutes", "-1"], "--minutes -1.0 is too small"),
        (["--labels-per-round", "2", "0"], "at least one label"),
        (["--seed", "-3"], "--seed -3 is below 0"),
        (["--conf", "workspace", "elsewhere"], "everything stays in --output"),
    ],
)
def test_wrong_arguments_get_a_sentence(arguments, sentence, capsys):
    with pytest.raises(SystemExit):
        options_module.parse(arguments)
    assert sentence in capsys.readouterr().err


def test_the_server_trains_by_itself_unless_something_else_is_chosen():
    plain, chosen = (
        options_module.parse(arguments) for arguments in ([], ["--method", "cps", "--conf", "training", "on_request"])
    )
    assert play.goes_on(plain)
    assert not play.goes_on(chosen)
    assert dict(play.server_conf(chosen))["method"] == "cps"


@pytest.mark.parametrize(
    ("ending", "code", "words"),
    [
        (KeyboardInterrupt(), 130, "Stopped."),
        (ExperimentError("The server refused to train: it is tired."), 1, "it is tired"),
    ],
)
def test_the_server_is_stopped_however_the_demo_ends(ending, code, words, tmp_path, monkeypatch, capsys):
    servers = []

    def launch(studies, port, conf, log):
        log.write_text("a line of the log")
        servers.append(subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True))
        return servers[0]

    def end(*_):
        raise ending

    monkeypatch.setattr(play, "make_study", lambda options: Study(tmp_path, {}, {}))
    monkeypatch.setattr(play, "launch", launch)
    monkeypatch.setattr(process, "wait_until_ready", end)
    assert play.main(options_module.parse(["--output", str(tmp_path)])) == code
    assert servers[0].poll() is not None
    printed = capsys.readouterr().err
    assert words in printed
    assert ("a line of the log" in printed) == (code == 1)


@pytest.mark.parametrize("name", ["demo.py", "experiments/demo/options.py"])
def test_an_old_python_can_parse_the_entry(name):
    """So that it gets a sentence about its version and not a SyntaxError."""
    ast.parse((SCRIPTS / name).read_text(encoding="utf-8"), feature_version=(3, 6))


def test_help_needs_nothing_installed():
    command = [sys.executable, "-S", str(SCRIPTS / "demo.py"), "--help"]  # -S: no site-packages
    bare = subprocess.run(command, capture_output=True, text=True, check=False)
    assert bare.returncode == 0, bare.stderr
    assert "--truth" in bare.stdout
