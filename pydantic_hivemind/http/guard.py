"""What a request must be like before anything reads it: for this host, and from this origin."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from pydantic_hivemind.http.problems import problem

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
"""Names of this machine that no name server can give to another one."""


class Guard:
    """Refuses requests that a page in somebody's browser sends to a server it found by a name of its own.

    DNS rebinding needs a name, so a host that is an address is as good as a known one. An origin must be the host
    itself, this machine or a known host.
    """

    def __init__(self, app: ASGIApp, hosts: Collection[str]) -> None:
        self._app = app
        self._known = LOOPBACK_NAMES | {host.lower() for host in hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As an ASGI app."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        host, origin = _name(f"//{headers.get('host', '')}"), headers.get("origin")
        if host is None or not (host in self._known or _is_address(host)):
            why = "this host is not served here; who runs the server can add it to its hosts"
            refusal = problem(421, why)
        elif origin is not None and _name(origin) not in self._known | {host}:
            refusal = problem(403, "pages of this origin may not use the server")
        else:
            await self._app(scope, receive, send)
            return
        await refusal(scope, receive, send)


def _name(address: str) -> str | None:
    """The host in an address, without its port."""
    try:
        return urlsplit(address).hostname
    except ValueError:
        return None


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
