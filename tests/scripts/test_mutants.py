"""The planted faults fit today's source and name tests that are there; the command tells caught from not caught."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

import experiment
from experiments.mutants.command import mutants, table
from experiments.mutants.fault import Fault, FaultNotPlanted
from experiments.mutants.faults import FAULTS
from experiments.mutants.runner import APP, PANEL, ROOT, Outcome, outcome

# Every package in which a fault must have been planted.
PACKAGES = ("losses", "methods", "data", "training", "selection", "inference", "datastore", "export", "FewLabelLib")
HARMLESS = Fault("harmless", "methods/ramps.py", "if progress < start:", "if start > progress:", "")
SCRIPT = """
import sys
from experiments.mutants.fault import Fault
from experiments.mutants.runner import compiled, import_heavy_packages, run_all
test = "tests/methods/test_ramps.py"
faults = [
    Fault("harmless", "methods/ramps.py", "if progress < start:", "if start > progress:", test),
    Fault("harmful", "methods/ramps.py", "if progress < start:", "if progress > start:", test),
    Fault("no such test", "methods/ramps.py", "if progress < start:", "if progress > start:", test + "::test_none"),
    Fault("no Python", "methods/ramps.py", "if progress < start:", "if progress <", test),
]
import_heavy_packages()
with compiled() as app:
    run_all(app, faults, 2, lambda fault, outcome: print(fault.name, "->", outcome.state))
"""


def source(fault):
    return ((PANEL if fault.of_panel else APP / "fewlabel") / fault.file).read_text(encoding="utf-8")


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_fits_today_s_source_and_is_python(fault):
    planted = fault.planted(source(fault))
    assert planted != source(fault)
    ast.parse(planted)


def test_every_fault_names_one_test_that_is_there():
    assert not [fault.name for fault in FAULTS if "::" not in fault.test], "a whole file takes long, and says little"
    for path in {fault.test.split("::")[0] for fault in FAULTS}:
        names = {
            node.name for node in ast.parse((ROOT / path).read_text(encoding="utf-8")).body if hasattr(node, "name")
        }
        asked = {fault.test.split("::")[1].split("[")[0] for fault in FAULTS if fault.test.startswith(path + "::")}
        assert asked <= names, path


def test_there_are_many_and_no_two_of_one_name_or_alike():
    assert len(FAULTS) >= 80
    assert max(Counter(fault.name for fault in FAULTS).values()) == 1
    assert max(Counter(fault[1:] for fault in FAULTS).values()) == 1


@pytest.mark.parametrize("package", PACKAGES)
def test_every_package_has_some(package):
    assert sum(fault.file.startswith(package + "/") for fault in FAULTS) >= 2


@pytest.mark.parametrize("item", range(1, 11))
def test_every_item_of_the_methods_contract_has_one_that_it_must_catch(item):
    assert any(f"-item_{item}_" in fault.test for fault in FAULTS)


@pytest.mark.parametrize(("old", "times"), [("not there", 0), ("progress", 4)])
def test_a_fault_whose_text_is_not_there_once_is_refused_in_words(old, times):
    with pytest.raises(FaultNotPlanted, match=rf"'a name': its text is found {times} times in fewlabel/a\.py"):
        Fault("a name", "a.py", old, "new", "").planted("progress " * 4)


def test_a_fault_in_a_file_that_is_gone_is_refused_in_words(tmp_path):
    with pytest.raises(FaultNotPlanted, match=r"no file fewlabel/gone\.py"):
        Fault("a name", "gone.py", "old", "new", "").plant(tmp_path)
    with pytest.raises(FaultNotPlanted, match=r"no file FewLabelLib/gone\.py"):
        Fault("a name", "FewLabelLib/gone.py", "old", "new", "").plant(tmp_path)


@pytest.mark.parametrize(
    ("result", "state"),
    [
        ({"code": 1, "ran": 3, "failed": {"a": "AssertionError"}}, "failed"),
        ({"code": 0, "ran": 3, "failed": {}}, "passed"),
        ({"code": 0, "ran": 0, "failed": {}}, "error"),
        ({"code": 2, "ran": 0, "failed": {"a": "SyntaxError"}}, "error"),
        ({"code": 3, "ran": 5, "failed": {}, "words": "another package"}, "error"),
        ({"code": 5, "ran": 0, "failed": {}}, "error"),
    ],
)
def test_only_a_test_that_ran_and_failed_has_caught_a_fault(result, state):
    assert outcome(result, 1.0).state == state


def test_the_table_names_what_was_not_caught():
    lines = table([HARMLESS], {"harmless": Outcome("passed", "", 1.0)}).splitlines()
    assert "NOT CAUGHT" in lines[2]
    assert len({line.count("|") for line in lines}) == 1


def test_faults_can_be_listed_and_chosen(capsys):
    assert mutants(["bcp pastes the image"], True, 1) == 0
    assert capsys.readouterr().out.count("\n") == 1
    assert mutants(["no such fault"], False, 1) == 1
    assert "no such fault" in capsys.readouterr().err


def test_the_command_line(capsys):
    options = experiment.parse(["mutants", "--only", "a", "b", "--list", "--jobs", "3"])
    assert (options.only, options.list, options.jobs) == (["a", "b"], True, 3)
    with pytest.raises(SystemExit):
        experiment.parse(["mutants", "--jobs", "0"])
    assert "--jobs must be above 0" in capsys.readouterr().err


@pytest.mark.slow
def test_a_harmless_change_is_not_caught_a_fault_is_and_the_working_tree_stays(tmp_path):
    before = {path: path.read_bytes() for path in APP.rglob("*.py")}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], cwd=ROOT / "scripts", capture_output=True, text=True, timeout=240, check=True
    )
    assert set(done.stdout.strip().splitlines()) == {
        "harmless -> passed",
        "harmful -> failed",
        "no such test -> error",
        "no Python -> error",
    }
    assert {path: Path(path).read_bytes() for path in APP.rglob("*.py")} == before
