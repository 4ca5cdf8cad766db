"""`create_deep_agent` and `DeepAgent` for pydantic-deep up to 0.3.44, whose runs bring their backend themselves."""

from __future__ import annotations

from functools import wraps
from typing import Any

import pydantic_deep

from pydantic_hivemind.adapters.pydantic_ai.run_actor import RunActor
from pydantic_hivemind.adapters.pydantic_deep.agent_options import for_many_users
from pydantic_hivemind.adapters.pydantic_deep.run_histories import CONTINUE, RunHistories


@wraps(pydantic_deep.create_deep_agent)
def create_deep_agent(model: Any = None, **options: Any) -> Any:
    """Create a deep agent as pydantic-deep does, with the options that it shares among runs made each run's own.

    Raises:
        UserError: An option cannot be isolated per user.
    """
    return pydantic_deep.create_deep_agent(**_of_users({**options, "model": model}))


def _of_users(options: dict[str, Any]) -> dict[str, Any]:
    """Return the options of an agent whose runs are each one user's; what workspaces do on the later line is added."""
    chosen = for_many_users(options, _toolsets)
    return {**chosen, "capabilities": [RunActor(), *chosen["capabilities"], RunHistories()]}


def _toolsets(options: dict[str, Any]) -> Any:
    return pydantic_deep.create_deep_agent(**options).toolsets


class DeepAgent(pydantic_deep.DeepAgent):
    """pydantic-deep's agents from files and dicts, with the options of `create_deep_agent`."""

    @classmethod
    def from_spec(cls, data: dict[str, Any], **overrides: Any) -> tuple[Any, Any]:
        """Create an agent and the dependencies of one run; other runs bring their own dependencies.

        Raises:
            UserError: An option cannot be isolated per user.
        """
        return super().from_spec(_of_users({**data, **overrides}))


def continue_here() -> dict[str, Any]:
    """Return options of `agent.run` that continue a conversation in the scope of its `deps`, wherever it began."""
    return {"metadata": {CONTINUE: True}}
