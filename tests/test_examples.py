"""The examples in the docstrings of methods, losses, selection and export run, and none is missing."""

from __future__ import annotations

import ast
import doctest
import importlib
import tempfile
from pathlib import Path

import pytest

import fewlabel

PACKAGE = Path(fewlabel.__file__).parent
FILES = sorted(path for each in ("methods", "losses", "selection", "export") for path in (PACKAGE / each).glob("*.py"))
SHOWN = [path for path in FILES if ">>> " in path.read_text(encoding="utf-8")]
_OF_MONAI_LABEL = {"FewLabelScoring"}  # a task that MONAI Label makes and calls


def named(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


@pytest.mark.parametrize("path", SHOWN, ids=named)
def test_examples_run(path, monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    module = importlib.import_module("fewlabel." + named(path)[:-3].replace("/", "."))
    results = doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert results.attempted > 0
    assert results.failed == 0


@pytest.mark.parametrize("path", FILES, ids=named)
def test_each_public_class_and_each_loss_shows_an_example(path):
    kinds = (ast.ClassDef, ast.FunctionDef) if path.parent.name == "losses" else (ast.ClassDef,)
    missing = []
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if not isinstance(node, kinds) or node.name.startswith("_") or node.name in _OF_MONAI_LABEL:
            continue
        if path.parent.name == "methods" and node.name not in {cls.__name__ for cls in _methods()}:
            continue  # parts of methods
        if "Examples:" not in (ast.get_docstring(node) or ""):
            missing.append(node.name)
    assert missing == []


def _methods() -> list[type]:
    from fewlabel.methods import METHODS

    return list(METHODS.values())
