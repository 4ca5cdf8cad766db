"""`RunBound`: what stores of the harness have in common. The scope is the run's, never one that a client names."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from pydantic_ai.exceptions import UserError
from typing_extensions import Self

from pydantic_hivemind.adapters.backends.run_reads import get_current_run_context
from pydantic_hivemind.adapters.pydantic_deep.run_scope import scope_of_run
from pydantic_hivemind.hive.async_scope import AsyncScope, sync_scope
from pydantic_hivemind.hive.async_seam import on_thread
from pydantic_hivemind.hive.scope import Scope

if TYPE_CHECKING:
    from pydantic_ai import RunContext

Result = TypeVar("Result")


class RunBound:
    """A store whose calls are made in one scope.

    Args:
        scope: The scope, for use outside of runs, or a function that finds or creates it on each use. By default it is
            in each run that of the run's `deps.backend`, so that one store serves the runs of all users.
    """

    needs: ClassVar[str] = ""
    """What of pydantic-ai-harness it is for; empty if it needs none."""

    def __init__(self, scope: Scope | AsyncScope | Callable[[], Scope] | None = None) -> None:
        if self.needs:
            check_harness(type(self).__name__, self.needs)
        if isinstance(scope, Scope | AsyncScope):
            bound = sync_scope(scope)
            self._bound: Callable[[], Scope] | None = lambda: bound
        else:
            self._bound = scope

    @classmethod
    def of_run(cls, ctx: RunContext[Any]) -> Self:
        """Return the store of a run's scope.

        Raises:
            UserError: The run has no scope.
            ImportError: pydantic-ai-harness is not installed.
        """
        return cls(scope_of_run(ctx).open)

    async def _do(self, work: Callable[[Scope], Result]) -> Result:
        """Do some work in the scope, on a thread.

        Raises:
            UserError: The store has no scope, and there is no run, or the run has none.
        """
        open_scope = self._bound or _of_current_run(type(self).__name__)
        return await on_thread(lambda: work(open_scope()))


def _of_current_run(name: str) -> Callable[[], Scope]:
    ctx = get_current_run_context()
    if ctx is None:
        raise UserError(f"There is no run whose scope could be used: outside of runs, use `{name}(scope)`.")
    return scope_of_run(ctx).open


def check_harness(name: str, module: str) -> None:
    """Check that pydantic-ai-harness is installed.

    Raises:
        ImportError: It is not.
    """
    from importlib import import_module

    try:
        import_module(f"pydantic_ai_harness.{module}")
    except ImportError:
        raise ImportError(
            f"{name} is for pydantic-ai-harness, which is not installed; install it, or pydantic-deep 0.3.48 or "
            "later, which brings it along"
        ) from None
