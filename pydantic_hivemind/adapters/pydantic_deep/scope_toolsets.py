"""`PerScope`: a toolset that keeps state, such as a team or a registry of agents, made once for each scope."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from pydantic_ai import RunContext
from pydantic_ai.capabilities import AbstractCapability
from pydantic_ai.exceptions import UserError
from pydantic_ai.toolsets import AbstractToolset, ToolsetTool

from pydantic_hivemind.adapters.pydantic_deep.run_scope import found_scope
from pydantic_hivemind.base.fork_safety import Lock
from pydantic_hivemind.hive.async_seam import perform
from pydantic_hivemind.hive.internals import owner_and_sessions
from pydantic_hivemind.hive.scope import Scope
from pydantic_hivemind.limits import MAX_SCOPE_TOOLSETS

TEAM_TOOLSETS = ("deep-subagents", "deep-team")
"""Ids of the toolsets of pydantic-deep that know of teams: one registers their members, the other runs them."""


class PerScope(AbstractToolset[Any]):
    """A toolset that is made for each scope, and is the same in all runs of a scope and its sessions.

    Those of the scopes used last are kept, in this process.

    Args:
        make: Returns a new toolset.
        id: Id of the toolset.
    """

    def __init__(self, make: Callable[[], AbstractToolset[Any]], *, id: str | None = None) -> None:
        self._make = make
        self._id = id
        self._made: OrderedDict[Scope, AbstractToolset[Any]] = OrderedDict()
        self._lock = Lock()

    @property
    def id(self) -> str | None:
        """Id of the toolset."""
        return self._id

    async def for_run(self, ctx: RunContext[Any]) -> AbstractToolset[Any]:
        """Return the toolset of the run's scope; of a run without a scope, a new one.

        Raises:
            ScopeGone: The scope was destroyed, or its ttl has passed.
        """
        scope = await found_scope(ctx)
        if scope is None:
            return await self._make().for_run(ctx)
        owner = await perform(lambda: owner_and_sessions(scope)[-1])
        return await self.of(owner).for_run(ctx)

    def of(self, scope: Scope) -> AbstractToolset[Any]:
        """Return the toolset of a scope."""
        with self._lock:
            found = self._made.get(scope) or self._make()
            self._made[scope] = found
            self._made.move_to_end(scope)
            while len(self._made) > MAX_SCOPE_TOOLSETS:
                self._made.popitem(last=False)
            return found

    async def get_tools(self, ctx: RunContext[Any]) -> dict[str, ToolsetTool[Any]]:  # noqa: ARG002 - upstream's
        """Return no tools: those of a run are in what `for_run` returns."""
        return {}

    async def call_tool(
        self,
        name: str,
        tool_args: dict[str, Any],  # noqa: ARG002 - upstream's
        ctx: RunContext[Any],  # noqa: ARG002
        tool: ToolsetTool[Any],  # noqa: ARG002
    ) -> Any:
        """Refuse: outside of a run there are no tools.

        Raises:
            UserError: Always.
        """
        raise UserError(f"the tool {name!r} is called outside of a run")


class TeamsOfScopes(AbstractCapability[Any]):
    """Gives each scope subagents and teams of its own, in place of the agent's, which all users would share.

    Args:
        make_toolsets: Returns the toolsets of an agent like this one, made once more.
    """

    def __init__(self, make_toolsets: Callable[[], list[AbstractToolset[Any]]]) -> None:
        self._agents = PerScope(lambda: _Agent(make_toolsets()))
        self._own = {id: _Part(self._agents, id) for id in TEAM_TOOLSETS}

    def get_wrapper_toolset(self, toolset: AbstractToolset[Any]) -> AbstractToolset[Any]:
        """Return the agent's tools, with those of teams replaced."""
        return toolset.visit_and_replace(lambda leaf: self._own.get(leaf.id or "", leaf))


class _Agent(PerScope):
    """The toolsets of an agent, by id."""

    def __init__(self, toolsets: list[AbstractToolset[Any]]) -> None:
        super().__init__(lambda: self)
        self.parts = {toolset.id: toolset for toolset in toolsets}

    async def for_run(self, ctx: RunContext[Any]) -> AbstractToolset[Any]:  # noqa: ARG002 - upstream's
        return self


class _Part(PerScope):
    """One of the toolsets of the agent of each scope."""

    def __init__(self, agents: PerScope, id: str) -> None:
        super().__init__(lambda: agents, id=id)
        self._agents = agents

    async def for_run(self, ctx: RunContext[Any]) -> AbstractToolset[Any]:
        agent = await self._agents.for_run(ctx)
        assert isinstance(agent, _Agent)
        part = agent.parts.get(self.id)
        return self if part is None else await part.for_run(ctx)
