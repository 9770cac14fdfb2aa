"""Check style and types and run the tests.

Usage:
    python3 scripts/test.py                    all but the slow tests and those that need a GPU
    python3 scripts/test.py --slow             the slow tests too
    python3 scripts/test.py -k volumes         any other arguments go to pytest
    python3 scripts/test.py --slicer -k table  only the tests on real parts of 3D Slicer, which have an environment of
                                               their own; without other arguments they are run after all others
"""

import os
import subprocess
import sys

from environment import ROOT, ensure_environment
from slicer_environment import slicer_command

SPREAD = ["-n", "auto", "--dist", "loadfile"]
"""One test file after the other on each core: what a file sets up is shared by its tests."""
CHECKS = (["ruff", "check", "."], ["ruff", "format", "--check", "."], ["mypy"])  # of which files: pyproject.toml


def pytest_command(arguments: "list[str]") -> "list[str]":
    """Command line of pytest; a later -m replaces the default selection in pyproject.toml."""
    slow = ["-m", "not gpu"] if "--slow" in arguments else []
    others = [each for each in arguments if each != "--slow"]
    return [sys.executable, "-m", "pytest", *slow, *(others or SPREAD)]


def run_slicer_tests(arguments: "list[str]") -> "int":
    """Run the tests on parts of 3D Slicer; exit code of pytest, 0 where they cannot be run."""
    command = slicer_command(arguments or SPREAD)
    return 0 if command is None else subprocess.call(command, cwd=str(ROOT))


def main(arguments: "list[str]") -> "int":
    """Exit code: pytest's own; 1 if only a check of style or types failed."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # many small tensors: threads would make it slower
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # else each server that a test starts would compile the app
    sloppy = False
    for check in CHECKS:
        print("$ " + " ".join(check), flush=True)
        sloppy |= subprocess.call([sys.executable, "-m", *check], cwd=str(ROOT)) != 0
    if "--slicer" in arguments:
        code = run_slicer_tests([each for each in arguments if each != "--slicer"])
    else:
        code = subprocess.call(pytest_command(arguments), cwd=str(ROOT))
        if not set(arguments) - {"--slow"}:
            code = run_slicer_tests([]) or code
    if sloppy:
        print("Style or types failed, see above; ruff format and ruff check --fix correct most of it.", flush=True)
    return code or int(sloppy)


if __name__ == "__main__":
    if {"-h", "--help"} & set(sys.argv[1:]):
        print(__doc__)
        sys.exit(0)
    ensure_environment(development=True)
    sys.exit(main(sys.argv[1:]))
