"""MONAI Label's list of a study's images and labels: one process writes it, atomically; files rebuild it."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from monailabel.datastore.local import DataModel, ImageLabelModel, LocalDatastoreModel

from fewlabel.datastore.catalogue import label_places, list_files, plain, reconcile, remove_leftovers
from fewlabel.datastore.images import FINAL
from fewlabel.datastore.kinds import KIND_KEYS
from fewlabel.datastore.kinds_of_before import with_kinds
from fewlabel.datastore.old_grid import OldGridLabels
from fewlabel.datastore.proposals import Proposals
from fewlabel.datastore.scan import Choices, FolderScan
from fewlabel.datastore.watched import Watched
from fewlabel.errors import Refusal
from fewlabel.volumes.reading import EXTENSIONS
from fewlabel.workspace import Workspace, replace_bytes

logger = logging.getLogger(__name__)

_SOON = 1.0
"""Seconds until a change is written that a crash may lose: to whom a case was handed out."""

_OURS = ("name", "path", "ts")
"""Entries of an info that no client may set: others build file names and orders from them."""


class FolderIndex(Watched, OldGridLabels):
    """Which images and labels one study has.

    The files are the truth; ``datastore_v2.json`` is MONAI Label's list of them and can be rebuilt. One
    process, the server, writes that list; so it needs no lock file, only a lock between its threads. Lists
    are replaced, never changed in place, so a reader needs no lock. The labels of each image have a lock of their own,
    which is taken before that of the list. Where the folder of the images cannot be
    written, labels and list are kept in the workspace, and stay there from then on. Images may lie in subfolders; ids
    hold no slash, see :mod:`fewlabel.datastore.ids`.

    Args:
        studies: folder of the images.
        workspace: of the study.
        auto_reload: watch the folder for files put there by hand.
        read_only: for child processes: knows the files, writes no list, watches nothing.
        choices: which files of the folder are images.
    """

    _config_ts: float  # when the list was written, as LocalDatastore keeps it

    def __init__(
        self,
        studies: str,
        workspace: Workspace,
        *,
        auto_reload: bool,
        read_only: bool,
        choices: Choices = Choices(),  # noqa: B008  (it is frozen)
    ) -> None:
        self._workspace = workspace
        self._read_only = read_only
        self._guard = threading.RLock()
        self._of_image: dict[str, threading.RLock] = {}
        self._unsaved = False
        self._pending: threading.Timer | None = None
        self._changed: set[Path] = set()
        self._saving: threading.Timer | None = None
        self._told: set[str] = set()
        self._looking = False
        self._submitted: dict[tuple[int, str], bool] = {}
        self.proposals = Proposals(workspace.proposals)
        self._labels_dir, config = label_places(Path(studies), workspace.folder)
        known = any(Path(studies, each).exists() for each in (config, os.path.basename(config)))
        self._scan = FolderScan(
            Path(studies), workspace, known, choices, read_only, never=Path(studies, self._labels_dir)
        )
        if not read_only:
            remove_leftovers(Path(studies), Path(studies, self._labels_dir), workspace.folder)
        super().__init__(
            studies,
            labels_dir=self._labels_dir,
            datastore_config=config,
            extensions=tuple(f"*{extension}" for extension in EXTENSIONS),
            auto_reload=auto_reload and not read_only,
            read_only=read_only,
        )
        if read_only:
            self._reconcile_datastore()
        elif auto_reload:
            # Other programs, and our child processes, move finished files into place.
            self._handler.on_moved = self._handler.on_closed = self._on_any_event
            self._watch_subfolders()

    # --- the list of images and labels

    def _init_from_datastore_file(self, throw_exception: bool = False) -> None:
        """Read the list anew if another program changed it; set it aside if it is damaged."""
        path = Path(self._datastore_config_path)
        with self._guard:
            try:
                changed_at = path.stat().st_mtime
                if changed_at == self._config_ts:
                    return
                loaded = LocalDatastoreModel.model_validate_json(path.read_bytes())
            except FileNotFoundError:
                return
            except ValueError as error:
                logger.error("%s is damaged and is rebuilt from the files: %s", path, error)
                # Later it may be half written by a living program; at the start it is what a crash has left.
                if throw_exception and not self._read_only:
                    os.replace(path, f"{path}.damaged-{time.strftime('%Y%m%d-%H%M%S')}")
                return
            loaded.images_dir, loaded.labels_dir = ".", self._labels_dir
            loaded.base_path = self._datastore_path
            self._datastore, self._config_ts = loaded, changed_at

    def _update_datastore_file(self, lock: bool = True) -> None:
        """Write the list; a failure is logged and made good with the next change, since it can be rebuilt."""
        if self._read_only:
            return
        path = Path(self._datastore_config_path)
        with self._guard:
            content = self._datastore.model_dump_json(exclude={"base_path"}).encode()
            try:
                replace_bytes(path, content)
            except Refusal as error:
                self._unsaved = True
                logger.error("The list of images could not be saved; it will be tried again. %s", error)
                return
            self._unsaved = False
            self._config_ts = path.stat().st_mtime

    def _reconcile_datastore(self) -> None:
        """Read the folder; headers that take long are looked at in the background."""
        if not self._match_folder(whole=True):
            self._scan.look()
            if not self._match_folder() and not self._read_only and not self._looking:
                self._looking = True
                threading.Thread(target=self._look_on, name="headers", daemon=True).start()
        self._scan.tell()

    def _look_on(self) -> None:
        try:
            while not self._match_folder():
                self._scan.look()
        finally:
            self._looking = False
            self._scan.tell()

    def _match_folder(self, whole: bool = False) -> bool:
        """Bring the list in line with the files; whether all their headers are known.

        Args:
            whole: leave the list as it is where they are not.
        """
        with self._guard:
            if not os.path.isdir(self._datastore.image_path()):
                logger.error("%s is not there now; its images are kept in mind", self._datastore_path)
                return True
            self._init_from_datastore_file()
            folders = sorted(Path(self._datastore.label_path(None)).glob("[!.]*/"))
            labels = {folder.name: self._files(folder) for folder in folders}
            cases = self._scan.sort(self._datastore.objects, labels.get(FINAL, {}))
            if whole and cases.pending:
                return False
            objects, changed = reconcile(self._datastore.objects, cases.extensions(), labels, self._describe)
            objects, filled = with_kinds(objects, self._workspace.history, self._sidecar, not self._read_only)
            self._datastore.objects, changed = objects, changed or filled
            if self._read_only:
                return not cases.pending
            if changed or self._unsaved or not os.path.exists(self._datastore_config_path):
                self._update_datastore_file()
            self._name_labels()
            return not cases.pending

    def _sidecar(self, image_id: str, tag: str) -> Path:
        """Where the info of one label is kept beside MONAI Label's list."""
        folder = self._workspace.labels
        return (folder if tag == FINAL else folder / tag) / f"{image_id}.json"

    def _files(self, folder: Path) -> dict[str, str]:
        found, left_out = list_files(folder)
        for name in left_out:
            if name not in self._told:
                logger.warning("%a is left out: rename it, its id is in use or cannot be used", str(folder / name))
                self._told.add(name)
        return found

    # --- entries

    @contextmanager
    def _alone(self, image_id: str) -> Iterator[None]:
        """One change at a time of the labels of an image, which may take long: of a large one some seconds.

        The list is not held meanwhile, so that all others go on; only while the study's classes are still to be
        learned, since the first label decides them.
        """
        with self._of_image.setdefault(image_id, threading.RLock()):
            if self._workspace.classes():
                yield
            else:
                with self._guard:
                    yield

    def get_labeled_images(self, label_tag: str | None = None, labels: list[str] | None = None) -> list[str]:
        """Ids of the images with a submitted label, whatever the arguments (as in MONAI Label)."""
        return [key for key, entry in self._datastore.objects.items() if FINAL in entry.labels]

    def get_unlabeled_images(self, label_tag: str | None = None, labels: list[str] | None = None) -> list[str]:
        """Ids of the images without a submitted label."""
        return [key for key, entry in self._datastore.objects.items() if FINAL not in entry.labels]

    def update_image_info(self, image_id: str, info: dict[str, Any]) -> None:
        """Merge ``info`` into what is known about an image; numbers that are not finite become null.

        Raises:
            Refusal: (404) no such image; (400) not a JSON object.
        """
        info = {key: value for key, value in plain(info).items() if key not in _OURS}
        with self._guard:
            entry = self._image(image_id)
            image = DataModel(info={**entry.image.info, **info}, ext=entry.image.ext)
            self._put(image_id, ImageLabelModel(image=image, labels=entry.labels), soon=set(info) == {"strategy"})

    def update_label_info(self, label_id: str, label_tag: str, info: dict[str, Any]) -> None:
        """Merge ``info`` into what is known about a label; its names and values stay.

        Raises:
            Refusal: (404) no such label; (400) not a JSON object.
        """
        info = {key: value for key, value in plain(info).items() if key not in (*_OURS, *KIND_KEYS, "label_info")}
        with self._guard:
            label = self._label(label_id, label_tag)
            entry = self._image(label_id)
            labels = {**entry.labels, label_tag: DataModel(info={**label.info, **info}, ext=label.ext)}
            self._put(label_id, ImageLabelModel(image=entry.image, labels=labels))

    def _label(self, label_id: str, tag: str) -> DataModel:
        label = self._image(label_id).labels.get(tag)
        if label is None:
            raise Refusal(f"Image '{label_id}' has no label of the tag '{tag}': check the tag.", 404)
        return label

    def _put(self, image_id: str, entry: ImageLabelModel, soon: bool = False) -> None:
        self._datastore.objects = {**self._datastore.objects, image_id: entry}
        if not soon:
            self._update_datastore_file()
        elif self._saving is None and not self._read_only:  # writing 10,000 entries with every next case takes its time
            self._unsaved = True
            self._saving = threading.Timer(_SOON, self._save)
            self._saving.daemon = True
            self._saving.start()

    def _save(self) -> None:
        with self._guard:
            self._saving = None
            if self._unsaved:
                self._update_datastore_file()

    def _only_in_server(self, what: str) -> None:
        if self._read_only:
            raise Refusal(f"{what} can be changed by the server only, not by a background task.", 409)
