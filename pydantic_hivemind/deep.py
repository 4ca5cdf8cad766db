"""`DeepAgentDeps`, `create_deep_agent` and `DeepAgent` with a `backend=` option, for every version of pydantic-deep."""

from __future__ import annotations

from pydantic_hivemind.adapters.pydantic_deep.line_choice import (
    TAKES_BACKEND,
    DeepAgent,
    DeepAgentDeps,
    continue_here,
    create_deep_agent,
)
from pydantic_hivemind.adapters.pydantic_deep.run_costs import TreeBudgetExceededError
from pydantic_hivemind.adapters.pydantic_deep.scope_toolsets import PerScope
from pydantic_hivemind.hive.run_state import Spending, spending_of, spending_of_tree

__all__ = [
    "TAKES_BACKEND",
    "DeepAgent",
    "DeepAgentDeps",
    "PerScope",
    "Spending",
    "TreeBudgetExceededError",
    "continue_here",
    "create_deep_agent",
    "spending_of",
    "spending_of_tree",
]
