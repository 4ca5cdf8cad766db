"""`Hivemind`: a store, and access to its scopes."""

# pyright: reportPrivateUsage=false

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from types import NoneType, TracebackType
from typing import TYPE_CHECKING

from pydantic_hivemind.base.mounts import Mount, MountTable
from pydantic_hivemind.base.paths import is_url
from pydantic_hivemind.base.pickled import Pickled
from pydantic_hivemind.base.values import Finding, ScopeInfo
from pydantic_hivemind.errors import InvalidOption, InvalidScope, ScopeNotFound
from pydantic_hivemind.hive import open_hives, store_mounts
from pydantic_hivemind.hive.findings import findings
from pydantic_hivemind.hive.handle import ScopeHandle, database_of, row_of
from pydantic_hivemind.hive.scope import Scope
from pydantic_hivemind.ledger import scope_listing, scopes
from pydantic_hivemind.ledger.engine.database import Database, Transaction
from pydantic_hivemind.ledger.engine.sqlite import Durability, SqliteDriver
from pydantic_hivemind.ledger.scopes import ScopeRow
from pydantic_hivemind.search.service import SearchService, check_embedder

if TYPE_CHECKING:
    from pydantic_hivemind.search.vectors.embedding import EmbeddingFunction

COLLECTIONS = "collections"
"""Name of the directory in a store that holds Chroma's directories, one for each scope that has one."""


class Hivemind(Pickled):
    """A store of scopes. Open it once per process and share it: it is safe to use from any thread.

    Every operation raises `StoreClosed` once the hive is closed, and `StoreBusy` or `StoreUnreachable` if the database
    does not answer in time. Every change can also raise `StoreFull` or `StoreReadOnly`.
    """

    def __init__(
        self, database: Database, mounts: MountTable, search: SearchService, directory: Path | None = None
    ) -> None:
        self._database = database
        self._mounts = mounts
        self._search_service = search
        self._directory = directory
        open_hives.add(self)

    @classmethod
    def open(
        cls,
        directory: str | Path,
        *,
        durability: Durability = "full",
        mounts: Sequence[Mount] | None = None,
        embedder: EmbeddingFunction | None = None,
    ) -> Hivemind:
        """Open the store in a directory, creating it if needed. Several processes may have it open.

        Args:
            directory: Directory of the store; `~` is the user's home directory.
            durability: `full`: acknowledged writes survive a power failure. `normal`: they survive the end of the
                process, and writes are about ten times as fast.
            mounts: Which paths belong to which collection, and which files are indexed. They are added to
                `DEFAULT_MOUNTS`; one of the same prefix replaces the default. The store records them, and has them
                when it is opened without this argument; an empty list removes them.
            embedder: Function that turns a list of texts into vectors, such as an embedding function of Chroma. The
                default works offline and takes 0.05 ms a passage.

        Raises:
            InvalidOption: The embedder cannot be called, the durability is unknown, or the directory is a URL.
            InvalidPath: The prefix of a mount is not a valid path.
            StoreReadOnly: The process lacks the permission to create or write the directory.
            StoreUnsafe: Every user of the machine can write the directory.
            StoreClosed: The hive is closed.
            StoreFull: The disk is full.
            StoreBusy: Another process held the store for too long.
            NotALedger: The directory contains something else, or the ledger is damaged.
            LedgerTooNew: The ledger was written by a later version of this package.
        """
        check_embedder(embedder)
        if is_url(directory):
            raise InvalidOption(
                "`Hivemind.open` needs a directory, not a URL; open a database with `Hivemind.connect(url)`"
            )
        # Absolute: the process may change its directory while the store is open. `Path.expanduser` fails where there
        # is no such user, and then `~` is a character.
        place = Path(os.path.expanduser(directory)).absolute()  # noqa: PTH111
        declared = store_mounts.checked(mounts)
        database = Database(SqliteDriver(place, durability))
        table = store_mounts.of_store(database, declared)
        return cls(database, table, SearchService(database, table, place / COLLECTIONS, embedder), place)

    @classmethod
    def connect(
        cls,
        url: str,
        *,
        mounts: Sequence[Mount] | None = None,
        embedder: EmbeddingFunction | None = None,
        row_security: bool = True,
    ) -> Hivemind:
        """Open the store in a PostgreSQL database, creating it if needed. Several hosts may have it open.

        The store uses a schema of its own, `hivemind`, so the database may hold other tables. Each process keeps the
        vectors that it searches, and Chroma's collections, in memory.

        Args:
            url: `postgresql://user:password@host/database`; libpq supplies what is omitted.
            mounts: As for `open`.
            embedder: As for `open`.
            row_security: Whether the server hides rows of other scopes from each read.

        Raises:
            InvalidOption: The URL is not a PostgreSQL URL, psycopg is not installed, or the embedder cannot be called.
            InvalidPath: The prefix of a mount is not a valid path.
            StoreUnreachable: The server does not answer, or rejects the login.
            StoreReadOnly: The database user lacks the permission to create the schema.
            StoreFull: The server's disk is full.
            StoreBusy: Another process held the store for too long.
            NotALedger: The schema contains something else, or the ledger is damaged.
            LedgerTooNew: The ledger was written by a later version of this package.
        """
        from pydantic_hivemind.ledger.engine.postgresql import PostgresDriver

        check_embedder(embedder)
        declared = store_mounts.checked(mounts)
        database = Database(PostgresDriver(url, row_security=row_security))
        table = store_mounts.of_store(database, declared)
        return cls(database, table, SearchService(database, table, None, embedder))

    @staticmethod
    def register(opener: Callable[[], Hivemind]) -> None:
        """Tell this process how to open a store that an unpickled scope needs and that is not open.

        Without it, an embedded store is opened from its directory.

        Args:
            opener: Returns a hive; called when a scope is unpickled whose store is not open. Pass one for each store.
        """
        open_hives.register(opener)

    def __enter__(self) -> Hivemind:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the store after the write in progress. Its scopes raise `StoreClosed` from then on."""
        self._search_service.close()
        self._database.close()

    def scope(self, name: str, parent: ScopeHandle | str | None = None, *, create: bool = True) -> Scope:
        """Return the scope of that name, creating it if needed.

        Args:
            name: Name of the scope: any text of 1 to 512 characters, compared exactly.
            parent: The scope that it reads through to, or its name. For an existing scope, omit it or pass its parent.
            create: Whether to create the scope if it does not exist.

        Raises:
            ScopeNotFound: The scope does not exist and `create` is false, or the parent does not exist.
            ScopeGone: The parent was destroyed.
            ScopeExists: Another process created a scope of that name at the same time.
            InvalidScope: The name or parent is not valid, the scope has another parent, or the chain would be too long.
        """
        scopes.check_name(name)
        above = self.scope(parent, create=False) if isinstance(parent, str) else parent
        self._check_is_mine(above, name)
        with self._database.snapshot() as tx:
            row = scopes.find(tx, name)
            found = None if row is None else self._handle(tx, row)
        if found is None and create:
            chain = row_of(above).chain if above is not None else ()
            with self._database.write(chain) as tx:
                row, purged = scopes.find(tx, name), []
                if row is None:
                    row, purged = scopes.make(tx, name, chain, session=False, ttl=None)
                found = self._handle(tx, row)
            self._search_service.forget(purged)
        if found is None:
            raise ScopeNotFound(f"scope {name!r} does not exist; create it with hive.scope(name)")
        if above is not None and found.parent != above:
            raise InvalidScope(
                f"scope {name!r} has another parent; omit `parent`, or move the scope with scope.move(parent=...)"
            )
        return found

    def get(self, name: str) -> Scope:
        """Return the existing scope of that name.

        Raises:
            ScopeNotFound: No such scope exists.
            InvalidScope: The name is not valid.
        """
        return self.scope(name, create=False)

    def create(self, name: str, parent: ScopeHandle | str | None = None, *, ttl: float | None = None) -> Scope:
        """Create a scope. Unlike `scope`, this fails if the name is in use.

        Args:
            name: Name of the scope: any text of 1 to 512 characters.
            parent: The scope that it reads through to, or its name.
            ttl: Seconds after which the scope is removed; with a ttl it is a session.

        Raises:
            ScopeExists: A scope of that name exists already.
            ScopeNotFound: The parent does not exist.
            ScopeGone: The parent was destroyed.
            InvalidScope: The name, parent or ttl is not valid, or the chain would be too long.
        """
        scopes.check_name(name)
        above = self.scope(parent, create=False) if isinstance(parent, str) else parent
        self._check_is_mine(above, name)
        chain = row_of(above).chain if above is not None else ()
        with self._database.write(chain) as tx:
            row, purged = scopes.make(tx, name, chain, session=ttl is not None, ttl=ttl)
            made = self._handle(tx, row)
        self._search_service.forget(purged)
        return made

    def scopes(
        self,
        *,
        under: Scope | str | None = None,
        prefix: str = "",
        after: str = "",
        limit: int | None = None,
    ) -> list[ScopeInfo]:
        """Return every scope, or a page of some, sorted by name. Scopes past their ttl are removed first.

        Args:
            under: Only scopes that read through to this one, at any depth.
            prefix: Only scopes whose name begins with it.
            after: The last name of the page before.
            limit: Most scopes to return.

        Raises:
            ScopeNotFound: There is no scope `under`.
            InvalidScope: `under` is a scope of another hive.
            InvalidOption: `limit` is less than 1.
        """
        if limit is not None and limit < 1:
            raise InvalidOption(f"limit={limit!r} would be an empty page; pass 1 or more, or leave it out")
        above = self.scope(under, create=False) if isinstance(under, str) else under
        if above is not None and database_of(above) != self._database:
            raise InvalidScope(f"{above.name!r} is a scope of another hive; pass one of this hive, or its name")
        self._remove_expired()
        with self._database.read() as tx:
            ancestor = None if above is None else row_of(above).id
            return scope_listing.page(tx, under=ancestor, prefix=prefix, after=after, limit=limit)

    def gc(self, *, compact: bool = True) -> int:
        """Remove what has ended, as `hivemind gc` does: expired scopes, and orphaned or damaged collections.

        Without it, expired scopes are removed when the next scope is made.

        Args:
            compact: Whether to rewrite the ledger without deleted data as well. Writes wait meanwhile, and the disk
                needs free space of the ledger's size.

        Returns:
            The number of scopes that had expired.

        Raises:
            StoreClosed: The hive is closed.
            StoreFull: The disk has too little free space.
        """
        expired = self._remove_expired()
        self._search_service.sweep()
        if compact:
            self._database.compact()
        return expired

    def doctor(self, *, fix: bool = False) -> list[Finding]:
        """Return the problems of the store, as `hivemind doctor` does. This reads the whole ledger.

        Args:
            fix: Whether to repair first what can be repaired without losing anything: what is `mendable` in findings.

        Raises:
            StoreClosed: The hive is closed.
            StoreFull: The disk is full.
        """
        found = self._findings()
        if fix and any(finding.mendable for finding in found):
            self.gc(compact=False)
            found = self._findings()
        return found

    def size(self) -> int:
        """Return the disk space that the store takes, in bytes.

        Raises:
            StoreClosed: The hive is closed.
        """
        return self._database.size() + self._search_service.size()

    def reindex(self, progress: Callable[[int, int], object] | None = None, *, drop_others: bool = True) -> None:
        """Embed every passage of the hive with the current embedder, and delete the vectors of other embedders.

        If interrupted, the next call continues from there.

        Args:
            progress: Called with the number of scopes done and the total number of scopes.
            drop_others: Whether to delete the vectors of other embedders; if false and there are any, nothing is done.

        Raises:
            EmbeddingError: The embedder fails, or other embedders have vectors and `drop_others` is false.
        """
        self._search_service.reindex(progress, drop_others=drop_others)

    def cleanup(self) -> int:
        """Return the number of expired scopes, and remove them. Deprecated: use `gc(compact=False)`.

        Raises:
            StoreClosed: The hive is closed.
        """
        _warn_of_old_name("cleanup()", "gc(compact=False)")
        return self._remove_expired()

    def sweep(self) -> None:
        """Remove expired scopes, and orphaned or damaged collections. Deprecated: use `gc(compact=False)`.

        Raises:
            StoreClosed: The hive is closed.
        """
        _warn_of_old_name("sweep()", "gc(compact=False)")
        self.gc(compact=False)

    def compact(self) -> None:
        """Rewrite the ledger without deleted data. Deprecated: use `gc()`.

        Raises:
            StoreClosed: The hive is closed.
            StoreFull: The disk has too little free space.
        """
        _warn_of_old_name("compact()", "gc()")
        self._database.compact()

    def check(self) -> list[Finding]:
        """Return the problems of the store. Deprecated: use `doctor()`.

        Raises:
            StoreClosed: The hive is closed.
        """
        _warn_of_old_name("check()", "doctor()")
        return self._findings()

    def _remove_expired(self) -> int:
        """Remove the scopes past their ttl, and return their number."""
        with self._database.read() as tx:
            if not scopes.any_expired(tx):
                return 0
        with self._database.write() as tx:
            purged = scopes.purge_expired(tx)
        self._search_service.forget(purged)
        return len(purged)

    def _findings(self) -> list[Finding]:
        return findings(self._database, self._directory) + self._search_service.check()

    def _check_is_mine(self, parent: ScopeHandle | None, name: str) -> None:
        if not isinstance(parent, (ScopeHandle, NoneType)):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InvalidScope(f"the parent of {name!r} must be a scope or its name, not {type(parent).__name__}")
        if parent is not None and database_of(parent) != self._database:
            raise InvalidScope(f"the parent of {name!r} belongs to another hive; pass a scope of this hive")

    def _handle(self, tx: Transaction, row: ScopeRow) -> Scope:
        return Scope(self._database, self._mounts, self._search_service, row, scopes.names(tx, row.chain))


def store_of(hive: Hivemind) -> tuple[Database, Path | None]:
    """Return the database and the directory of a hive, for the package's own modules."""
    return hive._database, hive._directory  # noqa: SLF001


def remove_expired(hive: Hivemind) -> int:
    """Remove the scopes past their ttl and nothing else, and return their number; for the package's own modules."""
    return hive._remove_expired()  # noqa: SLF001


def _warn_of_old_name(old: str, new: str) -> None:
    warnings.warn(f"`Hivemind.{old}` is now `Hivemind.{new}`", DeprecationWarning, stacklevel=3)
