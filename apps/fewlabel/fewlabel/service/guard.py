"""Access control in front of MONAI Label's application and FewLabel's routes."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Awaitable, Callable, MutableMapping
from contextvars import ContextVar
from typing import Any
from urllib.parse import parse_qs

from anyio import to_thread
from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from monailabel.config import settings as monailabel_settings
from starlette._utils import get_route_path
from starlette.responses import JSONResponse

from fewlabel.errors import Refusal
from fewlabel.service.bodies import Body, Receive, with_keys
from fewlabel.service.doors import Doors
from fewlabel.service.logins import Login
from fewlabel.service.rules import EVERYBODY, Table
from fewlabel.service.tidy import Tidy
from fewlabel.settings import Settings

logger = logging.getLogger(__name__)

Scope = MutableMapping[str, Any]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

_DRAINED = 2**23  # bytes of a refused upload that are read, so that the client receives the message
_NO = ("false", "0", "no", "off", "f", "n")


_ASKED: ContextVar[dict[str, Any] | None] = ContextVar("asked", default=None)


def brought_by_the_request() -> dict[str, Any]:
    """What the URL of the current request says; its parameters cannot override it.

    Returns:
        ``session``: the id of its session, "" for none; ``since``: when it came, in seconds since the epoch. {} where
        no request is being answered, as in scripts and background processes.
    """
    return _ASKED.get() or {}


class Guard:
    """ASGI middleware around the whole application.

    Args:
        app: the application behind it.
        settings: of the study.
        login: the chosen one, None for none.
    """

    def __init__(self, app: Application, settings: Settings, login: Login | None) -> None:
        self.app, self.login = app, login
        self.table = Table(monailabel_settings.MONAI_LABEL_API_STR)
        origins = settings.origins or ()
        self.doors = Doors(settings.hosts or (), origins, settings.remote or login is not None)
        self.tidy = Tidy()
        self._indoors: Application = self._inside
        if origins:  # answers the preflight requests of browsers
            self._indoors = CORSMiddleware(
                self._inside, origins, allow_methods=["*"], allow_headers=["*"], allow_credentials=True
            )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        try:
            self.doors.check(scope)
        except Refusal as refusal:
            await _refuse(refusal, scope, Body(receive), send)
            return
        await self._indoors(scope, receive, send)

    async def _inside(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request that passed the checks of its head."""
        body = Body(receive)
        try:
            receive = await self._check(scope, body)
        except Refusal as refusal:
            await _refuse(refusal, scope, body, send)
            return
        token = _ASKED.set({"session": _query(scope).get("session_id", [""])[-1], "since": time.time()})
        try:
            async with self.tidy.after_request(takes_much=scope["method"] in ("PUT", "POST")):
                await self.app(scope, receive, send)
        finally:
            _ASKED.reset(token)

    async def _check(self, scope: Scope, receive: Body) -> Receive:
        """Check a request against the rule of its route; gives the function that receives its body."""
        path, method = get_route_path(scope), scope["method"]
        found = self.table.find(method, path) or (method == "HEAD" and self.table.find("GET", path)) or None
        who = found[0].who if found is not None else "user"
        if self.login is not None and who != EVERYBODY:
            await to_thread.run_sync(self.login.check, _bearer(scope), who)
        if found is None:
            other = path[:-1] if path.endswith("/") else f"{path}/"
            if self.table.knows(path) or self.table.knows(other):
                return receive  # another method, or the router redirects for a trailing slash
            raise Refusal(f"There is no address '{path[:100]}' on this server.", 404)
        rule, parameters = found
        if rule.off:
            raise Refusal(rule.off, 404)
        _check_query(scope, parameters.get("session_id"))
        if rule.keys is None:
            return receive
        content_type = dict(scope["headers"]).get(b"content-type", b"").decode("latin-1")
        return await with_keys(rule, receive, content_type)


def _query(scope: Scope) -> dict[str, list[str]]:
    return parse_qs(scope.get("query_string", b"").decode("latin-1"))


def _check_query(scope: Scope, session: str | None) -> None:
    """Check the session and refuse archives: MONAI Label uses a session's id as a folder, and unpacks any archive.

    Raises:
        Refusal: (404) there is no such session; (422) an archive is to be unpacked.
    """
    query = _query(scope)
    for given in [*query.get("session_id", []), *([] if session is None else [session])]:
        try:
            right = given == str(uuid.UUID(given))
        except ValueError:
            right = False
        if not right:
            raise Refusal(f"There is no session '{given[:100]}': PUT /session/ gives the id of a new one.", 404)
    if any(value.lower() not in _NO for value in query.get("uncompress", [])):
        raise Refusal("The server unpacks no archives: send the volume itself (.nii.gz, .nii or .nrrd).", 422)


def _bearer(scope: Scope) -> str:
    """The token of the Authorization header, "" if there is none."""
    given = [value.decode("latin-1") for name, value in scope["headers"] if name.lower() == b"authorization"]
    kind, _, token = given[0].strip().partition(" ") if len(given) == 1 else ("", "", "")
    return token.strip() if kind.lower() == "bearer" else ""


async def _refuse(refusal: Refusal, scope: Scope, receive: Body, send: Send) -> None:
    """Respond with the message, after reading a reasonable part of the request."""
    seen = 0
    while not receive.ended and seen <= _DRAINED:
        seen += len((await receive()).get("body", b""))
    headers = {"WWW-Authenticate": "Bearer"} if refusal.status_code == 401 else None
    response = JSONResponse({"detail": str(refusal)}, refusal.status_code, headers)
    await response(scope, receive, send)


def install(app: FastAPI, settings: Settings, login: Login | None) -> None:
    """Put the guard in front of an application, replacing an earlier one and MONAI Label's own CORS middleware.

    FewLabel is loaded while the application starts, when middleware can no longer be added: so its stack is rebuilt
    and wrapped as a whole.
    """
    app.user_middleware = [each for each in app.user_middleware if each.cls is not CORSMiddleware]
    app.middleware_stack = Guard(app.build_middleware_stack(), settings, login)
    if login is not None:
        logger.info("FewLabel answers other computers, and asks everybody for a login: %s", login.called)
    elif settings.remote:
        logger.warning(
            "FewLabel asks for no login (--conf remote yes): whoever reaches the address that it listens on can read "
            "and change scans and labels. At 127.0.0.1 that is this computer, and what a proxy on it passes on. "
            "--conf token FILE asks for a token."
        )
    else:
        logger.info(
            "FewLabel answers this computer only, whatever address it listens on. Other computers are allowed with "
            "--conf token FILE (they log in) or --conf remote yes (without a login)."
        )
