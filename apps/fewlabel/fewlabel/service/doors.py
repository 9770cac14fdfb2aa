"""Accepts or refuses requests by the name of the server in them, and by the page and computer they come from."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection, Mapping
from typing import Any

from fewlabel.errors import Refusal

_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[^:\[\]\s/@]+)(:\d{1,5})?")
_PROXIES = ("x-forwarded-for", "forwarded", "x-real-ip")


def address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """``text`` as an address (IPv4 for an IPv4-mapped IPv6 one); None where it is a name."""
    try:
        found = ipaddress.ip_address(text.strip("[]"))
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found


def is_loopback(name: str) -> bool:
    """Whether a host name or address is a loopback of this computer."""
    found = address(name)
    return name == "localhost" if found is None else found.is_loopback


class Doors:
    """Checks that only need the head of a request.

    Args:
        hosts: names of the server, besides those of the loopback.
        origins: of other web pages that may use the server.
        others: whether other computers are accepted: there is a login, or ``--conf remote yes``.
    """

    def __init__(self, hosts: Collection[str], origins: Collection[str], others: bool) -> None:
        self.hosts, self.origins, self.others = frozenset(hosts), frozenset(origins), others

    def check(self, scope: Mapping[str, Any]) -> None:
        """Check a request.

        Raises:
            Refusal: (403) with the setting that would allow it.
        """
        headers: dict[str, list[str]] = {}
        for name, value in scope["headers"]:
            headers.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1").strip().lower())
        if not self.others and self._from_elsewhere(scope, headers):
            raise Refusal(
                "This server answers its own computer only. Whoever starts it allows other computers with --conf token "
                "FILE (they log in with the token in that file) or --conf remote yes (without a login).",
                403,
            )
        host = self._check_host(headers.get("host", []), scope)
        self._check_page(headers, f"{scope.get('scheme', 'http')}://{host}")

    def _check_host(self, given: list[str], scope: Mapping[str, Any]) -> str:
        """Check the Host header, which also stops pages that point their own name to this computer (DNS rebinding)."""
        if len(given) != 1 or (found := _HOST.fullmatch(given[0])) is None:
            raise Refusal("The request must have one Host header with the name of this server.", 403)
        name = found.group(1)
        if is_loopback(name) or name in self.hosts or name.strip("[]") in self.hosts:
            return given[0]
        here = (scope.get("server") or ("",))[0]
        if self.others and address(name) is not None and address(name) == address(here or ""):
            return given[0]
        raise Refusal(
            f"This server does not answer to the name '{name[:100]}'. Use 127.0.0.1 or localhost on its own computer; "
            "if the name is right, whoever starts the server adds it with --conf hosts NAME.",
            403,
        )

    def _check_page(self, headers: dict[str, list[str]], own: str) -> None:
        """Check the page that a browser sends the request for; viewers that are not browsers name none."""
        origins = headers.get("origin", [])
        if any(origin not in self.origins and origin != own for origin in origins):
            raise Refusal(
                f"A web page of '{', '.join(origins)[:100]}' may not use this server. If it should, whoever starts the "
                "server adds it with --conf origins ORIGIN.",
                403,
            )
        sites = headers.get("sec-fetch-site", [])
        if not self.origins.intersection(origins) and any(site not in ("same-origin", "none") for site in sites):
            raise Refusal(
                "Another web page may not use this server. Type its address into the browser yourself; if that page "
                "should use it, whoever starts the server adds the page's origin with --conf origins ORIGIN.",
                403,
            )

    @staticmethod
    def _from_elsewhere(scope: Mapping[str, Any], headers: dict[str, list[str]]) -> bool:
        """Whether the request comes from another computer, or through a proxy."""
        if any(name in headers for name in _PROXIES):
            return True
        peer = address((scope.get("client") or ("",))[0] or "")
        return peer is not None and not peer.is_loopback  # no address: a Unix socket, or a test in this process
