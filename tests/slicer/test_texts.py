"""Sentences that a user can meet are short, wherever in the panel they are."""

import ast
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

MODULE = Path(__file__).resolve().parents[2] / "slicer_module" / "FewLabel"
SOURCES = sorted((MODULE / "FewLabelLib").rglob("*.py"))
MOST = 25  # words


def documentation(tree):
    """Nodes that are documentation strings."""
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef)
    firsts = [node.body[0] for node in ast.walk(tree) if isinstance(node, kinds) and node.body]
    return {id(first.value) for first in firsts if isinstance(first, ast.Expr)}


def texts(source):
    """Every string of a source that is not documentation; "X" is in the place of each value."""
    tree = ast.parse(source)
    left_out = documentation(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            left_out |= {id(part) for part in node.values}
            yield "".join(part.value if isinstance(part, ast.Constant) else "X" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in left_out:
            yield node.value


def sentences(text):
    return [each.strip() for each in re.split(r"(?<=[.!?])\s+", text) if each.strip()]


def too_long(found):
    return [each for text in found for each in sentences(text) if len(each.split()) > MOST]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(MODULE).as_posix())
def test_no_sentence_in_the_source_is_long(path):
    assert too_long(texts(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize("path", sorted((MODULE / "Resources" / "UI").glob("*.ui")), ids=lambda path: path.name)
def test_no_sentence_of_the_widgets_is_long(path):
    assert too_long(each.text or "" for each in ElementTree.parse(path).iter("string")) == []


def test_a_long_sentence_is_found_and_documentation_is_none():
    words = "word " * 26
    assert len(too_long(texts(f'say(f"{words}{{case}}.")'))) == 1
    assert too_long(texts(f'"""{words}."""')) == []
