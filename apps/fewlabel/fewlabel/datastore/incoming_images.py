"""Adds images after a check, atomically, and removes images together with their labels."""

from __future__ import annotations

import filecmp
import os
import shutil
import time
from pathlib import Path
from typing import Any

from monailabel.datastore.local import DataModel, ImageLabelModel

from fewlabel.datastore.catalogue import check_name, plain
from fewlabel.datastore.entries import FINAL, Entries
from fewlabel.datastore.images import Images
from fewlabel.datastore.incoming_labels import IncomingLabels
from fewlabel.datastore.index import FolderIndex
from fewlabel.errors import Refusal
from fewlabel.volumes.reading import EXTENSIONS, UnreadableVolume, read_volume, split_extension
from fewlabel.workspace import remove_file, replace_file


class IncomingImages:
    """Adds and removes images.

    Args:
        entries: of the study.
        images: of the study.
        index: reads the folder again, for files that have just been put there.
        labels: removes the labels of an image that is removed.
    """

    def __init__(self, entries: Entries, images: Images, index: FolderIndex, labels: IncomingLabels) -> None:
        self._entries, self._images, self._index, self._labels = entries, images, index, labels

    def add(self, image_id: str, filename: str, info: dict[str, Any]) -> str:
        """Store a copy of an image.

        Args:
            image_id: of the image; by default the name of the file.
            filename: `.nii`, `.nii.gz`, `.nrrd` or `.mha`; the extension is kept.
            info: stored with it.

        Returns:
            The id.

        Raises:
            Refusal: (400) unusable id or extension; (409) would replace an image that is already labelled;
                (422) not a readable 3-D image; (507) cannot be written.
        """
        self._entries.only_in_server("An image")
        stem, extension = split_extension(os.path.basename(filename))
        image_id, extension = check_name(image_id or stem, "an image id"), extension.lower()
        if not extension:
            kinds = ", ".join(EXTENSIONS)
            raise Refusal(f"The file format of image '{image_id}' is not supported. Use one of {kinds}.", 400)
        info = plain(info)
        try:
            read_volume(filename, f"Image '{image_id}'")
        except UnreadableVolume as error:
            raise Refusal(f"{error} Nothing was stored.", 422) from error
        with self._entries.alone(image_id):
            if self._replaces_nothing(image_id, Path(filename)):
                return image_id
            path = Path(self._entries.table.image_path(), image_id + extension)
            replace_file(path, lambda temporary: shutil.copyfile(filename, temporary))
            with self._entries.guard:
                self._forget(image_id, keep=path)
                info.update(ts=int(time.time()), name=path.name)
                self._entries.put(image_id, ImageLabelModel(image=DataModel(info=info, ext=extension)))
        return image_id

    def _replaces_nothing(self, image_id: str, new: Path) -> bool:
        """Whether the same image is stored already; refuses to replace another one that is labelled."""
        folder = Path(self._entries.table.image_path())
        if image_id not in self._entries.objects:
            if not any((folder / (image_id + extension)).exists() for extension in EXTENSIONS):
                return False
            self._index.refresh()  # it may have just been put there by hand
        known = self._entries.objects.get(image_id)
        if known is None:
            return False
        stored = self._images.file(image_id)
        if filecmp.cmp(stored, new, shallow=False):
            return True
        if stored.parent.resolve() != folder.resolve():
            raise Refusal(
                f"Image '{image_id}' lies in a subfolder of the study, or consists of two files, and differs from this "
                "one. Nothing was stored. Add it under another name.",
                409,
            )
        if FINAL in known.labels:
            raise Refusal(
                f"Image '{image_id}' is already labelled and differs from this one. Nothing was stored. "
                "Add it under another name, or remove the labelled image first.",
                409,
            )
        return False

    def remove(self, image_id: str) -> None:
        """Remove an image and its labels.

        Raises:
            Refusal: (404) no such image; (507) the folder cannot be written.
        """
        self._entries.only_in_server("An image")
        self._images.entry(image_id)
        with self._entries.alone(image_id), self._entries.guard:
            self._forget(image_id)
            self._entries.drop(image_id)

    def _forget(self, image_id: str, keep: Path | None = None) -> None:
        """Remove the files of an image and its labels, except ``keep``; the table is not changed."""
        if image_id not in self._entries.objects:
            return
        self._labels.forget_all(image_id)
        if self._images.file(image_id) != keep:
            remove_file(self._images.source(image_id))
