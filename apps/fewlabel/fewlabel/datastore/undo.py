"""Takes back the last submission of a case: the label before it is kept in the workspace."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import logging
from pathlib import Path
from typing import Any

from monailabel.datastore.local import DataModel

from fewlabel.datastore.catalogue import LABEL_EXTENSIONS
from fewlabel.datastore.entries import FINAL, Entries
from fewlabel.datastore.images import Images
from fewlabel.datastore.kinds import KIND, KINDS, assumed
from fewlabel.datastore.kinds_of_before import entries_by_case
from fewlabel.errors import Refusal
from fewlabel.workspace import Workspace, read_json, replace_bytes, write_json

logger = logging.getLogger(__name__)


class Undo:
    """Remembers what each submission replaced.

    One JSON file for each case, ``workspace.undo/<id>.json``, written atomically after the submission: the label before
    it (the file's bytes, its description, its sidecar, the kind in both; nothing for a first label) and the SHA-256 of
    the label that replaced it. If that is not the label that is stored now (a crash in between, a file changed by
    hand), nothing is taken back.

    Args:
        entries: of the study.
        images: of the study.
        workspace: of the study.
    """

    def __init__(self, entries: Entries, images: Images, workspace: Workspace) -> None:
        self._entries, self._images, self._workspace = entries, images, workspace

    def label_now(self, image_id: str) -> dict[str, Any]:
        """Everything about the label that a submission is about to replace; ``{"extension": None}`` for none."""
        label = self._images.entry(image_id).labels.get(FINAL)
        path = self._entries.label_file(image_id, FINAL, label.ext) if label else None
        if path is None or not path.exists():
            return {"extension": None}
        content = base64.b64encode(path.read_bytes()).decode("ascii")
        sidecar = read_json(self._entries.sidecar(image_id, FINAL))
        return {"extension": label.ext, "content": content, "info": label.info, "sidecar": sidecar}

    def remember(self, image_id: str, before: dict[str, Any], learned: bool) -> None:
        """Keep what a submission has just replaced.

        Args:
            image_id: the image.
            before: the result of :meth:`label_now` before the submission.
            learned: the study's classes were learned from the submission.
        """
        replaced_by = _digest(self._entries.label_file(image_id, FINAL, ".nii.gz"))
        try:
            write_json(self._undo_file(image_id), {**before, "learned": learned, "replaced_by": replaced_by})
        except Refusal as error:  # the submission counts more; the record of an earlier one does not match it
            logger.error("The label of %s is stored, but cannot be taken back. %s", image_id, error)
            with contextlib.suppress(OSError):
                self._undo_file(image_id).unlink(missing_ok=True)

    def kept(self, image_id: str) -> dict[str, Any]:
        """What the last submission of an image replaced.

        Raises:
            Refusal: (404) no such image; (409) there is nothing to take back, or the label was changed otherwise
                since.
        """
        label = self._images.entry(image_id).labels.get(FINAL)
        if label is None:
            raise Refusal(f"'{image_id}' has no submitted label: there is nothing to take back.", 409)
        kept = read_json(self._undo_file(image_id))
        if not isinstance(kept, dict):
            raise Refusal(
                f"There is no submission of '{image_id}' left to take back: only the last one can be, and once. "
                "Correct the label and submit it again.",
                409,
            )
        if kept.get("replaced_by") != _digest(self._entries.label_file(image_id, FINAL, label.ext)):
            raise Refusal(
                f"The label of '{image_id}' is not the one that was submitted last: its file was changed by hand. "
                "Nothing was taken back.",
                409,
            )
        return kept

    def restore(self, image_id: str, kept: dict[str, Any]) -> None:
        """Restore the label before; works once.

        Args:
            image_id: the image.
            kept: the result of :meth:`kept`, with a label in it.

        Raises:
            Refusal: (507) cannot be written.
        """
        extension, content = kept["extension"], base64.b64decode(kept["content"])
        path = self._entries.label_file(image_id, FINAL, extension)
        replace_bytes(path, content)
        for other in LABEL_EXTENSIONS:
            if other != extension:
                self._entries.label_file(image_id, FINAL, other).unlink(missing_ok=True)
        sidecar = self._entries.sidecar(image_id, FINAL)
        try:
            if kept["sidecar"] is None:
                sidecar.unlink(missing_ok=True)
            else:
                write_json(sidecar, kept["sidecar"])
        except (OSError, Refusal) as error:
            logger.error("The label of %s is restored, its description is not. %s", image_id, error)
        info = kept["info"]
        if info.get(KIND) not in KINDS:  # from before there were kinds
            info = {**info, **assumed(info, FINAL, entries_by_case(self._workspace.history)[image_id])}
        self._entries.put_label(image_id, FINAL, DataModel(info=info, ext=extension))
        self.forget(image_id)

    def forget(self, image_id: str) -> None:
        """Remove the record of an image."""
        self._undo_file(image_id).unlink(missing_ok=True)

    def _undo_file(self, image_id: str) -> Path:
        return self._workspace.undo / f"{image_id}.json"


def _digest(path: Path) -> str:
    """SHA-256 of a file; "" where it is gone."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except FileNotFoundError:
        return ""
