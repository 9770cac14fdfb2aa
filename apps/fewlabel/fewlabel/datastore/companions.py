"""Files beside scans that are none: segmentations, label maps and masks, by their names."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable

from fewlabel.datastore.walk import File

_WORD = r"(labels?|labelmaps?|masks?|segs?|segmentations?|annotations?|gt|groundtruth|ground[_-]truth|rois?)"
_NEVER_A_SCAN = re.compile(r".*(\.seg|-label|_seg)", re.IGNORECASE)
_OF_A_SCAN = re.compile(rf"(.+?)[._ -]+{_WORD}", re.IGNORECASE)
_ONLY_A_WORD = re.compile(_WORD, re.IGNORECASE)


def companions(files: Iterable[File]) -> set[str]:
    """Paths of the files that are no scans: ``a.seg.nrrd``, ``a-label.nrrd``, ``a_seg.nii.gz``, and others beside one.

    Beside a scan are: ``a_mask.nii.gz`` where there is an ``a.nii.gz``; ``label.nii.gz`` where its folder holds
    another file; ``masks/a.nii.gz`` where another folder holds an ``a.nii.gz``.
    """
    listed = list(files)
    names = {file.path: file.stem.rpartition("/")[2].lower() for file in listed}
    found = {path for path, name in names.items() if _NEVER_A_SCAN.fullmatch(name)}
    rest = [file for file in listed if file.path not in found]
    by_folder: defaultdict[str, set[str]] = defaultdict(set)
    for file in rest:
        by_folder[file.folder].add(names[file.path])
    outside = {name for folder, inside in by_folder.items() if not _is_of_masks(folder) for name in inside}
    for file in rest:
        name, beside = names[file.path], by_folder[file.folder]
        base = _OF_A_SCAN.fullmatch(name)
        only_a_word = _ONLY_A_WORD.fullmatch(name) and any(not _ONLY_A_WORD.fullmatch(other) for other in beside)
        of_a_scan = base is not None and base[1] in beside
        of_a_folder = _is_of_masks(file.folder) and (name in outside or (base is not None and base[1] in outside))
        if only_a_word or of_a_scan or of_a_folder:
            found.add(file.path)
    return found


def _is_of_masks(folder: str) -> bool:
    return any(_ONLY_A_WORD.fullmatch(part) for part in folder.split("/"))
