"""Which capabilities that users pass to an agent keep users apart, by the names of their classes."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping

from pydantic_ai.capabilities import AbstractCapability, WrapperCapability
from pydantic_ai.exceptions import UserError

KEEPS_NOTHING = frozenset(
    {
        "BatchModelRequests",
        "Caching",
        "Citations",
        "ClampOversizedMessages",
        "ClearToolResults",
        "DeduplicateFileReads",
        "DeferredCapabilityLoader",
        "EvictionCapability",
        "FileUnderstanding",
        "ImageGeneration",
        "IncludeToolReturnSchemas",
        "InputGuard",
        "Instrumentation",
        "MCP",
        "MonitorCapability",
        "NativeOrLocalTool",
        "NativeTool",
        "NoRefusals",
        "OutputGuard",
        "PatchToolCallsCapability",
        "PendingMessageDrainCapability",
        "PeriodicReminderCapability",
        "PiiDetector",
        "PrefixTools",
        "PrepareOutputTools",
        "PrepareTools",
        "ProcessEventStream",
        "ProcessHistory",
        "PromptInjection",
        "RaiseContentFilterError",
        "ReinjectSystemPrompt",
        "RepairToolArguments",
        "ResolveModelId",
        "SecretRedaction",
        "SelectModel",
        "SetToolMetadata",
        "SlidingWindowCapability",
        "SlidingWindowCompaction",
        "StuckLoopDetection",
        "SummarizationCapability",
        "SummarizingCompaction",
        "Thinking",
        "ToolGuard",
        "ToolSearch",
        "Toolset",
        "UseThreadExecutor",
        "WebFetch",
        "WebSearch",
        "XSearch",
    }
)
"""Capabilities of pydantic-ai and its libraries that keep nothing, or only for the run that they are in."""

CALLS_YOURS = frozenset({"AsyncGuardrail", "Capability", "HandleDeferredToolCalls", "Hooks", "HooksCapability"})
"""Capabilities that call functions of yours, which may keep what they like."""

REFUSED: Mapping[str, str] = {
    "CheckpointMiddleware": "its store is one for all users; use `include_checkpoints=True`",
    "ContextManagerCapability": "a compaction that one user asks for happens to all; use `context_manager=True`",
    "CostTracking": "it has one budget for all users; use `cost_budget_usd=`",
    "MessageQueueCapability": "its queue is one for all users; use `DeepAgentDeps(message_queue=...)`",
    "SubAgentCapability": "its agents and tasks are those of all users; use `subagents=`",
    "TodoCapability": "its todos are those of all users; use `include_todo=True`, or `HivemindTodoStorage`",
}
"""Capabilities that all users would share, and what to use instead."""


def check_capabilities(capabilities: Iterable[object]) -> None:
    """Check capabilities that a user passes to an agent. Unknown ones cause a warning.

    Raises:
        UserError: All users would share what a capability keeps.
    """
    for capability in capabilities:
        kinds = [kind for kind in type(capability).__mro__ if kind is not object]
        if AbstractCapability not in kinds:
            continue
        if kinds[0].__module__.startswith("pydantic_hivemind."):
            continue
        if _is_upstreams(kinds[0]) and _keeps_in_scopes(capability):
            continue
        for kind in kinds:
            if kind.__name__ in REFUSED and _is_upstreams(kind):
                raise UserError(
                    f"`{kind.__name__}` is not for an agent that many users share: {REFUSED[kind.__name__]}."
                )
        if WrapperCapability in kinds:
            inner: object = getattr(capability, "wrapped", None)
            check_capabilities([inner])
            continue
        name = kinds[0].__name__
        if not (_is_upstreams(kinds[0]) and name in KEEPS_NOTHING | CALLS_YOURS):
            warnings.warn(
                f"The capability `{name}` is unknown here. One object of it serves all users of the agent: see that "
                "it keeps nothing between runs, or returns a new one from `for_run`.",
                UserWarning,
                stacklevel=4,
            )


def _keeps_in_scopes(capability: object) -> bool:
    """Return whether what a capability keeps is in a store of this package, in each run that of the run's scope."""
    for name in ("store", "async_storage", "store_resolver"):
        store = getattr(capability, name, None)
        owner = getattr(store, "__self__", store)
        kind = owner if isinstance(owner, type) else type(owner)
        if kind.__module__.startswith("pydantic_hivemind.") and getattr(store, "_bound", None) is None:
            return True
    return False


def _is_upstreams(kind: type) -> bool:
    return kind.__module__.partition(".")[0] in {
        "pydantic_ai",
        "pydantic_ai_harness",
        "pydantic_ai_shields",
        "pydantic_ai_summarization",
        "pydantic_ai_todo",
        "pydantic_deep",
        "subagents_pydantic_ai",
    }
