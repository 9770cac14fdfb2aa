"""Start the FewLabel server on this computer, with safe settings.

Usage:
    python3 scripts/serve.py --studies FOLDER
    python3 scripts/serve.py --studies FOLDER --conf labels "liver,spleen" --conf method supervised
    python3 scripts/serve.py --settings
    python3 scripts/serve.py --studies FOLDER --restore-model
    python3 scripts/serve.py --studies FOLDER --restore-model VERSION
    python3 scripts/serve.py --studies FOLDER --rename-class OLD NEW
    python3 scripts/serve.py --studies FOLDER --move-labels list
    python3 scripts/serve.py --studies FOLDER --move-labels

Other computers are let in only with a login: --host 0.0.0.0 --conf token FILE (docs/security.md).
Binds to 127.0.0.1 (MONAI Label's own default is every network interface), with experiment tracking and
automatic scoring of MONAI Label switched off. Ctrl-C stops the server and any training that it started.
--restore-model lists the models that a request replaced or deleted; with a version it publishes that one again, also
while the server runs.
--rename-class gives a class another name in its labels, lists and models, and says what it changes. The server must be
stopped, as for the next one.
--move-labels puts labels right that an earlier version laid beside their scans (two forms of a NIfTI file that differ),
with "list" it only lists them.
"""

import argparse
import errno
import ipaddress
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from environment import ROOT, ensure_environment

APP = ROOT / "apps" / "fewlabel"
SAFE = {"MONAI_LABEL_TRACKING_ENABLED": "false", "MONAI_LABEL_AUTO_UPDATE_SCORING": "false"}


def parse(arguments: "list[str]") -> "argparse.Namespace":
    """Arguments of the command line; refuses in words what cannot work."""
    layout = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=layout)
    parser.add_argument("--studies", type=Path, help="folder of the images (.nii, .nii.gz, .nrrd)")
    parser.add_argument("--port", type=int, default=8000, help="port of the server (default 8000)")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default 127.0.0.1)")
    pair = {"nargs": 2, "metavar": ("KEY", "VALUE"), "action": "append", "default": []}
    parser.add_argument("--conf", help="a setting; may be repeated", **pair)
    parser.add_argument("--settings", action="store_true", help="list all settings for --conf and stop")
    about = "list the models that were put aside, or put the one of this VERSION back, and stop"
    parser.add_argument("--restore-model", nargs="?", type=int, const=0, metavar="VERSION", help=about)
    about = "give a class another name, in labels and models, and stop"
    parser.add_argument("--rename-class", nargs=2, metavar=("OLD", "NEW"), help=about)
    about = "put labels right that lie beside their scans, or only list them, and stop"
    parser.add_argument("--move-labels", nargs="?", choices=("now", "list"), const="now", help=about)
    options = parser.parse_args(arguments)
    if options.settings:
        return options
    if options.studies is None:
        parser.error("--studies FOLDER is needed: the folder that holds the images.")
    if not options.studies.is_dir():
        parser.error(f"--studies: {options.studies} is not a folder; give the folder that holds the images.")
    if options.restore_model is not None or options.move_labels or options.rename_class:
        return options
    problem = login_problem(options.host, options.conf) or port_problem(options.host, options.port)
    if problem:
        parser.error(problem)
    return options


def is_loopback(host: "str") -> "bool":
    """Whether only this computer can reach a server that listens there."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def login_problem(host: "str", conf: "list") -> "str":
    """One sentence if other computers could reach a server that asks nobody for a login, "" if not."""
    own = os.environ.get("MONAI_LABEL_AUTH_ENABLE", "").lower() in ("true", "1", "yes", "on", "t", "y")
    if is_loopback(host) or own or any(key == "token" for key, _ in conf):
        return ""
    return (
        f"--host {host} lets other computers in, and nobody would be asked for a login. Add --conf token FILE "
        "(docs/security.md says how to make one), or leave --host away."
    )


def port_problem(host: "str", port: "int") -> "str":
    """One sentence if a server cannot listen there, "" if it can."""
    if not 0 < port < 65536:
        return f"--port {port} does not exist; choose a number from 1024 to 65535."
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as listener:
            if os.name != "nt":  # so that a port just left by a stopped server counts as free
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return f"port {port} is busy: another program listens there; stop it or choose another with --port."
        if isinstance(error, PermissionError):
            return f"port {port} may not be opened by this user; choose one from 1024 on with --port."
        return f"--host {host} is not an address of this computer ({error.strerror}); the default is 127.0.0.1."
    return ""


def server_command(studies: "Path", port: "int", host: "str" = "127.0.0.1", conf: "list" = ()) -> "list[str]":
    """Command line of MONAI Label's server for our app, with the running interpreter.

    Args:
        studies: existing folder of images.
        conf: pairs (key, value) of settings.
    """
    command = [sys.executable, "-m", "monailabel.main", "start_server", "--app", str(APP)]
    command += ["--studies", str(Path(studies).resolve()), "--host", host, "--port", str(port)]
    for key, value in conf:
        command += ["--conf", key, value]
    return command


def server_environment() -> "dict[str, str]":
    """The environment variables of this process, with the safe settings on top."""
    return dict(os.environ, **SAFE)


def start(command: "list[str]") -> "subprocess.Popen":
    """Start a server in its own process group, so that Ctrl-C reaches this launcher first."""
    if os.name == "nt":
        group = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
    else:
        group = {"start_new_session": True}
    return subprocess.Popen(command, env=server_environment(), **group)


def stop(server: "subprocess.Popen", patience: "float" = 10.0) -> "None":
    """Stop a server and its training children: ask first, end by force after `patience` seconds.

    MONAI Label leaves its training child running when the server stops.
    """
    import psutil

    try:
        leader = psutil.Process(server.pid)
        family = [*leader.children(recursive=True), leader]
    except psutil.NoSuchProcess:
        family = []
    for process in family:
        with suppress(psutil.NoSuchProcess):
            process.terminate()
    for process in psutil.wait_procs(family, timeout=patience)[1]:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    if os.name != "nt":  # children of a server that had ended by itself
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(server.pid, signal.SIGKILL)
    server.wait()


def wait_until_ready(server: "subprocess.Popen", host: "str", port: "int") -> "bool":
    """True as soon as the server accepts connections, False if it ends before."""
    target = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    while server.poll() is None:
        try:
            socket.create_connection((target, port), timeout=1).close()
            return True
        except OSError:
            time.sleep(0.2)
    return False


def interrupt(signum: "int", frame: "object") -> "None":
    """Treat a request to end, or a closed terminal, like Ctrl-C."""
    raise KeyboardInterrupt


def serve(options: "argparse.Namespace") -> "int":
    """Run the server until it ends or is stopped; returns the exit code."""
    if not is_loopback(options.host):
        print(
            f"Note: --host {options.host} lets other computers log in. Scans and logins are not encrypted on "
            "their way: use it on a trusted network only.",
            flush=True,
        )
    for name in ("SIGTERM", "SIGHUP", "SIGBREAK"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), interrupt)
    print(f"FewLabel is starting for {options.studies} ...", flush=True)
    server = start(server_command(options.studies, options.port, options.host, options.conf))
    try:
        if not wait_until_ready(server, options.host, options.port):
            print("The server stopped while starting; the reason is in the lines above.", file=sys.stderr)
            return server.returncode or 1
        name = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "::1": "[::1]"}.get(options.host, options.host)
        address = f"http://{name}:{options.port}"
        print(f"\nFewLabel is ready at {address}")
        print(f"In 3D Slicer: open the module FewLabel (or MONAI Label), enter {address} as server, press connect.")
        print("Ctrl-C stops the server and any training.\n", flush=True)
        return server.wait()
    except KeyboardInterrupt:
        print("\nStopping the server and any training ...", flush=True)
        return 0
    finally:
        stop(server)


def conf_problem(conf: "list") -> "str":
    """One sentence about settings that cannot work, "" if they can; keys that mean nothing here are told of."""
    from fewlabel.settings import Settings, ignored

    keys = [key for key, _ in conf]
    twice = sorted({key for key in keys if keys.count(key) > 1})
    if twice:
        return f"--conf {twice[0]} is given twice; give it once."
    try:
        Settings.from_conf(dict(conf))
    except ValueError as error:
        return str(error)
    for sentence in ignored(dict(conf)):
        print(sentence, flush=True)
    return ""


def workspace_of(options: "argparse.Namespace") -> "Path":
    """Folder of the study's state."""
    return Path(dict(options.conf).get("workspace", options.studies / ".fewlabel"))


def main(options: "argparse.Namespace") -> "int":
    """Exit code: 2 with one sentence for settings that cannot work, before anything starts."""
    if options.settings:
        return show_settings()
    if options.restore_model is not None:
        from fewlabel.commands import restore_model

        return restore_model(workspace_of(options), options.restore_model)
    if options.rename_class:
        from fewlabel.commands import rename_class

        return rename_class(options.studies.resolve(), workspace_of(options), *options.rename_class)
    if options.move_labels:
        from fewlabel.commands import move_labels

        return move_labels(options.studies.resolve(), workspace_of(options), options.move_labels == "list")
    problem = conf_problem(options.conf)
    if problem:
        print(f"{problem}\nAll settings: python3 scripts/serve.py --settings", file=sys.stderr)
        return 2
    return serve(options)


def show_settings() -> "int":
    """Print every setting that --conf takes, with default and help."""
    from fewlabel.settings import table

    print(table())
    return 0


if __name__ == "__main__":
    chosen = parse(sys.argv[1:])
    ensure_environment()
    sys.exit(main(chosen))
