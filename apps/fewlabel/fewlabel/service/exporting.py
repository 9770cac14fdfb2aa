"""Exports the published model in a thread while the server runs, one export at a time."""

from __future__ import annotations

import itertools
import logging
import shutil
import tempfile
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from monailabel.utils.others.generic import file_checksum
from pydantic import ValidationError

from fewlabel.errors import Refusal
from fewlabel.export.table import EXPORTS, differing_voxels, export_model, find_export
from fewlabel.files import Stamp, stamp
from fewlabel.published import read_card
from fewlabel.service.answers import ExportAnswer, Verified
from fewlabel.workspace import Workspace, read_json, replace_file, write_json

logger = logging.getLogger(__name__)

_DRAFT = ".exporting-"

_of_workspaces: dict[Path, Exporter] = {}


def exporter_of(workspace: Workspace, choose: Callable[[], tuple[str, Path] | None]) -> Exporter:
    """The exporter of a workspace (see ``Exporter``): an existing one, if the app was reloaded."""
    kept = _of_workspaces.get(workspace.folder)
    if kept is None or kept.status().state != "running":
        kept = _of_workspaces[workspace.folder] = Exporter(workspace, choose)
    return kept


class Exporter:
    """Exports the published model as a zip into ``workspace.exports``; the newest one is kept, also over restarts.

    Args:
        workspace: of the study.
        choose: gives id and file of the case for checking an export; None where there is none.
    """

    def __init__(self, workspace: Workspace, choose: Callable[[], tuple[str, Path] | None]) -> None:
        self.workspace, self.choose = workspace, choose
        self._record = workspace.exports / "export.json"
        self._guard = threading.Lock()
        self._whole: Stamp | None = None  # stamp of the zip that was found to be complete
        self._now = self._last()
        self._clear_away()

    def status(self) -> ExportAnswer:
        """Progress of the running export, or the result of the last one."""
        with self._guard:
            return self._now

    def start(self, format: str, check: bool) -> None:
        """Start an export and return at once.

        Args:
            format: a name of the table of exports.
            check: run the export on one case and compare with the server's segmentation.

        Raises:
            Refusal: (422) there is no such format; (409) nothing is published yet, or an export is running.
        """
        find_export(format)
        if not self.workspace.model.exists():
            raise Refusal("FewLabel is not trained yet: submit labels, train, and export then.", 409)
        with self._guard:
            if self._now.state == "running":
                raise Refusal("An export is running already: wait until it has finished.", 409)
            self._now = ExportAnswer(state="running", format=format, step="The export starts.")
        threading.Thread(target=self._run, args=(format, check), name="export", daemon=True).start()

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
        for old in (zip for each in EXPORTS.values() for zip in self.workspace.exports.glob(f"{each.folder}-v*.zip")):
            if old.name != self._now.file:
                old.unlink(missing_ok=True)

    def _report(self, **values: Any) -> None:
        with self._guard:
            self._now = self._now.model_copy(update=values)

    def _run(self, format: str, check: bool) -> None:
        try:
            self._export(format, check)
        except Refusal as error:
            self._report(state="failed", step="The export failed.", error=str(error))
        except OSError as error:
            reason = f"The export could not be written: {error.strerror or error}. Free some disk space and try again."
            self._report(state="failed", step="The export failed.", error=reason)
        except Exception as error:  # nothing else catches errors of a thread
            logger.exception("the export failed")
            reason = f"The export failed ({str(error) or type(error).__name__}): see the server's log."
            self._report(state="failed", step="The export failed.", error=reason)

    def _export(self, format: str, check: bool) -> None:
        exports, name = self.workspace.exports, find_export(format).folder
        exports.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=exports, prefix=_DRAFT, ignore_cleanup_errors=True) as folder:
            # A training may publish meanwhile: the model that is checked must be the exported one.
            snapshot = Workspace(Path(folder, "snapshot"))
            shutil.copyfile(self.workspace.model, snapshot.model)
            version = int(read_card(snapshot.model)["version"])
            self._report(progress=0.1, step=f"Writing model version {version}.", model_version=version)
            written = export_model(format, snapshot, Path(folder, name))
            verified, said = None, "Exported without a check, as requested."
            if check:
                verified, said = self._check(format, snapshot, written)
            self._report(progress=0.9, step="Packing the files.")
            target = _free_name(exports, f"{name}-v{version}")
            replace_file(target, lambda temporary: _pack(written, temporary))
        result = {"file": target.name, "bytes": target.stat().st_size, "sha256": _sha256(target), "verified": verified}
        done = self._now.model_copy(update={"state": "done", "progress": 1.0, "step": said, **result})
        write_json(self._record, done.model_dump())  # from here on it can be downloaded, whatever happens
        self._report(**dict(done))
        self._clear_away()

    def _check(self, format: str, snapshot: Workspace, written: Path) -> tuple[Verified | None, str]:
        """Run the export on one case without FewLabel; gives the comparison and a sentence about it."""
        chosen = self.choose()
        if chosen is None:
            return None, "Exported. It was not checked, since there is no image to run it on."
        case, image = chosen
        self._report(progress=0.2, step=f"Running the export on {case}, to compare it with the server.")
        different, voxels = differing_voxels(format, snapshot, written, image)
        verified = Verified(case=case, voxels_differing=different, of=voxels)
        if different:
            return verified, (
                f"Exported, but its result differs from the server's in {different} of {voxels} voxels of {case}: "
                "compare both before you use it."
            )
        return verified, f"Exported. Its result on {case} equals the server's in all {voxels} voxels."


def _free_name(folder: Path, stem: str) -> Path:
    """An unused name: the last export can be downloaded until the record names the new one."""
    names = (f"{stem}.zip" if number == 1 else f"{stem}-{number}.zip" for number in itertools.count(1))
    return next(folder / name for name in names if not (folder / name).exists())


def _sha256(path: Path) -> str:
    return file_checksum(str(path)).removeprefix("SHA256:")


def _pack(folder: Path, target: Path) -> None:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                archive.write(path, path.relative_to(folder.parent))
