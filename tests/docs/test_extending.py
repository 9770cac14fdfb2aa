"""The examples of docs/extending.md: in a copy of the package each keeps its table's contract, and its types fit."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"`(apps/fewlabel/[\w/]+\.py)`(?:[^\n]*table `(\w+)`)?:\n\n```python\n(.*?)```", re.DOTALL)
BLOCKS = BLOCK.findall(TEXT)
EXAMPLES = {"pseudo_label": "methods", "missing_structure": "selection", "plain_weights": "export", "half": "networks"}
OTHERS = ["tests/test_examples.py", "tests/test_architecture.py"]
LONGEST = 1200  # seconds, on a busy machine


def with_row(source: str, table: str, block: str) -> str:
    """The source of a table with an import and a line more."""
    line, row = block.split("\n", 1)
    last = list(re.finditer(r"^from fewlabel[^\n(]*\n", source, re.MULTILINE))[-1].end()
    source = f"{source[:last]}{line}\n{source[last:]}"
    end = source.index("\n}\n", re.search(rf"^{table}: .*{{$", source, re.MULTILINE).start()) + 1
    return f"{source[:end]}{row.strip(chr(10))}\n{source[end:]}"


FORGOTTEN = {
    "pseudo_label": ("    trains: ClassVar", "    trained: ClassVar", "It has no trains"),
    "missing_structure": ("def rank(", "def order(", "It has no rank"),
    "plain_weights": (', folder="fewlabel_weights"', "", "It has no folder"),
    "half": ("nn.InstanceNorm3d(channels, affine=True)", "nn.BatchNorm3d(channels)", "normalise each crop by itself"),
}


@pytest.fixture(scope="module")
def extended(tmp_path_factory):
    """A copy of the app with all examples in it."""
    app = tmp_path_factory.mktemp("extended") / "fewlabel"
    shutil.copytree(ROOT / "apps" / "fewlabel", app, ignore=shutil.ignore_patterns("__pycache__"))
    for name, table, block in BLOCKS:
        file = app / Path(name).relative_to("apps/fewlabel")
        if table:
            file.write_text(with_row(file.read_text(encoding="utf-8"), table, block), encoding="utf-8")
        else:
            assert not file.exists(), f"{name} is there already: the example adds nothing"
            file.write_text(block, encoding="utf-8")
    return app


def outcomes(app: Path, example: str, others: Sequence[str] = OTHERS) -> dict[str, str]:
    """What became of every test that ran on an example: the test's name, and why it failed."""
    report = app.parent / f"{example}.xml"
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}"]
    command += [f"--basetemp={app.parent / example}", "-k", example]
    command += ["-o", f"pythonpath={app} scripts slicer_module/FewLabel", "-o", f"timeout={LONGEST}"]
    command += [f"tests/{EXAMPLES[example]}/test_contract.py", *others]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert report.exists(), done.stdout + done.stderr
    found = {}
    for case in ElementTree.parse(report).iter("testcase"):
        faults = [each for each in case if each.tag in ("failure", "error")]
        found[f"{case.get('classname')} {case.get('name')}"] = faults[0].get("message") if faults else ""
    return found


def test_there_is_one_file_and_one_line_for_each(extended):
    files = [Path(name).parent.name for name, table, _ in BLOCKS if not table]
    assert files == list(EXAMPLES.values())
    assert [table for _, table, _ in BLOCKS if table] == ["METHODS", "STRATEGIES", "EXPORTS", "NETWORKS"]
    assert all(len(block.strip().splitlines()) == 3 for _, table, block in BLOCKS if table)  # import, empty, line


@pytest.mark.slow
@pytest.mark.timeout(LONGEST)
def test_the_types_of_all_examples_are_right(extended, tmp_path):
    """Their files and the tables with their lines, by the settings of pyproject.toml."""
    files = [str(extended / Path(name).relative_to("apps/fewlabel")) for name, _, _ in BLOCKS]
    command = [sys.executable, "-m", "mypy", "--config-file", "pyproject.toml", "--cache-dir", str(tmp_path), *files]
    environment = {**os.environ, "MYPYPATH": str(extended)}  # before that of pyproject.toml
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def slow_if_export(example: str) -> object:
    """An export is run by itself, in many processes."""
    return pytest.param(example, marks=pytest.mark.slow) if EXAMPLES[example] == "export" else example


@pytest.mark.timeout(LONGEST)
@pytest.mark.parametrize("example", [slow_if_export(each) for each in EXAMPLES])
def test_each_example_keeps_its_contract(extended, example):
    found = outcomes(extended, example)
    assert {name: why for name, why in found.items() if why} == {}
    assert sum("test_contract" in name for name in found) >= 3
    assert any("test_it_is_complete" in name for name in found)


@pytest.mark.timeout(LONGEST)
@pytest.mark.slow
@pytest.mark.parametrize("example", FORGOTTEN)
def test_with_a_part_forgotten_one_test_fails_in_words_and_the_others_are_skipped(extended, tmp_path, example):
    app, (old, new, words) = shutil.copytree(extended, tmp_path / "fewlabel"), FORGOTTEN[example]
    (file,) = app.rglob(f"{example}.py")
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new), encoding="utf-8")
    failed = {name: why for name, why in outcomes(app, example, others=()).items() if why}
    assert len(failed) == 1, failed
    assert "test_it_is_complete" in next(iter(failed))
    assert words in next(iter(failed.values()))


def test_the_tests_of_each_contract_are_named():
    for folder in EXAMPLES.values():
        assert f"python3 scripts/test.py tests/{folder}/test_contract.py" in TEXT
