"""What a promotion is planned from, read set by set: the number of statements does not grow with that of files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, cast

from sqlalchemy import ColumnElement, Select, and_, func, or_, select
from sqlalchemy.sql.selectable import FromClause
from typing_extensions import Unpack

from pydantic_hivemind.ledger import merge_bases, overlay
from pydantic_hivemind.ledger.engine.database import Transaction
from pydantic_hivemind.ledger.engine.statements import Row, Statement, fill, param, slots
from pydantic_hivemind.ledger.merge_bases import MergeBases
from pydantic_hivemind.ledger.overlay import Chain, Head
from pydantic_hivemind.ledger.schema import Kind, heads, scopes, versions
from pydantic_hivemind.ledger.schema import merge_bases as bases


class FileVersion(NamedTuple):
    """What is known of a version of a file without its bytes."""

    version: int
    scope_id: int
    size: int
    tags: str

    def tag_list(self) -> tuple[str, ...]:
        """Return its tags, sorted."""
        return overlay.decode_tags(self.tags)


@dataclass(frozen=True)
class Facts:
    """What a scope and its ancestors have where the scope has something of its own, at one moment.

    Attributes:
        chain: The scope and its ancestors, nearest first.
        own: Everything the scope has itself, by path.
        layers: Of each scope of the chain, what it has itself at the scope's own paths and in what those hide.
        bases: What the heads are made of or hide, besides their origins.
        versions: The versions of files that the heads are made of or hide.
        watermarks: The newest version number of each scope of the chain at that moment.
    """

    chain: Chain
    own: Sequence[Head]
    layers: Sequence[dict[str, Head]]
    bases: MergeBases
    versions: dict[int, FileVersion] = field(default_factory=dict[int, FileVersion])
    watermarks: tuple[int, ...] = ()


_own = heads.alias("own")
_began = versions.alias("began")
_WITH_ORIGIN = (*overlay.HEAD, _began.c.id, _began.c.scope_id, _began.c.size, _began.c.tags)
_ROW = len(overlay.HEAD)


def _heads(of: FromClause) -> Select[Unpack[tuple[Any, ...]]]:
    joined = of.outerjoin(versions, versions.c.id == heads.c.version).outerjoin(_began, _began.c.id == heads.c.origin)
    return select(*_WITH_ORIGIN).select_from(joined)


def _hidden_range(path: ColumnElement[str]) -> ColumnElement[bool]:
    """Whether a path is in what the scope's own head hides."""
    return and_(path > _own.c.path.concat("/"), path < _own.c.path.concat("0"))


def _hides() -> ColumnElement[bool]:
    return and_(_own.c.scope_id == param("scope_id"), or_(_own.c.kind != Kind.DIRECTORY.value, _own.c.opaque))


_OWN = Statement(lambda: _heads(heads).where(heads.c.scope_id == param("scope_id")))
_BEHIND: Statement[[int]] = Statement(
    lambda lower: _heads(
        _own.join(heads, and_(heads.c.path == _own.c.path, heads.c.scope_id.in_(slots("lower", lower))))
    ).where(_own.c.scope_id == param("scope_id"))
)
_HIDDEN: Statement[[int]] = Statement(
    lambda lower: _heads(
        _own.join(heads, and_(_hidden_range(heads.c.path), heads.c.scope_id.in_(slots("lower", lower))))
    ).where(_hides())
)


def _bases(of: FromClause) -> Select[Unpack[tuple[Any, ...]]]:
    joined = of.join(versions, versions.c.id == bases.c.version)
    known = (versions.c.id, versions.c.scope_id, versions.c.size, versions.c.tags)
    return select(*bases.c, *known).select_from(joined)


_OWN_BASES = Statement(lambda: _bases(bases).where(bases.c.scope_id == param("scope_id")))
_BASES_BEHIND: Statement[[int]] = Statement(
    lambda lower: _bases(
        _own.join(bases, and_(bases.c.path == _own.c.path, bases.c.scope_id.in_(slots("lower", lower))))
    ).where(_own.c.scope_id == param("scope_id"))
)
_LOWER_BASES: Statement[[int]] = Statement(
    lambda lower: _bases(bases).where(bases.c.scope_id.in_(slots("lower", lower)))
)
_logged = versions.alias("logged")
_WATERMARKS: Statement[[int]] = Statement(
    lambda chain: select(
        scopes.c.id,
        select(func.max(_logged.c.id)).where(_logged.c.scope_id == scopes.c.id).correlate(scopes).scalar_subquery(),
    ).where(scopes.c.id.in_(slots("scope", chain)))
)
_CHANGED = Statement(
    lambda: select(versions.c.path).where(versions.c.scope_id == param("scope_id"), versions.c.id > param("after"))
)


def load(tx: Transaction, chain: Chain) -> Facts:
    """Return the facts of a scope and its ancestors; `tx` sees one moment.

    Raises:
        ScopeGone: The scope was destroyed or its ttl has run out.
    """
    overlay.check_alive(tx, chain)
    facts = Facts(chain, [], [{} for _ in chain], {}, {}, watermarks(tx, chain))
    of_own = {"scope_id": chain[0]}
    _add(facts, tx.rows(_OWN, of_own))
    own = facts.layers[0]
    lower = of_own | fill("lower", chain[1:])
    depth = len(chain) - 1
    based = tx.rows(_OWN_BASES, of_own)
    if depth and own:
        _add(facts, tx.rows(_BEHIND, lower, depth))
        if any(head.blocks and _has_directory(facts, head.path) for head in own.values()):
            _add(facts, tx.rows(_HIDDEN, lower, depth))
            based += tx.rows(_LOWER_BASES, fill("lower", chain[1:]), depth)
        else:
            based += tx.rows(_BASES_BEHIND, lower, depth)
    found = merge_bases.by_place({row[:4] for row in based})
    facts.versions.update((row[4], FileVersion(*row[4:])) for row in based)
    by_path = sorted(own.values(), key=lambda head: head.path)
    return Facts(chain, by_path, facts.layers, found, facts.versions, facts.watermarks)


def watermarks(tx: Transaction, chain: Chain) -> tuple[int, ...]:
    """Return the newest version number of each scope of a chain."""
    rows = cast("list[tuple[int, int | None]]", tx.rows(_WATERMARKS, fill("scope", chain), len(chain)))
    newest = {scope_id: version or 0 for scope_id, version in rows}
    return tuple(newest.get(scope_id, 0) for scope_id in chain)


def changed_paths(tx: Transaction, scope_id: int, after: int) -> set[str]:
    """Return the paths that a scope changed after a version."""
    return {cast(str, row[0]) for row in tx.rows(_CHANGED, {"scope_id": scope_id, "after": after})}


def _add(facts: Facts, rows: Iterable[Row]) -> None:
    level = {scope_id: number for number, scope_id in enumerate(facts.chain)}
    for row in rows:
        facts.layers[level[row[0]]][row[1]] = Head(*row[:_ROW])
        if row[_ROW + 1] in level:
            facts.versions[row[_ROW]] = FileVersion(*row[_ROW:])


def _has_directory(facts: Facts, path: str) -> bool:
    return any(path in layer and layer[path].kind == Kind.DIRECTORY for layer in facts.layers[1:])


def file_version(head: Head) -> FileVersion:
    """Return what a file's head says of its version."""
    return FileVersion(head.version, head.scope_id, head.size, head.tags)
