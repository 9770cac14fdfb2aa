"""Recognises files beside scans that are not scans, by name: segmentations, label maps and masks."""

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
    """Paths of files that are not scans: ``a.seg.nrrd``, ``a-label.nrrd``, ``a_seg.nii.gz``, and some beside a scan.

    Those beside a scan are: ``a_mask.nii.gz`` where there is an ``a.nii.gz``; ``label.nii.gz`` where its folder holds
    another file; ``masks/a.nii.gz`` where another folder holds an ``a.nii.gz``.
    """
    by_folder: defaultdict[str, dict[str, list[File]]] = defaultdict(dict)
    found = set()
    for file in files:
        name = file.stem.rpartition("/")[2].lower()
        if _NEVER_A_SCAN.fullmatch(name):
            found.add(file.path)
        else:
            by_folder[file.folder].setdefault(name, []).append(file)
    of_masks = {folder for folder in by_folder if _is_of_masks(folder)}
    outside = {name for folder, inside in by_folder.items() if folder not in of_masks for name in inside}
    for folder, inside in by_folder.items():
        beside_a_scan = any(not _ONLY_A_WORD.fullmatch(name) for name in inside)
        for name, named in inside.items():
            scans = outside | inside.keys() if folder in of_masks else inside.keys()
            base = _OF_A_SCAN.fullmatch(name)
            only_a_word = beside_a_scan and _ONLY_A_WORD.fullmatch(name) is not None
            named_like_a_scan = folder in of_masks and name in outside
            if only_a_word or named_like_a_scan or (base is not None and base[1] in scans):
                found.update(file.path for file in named)
    return found


def _is_of_masks(folder: str) -> bool:
    return any(_ONLY_A_WORD.fullmatch(part) for part in folder.split("/"))
