"""`RunActor`: a capability that notes the agent and the run with everything that a run writes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic_ai import AgentRunResult, RunContext
from pydantic_ai.capabilities import AbstractCapability, WrapRunHandler

from pydantic_hivemind.base.acting import acting, shown


@dataclass
class RunActor(AbstractCapability[Any]):
    """A capability that notes the agent's name and the run's id with everything that the run writes to a hive.

    `HivemindWorkspace` and `HivemindSearch` do this too; use it where an agent has neither.
    """

    async def wrap_run(self, ctx: RunContext[Any], *, handler: WrapRunHandler) -> AgentRunResult[Any]:
        """Run as the agent and the run of this context."""
        agent = None if ctx.agent is None else shown(ctx.agent.name)
        with acting(agent=agent, run=shown(ctx.run_id)):
            return await handler()
