"""The images of one study: which files they are, where they lie, and why others are none."""

from __future__ import annotations

import os
from copy import deepcopy
from pathlib import Path
from typing import Any

from monailabel.datastore.local import ImageLabelModel, LocalDatastore
from monailabel.interfaces.datastore import DefaultLabelTag

from fewlabel.datastore.found import Found
from fewlabel.datastore.scan import FolderScan
from fewlabel.errors import Refusal
from fewlabel.volumes.detached import HEADERS
from fewlabel.volumes.reading import EXTENSIONS

FINAL = DefaultLabelTag.FINAL.value
_VOXELS = (".raw", ".zraw", ".gz", ".bin", ".img", ".dat")
"""Files of voxels that headers name."""


class ScannedImages(LocalDatastore):
    """MONAI Label's datastore for images that may lie in subfolders, or in two files.

    MONAI Label takes an image's id for the name of its file. Here the scan of the folder says which file it is.
    """

    _scan: FolderScan

    def found(self) -> Found:
        """What the folder holds: usable scans, and what is passed over and why."""
        return self._scan.found()

    def unusable(self) -> dict[str, tuple[str, str]]:
        """Scans that cannot be used, by id: (file, why not in a sentence)."""
        return {case: (file.path, why) for case, (file, why) in self._scan.cases.unusable.items()}

    def get_image_uri(self, image_id: str) -> str:
        """Path of an image.

        Raises:
            Refusal: (404) this study has no such image; (422) it has one that cannot be used.
        """
        return os.path.realpath(self._image_place(image_id))

    def get_image_info(self, image_id: str) -> dict[str, Any]:
        """What is known about an image, its path included. Raises as :meth:`get_image_uri`."""
        info = deepcopy(self._image(image_id).image.info)
        return {**info, "path": self.get_image_uri(image_id)}

    def _watch_subfolders(self) -> None:
        """Let the watcher, which MONAI Label started for one folder's files, see those of subfolders and headers."""
        kinds = (*EXTENSIONS, *HEADERS, *_VOXELS)
        patterns = [f"*{each}" for kind in kinds for each in (kind, kind.upper())]
        self._handler._patterns = [*patterns, self._datastore_config_path]

    def _image(self, image_id: str) -> ImageLabelModel:
        entry = self._datastore.objects.get(image_id)
        if entry is None and image_id in self._scan.cases.unusable:
            raise Refusal(self._scan.cases.unusable[image_id][1], 422)
        if entry is None:
            raise Refusal(f"No image '{image_id}' in this study: check its id, or add it first.", 404)
        return entry

    def _image_place(self, image_id: str) -> Path:
        return self._scan.place(image_id, self._image(image_id).image.ext)
