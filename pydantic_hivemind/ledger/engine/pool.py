"""Connections to the database: one for each use, closed before forks, with errors translated.

SQLAlchemy opens connections and provides dialects. Open connections are kept here, because borrowing one from
SQLAlchemy's pool costs half as much as a query.
"""

from __future__ import annotations

import time
from contextlib import suppress
from typing import NamedTuple

from sqlalchemy import PoolProxiedConnection
from sqlalchemy.exc import DBAPIError

from pydantic_hivemind.base.fork_safety import Gate
from pydantic_hivemind.errors import InvalidOption, StoreClosed
from pydantic_hivemind.ledger.engine.driver import Driver

KEPT_CONNECTIONS = 16
"""Number of idle connections that are kept; more are opened as threads need them. One takes about 100 KB."""


TRUSTED_SECONDS = 30.0
"""Idle time after which a connection is tested before use, in seconds: less than what closes idle connections."""


class _Idle(NamedTuple):
    connection: PoolProxiedConnection
    since: float


class Connections:
    """Connections for any number of threads. The most recently used one is used next, because its cache is warm."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        # Threads take from its end and add there, each in one step.
        self._idle: list[_Idle] = []
        self._closed = False
        self._gate = Gate(self)

    def take(self) -> PoolProxiedConnection:
        """Return a connection for exclusive use.

        Raises:
            StoreClosed: The database was closed.
            StoreError: The connection cannot be opened.
        """
        if self._closed:
            raise StoreClosed("the hive is closed; open it again")
        self._gate.enter()
        try:
            return self._idle_one() or self._driver.engine.raw_connection()
        except BaseException as error:
            self._gate.leave()
            self._explain(error)
            raise

    def give_back(
        self, connection: PoolProxiedConnection, error: BaseException | None = None, *, keep: bool = True
    ) -> None:
        """Return a connection, to keep or close it; after an error its transaction is rolled back.

        Raises:
            StoreError: The translated error, if it is one of the driver's.
        """
        try:
            if error is not None:
                connection.rollback()
            if keep:
                self._keep(connection)
            else:
                connection.close()
        except BaseException:
            connection.close()
            if error is None:
                raise
        finally:
            self._gate.leave()
        if error is not None:
            self._explain(error)

    def close(self) -> None:
        """Close the connections; those in use when they are returned."""
        self._closed = True
        self._close_idle()

    def before_fork(self) -> None:
        """Close the connections, none of which is in use; the next call opens one again."""
        self._close_idle()

    def after_fork(self) -> None:
        """Reset in a forked child."""
        self._driver.after_fork()

    def _idle_one(self) -> PoolProxiedConnection | None:
        while self._idle:
            try:
                connection, since = self._idle.pop()
            except IndexError:
                return None
            if time.monotonic() - since < TRUSTED_SECONDS or self._driver.is_alive(connection):
                return connection
            connection.close()
        return None

    def _keep(self, connection: PoolProxiedConnection) -> None:
        if len(self._idle) < KEPT_CONNECTIONS:
            self._idle.append(_Idle(connection, time.monotonic()))
        else:
            connection.close()
        if self._closed:
            self._close_idle()

    def _close_idle(self) -> None:
        with suppress(IndexError):
            while True:
                self._idle.pop().connection.close()

    def _explain(self, error: BaseException) -> None:
        """Raise the translation of a driver's error."""
        if isinstance(error, UnicodeEncodeError):
            # Of something that is not checked before, as there is nothing of such a name anyway.
            raise InvalidOption("a text contains a lone surrogate, which cannot be stored; remove it") from None
        cause = error.orig if isinstance(error, DBAPIError) else error
        meaning = None if cause is None else self._driver.translate(cause)
        if meaning is not None:
            raise meaning from None
