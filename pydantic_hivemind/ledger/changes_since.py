"""Changes of a scope since a watermark, by which everything derived from the ledger is kept up to date."""

from __future__ import annotations

from typing import NamedTuple, cast

from sqlalchemy import and_, func, select

from pydantic_hivemind.ledger import overlay
from pydantic_hivemind.ledger.engine.database import Transaction
from pydantic_hivemind.ledger.engine.statements import Statement, param
from pydantic_hivemind.ledger.overlay import Head
from pydantic_hivemind.ledger.schema import heads, versions


class Changes(NamedTuple):
    """Changed heads of a scope's own layer.

    Attributes:
        heads: Current heads by path; `None` for a path that has none any more.
        watermark: Sequence number up to which the changes are complete.
    """

    heads: dict[str, Head | None]
    watermark: int


_logged = versions.alias("logged")
_SINCE = Statement(
    lambda: (
        select(_logged.c.id, _logged.c.path, *overlay.HEAD)
        .select_from(
            _logged.outerjoin(
                heads, and_(heads.c.scope_id == _logged.c.scope_id, heads.c.path == _logged.c.path)
            ).outerjoin(versions, versions.c.id == heads.c.version)
        )
        .where(_logged.c.scope_id == param("scope_id"), _logged.c.id > param("since"))
        .order_by(_logged.c.id)
    )
)
_NEWEST = Statement(lambda: select(func.max(versions.c.id)).where(versions.c.scope_id == param("scope_id")))


def everything(tx: Transaction, scope_id: int) -> Changes:
    """Return the whole own layer of a scope."""
    own = overlay.own(tx, scope_id)
    newest = cast("int | None", tx.rows(_NEWEST, {"scope_id": scope_id})[0][0])
    return Changes({head.path: head for head in own}, newest or 0)


def since(tx: Transaction, scope_id: int, watermark: int) -> Changes:
    """Return the changes after a watermark. Writes of one scope are numbered in commit order."""
    found: dict[str, Head | None] = {}
    for number, path, *head in tx.rows(_SINCE, {"scope_id": scope_id, "since": watermark}):
        found[path] = Head(*head) if head[0] is not None else None
        watermark = number
    return Changes(found, watermark)
