"""The workspaces under one: those an admin may name. Any other name looks like one that nobody has."""

from __future__ import annotations

from pydantic_hivemind.errors import ScopeNotFound
from pydantic_hivemind.hive.handle import row_of
from pydantic_hivemind.hive.hivemind import Hivemind
from pydantic_hivemind.hive.scope import Scope


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
