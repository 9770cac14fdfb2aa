"""Export a study: its model, or its scans and labels. What is written is compared with the study before it is kept.

Usage:
    python3 scripts/export.py --studies FOLDER --output BUNDLE
    python3 scripts/export.py --studies FOLDER --output EXPORTS --formats bundle nnunet
    python3 scripts/export.py --formats
"""

import sys

from environment import ensure_environment
from experiments.export_options import parse


def main(arguments: "list[str]") -> "int":
    """Export; exit code 1 if something cannot be exported or disagrees with the study, with the reason."""
    options = parse(arguments, __doc__)
    ensure_environment()
    from experiments.exporting import export

    return export(options)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
