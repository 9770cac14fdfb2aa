"""Export the published model of a study, and check that the export gives the same label maps.

Usage:
    python3 scripts/export.py --studies FOLDER --output BUNDLE
    python3 scripts/export.py --studies FOLDER --output BUNDLE --check IMAGE
    python3 scripts/export.py --formats
"""

import argparse
import sys
from pathlib import Path

from environment import ensure_environment


def parse(arguments: "list[str]") -> "argparse.Namespace":
    """Arguments of the command line."""
    layout = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=layout)
    parser.add_argument("--studies", type=Path, help="folder of the images")
    parser.add_argument("--workspace", type=Path, help="the study's state; default STUDIES/.fewlabel")
    parser.add_argument("--output", type=Path, help="folder of the export, to be created")
    parser.add_argument("--format", help="format of the export; default: a MONAI bundle")
    parser.add_argument("--formats", action="store_true", help="list all formats and stop")
    parser.add_argument("--check", type=Path, metavar="IMAGE", help="compare the export and FewLabel on this image")
    options = parser.parse_args(arguments)
    if not options.formats and not (options.studies and options.output):
        parser.error("--studies and --output are needed")
    return options


def main(arguments: "list[str]") -> "int":
    """Export; exit code 1 with a message if that fails or the check fails."""
    options = parse(arguments)
    ensure_environment()
    from experiments.exporting import export

    return export(options)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
