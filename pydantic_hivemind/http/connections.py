"""Connections: how many there may be, and how long one may take for the head of a request."""

from __future__ import annotations

from asyncio import TimerHandle, Transport

from uvicorn.protocols.http.h11_impl import H11Protocol

from pydantic_hivemind.http.bodies import RETRY_SECONDS
from pydantic_hivemind.http.problems import problem

HEAD_SECONDS = 15.0
"""Seconds from the opening of a connection, or the end of an answer, to the end of the next request's head."""

MAX_CONNECTIONS = 500
"""Most connections at a time: half of the descriptors that a process has where nobody says otherwise."""

_FULL = problem(
    503,
    "the server has as many connections as it can; try again later",
    headers={"Connection": "close", "Retry-After": str(RETRY_SECONDS)},
)


class BoundedConnection(H11Protocol):
    """A connection that is closed when it has nothing to say. Uvicorn would wait for the first request for good.

    It is uvicorn's own in Python, since the one in C takes heads of any size.
    """

    _late: TimerHandle | None = None

    def connection_made(self, transport: Transport) -> None:
        """As uvicorn calls it."""
        super().connection_made(transport)
        if len(self.connections) > MAX_CONNECTIONS:
            headers = b"".join(b"%s: %s\r\n" % header for header in _FULL.raw_headers)
            transport.write(b"HTTP/1.1 503 Service Unavailable\r\n" + headers + b"\r\n" + _FULL.body)
            transport.close()
        else:
            self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """As uvicorn calls it."""
        self._rest()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """As uvicorn calls it."""
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        """As uvicorn calls it."""
        super().on_response_complete()
        self._watch()

    def _watch(self) -> None:
        """Wait for a request from now on, or not where one is being answered."""
        if self.cycle is not None and not self.cycle.response_complete:  # pyright: ignore[reportUnnecessaryComparison]
            self._rest()
        elif self._late is None and not self.transport.is_closing():
            self._late = self.loop.call_later(HEAD_SECONDS, self.transport.close)

    def _rest(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None
