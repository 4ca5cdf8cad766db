"""`HivemindWorkspace`: the capability that gives each run of an agent the workspace of its scope."""

from __future__ import annotations

import re
import uuid
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import KW_ONLY, dataclass
from typing import Any

from pydantic_ai import RunContext
from pydantic_ai.capabilities import AbstractCapability
from pydantic_ai.exceptions import UserError
from pydantic_ai.toolsets import AbstractToolset
from pydantic_ai.workspaces import (
    SupportsCommands,
    Workspace,
    WorkspaceBackend,
    WorkspaceRef,
    WorkspaceUnavailableError,
)

from pydantic_hivemind.adapters.backends.scope_backend import HivemindBackend
from pydantic_hivemind.adapters.pydantic_ai.file_tools import FileTools
from pydantic_hivemind.adapters.pydantic_ai.layered_workspace import layered
from pydantic_hivemind.adapters.pydantic_ai.refs import PROVIDER, scope_name, scope_ref, split_ref
from pydantic_hivemind.adapters.pydantic_ai.run_actor import RunActor
from pydantic_hivemind.adapters.pydantic_ai.scope_workspace import ScopeWorkspace
from pydantic_hivemind.hive.async_hivemind import AsyncHivemind, sync_hive
from pydantic_hivemind.hive.async_scope import AsyncScope, sync_scope
from pydantic_hivemind.hive.hivemind import Hivemind
from pydantic_hivemind.hive.scope import Scope

DEFAULT_PARENT = "workspaces"
"""Name of the scope under which sessions are created for runs that name no parent."""

SESSION_NAME = re.compile("workspace-[0-9a-f]{32}")
"""Pattern of the names of sessions created here, the only ones that a ref opens. Histories come back from clients, who
can write any ref into them, so refs must name nothing else and must not be guessable."""


@dataclass
class HivemindWorkspace(RunActor):
    """A capability that gives each run of an agent the workspace of its scope.

    The scope comes from the run's dependencies: `deps.backend` is a `HivemindBackend` or a session. A ref in a message
    history can only confirm it. Without such a backend, every conversation gets a session of its own under `parent`,
    and its ref leads back to it: whoever has the ref has the session. No ref opens any other scope.

    Args:
        hive: The store in which sessions are created.
        parent: The scope, or its name, under which sessions are created; `workspaces` if omitted.
        over: A workspace, or the capability that supplies one, for everything that no mount of the hive names; by
            default those name memory, plans and evicted tool results. It holds the other files and runs all commands.
            Commands do not see the files of the scope; file tools, `grep` and `glob` do.
        ttl: Seconds after which a session created here is removed; if omitted, it stays.
        id: Id of the capability.
    """

    hive: Hivemind | AsyncHivemind | None = None
    parent: Scope | AsyncScope | str | None = None
    _: KW_ONLY
    over: WorkspaceBackend | AbstractCapability[Any] | None = None
    ttl: float | None = None
    id: str | None = "hivemind_workspace"

    @classmethod
    def combine(cls, capabilities: Sequence[AbstractCapability[Any]]) -> AbstractCapability[Any]:
        """Return the last of several capabilities: two scopes are never mixed."""
        return capabilities[-1]

    @property
    def runs_commands(self) -> bool:
        """Whether the lower workspace, if there is one, may run commands."""
        if isinstance(self.over, Workspace):
            return not self.over.read_only and isinstance(self.over.backend, SupportsCommands)
        return isinstance(self.over, AbstractCapability | SupportsCommands)

    def get_workspace(self, ctx: RunContext[Any], *, ref: WorkspaceRef | None) -> WorkspaceBackend | None:
        """Return the run's workspace, or `None` for a ref that belongs to another capability.

        Raises:
            UserError: The ref is of another scope than the run's, or not of a session created here, or the run has no
                scope.
        """
        if ref is not None and ref.provider != PROVIDER:
            return None
        mine, below = (ref, None) if ref is None else split_ref(ref)
        backend = backend_of(getattr(ctx.deps, "backend", None))
        if backend is None:
            upper = self._session(mine)
        elif mine is None or mine == scope_ref(backend.name):
            upper = ScopeWorkspace(lambda: backend.scope, ref=scope_ref(backend.name))
        else:
            raise UserError(
                "The message history continues in another workspace than the one of this run's `deps.backend`. To "
                "go on in that one, pass `workspace='new'`, as `**continue_here()` of `pydantic_hivemind.deep` does, "
                "or the workspace to continue in."
            )
        lower = self.over.get_workspace(ctx, ref=below) if isinstance(self.over, AbstractCapability) else self.over
        if self.over is not None and lower is None:
            return None
        workspace = upper if lower is None else layered(upper, lower, upper.open)
        # A history from before there was a workspace below, or from over another one, does not go on here.
        return workspace if ref is None or workspace.ref == ref else None

    def get_wrapper_toolset(self, toolset: AbstractToolset[Any]) -> AbstractToolset[Any]:
        """Return the agent's tools, of which those that search files do so in linear time, off the event loop."""
        return FileTools(toolset)

    def backend(self, ref: WorkspaceRef | None = None) -> WorkspaceBackend:
        """Return a workspace for use outside a run: a new session, or the one that a ref names.

        Nothing is created before the first operation.

        Raises:
            UserError: The ref is not of a session created here, or `over` is a capability. Use
                `hive.scope(name).workspace()` to open any other scope.
            ValueError: The ref belongs to another provider.
        """
        mine = None if ref is None else split_ref(ref)[0]
        upper = self._session(mine)
        if isinstance(self.over, AbstractCapability):
            raise UserError(
                "A capability in `over` supplies its workspace to runs only; pass a workspace backend as `over`."
            )
        return upper if self.over is None else layered(upper, self.over, upper.open)

    async def destroy(self, ref: WorkspaceRef) -> None:
        """Destroy the session that a ref names; does nothing if it was destroyed already.

        Raises:
            UserError: The ref is not of a session created here.
            ValueError: The ref belongs to another provider.
            ScopeHasChildren: Other scopes read through it.
            StoreError: The store failed.
        """
        with suppress(WorkspaceUnavailableError):
            await self._session(split_ref(ref)[0]).destroy()

    # -- which scope ---------------------------------------------------------------------------

    def _session(self, ref: WorkspaceRef | None) -> ScopeWorkspace:
        """Return the workspace of a new session under the parent, or of the one that a ref names."""
        if self.hive is None and not isinstance(self.parent, Scope | AsyncScope):
            raise UserError(
                "This run has no scope: set `deps.backend` to a HivemindBackend or a session, or pass "
                "`hive=` to HivemindWorkspace."
            )
        if ref is None:
            return ScopeWorkspace(lambda: self._parent().spawn(f"workspace-{uuid.uuid4().hex}", ttl=self.ttl))
        name = scope_name(ref)
        if not SESSION_NAME.fullmatch(name):
            raise UserError(
                "The workspace ref is not of a session that HivemindWorkspace created. In a run, pass "
                "`workspace='new'` to continue in a new one; elsewhere, use `hive.scope(name).workspace()`."
            )
        return ScopeWorkspace(lambda: self._parent().session(name), ref=ref)

    def _parent(self) -> Scope:
        if isinstance(self.parent, Scope | AsyncScope):
            return sync_scope(self.parent)
        assert self.hive is not None
        return sync_hive(self.hive).scope(DEFAULT_PARENT if self.parent is None else self.parent)


def backend_of(backend: object) -> HivemindBackend | None:
    """Return the backend of `deps.backend` without its asynchronous wrapper; `None` if there is no backend.

    Raises:
        UserError: The backend is not a `HivemindBackend`.
    """
    unwrap = getattr(backend, "unwrap", None)
    raw: object = unwrap() if callable(unwrap) else backend
    if raw is None or isinstance(raw, HivemindBackend):
        return raw
    raise UserError(
        f"`deps.backend` is a {type(raw).__name__}, which has no Hivemind scope; "
        "set it to a HivemindBackend or a session."
    )
