"""What all runs of one comparison share, kept beside their outcomes so that nothing else is mixed in."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from experiments.comparison.cases import Cases, UnusableData, read_cases
from fewlabel.plan import Plan, make_plan, scan_facts
from fewlabel.settings import Settings
from fewlabel.volumes.reading import read_volume
from fewlabel.workspace import write_json

_PLAN_FROM = 24  # development scans that the plan is made from
_FREE = ("threads", "data", "split", "remarks")  # may differ when an interrupted comparison goes on


@dataclass(frozen=True)
class Experiment:
    """Settings of a comparison.

    Attributes:
        data: folder of the data.
        split: file that names test and development cases.
        tuning: whether a part of the development cases is measured instead of the test cases.
        steps: optimiser steps of each run; 0: as many as the minutes allow.
        minutes: the longest that a run may train.
        device: ``cpu`` or ``cuda``.
        threads: of each run on a CPU.
        learning_rate: highest, of AdamW.
        plan: spacing, crop, network, batch: the same for each run, made from development images only.
        overlap: of neighbouring crops of the sliding window, in [0, 1): one number, or one per axis.
        remarks: sentences for the report.
        of_core: whether the minutes are those of a core at work for the run (see Budget).
        marks: minutes of a training that goes on after which it is measured (see anytime.py); (): the last weights of
            a training with an end are. They are of a core, or, where ``steps`` is not 0, of steps of a second each.
        publishes: what is measured there, ``branch``, ``mean`` or both.
        fresh: whether a candidate is made for each mark; else it is the one that the schedule published last.
    """

    data: str
    split: str
    tuning: bool
    steps: int
    minutes: float
    device: str
    threads: int
    learning_rate: float
    plan: Plan
    overlap: float | tuple[float, ...] = 0.5
    remarks: tuple[str, ...] = ()
    of_core: bool = False
    marks: tuple[float, ...] = ()
    publishes: tuple[str, ...] = ()
    fresh: bool = False

    @classmethod
    def read(cls, folder: Path) -> Experiment:
        """The one kept in a folder."""
        values = json.loads((folder / "experiment.json").read_text(encoding="utf-8"))
        fixed = {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}
        return cls(**{**fixed, "plan": Plan.from_dict(values["plan"])})

    def keep(self, folder: Path) -> None:
        """Write it into a folder, or check that it is the one that is kept there.

        Raises:
            UnusableData: the folder holds outcomes that were made with other settings.
        """
        if (folder / "experiment.json").exists():
            kept, new = (_comparable(each) for each in (Experiment.read(folder), self))
            other = [f"{name} {kept[name]}, not {new[name]}" for name in new if kept[name] != new[name]]
            if other:
                raise UnusableData(
                    f"{folder} holds a comparison with other settings ({'; '.join(other)}). Give the same ones to go "
                    "on with it, or another --output."
                )
        write_json(folder / "experiment.json", asdict(self))

    def prepare_process(self) -> None:
        """Settings of a process that runs one row."""
        torch.set_num_threads(self.threads)
        logging.disable(logging.INFO)

    def cases(self) -> Cases:
        """The data, as this experiment may use it."""
        cases = read_cases(Path(self.data), Path(self.split))
        return cases.without_test() if self.tuning else cases


def _comparable(experiment: Experiment) -> Mapping[str, Any]:
    values = json.loads(json.dumps(asdict(experiment)))
    plan = values.pop("plan")
    plan.pop("reasons")
    return {name: value for name, value in {**values, **plan}.items() if name not in _FREE}


def make_experiment_plan(cases: Cases, settings: Settings, device: str) -> Plan:
    """One plan for all runs, from some of the development images."""
    chosen = cases.development[:: max(1, len(cases.development) // _PLAN_FROM)][:_PLAN_FROM]
    facts = [scan_facts(read_volume(cases.images[case])) for case in chosen]
    return make_plan(facts, cases.classes, settings, device)
