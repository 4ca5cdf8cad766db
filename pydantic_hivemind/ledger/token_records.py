"""The rows of tokens: what was given out for which scope, until it ends or is revoked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, delete, or_, select, tuple_
from typing_extensions import Unpack

from pydantic_hivemind.ledger import actor_records
from pydantic_hivemind.ledger.engine.database import Transaction
from pydantic_hivemind.ledger.engine.statements import Statement, Value, insert_row, param
from pydantic_hivemind.ledger.schema import scopes, tokens
from pydantic_hivemind.ledger.scope_listing import descendants


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
    hash: bytes | None = None
    narrowed: str | None = None
    label: str | None = None


class Place(NamedTuple):
    """Where a token stands in a list: by the name of its scope, then by age."""

    name: str
    created_at: float
    id: str


_COLUMNS = (
    tokens.c.id,
    tokens.c.scope_id,
    scopes.c.name,
    tokens.c.can,
    tokens.c.created_at,
    tokens.c.expires_at,
    tokens.c.made_by,
    tokens.c.hash,
    tokens.c.narrowed,
    tokens.c.label,
)


def _live(*conditions: ColumnElement[bool]) -> Select[Unpack[tuple[Any, ...]]]:
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


def _page(within: bool, following: bool, limited: bool) -> Select[Unpack[tuple[Any, ...]]]:  # noqa: FBT001 - a shape
    where: list[ColumnElement[bool]] = []
    if within:
        where.append(or_(scopes.c.id == param("ancestor"), scopes.c.id.in_(descendants())))
    if following:
        place = (param("name"), param("created_at"), param("id"))
        where.append(tuple_(scopes.c.name, tokens.c.created_at, tokens.c.id) > tuple_(*place))
    page = _live(*where)
    return page.limit(param("limit")) if limited else page


def _made_by(id: Any) -> Select[Unpack[tuple[str]]]:
    """A token and those that were made with it, at any depth."""
    found = select(tokens.c.id).where(tokens.c.id == id).cte("made_by", recursive=True)
    found = found.union(select(tokens.c.id).where(tokens.c.made_by == found.c.id))
    return select(found.c.id)


_PAGE: Statement[[bool, bool, bool]] = Statement(_page)
_WITHIN = Statement(
    lambda: select(tokens.c.id).where(
        tokens.c.id == param("id"),
        or_(tokens.c.scope_id == param("ancestor"), tokens.c.scope_id.in_(descendants())),
    )
)
_INSERT = Statement(lambda: insert_row(tokens))
_MADE_BY = Statement(lambda: _made_by(param("id")))
_DELETE = Statement(lambda: delete(tokens).where(tokens.c.id == param("id")))
_PURGE = Statement(lambda: delete(tokens).where(tokens.c.expires_at <= param("now")))


def find(tx: Transaction, id: str) -> TokenRow | None:
    """The live token of that id."""
    rows = tx.rows(_FIND, {"id": id, "now": tx.now()})
    return TokenRow(*rows[0]) if rows else None


def hold(tx: Transaction, id: str) -> bool:
    """Whether the token of that id is live, and stays so until the transaction ends."""
    return bool(tx.rows(_HOLD, {"id": id, "now": tx.now()}))


def page(
    tx: Transaction, *, within: int | None = None, after: Place | None = None, limit: int | None = None
) -> list[TokenRow]:
    """Return live tokens, by the name of their scope and by age.

    Args:
        tx: A transaction.
        within: The id of the scope that they are for, or that reads through to it at any depth.
        after: The place of the last one of the page before.
        limit: Most of them.
    """
    values: dict[str, Value] = {"now": tx.now()}
    values |= {} if within is None else {"ancestor": within}
    values |= {} if after is None else after._asdict()
    values |= {} if limit is None else {"limit": limit}
    rows = tx.rows(_PAGE, values, within is not None, after is not None, limit is not None)
    return [TokenRow(*row) for row in rows]


def is_within(tx: Transaction, id: str, scope_id: int) -> bool:
    """Return whether a token is for a scope, or for one that reads through to it at any depth."""
    return bool(tx.rows(_WITHIN, {"id": id, "ancestor": scope_id}))


def made_by(tx: Transaction, id: str) -> list[str]:
    """Return the id of a token, if there is one, and those of the tokens that were made with it, at any depth."""
    return [row[0] for row in tx.rows(_MADE_BY, {"id": id})]


def store(tx: Transaction, token: TokenRow) -> None:
    """Keep a new token, and let go of those that have ended."""
    tx.run(_PURGE, {"now": token.created_at})
    times = {"created_at": token.created_at, "expires_at": token.expires_at}
    tx.run(
        _INSERT,
        {
            "id": token.id,
            "scope_id": token.scope_id,
            "can": token.can,
            "made_by": token.made_by,
            "hash": token.hash,
            "narrowed": token.narrowed,
            "label": token.label,
            "actor": actor_records.current_id(tx),
            **times,
        },
    )


def forget(tx: Transaction, id: str) -> bool:
    """Delete a token and those that were made with it; whether there was one."""
    return bool(tx.run(_DELETE, {"id": id}))
