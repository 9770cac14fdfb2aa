"""The command ``mutants``: plants every fault, one at a time, and says which test noticed it."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence

from experiments.mutants.fault import Fault
from experiments.mutants.faults import FAULTS
from experiments.mutants.runner import Outcome, compiled, failing_without_a_fault, import_heavy_packages, run_all

_WORDS = {"failed": "caught", "passed": "NOT CAUGHT", "error": "NOT RUN"}


def mutants(only: Sequence[str], listed: bool, jobs: int) -> int:
    """Print the table; 0 if all faults are caught, 1 if not or if one cannot be planted, 130 if stopped.

    Args:
        only: faults whose name holds one of these texts; none: all.
        listed: name the faults and end.
        jobs: tests at a time.
    """
    chosen = [fault for fault in FAULTS if not only or any(text in fault.name for text in only)]
    if not chosen:
        return _refuse(f"No planted fault has {' or '.join(only)} in its name: --list names them all.")
    if listed:
        print("\n".join(f"{fault.name:70} {fault.file:32} {fault.test}" for fault in chosen))
        return 0
    if not hasattr(os, "fork"):
        return _refuse("Planting faults needs a system that can fork processes, such as Linux or macOS.")
    started = time.monotonic()
    outcomes: dict[str, Outcome] = {}

    def report(fault: Fault, outcome: Outcome) -> None:
        outcomes[fault.name] = outcome
        mark = _WORDS[outcome.state]
        _say(f"{len(outcomes):3} of {len(chosen)}  {mark:10} {outcome.seconds:5.1f} s  {fault.name}")

    import_heavy_packages()
    try:
        with compiled() as app:
            broken = failing_without_a_fault(app, [fault.test for fault in chosen], jobs)
            if broken:
                lines = "\n".join(f"  {test}: {why}" for test, why in broken.items())
                return _refuse(f"Tests that fail without any fault catch nothing. Mend them first:\n{lines}")
            _say(f"all tests pass without a fault, {time.monotonic() - started:.0f} s")
            run_all(app, chosen, jobs, report)
    except RuntimeError as trouble:  # FaultNotPlanted is one
        return _refuse(str(trouble))
    except KeyboardInterrupt:
        return _refuse("Stopped.", code=130)
    print(table(chosen, outcomes))
    caught = sum(outcome.state == "failed" for outcome in outcomes.values())
    print(f"\n{caught} of {len(chosen)} planted faults are caught, in {time.monotonic() - started:.0f} s.")
    return 0 if caught == len(chosen) else 1


def table(faults: Sequence[Fault], outcomes: dict[str, Outcome]) -> str:
    """One line for each fault, in Markdown."""
    lines = ["| planted fault | file | result | test |", "|---|---|---|---|"]
    for fault in faults:
        outcome = outcomes[fault.name]
        why = f": {outcome.message}" if outcome.state == "error" else ""
        lines.append(f"| {fault.name} | {fault.file} | {_WORDS[outcome.state]}{why} | {fault.test} |")
    return "\n".join(lines)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _refuse(sentence: str, code: int = 1) -> int:
    _say(sentence)
    return code
