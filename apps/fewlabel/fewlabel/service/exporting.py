"""The published model exported while the server goes on: in a thread of its own, one export at a time."""

from __future__ import annotations

import logging
import shutil
import tempfile
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from fewlabel.errors import Refusal
from fewlabel.export.bundle import export_bundle
from fewlabel.export.check import differing_voxels
from fewlabel.export.configs import NAME
from fewlabel.published import read_card
from fewlabel.service.answers import ExportAnswer, Verified
from fewlabel.workspace import Workspace, read_json, replace_file, write_json

logger = logging.getLogger(__name__)

EXPORTS = {"bundle": "A MONAI bundle: runs with stock MONAI, and in MONAI Label's monaibundle app"}

_DRAFT = ".exporting-"


class Exporter:
    """Exports the published model as a zip into ``workspace.exports``; the newest one is kept, over a restart too.

    Args:
        workspace: of the study.
        choose: gives id and file of the case that an export is checked with; None where there is none.
    """

    def __init__(self, workspace: Workspace, choose: Callable[[], tuple[str, Path] | None]) -> None:
        self.workspace, self.choose = workspace, choose
        self._record = workspace.exports / "export.json"
        self._guard = threading.Lock()
        self._now = self._last()

    def status(self) -> ExportAnswer:
        """How far the running export is, or how the last one ended."""
        with self._guard:
            return self._now

    def start(self, format: str, check: bool) -> None:
        """Begin an export and return at once.

        Args:
            format: a name of ``EXPORTS``.
            check: run it by itself on one case and compare with the server's own segmentation.

        Raises:
            Refusal: (409) nothing is published yet, or an export is running.
        """
        if not self.workspace.model.exists():
            raise Refusal("FewLabel is not trained yet: submit labels, train, and export then.", 409)
        with self._guard:
            if self._now.state == "running":
                raise Refusal("An export is running already: wait until it has ended.", 409)
            self._now = ExportAnswer(state="running", format=format, step="The export begins.")
        threading.Thread(target=self._run, args=(check,), name="export", daemon=True).start()

    def file(self) -> Path:
        """The zip of the last export.

        Raises:
            Refusal: (409) it is being made; (404) there is none.
        """
        now = self.status()
        if now.state == "running":
            raise Refusal("The export is still running: wait until it has ended.", 409)
        path = self.workspace.exports / (now.file or "")
        if now.file is None or not path.is_file():
            raise Refusal("There is no export to download: start one first.", 404)
        return path

    def _last(self) -> ExportAnswer:
        """The export that an earlier run of the server has finished."""
        try:
            last = ExportAnswer.model_validate(read_json(self._record))
        except ValidationError:
            return ExportAnswer()
        there = last.file is not None and Path(last.file).name == last.file
        return last if there and (self.workspace.exports / last.file).is_file() else ExportAnswer()

    def _tell(self, **values: Any) -> None:
        with self._guard:
            self._now = self._now.model_copy(update=values)

    def _run(self, check: bool) -> None:
        try:
            self._export(check)
        except Refusal as error:
            self._tell(state="failed", step="The export failed.", error=str(error))
        except OSError as error:
            reason = f"The export could not be written: {error.strerror or error}. Free some disk space and try again."
            self._tell(state="failed", step="The export failed.", error=reason)
        except Exception as error:  # a thread has nobody else to tell
            logger.exception("the export failed")
            reason = f"The export failed ({str(error) or type(error).__name__}): the server's log says more."
            self._tell(state="failed", step="The export failed.", error=reason)

    def _export(self, check: bool) -> None:
        exports = self.workspace.exports
        exports.mkdir(parents=True, exist_ok=True)
        for left in exports.glob(f"{_DRAFT}*"):  # of a server that was killed
            shutil.rmtree(left, ignore_errors=True)
        with tempfile.TemporaryDirectory(dir=exports, prefix=_DRAFT, ignore_cleanup_errors=True) as folder:
            # A training may publish meanwhile: what is checked must be what is exported.
            snapshot = Workspace(Path(folder, "snapshot"))
            shutil.copyfile(self.workspace.model, snapshot.model)
            version = int(read_card(snapshot.model)["version"])
            self._tell(progress=0.1, step=f"The bundle of model version {version} is written.", model_version=version)
            bundle = export_bundle(snapshot, Path(folder, NAME))
            verified, said = self._check(snapshot, bundle) if check else (None, "Exported without a check, as asked.")
            self._tell(progress=0.9, step="The bundle is packed.")
            target = exports / f"{NAME}-v{version}.zip"
            replace_file(target, lambda temporary: _pack(bundle, temporary))
        for old in exports.glob(f"{NAME}-v*.zip"):
            if old != target:
                old.unlink(missing_ok=True)
        result = {"file": target.name, "bytes": target.stat().st_size, "verified": verified}
        done = self._now.model_copy(update={"state": "done", "progress": 1.0, "step": said, **result})
        write_json(self._record, done.model_dump())
        self._tell(**dict(done))

    def _check(self, snapshot: Workspace, bundle: Path) -> tuple[Verified | None, str]:
        """Run the bundle by itself on one case; what came out, and a sentence about it."""
        chosen = self.choose()
        if chosen is None:
            return None, "Exported. It was not checked, since there is no image to run it on."
        case, image = chosen
        self._tell(progress=0.2, step=f"The bundle is run by itself on {case} and compared with the server.")
        different, voxels = differing_voxels(snapshot, bundle, image)
        verified = Verified(case=case, voxels_differing=different, of=voxels)
        if different:
            return verified, (
                f"Exported, but run by itself it differs from the server in {different} of {voxels} voxels of {case}: "
                "compare both before you use it."
            )
        return verified, f"Exported. Run by itself it gives the server's label map of {case}, in all {voxels} voxels."


def _pack(folder: Path, target: Path) -> None:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                archive.write(path, path.relative_to(folder.parent))
