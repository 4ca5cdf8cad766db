"""Bodies of requests: how large they may be, how slow, and how much of them a server holds at once."""

from __future__ import annotations

from anyio import current_time, fail_after
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pydantic_hivemind.http.problems import problem
from pydantic_hivemind.limits import (
    BODY_SECONDS,
    LEAST_BODY_RATE,
    MAX_CONTENT_BYTES,
    MAX_FILE_BYTES,
    MAX_INCOMING_BYTES,
    RETRY_SECONDS,
)

_BODY = "hivemind.body"


class Bodies:
    """Refuses bodies that are too large, too slow or too many, whatever app reads them.

    An app whose request is refused is told that the client has gone, and what it answers to that is not sent.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.held = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As an ASGI app."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = scope[_BODY] = _Body(self, scope, receive, send)
        try:
            if body.allow(MAX_FILE_BYTES if scope["method"] == "PUT" else MAX_CONTENT_BYTES):
                await self._app(scope, body.receive, body.send)
        except Exception as error:
            if body.refusal is None and not isinstance(error, ClientDisconnect):
                raise
        finally:
            self.held -= body.received
        if body.refusal is not None and not body.is_answered:
            await body.refusal(scope, receive, send)


def limit(scope: Scope, size: int) -> None:
    """Take no more than that of the body of a request."""
    scope[_BODY].allow(size)


class _Body:
    """The body of one request.

    Attributes:
        received: Bytes that have come in.
        refusal: What is answered instead, if it is refused.
        is_answered: Whether the app has begun to answer.
    """

    def __init__(self, bodies: Bodies, scope: Scope, receive: Receive, send: Send) -> None:
        self._bodies = bodies
        self._receive = receive
        self._send = send
        declared = Headers(scope=scope).get("content-length", "")
        self._declared = int(declared) if declared.isdecimal() else 0
        self._limit = 0
        self._begun: float | None = None
        self._is_complete = False
        self.received = 0
        self.refusal: Response | None = None
        self.is_answered = False

    def allow(self, size: int) -> bool:
        """Whether what was said of its size is within that, which is the limit from now on."""
        self._limit = size
        if self._declared > size:
            self._refuse(413, f"a request of this kind has at most {size} bytes")
        return self.refusal is None

    async def receive(self) -> Message:
        """As an app receives it."""
        if self._is_complete:
            return await self._receive()
        if self.refusal is not None:
            return {"type": "http.disconnect"}
        try:
            with fail_after(self._patience()):
                message = await self._receive()
        except TimeoutError:
            return self._refuse(408, "the body came too slowly; send it again")
        size = len(message.get("body", b""))
        self.received += size
        self._bodies.held += size
        if self.received > self._limit:
            return self._refuse(413, f"a request of this kind has at most {self._limit} bytes")
        if self._bodies.held > MAX_INCOMING_BYTES:
            after = {"Retry-After": str(RETRY_SECONDS)}
            return self._refuse(503, "the server is taking in as much as it can; try again later", after)
        self._is_complete = not message.get("more_body", False)
        return message

    async def send(self, message: Message) -> None:
        """As an app sends it."""
        if self.refusal is None or self.is_answered:
            self.is_answered = True
            await self._send(message)

    def _patience(self) -> float:
        now = current_time()
        if self._begun is None:
            self._begun = now
        return max(0.0, self._begun + BODY_SECONDS + self.received / LEAST_BODY_RATE - now)

    def _refuse(self, status: int, why: str, headers: dict[str, str] | None = None) -> Message:
        # What is still to come is not worth the connection.
        self.refusal = problem(status, why, headers={"Connection": "close", **(headers or {})})
        return {"type": "http.disconnect"}
