"""Input of the exports: the published model, the study's cases with their labels, and the options."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from fewlabel.errors import Refusal
from fewlabel.export.single import better_alone
from fewlabel.inference.predict import label_map, restored_probabilities
from fewlabel.published import Published, load_published
from fewlabel.volumes.reading import UnreadableVolume
from fewlabel.workspace import Workspace

_MOST_PROBABILITIES = 1 << 30
"""Limit in bytes of one scan's probabilities; larger ones are not kept for a comparison."""


@dataclass(frozen=True)
class Case:
    """One scan of the study and its submitted label.

    Attributes:
        id: of the scan.
        image: its file.
        label: gives the file of the submitted label, on the image's grid, value ``i + 1`` for class ``i`` of the study.
            Raises Refusal (409) if that label cannot be used. None: no label was submitted.
        kind: ``drawn``, ``corrected`` or ``accepted``; None without a label.
        kind_unknown: the kind was assumed.
        submitted_by: who submitted it, as the client sent it; None: not known.
        submitted_at: when, UTC, such as 2026-01-31T12:00:00Z; None: not known.
        validates: the case is kept for validation.

    Examples:
        >>> Case("liver_3", Path("liver_3.nii.gz")).label is None  # nothing was submitted
        True
    """

    id: str
    image: Path
    label: Callable[[], Path] | None = None
    kind: str | None = None
    kind_unknown: bool = False
    submitted_by: str | None = None
    submitted_at: str | None = None
    validates: bool = False


@dataclass(frozen=True)
class Options:
    """Options of an export other than its format.

    Attributes:
        accepted: export also labels that a person left as the model proposed them.
        link: a data set's files are hard links to the study's where the disk allows it, else copies.
        cases: ids of the cases to export as single files; empty: all that have a label, or with ``predictions`` all.
        predictions: export the model's label maps of these cases, not the submitted labels.
        series: folder of the DICOM series that the scans were converted from.
        single: if the mean of several networks is published, export only the better one of them.

    Examples:
        >>> Options(cases=("liver_3",), predictions=True).accepted
        False
    """

    accepted: bool = False
    link: bool = False
    cases: tuple[str, ...] = ()
    predictions: bool = False
    series: Path | None = None
    single: bool = False


@dataclass(frozen=True)
class Segmented:
    """What the server's ``/infer`` gives for one image.

    Attributes:
        labels: uint8 (i, j, k) on the image file's grid.
        affine: (4, 4) of that grid, voxel -> RAS mm.
        probabilities: float32 (class, i, j, k), background first, on the same grid; None: too large to keep.
        seconds: duration.

    Examples:
        >>> labels = np.zeros((4, 4, 4), np.uint8)
        >>> Segmented(labels, np.eye(4), probabilities=None, seconds=0.3).labels.shape
        (4, 4, 4)
    """

    labels: np.ndarray
    affine: np.ndarray
    probabilities: np.ndarray | None
    seconds: float


class Source:
    """Input of all formats of one export; each part is read when it is first used, and once.

    A context manager: its scratch folder is removed at the end.

    Args:
        workspace: of the study.
        list_cases: gives the study's cases.
        options: of the export.

    Attributes:
        tell: called with the share 0..1 of the current format's work that is done, and the current step in words.

    Examples:
        >>> from fewlabel.workspace import Workspace
        >>> with Source(Workspace(tempfile.mkdtemp())) as source:
        ...     source.cases, source.classes, source.options.accepted
        ((), (), False)
    """

    def __init__(
        self,
        workspace: Workspace,
        list_cases: Callable[[], Sequence[Case]] = tuple,
        options: Options = Options(),
    ) -> None:
        self.workspace, self.options = workspace, options
        self.tell: Callable[[float, str], None] = lambda share, words: None
        self._list_cases = list_cases
        self._segmented: dict[Path, Segmented] = {}
        self._scratch: Path | None = None

    def __enter__(self) -> Source:
        return self

    def __exit__(self, *_: object) -> None:
        self._segmented.clear()
        if self._scratch is not None:
            shutil.rmtree(self._scratch, ignore_errors=True)
            self._scratch = None

    @cached_property
    def model(self) -> Published:
        """The published model, on the CPU; the same one for all formats, even if another is published meanwhile.

        With ``options.single`` one network of a published mean (see ``single.better_alone``).

        Raises:
            Refusal: (409) nothing is published yet; (500) the file is damaged.
        """
        if not self.workspace.model.exists():
            raise Refusal("There is no model to export yet: submit labels, train, and export then.", 409)
        model = load_published(self.workspace.model)
        return better_alone(model) if self.options.single else model

    @cached_property
    def cases(self) -> tuple[Case, ...]:
        """The study's scans that can be used, by id."""
        return tuple(sorted(self._list_cases(), key=lambda case: case.id))

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the study's classes; ``classes[i]`` is value ``i + 1`` of its labels."""
        return tuple(self.workspace.classes())

    def segment(self, image: Path) -> Segmented:
        """What ``/infer`` gives for an image, on the CPU; computed once for all formats.

        Raises:
            Refusal: (422) the image cannot be used; (409), (500) as ``model``; (507) no room for the result.
        """
        image = image.resolve()
        if image not in self._segmented:
            begun = time.monotonic()
            try:
                probabilities, meta = restored_probabilities(self.model.network, self.model.plan, image)
            except UnreadableVolume as error:
                raise Refusal(str(error), 422) from error
            labels = self._kept("labels", label_map(probabilities).numpy())
            kept = None
            if probabilities.numel() * probabilities.element_size() <= _MOST_PROBABILITIES:
                kept = self._kept("probabilities", probabilities.numpy())
            seconds = time.monotonic() - begun
            self._segmented[image] = Segmented(labels, meta["affine"], kept, seconds)
        return self._segmented[image]

    def _kept(self, name: str, array: np.ndarray) -> np.ndarray:
        """The same array, memory-mapped from a file: those of several scans would fill the memory."""
        try:
            if self._scratch is None:
                self._scratch = Path(tempfile.mkdtemp(prefix="fewlabel-export-"))
            path = self._scratch / f"{len(self._segmented)}_{name}.npy"
            np.save(path, array)
        except OSError as error:
            raise Refusal(
                f"Could not write to {tempfile.gettempdir()}: {error.strerror or error}. Free some disk space there.",
                507,
            ) from error
        return np.load(path, mmap_mode="r")
