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

Other computers are allowed only with a login: --host 0.0.0.0 --conf token FILE (docs/security.md).
Binds to 127.0.0.1 (MONAI Label's own default is every network interface), with experiment tracking and
automatic scoring of MONAI Label switched off. Ctrl-C stops the server and any training that it started.
--restore-model lists the models that a request replaced or deleted; with a version it publishes that one again, also
while the server runs.
--rename-class renames a class in labels, lists and models, and prints each change. The server must be stopped, as for
--move-labels.
--move-labels corrects labels that an earlier version stored off their scans (NIfTI files whose two forms differ); with
"list" it only lists them.
"""

import argparse
import sys

from environment import ensure_environment
from serving import options as command_line


def parse(arguments: "list[str]") -> "argparse.Namespace":
    """Parse the command line; exits with a message for options that cannot work."""
    return command_line.parse(arguments, __doc__)


def main(options: "argparse.Namespace") -> "int":
    """Exit code: 2 with a message for settings that cannot work, before anything starts."""
    from serving.run import main

    return main(options)


if __name__ == "__main__":
    chosen = parse(sys.argv[1:])
    ensure_environment()
    sys.exit(main(chosen))
