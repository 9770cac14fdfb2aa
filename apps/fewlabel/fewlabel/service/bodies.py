"""The body of a request: how much of it was read, and which of its options are passed on."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from fewlabel.datastore.kinds import check_tag
from fewlabel.errors import Refusal
from fewlabel.service.rules import Rule

logger = logging.getLogger(__name__)

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

LARGEST_JSON = 2**20  # bytes
_CHOOSES = re.compile(r"path|dir|folder|file|ur[il]|bundle|module|class|target|env|script|conf", re.IGNORECASE)


class Body:
    """The body of a request, read as it arrives.

    Attributes:
        ended: the body is complete; a further call waits for the client to disconnect.
    """

    def __init__(self, receive: Receive) -> None:
        self._receive, self.ended = receive, False

    async def __call__(self) -> MutableMapping[str, Any]:
        message = await self._receive()
        self.ended = self.ended or message["type"] != "http.request" or not message.get("more_body", False)
        return message


async def with_keys(rule: Rule, receive: Body) -> Receive:
    """Read a JSON body and pass on only the keys that the route accepts.

    Raises:
        Refusal: (413, 422) it is too long or not JSON; (422) it tries to set what only the server may set.
    """
    body = b""
    while not receive.ended:
        body += (await receive()).get("body", b"")
        if len(body) > LARGEST_JSON:
            raise Refusal(f"The request's body is longer than {LARGEST_JSON // 2**20} MiB: send options only.", 413)
    if body.strip():
        try:
            parsed = json.loads(body)
        except (ValueError, RecursionError):
            raise Refusal(
                'The request\'s body is not JSON: send options as {"name": value}, or nothing.', 422
            ) from None
        kept = _kept(parsed, rule.keys or frozenset())
        if isinstance(kept, dict):
            check_tag(kept.get("label_tag"))
        body = json.dumps(kept).encode()
    sent = False

    async def receive_again() -> MutableMapping[str, Any]:
        nonlocal sent
        if sent:
            return await receive()
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receive_again


def _kept(given: Any, keys: frozenset[str]) -> Any:
    """``given`` without unknown keys; also applied to the options of each model, if there are several."""
    if not isinstance(given, dict):
        return given
    kept: dict[str, Any] = {}
    for key, value in given.items():
        if key in keys:
            kept[key] = value
        elif _CHOOSES.search(key):
            raise Refusal(
                f"The request names '{key[:100]}': paths, code and environments of the server are chosen with --conf "
                "when it is started, never by a request.",
                422,
            )
        elif isinstance(value, dict):
            kept[key] = _kept(value, keys)
        else:
            logger.info("The option '%s' of a request means nothing to FewLabel and was left out", key[:100])
    return kept
