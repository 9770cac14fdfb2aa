"""Several exports at once: checked before anything is written; one model and one set of label maps for all."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fewlabel.errors import Refusal
from fewlabel.export.base import Export
from fewlabel.export.comparing import Comparison
from fewlabel.export.placing import check_free
from fewlabel.export.source import Source
from fewlabel.export.table import find_export
from fewlabel.volumes.reading import UnreadableVolume, read_grid

CHECKED = 3
"""Number of scans that an exported model is run on by default."""

_EARLY = 0.05
"""Share of the work before which the time that is left is not estimated."""

Tell = Callable[[float, str, float | None], None]
"""(share 0..1 of the work that is done, what is done now, seconds left; None: not known yet)"""


@dataclass(frozen=True)
class Outcome:
    """The result of one export.

    Attributes:
        name: of the format.
        folder: of the export; where it would be, if it failed.
        rows: of the comparison; None: nothing was compared.
        seconds: duration.
        error: why it failed, in a sentence; "" if it did not.

    Examples:
        >>> Outcome("onnx", Path("exports/onnx"), None, 0.0, "It needs onnx, which is not installed here.").error
        'It needs onnx, which is not installed here.'
    """

    name: str
    folder: Path
    rows: list[Comparison] | None
    seconds: float
    error: str = ""


def find_all(names: Sequence[str]) -> dict[str, Export]:
    """The exports of these names, each once.

    Raises:
        Refusal: (422) none is named, or there is none of a name.
    """
    if not names:
        raise Refusal("No format is named: name at least one.", 422)
    return {name: find_export(name) for name in names}


def scans_to_check(source: Source, count: int = CHECKED) -> list[tuple[str, Path]]:
    """Ids and files of the scans that a model is run on: the smallest files, those with a label first."""
    there = [case for case in source.cases if case.image.is_file()]
    there.sort(key=lambda case: (case.label is None, case.image.stat().st_size, case.id))
    return [(case.id, case.image) for case in there[:count]]


def check_inputs(
    source: Source, folders: Mapping[str, Path], images: Sequence[tuple[str, Path]] = (), overwrite: bool = False
) -> None:
    """Check all that is needed, before anything is written.

    Args:
        source: what is exported.
        folders: format -> folder to create.
        images: cases and files that models are run on.
        overwrite: earlier exports may be replaced.

    Raises:
        Refusal: (404) there is no case of an id; else the status of the first fault; the message names all of them.
    """
    faults: list[tuple[str, int]] = []
    unknown = sorted({*source.options.cases} - {case.id for case in source.cases}) if source.options.cases else []
    if unknown:
        faults.append((f"This study has no scan {', '.join(unknown)}: check the ids.", 404))
    for _, image in images:
        try:
            read_grid(image)
        except UnreadableVolume as error:
            faults.append((str(error), 422))
    for name, folder in folders.items():
        try:
            export = find_export(name)
            check_free(Path(folder).resolve(), overwrite, export.card)
            problem = export.problem(source, folder)
            found = [(problem, 422)] if problem else []
        except Refusal as refusal:
            found = [(str(refusal), refusal.status_code)]
        faults += [(sentence if len(folders) == 1 else f"{name}: {sentence}", status) for sentence, status in found]
    if faults:
        sentences = dict.fromkeys(sentence for sentence, _ in faults)
        raise Refusal("\n".join(sentences), faults[0][1])


def export_all(
    source: Source,
    folders: Mapping[str, Path],
    images: Sequence[tuple[str, Path]] | None,
    tell: Tell,
    overwrite: bool = False,
) -> Iterator[Outcome]:
    """Write one format after the other; one that fails does not keep the others from being written.

    Args:
        source, folders, overwrite: as :func:`check_inputs`, which has to be called before.
        images: cases and files that models are run on; None: nothing is compared.
        tell: called again and again.
    """
    begun = time.monotonic()
    for number, (name, folder) in enumerate(folders.items()):

        def say(share: float, words: str, name: str = name, before: int = number) -> None:
            done, passed = (before + share) / len(folders), time.monotonic() - begun
            left = passed * (1 - done) / done if done >= _EARLY else None
            tell(done, words if len(folders) == 1 else f"{name}: {words}", left)

        source.tell, started, rows, error = say, time.monotonic(), None, ""
        try:
            rows = find_export(name).export(source, folder, images, overwrite)
        except Refusal as refusal:
            error = str(refusal)
        yield Outcome(name, Path(folder).resolve(), rows, time.monotonic() - started, error)
