"""Pickling of hives, scopes and their message stores, for jobs in other processes and at other times.

A pickle carries the store's id, the scope's own id and incarnation, and where an embedded store is: no credentials, no
content. Unpickled, it is a handle in the hive of that store that the process has open; else in the one that
`Hivemind.register` can open; else in the directory, which is opened. The reducers are registered with `copyreg`, since
handles stand below hives and cannot know them.
"""

# pyright: reportPrivateUsage=false
# ruff: noqa: SLF001

from __future__ import annotations

import copyreg
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from pydantic_hivemind.base.fork_safety import Lock
from pydantic_hivemind.errors import ScopeGone, StoreClosed, StoreError, StoreNotOpen
from pydantic_hivemind.hive import open_hives
from pydantic_hivemind.hive.async_hivemind import AsyncHivemind
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

Rebuilt = tuple[Callable[..., Any], tuple[Any, ...]]
"""What rebuilds an object, and its arguments."""

_reopened: dict[str, Hivemind] = {}
"""Hives that were opened here, by the ids of their stores. They stay open, as those of an app do."""

_reopening = Lock()


def _reduce_hive(hive: Hivemind) -> Rebuilt:
    database, directory = store_of(hive)
    return _hive, (store_settings.store_id(database), None if directory is None else str(directory))


def _reduce_async_hive(hive: AsyncHivemind) -> Rebuilt:
    return AsyncHivemind, (hive.sync,)


def _reduce_scope(scope: Scope) -> Rebuilt:
    return _scope, _locator(database_of(scope), row_of(scope))


def _reduce_async_scope(scope: AsyncScope) -> Rebuilt:
    return AsyncScope, (scope.sync,)


def _reduce_conversation(conversation: Conversation) -> Rebuilt:
    return _conversation, (*_locator(conversation._database, conversation._row), conversation.id)


def _reduce_checkpoints(checkpoints: Checkpoints) -> Rebuilt:
    return _checkpoints, (*_locator(checkpoints._database, checkpoints._row), checkpoints.conversation)


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


for _kind, _reduce in (
    (Hivemind, _reduce_hive),
    (AsyncHivemind, _reduce_async_hive),
    (Scope, _reduce_scope),
    (AsyncScope, _reduce_async_scope),
    (Conversation, _reduce_conversation),
    (Checkpoints, _reduce_checkpoints),
):
    copyreg.pickle(_kind, _reduce)  # pyright: ignore[reportArgumentType] - each reducer gets objects of its type
