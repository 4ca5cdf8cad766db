"""Answers: sent in pieces as fast as they are read, and no more of them held at once than there is room for."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pydantic_hivemind.http.connections import BUFFER_BYTES, CONNECTION, BoundedConnection
from pydantic_hivemind.http.problems import problem
from pydantic_hivemind.limits import EVICTION_SECONDS, MAX_OUTGOING_BYTES, RETRY_SECONDS

_ANSWER = "hivemind.answer"
_FULL = "the server is sending as much as it can; try again later"
_RETRY = {"Retry-After": str(RETRY_SECONDS)}


class Sending:
    """Sends the answers of an app in pieces, each when the one before it was taken.

    An app that gives a large answer at once would otherwise leave all of it in the buffer of the connection, and one
    that is asked again while nobody reads would answer again.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._answers: set[_Answer] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As an ASGI app."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        connection: BoundedConnection | None = scope.get("state", {}).get(CONNECTION)
        answer = scope[_ANSWER] = _Answer(self, scope, receive, send, connection)
        self._answers.add(answer)
        try:
            if connection is None or await connection.begin():
                await self._app(scope, receive, answer.send)
        finally:
            self._answers.discard(answer)
            if connection is not None:
                connection.end()

    def has_room(self, size: int) -> bool:
        """Return whether so many bytes more can be held, once those were dropped that nobody reads."""
        room = MAX_OUTGOING_BYTES - size - sum(answer.held for answer in self._answers)
        for answer in sorted(self._answers, key=_Answer.idle_seconds, reverse=True):
            if room >= 0 or answer.idle_seconds() <= EVICTION_SECONDS:
                break
            room += answer.drop()
        return room >= 0


def hold(scope: Scope, size: int) -> None:
    """Reserve room for the answer to a request, before it is made; it counts until it was sent.

    Args:
        scope: The request.
        size: Bytes.

    Raises:
        HTTPException: 503, there is no room for it.
    """
    answer: _Answer | None = scope.get(_ANSWER)
    if answer is not None and not answer.hold(size):
        raise HTTPException(503, _FULL, _RETRY)


class _Answer:
    """The answer to one request.

    Attributes:
        held: Bytes that are held of it.
    """

    def __init__(
        self, sending: Sending, scope: Scope, receive: Receive, send: Send, connection: BoundedConnection | None
    ) -> None:
        self._sending = sending
        self._scope = scope
        self._receive = receive
        self._send = send
        self._connection = connection
        self._is_refused = False
        self.held = 0

    def hold(self, size: int) -> bool:
        """Return whether there is room for so many bytes, which are held from now on."""
        if size > self.held and not self._sending.has_room(size - self.held):
            return False
        self.held = size
        return True

    def idle_seconds(self) -> float:
        """Return for how many seconds nobody has taken anything of it; 0 where that is not known."""
        return self._connection.idle_seconds() if self.held and self._connection is not None else 0.0

    def drop(self) -> int:
        """Abort it; how many bytes it held."""
        held, self.held = self.held, 0
        if self._connection is not None:
            self._connection.abort()
        return held

    async def send(self, message: Message) -> None:
        """As an app sends it."""
        if self._is_refused:
            return
        if message["type"] == "http.response.start":
            length = Headers(raw=message.get("headers", [])).get("content-length", "")
            size = int(length) if length.isdecimal() and self._scope["method"] != "HEAD" else 0
            if size > max(self.held, BUFFER_BYTES) and not self.hold(size):
                self._is_refused = True
                await problem(503, _FULL, headers=_RETRY)(self._scope, self._receive, self._send)
                return
        elif message["type"] == "http.response.body":
            await self._send_pieces(message)
            return
        await self._send(message)

    async def _send_pieces(self, message: Message) -> None:
        body = memoryview(message.get("body", b""))
        start = 0
        while len(body) - start > BUFFER_BYTES:
            piece = bytes(body[start : start + BUFFER_BYTES])
            await self._send({"type": "http.response.body", "body": piece, "more_body": True})
            self._note(len(piece))
            start += len(piece)
        rest = bytes(body[start:]) if start else message.get("body", b"")
        await self._send({**message, "body": rest})
        self._note(len(rest))

    def _note(self, size: int) -> None:
        if self._connection is not None:
            self._connection.wrote(size)
