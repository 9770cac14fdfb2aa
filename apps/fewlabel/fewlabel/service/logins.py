"""Who may ask, where there is a login: a token that a small group shares, or MONAI Label's own (Keycloak, OIDC)."""

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

SHORTEST = 16  # characters: whoever guesses a thousand a second needs longer than the world is old
LONGEST = 4096
_ROLES = {
    USER: settings.MONAI_LABEL_AUTH_ROLE_USER,
    ANNOTATOR: settings.MONAI_LABEL_AUTH_ROLE_ANNOTATOR,
    ADMIN: settings.MONAI_LABEL_AUTH_ROLE_ADMIN,
}
_SIGNED = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"]


class Login(Protocol):
    """How somebody proves who they are."""

    called: str

    def check(self, token: str, who: str) -> None:
        """Let a bearer token through for what a role may do.

        Raises:
            Refusal: (401) the token is none of ours or is missing; (403) the person has another role.
        """


def _unknown(token: str) -> Refusal:
    if token:
        return Refusal("The server does not know this login, or it has expired. Log in again.", 401)
    return Refusal(
        "This server asks for a login. Log in in the viewer: with what is in the file of --conf token as password "
        "(any user name), or as you do elsewhere where MONAI_LABEL_AUTH_ENABLE is on.",
        401,
    )


class TokenLogin:
    """One token for all, who may then do everything.

    Args:
        file: holds the token, and nothing else but spaces around it.

    Raises:
        ValueError: the file cannot be read, or holds no usable token; the message never shows it.
    """

    called = "with the token of --conf token"

    def __init__(self, file: str) -> None:
        self._file = file
        self.read_again()

    def read_again(self) -> None:
        """Take the token that the file holds now; the one before is none any more.

        Raises:
            ValueError: as when it is made; the one before stays.
        """
        file = self._file
        path = Path(file).expanduser()
        try:
            with path.open("rb") as content:
                token = content.read(LONGEST + 1).decode("ascii").strip()
                mode = os.fstat(content.fileno()).st_mode
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it holds other signs than plain letters, digits and marks"
            raise ValueError(f"--conf token {file}: this file cannot be used: {reason}.") from None
        if not SHORTEST <= len(token) <= LONGEST or len(token.split()) != 1:
            raise ValueError(
                f"--conf token {file}: the file must hold one word of {SHORTEST} to {LONGEST} signs. Make one with: "
                'python3 -c "import secrets; print(secrets.token_urlsafe(32))"'
            )
        if os.name != "nt" and mode & (stat.S_IRGRP | stat.S_IROTH):
            logger.warning("--conf token %s: other users of this computer can read it; chmod 600 it.", file)
        self._token = token

    def is_right(self, token: str) -> bool:
        """Compare in a time that tells nothing of the token."""
        mine, theirs = (hashlib.sha256(each.encode()).digest() for each in (self._token, token))
        return hmac.compare_digest(mine, theirs)

    def check(self, token: str, who: str) -> None:
        if not self.is_right(token):
            raise _unknown(token)

    def router(self) -> APIRouter:
        """MONAI Label's own protocol, so that its viewers' login windows take the token as a password."""
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
    """MONAI Label's own login; its routes ask for the same roles once more."""

    called = "with MONAI Label's own login (MONAI_LABEL_AUTH_ENABLE)"

    def __init__(self) -> None:
        # MONAI Label names no algorithm, without which PyJWT 2 refuses everybody; realms publish a public key.
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
                f"The login server {realm} cannot be asked ({type(error).__name__}). Try later.", 503
            ) from error
        if _ROLES[who] not in user.roles:
            raise Refusal(f"This needs the role '{_ROLES[who]}' (MONAI_LABEL_AUTH_ROLE_{who.upper()}).", 403)


def make_login(token_file: str | None) -> Login | None:
    """The login that was chosen, None where nobody is asked.

    Raises:
        ValueError: an unusable token file, or two logins at once.
    """
    if settings.MONAI_LABEL_AUTH_ENABLE:
        if token_file:
            raise ValueError(
                f"--conf token {token_file}: MONAI Label's own login is on as well (MONAI_LABEL_AUTH_ENABLE). "
                "Choose one of both."
            )
        return OwnLogin()
    return TokenLogin(token_file) if token_file else None


def renew(login: Login | None) -> None:
    """Read the file of a shared token again.

    Raises:
        Refusal: (409) it holds no usable one; that of before is still asked for.
    """
    try:
        if isinstance(login, TokenLogin):
            login.read_again()
    except ValueError as error:
        raise Refusal(f"{error} The token of before is still asked for.", 409) from None
