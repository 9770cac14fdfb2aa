"""Lists the images and labels in the folders, and updates MONAI Label's list from them."""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import psutil
from monailabel.datastore.local import DataModel, ImageLabelModel

from fewlabel.errors import Refusal
from fewlabel.volumes.reading import EXTENSIONS, split_extension
from fewlabel.workspace import WRITING, finite

logger = logging.getLogger(__name__)

SEGMENTATION = ".seg.nrrd"
LABEL_EXTENSIONS = (*EXTENSIONS, SEGMENTATION)
"""Endings of label files: ``a.seg.nrrd``, as Slicer names a segmentation, is a label of the case ``a``."""

_NAME_LIMIT = 200
_LIST = "datastore_v2.json"
_LEFTOVER = 3600.0
"""Seconds after which a temporary file belongs to no living process."""

Describe = Callable[[str, str, str], dict[str, Any]]
"""(tag, id, file name) -> info of a label that was found in its folder."""


def name_fault(name: str) -> str:
    """Why ``name`` cannot be part of a file name inside its folder; "" if it can."""
    try:
        length = len(name.encode())
    except UnicodeEncodeError:
        return "it has characters that are not text"
    if not name or length > _NAME_LIMIT:
        return f"it must be 1 to {_NAME_LIMIT} bytes long"
    if name.startswith(".") or ".." in name:
        return "it must not start with a dot or hold two dots in a row"
    if any(sign in "/\\" or ord(sign) < 32 or ord(sign) == 127 for sign in name):
        return "it must not hold / \\ or control characters"
    return ""


def check_name(name: str, what: str) -> str:
    """``name`` if it is safe to build a file name from.

    Raises:
        Refusal: (400) it could lead out of the folder, or is no file name at all.
    """
    fault = name_fault(name) if isinstance(name, str) else "it is not text"
    if fault:
        raise Refusal(f"{str(name)[:80]!r} cannot be {what}: {fault}. Choose another one.", 400)
    return name


def plain(info: Any) -> dict[str, Any]:
    """A copy of ``info`` as JSON with finite numbers only.

    Raises:
        Refusal: (400) it is not a JSON object.
    """
    if info is not None and not isinstance(info, dict):
        raise Refusal('The description must be a JSON object, such as {"name": "value"}.', 400)
    text = json.dumps(finite(info or {}), default=str, ensure_ascii=False)
    return json.loads(text.encode("utf-8", "replace"))  # half a surrogate pair becomes "?"


def list_files(folder: Path) -> tuple[dict[str, str], list[str]]:
    """Labels directly in a folder, hidden files left out.

    Args:
        folder: may be absent.

    Returns:
        ``{id: extension}`` sorted by id, and the names of volumes that are left out: their id cannot be used,
        or another file has the same id and an earlier extension in ``LABEL_EXTENSIONS``.
    """
    found: dict[str, str] = {}
    left_out: list[str] = []
    if not folder.is_dir():
        return found, left_out
    with os.scandir(folder) as entries:
        names = [entry.name for entry in entries if not entry.name.startswith(".") and _is_file(entry)]
    volumes = [(*_split(name), name) for name in names]
    volumes = [volume for volume in volumes if volume[1]]
    volumes.sort(key=lambda volume: (volume[0], LABEL_EXTENSIONS.index(volume[1].lower()), volume[1]))
    for stem, extension, name in volumes:
        if stem in found or name_fault(stem):
            left_out.append(name)
        else:
            found[stem] = extension
    return found, left_out


def _split(name: str) -> tuple[str, str]:
    if name.lower().endswith(SEGMENTATION):
        return name[: -len(SEGMENTATION)], name[-len(SEGMENTATION) :]
    return split_extension(name)


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError:  # a link to itself, a disk that fails
        return False


def reconcile(
    known: Mapping[str, ImageLabelModel],
    images: Mapping[str, str],
    labels: Mapping[str, Mapping[str, str]],
    describe: Describe,
) -> tuple[dict[str, ImageLabelModel], bool]:
    """Update the list of images and labels from the files, in linear time.

    Args:
        known: the list so far; not changed.
        images: id -> extension of the images found.
        labels: tag -> id -> extension of the labels found.
        describe: gives the info of a label that is missing from the list.

    Returns:
        The new list, and whether it differs.
    """
    result: dict[str, ImageLabelModel] = {}
    changed = len(known) != len(images)
    for image, extension in images.items():
        entry = known.get(image)
        if entry is None or entry.image.ext != extension:
            info = {"ts": int(time.time()), "name": image + extension}
            before = entry.labels if entry else {}
            entry = ImageLabelModel(image=DataModel(info=info, ext=extension), labels=before)
            changed = True
        kept, differs = _labels_of(image, entry, labels, describe)
        if differs:
            entry = ImageLabelModel(image=entry.image, labels=kept)
            changed = True
        result[image] = entry
    # Known entries keep their order, so that reading the list twice gives the same.
    ordered = {image: result[image] for image in known if image in result}
    ordered.update(result)
    return ordered, changed


def _labels_of(
    image: str, entry: ImageLabelModel, labels: Mapping[str, Mapping[str, str]], describe: Describe
) -> tuple[dict[str, DataModel], bool]:
    kept = {tag: label for tag, label in entry.labels.items() if labels.get(tag, {}).get(image) == label.ext}
    differs = len(kept) != len(entry.labels)
    for tag, files in labels.items():
        if image in files and tag not in kept:
            extension = files[image]
            kept[tag] = DataModel(info=describe(tag, image, image + extension), ext=extension)
            differs = True
    return kept, differs


def label_paths(studies: Path, workspace: Path) -> tuple[str, str]:
    """Paths of the labels and of MONAI Label's list: beside the images, or permanently in the workspace.

    Args:
        studies: folder of the images, created if need be.
        workspace: used if ``studies`` cannot be written, or once could not; labels beside the images are copied.

    Returns:
        Folder of labels and file of the list, each relative to ``studies`` or absolute.
    """
    own = workspace / "stored"
    if not own.exists():
        if _is_writable(studies):
            return "labels", _LIST
        logger.warning("%s cannot be written; labels are kept in %s", studies, own)
        if (studies / "labels").is_dir():
            shutil.copytree(studies / "labels", own / "labels", copy_function=shutil.copyfile)
        own.mkdir(parents=True, exist_ok=True)
    return str(own / "labels"), str(own / _LIST)


def _is_writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def remove_leftovers(images: Path, labels: Path, workspace: Path) -> None:
    """Remove temporary files of processes that were killed while they wrote."""
    started: dict[int, float | None] = {}
    for path in (*images.glob(f"{WRITING}*"), *labels.glob(f"*/{WRITING}*"), *workspace.rglob(f"{WRITING}*")):
        try:
            if _is_left(path, started):
                path.unlink(missing_ok=True)
        except OSError as error:
            logger.warning("%s could not be removed: %s", path, error)


def _is_left(path: Path, started: dict[int, float | None]) -> bool:
    """Whether the writer of a file is gone: no such process, or a later one; ``started`` caches the start times."""
    changed = path.stat().st_mtime
    process = re.match(r"(\d+)-", path.name.removeprefix(WRITING))
    if process is None:  # by an earlier version
        return time.time() - changed > _LEFTOVER
    number = int(process[1])
    if number not in started:
        try:
            started[number] = psutil.Process(number).create_time()
        except psutil.Error:
            started[number] = None
    began = started[number]
    return began is None or changed < began - 1  # seconds: clocks of disks are coarse
