"""Memory for pydantic-deep agents that many users, projects and runs share without leaking.

Names are imported on first use, so that `import pydantic_hivemind` takes a few milliseconds.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic_hivemind.adapters.backend import HivemindBackend as HivemindBackend
    from pydantic_hivemind.adapters.checkpoints import HivemindCheckpointStore as HivemindCheckpointStore
    from pydantic_hivemind.adapters.memory import HivemindMemoryStore as HivemindMemoryStore
    from pydantic_hivemind.adapters.sessions import Session as Session
    from pydantic_hivemind.adapters.sessions import SessionManager as SessionManager
    from pydantic_hivemind.adapters.toolset import HivemindSearch as HivemindSearch
    from pydantic_hivemind.adapters.toolset import HivemindToolset as HivemindToolset
    from pydantic_hivemind.adapters.workspace import HivemindWorkspace as HivemindWorkspace
    from pydantic_hivemind.base.mounts import DEFAULT_MOUNTS as DEFAULT_MOUNTS
    from pydantic_hivemind.base.mounts import Mount as Mount
    from pydantic_hivemind.base.values import Change as Change
    from pydantic_hivemind.base.values import Conflict as Conflict
    from pydantic_hivemind.base.values import Edited as Edited
    from pydantic_hivemind.base.values import File as File
    from pydantic_hivemind.base.values import Hit as Hit
    from pydantic_hivemind.base.values import Hits as Hits
    from pydantic_hivemind.base.values import Match as Match
    from pydantic_hivemind.base.values import PromotionReport as PromotionReport
    from pydantic_hivemind.base.values import ScopeInfo as ScopeInfo
    from pydantic_hivemind.base.values import Stat as Stat
    from pydantic_hivemind.base.values import Version as Version
    from pydantic_hivemind.hive.hivemind import Hivemind as Hivemind
    from pydantic_hivemind.hive.scope import Scope as Scope
    from pydantic_hivemind.messages.checkpoints import Checkpoints as Checkpoints
    from pydantic_hivemind.messages.checkpoints import Snapshot as Snapshot
    from pydantic_hivemind.messages.conversations import Conversation as Conversation

_HOMES = {
    "Change": "base.values",
    "Checkpoints": "messages.checkpoints",
    "Conflict": "base.values",
    "Conversation": "messages.conversations",
    "DEFAULT_MOUNTS": "base.mounts",
    "Edited": "base.values",
    "File": "base.values",
    "Hit": "base.values",
    "Hits": "base.values",
    "Hivemind": "hive.hivemind",
    "HivemindBackend": "adapters.backend",
    "HivemindCheckpointStore": "adapters.checkpoints",
    "HivemindMemoryStore": "adapters.memory",
    "HivemindSearch": "adapters.toolset",
    "HivemindToolset": "adapters.toolset",
    "HivemindWorkspace": "adapters.workspace",
    "Match": "base.values",
    "Mount": "base.mounts",
    "PromotionReport": "base.values",
    "Scope": "hive.scope",
    "ScopeInfo": "base.values",
    "Session": "adapters.sessions",
    "SessionManager": "adapters.sessions",
    "Snapshot": "messages.checkpoints",
    "Stat": "base.values",
    "Version": "base.values",
}
"""Public names and the modules they live in."""

__all__ = [
    "DEFAULT_MOUNTS",
    "Change",
    "Checkpoints",
    "Conflict",
    "Conversation",
    "Edited",
    "File",
    "Hit",
    "Hits",
    "Hivemind",
    "HivemindBackend",
    "HivemindCheckpointStore",
    "HivemindMemoryStore",
    "HivemindSearch",
    "HivemindToolset",
    "HivemindWorkspace",
    "Match",
    "Mount",
    "PromotionReport",
    "Scope",
    "ScopeInfo",
    "Session",
    "SessionManager",
    "Snapshot",
    "Stat",
    "Version",
]


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
