"""`ScopeRecords`: small things that features keep in a scope beside its files, such as plans, spending and media."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from typing import TypeVar

from pydantic_hivemind.hive.handle import database_of, row_of
from pydantic_hivemind.hive.reader import ScopeReader
from pydantic_hivemind.ledger import overlay, record_rows
from pydantic_hivemind.ledger.engine.database import Transaction
from pydantic_hivemind.ledger.record_rows import RecordRow

Result = TypeVar("Result")


def record_key(*parts: str) -> str:
    """Return a key or owner for any texts, such as ids that models and clients choose: other texts, another key."""
    digest = blake2b(digest_size=20)
    for part in parts:
        encoded = part.encode(errors="surrogatepass")
        digest.update(len(encoded).to_bytes(8, "big"))
        digest.update(encoded)
    return digest.hexdigest()


class RecordsInTransaction:
    """The records of one kind, in one transaction."""

    def __init__(self, tx: Transaction, scope_id: int, kind: str) -> None:
        self._tx = tx
        self._place = scope_id, kind
        self._now = tx.now()

    def get(self, key: str, *, expired: bool = False) -> bytes | None:
        """Return the content of a record, or `None`.

        Args:
            key: Unique in the scope and kind.
            expired: Whether to return one that counts as missing, too.
        """
        found = record_rows.find(self._tx, *self._place, [key], 0.0 if expired else self._now).get(key)
        return None if found is None else found.data

    def items(self, owner: str | None = None) -> list[tuple[str, bytes]]:
        """Return keys and contents of all records, or of an owner's, in the order in which they were put first."""
        return [(row.key, row.data) for row in record_rows.listing(self._tx, *self._place, owner, self._now)]

    def put(self, key: str, data: bytes, *, owner: str | None = None, ttl: float | None = None) -> None:
        """Store a record. One of the same key is replaced and keeps its position.

        Args:
            key: Unique in the scope and kind.
            data: Content.
            owner: What else it is found by.
            ttl: Seconds after which it counts as missing.
        """
        before = record_rows.find(self._tx, *self._place, [key], self._now).get(key)
        if before is None or before.position is None:
            position = record_rows.next_position(self._tx, *self._place, owner)
        else:
            position = before.position
        expires_at = None if ttl is None else self._now + ttl
        record_rows.put(self._tx, *self._place, RecordRow(key, position, owner, self._now, expires_at, data))

    def append(self, owner: str, data: bytes) -> None:
        """Store a record of an owner, behind all others of it, under a key of its own."""
        position = record_rows.next_position(self._tx, *self._place, owner)
        key = record_key(owner, "position", str(position))
        record_rows.put(self._tx, *self._place, RecordRow(key, position, owner, self._now, None, data))

    def remove(self, key: str) -> bool:
        """Delete a record, and return whether it existed."""
        existed = self.get(key) is not None
        record_rows.remove(self._tx, *self._place, key)
        return existed

    def remove_of_owner(self, owner: str) -> None:
        """Delete the records of an owner."""
        record_rows.remove_of_owner(self._tx, *self._place, owner)

    def remove_expired(self) -> None:
        """Delete the records that have expired."""
        record_rows.remove_expired(self._tx, *self._place, self._now)


class ScopeRecords:
    """The records of one kind in a scope, without those of its ancestors. It is safe to use from any thread.

    Args:
        scope: The scope.
        kind: What the records are of.
    """

    def __init__(self, scope: ScopeReader, kind: str) -> None:
        self._database, self._row = database_of(scope), row_of(scope)
        self._kind = kind

    def read(self, work: Callable[[RecordsInTransaction], Result]) -> Result:
        """Do some work that reads, on one state of the store.

        Raises:
            ScopeGone: The scope was destroyed, or its ttl has passed.
        """
        with self._database.snapshot(self._row.chain) as tx:
            overlay.check_alive(tx, self._row.chain)
            return work(RecordsInTransaction(tx, self._row.id, self._kind))

    def change(self, work: Callable[[RecordsInTransaction], Result]) -> Result:
        """Do some work that changes records, in one transaction: all of it is stored, or nothing.

        Raises:
            ScopeGone: The scope was destroyed, or its ttl has passed.
        """
        with self._database.write(self._row.chain) as tx:
            overlay.check_alive(tx, self._row.chain)
            return work(RecordsInTransaction(tx, self._row.id, self._kind))
