"""Compares an export with the study that it was made from."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import nibabel
import numpy as np

from fewlabel.errors import Refusal
from fewlabel.export.source import Segmented, Source
from fewlabel.published import Published
from fewlabel.volumes.reading import Volume, read_grid, read_label, same_grid, spacing_of

PROBABILITIES = "_probabilities.npy"
"""Suffix of a file that a run may write beside a label map: float32 (class, i, j, k), background first."""
TIE = 1e-5
"""Difference of two probabilities below which either class is right: some ten times the rounding of float32."""


@dataclass(frozen=True)
class Comparison:
    """One case: the export's result compared with that of the study.

    Attributes:
        case: id or file name.
        voxels: number of voxels compared.
        differing: number of them that differ. Not counted are ties: voxels where our network finds both classes as
            likely, within ``TIE``. There the rounding of the processor decides.
        seconds: per case, the start of the program included.
        dice: of each class; None for a class that is in neither.
        probability: largest difference of a probability; None: not known.
        at_plan_spacing: the scan has the spacing of the plan, within 1 %.
        unlike: number of voxels that differ from our own network run as the format runs it; None: the format runs it as
            ``/infer`` does.

    Examples:
        >>> Comparison("liver_3", voxels=1000, differing=5, seconds=2.0).share
        0.005
    """

    case: str
    voxels: int
    differing: int
    seconds: float
    dice: dict[str, float | None] = field(default_factory=dict)
    probability: float | None = None
    at_plan_spacing: bool = False
    unlike: int | None = None

    @property
    def share(self) -> float:
        """Fraction of the voxels that differ, 0..1."""
        return self.differing / self.voxels if self.voxels else 0.0


def identical(comparison: Comparison) -> str:
    """The rule of most formats: no voxel may differ. Why a comparison breaks it, "" if it does not."""
    if not comparison.differing:
        return ""
    return f"{comparison.differing} of {comparison.voxels} voxels differ"


def compare_runs(
    source: Source,
    folder: Path,
    run: Callable[[Path, Path, Path], None],
    images: Sequence[tuple[str, Path]],
    like: Callable[[Published, Path], np.ndarray] | None = None,
) -> list[Comparison]:
    """Run an exported model without FewLabel on images and compare its label maps with ``/infer``.

    Args:
        source: of the export.
        folder: of the export.
        run: of its format.
        images: case and file of each.
        like: label map of our own network run as the format runs it, if that differs from ``/infer``.

    Raises:
        Refusal: (422) an image cannot be used; (500) the export does not run, or wrote no label map.
    """
    expected = []
    for number, (case, image) in enumerate(images):
        source.tell(0.1 + 0.4 * number / len(images), f"the server segments {case}")
        expected.append(source.segment(image))
    source.tell(0.5, f"the export is run on {', '.join(case for case, _ in images)}")
    with tempfile.TemporaryDirectory(prefix="fewlabel-check-") as scratch:
        inputs, outputs = Path(scratch, "images"), Path(scratch, "labels")
        inputs.mkdir()
        for number, (_, image) in enumerate(images):
            shutil.copyfile(image, inputs / f"{number}_{image.name}")
        begun = time.monotonic()
        run(folder, inputs, outputs)
        seconds = (time.monotonic() - begun) / max(1, len(images))
        rows = []
        for number, ((case, image), ours) in enumerate(zip(images, expected, strict=True)):
            file = _written(outputs, number, image)
            row = _compared(source, case, image, ours, file, seconds)
            rows.append(
                replace(row, unlike=_differing(like(source.model, image), read_label(file).array)) if like else row
            )
        return rows


def _written(outputs: Path, number: int, image: Path) -> Path:
    found = sorted(outputs.rglob(f"{number}_*.nii.gz"))
    if not found:
        raise Refusal(f"The export ran, but it wrote no label map for {image.name}.", 500)
    return found[0]


def _compared(source: Source, case: str, image: Path, ours: Segmented, file: Path, seconds: float) -> Comparison:
    written, plan = read_label(file), source.model.plan
    theirs = written.array
    differing, dice = theirs.size, dict.fromkeys(plan.classes)
    if same_grid(Volume(ours.labels, ours.affine), written):
        differing = _differing_beyond_ties(ours, theirs)
        dice = {name: _dice(ours.labels == value, theirs == value) for value, name in enumerate(plan.classes, 1)}
    at_spacing = bool(np.allclose(_spacing(image), plan.spacing, rtol=0.01))
    return Comparison(case, theirs.size, differing, seconds, dice, _probability(ours, file), at_spacing)


def _differing_beyond_ties(ours: Segmented, theirs: np.ndarray) -> int:
    """Voxels; ties are counted too where the probabilities were too large to keep."""
    where = np.nonzero(ours.labels != theirs)
    if ours.probabilities is None or theirs.max() >= len(ours.probabilities):
        return len(where[0])
    ours_there, theirs_there = (tuple([each[where].astype(int), *where]) for each in (ours.labels, theirs))
    of_ours, of_theirs = ours.probabilities[ours_there], ours.probabilities[theirs_there]
    return int(np.count_nonzero(of_ours - of_theirs > TIE))


def _differing(ours: np.ndarray, theirs: np.ndarray) -> int:
    """Voxels; all of them where the shapes differ."""
    return theirs.size if ours.shape != theirs.shape else int(np.count_nonzero(ours != theirs))


def _dice(first: np.ndarray, second: np.ndarray) -> float | None:
    sizes = np.count_nonzero(first) + np.count_nonzero(second)
    return 2 * np.count_nonzero(first & second) / sizes if sizes else None


def _probability(ours: Segmented, file: Path) -> float | None:
    """Largest difference of a probability; None if the run wrote no probabilities."""
    beside = sorted(file.parent.glob(f"{file.name.split('_')[0]}_*{PROBABILITIES}"))
    if ours.probabilities is None or not beside:
        return None
    theirs = np.load(beside[0], mmap_mode="r")
    if theirs.shape != ours.probabilities.shape:
        return 1.0
    return max(float(np.abs(one - other).max()) for one, other in zip(ours.probabilities, theirs, strict=True))


def _spacing(image: Path) -> np.ndarray:
    """Spacing of a scan, mm, in the order right-left, posterior-anterior, inferior-superior."""
    affine = read_grid(image).affine
    axis_of_each = nibabel.orientations.io_orientation(affine)[:, 0].astype(int)
    return np.array(spacing_of(affine))[np.argsort(axis_of_each)]


def read_back(
    source: Source, folder: Path, read: Callable[[Source, Path], Iterable[tuple[str, np.ndarray, np.ndarray]]]
) -> list[Comparison]:
    """Compare what was exported with what another library reads from the export, voxel for voxel."""
    rows, begun = [], time.monotonic()
    for case, ours, theirs in read(source, folder):
        rows.append(Comparison(case, ours.size, _differing(ours, theirs), time.monotonic() - begun))
        begun = time.monotonic()
    return rows
