"""The vectors of chunks, stored so that each chunk is embedded once."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import cast

from sqlalchemy import delete, func, literal, select

from pydantic_hivemind.ledger.engine.database import Transaction
from pydantic_hivemind.ledger.engine.statements import Statement, fill, insert_row, param, slots
from pydantic_hivemind.ledger.overlay import Chain
from pydantic_hivemind.ledger.schema import vectors

HASHES_PER_QUERY = 256
"""Number of vectors fetched in one query: databases limit the parameters of a query, SQLite to 32,766."""

_FIND: Statement[[int, int]] = Statement(
    lambda chain, hashes: select(vectors.c.hash, vectors.c.vector).where(
        vectors.c.scope_id.in_(slots("scope", chain)),
        vectors.c.embedder == param("embedder"),
        vectors.c.hash.in_(slots("hash", hashes)),
    )
)
_OF_SCOPE = Statement(
    lambda: select(vectors.c.hash).where(
        vectors.c.scope_id == param("scope_id"), vectors.c.embedder == param("embedder")
    )
)
_COUNT = Statement(
    lambda: select(func.count()).where(vectors.c.scope_id == param("scope_id"), vectors.c.embedder == param("embedder"))
)
_OTHERS = Statement(lambda: select(literal(1)).where(vectors.c.embedder != param("embedder")).limit(1))
_KEY = (
    vectors.c.scope_id == param("scope_id"),
    vectors.c.embedder == param("embedder"),
    vectors.c.hash == param("hash"),
)
_EXISTS = Statement(lambda: select(literal(1)).where(*_KEY))
_INSERT = Statement(lambda: insert_row(vectors, without=("terms",)))
_DELETE = Statement(lambda: delete(vectors).where(*_KEY))
_DELETE_OTHERS = Statement(
    lambda: delete(vectors).where(vectors.c.scope_id == param("scope_id"), vectors.c.embedder != param("embedder"))
)


def find(tx: Transaction, chain: Chain, embedder: str, hashes: Collection[bytes]) -> dict[bytes, bytes]:
    """Return the stored vectors of some hashes in any scope of a chain."""
    found: dict[bytes, bytes] = {}
    wanted = list(hashes)
    for start in range(0, len(wanted), HASHES_PER_QUERY):
        batch = wanted[start : start + HASHES_PER_QUERY]
        # Of few sizes, so that few statements are compiled.
        size = next(size for size in (1, 16, HASHES_PER_QUERY) if size >= len(batch))
        values = fill("scope", chain) | fill("hash", batch + batch[-1:] * (size - len(batch)))
        found.update(tx.rows(_FIND, values | {"embedder": embedder}, len(chain), size))
    return found


def hashes(tx: Transaction, scope_id: int, embedder: str) -> set[bytes]:
    """Return the hashes for which a scope has vectors."""
    return {row[0] for row in tx.rows(_OF_SCOPE, {"scope_id": scope_id, "embedder": embedder})}


def count(tx: Transaction, scope_id: int, embedder: str) -> int:
    """Return the number of vectors of a scope."""
    return cast(int, tx.rows(_COUNT, {"scope_id": scope_id, "embedder": embedder})[0][0])


def has_others(tx: Transaction, embedder: str) -> bool:
    """Return whether any scope has vectors of other embedders."""
    return bool(tx.rows(_OTHERS, {"embedder": embedder}))


def store(tx: Transaction, scope_id: int, embedder: str, items: Mapping[bytes, bytes]) -> None:
    """Store vectors by hash; existing ones are kept."""
    for hash, vector in items.items():
        key = {"scope_id": scope_id, "embedder": embedder, "hash": hash}
        if not tx.rows(_EXISTS, key):
            tx.run(_INSERT, key | {"vector": vector})


def forget(tx: Transaction, scope_id: int, embedder: str, hashes: Collection[bytes]) -> None:
    """Delete the vectors of some hashes."""
    for hash in hashes:
        tx.run(_DELETE, {"scope_id": scope_id, "embedder": embedder, "hash": hash})


def forget_others(tx: Transaction, scope_id: int, embedder: str) -> None:
    """Delete a scope's vectors of other embedders."""
    tx.run(_DELETE_OTHERS, {"scope_id": scope_id, "embedder": embedder})
