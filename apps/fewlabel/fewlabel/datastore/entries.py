"""MONAI Label's table of a study's images and labels: written by one process, atomically; rebuilt from the files."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from monailabel.datastore.local import DataModel, ImageLabelModel, LocalDatastoreModel
from monailabel.interfaces.datastore import DefaultLabelTag

from fewlabel.errors import Refusal
from fewlabel.workspace import Workspace, replace_bytes

logger = logging.getLogger(__name__)

FINAL = DefaultLabelTag.FINAL.value

_SOON = 1.0
"""Seconds until a change is written that a crash may lose, such as who was handed a case."""


class Entries:
    """The table, its file, and the locks under which both are changed.

    Only the server process writes the file, so a lock between its threads is enough. ``objects`` is replaced, never
    changed in place, so readers need no lock. The labels of each image have a lock of their own
    (:meth:`alone`), which is taken before the lock of the table (``guard``).

    Args:
        table: MONAI Label's own model, which methods of its ``LocalDatastore`` also read.
        file: of the table.
        workspace: of the study.
        read_only: for child processes: never write the file.

    Attributes:
        guard: lock of the table, held while it is changed.
        unsaved: the table has changes that are not in its file.
    """

    def __init__(self, table: LocalDatastoreModel, file: Path, workspace: Workspace, read_only: bool) -> None:
        self.table, self.file, self.read_only = table, file, read_only
        self.guard = threading.RLock()
        self.unsaved = False
        self._workspace = workspace
        self._of_image: dict[str, threading.RLock] = {}
        self._saving: threading.Timer | None = None
        self._changed_at = 0.0  # modification time of the file when it was last read or written

    # --- its file

    def load(self, first: bool = False) -> None:
        """Read the file again if another program changed it; move it aside if it is damaged.

        Args:
            first: the server starts: a damaged file was then left by a crash. Later another program may be writing it.
        """
        with self.guard:
            try:
                changed_at = self.file.stat().st_mtime
                if changed_at == self._changed_at:
                    return
                loaded = LocalDatastoreModel.model_validate_json(self.file.read_bytes())
            except FileNotFoundError:
                return
            except ValueError as error:
                logger.error("%s is damaged and is rebuilt from the files: %s", self.file, error)
                if first and not self.read_only:
                    os.replace(self.file, f"{self.file}.damaged-{time.strftime('%Y%m%d-%H%M%S')}")
                return
            self.table.name, self.table.description = loaded.name, loaded.description
            self.table.objects, self._changed_at = loaded.objects, changed_at

    def save(self) -> None:
        """Write the file; a failure is logged and tried again with the next change, since the file can be rebuilt."""
        if self.read_only:
            return
        with self.guard:
            content = self.table.model_dump_json(exclude={"base_path"}).encode()
            try:
                replace_bytes(self.file, content)
            except Refusal as error:
                self.unsaved = True
                logger.error("The list of images could not be saved; it will be tried again. %s", error)
                return
            self.unsaved = False
            self._changed_at = self.file.stat().st_mtime

    def save_what_waits(self) -> None:
        """Write the file now if there are unsaved changes."""
        with self.guard:
            self._saving = None
            if self.unsaved:
                self.save()

    def wrote_last(self) -> bool:
        """Whether the file is unchanged since we last wrote or read it."""
        try:
            return os.stat(self.file).st_mtime == self._changed_at
        except OSError:
            return False

    # --- reading

    @property
    def objects(self) -> dict[str, ImageLabelModel]:
        """The entries by image id; never to be changed in place."""
        return self.table.objects

    def label(self, image_id: str, tag: str) -> DataModel | None:
        """The entry of one label; None where there is none."""
        return self.table.label(image_id, tag)

    def labelled(self) -> list[str]:
        """Ids of the images with a submitted label."""
        return [key for key, entry in self.objects.items() if FINAL in entry.labels]

    def unlabelled(self) -> list[str]:
        """Ids of the images without a submitted label."""
        return [key for key, entry in self.objects.items() if FINAL not in entry.labels]

    def label_file(self, image_id: str, tag: str, extension: str) -> Path:
        """Path of the label map of one label."""
        return Path(self.table.label_path(tag), image_id + extension)

    def sidecar(self, image_id: str, tag: str) -> Path:
        """Path of the info of one label, which is kept beside the table."""
        folder = self._workspace.labels
        return (folder if tag == FINAL else folder / tag) / f"{image_id}.json"

    # --- changing

    @contextmanager
    def alone(self, image_id: str) -> Iterator[None]:
        """Hold the lock of an image's labels, for changes that may take seconds.

        The table is not locked meanwhile, so other requests go on. Only while the study has no classes yet it is,
        since the first label decides them.
        """
        with self._of_image.setdefault(image_id, threading.RLock()):
            if self._workspace.classes():
                yield
            else:
                with self.guard:
                    yield

    def replace(self, objects: dict[str, ImageLabelModel]) -> None:
        """Replace all entries of the table; the caller holds ``guard`` and calls ``save``."""
        self.table.objects = objects

    def put(self, image_id: str, entry: ImageLabelModel, soon: bool = False) -> None:
        """Replace the entry of an image; the caller holds ``guard``.

        Args:
            soon: write the file a little later, together with the changes until then.
        """
        self.replace({**self.objects, image_id: entry})
        if not soon:
            self.save()
        elif self._saving is None and not self.read_only:  # writing 10,000 entries with each next case would be slow
            self.unsaved = True
            self._saving = threading.Timer(_SOON, self.save_what_waits)
            self._saving.daemon = True
            self._saving.start()

    def put_label(self, image_id: str, tag: str, label: DataModel | None) -> None:
        """Replace the entry of one label, or remove it (None); the caller holds ``guard``."""
        entry = self.objects[image_id]
        labels = {key: each for key, each in entry.labels.items() if label is not None or key != tag}
        if label is not None:
            labels[tag] = label
        self.put(image_id, ImageLabelModel(image=entry.image, labels=labels))

    def drop(self, image_id: str) -> None:
        """Remove the entry of an image; the caller holds ``guard``."""
        self.replace({key: entry for key, entry in self.objects.items() if key != image_id})
        self.save()

    def only_in_server(self, what: str) -> None:
        """Refuse changes in a child process.

        Raises:
            Refusal: (409) this is a child process.
        """
        if self.read_only:
            raise Refusal(f"{what} can be changed by the server only, not by a background task.", 409)
