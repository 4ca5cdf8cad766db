"""`FileTools`: an agent's file tools over Hivemind's files, without what could stop everybody else.

The tools of pydantic-ai-backends run `re` on the event loop. They stay as they are, names, schemas, approvals,
permission rules and the texts of their answers: only their call gets another workspace, in which Hivemind's own search
has been made already, on a thread and in linear time. Those that read and edit are in `text_tools`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

from pydantic_ai import RunContext
from pydantic_ai.toolsets import ToolsetTool, WrapperToolset
from pydantic_ai.workspaces import CommandResult, Workspace, WorkspaceError

from pydantic_hivemind.adapters.pydantic_ai import text_tools
from pydantic_hivemind.adapters.pydantic_ai.tool_calls import SeenFiles, ToolCall
from pydantic_hivemind.adapters.pydantic_ai.underlying import underlying_scope
from pydantic_hivemind.adapters.pydantic_ai.workspace_search import WorkspaceSearch, search_of
from pydantic_hivemind.adapters.pydantic_ai.workspace_views import CommandView, MatchesView
from pydantic_hivemind.base.matching.regex_classes import regex_problem
from pydantic_hivemind.base.text_content import NOT_UTF8, REPLACED
from pydantic_hivemind.errors import HivemindError, InvalidPattern
from pydantic_hivemind.limits import MAX_GREP_MATCHES

MEMORY_TOOLS = "memory"
"""Id of the toolset with which pydantic-deep's agents read and write memory."""

MAX_SHOWN_CHARS = 200
"""Characters of a line that are handed to it; it shows 100."""


def _nothing_seen() -> WeakKeyDictionary[Workspace, SeenFiles]:
    return WeakKeyDictionary()


@dataclass
class FileTools(WrapperToolset[Any]):
    """The tools of an agent, of which some are called in Hivemind's way if the run works in a scope."""

    seen: WeakKeyDictionary[Workspace, SeenFiles] = field(default_factory=_nothing_seen, repr=False, compare=False)

    async def call_tool(
        self, name: str, tool_args: dict[str, Any], ctx: RunContext[Any], tool: ToolsetTool[Any]
    ) -> Any:
        """Call a tool."""
        call = ToolCall(self.wrapped, name, tool_args, ctx, tool, self.seen)
        if underlying_scope(ctx.workspace) is None:
            return await super().call_tool(name, tool_args, ctx, tool)
        if tool.tool_def.toolset_id == MEMORY_TOOLS:
            return await text_tools.of_memory(call)
        if _PARAMETERS.get(name, _OTHER) <= tool.tool_def.parameters_json_schema["properties"].keys():
            if name in _SEARCHES and (search := search_of(ctx.workspace)) is not None:
                return await _SEARCHES[name](call, search)
            if name in _TEXT_TOOLS:
                return await _TEXT_TOOLS[name](call)
        return await super().call_tool(name, tool_args, ctx, tool)


async def _grep(call: ToolCall, search: WorkspaceSearch) -> Any:
    pattern, path, hidden = call.argument("pattern"), call.argument("path"), not call.argument("ignore_hidden")
    try:
        found = await search.grep(pattern, path or ".", glob=call.argument("glob_pattern") or None, hidden=hidden)
    except InvalidPattern as error:
        return f"Error: {regex_problem(error)}"
    except (HivemindError, OSError, WorkspaceError) as error:
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
    changed: dict[str, Any] = {} if search.lower is not None else {"ignore_hidden": False}
    view = CommandView(search, output, CommandResult(exit_code=1, stdout="", stderr=""))
    glob: str = call.argument("glob_pattern") or ""
    if "/" in glob and search.lower is not None:
        # The command's own filter knows names alone.
        changed["glob_pattern"] = None
        view.keep = await search.printed_filter(glob, path or ".")
    return _noted(await call.upstream(view, **changed))


async def _grep_files(
    call: ToolCall, search: WorkspaceSearch, pattern: str, found: list[tuple[str, list[tuple[int, str]]]]
) -> Any:
    view = MatchesView(search, dict(found))
    answer = await call.upstream(view, pattern=view.ANYTHING, glob_pattern=None, ignore_hidden=False)
    is_answer = isinstance(answer, str) and not answer.startswith("Error")
    return _noted(answer.replace(f"'{view.ANYTHING}'", f"'{pattern}'", 1) if is_answer else answer)


def _noted(answer: Any) -> Any:
    """Return an answer with a note if some of it could not be decoded."""
    return f"{answer}\n{NOT_UTF8}" if isinstance(answer, str) and REPLACED in answer else answer


async def _glob(call: ToolCall, search: WorkspaceSearch) -> Any:
    try:
        found = await search.glob(call.argument("pattern"), call.argument("path"))
    except InvalidPattern as error:
        return f"Error: {error}"
    except (HivemindError, OSError, WorkspaceError):
        found = []
    # A name with a line's end in it cannot be told from two names.
    output = "".join(f"{file}\n" for file in found if len(file.splitlines()) == 1)
    return await call.upstream(CommandView(search, output, CommandResult(exit_code=0, stdout="", stderr="")))


_SEARCHES: dict[str, Callable[[ToolCall, WorkspaceSearch], Awaitable[Any]]] = {"grep": _grep, "glob": _glob}
_TEXT_TOOLS: dict[str, Callable[[ToolCall], Awaitable[Any]]] = {
    "read_file": text_tools.read_file,
    "write_file": text_tools.write_file,
    "edit_file": text_tools.edit_file,
    "hashline_edit": text_tools.hashline_edit,
}
_PARAMETERS = {
    "grep": {"pattern", "path", "glob_pattern", "output_mode", "ignore_hidden"},
    "glob": {"pattern", "path"},
    "read_file": {"path", "offset", "limit"},
    "write_file": {"path", "content"},
    "edit_file": {"path", "old_string", "new_string", "replace_all"},
    "hashline_edit": {
        "path",
        "start_line",
        "start_hash",
        "new_content",
        "end_line",
        "end_hash",
        "insert_after",
    },
}
"""What upstream's tools take: a tool of the same name that takes something else is another one."""

_OTHER = {"\0"}
"""What no tool takes."""
