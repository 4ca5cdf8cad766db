"""Connections: how many there may be, how long one may take for a request's head, and how slowly it may read."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, Any, cast
from weakref import WeakKeyDictionary

from uvicorn import Config

from pydantic_hivemind.http.addresses import Network, network_of, networks
from pydantic_hivemind.http.metrics import LOG
from pydantic_hivemind.http.problems import problem
from pydantic_hivemind.limits import (
    EVICTION_SECONDS,
    HEAD_SECONDS,
    LEAST_SEND_RATE,
    MAX_CONNECTIONS,
    MAX_CONNECTIONS_PER_ADDRESS,
    RETRY_SECONDS,
    SEND_SECONDS,
)

if TYPE_CHECKING:
    from uvicorn.server import ServerState

BUFFER_BYTES = 64 << 10
"""Bytes of an answer that wait in a connection's buffer before its sender is made to wait, and about as many again in
the kernel. Larger pieces are not faster."""

SWEEP_SECONDS = 0.25
"""Seconds between two looks at all connections."""

CONNECTION = "hivemind.connection"
"""Where a request's `scope["state"]` has its connection."""


class BoundedConnection(asyncio.Protocol):
    """A connection that is closed when it has nothing to say, and aborted when its client does not read.

    It passes everything on to uvicorn's own protocol in Python, since the one in C takes heads of any size. An app
    behind `Sending` says when it begins and ends to answer, and how much it has written.
    """

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self._loop = _loop or asyncio.get_running_loop()
        self._server = _server_of(server_state, config, self._loop)
        self._http = _h11_protocol()(
            config=config, server_state=server_state, app_state={**app_state, CONNECTION: self}, _loop=_loop
        )
        self._transport: asyncio.Transport | None = None
        self._can_write = asyncio.Event()
        self._can_write.set()
        self._answering = 0
        self._written = 0
        self._taken = 0
        self._quiet_since = self._progress_at = self._loop.time()
        self._deadline: float | None = None
        self.network: Network | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """As the event loop calls it."""
        # uvloop's are not its subclasses.
        transport = cast("asyncio.Transport", transport)
        self.network = network_of(transport.get_extra_info("peername"))
        if (refusal := self._server.admit(self)) is not None:
            transport.write(refusal)
            transport.close()
            return
        self._transport = transport
        transport.set_write_buffer_limits(high=BUFFER_BYTES)
        # Else the kernel takes megabytes that nobody reads, and tells of progress only now and then.
        _set_option(transport, "IPPROTO_TCP", "TCP_NOTSENT_LOWAT", BUFFER_BYTES)
        self._http.connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """As the event loop calls it."""
        self._server.forget(self)
        self._can_write.set()
        if self._transport is not None:
            self._transport = None
            self._http.connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """As the event loop calls it."""
        self._http.data_received(data)

    def eof_received(self) -> bool | None:
        """As the event loop calls it."""
        return self._http.eof_received()

    def pause_writing(self) -> None:
        """As the event loop calls it."""
        self._can_write.clear()
        self._http.pause_writing()

    def resume_writing(self) -> None:
        """As the event loop calls it."""
        self._can_write.set()
        self._http.resume_writing()

    async def begin(self) -> bool:
        """Begin to answer a request once the answers before it have been taken; whether anybody is there for it."""
        self._answering += 1
        await self._can_write.wait()
        return self._transport is not None

    def end(self) -> None:
        """End the answer to a request."""
        self._answering -= 1
        self._quiet_since = self._loop.time()

    def wrote(self, size: int) -> None:
        """Note that so many bytes of an answer were passed on."""
        self._written += size

    def idle_seconds(self) -> float:
        """Return for how many seconds it has had nothing to say, or taken nothing of what waits; 0 if it is busy."""
        if self._unsent():
            return self._loop.time() - self._progress_at
        return 0.0 if self._answering else self._loop.time() - self._quiet_since

    def look(self) -> None:
        """Close it if no request came in time, abort it if what waits is not taken in time."""
        now = self._loop.time()
        unsent = self._unsent()
        taken = self._written - unsent
        if not unsent:
            self._deadline, self._progress_at = None, now
            if not self._answering and now - self._quiet_since > HEAD_SECONDS and self._transport is not None:
                self._transport.close()
        else:
            self._quiet_since = now
            latest = now + SEND_SECONDS
            if self._deadline is None or taken > self._taken:
                more = max(0, taken - self._taken) / LEAST_SEND_RATE
                self._deadline = latest if self._deadline is None else min(latest, self._deadline + more)
                self._progress_at = now
            if now > self._deadline:
                LOG.info("a client was cut off that did not read its answer")
                self.abort()
        self._taken = taken

    def abort(self) -> None:
        """Close it at once, without sending what waits."""
        self._server.forget(self)
        if self._transport is not None:
            # Else the kernel would go on to offer what it has, for minutes.
            _set_option(self._transport, "SOL_SOCKET", "SO_LINGER", struct.pack("ii", 1, 0))
            self._transport.abort()

    def _unsent(self) -> int:
        return 0 if self._transport is None else self._transport.get_write_buffer_size()


class _Server:
    """The connections of one server."""

    def __init__(self, config: Config, loop: asyncio.AbstractEventLoop) -> None:
        self._open: set[BoundedConnection] = set()
        self._loop = loop
        self._proxies = networks(config.forwarded_allow_ips)
        self._is_sweeping = False

    def admit(self, connection: BoundedConnection) -> bytes | None:
        """Take in a connection, in place of the idlest one if need be; or the answer to who cannot be taken in."""
        if self._is_counted(connection.network):
            same = [other for other in self._open if other.network == connection.network]
            if len(same) >= MAX_CONNECTIONS_PER_ADDRESS and not _evict(same):
                return _refusal("there are too many connections from this address; close some, or try again later")
        if len(self._open) >= MAX_CONNECTIONS and not _evict(self._open):
            return _refusal("the server has as many connections as it can; try again later")
        self._open.add(connection)
        if not self._is_sweeping:
            self._is_sweeping = True
            self._loop.call_later(SWEEP_SECONDS, self._sweep)
        return None

    def forget(self, connection: BoundedConnection) -> None:
        """Count it no longer."""
        self._open.discard(connection)

    def _sweep(self) -> None:
        for connection in list(self._open):
            connection.look()
        self._is_sweeping = bool(self._open)
        if self._is_sweeping:
            self._loop.call_later(SWEEP_SECONDS, self._sweep)

    def _is_counted(self, network: Network | None) -> bool:
        if network is None or network.is_loopback or self._proxies is None:
            return False
        return not any(network.network_address in proxy for proxy in self._proxies)


_SERVERS: WeakKeyDictionary[ServerState, _Server] = WeakKeyDictionary()


def _server_of(state: ServerState, config: Config, loop: asyncio.AbstractEventLoop) -> _Server:
    if state not in _SERVERS:
        _SERVERS[state] = _Server(config, loop)
    return _SERVERS[state]


@cache
def _h11_protocol() -> Any:
    """Return the protocol that uvicorn has for `--http h11`, without knowing where it keeps it."""

    async def app(scope: object, receive: object, send: object) -> None: ...

    config = Config(app, http="h11", ws="none", log_config=None, lifespan="off", interface="asgi3")
    config.load()
    return config.http_protocol_class


def _set_option(transport: asyncio.Transport, level: str, name: str, value: int | bytes) -> None:
    """Set an option of a socket, if the system has it."""
    with suppress(AttributeError, OSError):
        transport.get_extra_info("socket").setsockopt(getattr(socket, level), getattr(socket, name), value)


def _evict(connections: Iterable[BoundedConnection]) -> bool:
    """Abort the connection that has been idle for longest; whether there was one."""
    idlest = max(connections, key=BoundedConnection.idle_seconds, default=None)
    if idlest is None or idlest.idle_seconds() <= EVICTION_SECONDS:
        return False
    idlest.abort()
    return True


def _refusal(why: str) -> bytes:
    answer = problem(503, why, headers={"Connection": "close", "Retry-After": str(RETRY_SECONDS)})
    headers = b"".join(b"%s: %s\r\n" % header for header in answer.raw_headers)
    return b"HTTP/1.1 503 Service Unavailable\r\n" + headers + b"\r\n" + bytes(answer.body)
