"""The files of a training's cases; labels that cannot be used are left out and reported."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from monailabel.interfaces.datastore import Datastore

from fewlabel.data.loaders import Record
from fewlabel.data.pools import Pools
from fewlabel.errors import Refusal
from fewlabel.volumes.reading import UnreadableVolume, read_label
from fewlabel.workspace import Workspace


class Records:
    """Looks up the files of pools.

    Args:
        workspace: of the study; its classes are the values that a label may hold.
        datastore: with the images and labels.
        report: called with each case that is left out and the reason.
    """

    def __init__(self, workspace: Workspace, datastore: Datastore, report: Callable[[str, str], None]) -> None:
        self.workspace, self.datastore, self.report = workspace, datastore, report

    def __call__(self, pools: Pools, left_out: Mapping[str, str]) -> tuple[list[Record], list[Record], list[Record]]:
        """Records of the labelled, the validation and the unlabelled cases.

        Args:
            pools: of the training.
            left_out: cases that the datastore leaves out of it already, and why; they are reported too.

        Raises:
            Refusal: (409) no class has a name; (422) no label can be used.
        """
        reasons = dict(left_out)
        labelled, validation = self._labelled(pools.labelled, reasons), self._labelled(pools.validation, reasons)
        for case, reason in reasons.items():
            self.report(case, reason)
        if not self.workspace.classes():
            raise Refusal("No class has a name yet: submit a label that names its segments, then train.", 409)
        if not labelled:
            raise Refusal(f"None of the labelled cases can be used for training. {' '.join(reasons.values())}", 422)
        return labelled, validation, self.images(pools.unlabelled)

    def images(self, cases: list[str]) -> list[Record]:
        """Records without a label."""
        return [{"id": case, "image": self.datastore.get_image_uri(case)} for case in cases]

    def _labelled(self, cases: list[str], reasons: dict[str, str]) -> list[Record]:
        """Records with a label that can be trained on; for every other case, its reason is added to ``reasons``."""
        records = []
        classes = len(self.workspace.classes())
        for case in cases:
            try:
                path = self.datastore.label_for_training(case)
                highest = int(read_label(path).array.max())
            except (Refusal, UnreadableVolume, OSError) as error:
                reasons[case] = f"Label not used: {error}"
                continue
            if highest > classes:
                name = Path(path).name
                reasons[case] = f"Label not used: {name} holds the value {highest}, the study has {classes} classes."
                continue
            records.append({"id": case, "image": self.datastore.get_image_uri(case), "label": path})
        return records
