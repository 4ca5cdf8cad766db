"""What is known of histories that were encoded or loaded before, so that saving one again costs what is new in it.

Encoding a message takes 40 microseconds; finding that it did not change takes half a microsecond. pydantic-ai changes
messages in place, so each message is compared every time with its state when it was encoded.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Sequence
from operator import is_
from typing import TYPE_CHECKING

from pydantic_hivemind.base.fork_safety import Lock
from pydantic_hivemind.ledger import message_chain
from pydantic_hivemind.ledger.message_chain import Stored, Turn
from pydantic_hivemind.messages import encoding
from pydantic_hivemind.messages.message_states import MessageState

if TYPE_CHECKING:
    from pydantic_ai.messages import ModelMessage

AT_ONCE = 64
"""Messages of a loaded history with one state: if one of them changed, all are encoded again."""

AT_END = 16
"""Messages at the end of a loaded history, where most changes are, with a state each: that takes ten times as long."""


class _Piece:
    """Messages that follow each other in a history, and the state that they were encoded from or read in.

    The state is `None` if it cannot be determined; their JSON tells then whether they changed.
    """

    __slots__ = ("dumped", "messages", "state", "turns")

    def __init__(
        self, messages: Sequence[ModelMessage], turns: Sequence[Turn], state: MessageState | None, dumped: bytes | None
    ) -> None:
        self.messages = messages
        self.turns = turns
        self.state = state
        self.dumped = dumped

    def is_current(self) -> bool:
        """Return whether encoding the messages now would give the same JSON."""
        if self.state is not None:
            return self.state.is_current()
        return self.dumped is not None and encoding.dumped(self.messages) == self.dumped


class HistoryCache:
    """Cache of the encoded messages of the last history, so that encoding the next one costs only what is new."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._forget()

    def _forget(self) -> None:
        self._process = os.getpid()
        self._pieces: list[_Piece] = []
        # What follows from the pieces, so that it is known at once whether any of it changed.
        self._turns: list[Turn] = []
        self._messages: list[ModelMessage] = []
        self._state = MessageState()
        self._apart: list[_Piece] = []

    def encode(self, messages: Sequence[ModelMessage], *, loaded: bool = True) -> list[Turn]:
        """Return the turns of a whole history.

        Args:
            messages: The messages.
            loaded: Whether messages that were loaded from a scope, and did not change, may have turns without data.

        Raises:
            CheckpointError: A message cannot be stored as JSON.
        """
        with self._lock:
            if self._process != os.getpid() or not loaded:
                # Another thread of the parent may have been in the middle of this.
                self._forget()
            same = self._unchanged(messages)
            moved: dict[int, tuple[Turn, _Piece]] = {}
            if same < len(self._messages):
                # What is encoded keeps its message alive, so no other can have the same id.
                moved = self._cut(same)
            known = _find(messages) if loaded and not same else None
            if known is not None:
                for piece in known.pieces_of(messages):
                    self._add_piece(piece)
                same = len(self._messages)
            others = {} if known is None else known.turns_behind(same)
            for message in messages[same:]:
                self._add(message, moved.get(id(message)) or others.get(id(vars(message))))
            return self._turns.copy()

    def _unchanged(self, messages: Sequence[ModelMessage]) -> int:
        """Return how many messages at the start are the same objects as last time, unchanged, in whole pieces."""
        count = len(self._messages)
        if (
            count <= len(messages)
            and self._state.is_current()
            and all(map(is_, self._messages, messages))
            and all(piece.is_current() for piece in self._apart)
        ):
            return count  # the usual case, at the speed of C
        same = 0
        for piece in self._pieces:
            end = same + len(piece.messages)
            if end > len(messages) or not all(map(is_, piece.messages, messages[same:end])) or not piece.is_current():
                break
            same = end
        return same

    def _add(self, message: ModelMessage, moved: tuple[Turn, _Piece] | None) -> None:
        # First the state: a change by another thread before the encoding then shows as one, and does no harm.
        state = _state_of(message)
        dumped = encoding.dumped([message]) if state is None else None
        previous = self._turns[-1].id if self._turns else None
        if moved is not None and moved[1].is_current():
            turn = message_chain.step_again(previous, len(self._turns), moved[0].message, moved[0].data)
        else:
            turn = message_chain.step(previous, len(self._turns), encoding.encode(message))
        self._add_piece(_Piece([message], [turn], state, dumped))

    def _add_piece(self, piece: _Piece) -> None:
        self._pieces.append(piece)
        self._turns += piece.turns
        self._messages += piece.messages
        if piece.state is not None and len(piece.messages) == 1:
            self._state.extend(piece.state)
        else:
            self._apart.append(piece)

    def _cut(self, length: int) -> dict[int, tuple[Turn, _Piece]]:
        """Drop everything after the first messages, and return the turns of the others, by the messages' identity."""
        kept: list[_Piece] = []
        moved: dict[int, tuple[Turn, _Piece]] = {}
        left = length
        for piece in self._pieces:
            if len(piece.messages) <= left:
                kept.append(piece)
                left -= len(piece.messages)
            else:
                left = 0
                for message, turn in zip(piece.messages, piece.turns, strict=True):
                    moved[id(message)] = turn, piece
        self._forget()
        for piece in kept:
            self._add_piece(piece)
        return moved


def _state_of(message: ModelMessage) -> MessageState | None:
    state = MessageState()
    try:
        return state if state.add(message) else None
    except RecursionError:
        return None


# -- loaded histories --------------------------------------------------------------------------


class _Loaded:
    """A history that was loaded: what is known of it for as long as its first message is in use."""

    __slots__ = ("_pieces", "first")

    def __init__(self, first: weakref.ref[ModelMessage], pieces: list[tuple[list[Turn], MessageState]]) -> None:
        self.first = first
        self._pieces = pieces

    def pieces_of(self, messages: Sequence[ModelMessage]) -> list[_Piece]:
        """Return what is known of those messages at the start of a history that are the loaded ones, unchanged."""
        found: list[_Piece] = []
        start = 0
        for turns, state in self._pieces:
            some = messages[start : start + len(turns)]
            if len(some) < len(turns) or not state.is_of(some) or not state.is_current():
                break
            found.append(_Piece(some, turns, state, None))
            start += len(turns)
        return found

    def turns_behind(self, start: int) -> dict[int, tuple[Turn, _Piece]]:
        """Return the turns behind the first, by the identity of their messages' `__dict__`, which this keeps alive."""
        return {
            id(owner): (turn, _Piece((), (), state, None))
            for turns, state in self._pieces
            if turns[0].position >= start
            for turn, owner in zip(turns, state.owners(len(turns)), strict=True)
        }


_loaded: dict[int, _Loaded] = {}
"""By the identity of the first message."""


def remember(stored: Sequence[Stored], messages: Sequence[ModelMessage]) -> None:
    """Remember what a whole history was read from, before anybody has it."""
    if not messages or len(stored) != len(messages):
        return
    pieces: list[tuple[list[Turn], MessageState]] = []
    start = 0
    while start < len(messages):
        left = len(messages) - start
        end = start + (1 if left <= AT_END else min(AT_ONCE, left - AT_END))
        state = MessageState()
        if not state.add_read(messages[start:end]):
            break
        some = enumerate(stored[start:end], start)
        turns = [Turn(turn.id, turn.previous, turn.message, None, position) for position, turn in some]
        pieces.append((turns, state))
        start = end
    key = id(messages[0])

    def forget(first: weakref.ref[ModelMessage]) -> None:
        found = _loaded.get(key)
        if found is not None and found.first is first:
            del _loaded[key]

    _loaded[key] = _Loaded(weakref.ref(messages[0], forget), pieces)


def known_turns(messages: Sequence[ModelMessage]) -> list[Turn]:
    """Return the turns of those messages at the start of a history that were loaded and did not change."""
    found = _find(messages)
    return [] if found is None else [turn for piece in found.pieces_of(messages) for turn in piece.turns]


def _find(messages: Sequence[ModelMessage]) -> _Loaded | None:
    found = _loaded.get(id(messages[0])) if messages else None
    return None if found is None or found.first() is not messages[0] else found
