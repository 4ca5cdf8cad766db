"""A chat app for many users: memory, plans, checkpoints and conversations that last, and are each user's own.

    uvicorn examples.multi_user_chat:app        (or: python examples/multi_user_chat.py)

    curl -H 'X-User: ada' -H 'Content-Type: application/json' \
        -d '{"text": "Remember: I deploy from main."}' http://127.0.0.1:8000/chat/first

It talks to a scripted model until CHAT_MODEL names one of pydantic-ai's, such as `anthropic:claude-sonnet-4-6`, which
finds its key in the environment. CHAT_STORE is the directory of the store.
"""

import os
from typing import Annotated

from fastapi import Depends, FastAPI, Header
from pydantic import BaseModel
from pydantic_ai.messages import TextPart, UserPromptPart

from pydantic_hivemind import AsyncConversation, AsyncScope, HivemindCheckpointStore
from pydantic_hivemind.adapters.fastapi import (
    async_conversation,
    async_scope,
    deep_deps,
    hivemind_error,
    hivemind_lifespan,
    user_scope,
)
from pydantic_hivemind.deep import DeepAgentDeps, create_deep_agent
from pydantic_hivemind.errors import HivemindError
from pydantic_hivemind.testing import scripted_model

# One agent serves everybody: what it knows of a user comes with the request.
agent = create_deep_agent(
    os.environ.get("CHAT_MODEL") or scripted_model(),
    instructions="You are a helpful colleague. Use your memory: write down what the user wants you to know.",
    include_checkpoints=True,
    include_skills=False,
    web_search=False,
    web_fetch=False,
)


def current_user(x_user: Annotated[str, Header()]) -> str:
    """Who sends the request. Put your authentication here: this one believes what it is told."""
    return x_user


# The dependencies of the handlers. Users of one project also read what is in the project's scope.
my_scope = user_scope(current_user, project="acme")
MyScope = Annotated[AsyncScope, Depends(async_scope(my_scope))]
MyDeps = Annotated[DeepAgentDeps, Depends(deep_deps(my_scope))]
MyConversation = Annotated[AsyncConversation, Depends(async_conversation(my_scope))]

app = FastAPI(title="Multi-user chat", lifespan=hivemind_lifespan(os.environ.get("CHAT_STORE", "./hivemind")))
app.add_exception_handler(HivemindError, hivemind_error)


class Message(BaseModel):
    text: str


@app.post("/chat/{conversation_id}")
async def chat(message: Message, deps: MyDeps, conversation: MyConversation) -> str:
    """Say something in a conversation; it begins with the first message."""
    history = await conversation.load()
    result = await agent.run(message.text, deps=deps, message_history=history)
    await conversation.append(result.new_messages())
    return result.output


@app.get("/chat/{conversation_id}")
async def history(conversation: MyConversation) -> list[str]:
    """What was said in a conversation: only that is bare text, other parts are the agent's business."""
    parts = [part for message in await conversation.load() for part in message.parts]
    said = [part.content for part in parts if isinstance(part, UserPromptPart | TextPart)]
    return [text for text in said if isinstance(text, str)]


@app.get("/memory")
async def memory(scope: MyScope) -> dict[str, str]:
    """What the agents have written down about the user."""
    return {stat.path: await scope.read_text(stat.path) for stat in await scope.glob("**/*.md", under="/.deep/memory")}


@app.get("/plans")
async def plans(scope: MyScope) -> dict[str, str]:
    """The plans they have made."""
    return {stat.path: await scope.read_text(stat.path) for stat in await scope.glob("**", under="/plans")}


@app.get("/chat/{conversation_id}/checkpoints")
async def checkpoints(conversation_id: str, scope: MyScope) -> list[str]:
    """The points that the agents can rewind to."""
    store = HivemindCheckpointStore(scope, conversation=conversation_id)
    return [checkpoint.label for checkpoint in await store.list_all()]


@app.delete("/me", status_code=204)
async def forget(scope: MyScope) -> None:
    """Forget the user: memory, plans, checkpoints and conversations."""
    await scope.destroy()


if __name__ == "__main__":
    import uvicorn

    uvicorn.run(app, port=int(os.environ.get("PORT", "8000")))
