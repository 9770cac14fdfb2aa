"""Describes the content of a study's folder: how many usable scans, which files are not served and why."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import psutil

from fewlabel.datastore.walk import DICOM, FAULTY, LAYOUT, OTHER, REPEATED, Passed
from fewlabel.volumes.detached import HEADERS
from fewlabel.volumes.inspect import COLOUR, FOUR_D, UNREADABLE
from fewlabel.volumes.reading import EXTENSIONS
from fewlabel.wording import amount

logger = logging.getLogger(__name__)

COMPANION, SUBFOLDER, NAMED = "companion", "subfolder", "name"
_EXAMPLES = 3

_WORDS = {
    COMPANION: "Not served: {files} that by name or header are segmentations, label maps or masks ({names}). "
    "--conf companions yes serves them all the same.",
    SUBFOLDER: "Not served: {files} in subfolders ({names}), because this study was opened before without them, or by "
    "--conf subfolders no. --conf subfolders yes serves them.",
    DICOM: "Not served: {files} of DICOM ({names}). Convert each series to one .nii.gz or .nrrd file, for example with "
    "dcm2niix.",
    LAYOUT: "Not served: {files} of labels in an nnU-Net or MSD layout ({names}). To use them, copy them to "
    "labels/final, named by the ids of their scans.",
    UNREADABLE: "Not usable: {files} that cannot be read as a scan ({names}). The list of cases says why of each.",
    FOUR_D: "Not usable: {files} with four dimensions or several channels ({names}). Save one 3-D volume per file.",
    COLOUR: "Not usable: {files} with colours (RGB) or several values a voxel ({names}). Save grey volumes.",
    REPEATED: "The same under another name: {files} ({names}).",
    NAMED: "Left out: {files} ({names}). Rename: the id is in use or cannot be used.",
    FAULTY: "Passed over: {names}.",
    OTHER: "Passed over: {files} of other kinds ({names}).",
}

MADE = "This folder did not exist and was created: is the path right?"


@dataclass(frozen=True)
class Found:
    """The state of a study's folder.

    Attributes:
        usable: scans that can be labelled.
        pending: files whose headers are still to be read.
        passed: files by reason, a key of the table above.
        sentences: one for each reason.
        problem: the error where there is no usable scan; "" otherwise.
        short: a summary in one line.
    """

    usable: int
    pending: int
    passed: dict[str, int]
    sentences: list[str]
    problem: str
    short: str


def sum_up(folder: Path, usable: int, pending: int, passed: Iterable[Passed], made: bool) -> Found:
    """Describe what was found.

    Args:
        folder: of the studies.
        usable, pending: see :class:`Found`.
        passed: all files that are not served, unusable scans included.
        made: the folder did not exist before the server was started.
    """
    by_reason = _grouped(passed)
    sentences = [_sentence(reason, group) for reason, group in by_reason.items()]
    problem = ""
    if not usable and not pending:
        problem = " ".join([f"There is no usable scan in {folder}.", *([MADE] if made else []), *sentences])
    counts = {reason: len(group) for reason, group in by_reason.items()}
    names = [each.path for group in by_reason.values() for each in group]
    return Found(usable, pending, counts, sentences, problem, _short(folder, usable, pending, names))


def _short(folder: Path, usable: int, pending: int, passed: list[str]) -> str:
    """One line about the folder, for the person who starts the server."""
    names = ", ".join([*map(_printable, passed[:_EXAMPLES]), *(["..."] if len(passed) > _EXAMPLES else [])])
    over = f"passed over: {names}" if names else ""
    if not usable and not pending:
        kinds = ", ".join((*EXTENSIONS, *HEADERS))
        return (
            f"No usable scan in {_printable(str(folder))}{f' ({over})' if over else ''}. Put {kinds} files there; they "
            "are found while the server runs."
        )
    later = f"{pending:,} more are still being checked" if pending else ""
    return "; ".join(filter(None, (amount(usable, "scan"), later, over))) + "."


def was_made_now(folder: Path) -> bool:
    """Whether a folder does not exist, or is empty and newer than this process.

    MONAI Label creates a missing folder before any app can look.
    """
    try:
        stat = folder.stat()
        return not any(folder.iterdir()) and stat.st_ctime >= psutil.Process().create_time()
    except FileNotFoundError:
        return True
    except OSError:
        return False


class FolderLog:
    """Logs what is new in the folder: each file once, many files of one kind in one line."""

    def __init__(self) -> None:
        self._logged: set[tuple[str, str]] = set()
        self._problem = ""

    def add(self, passed: Iterable[Passed]) -> None:
        """Log the files that are not served and were not logged yet."""
        news = [each for each in passed if (each.reason, each.path) not in self._logged]
        self._logged |= {(each.reason, each.path) for each in news}
        for reason, group in _grouped(news).items():
            for part in [[each] for each in group] if reason == FAULTY else [group]:
                (logger.info if reason == OTHER else logger.warning)("%s", _sentence(reason, part))

    def total(self, found: Found, folder: Path) -> None:
        """Log how many scans there are; an error if there is none."""
        if found.problem and found.problem != self._problem:
            logger.error("%s", found.problem)
        elif not found.problem:
            later = f"; {found.pending} more are still being checked" if found.pending else ""
            logger.info("Found %s in %s%s.", amount(found.usable, "usable scan"), folder, later)
        self._problem = found.problem


def _grouped(passed: Iterable[Passed]) -> dict[str, list[Passed]]:
    groups: defaultdict[str, list[Passed]] = defaultdict(list)
    for each in passed:
        groups[each.reason].append(each)
    return {reason: groups[reason] for reason in _WORDS if reason in groups}


def _sentence(reason: str, group: list[Passed]) -> str:
    names = [f"{_printable(each.path)}{': ' if each.detail else ''}{each.detail}" for each in group[:_EXAMPLES]]
    more = ", ..." if len(group) > _EXAMPLES else ""
    return _WORDS[reason].format(files=amount(len(group), "file"), names=("; ".join(names)) + more)


def _printable(path: str) -> str:
    """A name that can be written to a log and to JSON, whatever its bytes."""
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in path)
