"""Reading the tree of a chain of scopes: what is visible, and which scope holds it.

A chain is overlaid as overlayfs overlays directories: the nearest scope that has a path decides, a whiteout
hides the path below it, and so does a file or an opaque directory for everything under it.
"""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, cast

from sqlalchemy import ColumnElement, CompoundSelect, Select, and_, case, select
from typing_extensions import Unpack

from pydantic_hivemind.base.paths import ancestors_of, below
from pydantic_hivemind.errors import NotADirectory, PathNotFound, ScopeGone
from pydantic_hivemind.ledger.engine.database import Transaction
from pydantic_hivemind.ledger.engine.statements import Row, Statement, fill, param, slots
from pydantic_hivemind.ledger.schema import Kind, heads, scopes, versions

Chain = tuple[int, ...]
"""Ids of a scope and its ancestors, nearest first."""

DATA_BATCH = 64
"""Files whose bytes are fetched at a time, which bounds the memory of a search through many files."""

SMALL = 1 << 16
"""Most bytes of a file that may be fetched before it is known whether it is wanted."""


@lru_cache(maxsize=1024)
def decode_tags(encoded: str | None) -> tuple[str, ...]:
    """Tags as they are stored; `None` for what is no file. Most files of a tree have the same few."""
    return tuple(json.loads(encoded)) if encoded else ()


class Head(NamedTuple):
    """A row of a scope's tree, with what its version says of it."""

    scope_id: int
    path: str
    kind: Kind
    opaque: bool
    version: int
    origin: int | None
    created_at: float
    size: int
    tags: str
    modified_at: float

    @property
    def blocks(self) -> bool:
        """Whether it hides what lower scopes have under its path."""
        return self.kind != Kind.DIRECTORY or self.opaque

    def tag_list(self) -> tuple[str, ...]:
        """The file's tags, sorted."""
        return decode_tags(self.tags)


HEAD = (
    heads.c.scope_id,
    heads.c.path,
    heads.c.kind,
    heads.c.opaque,
    heads.c.version,
    heads.c.origin,
    heads.c.created_at,
    versions.c.size,
    versions.c.tags,
    versions.c.created_at,
)
"""The columns of a `Head`, of heads that are joined with their versions."""


def _lookup(chain: int, paths: int, *, data: bool) -> Select[Unpack[tuple[Any, ...]]]:
    """The heads at some paths in every scope of a chain; the first and the last column tell of the scope itself."""
    head = and_(heads.c.scope_id.in_(slots("scope", chain)), heads.c.path.in_(slots("path", paths)))
    joined = scopes.outerjoin(heads, head).outerjoin(versions, versions.c.id == heads.c.version)
    columns: list[ColumnElement[Any]] = [scopes.c.expires_at, *HEAD]
    if data:
        # Only the file that is read is worth its bytes, not files among its parents.
        columns.append(case((heads.c.path == param("path_0"), versions.c.data)))
    columns.append(scopes.c.ancestors)
    return select(*columns).select_from(joined).where(scopes.c.id == param("scope_0"))


def _with_range(
    chain: int, paths: int, *, children: bool = False, data: bool = False
) -> CompoundSelect[Unpack[tuple[Any, ...]]]:
    """As `_lookup`, and also the heads directly in a directory, or anywhere under it."""
    if children:
        where = heads.c.parent == param("directory")
    else:
        where = and_(heads.c.path >= param("low"), heads.c.path < param("high"))
    columns: list[ColumnElement[Any]] = [scopes.c.expires_at, *HEAD]
    if data:
        columns.append(case((versions.c.size <= SMALL, versions.c.data)))
    columns.append(scopes.c.ancestors)
    # Joined with the scope, so that there is nothing of what it inherits once it is gone.
    inside = (
        select(*columns)
        .select_from(
            scopes.join(heads, heads.c.scope_id.in_(slots("scope", chain))).outerjoin(
                versions, versions.c.id == heads.c.version
            )
        )
        .where(scopes.c.id == param("scope_0"), where)
    )
    return _lookup(chain, paths, data=data).union_all(inside)


_ALIVE = Statement(lambda: select(scopes.c.expires_at, scopes.c.ancestors).where(scopes.c.id == param("scope_0")))
_ENTRY: Statement[[int, int]] = Statement(lambda chain, paths: _lookup(chain, paths, data=False))
_FILE: Statement[[int, int]] = Statement(lambda chain, paths: _lookup(chain, paths, data=True))
_CHILDREN: Statement[[int, int]] = Statement(lambda chain, paths: _with_range(chain, paths, children=True))
_SUBTREE: Statement[[int, int]] = Statement(_with_range)
_FEW: Statement[[int, int]] = Statement(lambda chain, paths: _with_range(chain, paths, data=True).limit(DATA_BATCH))
_OWN = Statement(
    lambda: (
        select(*HEAD)
        .select_from(heads.outerjoin(versions, versions.c.id == heads.c.version))
        .where(heads.c.scope_id == param("scope_id"))
        .order_by(heads.c.path)
    )
)
_DATA: Statement[[int]] = Statement(
    lambda count: select(versions.c.id, versions.c.data).where(versions.c.id.in_(slots("version", count)))
)


class Overlay:
    """What is known of the heads of a chain, nearest scope first, and what they add up to."""

    def __init__(self, layers: Sequence[Mapping[str, Head]]) -> None:
        self.layers = layers

    @property
    def own(self) -> Mapping[str, Head]:
        """What the scope itself has."""
        return self.layers[0]

    def find(self, path: str, *, above: int = 0) -> Head | None:
        """The visible file or directory at `path`, looking only at the layers from `above` down."""
        ancestors = ancestors_of(path)
        for layer in self.layers[above:]:
            head = layer.get(path)
            if head is not None:
                return None if head.kind == Kind.WHITEOUT else head
            if layer and any(parent in layer and layer[parent].blocks for parent in ancestors):
                return None
        return None

    def check_parents(self, path: str) -> None:
        """Refuse a path that leads through a file.

        Raises:
            NotADirectory: One of its parents is a file.
        """
        for parent in ancestors_of(path):
            head = self.find(parent)
            if head is None:
                return
            if head.kind == Kind.FILE:
                raise NotADirectory(f"{parent!r} is a file, not a directory")

    def check_directory(self, path: str) -> None:
        """Refuse anything but a visible directory.

        Raises:
            PathNotFound: There is nothing.
            NotADirectory: There is a file.
        """
        if path == "/":
            return
        self.check_parents(path)
        head = self.find(path)
        if head is None:
            raise PathNotFound(f"{path!r} does not exist")
        if head.kind == Kind.FILE:
            raise NotADirectory(f"{path!r} is a file, not a directory")

    def inside(self, directory: str) -> list[Head]:
        """The visible heads among those fetched below `directory`, in no particular order."""
        low, high = below(directory)
        around = (*ancestors_of(directory), directory)
        whiteout = Kind.WHITEOUT
        found: list[Head] = []
        seen: set[str] = set()
        blocked: set[str] = set()
        layers = [layer for layer in self.layers if layer]
        for layer in layers:
            mine = [head for path, head in layer.items() if low <= path < high]
            visible = [head for head in mine if not _is_hidden(head.path, seen, blocked)] if seen else mine
            found += [head for head in visible if head.kind != whiteout]
            if layer is layers[-1] or any(parent in layer and layer[parent].blocks for parent in around):
                break
            seen.update([head.path for head in mine])
            # Even where a nearer scope has the path itself, it hides what farther ones have under it.
            blocked.update([head.path for head in mine if head.blocks])
        return found


def _is_hidden(path: str, seen: set[str], blocked: set[str]) -> bool:
    return path in seen or (bool(blocked) and not blocked.isdisjoint(ancestors_of(path)))


def _view(tx: Transaction, chain: Chain, rows: Sequence[Row]) -> Overlay:
    _check(tx, rows, chain, whole=True)
    level_of = {scope_id: level for level, scope_id in enumerate(chain)}
    layers: list[dict[str, Head]] = [{} for _ in chain]
    for row in rows:
        if row[1] is not None:
            layers[level_of[row[1]]][row[2]] = Head(*row[1:11])
    return Overlay(layers)


def check_alive(tx: Transaction, chain: Chain) -> None:
    """Refuse a scope that is gone. The chain may end before its root.

    Raises:
        ScopeGone: It was destroyed or its ttl has run out, or it has other ancestors now.
    """
    _check(tx, tx.rows(_ALIVE, {"scope_0": chain[0]}), chain, whole=False)


def _check(tx: Transaction, rows: Sequence[Row], chain: Chain, *, whole: bool) -> None:
    if not rows:
        raise ScopeGone("the scope was destroyed; ask the hive for it again")
    expires_at = cast("float | None", rows[0][0])
    if expires_at is not None and expires_at <= tx.now():
        raise ScopeGone("the ttl of the scope has passed; spawn a new one")
    # What was moved must not be read through those that it was under.
    above = chain_of(cast(str, rows[0][-1]))
    if (above if whole else above[: len(chain) - 1]) != chain[1:]:
        raise ScopeGone("the scope was moved; ask the hive for it again")


@lru_cache(maxsize=4096)
def chain_of(ancestors: str) -> Chain:
    """Return the ids of a scope's ancestors, as they are stored."""
    return tuple(map(int, filter(None, ancestors.split(","))))


def entry(tx: Transaction, chain: Chain, path: str) -> Overlay:
    """A view that can `find` a path and its parents."""
    paths = (path, *ancestors_of(path))
    values = fill("scope", chain) | fill("path", paths)
    return _view(tx, chain, tx.rows(_ENTRY, values, len(chain), len(paths)))


def file(tx: Transaction, chain: Chain, path: str) -> tuple[Overlay, bytes | None]:
    """As `entry`, and the bytes of the file at the path if there is one."""
    paths = (path, *ancestors_of(path))
    values = fill("scope", chain) | fill("path", paths)
    rows = tx.rows(_FILE, values, len(chain), len(paths))
    view = _view(tx, chain, rows)
    head = view.find(path)
    if head is None or head.kind != Kind.FILE:
        return view, None
    return view, next(cast(bytes, row[11]) for row in rows if row[1] == head.scope_id and row[2] == path)


def children(tx: Transaction, chain: Chain, directory: str) -> Overlay:
    """A view of a directory's parents and everything directly in it."""
    paths = (directory, *ancestors_of(directory))
    values = fill("scope", chain) | fill("path", paths) | {"directory": directory}
    return _view(tx, chain, tx.rows(_CHILDREN, values, len(chain), len(paths)))


def subtree(tx: Transaction, chain: Chain, directory: str) -> Overlay:
    """A view of a directory's parents and everything under it."""
    paths = (directory, *ancestors_of(directory))
    low, high = below(directory)
    values = fill("scope", chain) | fill("path", paths) | {"low": low, "high": high}
    return _view(tx, chain, tx.rows(_SUBTREE, values, len(chain), len(paths)))


def few(tx: Transaction, chain: Chain, directory: str) -> tuple[Overlay, dict[int, bytes]] | None:
    """As `subtree`, and the bytes of the files by version; `None` where that is too much for one query."""
    paths = (directory, *ancestors_of(directory))
    low, high = below(directory)
    values = fill("scope", chain) | fill("path", paths) | {"low": low, "high": high}
    rows = tx.rows(_FEW, values, len(chain), len(paths))
    data = {row[5]: row[11] for row in rows if row[3] == Kind.FILE}
    if len(rows) == DATA_BATCH or None in data.values():
        return None
    return _view(tx, chain, rows), data


def own(tx: Transaction, scope_id: int) -> list[Head]:
    """Everything a scope has itself, by path: directories come before what is in them."""
    return [Head(*row) for row in tx.rows(_OWN, {"scope_id": scope_id})]


def within(own: Sequence[Head], directory: str) -> Sequence[Head]:
    """What a scope itself has under a directory, of everything it has by path."""
    low, high = below(directory)
    return own[bisect_left(own, low, key=_path) : bisect_left(own, high, key=_path)]


def _path(head: Head) -> str:
    return head.path


def content(tx: Transaction, head: Head) -> bytes:
    """The bytes of one file."""
    return next(data for _, data in contents(tx, [head]))


def contents(tx: Transaction, files: Sequence[Head]) -> Iterator[tuple[Head, bytes]]:
    """The bytes of many files, in their order, fetched a batch at a time."""
    for start in range(0, len(files), DATA_BATCH):
        batch = files[start : start + DATA_BATCH]
        rows = tx.rows(_DATA, fill("version", [head.version for head in batch]), len(batch))
        data = cast("dict[int, bytes]", dict(rows))
        for head in batch:
            yield head, data[head.version]


def data_of(tx: Transaction, versions: Sequence[int]) -> dict[int, bytes]:
    """Return the bytes of some versions of files, of those that are still kept."""
    found: dict[int, bytes] = {}
    for start in range(0, len(versions), DATA_BATCH):
        batch = versions[start : start + DATA_BATCH]
        found.update(tx.rows(_DATA, fill("version", batch), len(batch)))
    return found
