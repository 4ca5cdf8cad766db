"""What a request must be like before anything reads it: for this host, from this origin, and not too large."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pydantic_hivemind.http.problems import problem
from pydantic_hivemind.ledger.files import MAX_FILE_BYTES

MAX_JSON_BYTES = 16 << 20
"""Largest body of a request that is no file: what is parsed as a whole takes several times its size of memory."""

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
        limit = MAX_FILE_BYTES if scope["method"] == "PUT" else MAX_JSON_BYTES
        host, origin = _name(f"//{headers.get('host', '')}"), headers.get("origin")
        length = headers.get("content-length", "")
        if host is None or not (host in self._known or _is_address(host)):
            why = "this host is not served here; who runs the server can add it to its hosts"
            refusal = problem(421, why)
        elif origin is not None and _name(origin) not in self._known | {host}:
            refusal = problem(403, "pages of this origin may not use the server")
        elif length.isdecimal() and int(length) > limit:
            refusal = _too_large(limit)
        else:
            await self._app(scope, _limited(receive, limit), send)
            return
        await refusal(scope, receive, send)


def _limited(receive: Receive, limit: int) -> Receive:
    """The same messages, until they are more than the limit."""
    received = 0

    async def receive_some() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > limit:
            raise HTTPException(413, f"a request of this kind has at most {limit} bytes")
        return message

    return receive_some


def _too_large(limit: int) -> JSONResponse:
    return problem(413, f"a request of this kind has at most {limit} bytes", headers={"Connection": "close"})


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
