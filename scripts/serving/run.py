"""Runs the server, after the environment was set up."""

import argparse
import signal
import sys
from pathlib import Path

from serving.options import is_loopback
from serving.process import interrupt, server_command, start, stop, wait_until_ready


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
    return Path(dict(options.conf).get("workspace", options.studies / ".fewlabel"))


def show_settings() -> "int":
    """Print every setting that --conf takes, with default and help."""
    from fewlabel.settings import table

    print(table())
    return 0
