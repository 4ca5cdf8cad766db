"""Options of `create_deep_agent` that upstream shares among all runs of an agent, made each run's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic_hivemind.adapters.pydantic_deep.run_checkpoints import CheckOfStores, default_store


def for_many_users(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of an agent whose runs may be of several users.

    Raises:
        UserError: An option cannot be had for each user.
    """
    chosen = dict(options)
    if chosen.get("include_checkpoints") or chosen.get("checkpoint_store") is not None:
        chosen["checkpoint_store"] = default_store(chosen.get("checkpoint_store"))
        chosen["capabilities"] = [*(chosen.get("capabilities") or ()), CheckOfStores()]
    return chosen
