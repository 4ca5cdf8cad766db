"""`CasFiles`: files of a scope with compare-and-set, idempotent changes, and metadata of versions.

It is for agents' memory, whose tools read a file, change the text and write it: a retry is recognised by its operation,
whatever it would write now.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import cast

from pydantic_hivemind.base.paths import normalize
from pydantic_hivemind.base.values import Mutation
from pydantic_hivemind.base.version_names import Expected
from pydantic_hivemind.hive.handle import database_of, row_of
from pydantic_hivemind.hive.reader import ScopeReader
from pydantic_hivemind.ledger import files, idempotency, overlay, version_metadata
from pydantic_hivemind.ledger.engine.database import Transaction
from pydantic_hivemind.ledger.layer import Cause
from pydantic_hivemind.ledger.schema import Kind
from pydantic_hivemind.ledger.version_metadata import Annotation


@dataclass(frozen=True)
class Operation:
    """Identifies a change, so that it is made once.

    Attributes:
        id: Any text; unique in the scope.
        fingerprint: Any text; the same id with another fingerprint is an error.
    """

    id: str
    fingerprint: str


@dataclass(frozen=True)
class Page:
    """A file as it was read.

    Attributes:
        data: Content in bytes.
        version: Name of the version.
        annotation: Metadata of the version.
    """

    data: bytes
    version: str
    annotation: Annotation


class CasFiles:
    """The files of a scope, read through its chain. It is safe to use from any thread."""

    __slots__ = ("_database", "_row")

    def __init__(self, scope: ScopeReader) -> None:
        self._database, self._row = database_of(scope), row_of(scope)

    def read(self, path: str) -> Page | None:
        """Return a file, or `None` if it does not exist."""
        path = normalize(path)
        with self._database.snapshot(self._row.chain) as tx:
            view, data = overlay.file(tx, self._row.chain, path)
            head = view.find(path)
            if head is None or data is None:
                return None
            return Page(data, tx.version_names.name(head.version), version_metadata.find(tx, head.version))

    def done(self, operation: Operation) -> Mutation | None:
        """Return what an operation did, or `None` if it was not done in this scope or its outcome is no longer kept.

        Raises:
            OperationConflict: Its id was used with another fingerprint.
        """
        with self._database.snapshot(self._row.chain) as tx:
            overlay.check_alive(tx, self._row.chain)
            return self._done(tx, operation)

    def write(
        self,
        path: str,
        data: bytes,
        *,
        expected_version: Expected,
        metadata: str | None = None,
        operation: Operation | None = None,
    ) -> Mutation:
        """Write a file if it is at the expected version; 0 means "no file".

        Raises:
            VersionConflict: It is at another version.
            OperationConflict: The id of the operation was used with another fingerprint.
        """
        path = normalize(path)

        def write(tx: Transaction) -> Mutation:
            view = overlay.entry(tx, self._row.chain, path)
            head = files.put(tx, self._row.chain, view, path, data, Cause("write"), expected_version=expected_version)
            version_metadata.store(tx, head.version, Annotation(operation.id if operation else None, metadata))
            return Mutation(tx.version_names.name(head.version), existed=expected_version not in {0, "0"})

        return self._once(operation, write)

    def remove(self, path: str, *, expected_version: Expected, operation: Operation | None = None) -> Mutation:
        """Remove a file if it is at the expected version; with 0 there must be no file.

        Raises:
            VersionConflict: It is at another version.
            OperationConflict: The id of the operation was used with another fingerprint.
        """
        path = normalize(path)

        def remove(tx: Transaction) -> Mutation:
            head = overlay.entry(tx, self._row.chain, path).find(path)
            files.check_version(tx, head, expected_version, path)
            existed = head is not None and head.kind == Kind.FILE
            if existed:
                files.remove(tx, self._row.chain, path, Cause("delete"))
            return Mutation(None, existed=existed)

        return self._once(operation, remove)

    def _once(self, operation: Operation | None, work: Callable[[Transaction], Mutation]) -> Mutation:
        """Run work in one transaction, or return what its operation did before."""
        with self._database.write(self._row.chain) as tx:
            overlay.check_alive(tx, self._row.chain)
            done = self._done(tx, operation) if operation else None
            if done is not None:
                return done
            outcome = work(tx)
            if operation:
                idempotency.store(tx, self._row.id, *_receipt(operation), outcome)
            return outcome

    def _done(self, tx: Transaction, operation: Operation) -> Mutation | None:
        found = idempotency.find(tx, self._row.id, *_receipt(operation))
        return None if found is None else replace(cast(Mutation, found.outcome), replayed=True)


def _receipt(operation: Operation) -> tuple[str, str]:
    """Return the id and the fingerprint under which its outcome is stored, distinct from those of other changes."""
    return f"notebook {idempotency.fingerprint(operation.id)}", idempotency.fingerprint(operation.fingerprint)
