"""FewLabel's routes, with MONAI Label's authentication, beside MONAI Label's routes."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from fastapi import APIRouter
from fastapi.responses import FileResponse
from monailabel.config import RBAC_ADMIN, RBAC_ANNOTATOR, RBAC_USER, settings

from fewlabel.background import is_background_process
from fewlabel.errors import Refusal
from fewlabel.export.dataset import list_cases
from fewlabel.export.source import Options
from fewlabel.selection.leases import PUT_OFF
from fewlabel.service.answers import (
    CaseId,
    CasesAnswer,
    ExportAnswer,
    ExportRequest,
    ExportStarted,
    HistoryAnswer,
    SkipAnswer,
    SkipRequest,
    StudyAnswer,
    UndoAnswer,
)
from fewlabel.service.borrowed import make_borrowed_router, make_reload_router
from fewlabel.service.exporting import Exporter, exporter_of
from fewlabel.service.guard import install
from fewlabel.service.label_all import label_all_of
from fewlabel.service.labels import make_label_router
from fewlabel.service.logins import Login, TokenLogin
from fewlabel.service.models import make_model_router
from fewlabel.service.overview import Overview
from fewlabel.service.page import make_page_router
from fewlabel.service.plain import PlainRoute, refuses, role
from fewlabel.service.pool_routes import add_pool_routes
from fewlabel.service.trainings import make_training_router

if TYPE_CHECKING:
    from fewlabel.study import Study


_USER = role(settings.MONAI_LABEL_AUTH_ROLE_USER)
_ANNOTATOR = role(settings.MONAI_LABEL_AUTH_ROLE_ANNOTATOR)
_ADMIN = role(settings.MONAI_LABEL_AUTH_ROLE_ADMIN)


def make_router(study: Study) -> APIRouter:
    """The routes of a study whose datastore is open.

    The handlers are plain functions: FastAPI runs them in its threads, so that none blocks the others.
    """
    router = APIRouter(
        prefix="/fewlabel", tags=["FewLabel"], route_class=PlainRoute, responses=refuses(e422="unusable request")
    )
    overview = Overview(study)
    _add_reading(router, overview)
    _add_changes(router, study, overview)
    exporter = exporter_of(study.workspace, lambda: list_cases(study.store, study.workspace))
    add_pool_routes(router, label_all_of(study), overview)
    _add_export(router, exporter, Path(study.settings.dicom) if study.settings.dicom else None)
    return router


def _add_reading(router: APIRouter, overview: Overview) -> None:
    @router.get("/study", summary=f"{RBAC_USER}Classes, choices, model and counts of the study", **_USER)
    def get_study() -> StudyAnswer:
        return overview.describe()

    @router.get("/cases", summary=f"{RBAC_USER}All cases with state, score and rank", **_USER)
    def get_cases() -> CasesAnswer:
        return overview.cases()

    @router.get("/history", summary=f"{RBAC_USER}The review of each submission", **_USER)
    def get_history() -> HistoryAnswer:
        return overview.history()

    @router.get(
        "/history.png",
        summary=f"{RBAC_USER}The history as a plot: Dice over labels, and the gain from five more",
        response_class=FileResponse,
        responses={200: {"content": {"image/png": {}}, "description": "the picture"}, **refuses(e507="disk full")},
        **_USER,
    )
    def get_history_picture() -> FileResponse:
        return FileResponse(overview.history_picture(), media_type="image/png")


def _add_changes(router: APIRouter, study: Study, overview: Overview) -> None:
    unknown = "there is no such case"

    @router.post(
        "/skip/{case}",
        summary=f"{RBAC_ANNOTATOR}Skip a case for a day",
        responses=refuses(e404=unknown, e409="the case has a label"),
        **_ANNOTATOR,
    )
    def skip(case: str, body: SkipRequest | None = None) -> SkipAnswer:
        if overview.is_labelled(case):
            raise Refusal(f"'{case}' has a label: only a case without one can be skipped.", 409)
        study.leases.skip(case, body.reason.strip() if body else "")
        return SkipAnswer(id=case, skipped_until=study.leases.skipped(case) + PUT_OFF)

    @router.delete(
        "/skip/{case}",
        summary=f"{RBAC_ANNOTATOR}Offer a skipped case again",
        responses=refuses(e404=unknown),
        **_ANNOTATOR,
    )
    def unskip(case: str) -> CaseId:
        study.store.get_image_uri(case)
        study.leases.unskip(case)
        return CaseId(id=case)

    @router.post(
        "/undo/{case}",
        summary=f"{RBAC_ANNOTATOR}Take back the last submission of a case",
        responses=refuses(e404=unknown, e409="there is nothing to take back", e507="the disk is full"),
        **_ANNOTATOR,
    )
    def undo(case: str) -> UndoAnswer:
        study.store.undo_label(case)
        return UndoAnswer(id=case, state=overview.state(case))


def _add_export(router: APIRouter, exporter: Exporter, series: Path | None) -> None:
    @router.post(
        "/export",
        status_code=202,
        summary=f"{RBAC_ADMIN}Export the published model, or the study",
        responses=refuses(e409="not trained yet, or an export is running", e422="no such format, or a package lacks"),
        **_ADMIN,
    )
    def start_export(body: ExportRequest | None = None) -> ExportStarted:
        asked = body or ExportRequest()
        options = Options(asked.accepted, True, tuple(asked.cases), asked.predictions, series, asked.single)
        exporter.start(asked.chosen, asked.check, options)
        return ExportStarted()

    @router.get("/export", summary=f"{RBAC_USER}Progress of the export", **_USER)
    def get_export() -> ExportAnswer:
        return exporter.status()

    @router.get(
        "/export/file",
        summary=f"{RBAC_ANNOTATOR}Download the last export",
        response_class=FileResponse,
        responses={
            200: {"content": {"application/zip": {}}, "description": "the zip"},
            **refuses(e404="there is none", e409="it is running"),
        },
        **_ANNOTATOR,
    )
    def get_export_file() -> FileResponse:
        path = exporter.file()
        return FileResponse(path, media_type="application/zip", filename=path.name)


def mount(study: Study, login: Login | None = None) -> None:
    """Serve a study's routes with MONAI Label's, behind the guard, replacing those of a study served before.

    Args:
        login: required of everybody, None for none.

    Does nothing in background processes, nor where no server runs.
    """
    server = sys.modules.get("monailabel.app")
    if server is None or is_background_process():
        return
    app = server.app
    former = getattr(app.state, "fewlabel_routes", [])
    others = [route for route in app.router.routes if not any(route is each for each in former)]
    app.router.routes[:] = others
    label_all = label_all_of(study)
    label_all.resume()
    routers = [make_router(study), make_model_router(study), make_label_router(study), make_borrowed_router()]
    routers.insert(0, make_training_router(study, routers[-1]))
    routers += [login.router()] if isinstance(login, TokenLogin) else []
    app.include_router(make_reload_router())
    app.include_router(make_page_router())
    for router in routers:
        app.include_router(router, prefix=settings.MONAI_LABEL_API_STR)
    ours = app.router.routes[len(others) :]
    app.router.routes[:] = ours + others  # the first match counts: some of MONAI Label's are replaced
    app.state.fewlabel_routes = ours
    app.openapi_schema = None  # drop the cached OpenAPI page
    install(app, study.settings, login)
