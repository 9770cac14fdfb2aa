"""Which package may import which: all imports, read without running them."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

import fewlabel
from fewlabel.methods import METHODS
from fewlabel.methods.base import Method

PACKAGE = Path(fewlabel.__file__).parent
OURS = sorted({"fewlabel." + path.stem for path in PACKAGE.iterdir() if not path.name.startswith("_")})
OUTSIDE = {"ignite", "monailabel", "pathlib", "os", "shutil", "nibabel", "nrrd", "SimpleITK"}
SINGLE_METHODS = {cls.__module__ for cls in METHODS.values()}

# Glob of files: (modules that they may not import, exceptions).
MAY_NOT_IMPORT = {
    "data/pools.py": ({"torch", "monai"}, set()),
    **dict.fromkeys(
        ("data/loaders.py", "data/streams.py", "data/pool_view.py"),
        ({"fewlabel.methods", "fewlabel.predictions"}, set()),
    ),
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
    "predictions/*.py": ({"fewlabel.methods", "fewlabel.training", "fewlabel.service", "monailabel"}, set()),
    "selection/scoring.py": ({"fewlabel.training"}, set()),
    **dict.fromkeys(
        [
            f"selection/{name}.py"
            for name in (
                *("base", "strategies", "uncertain", "uncertain_part", "coverage", "cold_start", "expected_correction"),
                *("diversity", "leases", "levels", "scores", "table"),
            )
        ],
        ({"torch", "fewlabel.training", "fewlabel.methods", "fewlabel.service"}, set()),
    ),
    "export/*.py": (
        {"monailabel.datastore", "monailabel.interfaces.datastore", "fewlabel.datastore.store"},
        set(),
    ),
    "service/*.py": ({"torch", "monai", *SINGLE_METHODS}, set()),
}
MAY_IMPORT_THE_DATASTORE = {PACKAGE / "export" / "dataset.py"}
SLICER_MODULE = PACKAGE.parents[2] / "slicer_module" / "FewLabel"
PANEL = SLICER_MODULE / "FewLabelLib"
SCRIPTS = PACKAGE.parents[2] / "scripts"
QT = {"qt", "ctk", "PySide2", "PySide6", "PythonQt"}
SLICERS_OWN = {*QT, "slicer", "vtk", "vtkmodules", "mrml", "sitkUtils", "torch", "monai", "fewlabel"}
# Packages of the panel's library, lowest first: each may import those before it.
PANEL_PACKAGES = ("texts", "launch", "label", "net", "slicer", "session", "panel", "widget")
NOT_IN_PANEL = {
    "slicer": {"net"},
    "session": {"slicer"},
    "panel": {"slicer"},
    "widget": {"slicer"},
    "net": {"slicer"},
}
SERVERS_OWN = {"torch", "monai", "fewlabel"}
PANEL_FILES = sorted(PANEL.rglob("*.py"))
BROUGHT_BY_SLICER = {"numpy", "requests"}
CASES = [(glob, path) for glob in MAY_NOT_IMPORT for path in sorted(PACKAGE.glob(glob))]


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
def test_a_package_imports_nothing_that_it_may_not(glob, path):
    forbidden, allowed = MAY_NOT_IMPORT[glob]
    if path in MAY_IMPORT_THE_DATASTORE:
        forbidden = set()
    found = imported(path.read_text(encoding="utf-8"), ["fewlabel", *path.relative_to(PACKAGE).parts[:-1]])
    assert not {name for name in found if within(name, forbidden) and not within(name, allowed)}


def test_only_the_service_imports_the_routes():
    for path in PACKAGE.rglob("*.py"):
        inside = path.relative_to(PACKAGE).parts
        found = imported(path.read_text(encoding="utf-8"), ["fewlabel", *inside[:-1]])
        assert inside[0] == "service" or not {name for name in found if within(name, {"fewlabel.service"})}, path


def readers(source: str) -> set[str]:
    """Names by which a source reads back what was reported of a training."""
    nodes = list(ast.walk(ast.parse(source)))
    attributes = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    names = {node.id for node in nodes if isinstance(node, ast.Name)}
    return (attributes & {"snapshot", "_values"}) | (names & {"read_progress"})


def test_nothing_is_decided_by_what_was_reported_of_a_training():
    """Results are handed out as copies and shown; the reporter's own values and its file are read by nobody else."""
    allowed = {
        "training/progress.py": {"_values"},
        "training/ongoing_progress.py": {"_values"},
        "training/run.py": {"snapshot"},  # the result of a training
        "training/continuous.py": {"snapshot"},
        "training/task.py": {"read_progress"},  # shown to viewers
    }
    found = {
        path.relative_to(PACKAGE).as_posix(): readers(path.read_text(encoding="utf-8"))
        for path in PACKAGE.rglob("*.py")
    }
    assert {file: names for file, names in found.items() if names} == allowed


def drawn() -> dict[str, int]:
    """Packages and modules of the picture in the documents -> the row in which each is drawn, 1 is the lowest."""
    texts = ElementTree.parse(PACKAGE.parents[2] / "docs" / "rooms.svg").iter("{http://www.w3.org/2000/svg}text")
    return {each.text: int(each.get("data-floor")) for each in texts if each.get("data-floor")}


def test_the_picture_shows_every_package_and_no_other():
    folders = {f"{path.name}/" for path in PACKAGE.iterdir() if (path / "__init__.py").exists()}
    assert {name for name in drawn() if name.endswith("/")} == folders
    assert all((PACKAGE / name).exists() or (PACKAGE.parent / name).exists() for name in drawn())


def test_no_import_points_upwards_in_the_picture():
    rows = drawn()
    for path in PACKAGE.rglob("*.py"):
        inside = path.relative_to(PACKAGE).parts
        own = f"{inside[0]}/" if len(inside) > 1 else inside[0]
        found = imported(path.read_text(encoding="utf-8"), ["fewlabel", *inside[:-1]])
        known = {name.split(".")[1] for name in found if name.startswith("fewlabel.")}
        above = {
            other
            for other in rows
            if rows[other] > rows.get(own, max(rows.values())) and other.rstrip("/").removesuffix(".py") in known
        }
        assert not above, f"{'/'.join(inside)} imports {above}, which the picture draws above it"


def test_a_part_of_the_datastore_imports_only_those_above_it_in_the_documents():
    text = (PACKAGE.parents[2] / "docs" / "architecture.md").read_text(encoding="utf-8")
    table = text.split("## The parts of the datastore")[1].split("##")[0]
    parts = re.findall(r"^\| `(\w+)\.py` \|", table, re.MULTILINE)
    assert len(parts) > 8
    for number, part in enumerate(parts):
        source = (PACKAGE / "datastore" / f"{part}.py").read_text(encoding="utf-8")
        found = imported(source, ["fewlabel", "datastore"])
        assert not {f"fewlabel.datastore.{other}" for other in ("store", *parts[number:])} & found, part


def test_relative_imports_and_imports_inside_functions_are_seen():
    source = "from .base import Method\ndef f():\n    from ..datastore import store\n    import ignite.engine"
    found = imported(source, ["fewlabel", "methods"])
    assert {"fewlabel.methods.base", "fewlabel.datastore.store", "ignite.engine"} <= found


def test_every_file_that_defines_a_method_is_listed():
    """A class with all that the contract asks for; a base that several share is none."""
    defining = set()
    for path in (PACKAGE / "methods").glob("*.py"):
        module = importlib.import_module(f"fewlabel.methods.{path.stem}")
        found = [each for each in vars(module).values() if inspect.isclass(each) and issubclass(each, Method)]
        if any(each.__module__ == module.__name__ and not inspect.isabstract(each) for each in found):
            defining.add(module.__name__)
    assert defining == SINGLE_METHODS


def in_panel(path: Path) -> set[str]:
    """What a file of the panel's library imports."""
    package = path.relative_to(SLICER_MODULE).parts[:-1]
    return imported(path.read_text(encoding="utf-8"), list(package))


def package_of(path: Path) -> str:
    """The package of a file of the panel's library; "" for files at its top, which import none of them."""
    inside = path.relative_to(PANEL).parts
    return inside[0] if len(inside) > 1 else ""


@pytest.mark.parametrize("path", PANEL_FILES, ids=lambda path: path.relative_to(PANEL).as_posix())
def test_only_the_packages_slicer_and_widget_import_slicer(path):
    forbidden = {"slicer": {*QT, *SERVERS_OWN}, "widget": SERVERS_OWN}.get(package_of(path), SLICERS_OWN)
    assert not {name for name in in_panel(path) if within(name, forbidden)}


@pytest.mark.parametrize("path", PANEL_FILES, ids=lambda path: path.relative_to(PANEL).as_posix())
def test_a_package_of_the_panel_imports_lower_ones_only(path):
    own = package_of(path)
    lower = PANEL_PACKAGES[: PANEL_PACKAGES.index(own) + 1] if own else ()
    forbidden = {f"FewLabelLib.{other}" for other in PANEL_PACKAGES if other not in lower}
    forbidden |= {f"FewLabelLib.{other}" for other in NOT_IN_PANEL.get(own, ())}
    assert not {name for name in in_panel(path) if within(name, forbidden)}


@pytest.mark.parametrize("path", PANEL_FILES, ids=lambda path: path.relative_to(PANEL).as_posix())
def test_the_panel_needs_no_package_that_slicer_does_not_bring(path):
    allowed = {*sys.stdlib_module_names, "FewLabelLib", *BROUGHT_BY_SLICER}
    if package_of(path) == "widget":
        allowed |= {"qt", "ctk", "slicer"}
    elif package_of(path) == "slicer":
        pytest.skip("may import Slicer")
    assert {name.split(".")[0] for name in in_panel(path)} <= allowed


def circle(files: dict[str, Path]) -> list[str]:
    """Modules that import each other in a circle, imports for type checking counted; [] if there is none."""

    def known_to(module: str) -> set[str]:
        path = files[module]
        package = module.split(".") if path.name == "__init__.py" else module.split(".")[:-1]
        found = imported(path.read_text(encoding="utf-8"), package)
        inside = {name for name in found if name in files}
        # "from package import name" reads the package's own file too only where it asks for what is defined there
        return inside - {name for name in inside if any(other.startswith(f"{name}.") for other in inside)} - {module}

    done: set[str] = set()

    def visit(module: str, way: list[str]) -> list[str]:
        if module in way:
            return [*way[way.index(module) :], module]
        if module in done:
            return []
        for other in sorted(known_to(module)):
            found = visit(other, [*way, module])
            if found:
                return found
        done.add(module)
        return []

    return next((found for found in (visit(module, []) for module in sorted(files)) if found), [])


def modules_in(folder: Path, above: Path) -> dict[str, Path]:
    """Module name -> file, for all files below a folder."""
    names = {path: path.relative_to(above).with_suffix("").parts for path in folder.rglob("*.py")}
    return {".".join(parts[:-1] if parts[-1] == "__init__" else parts): path for path, parts in names.items()}


@pytest.mark.parametrize(
    ("folder", "above"),
    [(PACKAGE, PACKAGE.parent), (PANEL, SLICER_MODULE), (SCRIPTS / "experiments", SCRIPTS)],
    ids=["server", "panel", "experiments"],
)
def test_no_module_imports_another_in_a_circle(folder, above):
    assert circle(modules_in(folder, above)) == []


def test_a_circle_is_seen_even_where_it_is_for_type_checking_alone(tmp_path):
    (tmp_path / "first.py").write_text("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import second\n")
    (tmp_path / "second.py").write_text("def f():\n    from first import g\n")
    assert circle(modules_in(tmp_path, tmp_path)) == ["first", "second", "first"]


@pytest.mark.parametrize("path", sorted(SLICER_MODULE.rglob("*.py")), ids=lambda path: path.name)
def test_the_module_can_be_parsed_by_the_python_of_slicer_5_8(path):
    ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 9))
