"""Run the rows of a comparison, some at a time, each in a process of its own; what is done is not done again."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any, Protocol

from experiments.comparison.cases import UnusableData
from experiments.comparison.outcomes import read_outcomes
from experiments.comparison.rows import RADIOLOGY
from fewlabel.workspace import read_json, write_json

_TELL_EVERY = 30.0  # seconds
_SCRIPT = Path(__file__).resolve().parents[2] / "experiment.py"


class Run(Protocol):
    """What the schedule needs to know of a run: its method, the name of its files, and itself for JSON."""

    method: str

    @property
    def key(self) -> str: ...

    def to_dict(self) -> dict[str, Any]: ...


class Schedule:
    """Runs rows until all have an outcome.

    Args:
        folder: of the comparison.
        rows: all of them, done or not.
        jobs: runs at a time.
        seconds: the longest that a run may train.
        say: called with the progress.
        command: of ``experiment.py`` that runs one row.
    """

    def __init__(
        self,
        folder: Path,
        rows: Sequence[Run],
        jobs: int,
        seconds: float,
        say: Callable[[str], None],
        command: str = "row",
    ) -> None:
        self.command = command
        self.folder, self.rows, self.jobs, self.seconds, self.say = folder, list(rows), jobs, seconds, say
        self.failed: dict[str, str] = {}
        self._processes: set[subprocess.Popen] = set()
        self._lock = threading.Lock()
        self._stopped = False
        self._begun = time.monotonic()
        for name in ("rows", "outcomes", "running", "logs"):
            (folder / name).mkdir(parents=True, exist_ok=True)

    def run(self) -> None:
        """Run what is missing; a run that fails is reported, and the others go on.

        Raises:
            UnusableData: a run of this name is there with other settings.
        """
        missing = [row for row in self.rows if not self._is_done(row)]
        self.say(f"{len(self.rows) - len(missing)} of {len(self.rows)} runs are there, {len(missing)} to do.")
        ours = [row for row in missing if row.method != RADIOLOGY]
        for rows in (ours, [row for row in missing if row.method == RADIOLOGY]):
            self._run_all(rows)

    def _is_done(self, row: Run) -> bool:
        file = self.folder / "outcomes" / f"{row.key}.json"
        if not file.exists():
            return False
        kept = json.loads(file.read_text(encoding="utf-8"))
        there, asked = kept["row"], json.loads(json.dumps(row.to_dict()))
        if there != asked:
            raise UnusableData(
                f"{file} is of {_said(there, asked)}, not of {_said(asked, there)}. Give the run another name, or "
                "remove that file."
            )
        return kept.get("whole", True)

    def _run_all(self, rows: Sequence[Run]) -> None:
        seconds = {row.key: self._longest(row) if row.method == RADIOLOGY else self.seconds for row in rows}
        pool = ThreadPoolExecutor(self.jobs)
        try:
            running = {pool.submit(self._run_one, row, seconds[row.key]) for row in rows}
            total, done = len(running), 0
            while running:
                finished, running = wait(running, _TELL_EVERY, FIRST_COMPLETED)
                done += len(finished)
                self._raise(finished)
                self._tell(done, total)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            with self._lock:
                self._stopped = True
                for process in self._processes:
                    process.terminate()
            raise
        pool.shutdown()

    def _raise(self, finished: set[Future]) -> None:
        for future in finished:
            future.result()

    def _longest(self, row: Run) -> float:
        """Seconds of the longest run with the same labelled cases: MONAI Label's recipe is given as long."""
        same = [
            outcome["seconds"]
            for outcome in read_outcomes(self.folder)
            if outcome["row"]["labelled"] == row.labelled and outcome["row"]["method"] != RADIOLOGY
        ]
        return max(same, default=self.seconds)

    def _run_one(self, row: Run, seconds: float) -> None:
        write_json(self.folder / "rows" / f"{row.key}.json", {"row": row.to_dict(), "seconds": seconds})
        log = self.folder / "logs" / f"{row.key}.txt"
        command = [sys.executable, str(_SCRIPT), self.command, str(self.folder), row.key]
        with log.open("w", encoding="utf-8") as file:
            with self._lock:
                if self._stopped:
                    return
                process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT)
                self._processes.add(process)
            code = process.wait()
        with self._lock:
            self._processes.discard(process)
        if code and not self._stopped:
            last = (log.read_text(encoding="utf-8", errors="replace").strip().splitlines() or ["nothing"])[-1]
            self.failed[row.key] = f"{row.key} stopped with code {code}: {last} (more in {log})"
            self.say(self.failed[row.key])

    def _tell(self, done: int, total: int) -> None:
        """How far it is, from what the runs write, and how long the rest will take at this pace."""
        shares = {
            file.parent.name: float(read_json(file, {}).get("progress", 0.0))
            for file in sorted((self.folder / "running").glob("*/progress.json"))
        }
        share = (done + sum(shares.values())) / max(1, total)
        spent = time.monotonic() - self._begun
        left = f", about {spent / share * (1 - share) / 60:.0f} min left" if 0 < share < 1 and spent > 60 else ""
        now = ", ".join(f"{name} {value:.0%}" for name, value in shares.items())
        self.say(f"{done} of {total} runs{left}{'; ' + now if now else ''}")


def _said(row: dict[str, Any], other: dict[str, Any]) -> str:
    """A run's method, and in which fields it is not the other one."""
    different = [key for key in row if key != "method" and other.get(key) != row[key]]
    return ", ".join([row["method"], *(f"{key} {row[key]}" for key in different)])
