"""The turns of conversations that this process is in: what is written in one that was lost is refused.

A turn is lost when its process did not run for so long that another turn could begin. What it writes then would stand
behind messages that it never saw.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import NamedTuple, Protocol

from pydantic_hivemind.errors import TurnLost
from pydantic_hivemind.ledger.engine.database import Database, Transaction


class Place(NamedTuple):
    """Where a conversation is."""

    database: Database
    scope_id: int
    conversation: str


class HeldTurn(Protocol):
    """A turn that has begun in this process."""

    @property
    def place(self) -> Place:
        """The conversation."""
        ...

    @property
    def is_open(self) -> bool:
        """Whether its block has not ended, in the process that entered it."""
        ...

    unreadable: int
    """Number of messages that it left out of those that it gave."""

    def is_held(self, tx: Transaction) -> bool:
        """Return whether no other turn has begun since."""
        ...


_of_context: ContextVar[tuple[HeldTurn, ...]] = ContextVar("pydantic_hivemind.turns", default=())
_of_process: set[HeldTurn] = set()


def enter(turn: HeldTurn) -> None:
    """Let a turn count for what this context, and contexts that begin from it, write."""
    _of_process.add(turn)
    _of_context.set((*(each for each in _of_context.get() if each.is_open), turn))


def leave(turn: HeldTurn) -> None:
    """Let a turn no longer count. It may have been entered in another context."""
    _of_process.discard(turn)
    _of_context.set(tuple(each for each in _of_context.get() if each is not turn))


def current(place: Place) -> HeldTurn | None:
    """Return the turn of a conversation that this context is in, or `None`."""
    return next((turn for turn in reversed(_of_context.get()) if turn.place == place and turn.is_open), None)


def check(tx: Transaction, place: Place) -> None:
    """Check that a change of a conversation is not made in a turn that was lost.

    A change outside of every turn counts as one of the turns that this process is in: a block may hand its work to a
    thread that knows nothing of it.

    Raises:
        TurnLost: Another turn of the conversation has begun since.
    """
    own = current(place)
    turns = [own] if own is not None else [turn for turn in [*_of_process] if turn.place == place and turn.is_open]
    if turns and not any(turn.is_held(tx) for turn in turns):
        raise TurnLost(
            "this turn of the conversation was lost: its process did not run for so long that another turn began; "
            "nothing was stored; leave the turn, begin another, and store what is still wanted behind the messages "
            "that it gives"
        )
