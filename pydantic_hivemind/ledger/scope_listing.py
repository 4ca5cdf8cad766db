"""Lists of scopes, made in SQL a page at a time.

What a page costs does not depend on scopes that are not under the one that is asked about.
"""

from __future__ import annotations

import sys
from typing import Any, cast

from sqlalchemy import ColumnElement, Select, exists, func, or_, select
from typing_extensions import Unpack

from pydantic_hivemind.base.values import ScopeInfo
from pydantic_hivemind.ledger.engine.database import Transaction
from pydantic_hivemind.ledger.engine.statements import Row, Statement, Value, param
from pydantic_hivemind.ledger.schema import scopes

_ALIVE = or_(scopes.c.expires_at.is_(None), scopes.c.expires_at > param("now"))


def descendants() -> Select[tuple[int]]:
    """Return a query for the ids of the scopes under `:ancestor`, at any depth, found through their parents."""
    inside = select(scopes.c.id).where(scopes.c.parent_id == param("ancestor")).cte("inside", recursive=True)
    deeper = scopes.alias("deeper")
    inside = inside.union_all(select(deeper.c.id).join(inside, deeper.c.parent_id == inside.c.id))
    return select(inside.c.id)


def _infos(*where: ColumnElement[bool]) -> Select[Unpack[tuple[Any, ...]]]:
    parents = scopes.alias("parents")
    return (
        select(scopes.c.name, parents.c.name, scopes.c.session, scopes.c.created_at, scopes.c.expires_at)
        .select_from(scopes.outerjoin(parents, parents.c.id == scopes.c.parent_id))
        .where(_ALIVE, *where)
    )


def _page(under: bool, bounded: bool, limited: bool) -> Select[Unpack[tuple[Any, ...]]]:  # noqa: FBT001 - a shape
    where = [scopes.c.name > param("after"), scopes.c.name >= param("low")]
    if bounded:
        where.append(scopes.c.name < param("high"))
    if under:
        where.append(scopes.c.id.in_(descendants()))
    page = _infos(*where).order_by(scopes.c.name)
    return page.limit(param("limit")) if limited else page


def _level(below: bool, limited: bool) -> Select[Unpack[tuple[Any, ...]]]:  # noqa: FBT001 - a shape
    lower = scopes.alias("lower")
    is_alive = or_(lower.c.expires_at.is_(None), lower.c.expires_at > param("now"))
    has_children = exists().where(lower.c.parent_id == scopes.c.id, is_alive)
    at = scopes.c.parent_id == param("parent") if below else scopes.c.parent_id.is_(None)
    page = _infos(at, scopes.c.name > param("after")).add_columns(has_children).order_by(scopes.c.name)
    return page.limit(param("limit")) if limited else page


def _named(under: bool) -> Select[Unpack[tuple[Any, ...]]]:  # noqa: FBT001 - a shape
    where = [func.lower(scopes.c.name).like(param("like"), escape="\\"), scopes.c.name > param("after")]
    if under:
        where.append(scopes.c.id.in_(descendants()))
    return _infos(*where).order_by(scopes.c.name).limit(param("limit"))


_ONE = Statement(lambda: _infos(scopes.c.id == param("id")))
_LEVEL: Statement[[bool, bool]] = Statement(_level)
_NAMED: Statement[[bool]] = Statement(_named)
_PAGE: Statement[[bool, bool, bool]] = Statement(_page)


def info(tx: Transaction, scope_id: int) -> ScopeInfo | None:
    """Return what is known of a live scope; `None` once it is gone."""
    rows = tx.rows(_ONE, {"id": scope_id, "now": tx.now()})
    return _info(rows[0]) if rows else None


def page(
    tx: Transaction, *, under: int | None = None, prefix: str = "", after: str = "", limit: int | None = None
) -> list[ScopeInfo]:
    """Return live scopes, sorted by name.

    Args:
        tx: A transaction.
        under: The id of the scope that they read through to, at any depth.
        prefix: What their names begin with.
        after: The name after which the page begins.
        limit: Most of them.
    """
    high = _after_all(prefix)
    values: dict[str, Value] = {"now": tx.now(), "after": after, "low": prefix}
    values |= {} if high is None else {"high": high}
    values |= {} if under is None else {"ancestor": under}
    values |= {} if limit is None else {"limit": limit}
    return [_info(row) for row in tx.rows(_PAGE, values, under is not None, high is not None, limit is not None)]


def level(
    tx: Transaction, parent: int | None, *, after: str = "", limit: int | None = None
) -> list[tuple[ScopeInfo, bool]]:
    """Return the live scopes directly under one, sorted by name, and whether each has any under it.

    Args:
        tx: A transaction.
        parent: The id of the scope; `None` for the roots.
        after: The name after which the page begins.
        limit: Most of them.
    """
    values: dict[str, Value] = {"now": tx.now(), "after": after}
    values |= {} if parent is None else {"parent": parent}
    values |= {} if limit is None else {"limit": limit}
    return [(_info(row[:-1]), bool(row[-1])) for row in tx.rows(_LEVEL, values, parent is not None, limit is not None)]


def named(tx: Transaction, text: str, *, under: int | None = None, after: str = "", limit: int) -> list[ScopeInfo]:
    """Return the live scopes whose name contains a text, in whichever case of ASCII letters, sorted by name.

    Args:
        tx: A transaction.
        text: The text.
        under: The id of the scope that they read through to, at any depth.
        after: The name after which the page begins.
        limit: Most of them.
    """
    pattern = "".join(f"\\{character}" if character in "%_\\" else character for character in text.lower())
    values: dict[str, Value] = {"now": tx.now(), "after": after, "like": f"%{pattern}%", "limit": limit}
    values |= {} if under is None else {"ancestor": under}
    return [_info(row) for row in tx.rows(_NAMED, values, under is not None)]


def _after_all(prefix: str) -> str | None:
    """Return the least text that comes after every one with a prefix; `None` if there is no such text."""
    stem = prefix.rstrip(chr(sys.maxunicode))
    if not stem:
        return None
    following = chr(ord(stem[-1]) + 1)
    # No text that is stored has a surrogate.
    return stem[:-1] + ("\ue000" if following == "\ud800" else following)


def _info(row: Row) -> ScopeInfo:
    name, parent, session, created_at, expires_at = cast("tuple[str, str | None, bool, float, float | None]", row)
    return ScopeInfo(name, parent, bool(session), created_at, expires_at)
