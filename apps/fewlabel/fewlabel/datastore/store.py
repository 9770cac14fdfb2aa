"""MONAI Label's datastore of one study: input is checked, files are written atomically, nothing is lost."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path
from typing import Any

from monailabel.datastore.local import LocalDatastore

from fewlabel.datastore.by_name import LabelsByName
from fewlabel.datastore.catalogue import label_paths, remove_leftovers
from fewlabel.datastore.choices import Choices
from fewlabel.datastore.domains import DomainFinder, Domains
from fewlabel.datastore.entries import FINAL, Entries
from fewlabel.datastore.found import Found
from fewlabel.datastore.images import Images
from fewlabel.datastore.incoming_images import IncomingImages
from fewlabel.datastore.incoming_labels import IncomingLabels
from fewlabel.datastore.index import FolderIndex
from fewlabel.datastore.old_grid import Misplaced, OldGridLabels
from fewlabel.datastore.proposals import Proposals
from fewlabel.datastore.scan import FolderScan
from fewlabel.datastore.stored import StoredLabels
from fewlabel.datastore.undo import Undo
from fewlabel.datastore.watched import FolderWatch
from fewlabel.volumes.reading import EXTENSIONS
from fewlabel.workspace import Workspace


class StudyDatastore(LocalDatastore):
    """Images and labels of one study for MONAI Label and FewLabel; each call is passed on to the part for it.

    The files are the truth; MONAI Label's ``datastore_v2.json`` is a table of them and can be rebuilt. Where the folder
    of the images cannot be written, labels and table are kept in the workspace, and stay there from then on.

    Only those methods of ``LocalDatastore`` remain that need nothing but its table (names, tags, counts), since other
    parts of MONAI Label call them. It reads, writes and watches nothing here.

    Args:
        studies: folder of the images.
        workspace: of the study.
        auto_reload: watch the folder for files put there by hand.
        read_only: for child processes: read the files, write no table, watch nothing.
        choices: which files of the folder are images.

    Attributes:
        entries: the table, its file and its locks.
        proposals: the proposals of models that were handed out.
        watch: notices changes of the folder; None: it is not watched.
    """

    def __init__(
        self,
        studies: str,
        workspace: Workspace,
        *,
        auto_reload: bool,
        read_only: bool,
        choices: Choices = Choices(),  # noqa: B008  (it is frozen)
    ) -> None:
        labels_dir, file = label_paths(Path(studies), workspace.folder)
        known = any(Path(studies, each).exists() for each in (file, os.path.basename(file)))
        labels = Path(studies, labels_dir)
        self._scan = scan = FolderScan(Path(studies), workspace, known, choices, read_only, never=labels)
        if not read_only:
            remove_leftovers(Path(studies), labels, workspace.folder)
        kinds = tuple(f"*{extension}" for extension in EXTENSIONS)  # MONAI Label only logs them here
        super().__init__(studies, labels_dir=labels_dir, datastore_config=file, extensions=kinds, read_only=True)
        self.entries = entries = Entries(self._datastore, Path(studies, file), workspace, read_only)
        entries.load(first=True)
        self.proposals = Proposals(workspace.proposals)
        self._images = images = Images(entries, scan)
        self._find_domains = DomainFinder(Path(studies), choices.domain_pattern)
        self._by_name = LabelsByName(entries, images, workspace)
        undo = Undo(entries, images, workspace)
        self._old_grid = OldGridLabels(entries, images, self._by_name, undo, workspace)
        self._stored = StoredLabels(entries, images, self._by_name, self._old_grid, workspace)
        self._index = FolderIndex(entries, scan, self._by_name, workspace)
        self._incoming_labels = IncomingLabels(entries, images, workspace, self.proposals, undo)
        self._incoming_images = IncomingImages(entries, images, self._index, self._incoming_labels)
        self._index.refresh()
        self.watch: FolderWatch | None = None
        if auto_reload and not read_only:
            self.watch = FolderWatch(studies, entries, scan, self.refresh)
            self.watch.start()

    # --- the table

    def _init_from_datastore_file(self, throw_exception: bool = False) -> None:
        """Do nothing: the entries read their file themselves."""

    def _update_datastore_file(self, lock: bool = True) -> None:
        self.entries.save()

    def refresh(self) -> None:
        """Read the folder again."""
        self._index.refresh()

    def _take_in_damaged(self) -> None:
        """Read the folder again if scans turned out to be damaged, here or in a training: they are not offered."""
        if self._scan.has_news and not self.entries.read_only:
            self._index.refresh()

    def json(self) -> Any:
        """The table of images and labels."""
        self._take_in_damaged()
        return super().json()

    def list_images(self) -> list[str]:
        """Ids of the images."""
        self._take_in_damaged()
        return super().list_images()

    def get_labeled_images(self, label_tag: str | None = None, labels: list[str] | None = None) -> list[str]:
        """Ids of the images with a submitted label, whatever the arguments (as in MONAI Label)."""
        return self.entries.labelled()

    def get_unlabeled_images(self, label_tag: str | None = None, labels: list[str] | None = None) -> list[str]:
        """Ids of the images without a submitted label."""
        self._take_in_damaged()
        return self.entries.unlabelled()

    def has_label(self, image_id: str) -> bool:
        """Whether an image has a submitted label; False for one that is gone. Quick in any number of images."""
        return self.entries.label(image_id, FINAL) is not None

    # --- images

    def found(self) -> Found:
        """What the folder holds: usable scans, the files that are not served, and why."""
        self._take_in_damaged()
        return self._images.found()

    def unusable(self) -> dict[str, tuple[str, str]]:
        """Scans that cannot be used, by id: (file, why not in a sentence)."""
        self._take_in_damaged()
        return self._images.unusable()

    def domains(self) -> Domains:
        """The domain of each image. Raises as :class:`DomainFinder`."""
        return self._find_domains({case: self._images.folder(case) for case in self.list_images()})

    def get_image_uri(self, image_id: str) -> str:
        """Path of an image.

        Raises:
            Refusal: (404) this study has no such image; (422) it cannot be used.
        """
        return self._images.uri(image_id)

    def get_image_info(self, image_id: str) -> dict[str, Any]:
        """The info of an image, with its path. Raises as :meth:`get_image_uri`."""
        return self._images.info(image_id)

    def update_image_info(self, image_id: str, info: dict[str, Any]) -> None:
        """Merge into the info of an image: :meth:`Images.update_info`."""
        self._images.update_info(image_id, info)

    def add_image(self, image_id: str, image_filename: str, image_info: dict[str, Any]) -> str:
        """Check and store a copy of an image: :meth:`IncomingImages.add`."""
        return self._incoming_images.add(image_id, image_filename, image_info)

    def remove_image(self, image_id: str) -> None:
        """Remove an image and its labels: :meth:`IncomingImages.remove`."""
        self._incoming_images.remove(image_id)

    # --- labels that are stored

    def get_label_uri(self, label_id: str, label_tag: str) -> str:
        """Path of a label, "" where there is none; a submitted one has the study's values.

        Raises:
            Refusal: (409) a submitted label that holds a class which the study does not have.
        """
        return self._by_name.uri(label_id, label_tag)

    def get_label_info(self, label_id: str, label_tag: str) -> dict[str, Any]:
        """What is known about a label, ``label_info`` as the file of :meth:`get_label_uri` has it; {} for none."""
        return self._by_name.info(label_id, label_tag)

    def stored_label(self, image_id: str) -> str:
        """Path of a submitted label as it is stored, whether or not it can be used."""
        return self._by_name.stored(image_id)

    def label_for_training(self, image_id: str) -> str:
        """Path of a submitted label that may be used for training and validation.

        Raises:
            Refusal: (409) it must not be used; the message says why.
        """
        return self._stored.for_training(image_id)

    def left_out(self, cases: Collection[str] | None = None) -> dict[str, str]:
        """Of all or these cases, those whose submitted label is not used, and why: :meth:`StoredLabels.left_out`."""
        return self._stored.left_out(cases)

    def label_notes(self) -> dict[str, list[str]]:
        """Notes about stored labels, by case: which are not used, and what was assumed."""
        return self._stored.notes()

    def misplaced(self, image_id: str) -> Misplaced | None:
        """How a submitted label lies on an old grid; None for a label on the right one."""
        return self._old_grid.misplaced(image_id)

    def move_label(self, image_id: str) -> Path:
        """Correct a label that lies on an old grid: :meth:`OldGridLabels.move`."""
        return self._old_grid.move(image_id)

    def datalist(self, full_path: bool = True) -> list[dict[str, Any]]:
        """The images whose label can be used, and these labels; paths relative to the folder without ``full_path``."""
        return self._stored.datalist(full_path)

    def get_dataset_archive(self, limit_cases: int | None) -> str:
        """Path of a zip of images and labels that can be used: :meth:`StoredLabels.archive`."""
        return self._stored.archive(limit_cases)

    # --- labels that come in

    def save_label(self, image_id: str, label_filename: str, label_tag: str, label_info: dict[str, Any]) -> str:
        """Check and store a label of an image: :meth:`IncomingLabels.save`."""
        return self._incoming_labels.save(image_id, label_filename, label_tag, label_info)

    def update_label_info(self, label_id: str, label_tag: str, info: dict[str, Any]) -> None:
        """Merge into the info of a label: :meth:`IncomingLabels.update_info`."""
        self._incoming_labels.update_info(label_id, label_tag, info)

    def remove_label(self, label_id: str, label_tag: str) -> None:
        """Remove one label of an image: :meth:`IncomingLabels.remove`."""
        self._incoming_labels.remove(label_id, label_tag)

    def undo_label(self, image_id: str) -> None:
        """Take back the last submission of an image: :meth:`IncomingLabels.undo`."""
        self._incoming_labels.undo(image_id)

    def notes(self, image_id: str) -> list[str]:
        """Sentences about what was changed in the submitted label of an image; [] where it has none."""
        return self._incoming_labels.notes(image_id)

    def take_submitted(self, image_id: str) -> bool | None:
        """Whether the label that this thread has just submitted replaced another; None after the first call."""
        return self._incoming_labels.take_submitted(image_id)
