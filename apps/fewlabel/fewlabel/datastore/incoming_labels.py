"""Checks submitted labels, converts and stores them atomically; the last one of each case can be taken back."""

from __future__ import annotations

import logging
import os
import shutil
import threading
import time
from pathlib import Path
from typing import Any

from monailabel.datastore.local import DataModel

from fewlabel.datastore.belongs import check_belongs
from fewlabel.datastore.catalogue import LABEL_EXTENSIONS, check_name, plain
from fewlabel.datastore.entries import FINAL, Entries
from fewlabel.datastore.images import RESERVED, Images
from fewlabel.datastore.kinds import KIND, KIND_KEYS, PREDICTED, lower, said_kind, without_kind
from fewlabel.datastore.proposals import Proposals
from fewlabel.datastore.submission import Submission, check_on_grid, check_submission
from fewlabel.datastore.undo import Undo
from fewlabel.errors import Refusal
from fewlabel.volumes.reading import split_extension, write_volume
from fewlabel.workspace import Workspace, remove_file, replace_file, write_json

logger = logging.getLogger(__name__)


class IncomingLabels:
    """Stores, changes and removes labels.

    A label of tag ``final`` (submitted, training truth) is stored as ``<id>.nii.gz`` on its image's grid, with
    the study's values; the client's parameters are kept in a sidecar, ``workspace.labels/<id>.json``. Labels of other
    tags (``original``: a model's pre-labels) are stored unchanged, their sidecars in a folder of the tag's name. A
    child process may store these, but not a submitted label.

    Args:
        entries: of the study.
        images: of the study.
        workspace: of the study.
        proposals: give the kind of a submission.
        undo: keeps what a submission replaces.
    """

    def __init__(
        self, entries: Entries, images: Images, workspace: Workspace, proposals: Proposals, undo: Undo
    ) -> None:
        self._entries, self._images, self._workspace = entries, images, workspace
        self._proposals, self._undo = proposals, undo
        self._submitted: dict[tuple[int, str], bool] = {}

    def save(self, image_id: str, filename: str, tag: str, info: dict[str, Any]) -> str:
        """Check and store a label of an image.

        Args:
            image_id: the image.
            filename: `.nii`, `.nii.gz` or `.nrrd`.
            tag: ``final`` for a submitted label, any other name for others.
            info: MONAI Label's ``params``: ``label_info`` names the values, ``client_id``, ``kind``, ...

        Returns:
            The label's id, which is the image's.

        Raises:
            Refusal: (400) unusable id or tag; (404) no such image; (409) a submitted label from a child
                process; (422) the label is unreadable, elsewhere in space, of unknown names, values or kind;
                (507) cannot be written. Whatever was stored before is still there.
        """
        tag = getattr(tag, "value", tag) or FINAL
        check_name(tag, "a label tag")
        check_name(image_id, "an image id")
        params = plain(info)
        image = self._images.uri(image_id)
        check_belongs(image_id, image, filename)
        with self._entries.alone(image_id):
            if tag == FINAL:
                replaces = FINAL in self._images.entry(image_id).labels
                self._submit(image_id, image, filename, params)
                self._submitted[threading.get_ident(), image_id] = replaces
            else:
                check_on_grid(image_id, image, filename)
                extension = split_extension(filename)[1].lower()
                path = self._entries.label_file(image_id, tag, extension)
                replace_file(path, lambda temporary: shutil.copyfile(filename, temporary))
                before = self._images.entry(image_id).labels.get(tag, DataModel()).info
                kept = {**before, **without_kind(params), KIND: PREDICTED}
                self._keep(image_id, tag, extension, kept, {})
        return image_id

    def _submit(self, image_id: str, image: str, filename: str, params: dict[str, Any]) -> None:
        """Store a label as final, and keep what it replaces."""
        self._entries.only_in_server("A submitted label")
        before, classes = self._undo.label_now(image_id), self._workspace.classes()
        self._save_final(image_id, image, filename, params)
        self._undo.remember(image_id, before, learned=self._workspace.classes() != classes)

    def _save_final(self, image_id: str, image: str, filename: str, params: dict[str, Any]) -> None:
        said, classes = said_kind(params), self._workspace.classes()
        submission = check_submission(image_id, image, filename, params.get("label_info"), classes)
        kind = lower(self._proposals.kind(image_id, submission.array, submission.classes), said)
        path = self._entries.label_file(image_id, FINAL, ".nii.gz")
        self._store_map(path, submission, learned=submission.classes != classes)
        values = {name: value for value, name in enumerate(submission.classes, start=1)}
        info = {**without_kind(params), "notes": submission.notes, KIND: kind}
        info["label_info"] = [{"name": name, "idx": value} for name, value in values.items()]
        sidecar = {
            "image": image_id,
            "classes": values,
            KIND: kind,
            "client_id": params.get("client_id") or params.get("user"),
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "notes": submission.notes,
            "file": os.path.basename(filename),
            "submitted": params.get("label_info"),
        }
        self._keep(image_id, FINAL, ".nii.gz", info, sidecar)
        with self._entries.guard:
            if not self._workspace.classes() and submission.classes:
                self._workspace.set_classes(submission.classes)  # their label was taken back meanwhile

    def _store_map(self, path: Path, submission: Submission, learned: bool) -> None:
        """Write the names first: after a crash in between, the next label would name the values of this map."""
        if learned:
            self._workspace.set_classes(submission.classes)
        try:
            write_volume(path, submission.array, submission.affine, submission.classes)
        except Refusal:
            if learned:
                self._workspace.set_classes([])
            raise

    def _keep(self, image_id: str, tag: str, extension: str, info: dict[str, Any], sidecar: dict[str, Any]) -> None:
        """Enter a label that has been written, and remove older files of it."""
        for other in LABEL_EXTENSIONS:
            if other != extension:
                self._entries.label_file(image_id, tag, other).unlink(missing_ok=True)
        info.update(ts=int(time.time()), name=image_id + extension)
        try:
            write_json(self._entries.sidecar(image_id, tag), {**sidecar, "info": info})
        except Refusal as error:
            logger.error("The label of %s is stored, its description is not. %s", image_id, error)
        with self._entries.guard:
            self._images.entry(image_id)
            self._entries.put_label(image_id, tag, DataModel(info=info, ext=extension))

    def notes(self, image_id: str) -> list[str]:
        """Sentences about what was changed in the submitted label of an image; [] where it has none."""
        label = self._images.entry(image_id).labels.get(FINAL)
        return [str(note) for note in label.info.get("notes", [])] if label else []

    def take_submitted(self, image_id: str) -> bool | None:
        """Whether the label that this thread has just submitted replaced another; None after the first call."""
        return self._submitted.pop((threading.get_ident(), image_id), None)

    def update_info(self, image_id: str, tag: str, info: dict[str, Any]) -> None:
        """Merge ``info`` into the info of a label; its names and values stay.

        Raises:
            Refusal: (404) no such label; (400) not a JSON object.
        """
        info = {key: value for key, value in plain(info).items() if key not in (*RESERVED, *KIND_KEYS, "label_info")}
        with self._entries.guard:
            label = self._images.label(image_id, tag)
            self._entries.put_label(image_id, tag, DataModel(info={**label.info, **info}, ext=label.ext))

    def undo(self, image_id: str) -> None:
        """Take back the last submission of an image: the label before it is restored, if there was one.

        Raises:
            Refusal: (404) no such image; (409) there is nothing to take back, or the label was changed otherwise
                since; (507) cannot be written.
        """
        self._entries.only_in_server("A submitted label")
        with self._entries.alone(image_id), self._entries.guard:
            kept = self._undo.kept(image_id)
            if kept["extension"] is None:
                self.remove(image_id, FINAL)
                if kept["learned"] and not self._entries.labelled() and not self._workspace.model.exists():
                    self._workspace.set_classes([])  # the next first label may give other names
            else:
                self._undo.restore(image_id, kept)

    def remove(self, image_id: str, tag: str) -> None:
        """Remove one label of an image.

        Raises:
            Refusal: (404) no such label; (507) the folder cannot be written.
        """
        self._entries.only_in_server("A label")
        with self._entries.alone(image_id), self._entries.guard:
            self._images.label(image_id, tag)
            self._forget(image_id, tag)
            self._entries.put_label(image_id, tag, None)

    def forget_all(self, image_id: str) -> None:
        """Remove the files of all labels of an image, and its proposals; the table is not changed."""
        for tag in self._images.entry(image_id).labels:
            self._forget(image_id, tag)
        self._proposals.forget(image_id)

    def _forget(self, image_id: str, tag: str) -> None:
        for extension in LABEL_EXTENSIONS:
            remove_file(self._entries.label_file(image_id, tag, extension))
        remove_file(self._entries.sidecar(image_id, tag))
        if tag == FINAL:
            self._undo.forget(image_id)
