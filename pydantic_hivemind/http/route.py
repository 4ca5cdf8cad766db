"""What comes before an operation, and before anything of its body is read."""

from __future__ import annotations

import inspect
import math
import time
from collections.abc import Callable, Coroutine, Mapping
from contextvars import ContextVar
from functools import partial, wraps
from typing import Any

from fastapi import Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from fastapi.security import HTTPBearer

from pydantic_hivemind.base.acting import acting_alone
from pydantic_hivemind.base.values import Actor
from pydantic_hivemind.errors import InvalidOption, InvalidToken
from pydantic_hivemind.hive.async_seam import perform
from pydantic_hivemind.hive.scope import Scope
from pydantic_hivemind.http import bodies
from pydantic_hivemind.http.shapes import Asked
from pydantic_hivemind.limits import MAX_CONTENT_BYTES, MAX_FILE_BYTES, MAX_JSON_BYTES
from pydantic_hivemind.tokens import Grant, Tokens

LIMITS = {
    "write_bytes": MAX_FILE_BYTES,
    **dict.fromkeys(["write", "edit", "merge"], MAX_CONTENT_BYTES),
}
"""Largest bodies, in bytes, of the operations that take the content of files."""

CONDITIONS = frozenset({"if-match", "if-none-match", "if-unmodified-since", "idempotency-key", "content-range"})
"""Headers that say whether, or to what, something is done. Who sends one must not believe that it was heeded where it
was not."""

TRUSTED_SECONDS = 1.0
"""Seconds after which it is asked again whether a token is valid, if what was sent with it took that long."""

QUICK = frozenset({"exists", "stat", "head", "info"})
"""Operations that read a few rows."""

READING = frozenset({"GET", "HEAD"})
"""Methods that change nothing."""

bearer = HTTPBearer(
    auto_error=False,
    description="A token of one workspace, from `hivemind token create`. It says which workspace is meant.",
)


_caller_now: ContextVar[tuple[Grant, Scope]] = ContextVar("pydantic_hivemind.http.caller")


class TokenRoute(APIRoute):
    """An operation for who has a token."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        super().__init__(path, through_seam(endpoint), **options)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """What answers a request."""
        answer = super().get_route_handler()
        unheeded = frozenset[str]() if set(self.methods or ()) <= READING else CONDITIONS - _headers(self.dependant)

        async def handle(request: Request) -> Response:
            await look_at_token(request)
            for name in sorted(unheeded & set(request.headers)):
                raise InvalidOption(f"this operation does not support the header {name.title()}; omit it")
            bodies.limit(request.scope, LIMITS.get(self.name, MAX_JSON_BYTES))
            # Who started the server does not act.
            with acting_alone(Actor(token=request.state.caller[0].id)):
                _caller_now.set(request.state.caller)
                return await answer(request)

        return handle


def through_seam(endpoint: Callable[..., Any]) -> Callable[..., Any]:
    """Return an operation as one that is awaited, on the threads of the package instead of those of the framework.

    It is done only within the rights of the caller's token.
    """
    name = endpoint.__name__
    if inspect.iscoroutinefunction(endpoint):

        @wraps(endpoint)
        async def checked(*args: Any, **kwargs: Any) -> Any:
            _check(name, _caller_now.get(), kwargs)
            return await endpoint(*args, **kwargs)

        return checked

    def work(caller: tuple[Grant, Scope], *args: Any, **kwargs: Any) -> Any:
        _check(name, caller, kwargs)
        return endpoint(*args, **kwargs)

    @wraps(endpoint)
    async def awaited(*args: Any, **kwargs: Any) -> Any:
        return await perform(
            partial(work, _caller_now.get(), *args, **kwargs), threads="quick" if name in QUICK else "any"
        )

    return awaited


def _check(name: str, caller: tuple[Grant, Scope], arguments: Mapping[str, Any]) -> None:
    """Check that an operation is within the rights of the caller's token.

    Raises:
        NotAllowed: It is not.
    """
    grant, scope = caller
    body = arguments.get("asked")
    asked = {**arguments, **(body.__dict__ if isinstance(body, Asked) else {})}
    grant.narrowing.check(name, asked, lambda: None if (above := scope.parent) is None else above.name)


async def look_at_token(request: Request) -> None:
    """Find out what the caller's token gives, and the workspace it is for, or whether it still does after a while.

    Raises:
        InvalidToken: There is none that is valid.
    """
    now = time.monotonic()
    if now - getattr(request.state, "looked_at", -math.inf) > TRUSTED_SECONDS:
        request.state.caller = await _caller(request)
        request.state.looked_at = now


async def _caller(request: Request) -> tuple[Grant, Scope]:
    credentials = await bearer(request)
    if credentials is None:
        raise InvalidToken("the request has no token; send `Authorization: Bearer <token>`")
    tokens: Tokens = request.app.state.tokens

    def find() -> tuple[Grant, Scope]:
        grant = tokens.verify(credentials.credentials)
        return grant, tokens.scope(grant)

    return await perform(find, threads="quick")


def _headers(dependant: Dependant) -> set[str]:
    """The headers that an operation takes; all conditions where FastAPI, which does not document it, says nothing."""
    parameters, dependencies = getattr(dependant, "header_params", None), getattr(dependant, "dependencies", None)
    if parameters is None or dependencies is None:
        return set(CONDITIONS)
    own = {header.alias.lower() for header in parameters}
    return own.union(*map(_headers, dependencies))
