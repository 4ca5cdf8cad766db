"""`HivemindChat`: conversation, checkpoints, todos, uploads and files of one chat, as one object."""

from __future__ import annotations

import json
import uuid
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

from pydantic_ai.messages import ModelMessage

from pydantic_hivemind.adapters.backends.scope_backend import HivemindBackend
from pydantic_hivemind.adapters.pydantic_deep.checkpoint_store import HivemindCheckpointStore
from pydantic_hivemind.adapters.pydantic_deep.line_choice import DeepAgentDeps, continue_here
from pydantic_hivemind.adapters.scope_names import session_name
from pydantic_hivemind.base.mounts import MEMORY
from pydantic_hivemind.errors import PathNotFound, PromotionConflict
from pydantic_hivemind.hive import chat_changes
from pydantic_hivemind.hive.async_messages import AsyncConversation
from pydantic_hivemind.hive.async_scope import AsyncScope, sync_scope
from pydantic_hivemind.hive.async_seam import complete, on_thread, perform
from pydantic_hivemind.hive.chat_changes import ChatPlace
from pydantic_hivemind.hive.conversation_turns import ConversationTurn
from pydantic_hivemind.hive.run_state import save_todos, todos_of
from pydantic_hivemind.hive.scope import Scope
from pydantic_hivemind.messages.checkpoints import Snapshot

if TYPE_CHECKING:
    from pydantic_ai import AgentRunResult
    from pydantic_ai.ui import UIAdapter

STATE = "/.deep/chat.json"
"""Where a chat keeps todos and what is known of uploads: a file, so that it goes back and is copied with the files."""

TURN_WAIT = 60.0
"""Seconds that a rewind waits for a turn to end."""

BEFORE_REWIND = "before rewind"
"""Label of the checkpoint that `rewind` makes, with which it can be undone."""


@dataclass
class ChatTurn:
    """One turn of a chat: what a run is called with, and where its outcome goes.

    Attributes:
        chat: The chat.
        history: Its messages so far.
        deps: The dependencies of the run, with todos and uploads of earlier turns.
    """

    chat: HivemindChat
    history: list[ModelMessage]
    deps: DeepAgentDeps

    @property
    def options(self) -> dict[str, Any]:
        """Arguments of `agent.run`, `run_stream`, `iter` and the others: `agent.run(text, **turn.options)`."""
        return {"deps": self.deps, "message_history": self.history or None, **(continue_here() if self.history else {})}

    async def save(self, messages: Sequence[ModelMessage], label: str | None = None) -> str:
        """Store what the run added, with todos and uploads, make a checkpoint of all, and return its id.

        What was remembered is promoted to the user, so that other chats know it. Where that is in conflict, it stays in
        the chat until the next turn.

        Args:
            messages: The new messages: `result.new_messages()`.
            label: Name of the checkpoint for people; if omitted, the number of the turn.

        Raises:
            CheckpointError: A message cannot be stored.
            TurnLost: Another turn has begun, because the process of this one was stopped. Nothing was stored.
            ScopeGone: The chat or its user was destroyed.
        """
        self.history = [*self.history, *messages]
        return (await complete(lambda: self.chat._save(messages, self.deps, label)))[0]  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]


class HivemindChat:
    """One chat of a user: conversation, checkpoints, todos, uploads and files, which go back and fork together.

    Conversation and checkpoints are in the user's scope, under the chat's id. Files, uploads, plans and todos are in a
    session of the user's scope that lasts as long as the chat: it reads what the user has, and what it writes is in no
    other chat. Memory is promoted to the user after each turn.

    Every method raises `ScopeGone` if the user's scope was destroyed, and `StoreError` if the store fails.

    Args:
        user: The user's scope.
        id: Id of the chat, such as a thread's. It can only name chats of this user.

    Raises:
        CheckpointError: The id is empty, or contains NUL or a lone surrogate.
    """

    def __init__(self, user: Scope | AsyncScope, id: str) -> None:
        self._user = sync_scope(user)
        self._checkpoints = self._user.checkpoints(id)
        self._conversation = self._user.conversation(id)
        self._id = id

    @property
    def id(self) -> str:
        """Id of the chat in the user's scope."""
        return self._id

    @property
    def user(self) -> Scope:
        """The user's scope."""
        return self._user

    @property
    def conversation(self) -> AsyncConversation:
        """The messages of the chat."""
        return AsyncConversation(self._conversation)

    async def files(self) -> AsyncScope:
        """Return the scope of the chat's files, and make it if the chat is new.

        Raises:
            ScopeGone: The user's scope was destroyed, or its ttl has passed.
        """
        return AsyncScope(await on_thread(self._files))

    async def deps(self) -> DeepAgentDeps:
        """Return dependencies with the chat's files, checkpoints, todos and uploads, for a run or for uploading.

        Raises:
            ScopeGone: The user's scope was destroyed, or its ttl has passed.
        """
        return await on_thread(self._deps)

    async def upload(self, name: str, content: bytes) -> str:
        """Store a file of the user's in the chat, list it in the prompts of its runs, and return its path.

        Args:
            name: Name of the file.
            content: Content in bytes.

        Raises:
            RuntimeError: The file cannot be stored.
        """
        deps = await self.deps()
        path = await deps.upload_file(name, content)
        await complete(lambda: self._save_state(deps))
        return path

    @asynccontextmanager
    async def turn(self, *, wait: float = 60.0) -> AsyncGenerator[ChatTurn]:
        """Hold the chat for one turn: other turns of it wait, in all tasks and processes, as in `Conversation.turn`.

        A run that raises, or a client that hangs up, leaves the conversation as it was: call `ChatTurn.save` with what
        the run added.

        Args:
            wait: How long to wait for another turn to end, in seconds.

        Raises:
            TurnBusy: Another turn has not ended in time.
            InvalidOption: `wait` is negative or not a number.
            ScopeGone: The user's scope was destroyed, or its ttl has passed.
        """
        async with self._conversation.turn(wait=wait) as history:
            yield ChatTurn(self, history, await on_thread(self._begin, history))

    async def stream(self, adapter: UIAdapter[Any, Any, Any, Any, Any], *, wait: float = 60.0) -> AsyncGenerator[Any]:
        """Run one turn for a client of AG-UI or Vercel AI, and return the events to send: a `turn` with its `save`.

        Of what the client sends, only what is said at the end is used. What was said before is what this chat has
        stored: a client cannot make up answers, nor go on with another user's. If the run fails or the client hangs up,
        the chat is as it was.

        Args:
            adapter: An adapter of `pydantic_ai.ui`, from the request; `adapter.streaming_response` sends the events.
            wait: As for `turn`.

        Raises:
            TurnBusy: Another turn has not ended after that time.
        """
        async with self.turn(wait=wait) as turn:

            async def save(result: AgentRunResult[Any]) -> None:
                # What the client says is history to the run.
                await turn.save([*now.sanitize_messages(now.messages), *result.new_messages()])

            said = adapter.run_input.model_copy(update={"messages": _said_last(adapter.run_input.messages)})
            now = replace(adapter, run_input=said)
            events = now.run_stream(**turn.options, on_complete=save)
            async with aclosing(cast("AsyncGenerator[Any]", events)) as events:
                async for event in events:
                    yield event

    async def checkpoint(self, label: str) -> str:
        """Save messages and files as they are now, and return the id of the checkpoint.

        Args:
            label: Name for people; need not be unique.

        Raises:
            CheckpointError: The label contains NUL or a lone surrogate.
        """
        return (await complete(lambda: chat_changes.checkpoint(self._place(), label)))[0]

    async def checkpoints(self) -> list[Snapshot]:
        """Return the checkpoints of the chat, oldest first. Those without files, which agents make, rewind messages.

        Raises:
            ScopeGone: The user's scope was destroyed, or its ttl has passed.
        """
        return await on_thread(self._checkpoints.list_all)

    async def rewind(self, checkpoint_id: str) -> str:
        """Take messages and files back to a checkpoint, and return the id of one with which this is undone.

        Both go back, or neither, also if the process is killed. It waits for a turn that is under way. Memory that was
        promoted to the user stays.

        Args:
            checkpoint_id: Id of the checkpoint.

        Raises:
            TurnBusy: A turn of the chat has not ended in a minute.
            TurnLost: Another turn has begun, because this process was stopped. Nothing was changed.
            CheckpointError: The chat has no such checkpoint.
            VersionNotFound: A file was changed so often since that its version is not kept. Nothing was changed.
            VersionConflict: Something is in the way of a file. Nothing was changed.
        """
        async with ConversationTurn(self._conversation, TURN_WAIT, load=False):
            return (await complete(lambda: chat_changes.rewind_to(self._place(), checkpoint_id, BEFORE_REWIND)))[0]

    async def fork(self, id: str | None = None, *, at: str | None = None) -> HivemindChat:
        """Return a new chat of the user with the messages and files of this one: with both, or there is no new chat.

        Args:
            id: Id of the new chat; generated if omitted.
            at: Id of a checkpoint to begin at; if omitted, as the chat is now.

        Raises:
            CheckpointError: The chat has no such checkpoint.
            ScopeExists: The user has a chat of that id.
            VersionNotFound: A file was changed so often since that its version is not kept. No chat was made.
        """
        chat = HivemindChat(self._user, uuid.uuid4().hex if id is None else id)
        name = session_name(self._user.name, f"chat/{chat.id}")
        await perform(
            lambda: chat_changes.fork(self._place(), chat.id, name, at),
            interruptible=False,
            undo=lambda _: chat._delete(),
        )
        return chat

    async def delete(self) -> None:
        """Remove the chat: messages, checkpoints, title and files, all at once. What was promoted to the user stays.

        Raises:
            ScopeGone: The user's scope was destroyed, or its ttl has passed.
        """
        await complete(self._delete)

    # -- on a thread ---------------------------------------------------------------------------

    def _begin(self, history: list[ModelMessage]) -> DeepAgentDeps:
        deps, files = self._deps(), self._files()
        # The chat's own todos go back with its files. Those that agents keep for a conversation would come back.
        for id in {id for message in history if (id := message.conversation_id)}:
            if todos_of(files, id) is not None:
                save_todos(files, id, None)
        return deps

    def _files(self) -> Scope:
        return self._user.spawn(session_name(self._user.name, f"chat/{self._id}"), attach=True)

    def _place(self) -> ChatPlace:
        return ChatPlace(self._user, self._id, self._files())

    def _deps(self) -> DeepAgentDeps:
        files = self._files()
        deps = DeepAgentDeps(
            backend=HivemindBackend(files),
            checkpoint_store=HivemindCheckpointStore(self._user, conversation=self._id),
        )
        with suppress(PathNotFound):
            state = json.loads(files.read_bytes(STATE))
            todo = _todo_type()
            deps.todos.extend(todo.model_validate(each) for each in state["todos"])
            deps.uploads.update(state["uploads"])
        return deps

    def _save_state(self, deps: DeepAgentDeps) -> None:
        state = {"todos": [cast(Any, todo).model_dump() for todo in deps.todos], "uploads": deps.uploads}
        files, data = self._files(), json.dumps(state).encode()
        with suppress(PathNotFound):
            if files.read_bytes(STATE) == data:
                return
        files.write_bytes(STATE, data)

    def _save(self, messages: Sequence[ModelMessage], deps: DeepAgentDeps, label: str | None) -> str:
        # First what was paid for.
        self._conversation.append(messages)
        self._save_state(deps)
        with suppress(PromotionConflict):
            self._files().promote(paths=MEMORY)
        return chat_changes.checkpoint(self._place(), label or None)

    def _delete(self) -> None:
        chat_changes.delete(self._place())


def _said_last(messages: Sequence[Any]) -> list[Any]:
    """Return what a client sends after the last answer: prompts, and results of tools of its own."""
    last = next((at for at, message in reversed([*enumerate(messages)]) if message.role == "assistant"), -1)
    return [message for message in messages[last + 1 :] if message.role in ("user", "tool")]


def _todo_type() -> Any:
    from pydantic_ai_todo import Todo

    return Todo
