"""Hands out submitted labels in the study's values, using the class names stored with each label."""

from __future__ import annotations

import os
import shutil
import time
from copy import deepcopy
from pathlib import Path
from typing import Any

from monailabel.datastore.local import DataModel, ImageLabelModel

from fewlabel.datastore.entries import FINAL, Entries
from fewlabel.datastore.images import Images
from fewlabel.datastore.meaning import LabelInStudyValues, Named, fits, listed, union_of
from fewlabel.datastore.submission import assumed, highest_value, numbered
from fewlabel.errors import Refusal
from fewlabel.files import Stamp, stamp
from fewlabel.volumes.segments import named_segments
from fewlabel.workspace import Workspace, read_json


class LabelsByName:
    """Reads submitted labels by name, for training, review, viewers and the data set alike.

    The names are in the label's own header (ours, or Slicer's segments), else in MONAI Label's list or the workspace.
    Where there are none, the order of the study's classes is assumed when the label is found, and a note says so.

    Args:
        entries: of the study.
        images: of the study.
        workspace: of the study; converted labels of an earlier process are removed from it.
    """

    def __init__(self, entries: Entries, images: Images, workspace: Workspace) -> None:
        self._entries, self._images, self._workspace = entries, images, workspace
        self._headers: dict[Path, tuple[Stamp | None, Named]] = {}
        self._judged: dict[str, tuple[str, Path | Refusal]] = {}
        if not entries.read_only:
            shutil.rmtree(workspace.by_name, ignore_errors=True)

    def uri(self, image_id: str, tag: str) -> str:
        """Path of a label, "" where there is none; a submitted one has the study's values.

        Raises:
            Refusal: (409) a submitted label that holds a class which the study does not have.
        """
        path = self.stored(image_id, tag)
        if tag != FINAL or not path or stamp(path) is None:
            return path
        image, named = Path(self._images.uri(image_id)), self.names_of(image_id)
        label = LabelInStudyValues(image_id, Path(path), image, named, self._workspace.classes())
        key = label.key
        known = self._judged.get(image_id)
        if known is None or known[0] != key:
            try:
                known = key, label.file(self._workspace.by_name)
            except Refusal as refusal:
                if refusal.status_code != 409:  # a full disk: it may work another time
                    raise
                known = key, refusal
            self._judged[image_id] = known
        if isinstance(known[1], Refusal):
            raise Refusal(str(known[1]), known[1].status_code)
        return str(known[1])

    def info(self, image_id: str, tag: str) -> dict[str, Any]:
        """What is known about a label, ``label_info`` as the file of :meth:`uri` has it; {} for none."""
        label = self._entries.label(image_id, tag)
        info = deepcopy(label.info) if label else {}
        if label and tag == FINAL:
            named, classes = self.names_of(image_id), self._workspace.classes()
            info["label_info"] = named if fits(named, classes) and named else listed(classes)
        return info

    def names_of(self, image_id: str) -> Named:
        """Names of the values of a submitted label as stored with it; [] where there are none."""
        label = self._entries.label(image_id, FINAL)
        return self.names_in_file(image_id) or (label.info.get("label_info") or [] if label else [])

    def names_in_file(self, image_id: str) -> Named:
        """Names of the values of a submitted label in its header; [] where there are none."""
        path = Path(self.stored(image_id))
        now = stamp(path)
        known = self._headers.get(path)
        if known is None or known[0] != now:
            known = now, [{"name": each.name, "idx": each.value} for each in named_segments(path)] if now else []
            self._headers[path] = known
        return known[1]

    def stored(self, image_id: str, tag: str = FINAL) -> str:
        """Path of a label as it is stored, whether or not it can be used; "" where there is none."""
        label = self._entries.label(image_id, tag)
        return os.path.realpath(self._entries.label_file(image_id, tag, label.ext)) if label else ""

    # --- labels that are found in the folder

    def describe(self, tag: str, image_id: str, name: str) -> dict[str, Any]:
        """Info of a label that is missing from the list: from the workspace, else from the file, else assumed."""
        kept = read_json(self._entries.sidecar(image_id, tag), {}).get("info", {})
        if tag == FINAL and "label_info" not in kept:  # put there by hand, or the server died before the sidecar
            segments = named_segments(Path(self._entries.table.label_path(tag), name))
            if segments:
                kept = {**kept, "label_info": [{"name": each.name, "idx": each.value} for each in segments]}
            else:
                kept = {**kept, **_assumption(self._workspace.classes())}
        return {"ts": int(time.time()), **kept, "name": name}

    def name_labels(self) -> None:
        """Take the study's classes from its labels where they are unknown; then name the labels found before that."""
        labelled = self._entries.labelled()
        if not self._workspace.classes() and labelled:
            names = {case: self.names_of(case) for case in labelled}
            nameless = [self.stored(case) for case in labelled if not names[case]]
            classes = union_of(names.values()) or numbered(highest_value(nameless))
            if classes:
                self._workspace.set_classes(classes)
        classes, changed = self._workspace.classes(), {}
        for case, entry in self._entries.objects.items() if classes else ():
            label = entry.labels.get(FINAL)
            if label and label.info.get("assumed") and not label.info.get("label_info"):
                named = DataModel(info={**label.info, **_assumption(classes)}, ext=label.ext)
                changed[case] = ImageLabelModel(image=entry.image, labels={**entry.labels, FINAL: named})
        if changed:
            self._entries.replace({**self._entries.objects, **changed})
            self._entries.save()


def _assumption(classes: list[str]) -> dict[str, Any]:
    return {"label_info": listed(classes), "assumed": True, "notes": [assumed(classes)] if classes else []}
