"""Metadata of versions: the operation that wrote them, and text of the writer."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import select

from pydantic_hivemind.ledger.engine.database import Transaction
from pydantic_hivemind.ledger.engine.statements import Statement, insert_row, param
from pydantic_hivemind.ledger.schema import annotations


class Annotation(NamedTuple):
    """Metadata of a version; either part may be missing."""

    operation_id: str | None = None
    metadata: str | None = None


_FIND = Statement(
    lambda: select(annotations.c.operation_id, annotations.c.metadata).where(annotations.c.version == param("version"))
)
_INSERT = Statement(lambda: insert_row(annotations))


def find(tx: Transaction, version: int) -> Annotation:
    """Return the metadata of a version."""
    rows = tx.rows(_FIND, {"version": version})
    return Annotation(*rows[0]) if rows else Annotation()


def store(tx: Transaction, version: int, annotation: Annotation) -> None:
    """Store the metadata of a version, in the transaction that writes it."""
    if annotation != Annotation():
        values = {"operation_id": annotation.operation_id, "metadata": annotation.metadata}
        tx.run(_INSERT, {"version": version, **values})
