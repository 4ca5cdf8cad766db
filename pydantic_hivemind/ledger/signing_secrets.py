"""Secrets of a store in a database, which has no directory to keep them in: who can read them can read everything."""

from __future__ import annotations

from typing import cast

from sqlalchemy import select

from pydantic_hivemind.ledger.engine.database import Transaction
from pydantic_hivemind.ledger.engine.statements import Statement, insert_row, param
from pydantic_hivemind.ledger.schema import secrets

_FIND = Statement(lambda: select(secrets.c.value).where(secrets.c.name == param("name")))
_INSERT = Statement(lambda: insert_row(secrets))


def find(tx: Transaction, name: str) -> bytes | None:
    """The secret of that name."""
    rows = tx.rows(_FIND, {"name": name})
    return cast(bytes, rows[0][0]) if rows else None


def store(tx: Transaction, name: str, value: bytes) -> None:
    """Keep a new secret."""
    tx.run(_INSERT, {"name": name, "value": value})
