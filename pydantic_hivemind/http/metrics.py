"""What the server did, in numbers for Prometheus and in lines of a log, neither of which name anybody's files."""

from __future__ import annotations

import logging
import time

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOG = logging.getLogger("pydantic_hivemind.http")

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"})
"""Methods that are told apart: a caller can make up any number of others."""


class Metrics:
    """Counts and times the requests of one app."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        labels = ("method", "operation")
        self._requests = Counter(
            "hivemind_http_requests", "Answered requests.", (*labels, "status"), registry=self._registry
        )
        self._seconds = Histogram(
            "hivemind_http_request_seconds", "Time to the end of the answer.", labels, registry=self._registry
        )
        self._open = Gauge("hivemind_http_requests_open", "Requests that are being answered.", registry=self._registry)

    def around(self, app: ASGIApp) -> ASGIApp:
        """The app, measured."""

        async def measured(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http":
                await app(scope, receive, send)
                return
            status = 500
            begun = time.perf_counter()

            async def note(message: Message) -> None:
                nonlocal status
                if message["type"] == "http.response.start":
                    status = int(message["status"])
                await send(message)

            with self._open.track_inprogress():
                try:
                    await app(scope, receive, note)
                finally:
                    self._done(scope, status, time.perf_counter() - begun)

        return measured

    def page(self) -> Response:
        """What Prometheus reads."""
        return Response(generate_latest(self._registry), media_type=CONTENT_TYPE_LATEST)

    def _done(self, scope: Scope, status: int, seconds: float) -> None:
        method = scope["method"] if scope["method"] in METHODS else "OTHER"
        # Not the address, which has names of files and what was looked for.
        operation = getattr(scope.get("route"), "name", "")
        self._requests.labels(method, operation, str(status)).inc()
        self._seconds.labels(method, operation).observe(seconds)
        LOG.info("%s %s %d %.1f ms", method, operation or "-", status, seconds * 1000)
