"""The rows of `promotions`: who promoted what from where, and proposals, which wait."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from sqlalchemy import Select, or_, select, update
from typing_extensions import Unpack

from pydantic_hivemind.ledger import actor_records
from pydantic_hivemind.ledger.engine.database import Transaction
from pydantic_hivemind.ledger.engine.statements import Statement, Value, insert_row, param
from pydantic_hivemind.ledger.schema import promotions, scopes
from pydantic_hivemind.ledger.scopes import ScopeRow

WAITING = "waiting"
"""State of a proposal that nobody has decided on."""


Side = Literal["received", "sent", "any"]
"""Whether proposals are those to a scope, those that it made, or any."""


Which = Literal["one", "waiting", "all"]
"""Which of them: that of an id, those that wait, or all."""


class Proposed(NamedTuple):
    """A proposal as it is stored; actors are rows of `actors`."""

    id: str
    scope_id: int
    state: str
    source_id: int
    source: str
    selection: str
    plan: str
    note: str | None
    actor: int | None
    created_at: float
    decided_by: int | None
    decided_at: float | None
    decision_note: str | None
    source_lives: bool


@dataclass(frozen=True)
class Decision:
    """What became of a proposal, and why."""

    state: str
    note: str | None = None
    changes: int | None = None


_DECIDED = ("decided_by", "decided_at", "decision_note", "reverted_by", "reverted_at")
_INSERT = Statement(lambda: insert_row(promotions, without=_DECIDED))
_REVERT = Statement(
    lambda: (
        update(promotions)
        .where(promotions.c.id == param("of_id"), promotions.c.scope_id == param("of_scope"))
        .values(state="reverted", reverted_at=param("now"), reverted_by=param("actor"))
    )
)
_DECIDE = Statement(
    lambda: (
        update(promotions)
        .where(promotions.c.id == param("of_id"), promotions.c.state == WAITING)
        .values(
            state=param("new_state"),
            changes=param("new_changes"),
            decided_by=param("actor"),
            decided_at=param("now"),
            decision_note=param("new_note"),
        )
    )
)
_TARGET = Statement(
    lambda: select(promotions.c.scope_id).where(
        promotions.c.id == param("id"), promotions.c.source_id == param("source")
    )
)


def _proposals(*, side: Side, which: Which) -> Select[Unpack[tuple[Any, ...]]]:
    lives = or_(scopes.c.expires_at.is_(None), scopes.c.expires_at > param("now"))
    columns = [promotions.c[name] for name in Proposed._fields[:-1]]
    found = (
        select(*columns, scopes.c.id.is_not(None))
        .select_from(promotions.outerjoin(scopes, (scopes.c.id == promotions.c.source_id) & lives))
        .where(promotions.c.plan.is_not(None))
        .order_by(promotions.c.created_at.desc(), promotions.c.id)
    )
    if side != "any":
        own = promotions.c.source_id if side == "sent" else promotions.c.scope_id
        found = found.where(own == param("own"))
    if which == "one":
        return found.where(promotions.c.id == param("of_id"))
    if which == "waiting":
        found = found.where(promotions.c.state == WAITING, scopes.c.id.is_not(None))
    return found.limit(param("most"))


_PROPOSALS: Statement[[Side, Which]] = Statement(lambda side, which: _proposals(side=side, which=which))


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
    made = {"state": "made", "changes": changes, "plan": None, "note": None}
    _insert(tx, id, target_id, source, {**made, "selection": selection})


def propose(
    tx: Transaction, id: str, *, target_id: int, source: ScopeRow, selection: str, plan: str, note: str | None
) -> None:
    """Store a promotion that waits to be approved."""
    waits = {"state": WAITING, "changes": None, "plan": plan, "note": note}
    _insert(tx, id, target_id, source, {**waits, "selection": selection})


def decide(tx: Transaction, id: str, decision: Decision) -> bool:
    """Note what became of a proposal that waits; whether it does."""
    values: dict[str, Value] = {"new_state": decision.state, "new_changes": decision.changes, "new_note": decision.note}
    return bool(tx.run(_DECIDE, {**values, "of_id": id, "now": tx.now(), "actor": actor_records.current_id(tx)}))


def proposal(tx: Transaction, scope_id: int, id: str) -> Proposed | None:
    """Return a proposal to a scope, or one that it made."""
    sides: tuple[Side, ...] = ("received", "sent")
    for side in sides:
        rows = tx.rows(_PROPOSALS, {"own": scope_id, "of_id": id, "now": tx.now()}, side, "one")
        if rows:
            return Proposed(*rows[0])
    return None


def proposals(tx: Transaction, scope_id: int, *, sent: bool, waiting: bool, limit: int) -> list[Proposed]:
    """Return the proposals to a scope, or those that it made, newest first."""
    values: dict[str, Value] = {"own": scope_id, "most": limit, "now": tx.now()}
    shape: tuple[Side, Which] = ("sent" if sent else "received", "waiting" if waiting else "all")
    return [Proposed(*row) for row in tx.rows(_PROPOSALS, values, *shape)]


def of_id(tx: Transaction, id: str) -> Proposed | None:
    """Return the proposal of that id, whoever made it."""
    rows = tx.rows(_PROPOSALS, {"of_id": id, "now": tx.now()}, "any", "one")
    return Proposed(*rows[0]) if rows else None


def target_of(tx: Transaction, source_id: int, id: str) -> int | None:
    """Return the scope that a promotion of a scope went to."""
    rows = tx.rows(_TARGET, {"id": id, "source": source_id})
    return rows[0][0] if rows else None


def mark_reverted(tx: Transaction, scope_id: int, id: str) -> None:
    """Note that a promotion into a scope was taken back; older ones have no row."""
    now, actor = tx.now(), actor_records.current_id(tx)
    tx.run(_REVERT, {"of_id": id, "of_scope": scope_id, "now": now, "actor": actor})


def _insert(tx: Transaction, id: str, target_id: int, source: ScopeRow, values: dict[str, Value]) -> None:
    place = {"id": id, "scope_id": target_id, "source_id": source.id, "source": source.name}
    tx.run(_INSERT, {**place, **values, "created_at": tx.now(), "actor": actor_records.current_id(tx)})
