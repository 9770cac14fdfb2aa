"""Finds and corrects labels that FewLabel 0.1 stored on the sform of a scan that Slicer shows by its qform.

A NIfTI scan may hold two forms that differ. The sform counted then; now the form that ITK shows counts. The geometry
of such a label shows it: it equals the sform of its scan, and differs from what is shown.
"""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from monailabel.datastore.local import DataModel

from fewlabel.datastore.by_name import LabelsByName
from fewlabel.datastore.entries import FINAL, Entries
from fewlabel.datastore.images import Images
from fewlabel.datastore.meaning import listed
from fewlabel.datastore.submission import RESAMPLED, on_grid_of
from fewlabel.datastore.undo import Undo
from fewlabel.errors import Refusal
from fewlabel.files import Stamp, stamp
from fewlabel.volumes.geometry import agree, corner_distance
from fewlabel.volumes.reading import UnreadableVolume, Volume, read_grid, read_label, write_volume
from fewlabel.workspace import Workspace, read_json, replace_file, write_json


@dataclass(frozen=True)
class Misplaced:
    """One label on an old grid.

    Attributes:
        case: image id.
        distance: largest distance of a corner from where it should be, mm.
        resampled: the label was sent on the grid that is shown and was resampled to the other; otherwise its voxels
            are right and only its geometry is wrong.
    """

    case: str
    distance: float
    resampled: bool

    def __str__(self) -> str:
        return (
            f"The label of '{self.case}' lies up to {self.distance:.1f} mm beside its scan: an earlier version laid it "
            "on the scan's sform, which Slicer does not show. It is not used until scripts/serve.py --studies FOLDER "
            "--move-labels puts it right."
        )

    @property
    def cure(self) -> str:
        """How it is corrected, in words."""
        if self.resampled:
            return "it is resampled back to the grid on which it was sent"
        return "its voxels stay, and it gets the geometry of the scan"


def distance_beside(label: Path, image: Path) -> float:
    """Distance of a label on the former grid of its image from the grid that is shown, mm; 0 for other labels."""
    try:
        ours, scan = read_grid(label), read_grid(image)
    except (UnreadableVolume, OSError):
        return 0.0
    shape = scan.shape[:3]
    if ours.shape[:3] != shape or agree(shape, ours.affine, scan.affine) or not agree(shape, ours.former, scan.former):
        return 0.0
    return corner_distance(shape, ours.former, scan.affine)


class OldGridLabels:
    """Labels on an old grid, which are left out of every training until a person corrects them.

    Args:
        entries: of the study.
        images: of the study.
        by_name: reads the names in a label's header.
        undo: forgets the label that a corrected one replaced, since its grid is wrong, too.
        workspace: of the study.
    """

    def __init__(
        self, entries: Entries, images: Images, by_name: LabelsByName, undo: Undo, workspace: Workspace
    ) -> None:
        self._entries, self._images, self._workspace = entries, images, workspace
        self._by_name, self._undo = by_name, undo
        self._distances: dict[str, tuple[tuple[Stamp | None, Stamp | None], float]] = {}

    def misplaced(self, image_id: str) -> Misplaced | None:
        """How a submitted label lies on an old grid; None for a label on the right one."""
        label = self._entries.label(image_id, FINAL)
        if label is None or self._by_name.names_in_file(image_id):  # labels had no names in their headers then
            return None
        path, image = self._entries.label_file(image_id, FINAL, label.ext), Path(self._images.uri(image_id))
        stamps = stamp(path), stamp(image)
        known = self._distances.get(image_id)
        if known is None or known[0] != stamps:
            known = self._distances[image_id] = stamps, distance_beside(path, image)
        if not known[1]:
            return None
        return Misplaced(image_id, known[1], any(RESAMPLED in str(note) for note in label.info.get("notes") or []))

    def move(self, image_id: str) -> Path:
        """Correct a label that lies on an old grid; the old file is kept.

        Returns:
            Path of the old file.

        Raises:
            Refusal: (409) it is on the right grid; (422) most of it is outside of the scan; (507) it cannot be written.
            UnreadableVolume: its file is damaged.
        """
        beside = self.misplaced(image_id)
        if beside is None:
            raise Refusal(f"'{image_id}' has no label that lies on an old grid.", 409)
        label = self._images.label(image_id, FINAL)
        old, new = (self._entries.label_file(image_id, FINAL, extension) for extension in (label.ext, ".nii.gz"))
        array, affine = self._corrected(old, Path(self._images.uri(image_id)), beside)
        named = self._by_name.names_of(image_id)
        aside = self._workspace.moved / f"{image_id}-{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}{label.ext}"
        replace_file(aside, lambda temporary: shutil.copyfile(old, temporary))
        names = [each["name"] for each in named]
        write_volume(new, array, affine, names if named == listed(names) else ())
        if old != new:
            old.unlink(missing_ok=True)
        self._undo.forget(image_id)
        note = f"It lay up to {beside.distance:.1f} mm beside its scan and was put right; the old file is {aside}."
        kept = [each for each in label.info.get("notes") or [] if RESAMPLED not in str(each)]
        info = {**label.info, "label_info": named, "notes": [*kept, note], "name": new.name}
        sidecar = self._entries.sidecar(image_id, FINAL)
        write_json(sidecar, {**read_json(sidecar, {}), "info": info})
        with self._entries.guard:
            self._entries.put_label(image_id, FINAL, DataModel(info=info, ext=".nii.gz"))
        return aside

    def _corrected(self, path: Path, image: Path, beside: Misplaced) -> tuple[np.ndarray, np.ndarray]:
        """The label's voxels on the grid that is shown, and its affine."""
        scan, label = read_grid(image), read_label(path)
        if not beside.resampled:
            return label.array, scan.affine
        target = Volume(np.broadcast_to(np.uint8(0), scan.shape[:3]), scan.affine)
        old = Volume(label.array, read_grid(path).former)
        return on_grid_of(target, old, f"The label of '{beside.case}'")[0], scan.affine
