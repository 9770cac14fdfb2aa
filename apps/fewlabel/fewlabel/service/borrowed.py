"""MONAI Label's own routes, run in threads: they are coroutines that block, so that one would hold all the others."""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Callable
from typing import Any

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Depends
from fastapi.encoders import jsonable_encoder
from fastapi.routing import APIRoute
from monailabel.config import settings
from monailabel.endpoints import (
    activelearning,
    batch_infer,
    datastore,
    infer,
    info,
    logs,
    model,
    scoring,
    session,
    train,
)
from monailabel.endpoints.user.auth import RBAC
from monailabel.interfaces.utils.app import app_instance
from starlette.responses import JSONResponse, Response

from fewlabel.errors import Refusal
from fewlabel.service.labels import PATH

_MODULES = (info, model, infer, batch_infer, train, activelearning, scoring, datastore, logs, session)
_SHOWN = {id(route): route.include_in_schema for module in _MODULES for route in module.router.routes}
"""Whether MONAI Label has a route in its OpenAPI page; ours takes that place."""

_AT_ONCE = {"infer": 1, "upload": 4, "long": 4}
"""How many requests of a kind run at once; the others of that kind wait. What is not named here never waits for them.

One inference at a time, as before: two would need twice the memory.
"""

_BACKGROUND = {"train": "training", "scoring": "scoring", "batch": "batch inference"}
_waited_for: set[str] = set()


def is_waited_for(kind: str) -> bool:
    """Whether "train", "scoring" or "batch" runs in this process because somebody waits for it (``run_sync``)."""
    return kind in _waited_for


def make_borrowed_router() -> APIRouter:
    """MONAI Label's routes, to be asked before the original ones, which are taken from the OpenAPI page.

    They take, do and answer what those do. One thing is added: while somebody waits for a training, a scoring or a
    batch inference (``run_sync``), no second one is started, which MONAI Label, being busy, never saw.
    """
    router = APIRouter()
    limits = {kind: CapacityLimiter(most) for kind, most in _AT_ONCE.items()}
    for module in _MODULES:
        for route in module.router.routes:
            if module is model and route.methods & {"PUT", "DELETE"}:
                continue  # fewlabel.service.models
            if route.path == PATH and "GET" in route.methods:
                continue  # fewlabel.service.labels
            router.add_api_route(
                route.path,
                _in_thread(route, limits),
                methods=sorted(route.methods),
                name=route.name,
                summary=route.summary,
                tags=route.tags,
                responses=route.responses,
                deprecated=route.deprecated,
                include_in_schema=_SHOWN[id(route)],
            )
            route.include_in_schema = False
    return router


def make_reload_router() -> APIRouter:
    """``POST /reload`` in place of MONAI Label's, which builds a second app beside the one that goes on working."""
    router = APIRouter()

    @router.post("/reload", include_in_schema=False, dependencies=[Depends(RBAC(settings.MONAI_LABEL_AUTH_ROLE_ADMIN))])
    def reload() -> dict[str, Any]:
        app_instance().reload()
        return {}

    return router


def _in_thread(route: APIRoute, limits: dict[str, CapacityLimiter]) -> Callable[..., Any]:
    """What a route does, in a thread; it asks for the same parameters."""
    path, endpoint = route.path, route.endpoint
    starts = path.split("/")[1] if "POST" in (route.methods or ()) else ""

    async def handler(**values: Any) -> Response:
        kind = _kind(path, values)
        run = functools.partial(_answer, endpoint, values)
        if starts in _waited_for:
            raise Refusal(
                f"Somebody waits for a {_BACKGROUND[starts]} (run_sync), which is still running: try again when it "
                "has ended.",
                429,
            )
        if not values.get("run_sync"):
            return await to_thread.run_sync(run, limiter=limits.get(kind))
        _waited_for.add(starts)
        try:
            return await to_thread.run_sync(run, limiter=limits[kind])
        finally:
            _waited_for.discard(starts)

    handler.__signature__ = inspect.signature(endpoint)  # type: ignore[attr-defined]  # FastAPI reads it
    return handler


def _kind(path: str, values: dict[str, Any]) -> str:
    """Which of the limits a request falls under, "" for none."""
    if path.startswith("/infer/"):
        return "infer"
    if values.get("run_sync") or path == "/datastore/dataset":
        return "long"
    return "upload" if {"file", "files", "label"} & {name for name, each in values.items() if _is_file(each)} else ""


def _is_file(value: Any) -> bool:
    return hasattr(value, "file") or (isinstance(value, list) and any(hasattr(each, "file") for each in value))


def _answer(endpoint: Callable[..., Any], values: dict[str, Any]) -> Response:
    """The whole answer, its text included: that of 10,000 cases takes as long as finding them."""
    answer = asyncio.run(endpoint(**values))
    if isinstance(answer, Response):
        return answer
    try:
        return JSONResponse(answer)
    except TypeError:  # it holds objects, as the state of a background task does
        return JSONResponse(jsonable_encoder(answer))
