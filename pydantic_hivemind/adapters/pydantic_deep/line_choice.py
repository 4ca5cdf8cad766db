"""`DeepAgentDeps`, `create_deep_agent` and `DeepAgent` with `backend=`, for every version of pydantic-deep.

Up to 0.3.44 they are pydantic-deep's own. From 0.3.45 on pydantic-deep has no backends, and these are subclasses and
a wrapper that provide them with workspaces.
"""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

import pydantic_deep

TAKES_BACKEND = any(field.name == "backend" for field in fields(pydantic_deep.DeepAgentDeps))
"""Whether the installed pydantic-deep has backends itself."""

if TYPE_CHECKING or not TAKES_BACKEND:
    from pydantic_hivemind.adapters.pydantic_deep.line_b import (
        DeepAgent,
        DeepAgentDeps,
        continue_here,
        create_deep_agent,
    )
else:
    from pydantic_deep import DeepAgent, DeepAgentDeps, create_deep_agent

    def continue_here() -> dict[str, Any]:
        """Return options of `agent.run` that continue a conversation in the scope of its `deps`, wherever it began."""
        return {}


__all__ = ["TAKES_BACKEND", "DeepAgent", "DeepAgentDeps", "continue_here", "create_deep_agent"]
