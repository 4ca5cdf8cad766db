"""`ToolCall`: a call of a tool of upstream's that Hivemind makes in another way."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass, replace
from typing import Any
from weakref import WeakKeyDictionary

from pydantic_ai import RunContext
from pydantic_ai.toolsets import AbstractToolset, ToolsetTool
from pydantic_ai.workspaces import Workspace, WorkspaceBackend


class SeenFiles:
    """What the tools of one agent have read in one workspace: an edit of what has changed since then is refused."""

    def __init__(self) -> None:
        self._digests: dict[str, bytes] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    def lock(self, path: str) -> asyncio.Lock:
        """Return what edits of a file hold, one after the other."""
        return self._locks.setdefault(path, asyncio.Lock())

    def record(self, path: str, data: bytes) -> None:
        """Remember what a file is."""
        self._digests[path] = hashlib.sha256(data).digest()

    def is_current(self, path: str, data: bytes) -> bool:
        """Return whether a file is still what was read, if it was read."""
        known = self._digests.get(path)
        return known is None or known == hashlib.sha256(data).digest()


@dataclass(frozen=True)
class ToolCall:
    """A call of a tool that is made in another way."""

    toolset: AbstractToolset[Any]
    name: str
    args: dict[str, Any]
    ctx: RunContext[Any]
    tool: ToolsetTool[Any]
    all_seen: WeakKeyDictionary[Workspace, SeenFiles]

    @property
    def seen(self) -> SeenFiles:
        """What was read in the workspace of the run."""
        return self.all_seen.setdefault(self.ctx.workspace, SeenFiles())

    def argument(self, name: str) -> Any:
        """An argument, or what it is if it is left out."""
        properties: dict[str, Any] = self.tool.tool_def.parameters_json_schema["properties"]
        return self.args.get(name, properties[name].get("default"))

    async def upstream(self, workspace: WorkspaceBackend, **changed: Any) -> Any:
        """Call upstream's tool with another workspace, and some other arguments."""
        shown = workspace if isinstance(workspace, Workspace) else Workspace(workspace)
        ctx = replace(self.ctx, workspace=shown)
        return await self.toolset.call_tool(self.name, {**self.args, **changed}, ctx, self.tool)
