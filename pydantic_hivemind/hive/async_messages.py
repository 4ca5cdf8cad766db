"""`AsyncConversation` and `AsyncCheckpoints`: the asynchronous faces of a scope's message histories."""

from __future__ import annotations

from pydantic_hivemind.hive.async_seam import awaited, on_thread
from pydantic_hivemind.messages.checkpoints import Checkpoints
from pydantic_hivemind.messages.conversations import Conversation, Turn


class AsyncConversation:
    """A `Conversation` whose methods are awaited. Made by `AsyncScope.conversation`.

    Args:
        conversation: The conversation to wrap.
    """

    __slots__ = ("_sync",)

    def __init__(self, conversation: Conversation) -> None:
        self._sync = conversation

    @property
    def sync(self) -> Conversation:
        """The synchronous conversation."""
        return self._sync

    @property
    def id(self) -> str:
        """Id of the conversation in its scope."""
        return self._sync.id

    async def title(self) -> str | None:
        """Return the title for people; `None` if it has none.

        Raises:
            ScopeGone: The scope was destroyed, or its ttl has passed.
        """
        return await on_thread(lambda: self._sync.title)

    def turn(self, *, wait: float = 60.0) -> Turn:
        """Return a context in which no other turn of this conversation takes place, as `Conversation.turn`.

        Raises:
            InvalidOption: `wait` is negative or not a number.
        """
        return self._sync.turn(wait=wait)

    rename = awaited(Conversation.rename)
    archive = awaited(Conversation.archive)
    load = awaited(Conversation.load)
    append = awaited(Conversation.append)
    replace = awaited(Conversation.replace)
    clear = awaited(Conversation.clear)


class AsyncCheckpoints:
    """`Checkpoints` whose methods are awaited. Made by `AsyncScope.checkpoints`.

    Args:
        checkpoints: The checkpoints to wrap.
    """

    __slots__ = ("_sync",)

    def __init__(self, checkpoints: Checkpoints) -> None:
        self._sync = checkpoints

    @property
    def sync(self) -> Checkpoints:
        """The synchronous checkpoints."""
        return self._sync

    @property
    def conversation(self) -> str | None:
        """Id of the conversation; `None` for the checkpoints of the scope that belong to none."""
        return self._sync.conversation

    save = awaited(Checkpoints.save)
    get = awaited(Checkpoints.get)
    get_by_label = awaited(Checkpoints.get_by_label)
    list_all = awaited(Checkpoints.list_all)
    count = awaited(Checkpoints.count)
    remove = awaited(Checkpoints.remove)
    remove_oldest = awaited(Checkpoints.remove_oldest)
    clear = awaited(Checkpoints.clear)
