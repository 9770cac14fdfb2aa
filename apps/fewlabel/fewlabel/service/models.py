"""``PUT`` and ``DELETE /model/...``, replacing MONAI Label's, which write and remove the file without checks."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Depends, UploadFile
from monailabel.config import RBAC_ADMIN, settings
from monailabel.endpoints import model as monai_label
from monailabel.endpoints.user.auth import RBAC
from monailabel.utils.async_tasks.utils import tasks
from monailabel.utils.others.generic import file_checksum

from fewlabel.devices import choose_device
from fewlabel.errors import Refusal
from fewlabel.replaced import how_to_restore, move_aside
from fewlabel.service.borrowed import is_waited_for
from fewlabel.training.offered import Offer, is_published

if TYPE_CHECKING:
    from fewlabel.study import Study

PATH = "/model/{model}"


class ModelDesk:
    """Publishes models that are sent, and deletes the published one (keeping a copy), one request at a time.

    Args:
        study: open (its datastore is there).
    """

    def __init__(self, study: Study) -> None:
        self.study, self.workspace = study, study.workspace
        self._busy = threading.Lock()

    def replace(self, model: str, upload: UploadFile) -> dict[str, Any]:
        """Publish the model that was sent if it is not worse than the published one (see ``Offer``).

        Raises:
            Refusal: (404) there is no such model; (409) a training or another such request is running, or it is worse;
                (422) it is not a model of this study.
        """
        self._check_name(model)
        if not self._busy.acquire(blocking=False):
            raise Refusal("Another model is being checked or deleted: wait until that is done.", 409)
        try:
            self._refuse_while_training()
            if is_published(upload.file, self.workspace):
                return {**self._stamp(), "notes": ["This model is published already: nothing was changed."]}
            device = choose_device(self.study.settings.device)
            offer = Offer(upload.file, self.workspace, self.study.store, device)
            taken = offer.publish()
            return {**self._stamp(), **taken}
        finally:
            self._busy.release()

    def delete(self, model: str) -> dict[str, Any]:
        """Move the published model aside; it can be restored.

        Raises:
            Refusal: (404) there is no such model, or none is published; (409) a training or another such request is
                running.
        """
        self._check_name(model)
        if not self._busy.acquire(blocking=False):
            raise Refusal("A model is being checked: wait until that is done.", 409)
        try:
            self._refuse_while_training()
            move_aside(self.workspace)
            return {"notes": [how_to_restore(self.workspace)]}
        finally:
            self._busy.release()

    def _check_name(self, model: str) -> None:
        names = self.study.infers()
        if model not in names:
            raise Refusal(f"There is no model '{model}' here. There is: {', '.join(names)}.", 404)

    def _refuse_while_training(self) -> None:
        if is_waited_for("train") or any(task["status"] in ("SUBMITTED", "RUNNING") for task in tasks("train")):
            raise Refusal(
                "A training is running, which may publish a model itself: stop it (DELETE /train/; one of run_sync "
                "cannot be stopped) or wait for its end, then try again.",
                409,
            )

    def _stamp(self) -> dict[str, Any]:
        """The response of MONAI Label's own route."""
        path = self.workspace.model
        return {"checksum": file_checksum(str(path)), "modified_time": int(path.stat().st_mtime)}


def make_model_router(study: Study) -> APIRouter:
    """Both routes, to be mounted before MONAI Label's, which are removed from the OpenAPI page.

    The handlers are plain functions: FastAPI runs them in its threads.
    """
    for route in monai_label.router.routes:
        if route.methods & {"PUT", "DELETE"}:
            route.include_in_schema = False
    router = APIRouter(tags=["Model"])
    desk = ModelDesk(study)
    role = [Depends(RBAC(settings.MONAI_LABEL_AUTH_ROLE_ADMIN))]

    @router.put(
        PATH, summary=f"{RBAC_ADMIN}Publish a model that is not worse than the published one", dependencies=role
    )
    def put_model(model: str, file: UploadFile) -> dict[str, Any]:
        return desk.replace(model, file)

    @router.delete(PATH, summary=f"{RBAC_ADMIN}Move the published model aside", dependencies=role)
    def delete_model(model: str) -> dict[str, Any]:
        return desk.delete(model)

    return router
