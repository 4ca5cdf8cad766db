"""Options of `create_deep_agent` that upstream shares among all runs of an agent, made each run's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pydantic_ai.exceptions import UserError
from pydantic_ai.toolsets import AbstractToolset, FunctionToolset
from pydantic_deep.features.forking.capability import LiveForkCapability

from pydantic_hivemind.adapters.pydantic_deep.capability_isolation import check_capabilities
from pydantic_hivemind.adapters.pydantic_deep.option_isolation import OPTIONS, check_options
from pydantic_hivemind.adapters.pydantic_deep.run_checkpoints import CheckOfStores, default_store
from pydantic_hivemind.adapters.pydantic_deep.run_costs import RunCosts
from pydantic_hivemind.adapters.pydantic_deep.run_features import RunFeatures, context_management
from pydantic_hivemind.adapters.pydantic_deep.run_todos import RunTodos
from pydantic_hivemind.adapters.pydantic_deep.scope_toolsets import TeamsOfScopes

OWN_OPTIONS = ("tree_budgets_usd",)
"""Options that upstream does not have."""

_REGISTRY_TOOLS = {"create_agent", "list_agents", "get_agent_info"}
"""Tools of a toolset that registers agents."""


def for_many_users(
    options: Mapping[str, Any], make_toolsets: Callable[[dict[str, Any]], Sequence[AbstractToolset[Any]]]
) -> dict[str, Any]:
    """Return the options of an agent whose runs may be of several users.

    Args:
        options: As they were given.
        make_toolsets: Returns the toolsets of an agent with the options that it is given.

    Raises:
        UserError: An option cannot be isolated per user.
    """
    check_options(options)
    given = [*(options.get("capabilities") or ()), *(options.get("middleware") or ())]
    check_capabilities(given)
    for name in ("toolsets", "extra_toolsets", "subagent_extra_toolsets"):
        _check_toolsets(name, options.get(name) or ())
    _check_forking(options.get("forking"))
    chosen = {name: value for name, value in options.items() if name not in OWN_OPTIONS}
    chosen["include_history_archive"] = False
    capabilities: list[Any] = [*(options.get("capabilities") or ()), RunFeatures()]
    if chosen.get("include_checkpoints") or chosen.get("checkpoint_store") is not None:
        chosen["checkpoint_store"] = default_store(chosen.get("checkpoint_store"))
        capabilities.append(CheckOfStores())
    if chosen.get("include_todo", True):
        capabilities.append(RunTodos())
    if chosen.get("include_teams"):
        plain = {**chosen, "capabilities": options.get("capabilities")}
        capabilities.append(TeamsOfScopes(lambda: [*make_toolsets(plain)]))
    chosen["capabilities"] = capabilities
    chosen["middleware"] = [*(options.get("middleware") or ()), *_in_place_of_upstreams(options)]
    chosen["context_manager"] = chosen["cost_tracking"] = False
    return chosen


def _in_place_of_upstreams(options: Mapping[str, Any]) -> list[Any]:
    """Return what stands where upstream's context manager and cost tracking would."""
    found: list[Any] = []
    if options.get("context_manager", True):
        found += context_management(options)
    if options.get("cost_tracking", True):
        model = options.get("model")
        found.append(
            RunCosts(
                budget_usd=options.get("cost_budget_usd"),
                tree_budgets_usd=dict(options.get("tree_budgets_usd") or {}),
                on_cost_update=options.get("on_cost_update"),
                model_name=model if isinstance(model, str) else None,
            )
        )
    elif options.get("cost_budget_usd") is not None or options.get("tree_budgets_usd"):
        raise UserError("a budget needs `cost_tracking=True`, the default: without it nothing is counted")
    return found


def _check_toolsets(name: str, toolsets: Sequence[object]) -> None:
    for toolset in toolsets:
        if isinstance(toolset, FunctionToolset) and set(toolset.tools) >= _REGISTRY_TOOLS:
            raise UserError(f"A toolset in `{name}` registers agents for all users. {OPTIONS['subagent_registry'].why}")


def _check_forking(forking: object) -> None:
    if isinstance(forking, LiveForkCapability) and forking.keep_artifacts:
        raise UserError(
            "`LiveForkCapability(keep_artifacts=True)` is not for an agent that many users share: it would keep the "
            "files of all users on the host. Leave it out."
        )
