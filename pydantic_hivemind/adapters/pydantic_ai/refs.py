"""The refs by which message histories name the workspaces of scopes."""

from __future__ import annotations

from urllib.parse import quote, unquote

from pydantic_ai.workspaces import WorkspaceRef

PROVIDER = "hivemind"
"""`WorkspaceRef.provider` of every workspace made here."""

_PLAIN = "/:@ "
"""Characters that stay as they are in a ref; `+` is not among them, it separates a scope from what is below it."""


def scope_ref(name: str) -> WorkspaceRef:
    """The ref of a scope's workspace: its name, escaped."""
    return WorkspaceRef(provider=PROVIDER, id=quote(name, safe=_PLAIN))


def scope_name(ref: WorkspaceRef) -> str:
    """The name of the scope that a ref stands for."""
    return unquote(ref.id)


def join_refs(upper: WorkspaceRef, lower: WorkspaceRef) -> WorkspaceRef:
    """The ref of a scope's workspace over another workspace."""
    below = f"{quote(lower.provider, safe='')}:{quote(lower.id, safe=_PLAIN)}"
    return WorkspaceRef(provider=PROVIDER, id=f"{upper.id}+{below}")


def split_ref(ref: WorkspaceRef) -> tuple[WorkspaceRef, WorkspaceRef | None]:
    """The ref of the scope, and of the workspace below it if there is one.

    Raises:
        ValueError: It belongs to another provider.
    """
    if ref.provider != PROVIDER:
        raise ValueError(f"expected a {PROVIDER!r} workspace ref, got {ref.provider!r}")
    mine, _, below = ref.id.partition("+")
    provider, _, id = below.partition(":")
    upper = WorkspaceRef(provider=PROVIDER, id=mine)
    return upper, WorkspaceRef(provider=unquote(provider), id=unquote(id)) if below else None
