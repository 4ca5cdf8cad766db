"""`DeepAgentDeps`, `create_deep_agent` and `DeepAgent` with `backend=`, for every version of pydantic-deep.

Up to 0.3.44 pydantic-deep has backends itself. From 0.3.45 on the dependencies get one here, and runs get a workspace
that is its scope. On both, options that pydantic-deep shares among all runs of an agent are each run's own.
"""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING

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
    from pydantic_hivemind.adapters.pydantic_deep.line_a import DeepAgent, continue_here, create_deep_agent
    from pydantic_hivemind.adapters.pydantic_deep.line_a_deps import DeepAgentDeps


__all__ = ["TAKES_BACKEND", "DeepAgent", "DeepAgentDeps", "continue_here", "create_deep_agent"]
