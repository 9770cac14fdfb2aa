"""The study of a played day: scans on disk with the product's datastore, and an annotator who knows the truth."""

from __future__ import annotations

import shutil
from pathlib import Path

from experiments.comparison.cases import Cases
from fewlabel.datastore.store import StudyDatastore
from fewlabel.workspace import Workspace


class PlayedStudy:
    """All scans but those that are measured on.

    Args:
        folder: of the study; what is there from an interrupted day is gone on with.
        cases: of the experiment.
        count: labels of the day.
        seed: of their order.
    """

    def __init__(self, folder: Path, cases: Cases, count: int, seed: int) -> None:
        self.cases, self.order = cases, in_order(cases, count, seed)
        folder.mkdir(parents=True, exist_ok=True)
        for case, image in cases.images.items():
            if case not in cases.test and not (folder / image.name).exists():
                shutil.copyfile(image, folder / image.name)
        self.workspace = Workspace(folder / ".fewlabel")
        self.store = StudyDatastore(str(folder), self.workspace, auto_reload=False, read_only=False)

    @property
    def submitted(self) -> int:
        """Labels so far."""
        return len(self.store.get_labeled_images())

    def submit(self) -> None:
        """The next label, drawn without a mistake."""
        self.label(self.order[self.submitted])

    def label(self, case: str) -> None:
        """The label of a case, drawn without a mistake."""
        known = [{"name": name, "idx": value} for value, name in enumerate(self.cases.classes, 1)]
        self.store.save_label(case, str(self.cases.labels[case]), "final", {"label_info": known})


def in_order(cases: Cases, count: int, seed: int) -> list[str]:
    """The cases of the draw of ``count``, in the order in which draws of 1, 2, ... gain them."""
    order: list[str] = []
    for number in range(1, count + 1):
        order += [case for case in cases.draw(number, seed)[0] if case not in order]
    return order[:count]
