"""The rows of scopes: making, finding and destroying them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from secrets import randbits
from typing import cast

from sqlalchemy import delete, func, or_, select, update

from pydantic_hivemind.errors import InvalidScope, ScopeExists, ScopeGone, ScopeHasChildren
from pydantic_hivemind.ledger.engine.database import Transaction
from pydantic_hivemind.ledger.engine.statements import Row, Statement, Value, fill, insert_row, param, slots
from pydantic_hivemind.ledger.overlay import Chain, chain_of
from pydantic_hivemind.ledger.schema import scopes, versions
from pydantic_hivemind.limits import MAX_CHAIN_LENGTH, MAX_SCOPE_NAME_CHARS, MAX_TTL

_GONE = "the scope was destroyed, or its ttl has passed; ask the hive for it again"


@dataclass(frozen=True)
class ScopeRow:
    """What a handle keeps of a scope: true until the scope is gone or moved, which every use of its files finds out."""

    id: int
    name: str
    chain: Chain


_COLUMNS = (scopes.c.id, scopes.c.name, scopes.c.ancestors)
_ALIVE = or_(scopes.c.expires_at.is_(None), scopes.c.expires_at > param("now"))

_BY_NAME = Statement(lambda: select(*_COLUMNS).where(scopes.c.name == param("name"), _ALIVE))
_SESSION = Statement(
    lambda: select(*_COLUMNS).where(
        scopes.c.name == param("name"), scopes.c.parent_id == param("parent_id"), scopes.c.session, _ALIVE
    )
)
_MADE_BEFORE = Statement(
    lambda: select(*_COLUMNS).where(scopes.c.name == param("name"), scopes.c.created_at <= param("moment"))
)
_BY_ID: Statement[[int]] = Statement(lambda count: select(*_COLUMNS).where(scopes.c.id.in_(slots("id", count))))
_BESIDE = Statement(
    lambda: select(scopes.c.id, scopes.c.name, scopes.c.expires_at, scopes.c.ancestors).where(
        or_(scopes.c.id == param("parent_id"), scopes.c.name == param("name")), _ALIVE
    )
)
_EXPIRY = Statement(lambda: select(scopes.c.expires_at).where(scopes.c.id == param("id"), _ALIVE))
_INSERT = Statement(lambda: insert_row(scopes, numbered=True, without=("limits", "moves")))
_SET_EXPIRY = Statement(
    lambda: update(scopes).where(scopes.c.id == param("of_id"), _ALIVE).values(expires_at=param("expires_at"))
)
_PAST = Statement(
    # Those that somebody else removes at this moment, or still writes to, are left to them.
    lambda: select(scopes.c.id).where(scopes.c.expires_at <= param("now")).with_for_update(skip_locked=True)
)
_EXPIRED = Statement(lambda: select(scopes.c.id).where(scopes.c.expires_at <= param("now")).limit(1))
_DELETE = Statement(lambda: delete(scopes).where(scopes.c.id == param("id")))
_CHILDREN = Statement(
    lambda: select(*_COLUMNS).where(scopes.c.parent_id == param("id"), _ALIVE).order_by(scopes.c.name)
)


_MOVES = Statement(lambda: select(scopes.c.moves).where(scopes.c.id == param("id")))
_NEWEST = Statement(lambda: select(func.max(versions.c.id)))
_MOVE = Statement(
    lambda: (
        update(scopes)
        .where(scopes.c.id == param("of_id"))
        .values(name=param("name"), parent_id=param("parent_id"), ancestors=param("ancestors"), moves=param("moves"))
    )
)
_SET_ANCESTORS = Statement(
    lambda: update(scopes).where(scopes.c.id == param("of_id")).values(ancestors=param("ancestors"))
)
_INCARNATION = Statement(lambda: select(scopes.c.incarnation).where(scopes.c.id == param("id"), _ALIVE))
_OF_INCARNATION = Statement(
    lambda: select(*_COLUMNS).where(scopes.c.id == param("id"), scopes.c.incarnation == param("incarnation"), _ALIVE)
)
_SESSION_OF = Statement(lambda: select(scopes.c.id, scopes.c.session).where(scopes.c.id == param("id")))
_ALL = Statement(lambda: select(*_COLUMNS).where(_ALIVE).order_by(scopes.c.id))


def check_name(name: str) -> None:
    """Refuse what cannot be a scope's name.

    Raises:
        InvalidScope: No text, empty, too long, NUL or a lone surrogate.
    """
    if not isinstance(name, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InvalidScope(f"the name of a scope must be text, not {type(name).__name__}")
    if not 0 < len(name) <= MAX_SCOPE_NAME_CHARS:
        raise InvalidScope(
            f"the name of a scope must have 1 to {MAX_SCOPE_NAME_CHARS} characters; this one has {len(name)}"
        )
    if "\0" in name:
        raise InvalidScope("the name of a scope cannot contain the NUL character; remove it")
    try:
        name.encode()
    except UnicodeEncodeError:
        raise InvalidScope("the name of a scope must be valid Unicode; this one contains a lone surrogate") from None


def find(tx: Transaction, name: str) -> ScopeRow | None:
    """The live scope of that name."""
    rows = tx.rows(_BY_NAME, {"name": name, "now": tx.now()})
    return _row(rows[0]) if rows else None


def of_id(tx: Transaction, id: int) -> ScopeRow | None:
    """The scope of that id, unless it is gone; it may be past its ttl."""
    rows = tx.rows(_BY_ID, fill("id", (id,)), 1)
    return _row(rows[0]) if rows else None


def chain_of_id(tx: Transaction, id: int) -> Chain:
    """The ids of a scope and its ancestors, nearest first; empty if it is gone."""
    row = of_id(tx, id)
    return () if row is None else row.chain


def find_session(tx: Transaction, parent_id: int, name: str) -> ScopeRow | None:
    """The live session of that name directly under a scope."""
    rows = tx.rows(_SESSION, {"name": name, "parent_id": parent_id, "now": tx.now()})
    return _row(rows[0]) if rows else None


def names(tx: Transaction, chain: Chain) -> tuple[str, ...]:
    """The names of a chain, nearest first."""
    rows = {row.id: row.name for row in map(_row, tx.rows(_BY_ID, fill("id", chain), len(chain)))}
    if len(rows) < len(chain):
        raise ScopeGone("the scope was destroyed; ask the hive for it again")
    return tuple(rows[scope_id] for scope_id in chain)


def make(tx: Transaction, name: str, parent: Chain, *, session: bool, ttl: float | None) -> tuple[ScopeRow, list[int]]:
    """A new scope under a parent's chain, or without a parent if that is empty; and the ids of those it purged.

    Raises:
        ScopeExists: The name is taken.
        ScopeGone: The parent is not there any more.
        InvalidScope: The chain would be too long, or the ttl is none.
    """
    if len(parent) >= MAX_CHAIN_LENGTH:
        raise InvalidScope(
            f"the chain would be too long; it has at most {MAX_CHAIN_LENGTH} scopes, so use a parent nearer to the root"
        )
    purged = purge_expired(tx)
    now = tx.now()
    expires_at = _expiry(now, ttl)
    # One query for both: it is made in as little time as possible.
    beside = tx.rows(_BESIDE, {"parent_id": parent[0] if parent else 0, "name": name, "now": now})
    if parent:
        # A child cannot outlive what it reads through.
        expires_at = _earliest(expires_at, _end_of_parent(beside, parent))
    if any(row[1] == name for row in beside):
        raise ScopeExists(f"scope {name!r} exists already; use another name")
    values: dict[str, Value] = {
        "name": name,
        "parent_id": parent[0] if parent else None,
        "ancestors": ",".join(map(str, parent)),
        "session": session,
        "created_at": now,
        "expires_at": expires_at,
        "incarnation": randbits(60),
    }
    scope_id = cast(int, tx.rows(_INSERT, values)[0][0])
    return ScopeRow(scope_id, name, (scope_id, *parent)), purged


def _end_of_parent(beside: Sequence[Row], parent: Chain) -> float | None:
    """Return when a parent is to end.

    Raises:
        ScopeGone: It is not there any more, or was moved.
    """
    for id, _, end, ancestors in cast("Sequence[tuple[int, str, float | None, str]]", beside):
        if id == parent[0] and chain_of(ancestors) == parent[1:]:
            return end
    raise ScopeGone(_GONE)


def move(tx: Transaction, scope: ScopeRow, name: str, parent: Chain) -> tuple[ScopeRow, list[int]]:
    """Give a scope another name and other ancestors, and those to the scopes under it; and the ids of those it purged.

    Args:
        tx: A write to both trees.
        scope: The scope.
        name: Its name from now on.
        parent: The chain of its parent from now on; empty for a root.

    Raises:
        ScopeExists: The name is taken.
        ScopeGone: The scope or the parent is not there any more.
        InvalidScope: The parent is the scope itself or under it, or a chain would be too long.
    """
    purged = purge_expired(tx)
    now = tx.now()
    before = _expiry_of(tx, scope.id, now)
    if scope.id in parent:
        raise InvalidScope(f"scope {scope.name!r} cannot be moved under itself; use another parent")
    beside = tx.rows(_BESIDE, {"parent_id": parent[0] if parent else 0, "name": name, "now": now})
    end = _end_of_parent(beside, parent) if parent else None
    if any(row[1] == name and row[0] != scope.id for row in beside):
        raise ScopeExists(f"scope {name!r} exists already; use another name")
    under = _rows_under(tx, scope.id)
    deepest = max((len(row.chain) for row in under), default=len(scope.chain)) - len(scope.chain) + 1
    if len(parent) + deepest > MAX_CHAIN_LENGTH:
        raise InvalidScope(
            f"the chain would be too long; it has at most {MAX_CHAIN_LENGTH} scopes, so use a parent nearer to the root"
        )
    ((moves,),) = tx.rows(_MOVES, {"id": scope.id})
    ((newest,),) = tx.rows(_NEWEST, {})
    past = [*json.loads(cast("str | None", moves) or "[]"), [scope.name, list(scope.chain[1:]), newest or 0]]
    tx.run(
        _MOVE,
        {
            "of_id": scope.id,
            "name": name,
            "parent_id": parent[0] if parent else None,
            "ancestors": ",".join(map(str, parent)),
            "moves": json.dumps(past),
        },
    )
    for row in under:
        kept = row.chain[1 : row.chain.index(scope.id) + 1]
        tx.run(_SET_ANCESTORS, {"of_id": row.id, "ancestors": ",".join(map(str, (*kept, *parent)))})
    if _earliest(before, end) != before:
        _set_expiry(tx, scope.id, now, before, _earliest(before, end))
    return ScopeRow(scope.id, name, (scope.id, *parent)), purged


def _rows_under(tx: Transaction, scope_id: int) -> list[ScopeRow]:
    return [row for child in children(tx, scope_id) for row in (child, *_rows_under(tx, child.id))]


def renew(tx: Transaction, scope: ScopeRow, ttl: float | None) -> float | None:
    """Let a scope live `ttl` seconds from now, or for good, but no longer than its parent; when it was to end before.

    Raises:
        ScopeGone: It is not there any more.
        InvalidScope: The ttl is none.
    """
    now = tx.now()
    before = _expiry_of(tx, scope.id, now)
    above = [_expiry_of(tx, scope.chain[1], now)] if len(scope.chain) > 1 else []
    _set_expiry(tx, scope.id, now, before, _earliest(_expiry(now, ttl), *above))
    return before


def _set_expiry(tx: Transaction, scope_id: int, now: float, before: float | None, after: float | None) -> None:
    """Change when a scope ends, and with it those under it that would end with it or would outlive it."""
    tx.run(_SET_EXPIRY, {"of_id": scope_id, "now": now, "expires_at": after})
    for child in children(tx, scope_id):
        ends = _expiry_of(tx, child.id, now)
        if (before is not None and ends == before) or _earliest(ends, after) != ends:
            _set_expiry(tx, child.id, now, ends, after)


def _expiry_of(tx: Transaction, scope_id: int, now: float) -> float | None:
    rows = tx.rows(_EXPIRY, {"id": scope_id, "now": now})
    if not rows:
        raise ScopeGone(_GONE)
    return cast("float | None", rows[0][0])


def _earliest(*ends: float | None) -> float | None:
    return min((end for end in ends if end is not None), default=None)


def children(tx: Transaction, scope_id: int) -> list[ScopeRow]:
    """The live scopes directly under one, by name."""
    return [_row(row) for row in tx.rows(_CHILDREN, {"id": scope_id, "now": tx.now()})]


def destroy(tx: Transaction, scope: ScopeRow, *, cascade: bool) -> list[int]:
    """Delete a scope and everything in it; its id, and those of the scopes under it and past their ttl that went too.

    Raises:
        ScopeHasChildren: Other scopes read through it and `cascade` is false.
        ScopeNotFound: It is gone already.
    """
    purged = purge_expired(tx)
    under = _under(tx, scope.id)
    if under and not cascade:
        raise ScopeHasChildren(f"scope {scope.name!r} has children; destroy them first, or pass cascade=True")
    if not tx.run(_DELETE, {"id": scope.id}):
        raise ScopeGone(f"scope {scope.name!r} was destroyed already; nothing is left to do")
    return [scope.id, *under, *purged]


def _under(tx: Transaction, scope_id: int) -> list[int]:
    """Every live scope that reads through one."""
    return [id for child in children(tx, scope_id) for id in (child.id, *_under(tx, child.id))]


def is_session(tx: Transaction, scope_id: int) -> bool:
    """Whether a scope was made by `spawn`."""
    return any(session for _, session in tx.rows(_SESSION_OF, {"id": scope_id}))


def was_below(tx: Transaction, scope_id: int, name: str, moment: float) -> bool:
    """Whether a scope of that name, which is there still, read through another one at a moment."""
    return any(scope_id in _row(row).chain[1:] for row in tx.rows(_MADE_BEFORE, {"name": name, "moment": moment}))


def incarnation(tx: Transaction, scope_id: int) -> int:
    """Return the random number of a scope that no other of its id or name has.

    Raises:
        ScopeGone: It is not there any more.
    """
    rows = tx.rows(_INCARNATION, {"id": scope_id, "now": tx.now()})
    if not rows:
        raise ScopeGone(_GONE)
    return cast(int, rows[0][0])


def find_incarnation(tx: Transaction, scope_id: int, incarnation: int) -> ScopeRow | None:
    """Return the live scope of that id, unless it is another one that got the id later."""
    rows = tx.rows(_OF_INCARNATION, {"id": scope_id, "incarnation": incarnation, "now": tx.now()})
    return _row(rows[0]) if rows else None


def exists(tx: Transaction, scope_id: int) -> bool:
    """Whether there is a scope of that id still."""
    return bool(tx.rows(_SESSION_OF, {"id": scope_id}))


def all(tx: Transaction) -> list[ScopeRow]:
    """Every live scope, parents before what is under them."""
    return [_row(row) for row in tx.rows(_ALL, {"now": tx.now()})]


def any_expired(tx: Transaction) -> bool:
    """Whether there is something to purge."""
    return bool(tx.rows(_EXPIRED, {"now": tx.now()}))


def purge_expired(tx: Transaction) -> list[int]:
    """Delete every scope past its ttl, and with it those under it, which are past theirs; the ids of all."""
    # Not by a DELETE that returns them: SQLite's leaves out those that went with their parents.
    past = [cast(int, row[0]) for row in tx.rows(_PAST, {"now": tx.now()})]
    for scope_id in past:
        tx.run(_DELETE, {"id": scope_id})
    return past


def _expiry(now: float, ttl: float | None) -> float | None:
    if ttl is None:
        return None
    with suppress(TypeError):  # no number
        if 0 < ttl <= MAX_TTL:
            return now + ttl
    raise InvalidScope(f"a ttl must be a positive number of seconds, at most {MAX_TTL:.0f}; omit it for no limit")


def _row(row: Row) -> ScopeRow:
    scope_id, name, ancestors = cast("tuple[int, str, str]", row)
    return ScopeRow(scope_id, name, (scope_id, *chain_of(ancestors)))
