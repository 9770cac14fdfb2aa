"""Finds a Python on which FewLabel runs; each is checked by running it."""

from __future__ import annotations

import glob
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Callable, Dict, Iterator, List, Mapping, Optional

from ..errors import NotStarted
from . import texts
from .variables import is_slicers

SUITABLE = ("3.12", "3.11", "3.10")
PATIENCE = 30.0  # seconds for a Python to say what it is
# version; whether it can make environments (Debian leaves ensurepip out); its real file
ASKED = (
    "import sys, importlib.util as u; print('{}.{}'.format(*sys.version_info), sys.maxsize > 2**32, "
    "all(u.find_spec(n) for n in ('venv', 'ensurepip', 'ssl')), sys.executable, sep='|')"
)
Run = Callable[[List[str], Mapping[str, str]], str]


def find(root: Path, variables: Dict[str, str], slicer: Mapping[str, str], run: Optional[Run] = None) -> List[str]:
    """The command of a Python 3.10, 3.11 or 3.12 that is not Slicer's.

    Args:
        root: FewLabel's folder; the Python of its environment is taken if there is one.
        variables: for the processes, see ``variables.clean``.
        slicer: the variables of this process, which know where Slicer is.
        run: runs a command and gives its output, "" if that fails; for tests.

    Raises:
        NotStarted: there is none; the sentence says what to install.
    """
    seen: List[str] = []
    without_venv = ""
    for command in candidates(root, variables):
        version, wide, makes, file = (*(run or ask)(command, variables).strip().split("|"), "", "", "", "")[:4]
        if not re.fullmatch(r"\d+\.\d+", version) or is_slicers(file, slicer):  # e.g. Windows' link to its shop
            continue
        if version not in SUITABLE or wide != "True":
            seen += [version] if version not in seen else []
        elif makes != "True":
            without_venv = without_venv or version
        else:
            return command
    raise NotStarted(texts.no_python(seen, without_venv))


def ask(command: List[str], variables: Mapping[str, str]) -> str:
    """What a Python says to ``ASKED``; "" if it does not run."""
    hidden = {"creationflags": subprocess.CREATE_NO_WINDOW} if os.name == "nt" else {}  # type: ignore[attr-defined]
    try:
        done = subprocess.run(
            [*command, "-c", ASKED],
            env=dict(variables),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=PATIENCE,
            **hidden,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.decode("utf-8", "replace") if done.returncode == 0 else ""


def candidates(root: Path, variables: Mapping[str, str]) -> Iterator[List[str]]:
    """Commands that may be a suitable Python, the best first, each once."""
    done = set()
    for command in _all(root, variables):
        if tuple(command) not in done:
            done.add(tuple(command))
            yield command


def _all(root: Path, variables: Mapping[str, str]) -> Iterator[List[str]]:
    own = Path(variables.get("FEWLABEL_VENV") or root / ".venv").expanduser()
    own = own / "Scripts" / "python.exe" if os.name == "nt" else own / "bin" / "python"
    if own.exists():
        yield [str(own)]
    path = variables.get("PATH", "")
    names = [f"python{version}" for version in SUITABLE] + ["python3", "python"]
    launcher = shutil.which("py", path=path) if os.name == "nt" else None
    for version in SUITABLE if launcher else ():
        yield [str(launcher), f"-{version}"]
    for name in names:
        found = shutil.which(name, path=path)
        if found:
            yield [found]
    for pattern in well_known(variables):
        for file in sorted(glob.glob(os.path.expanduser(pattern)), reverse=True):
            yield [file]


def well_known(variables: Mapping[str, str]) -> Iterator[str]:
    """Patterns of files where Pythons are installed that may not be on the PATH."""
    for version in SUITABLE:
        short = version.replace(".", "")
        if os.name == "nt":
            local, programs = variables.get("LOCALAPPDATA", ""), variables.get("PROGRAMFILES", "")
            yield from (rf"{each}\Python{short}\python.exe" for each in (rf"{local}\Programs\Python", programs, "C:"))
        else:
            for folder in ("/usr/local/bin", "/opt/homebrew/bin", "/opt/local/bin", "/usr/bin", "~/.local/bin"):
                yield f"{folder}/python{version}"
            yield f"/Library/Frameworks/Python.framework/Versions/{version}/bin/python{version}"
            yield f"~/.pyenv/versions/{version}*/bin/python"
            yield f"~/.local/share/uv/python/cpython-{version}*/bin/python{version}"
    for name in ("miniforge3", "mambaforge", "miniconda3", "anaconda3"):
        yield rf"~\{name}\python.exe" if os.name == "nt" else f"~/{name}/bin/python"
