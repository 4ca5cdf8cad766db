"""The server of the demo: chats and runs of a deep agent, for the users of one project.

`python -m pydantic_hivemind.demo.chat_app STORE FD` serves it on a listening socket that it inherits.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from typing import Annotated

import uvicorn
from fastapi import APIRouter, Depends, FastAPI, Header, Request, Response
from pydantic import BaseModel
from pydantic_ai.messages import ModelMessage, TextPart, UserPromptPart

from pydantic_hivemind.adapters.backends.session_manager import Session
from pydantic_hivemind.adapters.fastapi import (
    async_conversation,
    async_scope,
    deep_deps,
    hivemind_error,
    hivemind_lifespan,
    user_scope,
)
from pydantic_hivemind.adapters.memory.toolset import HivemindSearch
from pydantic_hivemind.adapters.pydantic_deep.checkpoint_store import HivemindCheckpointStore
from pydantic_hivemind.deep import DeepAgentDeps, create_deep_agent
from pydantic_hivemind.demo import SERVICE_LOG
from pydantic_hivemind.errors import HivemindError
from pydantic_hivemind.hive.async_messages import AsyncConversation
from pydantic_hivemind.hive.async_scope import AsyncScope
from pydantic_hivemind.testing import scripted_model


def current_user(x_user: Annotated[str, Header()]) -> str:
    """Who sends the request; an app asks its authentication instead."""
    return x_user


_of_user = user_scope(current_user, project="acme")
UserScope = Annotated[AsyncScope, Depends(async_scope(_of_user))]
UserDeps = Annotated[DeepAgentDeps, Depends(deep_deps(_of_user))]
UserConversation = Annotated[AsyncConversation, Depends(async_conversation(_of_user))]


async def service_log() -> str:
    """The log of the service: more than a model can read."""
    return SERVICE_LOG


async def deploy() -> str:
    """Deploy the service; it does not work."""
    raise RuntimeError("the cluster does not answer")


async def migrate() -> str:
    """Migrate the service; it takes longer than anybody waits."""
    await asyncio.sleep(3600)
    return "done"


_agent = create_deep_agent(
    scripted_model(),
    tools=[service_log, deploy, migrate],
    capabilities=[HivemindSearch()],
    include_checkpoints=True,
    include_skills=False,
    web_search=False,
    web_fetch=False,
    cost_tracking=False,
)
router = APIRouter()

LESSON = "lesson"
"""The tag of what everybody in the project may know."""


class Message(BaseModel):
    """What a user says."""

    text: str


@router.post("/chat/{conversation_id}")
async def chat(message: Message, deps: UserDeps, conversation: UserConversation) -> str:
    """Say something in a conversation."""
    history = await conversation.load()
    result = await _agent.run(message.text, deps=deps, message_history=history)
    await conversation.append(result.new_messages())
    return result.output


@router.get("/chat/{conversation_id}")
async def messages(conversation: UserConversation) -> list[str]:
    """What was said in a conversation."""
    return [text for message in await conversation.load() for text in _texts(message)]


@router.post("/runs")
async def run(message: Message, scope: UserScope) -> list[str]:
    """Let the agent work in a session; what it wrote is promoted if it succeeds. The paths.

    Lessons go to the project, for everybody; the rest to the user.
    """
    assert scope.parent is not None
    async with Session(scope) as session:
        await _agent.run(message.text, deps=DeepAgentDeps(backend=session))
        own = AsyncScope(session.scope)
        shared = await own.promote(scope.parent, tags=LESSON)
        kept = await own.promote()
    return [path for report in (shared, kept) for path in (*report.applied, *report.merged)]


@router.get("/runs")
async def runs(scope: UserScope) -> int:
    """How many runs of the user are under way."""
    return len(await scope.children())


@router.get("/files")
async def files(scope: UserScope) -> list[str]:
    """The files the user can read."""
    return [stat.path for stat in await scope.glob("**")]


@router.get("/files/{path:path}")
async def file(path: str, scope: UserScope) -> Response:
    """One of them."""
    return Response(await scope.read_bytes(path), media_type="text/plain")


@router.put("/project/{path:path}")
async def share(path: str, request: Request, scope: UserScope) -> None:
    """Write a file that the whole project reads."""
    assert scope.parent is not None
    await scope.parent.write_bytes(path, await request.body())


@router.get("/chat/{conversation_id}/checkpoints")
async def checkpoints(conversation_id: str, scope: UserScope) -> list[str]:
    """The ids of the conversation's checkpoints."""
    store = HivemindCheckpointStore(scope, conversation=conversation_id)
    return [checkpoint.id for checkpoint in await store.list_all()]


def create_app(store: str) -> FastAPI:
    """The app over the store in a directory."""
    app = FastAPI(lifespan=hivemind_lifespan(store))
    app.add_exception_handler(HivemindError, hivemind_error)
    app.include_router(router)
    return app


def serve(app: FastAPI, listener: int) -> None:
    """Serve an app on the listening socket of that file descriptor."""
    config = uvicorn.Config(app, log_level="warning")
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=listener)])


def _texts(message: ModelMessage) -> list[str]:
    """What a message says to people; memory that is put into the conversation is no bare text."""
    parts = [part for part in message.parts if isinstance(part, (UserPromptPart, TextPart))]
    return [part.content for part in parts if isinstance(part.content, str)]


if __name__ == "__main__":
    serve(create_app(sys.argv[1]), int(sys.argv[2]))
