"""`create_app`: MCP over streamable HTTP, each request for the workspace of its bearer token."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial
from http import HTTPStatus

from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from pydantic_hivemind.errors import HivemindError, InvalidToken
from pydantic_hivemind.hive.async_seam import perform
from pydantic_hivemind.hive.hivemind import Hivemind
from pydantic_hivemind.limits import MAX_CONTENT_BYTES
from pydantic_hivemind.mcp.callers import TOKEN, by_request
from pydantic_hivemind.mcp.protocol import server_for
from pydantic_hivemind.rendering.error_statuses import answer_of, problem_details
from pydantic_hivemind.tokens import Tokens

_BEARER = re.compile(r"bearer +(\S+) *", re.IGNORECASE)


def create_app(hive: Hivemind, *, token_store: Tokens | None = None) -> Starlette:
    """Return an ASGI app that answers MCP clients at any path; its lifespan must be run.

    Args:
        hive: The hive; whoever opened it closes it.
        token_store: The tokens that are accepted; if omitted, those of the hive.
    """
    tokens = token_store or Tokens(hive)
    # No sessions: a request is answered for its own token, whoever began the conversation.
    server = server_for(by_request(tokens))
    manager = StreamableHTTPSessionManager(
        server, json_response=True, stateless=True, max_request_body_size=MAX_CONTENT_BYTES
    )

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncGenerator[None]:
        async with manager.run():
            yield

    # A GET would wait for messages that the server never begins.
    answer = _Bearer(manager.handle_request, tokens)
    return Starlette(routes=[Route("/{path:path}", answer, methods=["POST"], name="mcp")], lifespan=lifespan)


class _Bearer:
    """Lets requests with a valid token through, with the token in their state; nothing of others is read."""

    def __init__(self, app: ASGIApp, tokens: Tokens) -> None:
        self._app = app
        self._tokens = tokens

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As an ASGI app."""
        given = Headers(scope=scope).get("authorization")
        try:
            token = _token(given)
            await perform(partial(self._tokens.verify, token), threads="quick")
        except HivemindError as error:
            await _refusal(error, with_token=given is not None)(scope, receive, send)
            return
        scope.setdefault("state", {})[TOKEN] = token
        await self._app(scope, receive, send)


def _token(authorization: str | None) -> str:
    found = _BEARER.fullmatch(authorization or "")
    if found is None:
        raise InvalidToken("the request has no token; send `Authorization: Bearer <token>`")
    return found[1]


def _refusal(error: HivemindError, *, with_token: bool) -> JSONResponse:
    status = answer_of(error).status
    # RFC 6750, section 3: the error is named only where there was a token.
    named = ', error="invalid_token"' if with_token else ""
    headers = {"WWW-Authenticate": f'Bearer realm="hivemind"{named}'} if status == HTTPStatus.UNAUTHORIZED else None
    return JSONResponse(problem_details(error), status, headers, "application/problem+json")
