"""`DeepAgentDeps`, `create_deep_agent` and `DeepAgent` with a `backend=` option, for every version of pydantic-deep."""

from __future__ import annotations

from pydantic_hivemind.adapters.pydantic_deep.line_choice import (
    TAKES_BACKEND,
    DeepAgent,
    DeepAgentDeps,
    continue_here,
    create_deep_agent,
)

__all__ = ["TAKES_BACKEND", "DeepAgent", "DeepAgentDeps", "continue_here", "create_deep_agent"]
