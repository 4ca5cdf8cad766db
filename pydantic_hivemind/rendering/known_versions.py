"""What of a version its reader may know: names of other workspaces and of who writes there are for admins."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from pydantic_hivemind.base.values import Version


def for_reader(version: Version, chain: Collection[str], *, is_admin: bool) -> Version:
    """Return a version as the reader of a workspace may know it.

    Args:
        version: An entry of the workspace's history.
        chain: Names of the workspace and its ancestors, nearest first.
        is_admin: Whether they administer the workspace. Others know of a promotion's source only if it is in the chain,
            and who wrote a version only if that was in the workspace itself.
    """
    if is_admin:
        return version
    own = next(iter(chain))
    source = version.source if version.source in chain else None
    is_own = version.scope == own and version.source is None
    return replace(version, source=source, actor=version.actor if is_own else None)
