"""Who may not know whom: the rooms' imports, read without running them."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

import fewlabel
from fewlabel.methods import METHODS

PACKAGE = Path(fewlabel.__file__).parent
OURS = sorted({"fewlabel." + path.stem for path in PACKAGE.iterdir() if not path.name.startswith("_")})
OUTSIDE = {"ignite", "monailabel", "pathlib", "os", "shutil", "nibabel", "nrrd", "SimpleITK"}
SINGLE_METHODS = {cls.__module__ for cls in METHODS.values()}

# Glob of files: (modules that they may not import, exceptions).
MAY_NOT_KNOW = {
    "data/pools.py": ({"torch", "monai"}, set()),
    "data/loaders.py": ({"fewlabel.methods"}, set()),
    "losses/*.py": ({*OURS, *OUTSIDE}, {"fewlabel.losses"}),
    "mixing.py": ({*OURS, *OUTSIDE}, set()),
    "uncertainty.py": ({*OURS, *OUTSIDE}, set()),
    "methods/*.py": (
        {*OURS, *OUTSIDE},
        {
            *("fewlabel.methods", "fewlabel.losses", "fewlabel.mixing", "fewlabel.uncertainty"),
            # Not the table of networks: those are injected. These belong to methods.
            "fewlabel.networks.diffusion_decoder",
            *("fewlabel.networks.features", "fewlabel.networks.mean"),  # any network's, not the table
        },
    ),
    "networks/*.py": ({*OURS, *OUTSIDE}, {"fewlabel.networks"}),
    "training/*.py": (SINGLE_METHODS, set()),
    "inference/*.py": ({"fewlabel.training"}, set()),
    **dict.fromkeys(
        ("review/correction.py", "review/alignment.py", "review/check.py", "review/stopping.py"),
        ({*OURS, *OUTSIDE, "torch"}, {"fewlabel.review"}),
    ),
    "review/*.py": ({"fewlabel.training", "fewlabel.methods", "monailabel"}, set()),
    "selection/scoring.py": ({"fewlabel.training"}, set()),
    "selection/strategies.py": ({"torch"}, set()),
    "export/*.py": (
        {"monailabel.datastore", "monailabel.interfaces.datastore", "fewlabel.datastore.store"},
        set(),
    ),
    "service/*.py": ({"torch", "monai", *SINGLE_METHODS}, set()),
}
MAY_KNOW_THE_DATASTORE = {PACKAGE / "export" / "dataset.py"}
SLICER_MODULE = PACKAGE.parents[2] / "slicer_module" / "FewLabel"
PANEL = SLICER_MODULE / "FewLabelLib"
QT = {"qt", "ctk", "PySide2", "PySide6", "PythonQt"}
SLICERS_OWN = {*QT, "slicer", "vtk", "vtkmodules", "mrml", "sitkUtils", "torch", "monai", "fewlabel"}
# What may know Slicer; every other file of the panel's library runs without it, on what Slicer brings along.
MAY_KNOW_SLICER = {
    **{
        name: {*QT, "torch", "monai", "fewlabel"}
        for name in ("image_file.py", "scene.py", "segmentation.py", "views.py")
    },
}
MAY_KNOW_QT = {"torch", "monai", "fewlabel"}  # what the files of FewLabelLib/widget may not know
PANEL_FILES = sorted(PANEL.rglob("*.py"))
BROUGHT_BY_SLICER = {"numpy", "requests"}
CASES = [(glob, path) for glob in MAY_NOT_KNOW for path in sorted(PACKAGE.glob(glob))]


def imported(source: str, package: list[str]) -> set[str]:
    """Every module that a source imports, anywhere in it, and every name from a module as if it were one."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) + 1 - node.level] if node.level else []
            module = ".".join([*above, *([node.module] if node.module else [])])
            found |= {module} | {f"{module}.{alias.name}" for alias in node.names}
    return found


def within(module: str, parents: set[str]) -> bool:
    return any(module == parent or module.startswith(parent + ".") for parent in parents)


@pytest.mark.parametrize(("glob", "path"), CASES, ids=[str(path.relative_to(PACKAGE)) for _, path in CASES])
def test_a_room_does_not_know_what_it_may_not_know(glob, path):
    forbidden, allowed = MAY_NOT_KNOW[glob]
    if path in MAY_KNOW_THE_DATASTORE:
        forbidden = set()
    found = imported(path.read_text(encoding="utf-8"), ["fewlabel", *path.relative_to(PACKAGE).parts[:-1]])
    assert not {name for name in found if within(name, forbidden) and not within(name, allowed)}


def test_no_room_knows_the_routes():
    for path in PACKAGE.rglob("*.py"):
        inside = path.relative_to(PACKAGE).parts
        found = imported(path.read_text(encoding="utf-8"), ["fewlabel", *inside[:-1]])
        assert inside[0] == "service" or not {name for name in found if within(name, {"fewlabel.service"})}, path


def test_relative_imports_and_imports_inside_functions_are_seen():
    source = "from .base import Method\ndef f():\n    from ..datastore import store\n    import ignite.engine"
    found = imported(source, ["fewlabel", "methods"])
    assert {"fewlabel.methods.base", "fewlabel.datastore.store", "ignite.engine"} <= found


def test_every_file_that_defines_a_method_is_listed():
    defining = set()
    for path in (PACKAGE / "methods").glob("*.py"):
        nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
        classes = [node for node in nodes if isinstance(node, ast.ClassDef)]
        if any(ast.unparse(base) == "Method" for node in classes for base in node.bases):
            defining.add(f"fewlabel.methods.{path.stem}")
    assert defining == SINGLE_METHODS


def in_panel(path: Path) -> set[str]:
    """What a file of the panel's library imports."""
    package = path.relative_to(SLICER_MODULE).parts[:-1]
    return imported(path.read_text(encoding="utf-8"), list(package))


@pytest.mark.parametrize("path", PANEL_FILES, ids=lambda path: path.relative_to(PANEL).as_posix())
def test_the_panel_knows_slicer_only_where_it_shows_something(path):
    forbidden = MAY_KNOW_QT if path.parent.name == "widget" else MAY_KNOW_SLICER.get(path.name, SLICERS_OWN)
    assert not {name for name in in_panel(path) if within(name, forbidden)}


@pytest.mark.parametrize("path", PANEL_FILES, ids=lambda path: path.relative_to(PANEL).as_posix())
def test_only_the_widgets_know_the_widgets(path):
    known = {name for name in in_panel(path) if within(name, {"FewLabelLib.widget"})}
    assert path.parent.name == "widget" or not known


@pytest.mark.parametrize("path", PANEL_FILES, ids=lambda path: path.relative_to(PANEL).as_posix())
def test_the_panel_needs_no_package_that_slicer_does_not_bring(path):
    allowed = {*sys.stdlib_module_names, "FewLabelLib", *BROUGHT_BY_SLICER}
    if path.parent.name == "widget":
        allowed |= {"qt", "ctk", "slicer"}
    elif path.name in MAY_KNOW_SLICER:
        pytest.skip("may know Slicer")
    assert {name.split(".")[0] for name in in_panel(path)} <= allowed


@pytest.mark.parametrize("path", sorted(SLICER_MODULE.rglob("*.py")), ids=lambda path: path.name)
def test_the_module_can_be_parsed_by_the_python_of_slicer_5_8(path):
    ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 9))
