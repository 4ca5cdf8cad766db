"""Refs with which message histories name the workspaces of scopes."""

from __future__ import annotations

from urllib.parse import quote, unquote

from pydantic_ai.workspaces import WorkspaceRef

PROVIDER = "hivemind"
"""`WorkspaceRef.provider` of every workspace of this package."""

_PLAIN = "/:@ "
"""Characters that are not escaped in a ref. `+` is escaped: it separates the scope from the lower workspace."""


def scope_ref(name: str) -> WorkspaceRef:
    """Return the ref of a scope's workspace: its name, escaped."""
    return WorkspaceRef(provider=PROVIDER, id=quote(name, safe=_PLAIN))


def scope_name(ref: WorkspaceRef) -> str:
    """Return the name of the scope in a ref."""
    return unquote(ref.id)


def join_refs(upper: WorkspaceRef, lower: WorkspaceRef) -> WorkspaceRef:
    """Return the ref of a scope's workspace over another workspace."""
    below = f"{quote(lower.provider, safe='')}:{quote(lower.id, safe=_PLAIN)}"
    return WorkspaceRef(provider=PROVIDER, id=f"{upper.id}+{below}")


def split_ref(ref: WorkspaceRef) -> tuple[WorkspaceRef, WorkspaceRef | None]:
    """Return the ref of the scope, and that of the lower workspace if there is one.

    Raises:
        ValueError: The ref belongs to another provider.
    """
    if ref.provider != PROVIDER:
        raise ValueError(f"expected a workspace ref of {PROVIDER!r}, got one of {ref.provider!r}")
    mine, _, below = ref.id.partition("+")
    provider, _, id = below.partition(":")
    upper = WorkspaceRef(provider=PROVIDER, id=mine)
    return upper, WorkspaceRef(provider=unquote(provider), id=unquote(id)) if below else None
