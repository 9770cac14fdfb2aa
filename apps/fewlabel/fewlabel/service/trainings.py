"""MONAI Label's training routes for continuous training: Train lets it go on, Stop lets it rest."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from anyio import to_thread
from fastapi import APIRouter, Depends
from fastapi.encoders import jsonable_encoder
from fastapi.routing import APIRoute
from monailabel.config import settings
from monailabel.endpoints.user.auth import RBAC
from monailabel.interfaces.utils.app import app_instance

from fewlabel.errors import Refusal
from fewlabel.training.mode import CONTINUOUS, ON_REQUEST, asked_for

if TYPE_CHECKING:
    from fewlabel.study import Study

Options = dict[str, Any]
Answer = Callable[..., Awaitable[Any]]


class TrainingDesk:
    """Starts and stops continuous training; requests for other trainings are left to MONAI Label.

    Args:
        study: open.
    """

    def __init__(self, study: Study) -> None:
        self.keeper = study.keeper

    def goes_on(self, options: Options, waited_for: bool) -> bool:
        """Whether a request concerns continuous training; one with ``run_sync`` (``waited_for``) never does."""
        wanted = asked_for(options) or self.keeper.mode()
        if waited_for:
            return False
        if wanted == ON_REQUEST and self.keeper.active() is None:
            self.keeper.mode.remember(ON_REQUEST, rests=False)
        return wanted == CONTINUOUS

    def start(self, model: str, options: Options, enqueue: bool) -> dict[str, Any]:
        """Let the training go on; gives the running task.

        Raises:
            Refusal: (404, 409) there is no such model, or no label; (429) it is running already, and may not be queued.
        """
        app_instance().bundle_path(model)  # refuses requests that could only fail, as in MONAI Label
        task, ran = self.keeper.go_on({**options, "model": model})
        if ran and not enqueue:
            raise Refusal("The training is running already: it takes in new labels by itself.", 429)
        return jsonable_encoder(task)

    async def on_request(self, answer: Answer, options: Options, waited_for: bool, **more: Any) -> Any:
        """MONAI Label's own response; while a client waits for a training, continuous training does not start.

        A request without a model would be queued: it stops continuous training meanwhile.

        Raises:
            Refusal: (429) continuous training is running.
        """
        params = {**options, "training": ON_REQUEST}
        if not waited_for:
            return await answer(params=params, run_sync=False, user=None, **more)
        with self.keeper.held(end="model" not in more) as free:
            if not free:
                raise Refusal("The training is running: stop it (DELETE /train/), then try again.", 429)
            return await answer(params=params, run_sync=True, user=None, **more)


def make_training_router(study: Study, borrowed: APIRouter) -> APIRouter:
    """``POST`` and ``DELETE /train/``, to be mounted before MONAI Label's, with the same parameters and responses.

    Args:
        borrowed: MONAI Label's routes, used for trainings on request.
    """
    router = APIRouter(include_in_schema=False, dependencies=[Depends(RBAC(settings.MONAI_LABEL_AUTH_ROLE_ADMIN))])
    theirs = _endpoints(borrowed)
    desk = TrainingDesk(study)

    @router.post("/train/")
    async def start_all(params: Options | None = None, run_sync: bool = False) -> Any:
        options = params or {}
        if not desk.goes_on(options, run_sync):
            return await desk.on_request(theirs["POST", "/train/"], options, run_sync)
        result = {}
        for model in app_instance().info()["trainers"]:
            of_model = options.get(model)
            given = of_model if isinstance(of_model, dict) else options
            task = await to_thread.run_sync(desk.start, model, given, True)
            result[model] = {"result": task, "detail": None}
        return result

    @router.post("/train/{model}")
    async def start_one(
        model: str, params: Options | None = None, run_sync: bool = False, enqueue: bool = False
    ) -> Any:
        options = params or {}
        if desk.goes_on(options, run_sync):
            return await to_thread.run_sync(desk.start, str(options.get("model") or model), options, enqueue)
        return await desk.on_request(theirs["POST", "/train/{model}"], options, run_sync, model=model, enqueue=enqueue)

    @router.delete("/train/")
    async def stop() -> Any:
        if desk.keeper.is_on:
            return jsonable_encoder(await to_thread.run_sync(desk.keeper.stop))
        return await theirs["DELETE", "/train/"](user=None)

    return router


def _endpoints(borrowed: APIRouter) -> dict[tuple[str, str], Answer]:
    routes = [route for route in borrowed.routes if isinstance(route, APIRoute)]
    return {(method, route.path): route.endpoint for route in routes for method in route.methods or ()}
