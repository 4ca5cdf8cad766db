"""Past versions of files, read through a chain."""

from __future__ import annotations

from typing import Any, NamedTuple, cast

from sqlalchemy import Column, Select, select
from typing_extensions import Unpack

from pydantic_hivemind.ledger.database import Transaction
from pydantic_hivemind.ledger.schema import versions
from pydantic_hivemind.ledger.statements import Statement, fill, param, slots
from pydantic_hivemind.ledger.tree import Chain


class Past(NamedTuple):
    """A row of `versions` without its bytes."""

    version: int
    scope_id: int
    path: str
    action: str
    origin: int | None
    size: int
    tags: str
    source: str | None
    promotion: str | None
    created_at: float


_COLUMNS = (
    versions.c.id,
    versions.c.scope_id,
    versions.c.path,
    versions.c.action,
    versions.c.origin,
    versions.c.size,
    versions.c.tags,
    versions.c.source,
    versions.c.promotion,
    versions.c.created_at,
)


def _of_chain(chain: int, *columns: Column[Any]) -> Select[Unpack[tuple[Any, ...]]]:
    return select(*columns).where(versions.c.scope_id.in_(slots("scope", chain)))


_LIST: Statement[[int]] = Statement(
    lambda chain: _of_chain(chain, *_COLUMNS).where(versions.c.path == param("path")).order_by(versions.c.id.desc())
)
_ONE: Statement[[int]] = Statement(
    lambda chain: _of_chain(chain, *_COLUMNS, versions.c.data).where(versions.c.id == param("id"))
)
_PROMOTED: Statement[[int]] = Statement(
    lambda chain: _of_chain(chain, *_COLUMNS).where(versions.c.promotion == param("promotion")).order_by(versions.c.id)
)


def of_path(tx: Transaction, chain: Chain, path: str) -> list[Past]:
    """Every kept version of a path in a chain, newest first."""
    return [Past(*row) for row in tx.rows(_LIST, fill("scope", chain) | {"path": path}, len(chain))]


def one(tx: Transaction, chain: Chain, version: int) -> tuple[Past, bytes | None] | None:
    """A version of a chain and its bytes, which a deletion has none of."""
    rows = tx.rows(_ONE, fill("scope", chain) | {"id": version}, len(chain))
    if not rows:
        return None
    return Past(*rows[0][:-1]), cast("bytes | None", rows[0][-1])


def of_promotion(tx: Transaction, scope_id: int, promotion: str) -> list[Past]:
    """The versions that a promotion made in a scope, oldest first."""
    rows = tx.rows(_PROMOTED, fill("scope", (scope_id,)) | {"promotion": promotion}, 1)
    return [Past(*row) for row in rows]
