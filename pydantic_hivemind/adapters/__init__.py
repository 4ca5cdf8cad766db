"""Adapters of a scope for pydantic-ai, pydantic-deep, their backends and harness, and FastAPI: a folder for each.

Names are imported on first use, together with the packages that the adapter needs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic_hivemind.base.lazy_names import lazy_names

if TYPE_CHECKING:
    from pydantic_hivemind.adapters.backends.scope_backend import HivemindBackend as HivemindBackend
    from pydantic_hivemind.adapters.backends.session import PromoteOptions as PromoteOptions
    from pydantic_hivemind.adapters.backends.session import Session as Session
    from pydantic_hivemind.adapters.backends.session_manager import SessionManager as SessionManager
    from pydantic_hivemind.adapters.harness.history_search import HivemindHistorySearch as HivemindHistorySearch
    from pydantic_hivemind.adapters.harness.media_store import HivemindMediaStore as HivemindMediaStore
    from pydantic_hivemind.adapters.harness.memory_store import HivemindMemoryStore as HivemindMemoryStore
    from pydantic_hivemind.adapters.harness.plan_store import HivemindPlanStore as HivemindPlanStore
    from pydantic_hivemind.adapters.harness.plan_store import HivemindTodoStorage as HivemindTodoStorage
    from pydantic_hivemind.adapters.harness.spend_store import HivemindSpendStore as HivemindSpendStore
    from pydantic_hivemind.adapters.harness.step_store import HivemindStepStore as HivemindStepStore
    from pydantic_hivemind.adapters.memory.recall import HivemindMemory as HivemindMemory
    from pydantic_hivemind.adapters.memory.toolset import HivemindSearch as HivemindSearch
    from pydantic_hivemind.adapters.memory.toolset import HivemindToolset as HivemindToolset
    from pydantic_hivemind.adapters.pydantic_ai.hivemind_workspace import HivemindWorkspace as HivemindWorkspace
    from pydantic_hivemind.adapters.pydantic_ai.scope_workspace import ScopeWorkspace as ScopeWorkspace
    from pydantic_hivemind.adapters.pydantic_deep.checkpoint_store import (
        HivemindCheckpointStore as HivemindCheckpointStore,
    )

__all__ = [
    "HivemindBackend",
    "HivemindCheckpointStore",
    "HivemindHistorySearch",
    "HivemindMediaStore",
    "HivemindMemory",
    "HivemindMemoryStore",
    "HivemindPlanStore",
    "HivemindSearch",
    "HivemindSpendStore",
    "HivemindStepStore",
    "HivemindTodoStorage",
    "HivemindToolset",
    "HivemindWorkspace",
    "PromoteOptions",
    "ScopeWorkspace",
    "Session",
    "SessionManager",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "HivemindBackend": "backends.scope_backend",
        "HivemindCheckpointStore": "pydantic_deep.checkpoint_store",
        "HivemindMemory": "memory.recall",
        "HivemindMemoryStore": "harness.memory_store",
        "HivemindHistorySearch": "harness.history_search",
        "HivemindMediaStore": "harness.media_store",
        "HivemindPlanStore": "harness.plan_store",
        "HivemindSpendStore": "harness.spend_store",
        "HivemindStepStore": "harness.step_store",
        "HivemindTodoStorage": "harness.plan_store",
        "HivemindSearch": "memory.toolset",
        "HivemindToolset": "memory.toolset",
        "HivemindWorkspace": "pydantic_ai.hivemind_workspace",
        "PromoteOptions": "backends.session",
        "ScopeWorkspace": "pydantic_ai.scope_workspace",
        "Session": "backends.session",
        "SessionManager": "backends.session_manager",
    },
)
