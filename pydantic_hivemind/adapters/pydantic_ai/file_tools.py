"""`FileTools`: an agent's file tools over Hivemind's files, without what could stop everybody else.

The tools of pydantic-ai-backends run `re` on the event loop. They stay as they are, names, schemas, approvals,
permission rules and the texts of their answers: only their call gets another workspace, in which Hivemind's own search
has been made already, on a thread and in linear time. Tools that read and edit can be replaced here in the same way.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

from pydantic_ai import RunContext
from pydantic_ai.toolsets import ToolsetTool, WrapperToolset
from pydantic_ai.workspaces import CommandResult, Workspace, WorkspaceBackend

from pydantic_hivemind.adapters.pydantic_ai.search_views import CommandView, MatchesView
from pydantic_hivemind.adapters.pydantic_ai.workspace_search import WorkspaceSearch, search_of
from pydantic_hivemind.base.matching.regex_classes import regex_problem
from pydantic_hivemind.errors import HivemindError, InvalidPattern
from pydantic_hivemind.limits import MAX_GREP_MATCHES

MAX_SHOWN_CHARS = 200
"""Characters of a line that are handed to it; it shows 100."""


@dataclass(frozen=True)
class ToolCall:
    """A call of a tool that is made in another way."""

    toolset: FileTools
    name: str
    args: dict[str, Any]
    ctx: RunContext[Any]
    tool: ToolsetTool[Any]

    def argument(self, name: str) -> Any:
        """An argument, or what it is if it is left out."""
        properties: dict[str, Any] = self.tool.tool_def.parameters_json_schema["properties"]
        return self.args.get(name, properties[name].get("default"))

    async def upstream(self, workspace: WorkspaceBackend, **changed: Any) -> Any:
        """Call upstream's tool with another workspace, and some other arguments."""
        ctx = replace(self.ctx, workspace=Workspace(workspace))
        return await self.toolset.wrapped.call_tool(self.name, {**self.args, **changed}, ctx, self.tool)


@dataclass
class FileTools(WrapperToolset[Any]):
    """The tools of an agent, of which some are called in Hivemind's way if the run works in a scope."""

    async def call_tool(
        self, name: str, tool_args: dict[str, Any], ctx: RunContext[Any], tool: ToolsetTool[Any]
    ) -> Any:
        """Call a tool."""
        replacement = _REPLACEMENTS.get(name)
        if replacement is None or not _PARAMETERS[name] <= tool.tool_def.parameters_json_schema["properties"].keys():
            return await super().call_tool(name, tool_args, ctx, tool)
        search = search_of(ctx.workspace)
        if search is None:
            return await super().call_tool(name, tool_args, ctx, tool)
        return await replacement(ToolCall(self, name, tool_args, ctx, tool), search)


async def _grep(call: ToolCall, search: WorkspaceSearch) -> Any:
    pattern, path, hidden = call.argument("pattern"), call.argument("path"), not call.argument("ignore_hidden")
    try:
        found = await search.grep(pattern, path or ".", glob=call.argument("glob_pattern") or None, hidden=hidden)
    except InvalidPattern as error:
        return f"Error: {regex_problem(error)}"
    except HivemindError as error:
        return f"Error: {error}"
    if call.argument("output_mode") == "files_with_matches":
        found = [(file, lines[:1]) for file, lines in found]
    if sum(len(lines) for _, lines in found) > MAX_GREP_MATCHES:
        return f"More than {MAX_GREP_MATCHES} lines match '{pattern}'; search for something rarer, or in fewer files."
    if search.lower is None and any(":" in file for file, _ in found):
        # Upstream takes a command's output apart at colons.
        return await _grep_files(call, search, pattern, found)
    output = "".join(f"{file}:{n}:{line[:MAX_SHOWN_CHARS]}\n" for file, lines in found for n, line in lines)
    # A lower workspace prints relative paths, of which upstream tells which are hidden; here that is done.
    changed = {} if search.lower is not None else {"ignore_hidden": False}
    return await call.upstream(CommandView(search, output, CommandResult(exit_code=1, stdout="", stderr="")), **changed)


async def _grep_files(
    call: ToolCall, search: WorkspaceSearch, pattern: str, found: list[tuple[str, list[tuple[int, str]]]]
) -> Any:
    view = MatchesView(search, dict(found))
    answer = await call.upstream(view, pattern=view.ANYTHING, glob_pattern=None, ignore_hidden=False)
    is_answer = isinstance(answer, str) and not answer.startswith("Error")
    return answer.replace(f"'{view.ANYTHING}'", f"'{pattern}'", 1) if is_answer else answer


async def _glob(call: ToolCall, search: WorkspaceSearch) -> Any:
    try:
        found = await search.glob(call.argument("pattern"), call.argument("path"))
    except InvalidPattern as error:
        return f"Error: {error}"
    except HivemindError:
        found = []
    # A name with a line's end in it cannot be told from two names.
    output = "".join(f"{file}\n" for file in found if len(file.splitlines()) == 1)
    return await call.upstream(CommandView(search, output, CommandResult(exit_code=0, stdout="", stderr="")))


_REPLACEMENTS: dict[str, Callable[[ToolCall, WorkspaceSearch], Awaitable[Any]]] = {"grep": _grep, "glob": _glob}
_PARAMETERS = {
    "grep": {"pattern", "path", "glob_pattern", "output_mode", "ignore_hidden"},
    "glob": {"pattern", "path"},
}
"""What upstream's tools take: a tool of the same name that takes something else is another one."""
