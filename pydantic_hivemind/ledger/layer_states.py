"""What a scope's own layer was at a moment: the sequence number of its newest change then."""

from __future__ import annotations

from typing import cast

from sqlalchemy import func, select

from pydantic_hivemind.errors import VersionNotFound
from pydantic_hivemind.ledger import history
from pydantic_hivemind.ledger.engine.database import Transaction
from pydantic_hivemind.ledger.engine.statements import Statement, param
from pydantic_hivemind.ledger.history import Past
from pydantic_hivemind.ledger.schema import horizons, versions

_OF_SCOPE = versions.c.scope_id == param("scope_id")
_NEWEST = Statement(lambda: select(func.max(versions.c.id)).where(_OF_SCOPE))
_CHANGED = Statement(lambda: select(versions.c.path).where(_OF_SCOPE, versions.c.id > param("moment")).distinct())
_HORIZON = Statement(
    lambda: select(horizons.c.version).where(horizons.c.scope_id == param("scope_id"), horizons.c.path == param("path"))
)


def newest(tx: Transaction, scope_id: int) -> int:
    """The moment of now; 0 for a scope without changes."""
    return cast("int | None", tx.rows(_NEWEST, {"scope_id": scope_id})[0][0]) or 0


def changed(tx: Transaction, scope_id: int, moment: int) -> list[str]:
    """The paths that were changed after a moment, sorted."""
    return sorted(cast(str, row[0]) for row in tx.rows(_CHANGED, {"scope_id": scope_id, "moment": moment}))


def states(tx: Transaction, scope_id: int, path: str, moment: int) -> tuple[Past, Past | None]:
    """What a path is now, and what it was at a moment, if the scope had anything there.

    Raises:
        VersionNotFound: It was changed so often since that it is not known any more.
    """
    kept = history.states(tx, (scope_id,), path)
    before = next((past for past in kept if past.version <= moment), None)
    pruned = tx.rows(_HORIZON, {"scope_id": scope_id, "path": path})
    if pruned and moment <= cast(int, pruned[0][0]):
        raise VersionNotFound(
            f"{path!r} was changed so often since then that its version of that time is not kept; nothing was changed"
        )
    return kept[0], before
