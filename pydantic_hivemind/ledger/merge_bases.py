"""What a head is made of, or hides, besides its `origin`: versions of lower scopes, which are kept from being pruned.

A file that was copied up has the version it began with as its `origin`. Three things need more than that, and have rows
in `merge_bases`: where the inherited version was itself a change of something farther up; where a promotion past the
parent gave the head a new origin; and a removed or remade directory, of which it says what the scope had seen of each
file in it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, cast

from sqlalchemy import and_, bindparam, insert, or_, select

from pydantic_hivemind.base.paths import ancestors_of, below, is_below
from pydantic_hivemind.ledger.columns import Key, Number
from pydantic_hivemind.ledger.engine.database import Transaction
from pydantic_hivemind.ledger.engine.statements import Row, Statement, fill, insert_row, param, slots
from pydantic_hivemind.ledger.overlay import Chain, Head, Overlay
from pydantic_hivemind.ledger.schema import Kind, merge_bases, versions


class MergeBase(NamedTuple):
    """A row of `merge_bases`: the head at `head` is made of a version of the file at `path`, or hides it."""

    path: str
    head: str
    version: int


MergeBases = Mapping[tuple[int, str], Sequence[MergeBase]]
"""Rows by scope and path."""


_OF_PATH: Statement[[int]] = Statement(
    lambda chain: select(*merge_bases.c).where(
        merge_bases.c.scope_id.in_(slots("scope", chain)), merge_bases.c.path == param("path")
    )
)
_SUBTREE: Statement[[int]] = Statement(
    lambda chain: select(*merge_bases.c).where(
        merge_bases.c.scope_id.in_(slots("scope", chain)),
        or_(
            merge_bases.c.path == param("path"),
            and_(merge_bases.c.path >= param("low"), merge_bases.c.path < param("high")),
        ),
    )
)
_INSERT = Statement(lambda: insert_row(merge_bases))
_OF_FILE = select(merge_bases.c.version).where(
    merge_bases.c.scope_id == param("from_scope"),
    merge_bases.c.path == param("of_path"),
    merge_bases.c.head == param("of_path"),
)
_INHERIT = Statement(
    lambda: insert(merge_bases).from_select(
        ["scope_id", "path", "head", "version"],
        select(
            bindparam("to_scope", type_=Number),
            bindparam("to_path", type_=Key),
            bindparam("to_head", type_=Key),
            versions.c.id,
        ).where(or_(versions.c.id == param("origin"), versions.c.id.in_(_OF_FILE))),
    )
)


def by_place(rows: Iterable[Row]) -> MergeBases:
    """Return rows of the table by scope and path."""
    found: dict[tuple[int, str], list[MergeBase]] = defaultdict(list)
    for scope_id, path, head, version in cast("Iterable[tuple[int, str, str, int]]", rows):
        found[scope_id, path].append(MergeBase(path, head, version))
    return found


def made_of(rows: MergeBases, head: Head) -> set[int]:
    """Return the versions of lower scopes that a head is made of."""
    known = {row.version for row in rows.get((head.scope_id, head.path), ()) if row.head == head.path}
    return known if head.origin is None else known | {head.origin}


def has_seen(tx: Transaction, scope_id: int, path: str, version: int) -> bool:
    """Return whether a scope had seen a version of a file when it removed the directory around it."""
    rows = tx.rows(_OF_PATH, {"scope_0": scope_id, "path": path}, 1)
    return any(row.version == version for row in by_place(rows).get((scope_id, path), ()))


def inherit(tx: Transaction, scope_id: int, lower: Head) -> None:
    """Note what an inherited file that was copied up is made of itself; most are made of nothing else."""
    if lower.origin is not None:
        values = {"to_scope": scope_id, "to_path": lower.path, "to_head": lower.path}
        tx.run(_INHERIT, {**values, "from_scope": lower.scope_id, "of_path": lower.path, "origin": lower.origin})


def hidden_by(tx: Transaction, chain: Chain, view: Overlay, directory: str) -> set[MergeBase]:
    """Return what a scope has seen of a directory that it is about to remove.

    Args:
        tx: A transaction.
        chain: The scope and its ancestors.
        view: `overlay.subtree` of the directory.
        directory: Its path.
    """
    low, high = below(directory)
    values = fill("scope", chain) | {"path": directory, "low": low, "high": high}
    return seen_inside(view, chain[0], by_place(tx.rows(_SUBTREE, values, len(chain))), directory)


def store(tx: Transaction, scope_id: int, rows: Iterable[MergeBase]) -> None:
    """Add rows that are not there yet, of heads that are."""
    tx.run_all(_INSERT, [{"scope_id": scope_id, **row._asdict()} for row in sorted(rows)])


def seen_inside(view: Overlay, scope_id: int, rows: MergeBases, directory: str) -> set[MergeBase]:
    """Return what a scope has seen of the files in a directory, as rows of a head that hides it.

    Of what it shows from lower scopes that is the version it shows; of its own files, what they are made of.
    """
    own = view.own
    found: set[tuple[str, int]] = set()
    for head in Overlay(view.layers[1:]).inside(directory):
        if head.kind == Kind.FILE and not _is_covered(own, head.path, directory):
            found.update((head.path, version) for version in (head.version, *made_of(rows, head)))
    for path, head in own.items():
        if path != directory and is_below(path, directory) and head.origin is not None:
            found.add((path, head.origin))
    kept: set[tuple[str, int]] = set()
    for (holder, path), known in rows.items():
        if holder == scope_id and is_below(path, directory):
            found.update((path, row.version) for row in known if row.head in own)
            kept.update((path, row.version) for row in known if row.head == directory)
    return {MergeBase(path, directory, version) for path, version in found - kept}


def _is_covered(own: Mapping[str, Head], path: str, directory: str) -> bool:
    """Whether a scope has something of its own in the place of an inherited file, or around it in a directory."""
    if path in own:
        return True
    around = (own.get(above) for above in ancestors_of(path) if is_below(above, directory))
    return any(head is not None and head.blocks for head in around)
