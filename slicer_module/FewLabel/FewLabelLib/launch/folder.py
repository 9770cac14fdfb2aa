"""FewLabel's own folder: where its scripts are."""

from __future__ import annotations

from pathlib import Path

ENVIRONMENT, SERVE = "scripts/environment.py", "scripts/serve.py"


def is_fewlabel(folder: Path) -> bool:
    """Whether this is a copy of FewLabel."""
    return (folder / ENVIRONMENT).is_file() and (folder / SERVE).is_file()


def around(file: Path) -> Path:
    """The copy of FewLabel that a file of the panel lies in; the file's own folder where there is none."""
    return next((each for each in file.resolve().parents if is_fewlabel(each)), file.parent)
