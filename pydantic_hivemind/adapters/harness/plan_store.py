"""`HivemindPlanStore` and `HivemindTodoStorage`: plans of the harness and of pydantic-ai-todo in a scope.

Both are lists of items with an id, which are kept by conversation.
"""

# Where the harness is not installed its types are unknown.
# pyright: reportMissingImports=false, reportUnknownParameterType=false, reportUnknownVariableType=false
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast

from pydantic_hivemind.adapters.backends.run_reads import get_current_run_context
from pydantic_hivemind.adapters.harness.run_bound import RunBound
from pydantic_hivemind.adapters.pydantic_deep.run_scope import scope_of_run
from pydantic_hivemind.hive.async_scope import AsyncScope
from pydantic_hivemind.hive.scope import Scope
from pydantic_hivemind.hive.scope_records import RecordsInTransaction, ScopeRecords, record_key

if TYPE_CHECKING:
    from pydantic import BaseModel
    from pydantic_ai import RunContext
    from pydantic_ai_harness.planning import PlanItem, TaskStatus
    from pydantic_ai_todo import Todo
    from typing_extensions import Self

Result = TypeVar("Result")

TodoStatus = Literal["pending", "in_progress", "completed", "blocked"]


class _Items(RunBound):
    """Items of a pydantic model with an `id`, in the order in which they were added."""

    kind = ""

    def __init__(
        self, scope: Scope | AsyncScope | Callable[[], Scope] | None = None, *, conversation: str | None = None
    ) -> None:
        super().__init__(scope)
        self._conversation = conversation

    @classmethod
    def of_run(cls, ctx: RunContext[Any]) -> Self:
        """Return the store of a run's scope and conversation.

        Raises:
            UserError: The run has no scope.
            ImportError: The package that it is for is not installed.
        """
        return cls(scope_of_run(ctx).open, conversation=ctx.conversation_id)

    def _model(self) -> type[BaseModel]:
        raise NotImplementedError

    async def _with(self, work: Callable[[_Plan], Result], *, changes: bool = False) -> Result:
        conversation = self._conversation
        if conversation is None and self._bound is None:
            ctx = get_current_run_context()
            conversation = ctx and ctx.conversation_id
        model, kind = self._model(), self.kind

        def in_scope(scope: Scope) -> Result:
            records = ScopeRecords(scope, kind)
            do = records.change if changes else records.read
            return do(lambda held: work(_Plan(held, model, conversation or "")))

        return await self._do(in_scope)


class _Plan:
    """The items of one conversation, in one transaction."""

    def __init__(self, held: RecordsInTransaction, model: type[BaseModel], conversation: str) -> None:
        self._held = held
        self._model = model
        self._conversation = conversation
        self._owner = record_key(conversation)

    def _key(self, id: str) -> str:
        return record_key(self._conversation, id)

    def items(self) -> list[Any]:
        return [self._model.model_validate_json(data) for _, data in self._held.items(self._owner)]

    def find(self, id: str) -> Any | None:
        data = self._held.get(self._key(id))
        return None if data is None else self._model.model_validate_json(data)

    def replace(self, items: Iterable[Any]) -> None:
        self._held.remove_of_owner(self._owner)
        for item in items:
            self._put(item)

    def add(self, item: Any) -> None:
        if self.find(item.id) is not None:
            raise ValueError(f"a step with id {item.id!r} is already in this plan; use another id")
        self._put(item)

    def update(self, id: str, changes: dict[str, Any]) -> Any | None:
        item = self.find(id)
        if item is not None:
            item = item.model_copy(update={name: value for name, value in changes.items() if value is not None})
            self._put(item)
        return item

    def remove(self, id: str) -> bool:
        return self._held.remove(self._key(id))

    def _put(self, item: Any) -> None:
        self._held.put(self._key(item.id), item.model_dump_json().encode(), owner=self._owner)


class HivemindPlanStore(_Items):
    """A plan store of the harness in a scope: `Planning(store_resolver=HivemindPlanStore.of_run)`.

    Each conversation has its own plan, which the next run of the conversation finds again. An update is one
    transaction: two runs of one conversation do not lose each other's.

    Args:
        scope: The scope, for use outside of runs; by default, in each run, that of the run's `deps.backend`.
        conversation: Id of the conversation; by default that of the run, or the plan of none outside of runs.

    Raises:
        ImportError: pydantic-ai-harness is not installed.
    """

    needs = "planning"
    kind = "plan"

    def _model(self) -> type[BaseModel]:
        from pydantic_ai_harness.planning import PlanItem

        return PlanItem

    async def get_items(self) -> list[PlanItem]:
        """Return every step in the order in which they were added.

        Raises:
            UserError: There is no scope.
        """
        return await self._with(_Plan.items)

    async def set_items(self, items: list[PlanItem]) -> None:
        """Replace the whole plan.

        Raises:
            UserError: There is no scope.
        """
        copies = list(items)
        await self._with(lambda plan: plan.replace(copies), changes=True)

    async def get_item(self, item_id: str) -> PlanItem | None:
        """Return the step of that id, or `None`.

        Raises:
            UserError: There is no scope.
        """
        return await self._with(lambda plan: plan.find(item_id))

    async def add_item(self, item: PlanItem) -> PlanItem:
        """Append a step, and return it.

        Raises:
            ValueError: There is a step of that id already.
            UserError: There is no scope.
        """
        await self._with(lambda plan: plan.add(item), changes=True)
        return item.model_copy(deep=True)

    async def update_item(
        self,
        item_id: str,
        *,
        content: str | None = None,
        status: TaskStatus | None = None,
        active_form: str | None = None,
        parent_id: str | None = None,
        depends_on: list[str] | None = None,
    ) -> PlanItem | None:
        """Change the fields of a step that are not `None`, and return it; `None` if it does not exist.

        Raises:
            UserError: There is no scope.
        """
        changes = {
            "content": content,
            "status": status,
            "active_form": active_form,
            "parent_id": parent_id,
            "depends_on": depends_on,
        }
        return await self._with(lambda plan: plan.update(item_id, changes), changes=True)

    async def remove_item(self, item_id: str) -> bool:
        """Delete a step, and return whether it existed.

        Raises:
            UserError: There is no scope.
        """
        return await self._with(lambda plan: plan.remove(item_id), changes=True)


class HivemindTodoStorage(_Items):
    """Todos of pydantic-ai-todo in a scope, on both lines: `TodoCapability(async_storage=HivemindTodoStorage())`.

    Each conversation has its own, which the next run of the conversation finds again.

    Args:
        scope: The scope, for use outside of runs; by default, in each run, that of the run's `deps.backend`.
        conversation: Id of the conversation; by default that of the run, or the todos of none outside of runs.
    """

    kind = "todo"

    def _model(self) -> type[BaseModel]:
        from pydantic_ai_todo import Todo

        return Todo

    async def get_todos(self) -> list[Todo]:
        """Return every todo in the order in which they were added.

        Raises:
            UserError: There is no scope.
        """
        return await self._with(_Plan.items)

    async def set_todos(self, todos: list[Todo]) -> None:
        """Replace all todos.

        Raises:
            UserError: There is no scope.
        """
        copies = list(todos)
        await self._with(lambda plan: plan.replace(copies), changes=True)

    async def get_todo(self, id: str) -> Todo | None:
        """Return the todo of that id, or `None`.

        Raises:
            UserError: There is no scope.
        """
        return await self._with(lambda plan: plan.find(id))

    async def add_todo(self, todo: Todo) -> Todo:
        """Append a todo, and return it.

        Raises:
            ValueError: There is a todo of that id already.
            UserError: There is no scope.
        """
        await self._with(lambda plan: plan.add(todo), changes=True)
        return todo

    async def update_todo(
        self,
        id: str,
        *,
        content: str | None = None,
        status: TodoStatus | None = None,
        active_form: str | None = None,
        parent_id: str | None = None,
        depends_on: list[str] | None = None,
    ) -> Todo | None:
        """Change the fields of a todo that are not `None`, and return it; `None` if it does not exist.

        Raises:
            UserError: There is no scope.
        """
        changes = {
            "content": content,
            "status": status,
            "active_form": active_form,
            "parent_id": parent_id,
            "depends_on": depends_on,
        }
        return cast("Todo | None", await self._with(partial(_Plan.update, id=id, changes=changes), changes=True))

    async def remove_todo(self, id: str) -> bool:
        """Delete a todo, and return whether it existed.

        Raises:
            UserError: There is no scope.
        """
        return await self._with(lambda plan: plan.remove(id), changes=True)
