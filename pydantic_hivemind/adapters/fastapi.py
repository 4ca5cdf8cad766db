"""FastAPI dependencies: each user's scope, agent dependencies and conversations."""

# No `from __future__ import annotations` here: FastAPI reads the annotations of these functions, and those
# that name an argument of the function around them cannot be read from text.

import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Request
from fastapi.responses import JSONResponse
from starlette.requests import HTTPConnection

from pydantic_hivemind import errors
from pydantic_hivemind.adapters.backends.scope_backend import HivemindBackend
from pydantic_hivemind.adapters.pydantic_deep.chat import HivemindChat
from pydantic_hivemind.adapters.pydantic_deep.checkpoint_store import HivemindCheckpointStore
from pydantic_hivemind.adapters.pydantic_deep.line_choice import DeepAgentDeps
from pydantic_hivemind.adapters.scope_names import escape
from pydantic_hivemind.base.paths import is_url
from pydantic_hivemind.hive.async_messages import AsyncConversation
from pydantic_hivemind.hive.async_scope import AsyncScope
from pydantic_hivemind.hive.async_seam import complete, on_thread, perform
from pydantic_hivemind.hive.hivemind import Hivemind
from pydantic_hivemind.hive.scope import Scope
from pydantic_hivemind.messages.conversations import Conversation
from pydantic_hivemind.rendering.error_statuses import ANSWERS, answer_of, phrase, remote_text

STATUSES: dict[type[errors.HivemindError], HTTPStatus] = {kind: answer.status for kind, answer in ANSWERS.items()}
"""The HTTP status of each error; for a subclass of your own, its nearest base class decides."""

CONVERSATION = "conversation_id"
"""Parameter of a route's path or query that names a conversation."""

_log = logging.getLogger(__name__)


def hivemind_lifespan(
    store: str | Path | Callable[[], Hivemind],
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    """Return a lifespan that opens a hive for an app: `FastAPI(lifespan=hivemind_lifespan("./hivemind"))`.

    An app that has a lifespan enters it there: `async with hivemind_lifespan("./hivemind")(app): ...`. Entering it
    raises the errors of `Hivemind.open` or `Hivemind.connect`.

    Args:
        store: Directory of the store, URL of its PostgreSQL database, or a function that opens the hive.
    """
    if callable(store):
        open_hive = store
    elif is_url(store):
        open_hive = partial(Hivemind.connect, str(store))
    else:
        open_hive = partial(Hivemind.open, store)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
        hive = await perform(open_hive, undo=Hivemind.close)
        app.state.hivemind = hive
        try:
            yield
        finally:
            await complete(hive.close)

    return lifespan


def get_hive(connection: HTTPConnection) -> Hivemind:
    """Return the app's hive, as a dependency.

    Raises:
        TypeError: The app was made without `hivemind_lifespan`.
    """
    hive = getattr(connection.app.state, "hivemind", None)
    if not isinstance(hive, Hivemind):
        raise TypeError("the app has no hive; make it with FastAPI(lifespan=hivemind_lifespan(...))")
    return hive


def user_scope(
    user: Callable[..., Any], *, project: str | Callable[..., Any] | None = None
) -> Callable[..., Awaitable[Scope]]:
    """Return a dependency: the scope of the user who sends the request.

    The dependency raises `InvalidScope` for an id that is not a valid name, such as an empty one, and `TypeError` for
    an id that is not text.

    Args:
        user: The app's own dependency that returns the authenticated user's id, as text: whoever has the id has
            the scope.
        project: Id of a project, or a dependency that returns it. The users of a project share its scope,
            `project/<id>`, for reading, and each user has a separate scope in each project.
    """
    if project is None:

        async def of_user(
            hive: Annotated[Hivemind, Depends(get_hive)], user_id: Annotated[str, Depends(user)]
        ) -> Scope:
            return await on_thread(hive.scope, f"user/{_part(user_id)}")

        return of_user

    async def of_member(
        hive: Annotated[Hivemind, Depends(get_hive)],
        user_id: Annotated[str, Depends(user)],
        project_id: Annotated[str, Depends(project if callable(project) else lambda: project)],
    ) -> Scope:
        shared = f"project/{_part(project_id)}"
        own = f"{shared}/user/{_part(user_id)}"
        return await on_thread(lambda: hive.scope(own, hive.scope(shared)))

    return of_member


def async_scope(scope: Callable[..., Any]) -> Callable[..., Awaitable[AsyncScope]]:
    """Return a dependency: the scope of the user who sends the request, for a handler that awaits.

    Args:
        scope: The dependency returned by `user_scope`.
    """

    async def of_scope(own: Annotated[Scope, Depends(scope)]) -> AsyncScope:
        return AsyncScope(own)

    return of_scope


def deep_deps(scope: Callable[..., Any]) -> Callable[..., Awaitable[DeepAgentDeps]]:
    """Return a dependency: the `DeepAgentDeps` with which a deep agent runs for a user.

    Where the route's path or query has a `conversation_id`, as for `user_conversation`, checkpoints are those of that
    conversation in the user's scope.

    Args:
        scope: The dependency returned by `user_scope`.
    """

    async def of_scope(connection: HTTPConnection, own: Annotated[Scope, Depends(scope)]) -> DeepAgentDeps:
        conversation = connection.path_params.get(CONVERSATION, connection.query_params.get(CONVERSATION))
        store = HivemindCheckpointStore(own, conversation=conversation)
        return DeepAgentDeps(backend=HivemindBackend(own), checkpoint_store=store)

    return of_scope


def user_conversation(scope: Callable[..., Any]) -> Callable[..., Awaitable[Conversation]]:
    """Return a dependency: the user's conversation named by `conversation_id` in the route's path or query.

    The dependency raises `CheckpointError` for an id that contains NUL or a lone surrogate.

    Args:
        scope: The dependency returned by `user_scope`.
    """

    async def of_scope(conversation_id: str, own: Annotated[Scope, Depends(scope)]) -> Conversation:
        return own.conversation(conversation_id)

    return of_scope


def async_conversation(scope: Callable[..., Any]) -> Callable[..., Awaitable[AsyncConversation]]:
    """Return a dependency: as `user_conversation`, for a handler that awaits.

    The dependency raises `CheckpointError` for an id that contains NUL or a lone surrogate.

    Args:
        scope: The dependency returned by `user_scope`.
    """

    async def of_scope(conversation_id: str, own: Annotated[Scope, Depends(scope)]) -> AsyncConversation:
        return AsyncConversation(own.conversation(conversation_id))

    return of_scope


def user_chat(scope: Callable[..., Any]) -> Callable[..., Awaitable[HivemindChat]]:
    """Return a dependency: the user's chat named by `chat_id` in the route's path or query, for WebSockets too.

    The dependency raises `CheckpointError` for an id that is empty, or contains NUL or a lone surrogate.

    Args:
        scope: The dependency returned by `user_scope`.
    """

    async def of_scope(chat_id: str, own: Annotated[Scope, Depends(scope)]) -> HivemindChat:
        return HivemindChat(own, chat_id)

    return of_scope


async def hivemind_error(_: Request, error: Exception) -> JSONResponse:
    """Handle an error as a JSON response: `app.add_exception_handler(HivemindError, hivemind_error)`.

    The response has the name of the error and, if the caller's request caused it, its text. Server faults are logged.
    """
    assert isinstance(error, errors.HivemindError)
    answer = answer_of(error)
    if answer.is_server_fault:
        _log.error("%s: %s", type(error).__name__, error, exc_info=error)
    # Scopes are the app's affair: what names them is not for its users.
    detail = phrase(answer.status) if answer.subject == "workspace" else remote_text(error)
    return JSONResponse({"error": type(error).__name__, "detail": detail}, answer.status.value)


def _part(id: object) -> str:
    """Return an id from the app's dependency as a part of a scope name."""
    if not isinstance(id, str):
        raise TypeError(f"the dependency for the user's or project's id must return text, not {type(id).__name__}")
    if not id:
        raise errors.InvalidScope("the id of a user or project is empty; the app's dependency must return an id")
    return escape(id)
