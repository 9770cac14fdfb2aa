"""One simulated annotator while the server trains: labels come after each round, and nothing is begun anew."""

from __future__ import annotations

import shutil
import statistics
import time
from pathlib import Path
from typing import Any

from monai.utils import set_determinism

from experiments.comparison.experiment import Experiment
from experiments.comparison.outcomes import means
from experiments.comparison.times import CoreTime, StepTime, same_random_numbers
from experiments.comparison.worker import measured
from experiments.day.study import PlayedStudy
from experiments.day.timed import TimedRun
from experiments.harness.errors import ExperimentError
from experiments.rounds.simulate import Annotation, Images
from fewlabel.inference.predict import segment
from fewlabel.inference.segment import FewLabelInfer
from fewlabel.published import load_published
from fewlabel.review.submitted import Reviewer
from fewlabel.selection.table import make_strategies
from fewlabel.settings import Settings
from fewlabel.workspace import read_json, write_json

_KEPT = (".fewlabel", "labels", "datastore_v2.json")  # what a study holds besides its images


def go_on(row: Annotation, experiment: Experiment, state: Path, file: Path) -> dict[str, Any]:
    """Play all rounds of a training that goes on; what was measured after each.

    Args:
        row: what to play.
        experiment: data, network and crops. Where ``steps`` is not 0, each step takes a second.
        state: folder of the run: its study, and a copy of it after the last whole round, from which a killed run
            goes on.
        file: written after each round.
    """
    set_determinism(row.seed)
    rounds = Rounds(row, experiment, state, file)
    while rounds.left:
        run = RoundsRun(rounds, rounds.study.workspace, rounds.settings(), rounds.study.store)
        run()
        if run.ongoing.ended_by == "rest":
            rounds.end()
    return rounds.outcome()


class Rounds:
    """A run, how far it is, and what was measured so far; see ``go_on`` for the arguments.

    Attributes:
        now: core-seconds of the training.
        scoring: core-seconds that scoring the pool took, a part of these.
    """

    def __init__(self, row: Annotation, experiment: Experiment, state: Path, file: Path) -> None:
        self.row, self.experiment, self.state, self.file = row, experiment, state, file
        kept = self._restore()
        cases = experiment.cases()
        self.study = PlayedStudy(state / "study", cases, row.sizes[0], row.seed)
        self.images = Images(cases)
        self.images.labelled = list(kept["labelled"])
        self.scoring, self.choosing, self.rounds = kept["scoring"], kept["choosing"], kept["rounds"]
        self.reviewer = Reviewer(self.study.workspace, FewLabelInfer(self.study.workspace, experiment.device))
        begun = time.process_time()
        strategies, features = make_strategies(self.study.workspace, row.seed)
        features.fill(self.images.list_images(), self.images.get_image_uri, row.seed)
        self.choosing += time.process_time() - begun
        self.strategy = strategies[row.strategy]
        if not self.images.labelled:
            self._label_more(row.sizes[0])
        self.now: CoreTime = StepTime() if experiment.steps else CoreTime()  # of the training alone: from here on
        self.now.go_on_from(kept["seconds"])

    @property
    def left(self) -> tuple[int, ...]:
        """Numbers of labels of the rounds that have not ended."""
        return self.row.sizes[len(self.rounds) :]

    def settings(self) -> Settings:
        """Of the server."""
        plan, row = self.experiment.plan, self.row
        chosen = {"network": plan.network, "patch": plan.patch, "batch": plan.batch, "device": self.experiment.device}
        more = {"method": row.method, "teacher": row.teacher, "seed": row.seed}
        longest = 24 * 60.0  # of the wall: the training's own time is the limit
        return Settings(**chosen, **more, training="continuous", max_steps=None, scoring_minutes=longest)

    def has_ended(self) -> bool:
        """Whether the time of this round is over."""
        return self.now() >= self.row.seconds * (len(self.rounds) + 1) - 1e-6

    def end(self) -> None:
        """Measure what is published, ask for the next cases and label them; nothing of this takes time."""
        self.now.go_on_from(max(self.now(), self.row.seconds * (len(self.rounds) + 1)))  # a training may have rested
        with self.now.stopped(), same_random_numbers():
            size = self.left[0]
            found = self._measure() if size in self.row.measured else {}
            self.rounds.append({"labels": size, "labelled": list(self.images.labelled), "seconds": self.now(), **found})
            if self.left:
                self._label_more(self.left[0])
            self._keep()

    def _measure(self) -> dict[str, Any]:
        model = self.study.workspace.model
        if not model.exists():
            raise ExperimentError(
                f"Nothing was published in the first {self.row.seconds:g} core-seconds: give more to --seconds."
            )
        experiment = self.experiment
        published = load_published(model, experiment.device)
        network = published.network.eval()

        def predict(image: Path) -> Any:
            return segment(network, published.plan, image, experiment.device, experiment.overlap)[0]

        found = list(measured(self.study.cases, published.plan, predict))
        card = {"version": published.card["version"], "learnt": published.card["labelled"]}
        return {**means(found), **card, "of_case": of_case(found)}

    def _label_more(self, size: int) -> None:
        """Ask for as many cases as are missing to this number of labels, and submit the label of each."""
        begun = time.process_time()
        answer = self.strategy({"count": size - len(self.images.labelled)}, self.images)
        self.choosing += time.process_time() - begun
        kind = "corrected" if self.study.workspace.model.exists() else "drawn"
        for case in [given["id"] for given in answer.get("batch", [answer])]:
            self.study.label(case)
            files = self.study.store.get_image_uri(case), self.study.store.get_label_uri(case, "final")
            self.reviewer.submitted(case, *files, replaced=False, strategy=self.row.strategy, kind=kind)
            self.images.labelled.append(case)
        self.reviewer.wait()

    def outcome(self) -> dict[str, Any]:
        """What came out so far."""
        costs = {"choosing": self.choosing, "scoring": self.scoring}
        history = self.reviewer.history.entries()
        return {"row": self.row.to_dict(), "rounds": self.rounds, **costs, "history": history, "whole": not self.left}

    def _keep(self) -> None:
        """Write what came out, and copy the study: a killed run goes on from there."""
        write_json(self.file, self.outcome())
        write_json(self.state / "progress.json", {"progress": len(self.rounds) / len(self.row.sizes)})
        new = self.state / "new"
        shutil.rmtree(new, ignore_errors=True)
        for name in _KEPT:
            _copy(self.state / "study" / name, new / name)
        said = {"seconds": self.now(), "labelled": self.images.labelled, "rounds": self.rounds}
        write_json(new / "rounds.json", {**said, "choosing": self.choosing, "scoring": self.scoring})
        before = self._copies()
        new.rename(self.state / f"after-{len(self.rounds):03}")  # all of it is there, or nothing
        for copy in before:
            shutil.rmtree(copy)

    def _copies(self) -> list[Path]:
        return sorted(self.state.glob("after-*"))

    def _restore(self) -> dict[str, Any]:
        """Make the study what it was after the last whole round; how far the run was then."""
        study = self.state / "study"
        for name in _KEPT:
            shutil.rmtree(study / name, ignore_errors=True)
            (study / name).unlink(missing_ok=True)
        empty = {"seconds": 0.0, "labelled": [], "rounds": [], "choosing": 0.0, "scoring": 0.0}
        copies = self._copies()
        if not copies:
            return empty
        for name in _KEPT:
            _copy(copies[-1] / name, study / name)
        return read_json(copies[-1] / "rounds.json", empty)


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target)
    elif source.exists():
        shutil.copy2(source, target)


def of_case(rows: list[dict[str, Any]]) -> dict[str, float]:
    """Mean Dice of each case over the classes that it or its prediction has."""
    found: dict[str, list[float]] = {}
    for row in rows:
        if row["empty"] != "both":
            found.setdefault(row["case"], []).append(row["dice"])
    return {case: statistics.fmean(values) for case, values in found.items()}


class RoundsRun(TimedRun):
    """The product's training that goes on, whose labels come when a round is over.

    Args:
        rounds: what is played.
        arguments: of ContinuousRun.
    """

    def __init__(self, rounds: Rounds, *arguments: Any) -> None:
        self.rounds = rounds
        super().__init__(rounds.now, *arguments)

    def _why_end(self) -> str:
        if not self.rounds.has_ended():
            return "rest" if super()._why_end() == "rest" else ""
        self.ongoing.save(finished=True)  # a killed run goes on from here
        self.rounds.end()
        return "labels" if self.rounds.left else "rounds"

    def _has_news(self) -> bool:
        return self.rounds.has_ended()

    def _score(self, *arguments: Any) -> None:
        begun = time.process_time()
        super()._score(*arguments)
        self.rounds.scoring += time.process_time() - begun
