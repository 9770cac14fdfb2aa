"""The environment of the tests on real parts of 3D Slicer: .venv-slicer beside .venv, for numpy 2 and VTK.

Environment variable: FEWLABEL_SLICER_VENV (its folder).
"""

import os
from pathlib import Path

import environment

REQUIREMENTS = "requirements-slicer.txt"
TESTS = ("tests/slicer/layer1", "tests/slicer/layer2")


def slicer_environment() -> "Path":
    """The interpreter of the complete environment; about 1.6 GB are installed the first time.

    Raises:
        environment.SetupTrouble: it cannot be had.
        OSError: it cannot be written.
    """
    folder = Path(os.environ.get("FEWLABEL_SLICER_VENV") or environment.ROOT / ".venv-slicer").expanduser().absolute()
    python = environment.environment_python(folder)
    if environment.version_of([str(python)]) not in environment.SUITABLE:
        environment.create(folder)
    version = environment.version_of([str(python)])
    if not environment.is_installed(folder, REQUIREMENTS, version):
        environment.ensure_pip(python)
        (folder / "install.log").write_text("")
        environment.install(folder, REQUIREMENTS, [])
        environment.stamp(folder, REQUIREMENTS).write_text(environment.fingerprint(REQUIREMENTS, version))
    return python


def slicer_command(arguments: "list[str]") -> "list[str] | None":
    """Command line of pytest in this environment; None, and a sentence, where slicer-core cannot be had."""
    try:
        python = slicer_environment()
    except (environment.SetupTrouble, OSError) as trouble:
        print(f"The tests on parts of 3D Slicer are skipped: {trouble}", flush=True)
        return None
    # The fixtures above these folders need the server's packages.
    return [str(python), "-m", "pytest", "--confcutdir", TESTS[0], *TESTS, *arguments]
