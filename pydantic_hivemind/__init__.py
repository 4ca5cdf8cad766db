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
    from pydantic_hivemind.checkpoints import Checkpoints as Checkpoints
    from pydantic_hivemind.checkpoints import Snapshot as Snapshot
    from pydantic_hivemind.conversations import Conversation as Conversation
    from pydantic_hivemind.hivemind import Hivemind as Hivemind
    from pydantic_hivemind.model import Change as Change
    from pydantic_hivemind.model import Conflict as Conflict
    from pydantic_hivemind.model import Edited as Edited
    from pydantic_hivemind.model import File as File
    from pydantic_hivemind.model import Hit as Hit
    from pydantic_hivemind.model import Hits as Hits
    from pydantic_hivemind.model import Match as Match
    from pydantic_hivemind.model import PromotionReport as PromotionReport
    from pydantic_hivemind.model import ScopeInfo as ScopeInfo
    from pydantic_hivemind.model import Stat as Stat
    from pydantic_hivemind.model import Version as Version
    from pydantic_hivemind.mounts import DEFAULT_MOUNTS as DEFAULT_MOUNTS
    from pydantic_hivemind.mounts import Mount as Mount
    from pydantic_hivemind.scopes import Scope as Scope

_HOMES = {
    "Change": "model",
    "Checkpoints": "checkpoints",
    "Conflict": "model",
    "Conversation": "conversations",
    "DEFAULT_MOUNTS": "mounts",
    "Edited": "model",
    "File": "model",
    "Hit": "model",
    "Hits": "model",
    "Hivemind": "hivemind",
    "HivemindBackend": "adapters.backend",
    "HivemindCheckpointStore": "adapters.checkpoints",
    "HivemindMemoryStore": "adapters.memory",
    "HivemindSearch": "adapters.toolset",
    "HivemindToolset": "adapters.toolset",
    "HivemindWorkspace": "adapters.workspace",
    "Match": "model",
    "Mount": "mounts",
    "PromotionReport": "model",
    "Scope": "scopes",
    "ScopeInfo": "model",
    "Session": "adapters.sessions",
    "SessionManager": "adapters.sessions",
    "Snapshot": "checkpoints",
    "Stat": "model",
    "Version": "model",
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
