"""``GET /datastore/label``, replacing MONAI Label's: it remembers the proposals that it hands out."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from fastapi import APIRouter, Depends
from fastapi.responses import FileResponse
from monailabel.config import RBAC_USER, settings
from monailabel.endpoints import datastore as monai_label
from monailabel.endpoints.user.auth import RBAC
from monailabel.utils.others.generic import get_mime_type

from fewlabel.datastore.entries import FINAL
from fewlabel.errors import Refusal

if TYPE_CHECKING:
    from fewlabel.study import Study

PATH = "/datastore/label"


def make_label_router(study: Study) -> APIRouter:
    """The route, to be mounted before MONAI Label's, which is removed from the OpenAPI page.

    The handler is a plain function: FastAPI runs it in its threads.
    """
    for route in monai_label.router.routes:
        if route.path == PATH and "GET" in route.methods:
            route.include_in_schema = False
    router = APIRouter(tags=["Datastore"])
    role = [Depends(RBAC(settings.MONAI_LABEL_AUTH_ROLE_USER))]

    @router.get(PATH, summary=f"{RBAC_USER}Download Label", response_class=FileResponse, dependencies=role)
    def get_label(label: str, tag: str) -> FileResponse:
        path = study.store.get_label_uri(label, tag)
        if not os.path.isfile(path):
            raise Refusal(f"'{label}' has no label of the tag '{tag}': check the id and the tag.", 404)
        if tag != FINAL:
            study.store.proposals.remember_stored(study.store, label, tag, study.workspace.classes())
        return FileResponse(path, media_type=get_mime_type(path), filename=os.path.basename(path))

    return router
