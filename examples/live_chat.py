"""A chat app over WebSocket and server-sent events: each user's chats go on, go back and fork, with their files.

    uvicorn examples.live_chat:app        (or: python examples/live_chat.py)

    curl -N -H 'X-User: ada' -H 'Content-Type: application/json' \
        -d '{"text": "Remember: I deploy from main."}' http://127.0.0.1:8000/chat/first

It talks to a scripted model until CHAT_MODEL names one of pydantic-ai's, such as `anthropic:claude-sonnet-4-6`, which
finds its key in the environment. CHAT_STORE is the directory of the store.
"""

import json
import os
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends, FastAPI, Header, Request, WebSocket, WebSocketDisconnect
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

from pydantic_hivemind import HivemindChat
from pydantic_hivemind.adapters.fastapi import hivemind_error, hivemind_lifespan, user_chat, user_scope
from pydantic_hivemind.deep import create_deep_agent
from pydantic_hivemind.errors import HivemindError
from pydantic_hivemind.testing import scripted_model

# One agent serves everybody: what it knows of a user comes with the request.
agent = create_deep_agent(
    os.environ.get("CHAT_MODEL") or scripted_model(),
    instructions="You are a helpful colleague. Use your memory: write down what the user wants you to know.",
    include_skills=False,
    web_search=False,
    web_fetch=False,
)


def current_user(x_user: Annotated[str, Header()]) -> str:
    """Who sends the request. Put your authentication here: this one believes what it is told."""
    return x_user


MyChat = Annotated[HivemindChat, Depends(user_chat(user_scope(current_user)))]

app = FastAPI(title="Live chat", lifespan=hivemind_lifespan(os.environ.get("CHAT_STORE", "./hivemind")))
app.add_exception_handler(HivemindError, hivemind_error)


class Message(BaseModel):
    text: str


async def answer(chat: HivemindChat, text: str) -> str:
    """Run one turn: other turns of this chat wait. Messages, todos, uploads and files are stored as one."""
    async with chat.turn() as turn:
        result = await agent.run(text, **turn.options)
        checkpoint = await turn.save(result.new_messages())
    return json.dumps({"answer": result.output, "checkpoint": checkpoint})


@app.post("/chat/{chat_id}")
async def say(message: Message, chat: MyChat) -> StreamingResponse:
    """Say something; the answer comes as server-sent events."""

    async def events() -> AsyncIterator[str]:
        yield "event: begin\ndata: {}\n\n"
        yield f"event: answer\ndata: {await answer(chat, message.text)}\n\n"

    return StreamingResponse(events(), media_type="text/event-stream")


@app.websocket("/chat/{chat_id}/live")
async def live(socket: WebSocket, chat: MyChat) -> None:
    """Talk for as long as the socket is open; what was said before it is known."""
    await socket.accept()
    try:
        while True:
            await socket.send_text(await answer(chat, await socket.receive_text()))
    except WebSocketDisconnect:
        pass


@app.put("/chat/{chat_id}/uploads/{name}")
async def upload(name: str, request: Request, chat: MyChat) -> str:
    """Give the chat a file."""
    return await chat.upload(name, await request.body())


@app.get("/chat/{chat_id}")
async def show(chat: MyChat) -> dict[str, object]:
    """How long the chat is, what it can go back to, and which files are its own."""
    files = await chat.files()
    return {
        "messages": len(await chat.conversation.load()),
        "checkpoints": {snapshot.id: snapshot.label for snapshot in await chat.checkpoints()},
        "files": [stat.path for stat in await files.glob("**", hidden=False) if stat.scope == files.name],
    }


@app.post("/chat/{chat_id}/rewind/{checkpoint_id}")
async def rewind(checkpoint_id: str, chat: MyChat) -> str:
    """Take messages and files back, and return the checkpoint that undoes it."""
    return await chat.rewind(checkpoint_id)


@app.post("/chat/{chat_id}/fork/{new_id}")
async def fork(new_id: str, chat: MyChat, at: str | None = None) -> str:
    """Go on from here, or from a checkpoint, in a new chat."""
    return (await chat.fork(new_id, at=at)).id


if __name__ == "__main__":
    import uvicorn

    uvicorn.run(app, port=int(os.environ.get("PORT", "8000")))
