"""MONAI Label's routes of the training, where it goes on by itself: Train means go on now, Stop rest until I say so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Depends
from fastapi.encoders import jsonable_encoder
from monailabel.config import settings
from monailabel.endpoints.user.auth import RBAC
from monailabel.interfaces.utils.app import app_instance
from monailabel.utils.async_tasks.task import AsyncTask

from fewlabel.training.keeper import refuse_second

if TYPE_CHECKING:
    from fewlabel.study import Study


def make_training_router(study: Study) -> APIRouter:
    """``POST`` and ``DELETE /train/`` in place of MONAI Label's, whose parameters and answers they keep.

    A training that somebody waits for (``run_sync``) has an end, and is left to MONAI Label's own. The handlers are
    plain functions: FastAPI runs them in its threads.
    """
    router = APIRouter(include_in_schema=False, dependencies=[Depends(RBAC(settings.MONAI_LABEL_AUTH_ROLE_ADMIN))])
    keeper = study.keeper

    def start(model: str, params: dict[str, Any] | None, enqueue: bool) -> dict[str, Any]:
        app_instance().bundle_path(model)  # refuses what could only fail, as MONAI Label has it
        task, ran = keeper.go_on({**(params or {}), "model": model})
        if ran and not enqueue:
            raise refuse_second()
        return jsonable_encoder(task)

    @router.post("/train/")
    def start_all(params: dict[str, Any] | None = None, run_sync: bool = False) -> dict[str, Any]:
        result = {}
        for model in app_instance().info()["trainers"]:
            given = (params or {}).get(model) if isinstance((params or {}).get(model), dict) else params
            asked = {**(given or {}), "model": model}
            done = _waited_for(asked) if run_sync else start(model, asked, True)
            result[model] = {"result": done, "detail": None}
        return result

    @router.post("/train/{model}")
    def start_one(
        model: str, params: dict[str, Any] | None = None, run_sync: bool = False, enqueue: bool = False
    ) -> Any:
        asked = {"model": model, **(params or {})}
        return _waited_for(asked) if run_sync else start(str(asked["model"]), params, enqueue)

    @router.delete("/train/")
    def stop() -> Any:
        keeper.rest()
        return jsonable_encoder(AsyncTask.stop("train"))

    return router


def _waited_for(request: dict[str, Any]) -> Any:
    result = AsyncTask.run("train", request=request, force_sync=True)[0]
    if result is None:
        raise refuse_second()
    return jsonable_encoder(result)
