"""The export of ``scripts/export.py``, after the environment was set up."""

from __future__ import annotations

import math
import sys
import time
from argparse import Namespace
from collections.abc import Callable, Sequence
from pathlib import Path

from fewlabel.errors import Refusal
from fewlabel.export.comparing import Comparison
from fewlabel.export.dataset import list_cases, open_store
from fewlabel.export.several import Outcome, check_inputs, export_all, find_all, scans_to_check
from fewlabel.export.source import Case, Options, Source
from fewlabel.export.table import DEFAULT_EXPORT, EXPORTS
from fewlabel.wording import amount
from fewlabel.workspace import Workspace


def export(options: Namespace) -> int:
    """Export, compare and say what came out.

    Args:
        options: as ``scripts/export.py`` parses them.

    Returns:
        0; 1 if something could not be exported, with the reason.
    """
    if options.formats == []:
        print("\n".join(f"{name:12} {each.description}" for name, each in EXPORTS.items()))
        return 0
    folder = options.workspace or options.studies / ".fewlabel"
    if not folder.is_dir():
        print(f"{folder} does not exist: there is no FewLabel study in {options.studies}.", file=sys.stderr)
        return 1
    cases = tuple(options.cases)
    chosen = Options(options.accepted, options.link, cases, options.predictions, options.series, options.single)
    try:
        workspace = Workspace(folder)
        with Source(workspace, lambda: _cases(options.studies, workspace), chosen) as source:
            return _export(options, source)
    except Refusal as refusal:
        print(refusal, file=sys.stderr)
        return 1


def _cases(studies: Path, workspace: Workspace) -> list[Case]:
    return list_cases(open_store(studies, workspace), workspace) if studies.is_dir() else []


def _export(options: Namespace, source: Source) -> int:
    names = options.formats or [options.format or DEFAULT_EXPORT]
    folders = {name: options.output / name if options.formats else options.output for name in find_all(names)}
    overwrite = options.overwrite or not options.formats
    images = None if options.no_check else _images(source, options.check)
    check_inputs(source, folders, images or (), overwrite)
    failed = 0
    for outcome in export_all(source, folders, images, Progress(), overwrite):
        failed += bool(outcome.error)
        if outcome.error:
            print(f"{outcome.name}: {outcome.error}", file=sys.stderr, flush=True)
        else:
            print("\n".join(_said(outcome)), flush=True)
    return 1 if failed else 0


def _images(source: Source, asked: Sequence[str] | None) -> list[tuple[str, Path]]:
    """Scans to run models on: those that were named by file or id, else the smallest."""
    if not asked:
        return scans_to_check(source)
    known = {case.id: case.image for case in source.cases}
    return [(each, known[each]) if each in known else (Path(each).name, Path(each)) for each in asked]


class Progress:
    """A line for each format, and one a second for what is done, with the time left where it is known.

    Args:
        clock: seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._shown, self._format = clock, -math.inf, ""

    def __call__(self, share: float, words: str, left: float | None) -> None:
        """Print the share 0..1 of the work that is done, what is done now, and the seconds left."""
        now, format = self._clock(), words.split(":")[0]
        if format == self._format and now < self._shown + 1:
            return
        self._shown, self._format = now, format
        rest = (
            "" if left is None else f", about {left / 60:.0f} min left" if left > 90 else f", about {left:.0f} s left"
        )
        print(f"[{100 * share:3.0f} %] {words}{rest}", file=sys.stderr, flush=True)


def _said(outcome: Outcome) -> list[str]:
    """What was written and what the comparison gave."""
    export = EXPORTS[outcome.name]
    lines = [f"{outcome.name}: {outcome.folder}, in {outcome.seconds:.0f} s; {export.readme} says how to use it."]
    if outcome.rows is None:
        return [*lines, "  not verified: nothing was compared with the study"]
    shown = [row for row in outcome.rows if row.differing] if export.kind == "dataset" else outcome.rows
    if export.kind == "dataset":
        lines.append(f"  verified: {amount(len(outcome.rows), 'file')} read back, {len(shown)} not as in the study")
    return lines + [f"  verified on {_row(row)}" for row in shown]


def _row(row: Comparison) -> str:
    parts = [f"{row.case}: {row.differing} of {row.voxels} voxels differ"]
    if row.unlike is not None:
        parts.append(f"{row.unlike} from our own network run in the same way")
    if row.probability is not None:
        parts.append(f"probabilities by {row.probability:.2g} at most")
    if row.differing and row.dice:
        parts.append(
            "Dice " + ", ".join(f"{name} {value:.4f}" for name, value in row.dice.items() if value is not None)
        )
    return f"{', '.join(parts)}, {row.seconds:.1f} s"
