"""Exports in the server: in a thread of their own, one at a time, one zip for all its formats."""

from __future__ import annotations

import itertools
import logging
import shutil
import tempfile
import threading
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from monailabel.utils.others.generic import file_checksum
from pydantic import ValidationError

from fewlabel.errors import Refusal
from fewlabel.export.several import Outcome, check_inputs, export_all, find_all, scans_to_check
from fewlabel.export.source import Case, Options, Source
from fewlabel.export.table import EXPORTS
from fewlabel.files import Stamp, stamp
from fewlabel.service.answers import ExportAnswer, Verified
from fewlabel.workspace import Workspace, read_json, replace_file, write_json

logger = logging.getLogger(__name__)

_DRAFT = ".exporting-"
_SEVERAL = "fewlabel_exports"
"""Name of a zip that holds several formats."""

_PACKED = 0.9
"""Fraction of the work that is done before the files are packed."""

ListCases = Callable[[], Sequence[Case]]

_of_workspaces: dict[Path, Exporter] = {}


def exporter_of(workspace: Workspace, list_cases: ListCases) -> Exporter:
    """The exporter of a workspace (see ``Exporter``); it stays the same when the app is loaded again."""
    kept = _of_workspaces.get(workspace.folder)
    if kept is None or kept.status().state != "running":
        kept = _of_workspaces[workspace.folder] = Exporter(workspace, list_cases)
    return kept


class Exporter:
    """Exports a study as a zip into ``workspace.exports``; the newest one is kept, also over a restart.

    Args:
        workspace: of the study.
        list_cases: gives the study's cases.
    """

    def __init__(self, workspace: Workspace, list_cases: ListCases) -> None:
        self.workspace, self.list_cases = workspace, list_cases
        self._record = workspace.exports / "export.json"
        self._guard = threading.Lock()
        self._whole: Stamp | None = None  # stamp of the zip that was found to be complete
        self._now = self._last()
        self._clear_away()

    def status(self) -> ExportAnswer:
        """Progress of the running export, or the result of the last one."""
        with self._guard:
            return self._now

    def start(self, formats: Sequence[str], check: bool, options: Options) -> None:
        """Begin an export and return at once.

        Args:
            formats: names of the table of exports.
            check: compare what was written with the study; models are run on some scans.
            options: other than formats.

        Raises:
            Refusal: (422) there is no such format, or a package that it needs is not installed; (409) nothing is
                published yet, or an export is running.
        """
        exports = find_all(formats)
        lacking = [f"{name}: {each.lacks()}" for name, each in exports.items() if each.lacks()]
        if lacking:
            raise Refusal(" ".join(lacking), 422)
        if any(each.kind == "model" for each in exports.values()) and not self.workspace.model.exists():
            raise Refusal("FewLabel is not trained yet: submit labels, train, and export then.", 409)
        with self._guard:
            if self._now.state == "running":
                raise Refusal("An export is running already: wait until it has ended.", 409)
            self._now = ExportAnswer(state="running", formats=list(exports), step="The export begins.")
        work = (tuple(exports), check, options)
        threading.Thread(target=self._run, args=work, name="export", daemon=True).start()

    def file(self) -> Path:
        """The zip of the last export.

        Raises:
            Refusal: (409) it is running; (404) there is none, or it is damaged.
        """
        now = self.status()
        if now.state == "running":
            raise Refusal("The export is still running: wait until it has finished.", 409)
        if now.file is None:
            raise Refusal(now.error or "There is no export to download: start one first.", 404)
        fault = self._fault(now.file, now.sha256)
        if fault:
            raise Refusal(fault, 404)
        return self.workspace.exports / now.file

    def _last(self) -> ExportAnswer:
        """The export that an earlier process of the server has finished."""
        try:
            last = ExportAnswer.model_validate(read_json(self._record))
        except ValidationError:
            return ExportAnswer()
        name = last.file
        if name is None or Path(name).name != name or not (self.workspace.exports / name).is_file():
            return ExportAnswer()
        fault = self._fault(name, last.sha256)
        if fault:
            return ExportAnswer(state="failed", step="The last export is damaged.", error=fault)
        return last

    def _fault(self, name: str, sha256: str | None) -> str:
        """Why a finished export cannot be downloaded, "" if it can; a file is only checked again if it has changed."""
        path = self.workspace.exports / name
        try:
            now = stamp(path)
            if now is None:
                return "There is no export to download: start one first."
            if now != self._whole:
                if sha256 not in (None, _sha256(path)):
                    return f"The export {path.name} was changed or truncated after it was written. Export again."
                with zipfile.ZipFile(path) as archive:
                    if archive.testzip() is not None:
                        raise zipfile.BadZipFile
            self._whole = now
        except FileNotFoundError:  # removed meanwhile
            return "There is no export to download: start one first."
        except Exception as error:  # a damaged archive raises anything
            logger.warning("the export %s cannot be read: %r", path, error)
            return f"The export {path.name} is damaged. Export again."
        return ""

    def _clear_away(self) -> None:
        """Remove what a killed export left: drafts, and zips that are not in the record."""
        for left in [*self.workspace.exports.glob(f"{_DRAFT}*"), *self.workspace.exports.glob(".writing-*")]:
            shutil.rmtree(left, ignore_errors=True) if left.is_dir() else left.unlink(missing_ok=True)
        for stem in (_SEVERAL, *(each.folder for each in EXPORTS.values())):
            for old in self.workspace.exports.glob(f"{stem}*.zip"):
                if old.name != self._now.file:
                    old.unlink(missing_ok=True)

    def _report(self, **values: Any) -> None:
        with self._guard:
            self._now = self._now.model_copy(update=values)

    def _run(self, formats: Sequence[str], check: bool, options: Options) -> None:
        try:
            self._export(formats, check, options)
        except Refusal as error:
            self._report(state="failed", step="The export failed.", error=str(error))
        except OSError as error:
            reason = f"The export could not be written: {error.strerror or error}. Free some disk space and try again."
            self._report(state="failed", step="The export failed.", error=reason)
        except Exception as error:  # nothing else catches errors of a thread
            logger.exception("the export failed")
            reason = f"The export failed ({str(error) or type(error).__name__}): see the server's log."
            self._report(state="failed", step="The export failed.", error=reason)

    def _export(self, formats: Sequence[str], check: bool, options: Options) -> None:
        exports = self.workspace.exports
        exports.mkdir(parents=True, exist_ok=True)
        draft = tempfile.TemporaryDirectory(dir=exports, prefix=_DRAFT, ignore_cleanup_errors=True)
        with draft as folder, Source(self.workspace, self.list_cases, options) as source:
            folders = {name: Path(folder, EXPORTS[name].folder) for name in formats}
            outcomes = self._write(source, folders, check)
            self._report(progress=_PACKED, step="The files are packed.", seconds_left=None)
            stem = EXPORTS[formats[0]].folder if len(formats) == 1 else _SEVERAL
            version = self.status().model_version
            target = _free_name(exports, f"{stem}-v{version}" if version else stem)
            replace_file(target, lambda temporary: _pack(list(folders.values()), temporary))
        result = {"file": target.name, "bytes": target.stat().st_size, "sha256": _sha256(target), **_said(outcomes)}
        done = self._now.model_copy(update={"state": "done", "progress": 1.0, "seconds_left": None, **result})
        write_json(self._record, done.model_dump())  # from here on it can be downloaded, also after a restart
        self._report(**dict(done))
        self._clear_away()

    def _write(self, source: Source, folders: dict[str, Path], check: bool) -> list[Outcome]:
        """All formats, in folders of the draft.

        Raises:
            Refusal: one of them could not be written, or disagrees with the study.
        """
        images = scans_to_check(source) if check else None
        check_inputs(source, folders, images or ())
        if any(EXPORTS[name].kind == "model" for name in folders):
            self._report(model_version=int(source.model.card["version"]))

        def tell(share: float, words: str, left: float | None) -> None:
            self._report(progress=_PACKED * share, step=f"{words[:1].upper()}{words[1:]}.", seconds_left=left)

        outcomes = list(export_all(source, folders, images, tell))
        failed = [each for each in outcomes if each.error]
        if failed:
            errors = [each.error if len(folders) == 1 else f"{each.name}: {each.error}" for each in failed]
            raise Refusal(" ".join(errors), 500)
        return outcomes


def _said(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """What was compared, and a sentence about it."""
    rows = [Verified.from_row(each.name, row) for each in outcomes for row in each.rows or ()]
    worst = max(rows, key=lambda row: row.voxels_differing, default=None)
    said = ["Exported."]
    if worst:
        said.append(f"Compared with the study, {worst.voxels_differing} of {worst.of} voxels of a scan differ at most.")
    unchecked = ", ".join(each.name for each in outcomes if each.rows is None)
    if unchecked:
        said.append(f"Not compared: {unchecked}.")
    return {"verified": worst, "results": rows, "step": " ".join(said)}


def _free_name(folder: Path, stem: str) -> Path:
    """An unused name: the last export can be downloaded until the record names the new one."""
    names = (f"{stem}.zip" if number == 1 else f"{stem}-{number}.zip" for number in itertools.count(1))
    return next(folder / name for name in names if not (folder / name).exists())


def _sha256(path: Path) -> str:
    return file_checksum(str(path)).removeprefix("SHA256:")


def _pack(folders: Sequence[Path], target: Path) -> None:
    with zipfile.ZipFile(target, "w") as archive:
        for folder in folders:
            for path in sorted(folder.rglob("*")):
                if path.is_file():
                    packed = zipfile.ZIP_STORED if path.suffix == ".gz" else zipfile.ZIP_DEFLATED
                    archive.write(path, path.relative_to(folder.parent), packed)
