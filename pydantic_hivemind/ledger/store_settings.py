"""What a store knows of itself: its id, and the mounts that it is used with."""

from __future__ import annotations

from typing import cast
from uuid import uuid4

from sqlalchemy import select, update

from pydantic_hivemind.ledger.engine.database import Database, Transaction
from pydantic_hivemind.ledger.engine.statements import Statement, insert_row, param
from pydantic_hivemind.ledger.schema import settings

STORE_ID = "store id"
MOUNTS = "mounts"
WRITTEN = "written"

_FIND = Statement(lambda: select(settings.c.value).where(settings.c.name == param("name")))
_INSERT = Statement(lambda: insert_row(settings))
_UPDATE = Statement(
    lambda: update(settings).where(settings.c.name == param("of_name")).values(value=param("new_value"))
)


def find(tx: Transaction, name: str) -> str | None:
    """Return the setting of that name, or `None`."""
    rows = tx.rows(_FIND, {"name": name})
    return cast(str, rows[0][0]) if rows else None


def store(tx: Transaction, name: str, value: str) -> None:
    """Store a setting in place of an earlier one."""
    if not tx.run(_UPDATE, {"of_name": name, "new_value": value}):
        tx.run(_INSERT, {"name": name, "value": value})


def check_writing(database: Database, seconds: float) -> None:
    """Write something that says nothing, to see that changes can be stored.

    Raises:
        StoreBusy: Other writes held the store for that time, in seconds.
        StoreFull: The disk is full.
        StoreReadOnly: The process lacks the permission.
        StoreUnreachable: The database server does not answer.
        StoreClosed: The hive is closed.
    """
    with database.write(patience=seconds) as tx:
        store(tx, WRITTEN, uuid4().hex)


def store_id(database: Database) -> str:
    """Return the id of a store, and give it one if it has none yet: 32 hexadecimal digits.

    Raises:
        StoreReadOnly: It has none, and cannot be written.
    """
    with database.read() as tx:
        found = find(tx, STORE_ID)
    if found is None:
        with database.write() as tx:
            found = find(tx, STORE_ID)
            if found is None:
                found = uuid4().hex
                store(tx, STORE_ID, found)
    return found
