"""MONAI Label's folder datastore made safe: nothing unchecked, nothing half written, nothing lost."""

from __future__ import annotations

import filecmp
import logging
import os
import shutil
import threading
import time
from pathlib import Path
from typing import Any

from monailabel.datastore.local import DataModel, ImageLabelModel

from fewlabel.datastore.belongs import check_belongs
from fewlabel.datastore.catalogue import LABEL_EXTENSIONS, check_name, plain
from fewlabel.datastore.index import FINAL, FolderIndex
from fewlabel.datastore.kinds import KIND, PREDICTED, lower, said_kind, without_kind
from fewlabel.datastore.submission import Submission, check_on_grid, check_submission
from fewlabel.errors import Refusal
from fewlabel.volumes.reading import EXTENSIONS, UnreadableVolume, read_volume, split_extension, write_volume
from fewlabel.workspace import replace_file, write_json

logger = logging.getLogger(__name__)


class SafeDatastore(FolderIndex):
    """Images and labels of one study: what comes in is checked, put in order and written atomically.

    A label of tag ``final`` (submitted, training truth) is stored as ``<id>.nii.gz`` on its image's grid, with
    the study's values; what its client said is kept in a sidecar, ``workspace.labels/<id>.json``. Labels of other
    tags (``original``: a model's pre-labels) are stored as they are, their sidecars in a folder of the tag's name. A
    child process (``read_only``) may store these, but no submitted label. For the arguments see
    :class:`FolderIndex`.
    """

    # --- images

    def add_image(self, image_id: str, image_filename: str, image_info: dict[str, Any]) -> str:
        """Store a copy of an image.

        Args:
            image_id: its id; by default the name of the file.
            image_filename: `.nii`, `.nii.gz` or `.nrrd`; the extension is kept.
            image_info: kept with it.

        Returns:
            The id.

        Raises:
            Refusal: (400) unusable id or extension; (409) would replace an image that is already labelled;
                (422) not a readable 3-D image; (507) cannot be written.
        """
        self._only_in_server("An image")
        stem, extension = split_extension(os.path.basename(image_filename))
        image_id, extension = check_name(image_id or stem, "an image id"), extension.lower()
        if not extension:
            kinds = ", ".join(EXTENSIONS)
            raise Refusal(f"Image '{image_id}' is of a kind that is not supported. Use one of {kinds}.", 400)
        info = plain(image_info)
        try:
            read_volume(image_filename, f"Image '{image_id}'")
        except UnreadableVolume as error:
            raise Refusal(f"{error} Nothing was stored.", 422) from error
        with self._alone(image_id):
            if self._replaces_nothing(image_id, Path(image_filename)):
                return image_id
            place = Path(self._datastore.image_path(), image_id + extension)
            _copy(image_filename, place)
            with self._guard:
                self._forget(image_id, keep=place)
                info.update(ts=int(time.time()), name=place.name)
                self._put(image_id, ImageLabelModel(image=DataModel(info=info, ext=extension)))
        return image_id

    def _replaces_nothing(self, image_id: str, new: Path) -> bool:
        """Whether the same image is stored already; refuse to replace another one that has been labelled."""
        folder = Path(self._datastore.image_path())
        if image_id not in self._datastore.objects:
            if not any((folder / (image_id + extension)).exists() for extension in EXTENSIONS):
                return False
            self._reconcile_datastore()  # put there by hand a moment ago
        known = self._datastore.objects.get(image_id)
        if known is None:
            return False
        place = self._image_place(image_id)
        if filecmp.cmp(place, new, shallow=False):
            return True
        if place.parent.resolve() != folder.resolve():
            raise Refusal(
                f"Image '{image_id}' lies in a subfolder of the study, or in two files, and differs from this one. "
                "Nothing was stored. Add it under another name.",
                409,
            )
        if FINAL in known.labels:
            raise Refusal(
                f"Image '{image_id}' is already labelled and differs from this one. Nothing was stored. "
                "Add it under another name, or remove the labelled image first.",
                409,
            )
        return False

    def remove_image(self, image_id: str) -> None:
        """Remove an image and its labels.

        Raises:
            Refusal: (404) no such image; (507) the folder cannot be written.
        """
        self._only_in_server("An image")
        self._image(image_id)
        with self._alone(image_id), self._guard:
            self._forget(image_id)
            objects = self._datastore.objects
            self._datastore.objects = {key: entry for key, entry in objects.items() if key != image_id}
            self._update_datastore_file()

    # --- labels

    def save_label(self, image_id: str, label_filename: str, label_tag: str, label_info: dict[str, Any]) -> str:
        """Check and store a label of an image.

        Args:
            image_id: the image.
            label_filename: `.nii`, `.nii.gz` or `.nrrd`.
            label_tag: ``final`` for a submitted label, any other name for others.
            label_info: MONAI Label's ``params``: ``label_info`` names the values, ``client_id``, ``kind``, ...

        Returns:
            The label's id, which is the image's.

        Raises:
            Refusal: (400) unusable id or tag; (404) no such image; (409) a submitted label from a child
                process; (422) the label is unreadable, elsewhere in space, of unknown names, values or kind;
                (507) cannot be written. Whatever was stored before is still there.
        """
        label_tag = getattr(label_tag, "value", label_tag) or FINAL
        check_name(label_tag, "a label tag")
        check_name(image_id, "an image id")
        params = plain(label_info)
        image = self.get_image_uri(image_id)
        check_belongs(image_id, image, label_filename)
        with self._alone(image_id):
            if label_tag == FINAL:
                replaces = FINAL in self._image(image_id).labels
                self._save_final(image_id, image, label_filename, params)
                self._submitted[threading.get_ident(), image_id] = replaces
            else:
                check_on_grid(image_id, image, label_filename)
                extension = split_extension(label_filename)[1].lower()
                _copy(label_filename, self._label_place(image_id, label_tag, extension))
                before = self._image(image_id).labels.get(label_tag, DataModel()).info
                info = {**before, **without_kind(params), KIND: PREDICTED}
                self._keep_label(image_id, label_tag, extension, info, {})
        return image_id

    def _save_final(self, image_id: str, image: str, label_filename: str, params: dict[str, Any]) -> None:
        self._only_in_server("A submitted label")
        said, classes = said_kind(params), self._workspace.classes()
        submission = check_submission(image_id, image, label_filename, params.get("label_info"), classes)
        kind = lower(self.proposals.kind(image_id, submission.array, submission.classes), said)
        place = self._label_place(image_id, FINAL, ".nii.gz")
        self._store_map(place, submission, learned=submission.classes != classes)
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
            "file": os.path.basename(label_filename),
            "submitted": params.get("label_info"),
        }
        self._keep_label(image_id, FINAL, ".nii.gz", info, sidecar)
        with self._guard:
            if not self._workspace.classes() and submission.classes:
                self._workspace.set_classes(submission.classes)  # the label that taught them was taken back meanwhile

    def _store_map(self, place: Path, submission: Submission, learned: bool) -> None:
        """Names first: the next label would give other names to a map whose own were lost in a crash."""
        if learned:
            self._workspace.set_classes(submission.classes)
        try:
            write_volume(place, submission.array, submission.affine, submission.classes)
        except Refusal:
            if learned:
                self._workspace.set_classes([])
            raise

    def _keep_label(
        self, image_id: str, tag: str, extension: str, info: dict[str, Any], sidecar: dict[str, Any]
    ) -> None:
        """Enter a label that has been written; older files of the same label go."""
        for other in LABEL_EXTENSIONS:
            if other != extension:
                self._label_place(image_id, tag, other).unlink(missing_ok=True)
        info.update(ts=int(time.time()), name=image_id + extension)
        try:
            write_json(self._sidecar(image_id, tag), {**sidecar, "info": info})
        except Refusal as error:
            logger.error("The label of %s is stored, its description is not. %s", image_id, error)
        with self._guard:
            entry = self._image(image_id)
            labels = {**entry.labels, tag: DataModel(info=info, ext=extension)}
            self._put(image_id, ImageLabelModel(image=entry.image, labels=labels))

    def notes(self, image_id: str) -> list[str]:
        """What was changed in the submitted label of an image, a sentence each; empty where it has none."""
        label = self._image(image_id).labels.get(FINAL)
        return [str(note) for note in label.info.get("notes", [])] if label else []

    def take_submitted(self, image_id: str) -> bool | None:
        """Asked once, by the thread that submitted a label: whether it replaced another. None where none was."""
        return self._submitted.pop((threading.get_ident(), image_id), None)

    def remove_label(self, label_id: str, label_tag: str) -> None:
        """Remove one label of an image.

        Raises:
            Refusal: (404) no such label; (507) the folder cannot be written.
        """
        self._only_in_server("A label")
        with self._alone(label_id), self._guard:
            self._label(label_id, label_tag)
            entry = self._image(label_id)
            self._forget_label(label_id, label_tag)
            labels = {tag: label for tag, label in entry.labels.items() if tag != label_tag}
            self._put(label_id, ImageLabelModel(image=entry.image, labels=labels))

    def _forget(self, image_id: str, keep: Path | None = None) -> None:
        """Remove the files of an image and its labels, ``keep`` excepted; the list is left as it is."""
        entry = self._datastore.objects.get(image_id)
        if entry is None:
            return
        for tag in entry.labels:
            self._forget_label(image_id, tag)
        self.proposals.forget(image_id)
        place = self._image_place(image_id)
        if place != keep:
            _remove(self._scan.source(image_id) or place)

    def _forget_label(self, label_id: str, tag: str) -> None:
        for extension in LABEL_EXTENSIONS:
            _remove(self._label_place(label_id, tag, extension))
        _remove(self._sidecar(label_id, tag))


def _copy(source: str, place: Path) -> None:
    replace_file(place, lambda temporary: shutil.copyfile(source, temporary))


def _remove(place: Path) -> None:
    try:
        place.unlink(missing_ok=True)
    except OSError as error:
        raise Refusal(f"{place} cannot be removed: {error.strerror}. Make its folder writable.", 507) from error
