"""The clinician of the demo: does through MONAI Label's own client what a person does in 3D Slicer."""

import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from monailabel.client import MONAILabelClient
from monailabel.client.client import MONAILabelClientException

from experiments.harness.errors import ExperimentError
from experiments.harness.result import Choice, Round, dice
from experiments.harness.study import Study
from fewlabel.volumes.reading import read_label, same_grid

MODEL = "fewlabel"
STRATEGY = "uncertainty+diversity"
POLL = 1.0  # seconds between two looks at a running training


@contextmanager
def plain_words(doing: str) -> Iterator[None]:
    """Turn what the server or the connection says into one sentence for the screen."""
    try:
        yield
    except MONAILabelClientException as error:
        raise ExperimentError(f"The server refused {doing}: {error.msg}") from error
    except OSError as error:
        raise ExperimentError(f"The server did not answer {doing}: {error}") from error


class LiveLine:
    """One line of progress: rewritten in place on a terminal, a new line every ten seconds elsewhere."""

    def __init__(self) -> None:
        self.terminal = sys.stdout.isatty()
        self._printed = 0.0
        self._width = 0

    def show(self, text: str) -> None:
        """Show `text` now (terminal) or when it is time (file)."""
        if self.terminal:
            text = text[: shutil.get_terminal_size().columns - 1]
            print("\r" + text.ljust(self._width), end="", flush=True)
            self._width = len(text)
        elif time.monotonic() - self._printed > 10:
            print(text, flush=True)
            self._printed = time.monotonic()

    def end(self) -> None:
        """Leave the line."""
        if self.terminal and self._width:
            print(flush=True)
        self._width = 0


class Clinician:
    """Labels, trains and looks at results.

    Args:
        client: connected to the running server.
        study: the truth that this clinician knows.
        folder: predictions are kept below it, one folder a round.
    """

    def __init__(self, client: MONAILabelClient, study: Study, folder: Path) -> None:
        self.client, self.study, self.folder = client, study, folder

    def label_next(self) -> Choice:
        """Ask for the next case and submit its reference label; returns what the server said."""
        with plain_words("to choose the next case"):
            answer = self.client.next_sample(STRATEGY, {})
        case = answer["id"]
        names = [{"name": name, "idx": value} for name, value in self.study.classes.items()]
        with plain_words(f"the label of {case}"):
            self.client.save_label(case, str(self.study.truth[case]), params={"label_info": names})
        return Choice(case, answer.get("reason", ""), answer.get("score"), self.study.hard.get(case))

    def train(self, options: dict) -> dict:
        """Train, showing a live line; returns the server's last progress record.

        Raises:
            ExperimentError: the training failed; with the server's reason.
        """
        line = LiveLine()
        with plain_words("to train"):
            started = self.client.train_start(MODEL, options)
        try:
            while True:
                time.sleep(POLL)
                with plain_words("about the training"):
                    task = self.client.train_status()
                    progress = self.client.info().get("train_stats", {}).get(MODEL, {})
                if task["id"] == started["id"] and task["status"] not in ("SUBMITTED", "RUNNING", "PENDING"):
                    break
                if progress.get("phase") not in (None, "done", "failed"):  # those are of the training before
                    line.show(describe(progress))
        finally:
            line.end()
        if task["status"] != "DONE":
            reason = progress.get("error") or " ".join(task.get("details", [])[-1:])
            raise ExperimentError(f"The training ended with {task['status']}: {reason}")
        return progress

    def draw(self, seconds: float) -> dict:
        """Let so long pass, as if labels were drawn, and show what the server learns meanwhile by itself.

        Returns:
            The server's last progress record; a model is published by then, however long the first one takes.

        Raises:
            ExperimentError: the training failed; with the server's reason.
        """
        line, end = LiveLine(), time.monotonic() + seconds
        try:
            while True:
                with plain_words("about the training"):
                    progress = self.client.info().get("train_stats", {}).get(MODEL, {})
                if progress.get("phase") == "failed":
                    raise ExperimentError(f"The training failed: {progress.get('error')}")
                left = end - time.monotonic()
                line.show(f"  drawing, {max(0.0, left):.0f} s left; the server: {progress.get('line') or '...'}")
                if left <= 0 and progress.get("version"):
                    return progress
                time.sleep(POLL)
        finally:
            line.end()

    def rest(self) -> None:
        """Press Stop: from now on the published model stays what it is."""
        with plain_words("to stop the training"):
            self.client.train_stop()

    def segment(self, case: str, target: Path) -> dict[str, int]:
        """Let the server segment a case into `target`; returns class name -> value."""
        with plain_words(f"to segment {case}"):
            file, answer = self.client.infer(MODEL, case, {"result_extension": ".nii.gz"})
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(file, target)
        return answer["label_names"]

    def evaluate(self, done: Round, cases: list[str]) -> None:
        """Segment `cases` and write their Dice per class into `done`."""
        line = LiveLine()
        for count, case in enumerate(cases, start=1):
            line.show(f"  measuring on cases without a label: {count} of {len(cases)}")
            target = self.prediction(done, case)
            done.dice[case] = self.compare(case, target, self.segment(case, target))
        line.end()

    def prediction(self, done: Round, case: str) -> Path:
        """Where the prediction of a case after a round is kept."""
        return self.folder / f"labels_{done.labels:03d}" / f"{case}.nii.gz"

    def compare(self, case: str, file: Path, values: dict[str, int]) -> dict[str, float | None]:
        """Dice per class of a prediction against the truth.

        Raises:
            ExperimentError: it is not on the image's grid.
        """
        predicted, truth = read_label(file), read_label(self.study.truth[case])
        if not same_grid(predicted, truth):
            raise ExperimentError(f"The server's label map {file} is on another grid than the image of {case}.")
        return {
            name: dice(predicted.array == values.get(name, -1), truth.array == value)
            for name, value in self.study.classes.items()
        }


def describe(progress: dict) -> str:
    """One line about a running training from the server's progress record; any field may be missing."""
    parts = [f"  {progress.get('phase') or 'training'}"]
    if progress.get("to_score"):
        return f"{parts[0]} · {progress.get('scored', 0)} of {progress['to_score']}"
    if progress.get("progress"):
        parts.append(f"{progress['progress']:.0%}")
    if progress.get("step"):
        steps = f"/{progress['steps']}" if progress.get("steps") else ""
        parts.append(f"step {progress['step']}{steps}")
    losses = {name: value for name, value in (progress.get("losses") or {}).items() if value is not None}
    parts += [f"{name} {value:.3f}" for name, value in losses.items()]
    measured = {name: value for name, value in (progress.get("validation") or {}).items() if value is not None}
    if measured:
        parts.append("Dice " + ", ".join(f"{name} {value:.2f}" for name, value in measured.items()))
    if progress.get("labelled") is not None:
        parts.append(f"{progress['labelled']} labelled + {progress.get('unlabelled', 0)} unlabelled")
    if progress.get("seconds_left") is not None and progress.get("step"):
        parts.append(f"{progress['seconds_left']:.0f} s left")
    return " · ".join(parts)


def candidates(cases: list[str], count: int, seed: int) -> list[str]:
    """A fixed random choice of cases to measure on; those that get a label drop out on the way."""
    return np.random.default_rng(seed).permutation(sorted(cases))[:count].tolist()


def connect(address: str, downloads: Path) -> MONAILabelClient:
    """The real client, with its temporary files in `downloads`.

    Raises:
        ExperimentError: the server that answers there is not FewLabel.
    """
    downloads.mkdir(parents=True, exist_ok=True)
    client = MONAILabelClient(address, tmpdir=str(downloads), client_id="demo")
    with plain_words("to connect"):
        trainers = client.info().get("trainers", {})
    if MODEL not in trainers:
        raise ExperimentError(f"The server at {address} is not FewLabel; another program answers there.")
    return client
