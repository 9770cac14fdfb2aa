"""MONAI Label's own routes, run in threads: they are coroutines that block, so one would block all others."""

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
"""Whether MONAI Label shows a route on its OpenAPI page; ours is shown instead."""

_AT_ONCE = {"infer": 1, "upload": 4, "long": 4}
"""How many requests of a kind run at the same time; others of that kind are queued. All other requests never wait.

One inference at a time, since two would need twice the memory.
"""

_BACKGROUND = {"train": "training", "scoring": "scoring", "batch": "batch inference"}
_waited_for: set[str] = set()


def is_waited_for(kind: str) -> bool:
    """Whether "train", "scoring" or "batch" runs in this process because a client waits for it (``run_sync``)."""
    return kind in _waited_for


def make_borrowed_router() -> APIRouter:
    """MONAI Label's routes, to be mounted before the original ones, which are removed from the OpenAPI page.

    Parameters, effects and responses are the same. One check is added: while a client waits for a training, a scoring
    or a batch inference (``run_sync``), a second one is refused; in MONAI Label the first one blocks the server.
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
    """``POST /reload``, replacing MONAI Label's, which creates a second app beside the one that keeps running."""
    router = APIRouter()

    @router.post("/reload", include_in_schema=False, dependencies=[Depends(RBAC(settings.MONAI_LABEL_AUTH_ROLE_ADMIN))])
    def reload() -> dict[str, Any]:
        app_instance().reload()
        return {}

    return router


def _in_thread(route: APIRoute, limits: dict[str, CapacityLimiter]) -> Callable[..., Any]:
    """A handler with the same parameters that runs the route in a thread."""
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
    """The kind of a request, which has a limit; "" for none."""
    if path.startswith("/infer/"):
        return "infer"
    if values.get("run_sync") or path == "/datastore/dataset":
        return "long"
    return "upload" if {"file", "files", "label"} & {name for name, each in values.items() if _is_file(each)} else ""


def _is_file(value: Any) -> bool:
    return hasattr(value, "file") or (isinstance(value, list) and any(hasattr(each, "file") for each in value))


def _answer(endpoint: Callable[..., Any], values: dict[str, Any]) -> Response:
    """The complete response, serialised here, since that of 10,000 cases takes as long as making it."""
    answer = asyncio.run(endpoint(**values))
    if isinstance(answer, Response):
        return answer
    try:
        return JSONResponse(answer)
    except TypeError:  # it contains objects, such as the state of a background task
        return JSONResponse(jsonable_encoder(answer))
