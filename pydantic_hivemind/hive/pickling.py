"""Pickling of hives, scopes and their message stores, for jobs in other processes and at other times.

A pickle carries the store's id, the scope's own id and incarnation, and where an embedded store is: no credentials, no
content. Unpickled, it is a handle in the hive of that store that the process has open; else in the one that
`Hivemind.register` can open; else in the directory, which is opened.
"""

# pyright: reportPrivateUsage=false
# ruff: noqa: SLF001

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

from pydantic_hivemind.base.fork_safety import Lock
from pydantic_hivemind.base.pickled import Pickled, Rebuilt
from pydantic_hivemind.errors import ScopeGone, StoreClosed, StoreError, StoreNotOpen
from pydantic_hivemind.hive import open_hives
from pydantic_hivemind.hive.async_scope import AsyncScope
from pydantic_hivemind.hive.handle import database_of, row_of
from pydantic_hivemind.hive.hivemind import Hivemind, store_of
from pydantic_hivemind.hive.scope import Scope
from pydantic_hivemind.ledger import scopes, store_settings
from pydantic_hivemind.ledger.engine.database import Database
from pydantic_hivemind.ledger.engine.sqlite import LEDGER_FILE
from pydantic_hivemind.ledger.scopes import ScopeRow
from pydantic_hivemind.messages.checkpoints import Checkpoints
from pydantic_hivemind.messages.conversations import Conversation

_reopened: dict[str, Hivemind] = {}
"""Hives that were opened here, by the ids of their stores. They stay open, as those of an app do."""

_reopening = Lock()


def reduced(value: Pickled) -> Rebuilt:
    """Return what `Pickled.__reduce__` does.

    Raises:
        ScopeGone: The scope was destroyed.
        StoreReadOnly: The store has no id yet, and cannot be written.
        TypeError: There is no way to find a value of this kind again.
    """
    if isinstance(value, Hivemind):
        database, directory = store_of(value)
        return _hive, (store_settings.store_id(database), None if directory is None else str(directory))
    if isinstance(value, AsyncScope):
        return AsyncScope, (value.sync,)
    if isinstance(value, Scope):
        return _scope, _locator(database_of(value), row_of(value))
    if isinstance(value, Conversation):
        return _conversation, (*_locator(value._database, value._row), value.id)
    if isinstance(value, Checkpoints):
        return _checkpoints, (*_locator(value._database, value._row), value.conversation)
    raise TypeError(f"cannot pickle a {type(value).__name__}")


def _locator(database: Database, row: ScopeRow) -> tuple[str, str | None, int, int, str]:
    """Return the arguments of `_scope`.

    Raises:
        ScopeGone: The scope was destroyed.
    """
    with database.read() as tx:
        incarnation = scopes.incarnation(tx, row.id)
    place = database.directory
    return store_settings.store_id(database), None if place is None else str(place), row.id, incarnation, row.name


def _scope(store_id: str, directory: str | None, scope_id: int, incarnation: int, name: str) -> Scope:
    hive = _hive(store_id, directory)
    with store_of(hive)[0].snapshot() as tx:
        row = scopes.find_incarnation(tx, scope_id, incarnation)
        if row is None:
            raise ScopeGone(f"scope {name!r} was destroyed after it was pickled; ask the hive for a new one")
        return hive._handle(tx, row)


def _conversation(*args: Any) -> Conversation:
    *scope, id = args
    return _scope(*scope).conversation(id)


def _checkpoints(*args: Any) -> Checkpoints:
    *scope, conversation = args
    return _scope(*scope).checkpoints(conversation)


def _hive(store_id: str, directory: str | None) -> Hivemind:
    """Return the hive of a store.

    Raises:
        StoreNotOpen: It is not open here, no opener opens it, and it is not in the directory.
    """
    opened = [hive for hive in open_hives.hives() if isinstance(hive, Hivemind) and _is_of(hive, store_id)]
    if opened:
        # A copy of a store has the same id.
        place = None if directory is None else Path(directory)
        return next((hive for hive in opened if store_of(hive)[1] == place), opened[0])
    with _reopening:
        kept = _reopened.get(store_id)
        if kept is not None and _is_of(kept, store_id):
            return kept
        for opener in open_hives.openers():
            hive = opener()
            if isinstance(hive, Hivemind) and _is_of(hive, store_id):
                _reopened[store_id] = hive
                return hive
        if directory is not None and Path(directory, LEDGER_FILE).is_file():
            with suppress(StoreError):
                hive = Hivemind.open(directory)
                if _is_of(hive, store_id):
                    _reopened[store_id] = hive
                    return hive
                hive.close()
    raise StoreNotOpen(
        "the store of an unpickled scope is not open in this process; open it first, or call "
        "`Hivemind.register(opener)` with a function that opens it when the process starts"
    )


def _is_of(hive: Hivemind, store_id: str) -> bool:
    try:
        with store_of(hive)[0].read() as tx:
            return store_settings.find(tx, store_settings.STORE_ID) == store_id
    except StoreClosed:
        return False
