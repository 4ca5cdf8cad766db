"""How each option of `create_deep_agent` behaves in an agent that serves many users: the table behind the page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic_ai.exceptions import UserError

Isolation = Literal["per user", "made per user", "refused", "no user data", "as you pass it"]
"""`per user`: upstream does it so; `made per user`: this package does; `refused`: an error when the agent is made;
`no user data`: the same for all users; `as you pass it`: your object serves all users."""


@dataclass(frozen=True)
class Option:
    """An option of `create_deep_agent`.

    Attributes:
        isolation: How it is isolated.
        why: One sentence: what keeps users apart, or why it is refused and what to use instead.
    """

    isolation: Isolation
    why: str


def _options(isolation: Isolation, why: str, *names: str) -> dict[str, Option]:
    return dict.fromkeys(names, Option(isolation, why))


_FILES = "Its files are in the scope of each run."

OPTIONS: Mapping[str, Option] = {
    **_options(
        "no user data",
        "Read when the agent is made, and never changed by a run.",
        "model",
        "fallback_model",
        "model_settings",
        "summarization_model",
        "instructions",
        "output_style",
        "interrupt_on",
        "output_type",
        "edit_format",
        "retries",
        "thinking",
        "tool_search",
        "instrument",
        "include_builtin_subagents",
        "max_nesting_depth",
        "subagent_ask_timeout_seconds",
        "checkpoint_frequency",
        "max_checkpoints",
        "context_manager_max_tokens",
        "max_binary_content",
    ),
    **_options(
        "no user data",
        "Read from directories of the host when the agent is made: do not keep what users write there.",
        "styles_dir",
        "skill_directories",
        "skills",
        "include_skills",
    ),
    **_options("no user data", "Fetches from the web, and keeps nothing.", "web_search", "web_fetch"),
    **_options(
        "as you pass it",
        "Your object serves all users: what it keeps between calls, all of them share. Take the user from `ctx.deps`, "
        "or wrap a toolset that keeps state in `PerScope`.",
        "tools",
        "toolsets",
        "extra_toolsets",
        "subagent_extra_toolsets",
        "mcp_servers",
        "hooks",
        "history_processors",
        "agent_kwargs",
    ),
    **_options(
        "as you pass it",
        "Known capabilities are accepted or refused as the table of capabilities says; others cause a warning, since "
        "what they keep between runs is shared by all users.",
        "capabilities",
        "middleware",
    ),
    **_options(
        "as you pass it",
        "Your function is called for the runs of all users, with what is that run's.",
        "on_context_update",
        "on_before_compress",
        "on_after_compress",
        "on_eviction",
        "subagent_usage_limits",
    ),
    "backend": Option("per user", "Only up to 0.3.44: the files of a run are in its own `deps.backend`."),
    "workspace": Option(
        "made per user",
        "Only from 0.3.45 on: `HivemindWorkspace` gives each run the scope of its `deps.backend`; any other workspace "
        "is shared by all users.",
    ),
    **_options(
        "per user",
        _FILES,
        "include_filesystem",
        "include_execute",
        "include_plan",
        "plans_dir",
        "include_memory",
        "memory_dir",
        "memory_namespace",
        "context_files",
        "context_discovery",
        "eviction_token_limit",
        "include_liteparse",
    ),
    **_options(
        "per user",
        "Counted anew for each run.",
        "stuck_loop_detection",
        "periodic_reminder",
        "patch_tool_calls",
    ),
    **_options(
        "per user",
        "Background tasks and the conversations with subagents belong to the run that started them.",
        "include_subagents",
        "subagents",
    ),
    **_options(
        "made per user",
        "The todos of a conversation are kept in the scope of its runs for 30 days; upstream forgets them with `deps`.",
        "include_todo",
        "include_current_todos",
    ),
    "include_teams": Option(
        "made per user", "Each scope has a team and subagents of its own; upstream has one team for all users."
    ),
    "context_manager": Option(
        "made per user",
        "Each run has a context manager of its own; with upstream's, a compaction that one user asks for happens to "
        "the next request of any user.",
    ),
    **_options(
        "made per user",
        "The default store of each run is in its own scope and conversation; another store that would be shared is "
        "refused.",
        "include_checkpoints",
        "checkpoint_store",
    ),
    "include_monitoring": Option(
        "made per user", "Monitors belong to `deps`; a run whose files have no commands is not offered the tools."
    ),
    **_options(
        "made per user",
        "Counted in the store, for the scope of each run and its sessions; upstream has one budget for all users.",
        "cost_tracking",
        "cost_budget_usd",
        "on_cost_update",
    ),
    "forking": Option(
        "made per user",
        "Branches are mirrored in a private directory, removed with the process, instead of the working directory; "
        "`LiveForkCapability(keep_artifacts=True)` is refused, since it would keep the files of all users there.",
    ),
    "include_history_archive": Option(
        "refused",
        "It searches one file of the host for all users; leave it out, and keep histories with "
        "`scope.conversation(...)`.",
    ),
    "history_messages_path": Option(
        "refused",
        "It names one file of the host for all users; leave it out, and keep histories with `scope.conversation(...)`.",
    ),
    "include_improve": Option(
        "refused",
        "It reads the sessions of all users from the host and writes its state beside them; leave it out, and give "
        "agents what they learned with `HivemindSearch()` and `scope.promote()`.",
    ),
    "subagent_registry": Option(
        "refused",
        "It would show each user the agents of all others, with their instructions; leave it out, or pass "
        "`toolsets=[PerScope(...)]` with a function that makes a registry and its toolset.",
    ),
    "message_queue": Option(
        "refused",
        "It would deliver a message to whoever makes the next request; leave it out, and pass "
        "`DeepAgentDeps(message_queue=...)`, which each run reads by itself.",
    ),
}
"""All options, by name; `agent_kwargs` is what goes to pydantic-ai's `Agent`."""

DEFAULTS: Mapping[str, Any] = {
    "include_history_archive": False,
    "history_messages_path": ".pydantic-deep/messages.json",
    "include_improve": False,
    "subagent_registry": None,
    "message_queue": None,
}
"""Values of refused options that are accepted, since they turn nothing on."""


def check_options(options: Mapping[str, Any]) -> None:
    """Check that no option is on that all users would share.

    Raises:
        UserError: An option is refused.
    """
    for name, harmless in DEFAULTS.items():
        if name in options and options[name] != harmless:
            raise UserError(f"`{name}` is not for an agent that many users share. {OPTIONS[name].why}")
