"""Memory that pydantic-deep agents of many users, projects and runs share, isolated by scope.

Names are imported on first use, so that `import pydantic_hivemind` takes a few milliseconds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic_hivemind.base.lazy_names import lazy_names
from pydantic_hivemind.base.moved_modules import install

if TYPE_CHECKING:
    from pydantic_hivemind.adapters.backends.scope_backend import HivemindBackend as HivemindBackend
    from pydantic_hivemind.adapters.backends.session import Session as Session
    from pydantic_hivemind.adapters.backends.session_manager import SessionManager as SessionManager
    from pydantic_hivemind.adapters.harness.memory_store import HivemindMemoryStore as HivemindMemoryStore
    from pydantic_hivemind.adapters.memory.recall import HivemindMemory as HivemindMemory
    from pydantic_hivemind.adapters.memory.toolset import HivemindSearch as HivemindSearch
    from pydantic_hivemind.adapters.memory.toolset import HivemindToolset as HivemindToolset
    from pydantic_hivemind.adapters.pydantic_ai.hivemind_workspace import HivemindWorkspace as HivemindWorkspace
    from pydantic_hivemind.adapters.pydantic_ai.run_actor import RunActor as RunActor
    from pydantic_hivemind.adapters.pydantic_deep.chat import HivemindChat as HivemindChat
    from pydantic_hivemind.adapters.pydantic_deep.checkpoint_store import (
        HivemindCheckpointStore as HivemindCheckpointStore,
    )
    from pydantic_hivemind.base.acting import acting as acting
    from pydantic_hivemind.base.mounts import DEFAULT_MOUNTS as DEFAULT_MOUNTS
    from pydantic_hivemind.base.mounts import Mount as Mount
    from pydantic_hivemind.base.proposal_values import ProposalInfo as ProposalInfo
    from pydantic_hivemind.base.values import Actor as Actor
    from pydantic_hivemind.base.values import Change as Change
    from pydantic_hivemind.base.values import Changes as Changes
    from pydantic_hivemind.base.values import Conflict as Conflict
    from pydantic_hivemind.base.values import ConversationInfo as ConversationInfo
    from pydantic_hivemind.base.values import Edited as Edited
    from pydantic_hivemind.base.values import File as File
    from pydantic_hivemind.base.values import Hit as Hit
    from pydantic_hivemind.base.values import Hits as Hits
    from pydantic_hivemind.base.values import Match as Match
    from pydantic_hivemind.base.values import PromotionReport as PromotionReport
    from pydantic_hivemind.base.values import ScopeInfo as ScopeInfo
    from pydantic_hivemind.base.values import Stat as Stat
    from pydantic_hivemind.base.values import Version as Version
    from pydantic_hivemind.hive.async_hivemind import AsyncHivemind as AsyncHivemind
    from pydantic_hivemind.hive.async_messages import AsyncCheckpoints as AsyncCheckpoints
    from pydantic_hivemind.hive.async_messages import AsyncConversation as AsyncConversation
    from pydantic_hivemind.hive.async_proposals import AsyncProposal as AsyncProposal
    from pydantic_hivemind.hive.async_scope import AsyncScope as AsyncScope
    from pydantic_hivemind.hive.hivemind import Hivemind as Hivemind
    from pydantic_hivemind.hive.scope import Scope as Scope
    from pydantic_hivemind.messages.checkpoints import Checkpoints as Checkpoints
    from pydantic_hivemind.messages.checkpoints import Snapshot as Snapshot
    from pydantic_hivemind.messages.conversations import Conversation as Conversation
    from pydantic_hivemind.promotion.proposals import Proposal as Proposal

_HOMES = {
    "Actor": "base.values",
    "AsyncCheckpoints": "hive.async_messages",
    "AsyncConversation": "hive.async_messages",
    "AsyncHivemind": "hive.async_hivemind",
    "AsyncProposal": "hive.async_proposals",
    "AsyncScope": "hive.async_scope",
    "Change": "base.values",
    "Changes": "base.values",
    "Checkpoints": "messages.checkpoints",
    "Conflict": "base.values",
    "Conversation": "messages.conversations",
    "ConversationInfo": "base.values",
    "DEFAULT_MOUNTS": "base.mounts",
    "Edited": "base.values",
    "File": "base.values",
    "Hit": "base.values",
    "Hits": "base.values",
    "Hivemind": "hive.hivemind",
    "HivemindBackend": "adapters.backends.scope_backend",
    "HivemindChat": "adapters.pydantic_deep.chat",
    "HivemindCheckpointStore": "adapters.pydantic_deep.checkpoint_store",
    "HivemindMemory": "adapters.memory.recall",
    "HivemindMemoryStore": "adapters.harness.memory_store",
    "HivemindSearch": "adapters.memory.toolset",
    "HivemindToolset": "adapters.memory.toolset",
    "HivemindWorkspace": "adapters.pydantic_ai.hivemind_workspace",
    "Match": "base.values",
    "Mount": "base.mounts",
    "PromotionReport": "base.values",
    "Proposal": "promotion.proposals",
    "ProposalInfo": "base.proposal_values",
    "RunActor": "adapters.pydantic_ai.run_actor",
    "Scope": "hive.scope",
    "ScopeInfo": "base.values",
    "Session": "adapters.backends.session",
    "SessionManager": "adapters.backends.session_manager",
    "Snapshot": "messages.checkpoints",
    "Stat": "base.values",
    "Version": "base.values",
    "acting": "base.acting",
}
"""Public names, and the modules that define them."""

__all__ = [
    "DEFAULT_MOUNTS",
    "Actor",
    "AsyncCheckpoints",
    "AsyncConversation",
    "AsyncHivemind",
    "AsyncProposal",
    "AsyncScope",
    "Change",
    "Changes",
    "Checkpoints",
    "Conflict",
    "Conversation",
    "ConversationInfo",
    "Edited",
    "File",
    "Hit",
    "Hits",
    "Hivemind",
    "HivemindBackend",
    "HivemindChat",
    "HivemindCheckpointStore",
    "HivemindMemory",
    "HivemindMemoryStore",
    "HivemindSearch",
    "HivemindToolset",
    "HivemindWorkspace",
    "Match",
    "Mount",
    "PromotionReport",
    "Proposal",
    "ProposalInfo",
    "RunActor",
    "Scope",
    "ScopeInfo",
    "Session",
    "SessionManager",
    "Snapshot",
    "Stat",
    "Version",
    "acting",
]

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
install()
