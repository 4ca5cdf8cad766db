"""Whether the store can be written, asked by anybody as often as they like."""

from __future__ import annotations

import asyncio
import logging
import time

from pydantic_hivemind.errors import HivemindError
from pydantic_hivemind.hive.async_seam import perform
from pydantic_hivemind.hive.hivemind import Hivemind
from pydantic_hivemind.hive.internals import check_writing
from pydantic_hivemind.limits import READY_SECONDS

_log = logging.getLogger(__name__)


class Readiness:
    """The last answer, which holds for `READY_SECONDS`, and the question that is under way, which all who ask share."""

    def __init__(self, hive: Hivemind) -> None:
        self._hive = hive
        self._asking: asyncio.Task[HivemindError | None] | None = None
        self._asked = 0.0

    async def problem(self) -> HivemindError | None:
        """Return why the store cannot be written, or `None` if it can."""
        asking = self._asking
        if asking is None or (asking.done() and time.monotonic() - self._asked > READY_SECONDS):
            asking = self._asking = asyncio.create_task(self._ask())
        # One who hangs up does not end it for the others.
        return await asyncio.shield(asking)

    async def _ask(self) -> HivemindError | None:
        try:
            # Beside the threads of writes, which may all be waiting.
            await perform(lambda: check_writing(self._hive, READY_SECONDS), threads="quick")
        except HivemindError as error:
            # Whoever asks needs no token, and is not told everything.
            _log.warning("the store cannot be written: %s: %s", type(error).__name__, error)
            return error
        finally:
            self._asked = time.monotonic()
        return None
