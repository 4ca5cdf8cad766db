"""What modules of this package need of a scope, and users do not: the one module that looks inside from outside."""

# pyright: reportPrivateUsage=false

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from pydantic_hivemind.base.mounts import MountTable
from pydantic_hivemind.base.values import Version
from pydantic_hivemind.base.version_names import Expected
from pydantic_hivemind.errors import StoreFull, VersionNotFound
from pydantic_hivemind.hive.hivemind import Hivemind, store_of
from pydantic_hivemind.hive.scope import Scope
from pydantic_hivemind.ledger import history, overlay, promotion_records, scopes, store_settings
from pydantic_hivemind.ledger.engine.sqlite import ALMOST_NOTHING

if TYPE_CHECKING:
    from pydantic_hivemind.search.history_ranking import RankedMessage


def mounts_of(scope: Scope) -> MountTable:
    """Return the mounts of the hive of a scope."""
    return scope._mounts


def watched(scope: Scope, used: Callable[[], None]) -> Scope:
    """Return a handle of the same scope that calls `used` before each operation, as do handles obtained from it."""
    return Scope(scope._database.watched(used), scope._mounts, scope._search_service, scope._row, scope._names)


def rank_histories(scope: Scope, histories: Sequence[Sequence[str]], query: str, limit: int) -> list[RankedMessage]:
    """Return the messages of some histories of a scope that are most relevant to a query, best first."""
    return scope._search_service.rank_histories(histories, query, limit)


def owner_and_sessions(scope: Scope) -> list[Scope]:
    """Return a scope and those that it reads through to, up to the first that is no session: one user's own.

    Raises:
        ScopeGone: The scope was destroyed, or its ttl has passed.
    """
    found = [scope]
    with scope._database.snapshot() as tx:
        while (above := found[-1].parent) is not None and scopes.is_session(tx, found[-1]._row.id):
            found.append(above)
    return found


def promoted_to(scope: Scope, promotion_id: str) -> str | None:
    """Return the ancestor that a promotion of a scope went to; `None` if the scope has not made the promotion."""
    with scope._database.read() as tx:
        target = promotion_records.target_of(tx, scope._row.id, promotion_id)
    return scope._name_of(target) if target in scope._row.chain else None


def past_content(scope: Scope, path: str, version: Expected) -> bytes | None:
    """Return what a file of a scope's chain was at a version; `None` if the version is a removal.

    Raises:
        VersionNotFound: The path has no such version, or it is not kept any more.
        ScopeGone: The scope was destroyed, or its ttl has passed.
    """
    with scope._database.snapshot(scope._row.chain) as tx:
        overlay.check_alive(tx, scope._row.chain)
        found = history.named(tx, scope._row.chain, path, version)
    if found is None:
        raise VersionNotFound(f"{path!r} has no such version, or it is no longer kept; see its history")
    return found[1]


def latest_own(scope: Scope) -> Version | None:
    """Return the last change of a scope's own files; `None` if it has changed nothing that is still kept.

    Raises:
        ScopeGone: The scope was destroyed, or its ttl has passed.
    """
    with scope._database.snapshot(scope._row.chain) as tx:
        overlay.check_alive(tx, scope._row.chain)
        found = history.recent(tx, scope._row.chain[:1], 1)
        return next(iter(scope._versions_of(tx, found)), None)


def marks_of(scope: Scope) -> tuple[str, frozenset[str]]:
    """Return a mark of whose a scope is, and the marks of whose it may be told of: what nobody else's scope has.

    The mark is that of the first scope of the chain that is no session, random, and stays when the scope is renamed.

    Raises:
        ScopeGone: The scope was destroyed, or its ttl has passed.
    """
    with scope._database.snapshot() as tx:
        chain = scope._row.chain
        owner = next((id for id in chain if not scopes.is_session(tx, id)), chain[-1])
        marks = {id: f"{scopes.incarnation(tx, id):x}" for id in chain}
    return marks[owner], frozenset(marks.values())


def check_writing(hive: Hivemind, seconds: float) -> None:
    """Write something that says nothing to the store.

    Raises:
        StoreError: It cannot be written, or not within that time, in seconds.
    """
    database, directory = store_of(hive)
    store_settings.check_writing(database, seconds)
    # SQLite's log has room for a few bytes when the disk has none.
    if directory is not None and shutil.disk_usage(directory).free < ALMOST_NOTHING:
        raise StoreFull("the disk is full; free some space")
