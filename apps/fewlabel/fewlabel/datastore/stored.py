"""The submitted labels of one study: which are used, which are not and why, and the data set as an archive."""

from __future__ import annotations

import json
import os
import tempfile
import zipfile
from collections.abc import Collection
from typing import Any

from monailabel.datastore.local import DataModel

from fewlabel.datastore.by_name import LabelsByName
from fewlabel.datastore.entries import FINAL, Entries
from fewlabel.datastore.images import Images
from fewlabel.datastore.old_grid import OldGridLabels
from fewlabel.errors import Refusal
from fewlabel.files import stamp
from fewlabel.volumes.reading import split_extension
from fewlabel.workspace import Workspace


class StoredLabels:
    """Decides which submitted labels are used; gives reasons, notes and the data set.

    Args:
        entries: of the study.
        images: of the study.
        by_name: hands out submitted labels in the study's values.
        old_grid: finds the labels that do not lie on their scan.
        workspace: of the study.
    """

    def __init__(
        self, entries: Entries, images: Images, by_name: LabelsByName, old_grid: OldGridLabels, workspace: Workspace
    ) -> None:
        self._entries, self._images, self._workspace = entries, images, workspace
        self._by_name, self._old_grid = by_name, old_grid
        self._looked_at: dict[str, tuple[DataModel, tuple[Any, ...], str]] = {}

    def for_training(self, image_id: str) -> str:
        """Path of a submitted label that may be used for training and validation.

        Raises:
            Refusal: (409) it must not be used; the message says why.
        """
        beside = self._old_grid.misplaced(image_id)
        if beside:
            raise Refusal(str(beside), 409)
        return self._by_name.uri(image_id, FINAL)

    def left_out(self, cases: Collection[str] | None = None) -> dict[str, str]:
        """Cases whose submitted label is not used, and why, in a sentence; checked again when a label has changed.

        Args:
            cases: look at these only, and open no label of another; None: all.
        """
        classes = tuple(self._workspace.classes())
        for case, entry in self._entries.objects.items():
            label = entry.labels.get(FINAL)
            if label is None or (cases is not None and case not in cases):
                continue
            try:
                files = self._entries.label_file(case, FINAL, label.ext), self._images.file(case)
            except Refusal:  # it has just been removed
                continue
            now = (classes, *(stamp(file) for file in files))
            known = self._looked_at.get(case)
            if known is None or known[0] is not label or known[1] != now:
                self._looked_at[case] = label, now, self._why_left_out(case)
        submitted = [case for case in self._entries.labelled() if cases is None or case in cases]
        reasons = {case: self._looked_at[case][2] for case in submitted if case in self._looked_at}
        return {case: reason for case, reason in reasons.items() if reason}

    def _why_left_out(self, image_id: str) -> str:
        try:
            self.for_training(image_id)
        except Refusal as refusal:
            return str(refusal)
        return ""

    def notes(self) -> dict[str, list[str]]:
        """Notes about stored labels, by case: which are not used, and what was assumed."""
        notes = {case: [reason] for case, reason in self.left_out().items()}
        for case in self._entries.labelled():
            label = self._entries.label(case, FINAL)
            if label and label.info.get("assumed") and not self._by_name.names_in_file(case):
                notes.setdefault(case, []).extend(str(note) for note in label.info.get("notes", []))
        return notes

    # --- the data set

    def datalist(self, full_path: bool = True) -> list[dict[str, Any]]:
        """The images whose label can be used, and these labels; paths relative to the folder without ``full_path``."""
        left_out = self.left_out()
        pairs = [
            {"image": self._images.uri(case), "label": self._by_name.uri(case, FINAL)}
            for case in self._entries.labelled()
            if case not in left_out
        ]
        if full_path:
            return pairs
        above = os.path.realpath(self._entries.table.base_path) + os.sep
        return [{key: path.removeprefix(above) for key, path in pair.items()} for pair in pairs]

    def archive(self, limit_cases: int | None) -> str:
        """Path of a zip of labelled images and their labels, named by their ids; all, or the first ``limit_cases``.

        Labels that are not used are left out; ``left_out.json`` says why.

        Raises:
            Refusal: (409) nothing is labelled yet, or nothing that can be used.
        """
        left_out = self.left_out()
        cases = [case for case in self._entries.labelled() if case not in left_out]
        if not cases:
            none = "No image of this study is labelled yet: submit a label first."
            raise Refusal(" ".join(left_out.values()) or none, 409)
        about = json.loads(self._entries.table.model_dump_json(exclude={"base_path"}))
        with tempfile.NamedTemporaryFile(delete=False) as file, zipfile.ZipFile(file, "x") as archive:
            for case in cases[:limit_cases] if limit_cases and limit_cases > 0 else cases:
                for kind, path in (("image", self._images.uri(case)), ("label", self._by_name.uri(case, FINAL))):
                    archive.write(path, f"{kind}/{case}{split_extension(path)[1]}")
                about["objects"][case]["labels"][FINAL]["info"] = self._by_name.info(case, FINAL)
            archive.writestr("metadata.json", json.dumps(about))
            if left_out:
                archive.writestr("left_out.json", json.dumps(left_out, indent=1))
        return file.name
