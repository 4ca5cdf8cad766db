"""`ScopeReader`: the read operations of a scope."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from datetime import datetime
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from pydantic_hivemind.base.matching.globs import file_filter, glob_matcher, is_hidden
from pydantic_hivemind.base.matching.line_search import Budget, line_search
from pydantic_hivemind.base.mounts import MountTable
from pydantic_hivemind.base.paths import normalize
from pydantic_hivemind.base.values import Actor, Changes, File, Hits, Match, Stat, Version
from pydantic_hivemind.errors import (
    InvalidOption,
    IsADirectory,
    PathNotFound,
    ScopeNotFound,
    SearchDegraded,
)
from pydantic_hivemind.hive.handle import ScopeHandle, database_of
from pydantic_hivemind.hive.utf8 import decoded
from pydantic_hivemind.ledger import actor_records, history, overlay, scopes
from pydantic_hivemind.ledger.engine.database import Database, Transaction
from pydantic_hivemind.ledger.history import Past
from pydantic_hivemind.ledger.overlay import Head, Overlay
from pydantic_hivemind.ledger.schema import Kind
from pydantic_hivemind.ledger.scopes import ScopeRow
from pydantic_hivemind.merging.operation_log import is_journal
from pydantic_hivemind.promotion import plan_reader
from pydantic_hivemind.promotion.plan import Rules
from pydantic_hivemind.search.service import SearchService

if TYPE_CHECKING:
    from chromadb import Collection

_path = attrgetter("path")


class ScopeReader(ScopeHandle):
    """The read operations of a scope: the merged tree of its chain. Each call sees one consistent state.

    Every operation raises `ScopeGone` once the scope is destroyed or its ttl has passed, `StoreClosed` once the hive is
    closed, and `StoreBusy` or `StoreUnreachable` if the database does not answer in time.
    """

    __slots__ = ("_mounts", "_search_service")

    def __init__(
        self,
        database: Database,
        mounts: MountTable,
        search: SearchService,
        row: ScopeRow,
        names: tuple[str, ...],
    ) -> None:
        super().__init__(database, row, names)
        self._mounts = mounts
        self._search_service = search

    def read(self, path: str) -> File:
        """Return a file's content together with its stat.

        Raises:
            InvalidPath: The path is not valid.
            PathNotFound: No such file exists.
            IsADirectory: The path is a directory.
            NotADirectory: A parent of the path is a file.
        """
        path = normalize(path)
        with self._database.read(self._row.chain) as tx:
            view, data = overlay.file(tx, self._row.chain, path)
        head = view.find(path)
        if data is None or head is None:
            raise self._no_file(view, path)
        return File(self._stat_of(head), data)

    def read_bytes(self, path: str) -> bytes:
        """Return a file's content, exactly as it was written.

        Raises:
            InvalidPath: The path is not valid.
            PathNotFound: No such file exists.
            IsADirectory: The path is a directory.
            NotADirectory: A parent of the path is a file.
        """
        return self.read(path).data

    def read_text(self, path: str) -> str:
        """Return a file's content as text, with its line ends unchanged.

        Raises:
            InvalidPath: The path is not valid.
            PathNotFound: No such file exists.
            IsADirectory: The path is a directory.
            NotADirectory: A parent of the path is a file.
            NotText: The content is not UTF-8.
        """
        return decoded(normalize(path), self.read(path).data)

    def exists(self, path: str) -> bool:
        """Return whether a file or directory exists at the path.

        Raises:
            InvalidPath: The path is not valid.
        """
        path = normalize(path)
        return self._view(path).find(path) is not None or path == "/"

    def stat(self, path: str) -> Stat:
        """Return the metadata of a file or directory without reading it.

        Raises:
            InvalidPath: The path is not valid.
            PathNotFound: No such file or directory exists.
            NotADirectory: A parent of the path is a file.
        """
        path = normalize(path)
        view = self._view(path)
        if path == "/":
            return Stat("/", is_dir=True, size=0, version=0, tags=(), created_at=0.0, modified_at=0.0, scope=self.name)
        head = view.find(path)
        if head is None:
            raise self._no_file(view, path)
        return self._stat_of(head)

    def list_dir(self, path: str = "/") -> list[Stat]:
        """Return the entries of a directory, sorted by name. Operation logs of memory are in no list.

        Raises:
            InvalidPath: The path is not valid.
            PathNotFound: No such directory exists.
            NotADirectory: The path, or a parent of it, is a file.
        """
        path = normalize(path)
        with self._database.read(self._row.chain) as tx:
            view = overlay.children(tx, self._row.chain, path)
        view.check_directory(path)
        return [self._stat_of(head) for head in sorted(view.inside(path), key=_path) if not is_journal(head.path)]

    def glob(self, pattern: str, under: str = "/", *, hidden: bool = True) -> list[Stat]:
        """Return the files whose path matches a glob, sorted by path.

        Args:
            pattern: A glob relative to `under`: `*`, `?`, `[...]`, `{a,b}`, `**`.
            under: Directory in which to look.
            hidden: Whether wildcards match names that begin with a dot.

        Raises:
            InvalidPath: `under` is not a valid path.
            InvalidPattern: The glob is too long, has too many alternatives, or takes too long to match.
        """
        under = normalize(under)
        matches = glob_matcher(pattern, under=under, hidden=hidden)
        with self._database.read(self._row.chain) as tx:
            view = overlay.subtree(tx, self._row.chain, under)
        found = [head for head in _files(view, under) if matches(head.path)]
        return [self._stat_of(head) for head in sorted(found, key=_path)]

    def grep(self, pattern: str, under: str = "/", *, glob: str | None = None, hidden: bool = True) -> list[Match]:
        """Return the lines that match a regular expression, in the text files of a directory or in one file.

        Args:
            pattern: A regular expression, as for `re.search` but without lookaround and backreferences, matched against
                each line without its line end.
            under: Directory or file in which to look.
            glob: Search only files that match this glob: without a slash a name at any depth, with one the path from
                `under` on.
            hidden: Whether to search files whose path below `under` has a name that begins with a dot.

        Raises:
            InvalidPath: `under` is not a valid path.
            InvalidPattern: `pattern` is not a regular expression that can be searched for in linear time and bounded
                memory, or `glob` stands for too many others.
        """
        found = self.grep_by_file(pattern, under, glob=glob, hidden=hidden)
        return [Match(path, number, line) for path, lines in found for number, line in lines]

    def grep_by_file(
        self, pattern: str, under: str = "/", *, glob: str | None = None, hidden: bool = True
    ) -> list[tuple[str, list[tuple[int, str]]]]:
        """Return the matching lines as `grep` does, grouped by file.

        Returns:
            Each file that has matching lines, with pairs of line number and line.

        Raises:
            InvalidPath: `under` is not a valid path.
            InvalidPattern: As for `grep`.
        """
        search, budget = line_search(pattern), Budget()
        under = normalize(under)
        selected = file_filter(glob, under=under) if glob is not None else None

        def wanted(view: Overlay) -> list[Head]:
            found = _files(view, under)
            if not hidden:
                found = [head for head in found if not is_hidden(head.path, under=under)]
            if selected is not None:
                found = [head for head in found if selected(head.path)]
            return sorted(found, key=_path)

        with self._database.read(self._row.chain) as tx:
            few = overlay.few(tx, self._row.chain, under)
        if few is not None:
            view, data = few
            return [(head.path, lines) for head in wanted(view) if (lines := search.lines(data[head.version], budget))]
        with self._database.snapshot(self._row.chain) as tx:
            found = overlay.contents(tx, wanted(overlay.subtree(tx, self._row.chain, under)))
            return [(head.path, lines) for head, content in found if (lines := search.lines(content, budget))]

    def history(self, path: str) -> list[Version]:
        """Return the kept versions of a path in this scope and its ancestors, newest first.

        The source of a promotion is named only if it is a scope of this chain or below this scope.

        Raises:
            InvalidPath: The path is not valid.
        """
        path = normalize(path)
        with self._database.snapshot(self._row.chain) as tx:
            overlay.check_alive(tx, self._row.chain)
            return self._versions_of(tx, history.of_path(tx, self._row.chain, path))

    def recent(self, limit: int = 50) -> list[Version]:
        """Return the latest changes of any file in this scope and its ancestors, newest first.

        The source of a promotion is named as in `history`.

        Args:
            limit: Maximum number of entries.

        Raises:
            InvalidOption: `limit` is less than 1.
        """
        if limit < 1:
            raise InvalidOption(f"`limit` must be a number of entries, 1 or more, not {limit!r}")
        with self._database.snapshot(self._row.chain) as tx:
            overlay.check_alive(tx, self._row.chain)
            wanted = limit
            while True:
                found = history.recent(tx, self._row.chain, wanted)
                shown = [past for past in found if not is_journal(past.path)][:limit]
                if len(shown) == limit or len(found) < wanted:
                    return self._versions_of(tx, shown)
                wanted *= 2

    def search(
        self,
        query: str | None = None,
        *,
        limit: int = 10,
        under: str = "/",
        tags: str | Sequence[str] | None = None,
        where: Mapping[str, Any] | None = None,
        since: float | datetime | None = None,
        chain: bool = True,
    ) -> Hits:
        """Return the passages most relevant to a query, by meaning and by words, best first.

        The search sees every write that was acknowledged before it, by this or another process, and the same merged
        tree that `read` sees.

        Args:
            query: A question or words. Without it the filters alone select, and the latest changes come first.
            limit: Maximum number of passages.
            under: Search only this file or directory.
            tags: Search only files that have one of these tags.
            where: Search only files that satisfy this filter: `{"collection": "memory"}`, `{"tag:deploy": True}`,
                `{"size": {"$lt": 10_000}}`, `{"$or": [...]}`. The keys are `path`, `collection`, `modified_at`,
                `size` and `tag:NAME`.
            since: Search only files changed at or after this time: a datetime, or seconds since the epoch.
            chain: Whether to search the ancestors too.

        Raises:
            InvalidOption: `query`, `limit`, `tags`, `where` or `since` is not valid.
            InvalidPath: `under` is not a valid path.

        Warns:
            SearchDegraded: The embedder failed and only the lexical ranking was used; `Hits.degraded` says why.
        """
        depth = None if chain else 1
        hits = self._search_service.search(
            self._database,
            self._row.chain[:depth],
            self._names[:depth],
            query,
            limit=limit,
            under=under,
            tags=tags,
            where=where,
            since=since,
        )
        if hits.degraded is not None:
            warnings.warn(f"the search used the lexical ranking only: {hits.degraded}", SearchDegraded, stacklevel=2)
        return hits

    def collection(self, path: str) -> Collection:
        """Return the Chroma collection that holds this scope's own files of the mount that a path belongs to.

        The collection is up to date when it is returned. Use it for reading: what is written to it is lost with the
        next rebuild.

        Raises:
            InvalidPath: The path is not valid.
            InvalidOption: The mount is not indexed.
            EmbeddingError: A passage has no vector yet, and the embedder fails.
            StoreError: Chroma cannot be used.
        """
        return self._search_service.collection(self._database, self._row, path)

    def diff(self, to: ScopeHandle | str | None = None) -> Changes:
        """Return the changes that promoting this whole scope would make in its parent or another ancestor, by path.

        Args:
            to: The ancestor or its name; if omitted, the parent.

        Returns:
            A list, whose `left_behind` names what would stay in this scope.

        Raises:
            ScopeNotFound: The scope has no parent, or `to` is not one of its ancestors.
        """
        level = self._level_of(to)
        return plan_reader.diff(self._database, self._row.chain, level, Rules(self._mounts))

    # -- helpers -------------------------------------------------------------------------------

    def _view(self, path: str) -> Overlay:
        with self._database.read(self._row.chain) as tx:
            return overlay.entry(tx, self._row.chain, path)

    def _stat_of(self, head: Head) -> Stat:
        scope_id, path, kind, _, version, _, created_at, size, tags, modified_at = head
        scope = self._name_of(scope_id)
        if kind == Kind.DIRECTORY:
            return Stat(path, True, 0, 0, (), created_at, created_at, scope)  # noqa: FBT003
        name = self._database.version_names.name(version)
        return Stat(path, False, size, name, overlay.decode_tags(tags), created_at, modified_at, scope)  # noqa: FBT003

    def _versions_of(self, tx: Transaction, pasts: Sequence[Past]) -> list[Version]:
        actors = actor_records.named(tx, (past.actor for past in pasts))
        return [self._version_of(tx, past, actors) for past in pasts]

    def _version_of(self, tx: Transaction, past: Past, actors: Mapping[int, Actor]) -> Version:
        source = self._source_of(tx, past)
        is_hidden = source is None and past.source is not None
        return Version(
            version=tx.version_names.name(past.version),
            path=past.path,
            action=past.action,
            size=past.size,
            tags=overlay.decode_tags(past.tags),
            created_at=past.created_at,
            scope=self._name_of(past.scope_id),
            source=source,
            promotion=past.promotion,
            actor=None if past.actor is None or is_hidden else actors.get(past.actor),
        )

    def _name_of(self, scope_id: int) -> str:
        return self._names[self._row.chain.index(scope_id)]

    def _source_of(self, tx: Transaction, past: Past) -> str | None:
        """Where a promotion came from, if this scope may know: a sibling's name is not its business."""
        if past.source is None or past.scope_id == self._row.id or past.source in self._names:
            return past.source
        return past.source if scopes.was_below(tx, self._row.id, past.source, past.created_at) else None

    def _level_of(self, to: ScopeHandle | str | None) -> int:
        """How far up the chain an ancestor is; the parent if none is named."""
        if to is None:
            if len(self._names) == 1:
                raise ScopeNotFound(
                    f"scope {self.name!r} has no parent; only a scope with a parent can be promoted or compared"
                )
            return 1
        name = to if isinstance(to, str) else to.name
        # A scope of that name may be in another hive.
        if name not in self._names[1:] or not (isinstance(to, str) or database_of(to) == self._database):
            raise ScopeNotFound(f"{name!r} is not an ancestor of {self.name!r}; scope.chain lists the ancestors")
        return self._names.index(name, 1)

    def _no_file(self, view: Overlay, path: str) -> Exception:
        """Why a file cannot be read: nothing there, a directory, or a file in the way."""
        if path == "/" or view.find(path) is not None:
            return IsADirectory(f"{path!r} is a directory, not a file")
        view.check_parents(path)
        return PathNotFound(f"file {path!r} does not exist")


def _files(view: Overlay, under: str) -> list[Head]:
    """The visible files under a directory, or the file that `under` is, in no particular order; no operation logs."""
    itself = view.find(under)
    file = Kind.FILE
    found = [itself] if itself is not None and itself.kind == file else view.inside(under)
    return [head for head in found if head.kind == file and not is_journal(head.path)]
