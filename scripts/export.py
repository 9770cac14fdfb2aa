"""Export the published model of a study as a MONAI bundle, and check that it gives the same label maps.

Usage:
    python3 scripts/export.py --studies FOLDER --output BUNDLE
    python3 scripts/export.py --studies FOLDER --output BUNDLE --check IMAGE
"""

import argparse
import sys
from pathlib import Path

from environment import ensure_environment


def parse(arguments: "list[str]") -> "argparse.Namespace":
    """Arguments of the command line."""
    layout = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=layout)
    parser.add_argument("--studies", type=Path, required=True, help="folder of the images")
    parser.add_argument("--workspace", type=Path, help="the study's state; default STUDIES/.fewlabel")
    parser.add_argument("--output", type=Path, required=True, help="folder of the bundle, to be created")
    parser.add_argument("--check", type=Path, metavar="IMAGE", help="compare bundle and FewLabel on this image")
    return parser.parse_args(arguments)


def main(arguments: "list[str]") -> "int":
    """Export; exit code 1 if it cannot be done or the check fails, with one sentence."""
    options = parse(arguments)
    ensure_environment()
    from fewlabel.errors import Refusal
    from fewlabel.export.bundle import export_bundle
    from fewlabel.export.check import differing_voxels
    from fewlabel.workspace import Workspace

    folder = options.workspace or options.studies / ".fewlabel"
    if not folder.is_dir():
        print(f"{folder} does not exist: there is no FewLabel study in {options.studies}.", file=sys.stderr)
        return 1
    try:
        workspace = Workspace(folder)
        bundle = export_bundle(workspace, options.output)
        print(f"The model is exported to {bundle}; {bundle / 'docs' / 'README.md'} says how to run it.")
        if options.check is None:
            return 0
        different, voxels = differing_voxels(workspace, bundle, options.check)
    except Refusal as refusal:
        print(refusal, file=sys.stderr)
        return 1
    print(f"Checked on {options.check.name}: {different} of {voxels} voxels differ between bundle and FewLabel.")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
