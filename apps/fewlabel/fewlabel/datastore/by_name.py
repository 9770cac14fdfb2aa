"""The one way to a submitted label: its file is handed out in the study's values, by the names stored with it."""

from __future__ import annotations

import json
import logging
import os
import shutil
import tempfile
import time
import zipfile
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

from monailabel.datastore.local import DataModel, ImageLabelModel

from fewlabel.datastore.images import FINAL, ScannedImages
from fewlabel.datastore.meaning import LabelInStudyValues, Named, fits, listed, union_of
from fewlabel.datastore.submission import assumed, highest_value, numbered
from fewlabel.errors import Refusal
from fewlabel.files import Stamp, stamp
from fewlabel.volumes.reading import split_extension
from fewlabel.volumes.segments import named_segments
from fewlabel.workspace import Workspace, read_json

logger = logging.getLogger(__name__)


class LabelsByName(ScannedImages):
    """A datastore whose submitted labels are read by name, whoever asks: training, review, viewers, the data set.

    The names lie in the label's own header (ours, or Slicer's segments), else in MONAI Label's list or the workspace.
    Where there are none, the order of the study's classes is assumed when the label is found, and said.
    """

    _workspace: Workspace
    _read_only: bool
    _sidecar: Callable[[str, str], Path]
    _update_datastore_file: Callable[..., None]

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self._headers: dict[Path, tuple[Stamp | None, Named]] = {}
        self._looked_at: dict[str, tuple[DataModel, tuple[Any, ...], str]] = {}
        self._judged: dict[str, tuple[str, Path | Refusal]] = {}
        if not self._read_only:
            shutil.rmtree(self._workspace.by_name, ignore_errors=True)
        super().__init__(*arguments, **options)

    def get_label_uri(self, label_id: str, label_tag: str) -> str:
        """Path of a label, "" where there is none; a submitted one has the study's values.

        Raises:
            Refusal: (409) a submitted label that holds a class which the study does not have.
        """
        path = super().get_label_uri(label_id, label_tag)
        if label_tag != FINAL or not path or stamp(path) is None:
            return path
        label = LabelInStudyValues(
            label_id,
            Path(path),
            Path(self.get_image_uri(label_id)),
            self.names_of(label_id),
            self._workspace.classes(),
        )
        key = label.key
        known = self._judged.get(label_id)
        if known is None or known[0] != key:
            try:
                known = key, label.file(self._workspace.by_name)
            except Refusal as refusal:
                if refusal.status_code != 409:  # a full disk: it may be another time
                    raise
                known = key, refusal
            self._judged[label_id] = known
        if isinstance(known[1], Refusal):
            raise Refusal(str(known[1]), known[1].status_code)
        return str(known[1])

    def get_label_info(self, label_id: str, label_tag: str) -> dict[str, Any]:
        """What is known about a label, ``label_info`` as the file of :meth:`get_label_uri` has it; {} for none."""
        label = self._datastore.label(label_id, label_tag)
        info = deepcopy(label.info) if label else {}
        if label and label_tag == FINAL:
            named, classes = self.names_of(label_id), self._workspace.classes()
            info["label_info"] = named if fits(named, classes) and named else listed(classes)
        return info

    def names_of(self, image_id: str) -> Named:
        """Names of the values of a submitted label as they are stored with it; [] where nobody knows them."""
        label = self._datastore.label(image_id, FINAL)
        return self._names_in_file(image_id) or (label.info.get("label_info") or [] if label else [])

    def _names_in_file(self, image_id: str) -> Named:
        path = Path(super().get_label_uri(image_id, FINAL))
        now = stamp(path)
        known = self._headers.get(path)
        if known is None or known[0] != now:
            known = now, [{"name": each.name, "idx": each.value} for each in named_segments(path)] if now else []
            self._headers[path] = known
        return known[1]

    def label_for_training(self, image_id: str) -> str:
        """Path of a submitted label that may be learned from and measured with.

        Raises:
            Refusal: (409) it must not be; the sentence says why.
        """
        return self.get_label_uri(image_id, FINAL)

    def stored_label(self, image_id: str) -> str:
        """Path of a submitted label as it is stored, whether or not it can be used."""
        return super().get_label_uri(image_id, FINAL)

    def left_out(self) -> dict[str, str]:
        """Cases whose submitted label is not used, and why, in a sentence; each is looked at again when it changed."""
        classes, folder = tuple(self._workspace.classes()), Path(self._datastore.label_path(FINAL))
        for case, entry in self._datastore.objects.items():
            label = entry.labels.get(FINAL)
            if label is None:
                continue
            try:
                files = folder / (case + label.ext), self._image_place(case)
            except Refusal:  # removed a moment ago
                continue
            now = (classes, *(stamp(file) for file in files))
            known = self._looked_at.get(case)
            if known is None or known[0] is not label or known[1] != now:
                self._looked_at[case] = label, now, self._why_left_out(case)
        submitted = self.get_labeled_images()
        reasons = {case: self._looked_at[case][2] for case in submitted if case in self._looked_at}
        return {case: reason for case, reason in reasons.items() if reason}

    def _why_left_out(self, image_id: str) -> str:
        try:
            self.label_for_training(image_id)
        except Refusal as refusal:
            return str(refusal)
        return ""

    def label_notes(self) -> dict[str, list[str]]:
        """What people should know of stored labels, by case: those that are not used, and what was assumed."""
        notes = {case: [reason] for case, reason in self.left_out().items()}
        for case in self.get_labeled_images():
            label = self._datastore.label(case, FINAL)
            if label and label.info.get("assumed") and not self._names_in_file(case):
                notes.setdefault(case, []).extend(str(note) for note in label.info.get("notes", []))
        return notes

    # --- the data set as others take it

    def datalist(self, full_path: bool = True) -> list[dict[str, Any]]:
        """The images whose label can be used, and these labels; paths relative to the folder without ``full_path``."""
        left_out = self.left_out()
        pairs = [
            {"image": self.get_image_uri(case), "label": self.get_label_uri(case, FINAL)}
            for case in self.get_labeled_images()
            if case not in left_out
        ]
        if full_path:
            return pairs
        above = os.path.realpath(self._datastore_path) + os.sep
        return [{key: path.removeprefix(above) for key, path in pair.items()} for pair in pairs]

    def get_dataset_archive(self, limit_cases: int | None) -> str:
        """Path of a zip of labelled images and their labels, all of them or the first so many, named by their ids.

        Labels that are not used are left out; ``left_out.json`` says why.

        Raises:
            Refusal: (409) nothing is labelled yet, or nothing that can be used.
        """
        left_out = self.left_out()
        cases = [case for case in self.get_labeled_images() if case not in left_out]
        if not cases:
            none = "No image of this study is labelled yet: submit a label first."
            raise Refusal(" ".join(left_out.values()) or none, 409)
        about = json.loads(self._datastore.model_dump_json(exclude={"base_path"}))
        with tempfile.NamedTemporaryFile(delete=False) as file, zipfile.ZipFile(file, "x") as archive:
            for case in cases[:limit_cases] if limit_cases and limit_cases > 0 else cases:
                for kind, path in (("image", self.get_image_uri(case)), ("label", self.get_label_uri(case, FINAL))):
                    archive.write(path, f"{kind}/{case}{split_extension(path)[1]}")
                about["objects"][case]["labels"][FINAL]["info"] = self.get_label_info(case, FINAL)
            archive.writestr("metadata.json", json.dumps(about))
            if left_out:
                archive.writestr("left_out.json", json.dumps(left_out, indent=1))
        return file.name

    # --- labels that are found in the folder

    def _describe(self, tag: str, image_id: str, name: str) -> dict[str, Any]:
        """Info of a label that the list does not know: of the workspace, else of the file, else assumed."""
        kept = read_json(self._sidecar(image_id, tag), {}).get("info", {})
        if tag == FINAL and "label_info" not in kept:  # put there by hand, or the server died before the sidecar
            segments = named_segments(Path(self._datastore.label_path(tag), name))
            if segments:
                kept = {**kept, "label_info": [{"name": each.name, "idx": each.value} for each in segments]}
            else:
                kept = {**kept, **_assumption(self._workspace.classes())}
        return {"ts": int(time.time()), **kept, "name": name}

    def _name_labels(self) -> None:
        """Name the study's classes by its labels where they are unknown, then what was found before they were."""
        labelled = self.get_labeled_images()
        if not self._workspace.classes() and labelled:
            names = {case: self.names_of(case) for case in labelled}
            nameless = [super(LabelsByName, self).get_label_uri(case, FINAL) for case in labelled if not names[case]]
            classes = union_of(names.values()) or numbered(highest_value(nameless))
            if classes:
                self._workspace.set_classes(classes)
        classes, changed = self._workspace.classes(), {}
        for case, entry in self._datastore.objects.items() if classes else ():
            label = entry.labels.get(FINAL)
            if label and label.info.get("assumed") and not label.info.get("label_info"):
                named = DataModel(info={**label.info, **_assumption(classes)}, ext=label.ext)
                changed[case] = ImageLabelModel(image=entry.image, labels={**entry.labels, FINAL: named})
        if changed:
            self._datastore.objects = {**self._datastore.objects, **changed}
            self._update_datastore_file()


def _assumption(classes: list[str]) -> dict[str, Any]:
    return {"label_info": listed(classes), "assumed": True, "notes": [assumed(classes)] if classes else []}
