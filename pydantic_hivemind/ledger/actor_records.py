"""The rows of `actors`: each combination of token, user, agent and run once, which other rows point to."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any, cast

from sqlalchemy import Insert, select
from sqlalchemy.ext.compiler import compiles

from pydantic_hivemind.base.acting import current_actor
from pydantic_hivemind.base.values import Actor
from pydantic_hivemind.ledger.engine.database import Transaction
from pydantic_hivemind.ledger.engine.statements import Statement, fill, param, slots
from pydantic_hivemind.ledger.schema import actors

_COLUMNS = (actors.c.token_id, actors.c.user_id, actors.c.agent, actors.c.run_id)
_NAMES = ("token_id", "user_id", "agent", "run_id")

KNOWN_ACTORS = 4096
"""Most ids of actors that a process remembers: as many runs may be under way."""

BATCH = 500
"""Rows that are asked for at a time."""


class _InsertOrNothing(Insert):
    """An INSERT that does nothing where the row is there: another transaction may be adding the same one."""

    inherit_cache = False


@compiles(_InsertOrNothing)
def _as_text(statement: _InsertOrNothing, compiler: Any, **options: Any) -> str:
    # SQLAlchemy has this for each database by itself, though both call it the same.
    return f"{compiler.visit_insert(statement, **options)} ON CONFLICT DO NOTHING"


def _insert() -> Any:
    return _InsertOrNothing(actors).values({name: param(name) for name in ("hash", *_NAMES)}).inline()


_FIND = Statement(lambda: select(actors.c.id).where(actors.c.hash == param("hash")))
_INSERT = Statement(_insert)
_NAMED: Statement[[int]] = Statement(
    lambda count: select(actors.c.id, *_COLUMNS).where(actors.c.id.in_(slots("id", count)))
)


def current_id(tx: Transaction) -> int | None:
    """Return the id of who acts in this context, stored if needed; `None` if nobody said so."""
    actor = current_actor()
    return None if actor is None else id_of(tx, actor)


def id_of(tx: Transaction, actor: Actor) -> int:
    """Return the id of an actor, stored if needed."""
    known = tx.known_actors.get(actor) or tx.added_actors.get(actor)
    if known is not None:
        return known
    parts = (actor.token, actor.user, actor.agent, actor.run)
    mark = hashlib.blake2b(repr(parts).encode(errors="surrogatepass"), digest_size=16).digest()
    rows = tx.rows(_FIND, {"hash": mark})
    if rows:
        # Committed: what this transaction added is in the other dict.
        if len(tx.known_actors) >= KNOWN_ACTORS:
            tx.known_actors.clear()
        found = tx.known_actors[actor] = cast(int, rows[0][0])
        return found
    tx.run(_INSERT, {"hash": mark, **dict(zip(_NAMES, parts, strict=True))})
    added = tx.added_actors[actor] = cast(int, tx.rows(_FIND, {"hash": mark})[0][0])
    return added


def named(tx: Transaction, ids: Iterable[int | None]) -> dict[int, Actor]:
    """Return the actors of some ids."""
    wanted = sorted({id for id in ids if id is not None})
    found: dict[int, Actor] = {}
    for start in range(0, len(wanted), BATCH):
        batch = wanted[start : start + BATCH]
        found.update((cast(int, row[0]), Actor(*row[1:])) for row in tx.rows(_NAMED, fill("id", batch), len(batch)))
    return found
