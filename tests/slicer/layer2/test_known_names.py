"""Without any of Slicer: names of Qt, CTK and qMRML in the panel's source are names that exist in Slicer."""

import ast
import json
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
MODULE = HERE.parents[2] / "slicer_module" / "FewLabel"
KNOWN = json.loads((HERE / "standins" / "known_qt.json").read_text(encoding="utf-8"))["classes"]
UI = sorted((MODULE / "Resources" / "UI").glob("*.ui"))
SOURCES = sorted(MODULE.rglob("*.py"))
OF_EVERY_WIDGET = ("text", "toolTip", "windowTitle", "sizePolicy", "minimumSize", "visible", "enabled")
SIGNATURE = re.compile(r"\w+\([\w:*&, ]*\)")
SIGNALS = {signal for known in KNOWN.values() for signal in known.get("signals", ())}


def connected(tree):
    """Signatures of signals that are connected."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "connect" and len(node.args) == 2:
            yield ast.literal_eval(node.args[0])


def test_there_is_something_to_check():
    assert UI
    assert sum(len(list(connected(ast.parse(path.read_text(encoding="utf-8"))))) for path in SOURCES) > 10


@pytest.mark.parametrize("path", UI, ids=lambda path: path.name)
def test_every_class_of_a_ui_file_exists_in_slicer(path):
    tree = ElementTree.parse(path)
    used = {each.get("class") for kind in ("widget", "layout") for each in tree.iter(kind)}
    assert used <= set(KNOWN)


@pytest.mark.parametrize("path", UI, ids=lambda path: path.name)
def test_no_two_widgets_have_one_name(path):
    tree = ElementTree.parse(path)
    names = [each.get("name") for kind in ("widget", "layout") for each in tree.iter(kind)]
    assert sorted(names) == sorted(set(names))


@pytest.mark.parametrize("path", UI, ids=lambda path: path.name)
def test_every_class_that_is_not_qts_is_declared_in_its_ui_file(path):
    tree = ElementTree.parse(path)
    used = {each.get("class") for each in tree.iter("widget") if not each.get("class").startswith("Q")}
    declared = {each.findtext("class"): each.findtext("header") for each in tree.iter("customwidget")}
    assert used == set(declared)
    assert all(header == f"{name}.h" for name, header in declared.items())


@pytest.mark.parametrize("path", UI, ids=lambda path: path.name)
def test_every_property_of_a_stand_in_is_one_of_the_real_class(path):
    for widget in ElementTree.parse(path).iter("widget"):
        known = KNOWN[widget.get("class")]
        if "properties" in known:
            names = {each.get("name") for each in widget.findall("property")}
            assert names <= {*known["properties"], *known.get("left out", ()), *OF_EVERY_WIDGET}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_every_connected_signal_exists_in_slicer(path):
    for signal in connected(ast.parse(path.read_text(encoding="utf-8"))):
        assert SIGNATURE.fullmatch(signal)
        assert signal in SIGNALS


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_every_name_taken_from_the_module_qt_exists_in_slicer(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    attributes = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
    assert {node.attr for node in attributes if getattr(node.value, "id", "") == "qt"} <= set(KNOWN)


@pytest.mark.parametrize("path", UI, ids=lambda path: path.name)
def test_no_label_takes_a_servers_words_for_html(path):
    for widget in ElementTree.parse(path).iter("widget"):
        if widget.get("class") == "QLabel":
            formats = [each.findtext("enum") for each in widget.findall("property") if each.get("name") == "textFormat"]
            assert formats == ["Qt::PlainText"], widget.get("name")
