"""`Hivemind`: opens a store and hands out its scopes."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from types import NoneType, TracebackType
from typing import TYPE_CHECKING

from pydantic_hivemind.base import store_permissions
from pydantic_hivemind.base.mounts import DEFAULT_MOUNTS, Mount, MountTable
from pydantic_hivemind.base.paths import is_url
from pydantic_hivemind.base.values import Finding, ScopeInfo
from pydantic_hivemind.errors import InvalidOption, InvalidScope, ScopeNotFound
from pydantic_hivemind.hive.handle import ScopeHandle
from pydantic_hivemind.hive.scope import Scope
from pydantic_hivemind.ledger import integrity, scopes
from pydantic_hivemind.ledger.engine.database import Database, Transaction
from pydantic_hivemind.ledger.engine.sqlite import LEDGER_FILE, Durability, SqliteDriver
from pydantic_hivemind.ledger.scopes import ScopeRow
from pydantic_hivemind.search.service import Finder, check_embedder

if TYPE_CHECKING:
    from pydantic_hivemind.search.vectors.embedding import EmbeddingFunction

COLLECTIONS = "collections"
"""The directory in a store that has Chroma's directories, one for each scope that needs it."""

PATIENCE = 5.0
"""Seconds that `check` waits for its turn to write; one takes a millisecond."""


class Hivemind:
    """A store of scopes. Open it once per process and share it: every thread may use it."""

    def __init__(self, database: Database, mounts: MountTable, finder: Finder, directory: Path | None = None) -> None:
        self._database = database
        self._mounts = mounts
        self._finder = finder
        self._directory = directory

    @classmethod
    def open(
        cls,
        directory: str | Path,
        *,
        durability: Durability = "full",
        mounts: Sequence[Mount] = DEFAULT_MOUNTS,
        embedder: EmbeddingFunction | None = None,
    ) -> Hivemind:
        """Open the store in a directory, making it if need be; other processes may have it open too.

        Args:
            directory: Where the store is kept; `~` is the user's home directory.
            durability: `full`: what was acknowledged survives a power cut. `normal`: it survives the end of
                the process, and writes are about ten times as fast.
            mounts: Which paths belong to which collection, and what of them can be searched.
            embedder: What turns text into vectors, as Chroma's embedding functions do. The default is built in,
                works offline and takes 0.05 ms a passage.

        Raises:
            InvalidOption: The embedder is none, or the place is a URL.
            StoreReadOnly, StoreFull: The directory cannot be made or written.
            NotALedger: There is something else.
            LedgerTooNew: A later version of this package made it.
        """
        check_embedder(embedder)
        if is_url(directory):
            raise InvalidOption("a store at a URL is opened by `Hivemind.connect`; `open` takes a directory")
        table = MountTable(mounts)
        # Absolute: the process may change its directory while the store is open. `Path.expanduser` fails where there
        # is no such user, and then `~` is a character.
        place = Path(os.path.expanduser(directory)).absolute()  # noqa: PTH111
        database = Database(SqliteDriver(place, durability))
        return cls(database, table, Finder(database, table, place / COLLECTIONS, embedder), place)

    @classmethod
    def connect(
        cls, url: str, *, mounts: Sequence[Mount] = DEFAULT_MOUNTS, embedder: EmbeddingFunction | None = None
    ) -> Hivemind:
        """Open the store in a PostgreSQL database, making it if need be; other hosts may have it open too.

        It is in a schema of its own, `hivemind`, so that the database may have other tables. Every process keeps the
        vectors it searches in memory, and Chroma's collections too.

        Args:
            url: `postgresql://user:password@host/database`; what is left out, libpq takes from its usual places.
            mounts: As for `open`.
            embedder: As for `open`.

        Raises:
            InvalidOption: It is no URL of PostgreSQL's, psycopg is not installed, or the embedder is none.
            StoreUnreachable: The server does not answer, or lets nobody in with that URL.
            StoreReadOnly: The user may not make the schema.
            NotALedger: The schema holds something else.
            LedgerTooNew: A later version of this package made it.
        """
        from pydantic_hivemind.ledger.engine.postgresql import PostgresDriver

        check_embedder(embedder)
        table = MountTable(mounts)
        database = Database(PostgresDriver(url))
        return cls(database, table, Finder(database, table, None, embedder))

    def __enter__(self) -> Hivemind:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the store when the write that has begun is done; its scopes raise `StoreClosed` from then on."""
        self._finder.close()
        self._database.close()

    def scope(self, name: str, parent: ScopeHandle | str | None = None, *, create: bool = True) -> Scope:
        """The scope of that name, made if there is none.

        Args:
            name: Any text of 1 to 512 characters; compared exactly.
            parent: The scope it reads through to, or its name. For a scope that exists it must be the same,
                or be left out.
            create: Whether to make it.

        Raises:
            ScopeNotFound: There is none and `create` is false, or there is no such parent.
            InvalidScope: The name cannot be used, or the scope has another parent.
        """
        scopes.check_name(name)
        above = self.scope(parent, create=False) if isinstance(parent, str) else parent
        self._check_is_mine(above, name)
        with self._database.snapshot() as tx:
            row = scopes.find(tx, name)
            found = None if row is None else self._handle(tx, row)
        if found is None and create:
            chain = above.chain_ids if above is not None else ()
            with self._database.write(chain) as tx:
                row, purged = scopes.find(tx, name), []
                if row is None:
                    row, purged = scopes.make(tx, name, chain, session=False, ttl=None)
                found = self._handle(tx, row)
            self._finder.forget(purged)
        if found is None:
            raise ScopeNotFound(f"there is no scope {name!r}")
        if above is not None and found.parent != above:
            raise InvalidScope(f"the scope {name!r} has another parent, and a parent cannot be changed")
        return found

    def create(self, name: str, parent: ScopeHandle | str | None = None, *, ttl: float | None = None) -> Scope:
        """A new scope, where `scope` would also return one that is there.

        Args:
            name: Any text of 1 to 512 characters.
            parent: The scope it reads through to, or its name.
            ttl: Seconds after which it is removed: it is a session then.

        Raises:
            ScopeExists: The name is taken.
            ScopeNotFound: There is no such parent.
            InvalidScope: The name, the parent or the ttl cannot be used.
        """
        scopes.check_name(name)
        above = self.scope(parent, create=False) if isinstance(parent, str) else parent
        self._check_is_mine(above, name)
        chain = above.chain_ids if above is not None else ()
        with self._database.write(chain) as tx:
            row, purged = scopes.make(tx, name, chain, session=ttl is not None, ttl=ttl)
            made = self._handle(tx, row)
        self._finder.forget(purged)
        return made

    def scopes(self) -> list[ScopeInfo]:
        """Every scope, by name."""
        self.cleanup()
        with self._database.read() as tx:
            return scopes.listing(tx)

    def cleanup(self) -> int:
        """Remove the scopes past their ttl now, instead of when the next one is made; how many there were."""
        with self._database.read() as tx:
            if not scopes.any_expired(tx):
                return 0
        with self._database.write() as tx:
            purged = scopes.purge_expired(tx)
        self._finder.forget(purged)
        return len(purged)

    def check(self) -> list[Finding]:
        """What is wrong with the store; it reads all of the ledger, and changes nothing."""
        with self._database.snapshot() as tx:
            problems = integrity.problems(tx)
        remedy = "restore the store from a backup"
        found = [Finding("ledger", problem, remedy) for problem in (*self._database.damage(), *problems)]
        if not self._database.can_write_within(PATIENCE):
            problem = f"another process has kept the store from being written for {PATIENCE:.0f} seconds"
            found.append(Finding("locks", problem, "find it and wait for it or end it; nothing is lost by that"))
        if self._directory is not None:
            found += store_permissions.check(self._directory, LEDGER_FILE)
        return found + self._finder.check()

    def sweep(self) -> None:
        """Mend what `check` calls mendable: remove scopes past their ttl, and collections of no scope or in doubt."""
        self.cleanup()
        self._finder.sweep()

    def compact(self) -> None:
        """Write the ledger anew without what was deleted, for good; it needs as much room again, and writes wait."""
        self._database.compact()

    def size(self) -> int:
        """Bytes of disk that the store takes."""
        return self._database.size() + self._finder.size()

    def reindex(self, progress: Callable[[int, int], object] | None = None, *, drop_others: bool = True) -> None:
        """Give every passage of the hive a vector of the embedder, and let go of those that others made.

        Interrupted, it goes on where it was when it is called again.

        Args:
            progress: Called with how many scopes are done, and how many there are.
            drop_others: Whether to, if other embedders made any; if not, nothing is done then.

        Raises:
            EmbeddingError: The embedder failed, or there are vectors of others that are not to be dropped.
        """
        self._finder.reindex(progress, drop_others=drop_others)

    @property
    def kept_in(self) -> tuple[Database, Path | None]:
        """The database and the directory of the store, for the package's own modules."""
        return self._database, self._directory

    def _check_is_mine(self, parent: ScopeHandle | None, name: str) -> None:
        if not isinstance(parent, (ScopeHandle, NoneType)):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InvalidScope(f"the parent of {name!r} is a scope or its name, and no {type(parent).__name__}")
        if parent is not None and not parent.is_kept_in(self._database):
            raise InvalidScope(f"the parent of the scope {name!r} is a scope of another hive; name one of this hive")

    def _handle(self, tx: Transaction, row: ScopeRow) -> Scope:
        return Scope(self._database, self._mounts, self._finder, row, scopes.names(tx, row.chain))
