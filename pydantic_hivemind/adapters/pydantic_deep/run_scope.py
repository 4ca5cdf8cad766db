"""Which scope an agent run works in, on both lines of pydantic-deep."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from pydantic_ai.exceptions import UserError

from pydantic_hivemind.adapters.backends.scope_backend import HivemindBackend
from pydantic_hivemind.base.mounts import MEMORY
from pydantic_hivemind.hive.async_seam import perform
from pydantic_hivemind.hive.scope import Scope

if TYPE_CHECKING:
    from pydantic_ai import RunContext
    from pydantic_ai.workspaces import Workspace

MAX_NESTED = 100
"""Maximum number of backends in each other, such as those of forks of forks, in which a scope is looked for."""


@dataclass(frozen=True)
class Branch:
    """The files of a branch of a forked run, which keeps its changes to itself until it is merged.

    Attributes:
        read: Returns a file's content; raises an `OSError` or returns `b""` if the file does not exist.
        write: Writes a file; raises an `OSError` or returns an object with an `error`.
    """

    read: Callable[[str], Awaitable[bytes]]
    write: Callable[[str, bytes], Awaitable[Any]]


@dataclass(frozen=True)
class RunScope:
    """The scope of a run.

    Attributes:
        open: Finds the scope, or creates that of a session. It may wait for the store: call it on a thread.
        branch: Set in a branch of a fork, which must not write to the scope.
        read_only: Whether the run may not change anything.
    """

    open: Callable[[], Scope]
    branch: Branch | None = None
    read_only: bool = False


def scope_of_run(ctx: RunContext[Any]) -> RunScope:
    """Return the scope of a run's files: that of its workspace, or else of `deps.backend`.

    Raises:
        UserError: The run has no scope.
    """
    workspace = getattr(ctx, "workspace", None)
    found = _of_workspace(workspace) if workspace is not None else None
    found = found or _of_backend(getattr(ctx.deps, "backend", None))
    if found is None:
        raise UserError(
            "This run has no scope: set `deps.backend` to a HivemindBackend or a session, or pass `scope=`."
        )
    return found


def _of_workspace(workspace: Workspace) -> RunScope | None:
    from pydantic_hivemind.adapters.pydantic_ai.underlying import underlying_scope

    found = underlying_scope(workspace)
    if found is None:
        return None
    scope, is_branch = found
    branch = Branch(workspace.read_bytes, workspace.write_bytes) if is_branch else None
    return RunScope(scope.open, branch, workspace.read_only)


def _of_backend(backend: Any) -> RunScope | None:
    branch = None
    below = backend
    for _ in range(MAX_NESTED):
        if below is None:
            break
        unwrap = getattr(below, "unwrap", None)
        raw = unwrap() if callable(unwrap) else below
        if isinstance(raw, HivemindBackend):
            return RunScope(partial(_scope_of, raw), branch)
        # Private: a CompositeBackend, of the releases up to 0.2.29, does not tell otherwise where it keeps what.
        router = getattr(raw, "_router", None)
        if router is not None:
            below = router.for_path(MEMORY)
            continue
        below = getattr(raw, "parent", None)
        if below is not None:
            branch = Branch(backend.read_bytes, backend.write)
    return None


def _scope_of(backend: HivemindBackend) -> Scope:
    return backend.scope


async def found_scope(ctx: RunContext[Any], *, in_branches: bool = True) -> Scope | None:
    """Return the scope of a run, or `None` for a run outside of scopes.

    Args:
        ctx: The run.
        in_branches: Whether a branch of a fork, which must not write to it, has that of the run it was forked from.
    """
    try:
        found = scope_of_run(ctx)
    except UserError:
        return None
    return None if found.branch is not None and not in_branches else await perform(found.open)
