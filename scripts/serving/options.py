"""The command line of the server, with the checks that are possible before anything is installed."""

import argparse
import errno
import ipaddress
import os
import socket
from pathlib import Path


def parse(arguments: "list[str]", about: "str") -> "argparse.Namespace":
    """Parse the command line; exits with a message for options that cannot work.

    Args:
        about: text above the options in `--help`.
    """
    layout = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=about, formatter_class=layout)
    parser.add_argument("--studies", type=Path, help="folder of the images (.nii.gz, .nii, .nrrd, .mha, .mhd, .nhdr)")
    parser.add_argument("--port", type=int, default=8000, help="port of the server (default 8000)")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default 127.0.0.1)")
    pair = {"nargs": 2, "metavar": ("KEY", "VALUE"), "action": "append", "default": []}
    parser.add_argument("--conf", help="a setting; may be repeated", **pair)
    what = "stop when the standard input is closed, as with the program that started this; a line 'keep' undoes this"
    parser.add_argument("--attached", action="store_true", help=what)
    parser.add_argument("--settings", action="store_true", help="list all settings for --conf and stop")
    what = "list the models that were put aside, or restore the one with this VERSION, and stop"
    parser.add_argument("--restore-model", nargs="?", type=int, const=0, metavar="VERSION", help=what)
    what = "rename a class in labels and models, and stop"
    parser.add_argument("--rename-class", nargs=2, metavar=("OLD", "NEW"), help=what)
    what = "correct labels that do not lie on their scans, or only list them, and stop"
    parser.add_argument("--move-labels", nargs="?", choices=("now", "list"), const="now", help=what)
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
    """A sentence if other computers could reach a server without a login, "" if not."""
    own = os.environ.get("MONAI_LABEL_AUTH_ENABLE", "").lower() in ("true", "1", "yes", "on", "t", "y")
    if is_loopback(host) or own or any(key == "token" for key, _ in conf):
        return ""
    return (
        f"--host {host} lets other computers reach the server without a login. Add --conf token FILE "
        "(docs/security.md says how to make one), or leave --host out."
    )


def port_problem(host: "str", port: "int") -> "str":
    """A sentence if a server cannot listen there, "" if it can."""
    if not 0 < port < 65536:
        return f"--port {port} does not exist; choose a number from 1024 to 65535."
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as listener:
            if os.name != "nt":  # so that the port of a server that has just stopped counts as free
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return f"port {port} is busy: another program listens there; stop it or choose another with --port."
        if isinstance(error, PermissionError):
            return f"port {port} may not be opened by this user; choose one from 1024 on with --port."
        return f"--host {host} is not an address of this computer ({error.strerror}); the default is 127.0.0.1."
    return ""
