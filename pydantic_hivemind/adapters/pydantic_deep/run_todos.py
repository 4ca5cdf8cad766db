"""`RunTodos`: the todos of a conversation, which pydantic-deep forgets with the run's dependencies."""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter
from pydantic_ai import AgentRunResult, RunContext
from pydantic_ai.capabilities import AbstractCapability, WrapRunHandler
from pydantic_ai_todo import Todo

from pydantic_hivemind.adapters.pydantic_deep.run_scope import found_scope
from pydantic_hivemind.hive.async_scope import read_few
from pydantic_hivemind.hive.async_seam import complete
from pydantic_hivemind.hive.run_state import save_todos, todos_of

_TODOS = TypeAdapter(list[Todo])


class RunTodos(AbstractCapability[Any]):
    """Keeps the todos of each conversation in the scope of its runs.

    A run whose `deps.todos` is empty finds those that the last run of its conversation in this scope left.
    """

    async def wrap_run(self, ctx: RunContext[Any], *, handler: WrapRunHandler) -> AgentRunResult[Any]:
        """Run with the todos of the conversation, and save what is left of them."""
        conversation, deps = ctx.conversation_id, ctx.deps
        scope = await found_scope(ctx, in_branches=False) if conversation else None
        if scope is None or conversation is None:
            return await handler()
        stored = await read_few(scope, lambda: todos_of(scope, conversation))
        if stored is not None and not deps.todos:
            deps.todos = _TODOS.validate_json(stored)
        try:
            return await handler()
        finally:
            left = _TODOS.dump_json(deps.todos) if deps.todos else None
            if left != stored:
                await complete(lambda: save_todos(scope, conversation, left))
