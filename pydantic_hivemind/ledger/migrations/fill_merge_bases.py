"""Fills `merge_bases` for stores from before revision 0007, from the log of their layers.

Until then `heads.origin` held the version that a file began with, or for a removed directory the newest version number
of the store at that moment, and what else a promotion needs was looked up in the log, as far as that was kept.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa

from pydantic_hivemind.base.paths import ancestors_of, below

FILE, DIRECTORY, WHITEOUT = 1, 2, 3

MAX_DEPTH = 16
"""Most scopes of a chain, and so most files that a file is made of one after the other."""


class _State(NamedTuple):
    """What a path was in a scope's layer from a version on."""

    id: int
    scope_id: int
    path: str
    kind: int | None
    opaque: bool
    origin: int | None


def fill(connection: sa.Connection) -> None:
    """Store what the heads are made of and hide, as far as the log still says."""
    for scope_id, path, moment, ancestors in _removed_directories(connection):
        chain = [int(id) for id in ancestors.split(",") if id]
        _fill_removed(connection, scope_id, path, moment, chain)
    _fill_promoted_past(connection)
    _fill_made_of(connection)


def _rows(connection: sa.Connection, query: str, **values: Any) -> Sequence[Any]:
    return connection.execute(sa.text(query), values).fetchall()


def _removed_directories(connection: sa.Connection) -> Sequence[Any]:
    """Heads whose origin is no version of their file, but a moment."""
    return _rows(
        connection,
        """
        SELECT heads.scope_id, heads.path, heads.origin, scopes.ancestors
        FROM heads JOIN scopes ON scopes.id = heads.scope_id
        WHERE heads.origin IS NOT NULL AND NOT EXISTS (
            SELECT 1 FROM versions AS began
            WHERE began.id = heads.origin AND began.path = heads.path AND began.kind = 1
            AND ',' || scopes.ancestors || ',' LIKE '%,' || CAST(began.scope_id AS TEXT) || ',%'
        )
        """,
    )


def _fill_removed(connection: sa.Connection, scope_id: int, path: str, moment: int, chain: Sequence[int]) -> None:
    """Note which files a scope saw in a directory when it removed it."""
    connection.execute(
        sa.text("UPDATE heads SET origin = NULL WHERE scope_id = :scope_id AND path = :path"),
        {"scope_id": scope_id, "path": path},
    )
    low, high = below(path)
    states: dict[tuple[int, str], list[_State]] = defaultdict(list)
    places = (path, *ancestors_of(path))
    for lower in chain:
        found = list(
            _rows(
                connection,
                """
                SELECT id, scope_id, path, kind, opaque, origin FROM versions
                WHERE scope_id = :lower AND path >= :low AND path < :high AND id <= :moment ORDER BY id
                """,
                lower=lower,
                low=low,
                high=high,
                moment=moment,
            )
        )
        for place in places:
            found += _rows(
                connection,
                """
                SELECT id, scope_id, path, kind, opaque, origin FROM versions
                WHERE scope_id = :lower AND path = :place AND id <= :moment ORDER BY id
                """,
                lower=lower,
                place=place,
                moment=moment,
            )
        for row in found:
            states[row[1], row[2]].append(_State(*row))
    shown = (_shown(states, chain, file) for file in {place for _, place in states if low <= place < high})
    rows = ((state.path, path, state.id) for state in shown if state is not None)
    _insert(connection, scope_id, rows)


def _shown(states: dict[tuple[int, str], list[_State]], chain: Sequence[int], path: str) -> _State | None:
    """The file that a chain showed at a path, of states up to that moment."""
    for scope_id in chain:
        own = states.get((scope_id, path))
        if own and own[-1].kind is not None:
            return own[-1] if own[-1].kind == FILE else None
        above = (states.get((scope_id, parent)) for parent in ancestors_of(path))
        if any(kept and (kept[-1].opaque or kept[-1].kind in (FILE, WHITEOUT)) for kept in above):
            return None
    return None


def _fill_promoted_past(connection: sa.Connection) -> None:
    """A promotion past the parent gave a file a new origin; what it began with before is the merge base again."""
    changed = _rows(
        connection,
        """
        SELECT DISTINCT heads.scope_id, heads.path FROM heads
        JOIN versions AS earlier ON earlier.scope_id = heads.scope_id AND earlier.path = heads.path
        WHERE heads.kind = 1 AND heads.origin IS NOT NULL
        AND (earlier.origin IS NULL OR earlier.origin <> heads.origin) AND earlier.kind IN (1, 3)
        """,
    )
    for scope_id, path in changed:
        origins: list[int | None] = []
        for state in _rows(
            connection,
            "SELECT kind, origin FROM versions WHERE scope_id = :scope_id AND path = :path ORDER BY id DESC",
            scope_id=scope_id,
            path=path,
        ):
            if state[0] not in (FILE, WHITEOUT):
                break
            if state[1] not in origins and (state[1] is None or _is_inherited(connection, scope_id, state[1], path)):
                origins.append(state[1])
        if len(origins) > 1:
            connection.execute(
                sa.text("UPDATE heads SET origin = :origin WHERE scope_id = :scope_id AND path = :path"),
                {"origin": origins[-1], "scope_id": scope_id, "path": path},
            )
            _insert(connection, scope_id, ((path, path, origin) for origin in origins[:-1] if origin is not None))


def _is_inherited(connection: sa.Connection, scope_id: int, version: int, path: str) -> bool:
    """Whether an origin is a version of the file in an ancestor, and no moment."""
    found = _rows(
        connection,
        """
        SELECT 1 FROM versions AS began JOIN scopes ON scopes.id = :scope_id
        WHERE began.id = :version AND began.path = :path AND began.kind = 1
        AND ',' || scopes.ancestors || ',' LIKE '%,' || CAST(began.scope_id AS TEXT) || ',%'
        """,
        scope_id=scope_id,
        version=version,
        path=path,
    )
    return bool(found)


def _fill_made_of(connection: sa.Connection) -> None:
    """What a file began with may have begun with something farther up, and so on."""
    for _ in range(MAX_DEPTH):
        added = connection.execute(
            sa.text(
                """
                INSERT INTO merge_bases (scope_id, path, head, version)
                SELECT DISTINCT made.scope_id, made.path, made.head, began.id
                FROM (
                    SELECT scope_id, path, path AS head, origin AS version FROM heads WHERE origin IS NOT NULL
                    UNION SELECT scope_id, path, head, version FROM merge_bases
                ) AS made
                JOIN versions AS known ON known.id = made.version
                JOIN versions AS began ON began.id = known.origin AND began.path = made.path AND began.kind = 1
                JOIN scopes ON scopes.id = made.scope_id
                WHERE ',' || scopes.ancestors || ',' LIKE '%,' || CAST(began.scope_id AS TEXT) || ',%'
                AND NOT EXISTS (
                    SELECT 1 FROM merge_bases AS there
                    WHERE there.scope_id = made.scope_id AND there.path = made.path AND there.head = made.head
                    AND there.version = began.id
                )
                """
            )
        )
        if added.rowcount <= 0:
            return


def _insert(connection: sa.Connection, scope_id: int, rows: Iterable[tuple[str, str, int]]) -> None:
    values = [
        {"scope_id": scope_id, "path": path, "head": head, "version": version} for path, head, version in set(rows)
    ]
    if values:
        connection.execute(
            sa.text(
                "INSERT INTO merge_bases (scope_id, path, head, version) VALUES (:scope_id, :path, :head, :version)"
            ),
            values,
        )
