"""What modules of this package need of a scope, and users do not: the one module that looks inside from outside."""

# pyright: reportPrivateUsage=false

from __future__ import annotations

from pydantic_hivemind.base.mounts import MountTable
from pydantic_hivemind.hive.scope import Scope


def mounts_of(scope: Scope) -> MountTable:
    """Return the mounts of the hive of a scope."""
    return scope._mounts
