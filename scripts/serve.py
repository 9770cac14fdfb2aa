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
import sys

from environment import ensure_environment
from serving import options as command_line


def parse(arguments: "list[str]") -> "argparse.Namespace":
    """Arguments of the command line; refuses in words what cannot work."""
    return command_line.parse(arguments, __doc__)


def main(options: "argparse.Namespace") -> "int":
    """Exit code: 2 with one sentence for settings that cannot work, before anything starts."""
    from serving.run import main

    return main(options)


if __name__ == "__main__":
    chosen = parse(sys.argv[1:])
    ensure_environment()
    sys.exit(main(chosen))
