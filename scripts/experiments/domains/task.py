"""A task: which scans have labels, which have none, which domain the model is for, and what it is measured on."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.comparison.cases import Cases, UnusableData
from fewlabel.data.setting import Sampling
from fewlabel.workspace import write_json

SOURCE_ONLY, TARGET_SUPERVISED = "source-only", "target-supervised"
FILE = "task.json"


@dataclass(frozen=True)
class Task:
    """One task.

    Attributes:
        name: as it is typed.
        title: as the table calls it.
        cases: images and labels of all domains; ``test`` are the scans of the target that it is measured on.
        sampling: the setting, the domain of each case, the target.
        labelled: cases of the source domains whose labels are learned from.
        of_target: cases of the target that ``target-supervised`` learns from; adaptation uses them without labels.
        spacing: of the plan, mm.
        patch: of the plan, voxels.
        remarks: sentences for the table.
    """

    name: str
    title: str
    cases: Cases
    sampling: Sampling
    labelled: tuple[str, ...]
    of_target: tuple[str, ...]
    spacing: tuple[float, float, float]
    patch: tuple[int, int, int]
    remarks: tuple[str, ...] = ()

    def cases_of(self, row: str) -> Cases:
        """What a row of this name learns from and is measured on, and nothing else.

        ``development`` are the labelled cases, all of them to be drawn; ``unlabelled`` the pool by the rules of the
        setting, () for the reference that learns from the target's labels.
        """
        reference = row == TARGET_SUPERVISED
        known = self.of_target if reference else self.labelled
        pool = () if reference else self.unlabelled
        images = {case: self.cases.images[case] for case in (*known, *pool, *self.cases.test)}
        labels = {case: self.cases.labels[case] for case in (*known, *self.cases.test)}
        return Cases(images, labels, self.cases.test, known, self.cases.classes, unlabelled=pool)

    @property
    def unlabelled(self) -> tuple[str, ...]:
        """The pool, by the rules of the setting."""
        others = {*self.cases.images} - {*self.labelled, *self.cases.test}
        return tuple(sorted(self.sampling.pool(others)))

    def sampling_of(self, row: str) -> Sampling:
        """How a row of this name samples: the reference on the target as in a study of one domain."""
        return Sampling() if row == TARGET_SUPERVISED else self.sampling

    def keep(self, folder: Path) -> None:
        """Write ``task.json``, from which ``read`` makes the task again, in whichever process.

        Raises:
            UnusableData: the folder holds runs on other scans.
        """
        if (folder / FILE).exists() and Task.read(folder)._scans() != self._scans():
            raise UnusableData(f"{folder} holds runs on other scans. Give another --output.")
        values = {
            **{name: getattr(self, name) for name in ("name", "title", "labelled", "of_target", "spacing", "patch")},
            "remarks": self.remarks,
            "images": _absolute(self.cases.images),
            "labels": _absolute(self.cases.labels),
            "test": self.cases.test,
            "classes": self.cases.classes,
            "setting": self.sampling.setting,
            "domain_of": dict(self.sampling.domain_of),
            "targets": sorted(self.sampling.targets),
        }
        write_json(folder / FILE, values)

    def _scans(self) -> tuple[Any, ...]:
        return self.sampling, self.labelled, self.of_target, self.cases.test, sorted(self.cases.images)

    @classmethod
    def read(cls, folder: Path) -> Task:
        """The one kept in a folder."""
        values = json.loads((folder / FILE).read_text(encoding="utf-8"))
        images, labels = ({case: Path(path) for case, path in values[kind].items()} for kind in ("images", "labels"))
        test, labelled, of_target = (tuple(values[name]) for name in ("test", "labelled", "of_target"))
        return cls(
            values["name"],
            values["title"],
            Cases(images, labels, test, (), tuple(values["classes"])),
            Sampling(values["setting"], values["domain_of"], frozenset(values["targets"])),
            labelled,
            of_target,
            tuple(values["spacing"]),
            tuple(values["patch"]),
            tuple(values["remarks"]),
        )


def training(cases: Cases, domains: Mapping[str, str], domain: str) -> tuple[str, ...]:
    """The development cases of a domain."""
    return tuple(case for case in cases.development if domains[case] == domain)


def some_of_each(cases: Cases, domains: Mapping[str, str], sources: Iterable[str], count: int) -> tuple[str, ...]:
    """The first few development cases of each source; they are in no particular order."""
    return tuple(case for source in sources for case in training(cases, domains, source)[:count])


def _absolute(paths: Mapping[str, Path]) -> dict[str, str]:
    return {case: str(path.resolve()) for case, path in paths.items()}
