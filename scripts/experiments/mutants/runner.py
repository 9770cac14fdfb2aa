"""Runs one test against one planted fault, each in a process forked from one that has imported torch and MONAI."""

from __future__ import annotations

import compileall
import contextlib
import gc
import importlib
import json
import os
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from experiments.mutants.fault import Fault

ROOT = Path(__file__).resolve().parents[3]
APP, PANEL = ROOT / "apps" / "fewlabel", ROOT / "slicer_module" / "FewLabel"
_COPIES, _PACKAGES = {"app": APP, "panel": PANEL}, {"fewlabel": "app", "FewLabelLib": "panel"}
_HEAVY = ("torch", "monai.transforms", "monai.inferers", "monai.networks.nets", "monailabel.interfaces.app", "ignite")
_LONGEST = 180  # seconds of one test; an endless loop is caught as well
_KEPT = (
    "pythonpath={app} scripts {panel}",
    "addopts=--import-mode=importlib -m 'not slow and not gpu'",
    f"timeout={_LONGEST}",
)
_PLUGINS_LEFT_OUT = ("anyio", "xdist", "xdist.looponfail")  # no test needs them here, and each child would compile them
_SHARES = 8  # for each process: parts of the tests without a fault, so that none is left alone with the longest


class Outcome(NamedTuple):
    """What became of a test.

    Attributes:
        state: ``failed``, ``passed``, or ``error``: it could not be run.
        message: of the failure, one line.
        seconds: that it took, with the import of the package.
    """

    state: str
    message: str
    seconds: float


class _Recorder:
    """A plugin of pytest: the tests that ran, and the first that failed."""

    def __init__(self) -> None:
        self.ran = 0
        self.failed: dict[str, str] = {}

    def pytest_runtest_logreport(self, report: Any) -> None:
        self.ran += report.when == "call"
        if report.failed:
            crash = getattr(report.longrepr, "reprcrash", None)
            self.failed[report.nodeid] = (crash.message if crash else str(report.longrepr)).strip().split("\n")[0]


def import_heavy_packages() -> None:
    """Once, before any fork: with one thread, so that nothing is lost in the children."""
    os.environ["OMP_NUM_THREADS"] = "1"
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # else each child and each program of a test compiles the same
    sys.dont_write_bytecode = False
    for name in ("pytest", "hypothesis", "scipy.ndimage", *_HEAVY):
        importlib.import_module(name)
    importlib.import_module("torch").set_num_threads(1)
    gc.collect()
    gc.freeze()  # pytest collects garbage at its end: in each child it would walk through all of torch


@contextlib.contextmanager
def compiled() -> Iterator[Path]:
    """A temporary copy of the app, beside one of the panel, so that no child compiles more than the planted file."""
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        for name, source in _COPIES.items():
            shutil.copytree(source, Path(folder, name), ignore=shutil.ignore_patterns("__pycache__"))
        compileall.compile_dir(folder, quiet=2)
        yield Path(folder, "app")


@contextlib.contextmanager
def a_copy(app: Path, fault: Fault | None) -> Iterator[Path]:
    """A temporary copy of all of ``compiled`` with the fault planted; the working tree is left as it is."""
    with tempfile.TemporaryDirectory(prefix="mutant-") as folder:
        for name in _COPIES:
            shutil.copytree(app.parent / name, Path(folder, name))
        if fault is not None:
            fault.plant(Path(folder, "panel") if fault.of_panel else Path(folder, "app", "fewlabel"))
        yield Path(folder)


def _child(folder: Path, tests: Sequence[str], first: bool) -> None:
    """Run tests on the packages in ``folder`` and write what happened to ``outcome.json`` there."""
    import hypothesis
    import pytest

    found = (hypothesis.Phase.explicit, hypothesis.Phase.generate)  # nobody reads the shortest example: no shrinking
    hypothesis.settings.register_profile("mutants", phases=found, database=None)
    hypothesis.settings.load_profile("mutants")
    copies = {name: str(folder / name) for name in _COPIES}
    os.environ["PYTHONPATH"] = os.pathsep.join([copies["app"], str(ROOT / "scripts")])
    others = [entry for entry in sys.path if Path(entry or ".").resolve() not in _COPIES.values()]
    sys.path[:] = [*copies.values(), *others]
    for name in [name for name in sys.modules if name.split(".")[0] in _PACKAGES]:
        del sys.modules[name]
    os.chdir(ROOT)
    recorder = _Recorder()
    settings = [part for line in _KEPT for part in ("-o", line.format(**copies))]
    options = [
        *(["-q", "-x"] if first else ["-q"]),
        *(part for name in ("cacheprovider", *_PLUGINS_LEFT_OUT) for part in ("-p", f"no:{name}")),
        f"--basetemp={folder / 'pytest'}",
        f"--rootdir={ROOT}",
        *settings,
    ]
    code = int(pytest.main([*options, *tests], plugins=[recorder]))
    seen = {name: sys.modules[name].__file__ for name in _PACKAGES if name in sys.modules}
    if not seen or not all(str(file).startswith(copies[_PACKAGES[name]]) for name, file in seen.items()):
        code = 3  # the tests saw another package: whatever they say is of no use
    result = {"code": code, "ran": recorder.ran, "failed": recorder.failed}
    (folder / "outcome.json").write_text(json.dumps(result), encoding="utf-8")


def fork(folder: Path, tests: Sequence[str], first: bool = True) -> int:
    """Start the tests in a forked process, until the first failure or all; gives its process id."""
    sys.stdout.flush()
    sys.stderr.flush()
    process = os.fork()
    if process:
        return process
    try:
        with open(folder / "output.txt", "w", encoding="utf-8") as output:
            os.dup2(output.fileno(), 1)
            os.dup2(output.fileno(), 2)
            _child(folder, tests, first)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(0)  # the parent's clean-up is not the child's


def result_in(folder: Path) -> dict[str, Any]:
    """What a forked process wrote; where it ran no test, its last words too."""
    path, output = folder / "outcome.json", folder / "output.txt"
    result = {"code": 3, "ran": 0, "failed": {}}
    if path.exists():
        result = json.loads(path.read_text(encoding="utf-8"))
    if result["code"] not in (0, 1) and output.exists():
        result["words"] = output.read_text(encoding="utf-8", errors="replace").strip()[-3000:]
    return result


def outcome(result: dict[str, Any], seconds: float) -> Outcome:
    """In one word: pytest's code 1 is a failed test; all others but 0 say that the test did not run."""
    if result["code"] == 1 and result["failed"]:
        return Outcome("failed", next(iter(result["failed"].values())), seconds)
    if result["code"] == 0 and result["ran"]:
        return Outcome("passed", "", seconds)
    if result["code"] == 0:
        return Outcome("error", "the test was skipped: name the one that fails", seconds)
    words = result.get("words", "").split("\n")[-1]
    return Outcome("error", words or f"pytest ended with code {result['code']}", seconds)


class Work(NamedTuple):
    """Tests for one process, and the fault that is planted for them, if any."""

    tests: Sequence[str]
    fault: Fault | None = None


def in_turn(app: Path, work: Sequence[Work], jobs: int) -> Iterator[tuple[Work, dict[str, Any], float]]:
    """Do the work, ``jobs`` processes at a time; gives each piece with its result and seconds, as they end.

    Args:
        app: see ``compiled``.
        work: with a fault, the tests end at the first that fails.
        jobs: processes at a time.

    Raises:
        FaultNotPlanted: a fault does not fit the source.
    """
    waiting = list(work)
    running: dict[int, tuple[Work, contextlib.ExitStack, Path, float]] = {}
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                piece, stack = waiting.pop(0), contextlib.ExitStack()
                folder = stack.enter_context(a_copy(app, piece.fault))
                process = fork(folder, piece.tests, first=piece.fault is not None)
                running[process] = piece, stack, folder, time.monotonic()
            process, _ = os.wait()
            piece, stack, folder, started = running.pop(process)
            result = result_in(folder)
            stack.close()
            yield piece, result, time.monotonic() - started
    finally:
        for process, (_, stack, *_) in running.items():
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, 15)
            os.waitpid(process, 0)
            stack.close()


def failing_without_a_fault(app: Path, tests: Sequence[str], jobs: int = 1) -> dict[str, str]:
    """Tests that fail on the package as it is, and why: they would catch anything.

    Args:
        app: see ``compiled``.
        tests: node ids, each once or more.
        jobs: processes at a time; the tests of one file stay together.

    Raises:
        RuntimeError: they cannot be run.
    """
    files = sorted({test.split("::")[0] for test in tests})
    shares = min(jobs * _SHARES, len(files))
    work = [
        Work(sorted({test for test in tests if test.split("::")[0] in files[number::shares]}))
        for number in range(shares)
    ]
    failing: dict[str, str] = {}
    for _, result, _ in in_turn(app, work, jobs):
        if result["code"] not in (0, 1):
            raise RuntimeError(f"The tests cannot be run on the package as it is.\n{result.get('words', '')}")
        failing |= result["failed"]
    return failing


def run_all(app: Path, faults: Sequence[Fault], jobs: int, report: Callable[[Fault, Outcome], None]) -> None:
    """Plant each fault and run its test, ``jobs`` at a time.

    Args:
        app: see ``compiled``.
        faults: to plant.
        jobs: processes at a time.
        report: called with each fault and its outcome, as they come in.

    Raises:
        FaultNotPlanted: a fault does not fit the source.
    """
    for piece, result, seconds in in_turn(app, [Work([fault.test], fault) for fault in faults], jobs):
        if piece.fault is not None:
            report(piece.fault, outcome(result, seconds))
