"""Runs the server, after the environment was set up."""

import argparse
import signal
import sys
from pathlib import Path

from serving import address
from serving.options import is_loopback
from serving.process import Attached, interrupt, server_command, start, stop, wait_until_ready
from serving.screen import Screen, log_file


def serve(options: "argparse.Namespace") -> "int":
    """Run the server until it ends or is stopped; returns the exit code."""
    if not is_loopback(options.host):
        print(
            f"Note: --host {options.host} lets other computers log in. Scans and logins are not encrypted: "
            "use it on a trusted network only.",
            flush=True,
        )
    for name in ("SIGTERM", "SIGHUP", "SIGBREAK"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), interrupt)
    print(f"FewLabel is starting for {options.studies} ...", flush=True)
    try:
        log = log_file(workspace_of(options))
    except OSError as error:
        where = workspace_of(options)
        reason = (
            f"The workspace {where} cannot be written ({error.strerror}). Choose another with --conf workspace FOLDER."
        )
        print(reason, file=sys.stderr)
        return 2
    screen = Screen(log)
    server = start(server_command(options.studies, options.port, options.host, options.conf), log)
    screen.start()
    attached = Attached(server) if options.attached else None
    try:
        if not wait_until_ready(server, options.host, options.port):
            screen.stop()
            if attached is not None and attached.ended:
                return 0
            say_failure(screen)
            return server.returncode or 1
        print(ready(options, log, screen.wait_for_short()), flush=True)
        code = server.wait()
        screen.stop()
        if attached is not None and attached.ended:
            return 0
        if code:
            print(f"{screen.last()}\nThe server has ended by itself (code {code}): {log}", file=sys.stderr)
        return code
    except KeyboardInterrupt:
        print("\nStopping the server and any training ...", flush=True)
        return 0
    finally:
        stop(server)


def say_failure(screen: "Screen") -> "None":
    """Print why the server did not start, in one sentence where it gave one."""
    if not screen.failure:
        print(screen.last(), file=sys.stderr)
    reason = (
        screen.failure or f"The server stopped while starting; the reason is in the lines above, from {screen.log}."
    )
    print(reason, file=sys.stderr)


def ready(options: "argparse.Namespace", log: "Path", short: "str") -> "str":
    """Text for the person who has started the server; the last line is about the folder."""
    here = address.local(options.host, options.port)
    lines = [
        f"\nFewLabel is ready at {here}",
        f"In 3D Slicer: open the module FewLabel (or MONAI Label), enter {here} as server, press connect.",
    ]
    if not is_loopback(options.host):
        token = dict(options.conf).get("token")
        login = f"password = what is in {token}, any user name" if token else "with the login of MONAI Label"
        lines.append(f"From other computers: {address.for_others(options.host, options.port)}, {login}.")
    lines += [f"All that the server logs: {log}", "Ctrl-C stops the server and any training."]
    return "\n".join([*lines, *([short] if short else []), ""])


def conf_problem(conf: "list") -> "str":
    """A sentence about settings that cannot work, "" if they can; prints keys that are ignored."""
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


def main(options: "argparse.Namespace") -> "int":
    """Exit code: 2 with a message for settings that cannot work, before anything starts."""
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


def workspace_of(options: "argparse.Namespace") -> "Path":
    """Folder of the study's state."""
    return Path(dict(options.conf).get("workspace", Path(options.studies) / ".fewlabel"))


def show_settings() -> "int":
    """Print every setting that --conf takes, with default and help."""
    from fewlabel.settings import table

    print(table())
    return 0
