"""`ConversationTurn`: one turn at a time for each conversation, over tasks, threads, processes and hosts.

A turn holds a lease: a record that ends by itself. Its holder prolongs it from a thread for as long as the turn takes,
so that a process that was killed does not keep others waiting, and one that computes for minutes keeps its turn.
A lease that has ended stays its holder's until another turn takes it: then the turn is lost, and what it writes is
refused.
"""

# pyright: reportPrivateUsage=false
# ruff: noqa: SLF001

from __future__ import annotations

import logging
import math
import os
import threading
import time
from types import TracebackType
from typing import TYPE_CHECKING
from uuid import uuid4

import anyio

from pydantic_hivemind.errors import HivemindError, InvalidOption, TurnBusy
from pydantic_hivemind.hive.async_seam import complete, perform
from pydantic_hivemind.hive.scope_records import RecordsInTransaction, record_key
from pydantic_hivemind.ledger import overlay
from pydantic_hivemind.ledger.engine.database import Transaction
from pydantic_hivemind.limits import TURN_SECONDS
from pydantic_hivemind.messages import turn_fence

if TYPE_CHECKING:
    from pydantic_ai.messages import ModelMessage

    from pydantic_hivemind.messages.conversations import Conversation

_log = logging.getLogger(__name__)

KIND = "turn"
"""Kind of the records."""

FIRST_PAUSE, LONGEST_PAUSE = 0.01, 0.25
"""Seconds between two attempts to begin a turn: short at first, since most turns that wait do so by accident."""


class ConversationTurn:
    """A turn of a conversation, made by `Conversation.turn`.

    Args:
        conversation: The conversation.
        wait: How long to wait for another turn to end, in seconds.
        load: Whether it gives the messages.
    """

    def __init__(self, conversation: Conversation, wait: float, *, load: bool = True) -> None:
        if not (isinstance(wait, (int, float)) and math.isfinite(wait) and wait >= 0):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InvalidOption(f"wait={wait!r} is not a number of seconds from 0 on; pass one")
        self._conversation = conversation
        self._wait = wait
        self._load = load
        self._holder = uuid4().bytes
        self._key = record_key("conversation", conversation.id)
        self._over = threading.Event()
        self._process = os.getpid()
        self.place = turn_fence.Place(conversation._database, conversation._row.id, conversation.id)
        self.unreadable = 0

    @property
    def is_open(self) -> bool:
        """Whether its block has not ended, in the process that entered it."""
        return not self._over.is_set() and self._process == os.getpid()

    def is_held(self, tx: Transaction) -> bool:
        """Return whether no other turn has begun since."""
        return self._leases(tx).get(self._key, expired=True) == self._holder

    def __enter__(self) -> list[ModelMessage]:
        """Begin the turn, and return the messages that can be read.

        Raises:
            TurnBusy: Another turn has not ended in time.
        """
        until, pause = time.monotonic() + self._wait, FIRST_PAUSE
        while not self._begin():
            self._check(until)
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)
        messages = self._begun()
        turn_fence.enter(self)
        return messages

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the turn."""
        turn_fence.leave(self)
        self._end()

    async def __aenter__(self) -> list[ModelMessage]:
        """Begin the turn, and return the messages that can be read.

        Raises:
            TurnBusy: Another turn has not ended in time.
        """
        until, pause = time.monotonic() + self._wait, FIRST_PAUSE
        while not await perform(self._begin, undo=lambda begun: self._end() if begun else None):
            self._check(until)
            await anyio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)
        try:
            messages = await perform(self._begun)
        except BaseException:
            await complete(self._end)
            raise
        turn_fence.enter(self)
        return messages

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the turn."""
        turn_fence.leave(self)
        await complete(self._end)

    def _check(self, until: float) -> None:
        if time.monotonic() >= until:
            raise TurnBusy(
                f"another turn of this conversation has not ended within {self._wait:g} seconds; try again, or pass a "
                "longer `wait`"
            )

    def _begin(self) -> bool:
        """Take the lease, and return whether it was free."""
        talk = self._conversation
        with talk._database.write(talk._row.chain) as tx:
            overlay.check_alive(tx, talk._row.chain)
            leases = self._leases(tx)
            if leases.get(self._key) is not None:
                tx.abandon()
                return False
            leases.put(self._key, self._holder, ttl=TURN_SECONDS)
            return True

    def _begun(self) -> list[ModelMessage]:
        """Start to prolong the lease, and return the messages as they are now."""
        self._over.clear()
        self._process = os.getpid()
        threading.Thread(target=self._prolong, name="hivemind-turn", daemon=True).start()
        try:
            messages, self.unreadable = self._conversation._load(None if self._load else 0)
        except BaseException:
            self._end()
            raise
        return messages

    def _prolong(self) -> None:
        while not self._over.wait(TURN_SECONDS / 3):
            talk = self._conversation
            try:
                with talk._database.write(talk._row.chain) as tx:
                    if self._over.is_set() or not self.is_held(tx):
                        return
                    leases = self._leases(tx)
                    leases.put(self._key, self._holder, ttl=TURN_SECONDS)
            except HivemindError as error:
                _log.warning("a turn of a conversation could not be prolonged: %s", type(error).__name__)

    def _end(self) -> None:
        """Give the lease back, if it is still this turn's."""
        self._over.set()
        talk = self._conversation
        try:
            with talk._database.write(talk._row.chain) as tx:
                if self.is_held(tx):
                    self._leases(tx).remove(self._key)
        except HivemindError as error:
            # It ends by itself, and what the block did or raised is what counts.
            _log.warning("the end of a turn of a conversation could not be stored: %s", type(error).__name__)

    def _leases(self, tx: Transaction) -> RecordsInTransaction:
        return RecordsInTransaction(tx, self._conversation._row.id, KIND)
