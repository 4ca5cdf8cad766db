"""Which scope is under a workspace, whatever is around it."""

from __future__ import annotations

from pydantic_ai.workspaces import Workspace, WorkspaceBackend

from pydantic_hivemind.adapters.pydantic_ai.layered_workspace import LayeredWorkspace
from pydantic_hivemind.adapters.pydantic_ai.scope_workspace import ScopeWorkspace
from pydantic_hivemind.adapters.pydantic_ai.workspace_views import TextView

MAX_NESTED = 100
"""Maximum number of workspaces in each other, such as those of forks of forks, in which a scope is looked for."""


def underlying_scope(workspace: Workspace) -> tuple[ScopeWorkspace, bool] | None:
    """Return the workspace of the scope under another one, and whether that is a branch of a fork.

    Returns:
        `None` for a workspace that is not one of Hivemind's.
    """
    if not workspace.attached:
        return None
    is_branch = False
    backend: WorkspaceBackend = workspace.backend
    for _ in range(MAX_NESTED):
        if isinstance(backend, TextView):
            backend = backend.shown.backend
        if isinstance(backend, LayeredWorkspace):
            backend = backend.upper
        if isinstance(backend, ScopeWorkspace):
            return backend, is_branch
        # What a branch of a fork works in has a parent.
        parent = getattr(backend, "parent", None)
        if not isinstance(parent, Workspace):
            return None
        backend, is_branch = parent.backend, True
    return None
