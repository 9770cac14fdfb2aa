"""MONAI Label's table of a study's images and labels: one process writes its file, in one piece; files rebuild it."""

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
"""Seconds until a change is written that a crash may lose: to whom a case was handed out."""


class Entries:
    """The table, its file, and the locks under which both are changed.

    One process, the server, writes the file; so it needs no lock file, only a lock between its threads. ``objects`` is
    replaced, never changed in place, so a reader needs no lock. The labels of each image have a lock of their own
    (:meth:`alone`), which is taken before that of the table (``guard``).

    Args:
        table: MONAI Label's own model, which the methods of its ``LocalDatastore`` read too.
        file: where it is kept.
        workspace: of the study.
        read_only: for child processes: the file is never written.

    Attributes:
        guard: lock of the table, taken while it is changed.
        unsaved: the table holds what its file does not.
    """

    def __init__(self, table: LocalDatastoreModel, file: Path, workspace: Workspace, read_only: bool) -> None:
        self.table, self.file, self.read_only = table, file, read_only
        self.guard = threading.RLock()
        self.unsaved = False
        self._workspace = workspace
        self._of_image: dict[str, threading.RLock] = {}
        self._saving: threading.Timer | None = None
        self._changed_at = 0.0  # of the file as it was read or written last

    # --- its file

    def load(self, first: bool = False) -> None:
        """Read the file anew if another program changed it; set it aside if it is damaged.

        Args:
            first: this is the start: what is damaged then was left by a crash. Later it may be half written by a
                living program.
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
        """Write the file; a failure is logged and made good with the next change, since the file can be rebuilt."""
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
        """Write the file now if a change waits for it."""
        with self.guard:
            self._saving = None
            if self.unsaved:
                self.save()

    def wrote_last(self) -> bool:
        """Whether the file is as we wrote or read it last."""
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
        """What is known of one label; None where there is none."""
        return self.table.label(image_id, tag)

    def labelled(self) -> list[str]:
        """Ids of the images with a submitted label."""
        return [key for key, entry in self.objects.items() if FINAL in entry.labels]

    def unlabelled(self) -> list[str]:
        """Ids of the images without a submitted label."""
        return [key for key, entry in self.objects.items() if FINAL not in entry.labels]

    def label_file(self, image_id: str, tag: str, extension: str) -> Path:
        """Where the label map of one label lies."""
        return Path(self.table.label_path(tag), image_id + extension)

    def sidecar(self, image_id: str, tag: str) -> Path:
        """Where the info of one label is kept beside the table."""
        folder = self._workspace.labels
        return (folder if tag == FINAL else folder / tag) / f"{image_id}.json"

    # --- changing

    @contextmanager
    def alone(self, image_id: str) -> Iterator[None]:
        """One change at a time of the labels of an image, which may take long: of a large one some seconds.

        The table is not held meanwhile, so that all others go on; only while the study's classes are still to be
        learned, since the first label decides them.
        """
        with self._of_image.setdefault(image_id, threading.RLock()):
            if self._workspace.classes():
                yield
            else:
                with self.guard:
                    yield

    def replace(self, objects: dict[str, ImageLabelModel]) -> None:
        """Give the table other entries; hold ``guard``, and ``save`` them."""
        self.table.objects = objects

    def put(self, image_id: str, entry: ImageLabelModel, soon: bool = False) -> None:
        """Enter an image anew; hold ``guard``.

        Args:
            soon: write the file a little later, with all that comes until then.
        """
        self.replace({**self.objects, image_id: entry})
        if not soon:
            self.save()
        elif self._saving is None and not self.read_only:  # writing 10,000 entries with every next case takes its time
            self.unsaved = True
            self._saving = threading.Timer(_SOON, self.save_what_waits)
            self._saving.daemon = True
            self._saving.start()

    def put_label(self, image_id: str, tag: str, label: DataModel | None) -> None:
        """Enter one label of an image anew, or take it out (None); hold ``guard``."""
        entry = self.objects[image_id]
        labels = {key: each for key, each in entry.labels.items() if label is not None or key != tag}
        if label is not None:
            labels[tag] = label
        self.put(image_id, ImageLabelModel(image=entry.image, labels=labels))

    def drop(self, image_id: str) -> None:
        """Take an image out; hold ``guard``."""
        self.replace({key: entry for key, entry in self.objects.items() if key != image_id})
        self.save()

    def only_in_server(self, what: str) -> None:
        """Refuse a change in a child process.

        Raises:
            Refusal: (409) this is one.
        """
        if self.read_only:
            raise Refusal(f"{what} can be changed by the server only, not by a background task.", 409)
