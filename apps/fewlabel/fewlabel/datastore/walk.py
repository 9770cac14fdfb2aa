"""Lists the files of a folder that may be scans, and those that are not; reads a few bytes of a file at most."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from fewlabel.volumes.detached import HEADERS
from fewlabel.volumes.reading import split_extension

DICOM, LAYOUT, OTHER, REPEATED, FAULTY = "dicom", "layout", "other", "repeated", "faulty"
_LAYOUT = re.compile(r"(labels|infers)(tr|ts|va|val)", re.IGNORECASE)
"""Names of label folders of nnU-Net and the Medical Segmentation Decathlon (MSD)."""

_DICOM_NAME = re.compile(r".*\.(dcm|dicom|ima)|dicomdir", re.IGNORECASE)
_NAMELESS = re.compile(r"[^.]*|.*\.\d+")
_OURS = ("datastore_v2.json", "domains.csv")
"""Files of a study that are not scans: the list of cases, with its copies, and the domains."""

_VOXELS = (".raw", ".zraw", ".raw.gz")
"""Extensions of files of voxels, which belong to a header."""


@dataclass(frozen=True)
class File:
    """One file that may be a scan.

    Attributes:
        path: relative to the folder, parts separated by "/".
        stem: the path without its extension.
        extension: as in the file name.
        stamp: (modification time in ns, size).
        identity: (device, inode): the same for two links to one file.
    """

    path: str
    stem: str
    extension: str
    stamp: tuple[int, int]
    identity: tuple[int, int]

    @property
    def folder(self) -> str:
        """Its folder, "." for the top."""
        return self.path.rpartition("/")[0] or "."

    @property
    def is_header(self) -> bool:
        """Whether its voxels lie in another file."""
        return self.extension.lower() in HEADERS


@dataclass(frozen=True)
class Passed:
    """A file or folder that is not served.

    Attributes:
        path: relative to the folder.
        reason: one of the reasons of this module and of :mod:`fewlabel.datastore.scan`.
        detail: a phrase, or "".
    """

    path: str
    reason: str
    detail: str = ""


@dataclass
class Walk:
    """What was found.

    Args:
        root: the folder.
        never: folders that are not entered, links followed.
    """

    root: Path
    never: Collection[Path] = ()
    files: list[File] = field(default_factory=list)
    passed: list[Passed] = field(default_factory=list)
    _seen: dict[tuple[int, int], str] = field(default_factory=dict)

    def go(self, deep: bool = True) -> Walk:
        """Search the folder and, with ``deep``, its subfolders; files before folders, by name."""
        with contextlib.suppress(OSError):
            stat = self.root.stat()
            self._seen[stat.st_dev, stat.st_ino] = "the folder of the studies"
        waiting = [""]
        while waiting:
            folders = self._look_into(waiting.pop())
            if deep:
                waiting += reversed(folders)
        return self

    def _look_into(self, folder: str) -> list[str]:
        """Add the files of one folder; gives its subfolders."""
        folders: list[str] = []
        names, dicom = [], None
        try:
            with os.scandir(self.root / folder) as entries:
                listed = sorted(
                    (entry for entry in entries if not entry.name.startswith(".")), key=lambda one: one.name
                )
        except OSError as error:
            self._pass(folder or ".", FAULTY, error.strerror or str(error))
            return []
        for entry in listed:
            path = f"{folder}/{entry.name}" if folder else entry.name
            try:
                entry.name.encode()
                if entry.is_dir():
                    folders += self._enter(path, entry)
                elif entry.is_file():
                    names.append((path, entry))
                elif entry.is_symlink():
                    self._pass(path, FAULTY, "it is a broken link")
            except UnicodeEncodeError:
                self._pass(path, FAULTY, "its name is not UTF-8: rename it")
            except OSError as error:  # a link to itself, a disk that fails
                self._pass(path, FAULTY, error.strerror or str(error))
        for path, entry in names:
            try:
                dicom = self._take(path, entry, dicom)
            except OSError as error:
                self._pass(path, FAULTY, error.strerror or str(error))
        return folders

    def _enter(self, path: str, entry: os.DirEntry[str]) -> Iterator[str]:
        """The folder, if it is to be searched."""
        stat = entry.stat()
        identity = stat.st_dev, stat.st_ino
        folder = self.root / path
        if entry.name.lower() == "labels" or folder.resolve() in self.never or _is_ours(folder):
            return
        if _LAYOUT.fullmatch(entry.name):
            with os.scandir(folder) as entries:
                names = [each.name for each in entries if split_extension(each.name)[1] and each.name[0] != "."]
            for name in sorted(names):
                self._pass(f"{path}/{name}", LAYOUT)
            return
        if entry.is_symlink() and self.root.resolve().is_relative_to(folder.resolve()):
            self._pass(path, REPEATED, "it leads back to a folder that holds it")
            return
        if stat.st_ino and self._seen.setdefault(identity, path) != path:
            self._pass(path, REPEATED, f"it is the same folder as {self._seen[identity]}")
            return
        yield path

    def _take(self, path: str, entry: os.DirEntry[str], dicom: bool | None) -> bool | None:
        """Add one file; ``dicom``: whether files without an extension here are DICOM, None while not known."""
        stem, extension = _split(path)
        if extension:
            stat = entry.stat()
            stamp, identity = (stat.st_mtime_ns, stat.st_size), (stat.st_dev, stat.st_ino)
            self.files.append(File(path, stem, extension, stamp, identity))
            return dicom
        nameless = _NAMELESS.fullmatch(entry.name)
        if nameless and dicom is None:
            dicom = _begins_as_dicom(self.root / path)
        if _DICOM_NAME.fullmatch(entry.name) or (nameless and dicom):
            self._pass(path, DICOM)
        elif not path.startswith(_OURS) and not entry.name.lower().endswith(_VOXELS):
            self._pass(path, OTHER)
        return dicom

    def _pass(self, path: str, reason: str, detail: str = "") -> None:
        self.passed.append(Passed(path, reason, detail))


def _split(path: str) -> tuple[str, str]:
    header = next((each for each in HEADERS if path.lower().endswith(each)), "")
    return (path[: -len(header)], path[-len(header) :]) if header else split_extension(path)


def _is_ours(folder: Path) -> bool:
    """Whether this is a workspace, or an export of a model or of labels."""
    if (folder / "study.json").is_file() or (folder / "server.lock").is_file():
        return True
    if (folder / "configs" / "metadata.json").is_file() and (folder / "models").is_dir():
        return True
    return (folder / "metadata.json").is_file() and (folder / "image").is_dir() and (folder / "label").is_dir()


def _begins_as_dicom(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"
