"""`serve`: runs the HTTP API, by default for this machine only."""

from __future__ import annotations

import ipaddress
import signal
import sys
import threading
from collections.abc import Collection, Generator, Mapping
from contextlib import contextmanager
from typing import Any, NoReturn

import uvicorn
from starlette.applications import Starlette
from uvicorn.config import LOGGING_CONFIG

from pydantic_hivemind.errors import InvalidOption
from pydantic_hivemind.hive.hivemind import Hivemind
from pydantic_hivemind.http.app import create_app
from pydantic_hivemind.http.connections import BoundedConnection
from pydantic_hivemind.http.metrics import LOG
from pydantic_hivemind.limits import HEAD_SECONDS, SHUTDOWN_SECONDS
from pydantic_hivemind.tokens import Tokens

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8765
"""One that no well-known service uses."""

OPTIONS: dict[str, Any] = {
    # Not its log of requests: the addresses in it have names of files and what was looked for.
    "access_log": False,
    "server_header": False,
    "http": BoundedConnection,
    # Not its five seconds, for which clients keep connections too: the end of one and a request would cross.
    "timeout_keep_alive": HEAD_SECONDS,
    # There are none here, and their connections would be counted by nobody.
    "ws": "none",
    "timeout_graceful_shutdown": SHUTDOWN_SECONDS,
}
"""For uvicorn."""

LOG_CONFIG: dict[str, Any] = {
    **LOGGING_CONFIG,
    "loggers": {**LOGGING_CONFIG["loggers"], LOG.name: {"handlers": ["default"], "level": "INFO", "propagate": False}},
}
"""Uvicorn's own, and the log of requests that takes the place of its."""


def serve(
    hive: Hivemind,
    *,
    host: str = DEFAULT_HOST,
    port: int = DEFAULT_PORT,
    hosts: Collection[str] = (),
    mounts: Mapping[str, Starlette] | None = None,
) -> None:
    """Serve a hive until the process is told to end; requests in progress have some seconds to finish.

    Args:
        hive: The hive.
        host: Address to listen on.
        port: Port to listen on.
        hosts: Host names under which it is served, in addition to those of this machine and IP addresses.
        mounts: Other apps to serve, by the path under which they are mounted.

    Raises:
        InvalidOption: Other machines could reach the address, and the hive has no token yet.
        SystemExit: The address is in use, or cannot be listened on; with code 0, the process got SIGTERM.
    """
    check_host(hive, host)
    app = create_app(hive, hosts={host, *hosts}, mounts=mounts)
    with _unwinding():
        uvicorn.run(app, host=host, port=port, log_config=LOG_CONFIG, **OPTIONS)


def check_host(hive: Hivemind, host: str) -> None:
    """Check that a hive without tokens is not served to other machines.

    Raises:
        InvalidOption: Other machines could reach the address, and the hive has no token yet.
    """
    if not _is_loopback(host) and not Tokens(hive).list(limit=1):
        raise InvalidOption(
            f"other machines can reach {host!r}, and the hive has no token yet; create a token first, or listen on "
            f"{DEFAULT_HOST}"
        )


@contextmanager
def _unwinding() -> Generator[None, None, None]:
    """Have SIGTERM raise SystemExit, so that the caller closes its store.

    Uvicorn raises the signal again once it has ended, whose default action would end the process there and then:
    collections of large scopes, which only a close marks as whole, would be discarded at the next start.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, _end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _end(*_: object) -> NoReturn:
    sys.exit(0)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
