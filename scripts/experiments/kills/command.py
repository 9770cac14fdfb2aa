"""The command ``experiment.py kills``: lives of a study, one kill after the other, each a row of a CSV."""

from __future__ import annotations

import csv
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from experiments.harness.errors import ExperimentError
from experiments.kills.check import Fault
from experiments.kills.life import DEEDS, Life
from experiments.speed.table import machine
from fewlabel.wording import amount

KILLS_OF_A_LIFE = 20
COLUMNS = ("seed", "kill", "deed", "seconds", "fault")


def kills(
    count: int,
    seed: int,
    output: Path,
    say: Callable[[str], None],
    only: tuple[str, ...] = DEEDS,
    training: str = "on_request",
) -> str:
    """Kill ``count`` times; lives that ``output/kills.csv`` holds already are not lived again.

    Args:
        count: of kills; each study lives through KILLS_OF_A_LIFE of them.
        seed: of every choice; the study of life n has the seed (seed, n).
        output: folder of the results; a life that ends in a fault leaves its study there.
        only: deeds to kill in, of DEEDS.
        training: of the server; the rows of each have a file of their own.

    Returns:
        A table.

    Raises:
        ExperimentError: something did not hold; the rows are kept and the message says where the study lies.
    """
    output.mkdir(parents=True, exist_ok=True)
    path = output / ("kills.csv" if training == "on_request" else f"kills-{training}.csv")
    rows = read_rows(path, seed)
    for first in range(0, count, KILLS_OF_A_LIFE):
        wanted = range(first, min(count, first + KILLS_OF_A_LIFE))
        if {str(number) for number in wanted} <= {row["kill"] for row in rows}:
            continue
        rows = [row for row in rows if int(row["kill"]) < first] + live(wanted, seed, output, say, only, training)
        _write(path, rows)
    return table(rows)


def live(
    numbers: range, seed: int, output: Path, say: Callable[[str], None], only: tuple[str, ...], training: str
) -> list[dict]:
    """One life; its rows.

    Raises:
        ExperimentError: something did not hold, in words.
    """
    home = Path(tempfile.mkdtemp(prefix="life-", dir=output))
    life, rows = Life(home, seed * 100_003 + numbers.start, training=training), []
    try:
        life.begin()
        for number in numbers:
            deed, begun, fault = life.random.choice(only), time.monotonic(), ""
            try:
                life.kill_during(deed)
                life.check.look(restarted=deed != "train")
            except Fault as error:
                fault = str(error)
            seconds = f"{time.monotonic() - begun:.1f}"
            rows.append(dict(zip(COLUMNS, (str(seed), str(number), deed, seconds, fault), strict=True)))
            say(f"kill {number + 1}: {deed}, {seconds} s{': ' + fault if fault else ''}")
            if fault:
                _write(output / f"fault-{number}.csv", rows)
                raise ExperimentError(f"Kill {number} ({deed}): {fault}. The study and its log are in {home}.")
    finally:
        life.end()
    shutil.rmtree(home)
    return rows


def read_rows(path: Path, seed: int) -> list[dict]:
    """Rows of this seed that were written before; none where there is no file."""
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    if any(row["seed"] != str(seed) for row in rows):
        raise ExperimentError(f"{path} holds kills of another seed; choose another --output or the same --seed.")
    return rows


def table(rows: list[dict]) -> str:
    """How often was killed in what, and how long each took with its checks."""
    counts = Counter(row["deed"] for row in rows)
    minutes = sum(float(row["seconds"]) for row in rows) / 60
    lines = ["| killed in | times |", "|---|---|", *(f"| {deed} | {counts[deed]} |" for deed in DEEDS if counts[deed])]
    heading = (
        f"{amount(len(rows), 'kill')} in {amount(round(minutes), 'minute')}, seed {rows[0]['seed']}: "
        f"nothing acknowledged was lost, nothing half written was served, no file stayed. {machine()}."
    )
    return "\n".join([heading, "", *lines])


def _write(path: Path, rows: list[dict]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
