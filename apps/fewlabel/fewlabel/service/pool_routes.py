"""Routes about the whole pool: *Label all*, and accepting a proposal that it has stored."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import Response
from monailabel.config import RBAC_ANNOTATOR, RBAC_USER, settings

from fewlabel.service.accepting import accept
from fewlabel.service.label_all import LabelAll
from fewlabel.service.overview import Overview
from fewlabel.service.plain import refuses, role
from fewlabel.service.pool_answers import AcceptAnswer, AcceptRequest, LabelAllAnswer
from fewlabel.service.thumbnails import thumbnail

_USER = role(settings.MONAI_LABEL_AUTH_ROLE_USER)
_ANNOTATOR = role(settings.MONAI_LABEL_AUTH_ROLE_ANNOTATOR)


def add_pool_routes(router: APIRouter, label_all: LabelAll, overview: Overview) -> None:
    """Add them as plain functions, which FastAPI runs in its threads."""
    _add_label_all(router, label_all)
    _add_proposals(router, label_all, overview)


def _add_label_all(router: APIRouter, label_all: LabelAll) -> None:
    @router.post(
        "/label_all",
        status_code=202,
        summary=f"{RBAC_ANNOTATOR}Predict every scan without a label, with the newest model, in the background",
        responses=refuses(e409="not trained yet", e507="the disk is full"),
        **_ANNOTATOR,
    )
    def start_label_all() -> LabelAllAnswer:
        label_all.start()
        return label_all.status()

    @router.get("/label_all", summary=f"{RBAC_USER}How far that is", **_USER)
    def get_label_all() -> LabelAllAnswer:
        return label_all.status()

    @router.delete(
        "/label_all",
        summary=f"{RBAC_ANNOTATOR}Stop it; what was predicted stays",
        responses=refuses(e507="the disk is full"),
        **_ANNOTATOR,
    )
    def stop_label_all() -> LabelAllAnswer:
        label_all.stop()
        return label_all.status()


def _add_proposals(router: APIRouter, label_all: LabelAll, overview: Overview) -> None:
    @router.get(
        "/thumbnail/{case}",
        summary=f"{RBAC_USER}A small picture of the proposal for a case: one slice with its outlines",
        response_class=Response,
        responses={
            200: {"content": {"image/png": {}}, "description": "the picture"},
            **refuses(e404="there is no such case, or no stored proposal"),
        },
        **_USER,
    )
    def get_thumbnail(case: str) -> Response:
        return Response(thumbnail(label_all, case), media_type="image/png")

    @router.post(
        "/accept/{case}",
        summary=f"{RBAC_ANNOTATOR}Store the proposal of Label all as the label of a case",
        responses=refuses(
            e404="there is no such case",
            e409="the case has a label, or no stored proposal of this version",
            e507="the disk is full",
        ),
        **_ANNOTATOR,
    )
    def accept_proposal(case: str, body: AcceptRequest) -> AcceptAnswer:
        said = accept(label_all.study, label_all, case, body)
        return AcceptAnswer(id=case, state=overview.state(case), kind=said["kind"], notes=said["notes"])
