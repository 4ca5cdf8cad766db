"""The rows of `promotions`: who promoted what from where."""

from __future__ import annotations

import time

from sqlalchemy import update

from pydantic_hivemind.ledger import actor_records
from pydantic_hivemind.ledger.engine.database import Transaction
from pydantic_hivemind.ledger.engine.statements import Statement, insert_row, param
from pydantic_hivemind.ledger.schema import promotions
from pydantic_hivemind.ledger.scopes import ScopeRow

LATER = (
    "plan",
    "note",
    "decided_by",
    "decided_at",
    "decision_note",
    "reverted_by",
    "reverted_at",
)
"""Columns that a promotion that is made at once leaves empty."""

_INSERT = Statement(lambda: insert_row(promotions, without=LATER))
_REVERT = Statement(
    lambda: (
        update(promotions)
        .where(promotions.c.id == param("of_id"), promotions.c.scope_id == param("of_scope"))
        .values(state="reverted", reverted_at=param("now"), reverted_by=param("actor"))
    )
)


def add(tx: Transaction, id: str, *, target_id: int, source: ScopeRow, selection: str, changes: int) -> None:
    """Note that a promotion was made.

    Args:
        tx: The transaction that makes it.
        id: The promotion's.
        target_id: The receiving scope.
        source: The scope it comes from.
        selection: What was asked for, as JSON.
        changes: How many paths of the receiving scope it changed.
    """
    values = {"id": id, "scope_id": target_id, "state": "made", "source_id": source.id, "source": source.name}
    tx.run(
        _INSERT,
        {
            **values,
            "selection": selection,
            "changes": changes,
            "created_at": time.time(),
            "actor": actor_records.current_id(tx),
        },
    )


def mark_reverted(tx: Transaction, scope_id: int, id: str) -> None:
    """Note that a promotion into a scope was taken back; older ones have no row."""
    tx.run(_REVERT, {"of_id": id, "of_scope": scope_id, "now": time.time(), "actor": actor_records.current_id(tx)})
