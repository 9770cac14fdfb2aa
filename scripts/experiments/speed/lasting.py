"""Memory of a server that trains by itself for a long time, with labels, inferences and publications."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil

from experiments.harness.clinician import MODEL, STRATEGY
from experiments.harness.errors import ExperimentError
from experiments.harness.say import say
from experiments.harness.server import Server
from experiments.speed.bench import CLASSES
from experiments.speed.ongoing import LABELLED, cases_of, said, training, trainings
from experiments.speed.table import Row, machine, table
from experiments.speed.yielding import measure_yielding
from fewlabel.volumes.reading import read_volume, write_volume
from fewlabel.wording import amount

FLAT = 60.0  # MiB an hour, the most that is called flat: less than a tenth of what a server takes, in an hour
_WARM = 0.25  # share of the time in which caches fill; the slope is that of the rest
_EVERY = 2.0  # seconds between two samples
_ASKED, _SUBMITTED = 10.0, 60.0  # seconds between two inferences, and between two labels


@dataclass
class Samples:
    """Resident MiB over time.

    Attributes:
        seconds: of each sample, since the first.
        server: of the server.
        training: of the processes that it started.
    """

    seconds: list[float] = field(default_factory=list)
    server: list[float] = field(default_factory=list)
    training: list[float] = field(default_factory=list)

    def take(self, server: Server, seconds: float) -> None:
        """Look now."""
        self.seconds.append(seconds)
        self.server.append(psutil.Process(server.process.pid).memory_info().rss / 2**20)
        self.training.append(sum(map(_resident, trainings(server))))

    def row(self, what: str, values: Sequence[float]) -> Row:
        """Start, end and peak after the warm-up, and the slope."""
        warm = [index for index, second in enumerate(self.seconds) if second >= _WARM * self.seconds[-1]]
        seconds, kept = np.array(self.seconds)[warm], np.array(values)[warm]
        slope = slope_of(seconds / 3600, kept)
        few = max(1, len(kept) // 10)
        start, end = statistics.median(kept[:few]), statistics.median(kept[-few:])
        text = f"start {start:.0f} MiB, end {end:.0f}, peak {kept.max():.0f}; slope {slope:+.0f} MiB/h"
        return Row(what, text, f"≤ {FLAT:g} MiB/h", slope, FLAT)


def slope_of(hours: np.ndarray, values: np.ndarray) -> float:
    """Median of the slopes between all pairs of points (Theil 1950, Sen 1968): a short peak moves it little."""
    if len(hours) > 400:
        chosen = np.linspace(0, len(hours) - 1, 400).round().astype(int)
        hours, values = hours[chosen], values[chosen]
    first, second = np.triu_indices(len(hours), 1)
    return float(np.median((values[second] - values[first]) / (hours[second] - hours[first]))) if len(first) else 0.0


def _resident(process: psutil.Process) -> float:
    with suppress(psutil.Error):
        return process.memory_info().rss / 2**20
    return 0.0


def ongoing(only: Sequence[str], pairs: int, minutes: float, images: Path | None, seed: int) -> str:
    """Measure and tell in Markdown.

    Raises:
        ExperimentError: a server or a training did not do its work.
    """
    about, rows = f"{machine()}; seed {seed}", []
    with tempfile.TemporaryDirectory(prefix="fewlabel-ongoing-") as folder:
        for name in only:
            say(f"measuring: {name}")
            if name == "yielding":
                rows += measure_yielding(Path(folder), pairs, images, seed)
            else:
                rows += measure_lasting(Path(folder), minutes, images, seed)
    return f"{about}\n\n{table(rows)}"


def measure_lasting(folder: Path, minutes: float, images: Path | None, seed: int) -> list[Row]:
    """Resident memory of server and training while cases are asked for and labels are submitted again and again.

    Raises:
        ExperimentError: the training ends.
    """
    studies = folder / "lasting"
    with training(studies, images, seed) as server:
        before = said(server)
        deeds = _Deeds(server, studies)
        say(f"  {amount(minutes, 'minute')}")
        samples, begun = Samples(), time.monotonic()
        while (now := time.monotonic() - begun) < 60 * minutes:
            samples.take(server, now)
            deeds.what_is_due(now)
            time.sleep(_EVERY)
        after = said(server)
    if after["start_ts"] != before["start_ts"]:
        raise ExperimentError("Another training was started meanwhile: memory of two was measured.")
    done = f"{deeds.submitted} labels, {deeds.asked} inferences, {after['version'] - before['version']} publications"
    what = f"over {minutes:g} min, {done}, {after['step'] - before['step']} steps"
    return [
        samples.row(f"Memory of the server {what}", samples.server),
        samples.row(f"Memory of the training {what}", samples.training),
    ]


class _Deeds:
    """What people do meanwhile: the number of labels stays the same, since more of them need more memory."""

    def __init__(self, server: Server, studies: Path) -> None:
        self.server, self.studies, self.cases = server, studies, cases_of(studies)
        self.asked = self.submitted = 0

    def what_is_due(self, now: float) -> None:
        """Do it."""
        while self.asked < now / _ASKED:
            self._ask()
        while self.submitted < now / _SUBMITTED:
            self._submit()

    def _ask(self) -> None:
        client, case = self.server.client, self.cases[self.asked % len(self.cases)]
        for model in (MODEL, f"{MODEL}_uncertainty"):
            file, _ = client.infer(model, case, {"result_extension": ".nrrd"})
            Path(file).unlink()
        client.next_sample(STRATEGY, {})
        self.asked += 1

    def _submit(self) -> None:
        """A label that was submitted before, with other borders."""
        case = self.cases[self.submitted % LABELLED]
        names = [{"name": name, "idx": value} for value, name in enumerate(CLASSES.split(","), 1)]
        image = read_volume(next(path for path in self.studies.iterdir() if path.name.startswith(f"{case}.")))
        levels = np.percentile(image.array, (85 - self.submitted % 7, 95))
        file = self.studies.with_name("sent.nii.gz")
        write_volume(file, np.digitize(image.array, levels).astype(np.uint8), image.affine)
        self.server.client.save_label(case, str(file), params={"label_info": names})
        self.submitted += 1
