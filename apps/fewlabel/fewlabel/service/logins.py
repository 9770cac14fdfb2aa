"""Logins: a token that a small group shares, or MONAI Label's own login (Keycloak, OIDC)."""

from __future__ import annotations

import functools
import hashlib
import hmac
import logging
import os
import stat
import types
from pathlib import Path
from typing import Any, Protocol

import jwt
from fastapi import APIRouter, Form
from monailabel.config import settings
from monailabel.endpoints.user import auth

from fewlabel.errors import Refusal
from fewlabel.service.rules import ADMIN, ANNOTATOR, USER

logger = logging.getLogger(__name__)

SHORTEST = 16  # characters: too many combinations to guess
LONGEST = 4096
_ROLES = {
    USER: settings.MONAI_LABEL_AUTH_ROLE_USER,
    ANNOTATOR: settings.MONAI_LABEL_AUTH_ROLE_ANNOTATOR,
    ADMIN: settings.MONAI_LABEL_AUTH_ROLE_ADMIN,
}
_SIGNED = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"]


class Login(Protocol):
    """A kind of login."""

    called: str

    def check(self, token: str, who: str) -> None:
        """Check that a bearer token allows what a role may do.

        Raises:
            Refusal: (401) the token is missing or wrong; (403) the person has another role.
        """


def _unknown(token: str) -> Refusal:
    if token:
        return Refusal("The server does not know this login, or it has expired. Log in again.", 401)
    return Refusal(
        "This server requires a login. Log in with the viewer: use the token in the file of --conf token as the "
        "password (any user name), or your usual account if MONAI_LABEL_AUTH_ENABLE is on.",
        401,
    )


class TokenLogin:
    """One token for everybody, which allows everything.

    Args:
        file: contains the token; white space around it is ignored.

    Raises:
        ValueError: the file cannot be read, or contains no usable token; the message never shows it.
    """

    called = "with the token of --conf token"

    def __init__(self, file: str) -> None:
        self._file = file
        self.read_again()

    def read_again(self) -> None:
        """Read the token again; the former one is no longer valid.

        Raises:
            ValueError: as for the constructor; the former token stays valid.
        """
        file = self._file
        path = Path(file).expanduser()
        try:
            with path.open("rb") as content:
                token = content.read(LONGEST + 1).decode("ascii").strip()
                mode = os.fstat(content.fileno()).st_mode
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it has characters other than letters, digits and punctuation"
            raise ValueError(f"--conf token {file}: this file cannot be used: {reason}.") from None
        if not SHORTEST <= len(token) <= LONGEST or len(token.split()) != 1:
            raise ValueError(
                f"--conf token {file}: the file must have one word of {SHORTEST} to {LONGEST} characters. Make "
                'one with: python3 -c "import secrets; print(secrets.token_urlsafe(32))"'
            )
        if os.name != "nt" and mode & (stat.S_IRGRP | stat.S_IROTH):
            logger.warning("--conf token %s: other users of this computer can read it; chmod 600 it.", file)
        self._token = token

    def is_right(self, token: str) -> bool:
        """Compare in constant time."""
        mine, theirs = (hashlib.sha256(each.encode()).digest() for each in (self._token, token))
        return hmac.compare_digest(mine, theirs)

    def check(self, token: str, who: str) -> None:
        if not self.is_right(token):
            raise _unknown(token)

    def router(self) -> APIRouter:
        """MONAI Label's login routes, so that its viewers accept the token as a password."""
        router = APIRouter(prefix="/auth", tags=["Auth"])

        @router.get("/", summary="Check If Auth is Enabled")
        def auth_enabled() -> dict[str, Any]:
            return {"enabled": True, "client_id": "fewlabel", "realm": ""}

        @router.post("/token", summary="Fetch new access code/token")
        def access_token(password: str = Form(""), username: str = Form("")) -> dict[str, str]:
            if not self.is_right(password.strip()):
                raise Refusal("This is not the token of this server: enter it as the password. Try again.", 401)
            return {"access_token": self._token, "token_type": "bearer"}

        @router.get("/token/valid", summary="Check If current token is Valid")
        def valid_token() -> dict[str, Any]:
            return auth.DEFAULT_USER.model_dump()

        return router


class OwnLogin:
    """MONAI Label's own login; its routes check the same roles again."""

    called = "with MONAI Label's own login (MONAI_LABEL_AUTH_ENABLE)"

    def __init__(self) -> None:
        # MONAI Label passes no algorithm, so that PyJWT 2 refuses every token; realms publish a public key.
        auth.jwt = types.SimpleNamespace(decode=functools.partial(jwt.decode, algorithms=_SIGNED))

    def check(self, token: str, who: str) -> None:
        if not token:
            raise _unknown(token)
        try:
            user = auth.from_token(token)
        except auth.InvalidTokenError:
            raise _unknown(token) from None
        except Exception as error:
            realm = settings.MONAI_LABEL_AUTH_REALM_URI
            raise Refusal(
                f"The login server {realm} cannot be reached ({type(error).__name__}). Try later.", 503
            ) from error
        if _ROLES[who] not in user.roles:
            raise Refusal(f"This needs the role '{_ROLES[who]}' (MONAI_LABEL_AUTH_ROLE_{who.upper()}).", 403)


def make_login(token_file: str | None) -> Login | None:
    """The chosen login, None for none.

    Raises:
        ValueError: an unusable token file, or two logins at once.
    """
    if settings.MONAI_LABEL_AUTH_ENABLE:
        if token_file:
            raise ValueError(
                f"--conf token {token_file}: MONAI Label's own login is on as well (MONAI_LABEL_AUTH_ENABLE). "
                "Choose one of them."
            )
        return OwnLogin()
    return TokenLogin(token_file) if token_file else None


def renew(login: Login | None) -> None:
    """Read the file of a shared token again.

    Raises:
        Refusal: (409) the file has no usable token; the former one stays valid.
    """
    try:
        if isinstance(login, TokenLogin):
            login.read_again()
    except ValueError as error:
        raise Refusal(f"{error} The former token stays valid.", 409) from None
