"""The images of one study: their files, their information, and why other files are not images."""

from __future__ import annotations

import os
from copy import deepcopy
from pathlib import Path
from typing import Any

from monailabel.datastore.local import DataModel, ImageLabelModel

from fewlabel.datastore.catalogue import plain
from fewlabel.datastore.entries import Entries
from fewlabel.datastore.found import Found
from fewlabel.datastore.scan import FolderScan
from fewlabel.errors import Refusal

RESERVED = ("name", "path", "ts")
"""Keys of an info that no client may set: file names and orders are made from them."""


class Images:
    """Images, which may lie in subfolders or consist of two files.

    MONAI Label derives an image's file name from its id. Here the scan of the folder knows which file it is.

    Args:
        entries: of the study.
        scan: of its folder.
    """

    def __init__(self, entries: Entries, scan: FolderScan) -> None:
        self._entries, self._scan = entries, scan

    def found(self) -> Found:
        """What the folder holds: usable scans, the files that are not served, and why."""
        return self._scan.found()

    def unusable(self) -> dict[str, tuple[str, str]]:
        """Scans that cannot be used, by id: (file, why not in a sentence)."""
        return {case: (file.path, why) for case, (file, why) in self._scan.cases.unusable.items()}

    def entry(self, image_id: str) -> ImageLabelModel:
        """The table's entry of an image.

        Raises:
            Refusal: (404) this study has no such image; (422) it cannot be used.
        """
        entry = self._entries.objects.get(image_id)
        if entry is None and image_id in self._scan.cases.unusable:
            raise Refusal(self._scan.cases.unusable[image_id][1], 422)
        if entry is None:
            raise Refusal(f"No image '{image_id}' in this study: check its id, or add it first.", 404)
        return entry

    def label(self, image_id: str, tag: str) -> DataModel:
        """The table's entry of a label.

        Raises:
            Refusal: as :meth:`entry`, and (404) the image has no such label.
        """
        label = self.entry(image_id).labels.get(tag)
        if label is None:
            raise Refusal(f"Image '{image_id}' has no label of the tag '{tag}': check the tag.", 404)
        return label

    def file(self, image_id: str) -> Path:
        """The file that viewers download. Raises as :meth:`entry`."""
        return self._scan.file(image_id, self.entry(image_id).image.ext)

    def folder(self, image_id: str) -> str:
        """The subfolder of an image, parts separated by "/", where subfolders are served; else "."."""
        file = self._scan.cases.files.get(image_id)
        return file.folder if file is not None and self._scan.deep else "."

    def source(self, image_id: str) -> Path:
        """The file of an image in its folder; its header, if it consists of two files. Raises as :meth:`entry`."""
        return self._scan.source(image_id) or self.file(image_id)

    def uri(self, image_id: str) -> str:
        """Path of the file that viewers download, links resolved. Raises as :meth:`entry`."""
        return os.path.realpath(self.file(image_id))

    def info(self, image_id: str) -> dict[str, Any]:
        """The info of an image, with its path. Raises as :meth:`entry`."""
        info = deepcopy(self.entry(image_id).image.info)
        return {**info, "path": self.uri(image_id)}

    def update_info(self, image_id: str, info: dict[str, Any]) -> None:
        """Merge ``info`` into the info of an image; numbers that are not finite become null.

        Raises:
            Refusal: (404) no such image; (400) not a JSON object.
        """
        info = {key: value for key, value in plain(info).items() if key not in RESERVED}
        with self._entries.guard:
            entry = self.entry(image_id)
            image = DataModel(info={**entry.image.info, **info}, ext=entry.image.ext)
            new = ImageLabelModel(image=image, labels=entry.labels)
            self._entries.put(image_id, new, soon=set(info) == {"strategy"})
