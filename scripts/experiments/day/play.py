"""Play one day: the product's own trainings on a study whose labels come at their minutes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from monai.utils import set_determinism

from experiments.comparison.experiment import Experiment
from experiments.comparison.times import CoreTime, StepTime, same_random_numbers
from experiments.comparison.worker import measured, size
from experiments.day.rows import WHILE, Day
from experiments.day.rules import Record
from experiments.day.study import PlayedStudy
from experiments.day.timed import TimedRun
from fewlabel.inference.predict import segment
from fewlabel.methods.base import Method
from fewlabel.published import load_published
from fewlabel.settings import Settings
from fewlabel.training.budget import NO_LIMIT, Budget
from fewlabel.training.ongoing import OngoingTrainer
from fewlabel.training.run import Run
from fewlabel.workspace import read_json, write_json

_SAVE_EVERY = 5.0  # seconds of training


def play(folder: Path, key: str) -> None:
    """The day that ``folder/rows/KEY.json`` describes; each measurement goes to ``folder/outcomes/KEY.json``."""
    given = json.loads((folder / "rows" / f"{key}.json").read_text(encoding="utf-8"))["row"]
    row, experiment = Day(**given), Experiment.read(folder)
    experiment.prepare_process()
    set_determinism(row.seed)
    state = folder / "running" / key
    state.mkdir(parents=True, exist_ok=True)
    day = PlayedDay(row, experiment, state, folder / "outcomes" / f"{key}.json")
    (train_while if row.way == WHILE else train_after)(day)
    day.pass_marks(row.until)
    day.keep(whole=True)
    shutil.rmtree(state)


class PlayedDay:
    """A day, how far it is, and what was measured so far.

    Args:
        row: which.
        experiment: data, network and crops.
        state: folder of the run: the study, and how far it is.
        file: of what was measured.
    """

    def __init__(self, row: Day, experiment: Experiment, state: Path, file: Path) -> None:
        self.row, self.experiment, self.state, self.file = row, experiment, state, file
        self.study = PlayedStudy(state / "study", experiment.cases(), row.labelled, row.seed)
        self.now: CoreTime = StepTime() if experiment.steps else CoreTime()
        kept = read_json(state / "day.json", {"seconds": 0.0, "trainings": 0})
        self.trainings = kept["trainings"]
        self.now.go_on_from(kept["seconds"])
        self._saved = kept["seconds"]
        self.record = Record(state, self.study.cases, experiment.device, measured) if row.rules else None
        self.marks: list[dict[str, Any]] = read_json(file, {}).get("marks", [])
        self.left = [mark for mark in row.marks() if mark not in [each["minutes"] for each in self.marks]]

    def settings(self, **changed: Any) -> Settings:
        """Of the server."""
        plan, row = self.experiment.plan, self.row
        chosen = {"network": plan.network, "patch": plan.patch, "batch": plan.batch, "device": self.experiment.device}
        return Settings(**chosen, method=row.method, teacher=row.teacher, seed=row.seed, **changed)

    def save(self) -> None:
        """How far it is, so that a killed day goes on."""
        self._saved = self.now()
        write_json(self.state / "day.json", {"seconds": self._saved, "trainings": self.trainings})
        share = min(1.0, (self.marks[-1]["minutes"] if self.marks else 0.0) / self.row.until)
        write_json(self.state / "progress.json", {"progress": share})

    def save_if_due(self) -> None:
        """The same every few seconds."""
        if self.now() - self._saved >= _SAVE_EVERY:
            self.save()

    def pass_marks(self, minute: float) -> None:
        """Measure what is published, if a mark has passed at this minute of the day."""
        while self.left and self.left[0] <= minute + 1e-9:
            with self.now.stopped(), same_random_numbers():
                self._measure(self.left[0])
            self.left.pop(0)

    def _measure(self, minute: float) -> None:
        model = self.study.workspace.model
        if not model.exists():
            return
        experiment, device = self.experiment, self.experiment.device
        published = load_published(model, device)
        network = published.network.eval()

        def predict(image: Path) -> Any:
            return segment(network, published.plan, image, device, experiment.overlap)[0]

        found = list(measured(self.study.cases, published.plan, predict))
        progress = read_json(self.study.workspace.progress, {})
        costs = {"steps": progress.get("step", 0), "seconds": minute * 60, "seconds_per_step": float("nan")}
        described = {"row": {**self.row.to_dict(), "name": self.row.name, "settings": self.row.settings}}
        described |= {"minutes": minute, "publishes": "published", "labels": self.study.submitted}
        described |= {"published": self._since(int(published.card["version"]), minute)}
        described |= {"labelled_cases": self.study.order[: self.study.submitted], "notes": progress.get("notes", [])}
        described |= {"validation": published.card.get("validation", {}), "version": published.card["version"]}
        self.marks.append({**described, **costs, **size(network, network, device), "cases": found})
        self.keep(whole=False)
        self.save()

    def _since(self, version: int, minute: float) -> float:
        """The first mark at which this version was seen."""
        same = [mark["minutes"] for mark in self.marks if mark["version"] == version]
        return min([*same, minute])

    def keep(self, whole: bool) -> None:
        """Write what was measured."""
        looks = self.record.looks if self.record else []
        write_json(self.file, {"row": self.row.to_dict(), "marks": self.marks, "looks": looks, "whole": whole})


def train_while(day: PlayedDay) -> None:
    """The server trains from the first label on until the day is over."""
    if not day.study.submitted:
        day.study.submit()
    settings = day.settings(training="continuous", max_steps=None)
    while day.left:
        run = PlayedRun(day, day.study.workspace, settings, day.study.store)
        run()
        if run.ongoing.ended_by == "rest":  # until the next label, if there is one
            number, row = day.study.submitted + 1, day.row
            minute = row.submitted(number) if number <= row.labelled else row.until
            day.now.go_on_from((minute - row.submitted(1)) * 60)
            day.pass_marks(minute)
            run.submit_what_is_due()


class PlayedRun(TimedRun):
    """The product's training that goes on, by the time of a played day.

    Args:
        day: the day.
        arguments: of ContinuousRun.
    """

    def __init__(self, day: PlayedDay, *arguments: Any) -> None:
        self.day = day
        super().__init__(day.now, *arguments)

    def minute(self) -> float:
        """Of the day; the first label is there when the training begins."""
        return self.day.row.submitted(1) + self.day.now() / 60

    def _make_trainer(self, method: Method) -> OngoingTrainer:
        trainer = super()._make_trainer(method)
        trainer.waits = self._give_way
        publish = trainer.validate

        def look(candidate: Method, done: float) -> float:
            self._record(candidate)
            return publish(candidate, done)

        trainer.validate = look
        return trainer

    def _record(self, candidate: Method) -> None:
        if self.day.record is not None:
            with self.day.now.stopped(), same_random_numbers():
                learnt = len(self.pools.labelled) + len(self.pools.validation)
                self.day.record.look(candidate, self.plan, self.minute(), learnt, self.pools.unlabelled)

    def _give_way(self) -> None:
        """Asked before each step of the trunk and of a branch: what is published changes only after it."""
        self.day.pass_marks(self.minute())

    def _why_end(self) -> str:
        self.day.pass_marks(self.minute())
        self.day.save_if_due()
        if not self.day.left:
            return "day"
        if self.submit_what_is_due():
            return "labels"
        return "rest" if super()._why_end() == "rest" else ""

    def submit_what_is_due(self) -> bool:
        """Labels whose minute has come; whether there were any."""
        study, row = self.day.study, self.day.row
        before = study.submitted
        while study.submitted < row.labelled and row.submitted(study.submitted + 1) <= self.minute():
            if self.day.record is not None:
                with self.day.now.stopped(), same_random_numbers():
                    self.day.record.label(study.order[study.submitted], study.submitted + 1, self.plan)
            study.submit()
        return study.submitted > before


def train_after(day: PlayedDay) -> None:
    """After each label a training of some minutes that starts from the weights of the last one; the person waits."""
    row, study, steps = day.row, day.study, day.experiment.steps
    settings = day.settings(training="on_request", max_minutes=row.train, max_steps=steps or None)
    for number in range(day.trainings + 1, row.labelled + 1):
        day.pass_marks(row.submitted(number))
        if study.submitted < number:
            study.submit()
        day.pass_marks(row.submitted(number) + row.train - 1e-6)  # what comes of it is there when it has ended
        Cycle(study.workspace, settings, study.store)()
        day.trainings = number
        day.save()
        day.pass_marks(row.submitted(number) + row.train)


class Cycle(Run):
    """The product's training on request, in core-minutes; scores are not part of what is waited for."""

    def _budget(self) -> Budget:
        return Budget(self.settings.max_steps or NO_LIMIT, self.settings.max_minutes * 60, of_core=True)

    def _score(self, *arguments: Any) -> None:
        """Nothing."""
