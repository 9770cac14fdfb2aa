"""What the routes of FewLabel share: refusals in sentences, and who may call them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import Depends
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from monailabel.endpoints.user.auth import RBAC
from pydantic import BaseModel, Field

from fewlabel.errors import Refusal


class Problem(BaseModel):
    """Why a request was refused."""

    detail: str = Field(description="what is wrong, where, and what to do")


class PlainRoute(APIRoute):
    """A route whose response to an invalid request is a sentence, as for FewLabel's other errors."""

    def get_route_handler(self) -> Callable:
        original = super().get_route_handler()

        async def handle(request: Any) -> Any:
            try:
                return await original(request)
            except RequestValidationError as error:
                faults = "; ".join(f"{_field(each['loc'])}: {each['msg']}" for each in error.errors())
                raise Refusal(
                    f"The request cannot be used ({faults}). See the OpenAPI page for its form.", 422
                ) from error

        return handle


def _field(location: tuple) -> str:
    return ".".join(str(part) for part in location[1:]) or str(location[0])


def role(name: str) -> dict[str, Any]:
    """Arguments of a route that asks for a role."""
    return {"dependencies": [Depends(RBAC(name))]}


def refuses(**reasons: str) -> dict[int | str, dict[str, Any]]:
    """For the OpenAPI page: ``e404="no such case"``."""
    return {int(status[1:]): {"model": Problem, "description": text} for status, text in reasons.items()}
