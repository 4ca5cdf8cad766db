"""Secrets of a store in a database, where there is no directory for them. Whoever can read them can read everything."""

from __future__ import annotations

from typing import cast

from sqlalchemy import select

from pydantic_hivemind.ledger.engine.database import Transaction
from pydantic_hivemind.ledger.engine.statements import Statement, insert_row, param
from pydantic_hivemind.ledger.schema import secrets

_FIND = Statement(lambda: select(secrets.c.value).where(secrets.c.name == param("name")))
_INSERT = Statement(lambda: insert_row(secrets))


def find(tx: Transaction, name: str) -> bytes | None:
    """Return the secret of that name, or `None`."""
    rows = tx.rows(_FIND, {"name": name})
    return cast(bytes, rows[0][0]) if rows else None


def store(tx: Transaction, name: str, value: bytes) -> None:
    """Store a new secret."""
    tx.run(_INSERT, {"name": name, "value": value})
