"""The rows of tokens: what was given out for which scope, until it ends or is revoked."""

from __future__ import annotations

import time
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Select, delete, or_, select
from typing_extensions import Unpack

from pydantic_hivemind.ledger.engine.database import Transaction
from pydantic_hivemind.ledger.engine.statements import Statement, insert_row, param
from pydantic_hivemind.ledger.schema import scopes, tokens


@dataclass(frozen=True)
class TokenRow:
    """A token that was given out. Times are seconds since the epoch."""

    id: str
    scope_id: int
    scope: str
    can: str
    created_at: float
    expires_at: float
    made_by: str | None


_COLUMNS = (
    tokens.c.id,
    tokens.c.scope_id,
    scopes.c.name,
    tokens.c.can,
    tokens.c.created_at,
    tokens.c.expires_at,
    tokens.c.made_by,
)


def _live(*conditions: ColumnElement[bool]) -> Select[Unpack[tuple[str, int, str, str, float, float, str | None]]]:
    """Tokens that have not ended, of scopes that have not either."""
    return (
        select(*_COLUMNS)
        .join(scopes, scopes.c.id == tokens.c.scope_id)
        .where(
            tokens.c.expires_at > param("now"),
            or_(scopes.c.expires_at.is_(None), scopes.c.expires_at > param("now")),
            *conditions,
        )
        .order_by(scopes.c.name, tokens.c.created_at, tokens.c.id)
    )


_FIND = Statement(lambda: _live(tokens.c.id == param("id")))
# Nobody can revoke it until the transaction ends.
_HOLD = Statement(lambda: _live(tokens.c.id == param("id")).with_for_update(read=True, key_share=True, of=tokens))
_LIST = Statement(_live)
_INSERT = Statement(lambda: insert_row(tokens, without=("hash", "narrowed", "label", "actor")))
_DELETE = Statement(lambda: delete(tokens).where(tokens.c.id == param("id")))
_PURGE = Statement(lambda: delete(tokens).where(tokens.c.expires_at <= param("now")))


def find(tx: Transaction, id: str) -> TokenRow | None:
    """The live token of that id."""
    rows = tx.rows(_FIND, {"id": id, "now": time.time()})
    return TokenRow(*rows[0]) if rows else None


def hold(tx: Transaction, id: str) -> bool:
    """Whether the token of that id is live, and stays so until the transaction ends."""
    return bool(tx.rows(_HOLD, {"id": id, "now": time.time()}))


def listing(tx: Transaction) -> list[TokenRow]:
    """Every live token, by the name of its scope and by age."""
    return [TokenRow(*row) for row in tx.rows(_LIST, {"now": time.time()})]


def store(tx: Transaction, token: TokenRow) -> None:
    """Keep a new token, and let go of those that have ended."""
    tx.run(_PURGE, {"now": token.created_at})
    times = {"created_at": token.created_at, "expires_at": token.expires_at}
    tx.run(_INSERT, {"id": token.id, "scope_id": token.scope_id, "can": token.can, "made_by": token.made_by, **times})


def forget(tx: Transaction, id: str) -> bool:
    """Delete a token and those that were made with it; whether there was one."""
    return bool(tx.run(_DELETE, {"id": id}))
