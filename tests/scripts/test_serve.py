"""The launcher of the server, with stand-ins for the server itself."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

import serve
from serving import options, process, run

SCRIPTS = Path(serve.__file__).parent
SLEEPER = "import time; time.sleep(60)"
# A stand-in for the server: listens on the port it is given and has a child, as training has.
SERVER = (
    "import socket, subprocess, sys, time\n"
    f"child = subprocess.Popen([sys.executable, '-c', {SLEEPER!r}])\n"
    "print('child', child.pid, flush=True)\n"
    "listener = socket.create_server(('127.0.0.1', int(sys.argv[1])))\n"
    "time.sleep(60)\n"
)


@pytest.fixture
def busy_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@pytest.fixture
def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    return port


def wait_until(condition, seconds=10.0):
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.02)
    return condition()


def test_serve_refuses_a_busy_port_in_words(tmp_path, busy_port, capsys):
    with pytest.raises(SystemExit) as ending:
        serve.parse(["--studies", str(tmp_path), "--port", str(busy_port)])
    assert ending.value.code == 2
    assert f"port {busy_port} is busy" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "--studies FOLDER is needed"),
        (["--studies", "no such folder"], "no such folder is not a folder"),
        (["--studies", ".", "--port", "70000"], "--port 70000 does not exist"),
        (["--studies", ".", "--host", "203.0.113.7", "--conf", "token", "x"], "is not an address of this computer"),
        (["--studies", ".", "--host", "0.0.0.0"], "Add --conf token FILE"),
        (["--studies", ".", "--host", "::"], "Add --conf token FILE"),
        (["--studies", ".", "--host", "192.168.1.5", "--conf", "remote", "yes"], "without a login"),
    ],
)
def test_serve_refuses_what_cannot_work(arguments, sentence, capsys):
    with pytest.raises(SystemExit):
        serve.parse(arguments)
    assert sentence in capsys.readouterr().err


def test_the_server_listens_on_this_computer_only_and_tracks_nothing(tmp_path, free_port):
    studies = tmp_path / "my studies"
    studies.mkdir()
    asked = serve.parse(["--studies", str(studies), "--port", str(free_port), "--conf", "labels", "liver,left kidney"])
    command = process.server_command(asked.studies, asked.port, asked.host, asked.conf)
    assert command[command.index("--host") + 1] == "127.0.0.1"
    assert command[command.index("--studies") + 1] == str(studies.resolve())
    assert command[-3:] == ["--conf", "labels", "liver,left kidney"]
    assert process.server_environment()["MONAI_LABEL_TRACKING_ENABLED"] == "false"
    assert process.server_environment()["MONAI_LABEL_AUTO_UPDATE_SCORING"] == "false"


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "localhost", "::1"])
def test_this_computer_needs_no_login(host):
    assert options.login_problem(host, []) == ""


def test_other_computers_are_let_in_with_a_token_or_with_monai_labels_own_login(monkeypatch):
    assert options.login_problem("0.0.0.0", [["token", "file"]]) == ""
    monkeypatch.setenv("MONAI_LABEL_AUTH_ENABLE", "true")
    assert options.login_problem("0.0.0.0", []) == ""
    monkeypatch.setenv("MONAI_LABEL_AUTH_ENABLE", "false")
    assert "--conf token" in options.login_problem("0.0.0.0", [])


def test_a_server_that_dies_while_starting_is_reported_and_an_open_host_is_said(monkeypatch, tmp_path, capfd):
    monkeypatch.setattr(run.signal, "signal", lambda *arguments: None)
    monkeypatch.setattr(run, "server_command", lambda *arguments: [sys.executable, "-c", "raise SystemExit(3)"])
    asked = run.argparse.Namespace(studies=tmp_path, host="0.0.0.0", port=1, conf=[], attached=False)
    assert run.serve(asked) == 3
    output = capfd.readouterr()
    assert "lets other computers" in output.out
    assert "stopped while starting" in output.err


@pytest.mark.parametrize("sentence", ["There is no device 'gpu' on this machine.", "--conf token x: cannot be used."])
def test_the_last_line_of_a_failed_start_is_the_sentence_of_the_server(sentence, monkeypatch, tmp_path, capfd):
    code = (
        f"print('Allow Origins: *'); print('App Init...'); raise SystemExit({'FewLabel cannot start. ' + sentence!r})"
    )
    monkeypatch.setattr(run.signal, "signal", lambda *arguments: None)
    monkeypatch.setattr(run, "server_command", lambda *arguments: [sys.executable, "-c", code])
    asked = run.argparse.Namespace(studies=tmp_path, host="127.0.0.1", port=1, conf=[], attached=False)
    assert run.serve(asked) == 1
    assert capfd.readouterr().err.splitlines() == [f"FewLabel cannot start. {sentence}"]


def test_a_workspace_that_cannot_be_written_is_said_in_one_line(tmp_path, capfd, monkeypatch):
    monkeypatch.setattr(run.signal, "signal", lambda *arguments: None)
    (tmp_path / "file").touch()
    asked = run.argparse.Namespace(
        studies=tmp_path, host="127.0.0.1", port=1, conf=[("workspace", tmp_path / "file" / "x")]
    )
    assert run.serve(asked) == 2
    assert capfd.readouterr().err.startswith(f"The workspace {tmp_path / 'file' / 'x'} cannot be written (")


def test_every_option_has_a_help_of_its_own(capsys):
    with pytest.raises(SystemExit):
        serve.parse(["--help"])
    options_of_it = capsys.readouterr().out.split("options:")[1].split("\n  -")[1:]
    helps = [" ".join(each.split()[1:]) for each in options_of_it]
    assert len(helps) == 10
    assert len(set(helps)) == len(helps)
    help_of = {each.split()[0]: text for each, text in zip(options_of_it, helps, strict=True)}
    assert "rename a class" in help_of["-rename-class"]
    assert "correct labels" in help_of["-move-labels"]
    assert "restore" in help_of["-restore-model"]
    assert "rename" not in help_of["-restore-model"]


def ready_for(host, *conf, short="10 scans."):
    asked = run.argparse.Namespace(studies=Path(), host=host, port=8000, conf=conf)
    return run.ready(asked, Path("server.log"), short).strip().splitlines()


def test_the_ready_block_ends_with_what_is_in_the_folder():
    assert ready_for("127.0.0.1")[-1] == "10 scans."
    assert len(ready_for("127.0.0.1")) == 5
    assert "other computers" not in " ".join(ready_for("127.0.0.1"))


def test_the_ready_block_says_how_others_reach_the_server(monkeypatch):
    monkeypatch.setattr(run.address, "own_address", lambda host: "192.168.1.5")
    line = "From other computers: http://192.168.1.5:8000, password = what is in secret.txt, any user name."
    assert line in ready_for("0.0.0.0", ("token", "secret.txt"))
    assert line in ready_for("192.168.1.5", ("token", "secret.txt"))
    assert "From other computers: http://192.168.1.5:8000, with the login of MONAI Label." in ready_for("0.0.0.0")


def test_stopping_ends_the_server_and_its_children(free_port):
    server = process.start([sys.executable, "-c", SERVER, str(free_port)])
    assert process.wait_until_ready(server, "127.0.0.1", free_port)
    children = psutil.Process(server.pid).children()
    assert len(children) == 1
    process.stop(server)
    assert server.poll() is not None
    assert not children[0].is_running()


@pytest.mark.skipif(os.name == "nt", reason="process groups are POSIX")
def test_stopping_ends_the_children_of_a_server_that_had_crashed(free_port):
    server = process.start([sys.executable, "-c", SERVER, str(free_port)])
    assert process.wait_until_ready(server, "127.0.0.1", free_port)
    child = psutil.Process(server.pid).children()[0]
    server.kill()
    server.wait()
    process.stop(server)
    assert wait_until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)


@pytest.mark.skipif(os.name == "nt", reason="signals are POSIX")
@pytest.mark.parametrize("request_to_end", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_stops_the_server_and_its_children(tmp_path, free_port, request_to_end):
    code = (
        "import argparse, signal, sys\nfrom serving import run\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a background shell has it ignored
        f"run.server_command = lambda *_: [sys.executable, '-c', {SERVER!r}, '{free_port}']\n"
        f"options = argparse.Namespace(studies={str(tmp_path)!r}, host='127.0.0.1', port={free_port})\n"
        "options.conf, options.attached = [], False\n"
        "sys.exit(run.serve(options))\n"
    )
    variables = dict(os.environ, PYTHONPATH=str(SCRIPTS))
    command = [sys.executable, "-c", code]
    launcher = subprocess.Popen(command, env=variables, stdout=subprocess.PIPE, text=True)
    lines = []
    for line in launcher.stdout:
        lines.append(line)
        if "Ctrl-C stops" in line:
            break
    family = psutil.Process(launcher.pid).children(recursive=True)
    launcher.send_signal(request_to_end)
    assert launcher.wait(timeout=30) == 0
    launcher.stdout.close()
    assert f"FewLabel is ready at http://127.0.0.1:{free_port}\n" in lines
    assert len(family) == 2
    assert not any(each.is_running() and each.status() != psutil.STATUS_ZOMBIE for each in family)


@pytest.mark.parametrize("said", [b"", b"keep\n"])
def test_an_attached_server_ends_with_the_program_that_started_it_unless_that_says_keep(tmp_path, free_port, said):
    code = (
        "import argparse, sys\nfrom serving import run\n"
        f"run.server_command = lambda *_: [sys.executable, '-c', {SERVER!r}, '{free_port}']\n"
        f"options = argparse.Namespace(studies={str(tmp_path)!r}, host='127.0.0.1', port={free_port})\n"
        "options.conf, options.attached = [], True\n"
        "sys.exit(run.serve(options))\n"
    )
    variables = dict(os.environ, PYTHONPATH=str(SCRIPTS))
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    launcher = subprocess.Popen([sys.executable, "-c", code], env=variables, **pipes)
    while b"Ctrl-C stops" not in launcher.stdout.readline():
        assert launcher.poll() is None
    family = psutil.Process(launcher.pid).children(recursive=True)
    launcher.stdin.write(said)
    launcher.stdin.close()
    if said:
        time.sleep(1)
        assert launcher.poll() is None
        launcher.terminate()
    assert launcher.wait(timeout=30) == 0
    launcher.stdout.close()
    assert len(family) == 2
    assert not any(each.is_running() and each.status() != psutil.STATUS_ZOMBIE for each in family)


def test_models_that_were_put_aside_are_listed_and_an_absent_study_is_reported(tmp_path, capsys):
    assert serve.main(serve.parse(["--studies", str(tmp_path), "--restore-model"])) == 1
    assert "no FewLabel study" in capsys.readouterr().err
    workspace = tmp_path / "elsewhere"
    (workspace / "replaced").mkdir(parents=True)
    (workspace / "replaced" / "20260102-030405-000-v3.pt").touch()
    (workspace / "replaced" / "20260102-030406-000-v0.pt").touch()
    asked = serve.parse(["--studies", str(tmp_path), "--conf", "workspace", str(workspace), "--restore-model"])
    assert serve.main(asked) == 0
    output = capsys.readouterr().out.splitlines()
    assert [line.split(",")[0].strip() for line in output[1:]] == ["damaged", "version 3"]


@pytest.mark.parametrize(
    ("conf", "sentence"),
    [
        ([("metod", "bcp")], "--conf metod: there is no such setting. Did you mean 'method'?"),
        ([("method", "magic")], "--conf method magic: must be one of"),
        ([("seed", "1"), ("seed", "2")], "--conf seed is given twice"),
    ],
)
def test_a_setting_that_cannot_work_ends_with_a_sentence_before_anything_starts(
    conf, sentence, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(run, "start", lambda command: pytest.fail("a server was started"))
    given = [word for pair in conf for word in ("--conf", *pair)]
    assert serve.main(serve.parse(["--studies", str(tmp_path), "--port", "18999", *given])) == 2
    assert sentence in capsys.readouterr().err


def test_settings_of_other_apps_are_ignored_with_a_sentence(capsys):
    assert run.conf_problem([("models", "deepedit")]) == ""
    assert "--conf models is a setting of MONAI Label's own apps" in capsys.readouterr().out
