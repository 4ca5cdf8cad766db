"""The workspaces under one: those an admin may name. Any other name looks like one that nobody has."""

from __future__ import annotations

from pydantic_hivemind.base.values import ScopeInfo
from pydantic_hivemind.errors import ScopeNotFound
from pydantic_hivemind.hive.hivemind import Hivemind
from pydantic_hivemind.hive.scope import Scope


def under(hive: Hivemind, scope: Scope) -> list[ScopeInfo]:
    """Those that read through to it at any depth, by name."""
    infos = {info.name: info for info in hive.scopes()}
    inside: dict[str | None, bool] = {None: False, scope.name: True}

    def is_under(name: str | None) -> bool:
        if name not in inside:
            above = infos.get(name) if name is not None else None
            inside[name] = above is not None and is_under(above.parent)
        return inside[name]

    return [info for info in infos.values() if is_under(info.parent)]


def find(hive: Hivemind, scope: Scope, name: str) -> Scope:
    """The workspace of that name, if it is this one or under it.

    Raises:
        ScopeNotFound: It is not, whether or not there is one of that name.
    """
    try:
        found = hive.scope(name, create=False)
    except ScopeNotFound:
        raise not_under(name) from None
    if scope.chain_ids[0] not in found.chain_ids:
        raise not_under(name)
    return found


def not_under(name: str) -> ScopeNotFound:
    """There is no workspace of that name here."""
    return ScopeNotFound(f"there is no workspace {name!r} under yours")
