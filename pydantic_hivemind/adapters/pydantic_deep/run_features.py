"""Features of pydantic-deep that keep state in the agent, or in the working directory, made each run's own."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic_ai import RunContext
from pydantic_ai.capabilities import AbstractCapability
from pydantic_ai.tools import ToolDefinition
from pydantic_ai_summarization.capability import ContextManagerCapability, LimitWarnerCapability
from pydantic_deep.features.message_queue import MessageQueueCapability

from pydantic_hivemind.base.fork_safety import Lock

MONITOR_TOOLS = frozenset({"start_monitor", "list_monitors", "stop_monitor"})
"""Tools that watch commands."""

_making = Lock()


@dataclass
class RunCompaction(ContextManagerCapability):
    """pydantic-deep's context manager, each run with one of its own.

    Upstream's serves all runs of the agent: a compaction that one user's agent asks for happens to whoever makes the
    next request, and the topic it shall focus on gets into that user's summary.
    """

    async def for_run(self, ctx: RunContext[Any]) -> ContextManagerCapability:
        """Return a context manager with nothing requested."""
        return await ContextManagerCapability.for_run(replace(self), ctx)


def context_management(options: Mapping[str, Any]) -> list[AbstractCapability[Any]]:
    """Return what `context_manager=True` adds to an agent, from the options of `create_deep_agent`."""
    from pydantic_deep.models import DEFAULT_MODEL, DEFAULT_SUMMARIZATION_MODEL

    named = {
        "max_tokens": options.get("context_manager_max_tokens") or None,
        "on_usage_update": options.get("on_context_update"),
        "on_before_compress": options.get("on_before_compress"),
        "on_after_compress": options.get("on_after_compress"),
    }
    model = options.get("summarization_model") or options.get("model") or DEFAULT_MODEL
    manager = RunCompaction(
        summarization_model=model if isinstance(model, str) or _takes_models() else DEFAULT_SUMMARIZATION_MODEL,
        include_compact_tool=True,
        **{name: value for name, value in named.items() if value is not None},
    )
    warner = LimitWarnerCapability(max_context_tokens=named["max_tokens"] or 200_000, warning_threshold=0.7)
    return [manager, warner]


def _takes_models() -> bool:
    """Whether the installed pydantic-deep summarises with the agent's own model if that is an object."""
    import pydantic_deep

    return not any(name == "backend" for name in pydantic_deep.DeepAgentDeps.__dataclass_fields__)


class RunFeatures(AbstractCapability[Any]):
    """What of a run's features needs its dependencies: its message queue, its fork's directory, its monitors."""

    async def before_run(self, ctx: RunContext[Any]) -> None:
        """Mirror the branches of a fork in a directory that this user alone may read."""
        coordinator = getattr(ctx.deps, "fork_coordinator", None)
        if coordinator is not None and coordinator.fork_id is None:
            coordinator.materializer_root = fork_directory()

    async def before_model_request(self, ctx: RunContext[Any], request_context: Any) -> Any:
        """Deliver what was sent to the queue of this run's `deps`."""
        queue = getattr(ctx.deps, "message_queue", None)
        if queue is None:
            return request_context
        return await MessageQueueCapability(queue=queue).before_model_request(ctx, request_context)

    async def prepare_tools(self, ctx: RunContext[Any], tool_defs: list[ToolDefinition]) -> list[ToolDefinition]:
        """Leave out the tools that watch commands, where this run has none."""
        if runs_commands(ctx):
            return tool_defs
        return [tool for tool in tool_defs if tool.name not in MONITOR_TOOLS]


def runs_commands(ctx: RunContext[Any]) -> bool:
    """Return whether a run's files are in a place that also runs commands in the background."""
    backend = getattr(ctx.deps, "backend", None)
    unwrap = getattr(backend, "unwrap", None)
    if hasattr(unwrap() if callable(unwrap) else backend, "execute_background"):
        return True
    workspace = getattr(ctx, "workspace", None)
    return bool(workspace is not None and workspace.attached and hasattr(workspace.backend, "run"))


@lru_cache(maxsize=1)
def _fork_directory() -> Path:
    directory = Path(tempfile.mkdtemp(prefix="hivemind-forks-"))
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    return directory


def fork_directory() -> Path:
    """Return the directory of this process in which branches of forks are mirrored until they are merged."""
    with _making:
        return _fork_directory()
