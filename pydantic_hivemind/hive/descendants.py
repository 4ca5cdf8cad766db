"""The workspaces under one: those an admin may name. Any other name looks like one that nobody has."""

from __future__ import annotations

from pydantic_hivemind.base.values import ScopeInfo
from pydantic_hivemind.errors import ScopeNotFound
from pydantic_hivemind.hive.handle import row_of
from pydantic_hivemind.hive.hivemind import Hivemind, store_of
from pydantic_hivemind.hive.scope import Scope
from pydantic_hivemind.ledger import scope_listing


def find(hive: Hivemind, scope: Scope, name: str) -> Scope:
    """The workspace of that name, if it is this one or under it.

    Raises:
        ScopeNotFound: It is not, whether or not there is one of that name.
    """
    try:
        found = hive.get(name)
    except ScopeNotFound:
        raise not_under(name) from None
    if row_of(scope).id not in row_of(found).chain:
        raise not_under(name)
    return found


def not_under(name: str) -> ScopeNotFound:
    """There is no workspace of that name here."""
    return ScopeNotFound(f"there is no workspace {name!r} under yours")


def level_below(hive: Hivemind, scope: Scope | None, *, after: str = "", limit: int) -> list[tuple[ScopeInfo, bool]]:
    """Return a page of the workspaces directly under one, by name, and whether each has any under it.

    Args:
        hive: The hive.
        scope: The workspace; `None` for those without a parent.
        after: The last name of the page before.
        limit: Most of them.
    """
    database, _ = store_of(hive)
    with database.read() as tx:
        return scope_listing.level(tx, None if scope is None else row_of(scope).id, after=after, limit=limit)


def named_like(hive: Hivemind, text: str, *, under: Scope | None, after: str = "", limit: int) -> list[ScopeInfo]:
    """Return a page of the workspaces whose name contains a text, by name.

    Args:
        hive: The hive.
        text: The text; case makes no difference.
        under: Only those that read through to this one; `None` for all.
        after: The last name of the page before.
        limit: Most of them.
    """
    database, _ = store_of(hive)
    with database.read() as tx:
        return scope_listing.named(
            tx, text, under=None if under is None else row_of(under).id, after=after, limit=limit
        )
