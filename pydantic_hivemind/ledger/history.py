"""Past versions of files, read through a chain, and the states of a scope's own layer that they are part of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, cast

from sqlalchemy import Column, Select, or_, select
from typing_extensions import Unpack

from pydantic_hivemind.base.version_names import Expected
from pydantic_hivemind.ledger.engine.database import Transaction
from pydantic_hivemind.ledger.engine.statements import Row, Statement, fill, param, slots
from pydantic_hivemind.ledger.overlay import Chain
from pydantic_hivemind.ledger.schema import Kind, versions

LARGEST_VERSION = 2**63 - 1
"""What the database can count to."""


class Past(NamedTuple):
    """A row of `versions` without its bytes."""

    version: int
    scope_id: int
    path: str
    kind: Kind | None
    opaque: bool
    action: str
    origin: int | None
    size: int
    tags: str
    source: str | None
    promotion: str | None
    promoted: int | None
    created_at: float
    actor: int | None = None
    written_at: float | None = None

    @property
    def blocks(self) -> bool:
        """Whether the scope hid what lower scopes had under the path."""
        return self.opaque or self.kind in (Kind.FILE, Kind.WHITEOUT)


_COLUMNS = tuple(versions.c[name] for name in ("id", *Past._fields[1:-2]))

# What lies behind a file's bytes, which SQLite reads through: for lists of what was done only.
_SHOWN = (*_COLUMNS, versions.c.actor, versions.c.written_at)

# What was done to files; directories, and what a scope let go of again, are states only.
_LISTED = or_(versions.c.kind == Kind.FILE.value, versions.c.action == "delete")


def _of_chain(chain: int, *columns: Column[Any]) -> Select[Unpack[tuple[Any, ...]]]:
    return select(*columns).where(versions.c.scope_id.in_(slots("scope", chain)))


_STATES: Statement[[int]] = Statement(
    lambda chain: _of_chain(chain, *_COLUMNS).where(versions.c.path == param("path")).order_by(versions.c.id.desc())
)
_LIST: Statement[[int]] = Statement(
    lambda chain: (
        _of_chain(chain, *_SHOWN).where(versions.c.path == param("path"), _LISTED).order_by(versions.c.id.desc())
    )
)
_RECENT: Statement[[int]] = Statement(
    lambda chain: _of_chain(chain, *_SHOWN).where(_LISTED).order_by(versions.c.id.desc()).limit(param("limit"))
)
_ONE: Statement[[int]] = Statement(
    lambda chain: _of_chain(chain, *_COLUMNS, versions.c.data).where(versions.c.id == param("id"), _LISTED)
)
_PROMOTED: Statement[[int]] = Statement(
    lambda chain: _of_chain(chain, *_COLUMNS).where(versions.c.promotion == param("promotion")).order_by(versions.c.id)
)


def of_path(tx: Transaction, chain: Chain, path: str) -> list[Past]:
    """Every kept version of a file in a chain, newest first."""
    return _read(tx.rows(_LIST, fill("scope", chain) | {"path": path}, len(chain)))


def recent(tx: Transaction, chain: Chain, limit: int) -> list[Past]:
    """The newest versions of any files in a chain, newest first."""
    most = min(limit, LARGEST_VERSION)  # There are no more.
    return _read(tx.rows(_RECENT, fill("scope", chain) | {"limit": most}, len(chain)))


def states(tx: Transaction, chain: Chain, path: str) -> list[Past]:
    """Every kept state of a path in the layers of a chain, newest first."""
    return _read(tx.rows(_STATES, fill("scope", chain) | {"path": path}, len(chain)))


def one(tx: Transaction, chain: Chain, version: int) -> tuple[Past, bytes | None] | None:
    """A version of a chain and its bytes, which a deletion has none of."""
    if not 0 < version <= LARGEST_VERSION:
        return None
    rows = tx.rows(_ONE, fill("scope", chain) | {"id": version}, len(chain))
    if not rows:
        return None
    return Past(*rows[0][:-1]), cast("bytes | None", rows[0][-1])


def named(tx: Transaction, chain: Chain, path: str, version: Expected) -> tuple[Past, bytes | None] | None:
    """A version of a file and its bytes, by what callers know of it."""
    names = tx.version_names
    for past in of_path(tx, chain, path):
        if names.are_same(version, past.version):
            return one(tx, chain, past.version)
    return None


def origins(tx: Transaction, chain: Chain, path: str, version: int | None) -> list[int]:
    """Return what a version of a file began with, and what that began with, as far as it is still kept."""
    found: list[int] = []
    while version is not None:
        past = one(tx, chain, version)
        version = None if past is None else past[0].origin
        if version is not None:
            began = one(tx, chain, version)
            if began is None or began[0].path != path or version in found:
                break
            found.append(version)
    return found


def of_promotion(tx: Transaction, scope_id: int, promotion: str) -> list[Past]:
    """The states that a promotion made in a scope, oldest first; none if not all are still kept."""
    made = _read(tx.rows(_PROMOTED, fill("scope", (scope_id,)) | {"promotion": promotion}, 1))
    return made if made and len(made) == made[0].promoted else []


def _read(rows: Sequence[Row]) -> list[Past]:
    return [Past(*row) for row in rows]
