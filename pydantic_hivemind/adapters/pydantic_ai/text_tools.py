"""The agent's tools that read and edit text, over Hivemind's files.

Upstream's tools decode, split and replace on the event loop, take a carriage return for a part of the line, and write
back what they could not decode. Here upstream's own call says what the tool is, and whether the permission rules let it
through; then Hivemind does the work, on a thread.
"""

from __future__ import annotations

import posixpath
from collections.abc import Awaitable, Callable
from typing import Any

from pydantic_ai import ModelRetry
from pydantic_ai.workspaces import Workspace, WorkspaceError
from pydantic_ai_backends.hashline import apply_hashline_edit_with_summary, line_hash

from pydantic_hivemind.adapters.pydantic_ai.layered_workspace import LayeredWorkspace
from pydantic_hivemind.adapters.pydantic_ai.scope_workspace import ScopeWorkspace
from pydantic_hivemind.adapters.pydantic_ai.tool_calls import ToolCall
from pydantic_hivemind.adapters.pydantic_ai.workspace_views import ReachedView, TextView
from pydantic_hivemind.base.line_ends import rewritten
from pydantic_hivemind.errors import EditError, HivemindError, MergeConflict, NotText
from pydantic_hivemind.hive.async_seam import on_thread
from pydantic_hivemind.hive.text_edits import replaced
from pydantic_hivemind.hive.utf8 import check_editable, read_for_models
from pydantic_hivemind.rendering.numbered_lines import bounded

EXTRACTED = frozenset({".pdf"})
"""Extensions of files of which upstream extracts the text."""

_MARKER = b"hivemind-reads-this-itself"
"""A text that upstream is given to read, to see what it makes of it."""


class _Refused(Exception):
    """Why a tool cannot do what it was called for, for the model to call it otherwise."""


async def read_file(call: ToolCall) -> Any:
    """Read some lines of a file, in the format of upstream's tool, be it numbers or hashes."""
    path: str = call.argument("path")
    if posixpath.splitext(path)[1].lower() in EXTRACTED:
        return await call.upstream(call.ctx.workspace)
    answer = await call.upstream(ReachedView(call.ctx.workspace, _MARKER), offset=0, limit=1)
    marker = _MARKER.decode()
    if not isinstance(answer, str):
        # An image: the real one.
        return await call.upstream(call.ctx.workspace)
    if marker not in answer:
        return answer
    tagged = answer.partition(marker)[0].endswith("|")

    async def read() -> str:
        data = await call.ctx.workspace.read_bytes(path)
        text = await on_thread(_shown, path, data, call.argument("offset"), call.argument("limit"), tagged)
        call.seen.record(await call.ctx.workspace.resolve(path), data)
        return text

    return await _answered(call, path, read, "")


async def write_file(call: ToolCall) -> Any:
    """Write a file as upstream does, and keep what it is now."""
    answer = await call.upstream(call.ctx.workspace)
    if isinstance(answer, str) and not answer.startswith("Error"):
        content: str = call.argument("content")
        call.seen.record(await call.ctx.workspace.resolve(call.argument("path")), content.encode())
    return answer


async def edit_file(call: ToolCall) -> Any:
    """Replace text in a file, in one transaction if it is in a scope."""
    path: str = call.argument("path")
    old, new, everywhere = call.argument("old_string"), call.argument("new_string"), call.argument("replace_all")
    refusal = await _refusal(call)
    if refusal is not None:
        return refusal
    seen, place = call.seen, await call.ctx.workspace.resolve(path)

    async def edit() -> str:
        counts: list[int] = []

        def change(data: bytes) -> bytes:
            if not seen.is_current(place, data):
                raise _Refused(
                    f"'{path}' changed since you last read it. Read it again before editing so your change applies to "
                    "the current contents."
                )
            try:
                changed, count = replaced(path, data, old, new, everywhere=everywhere)
            except EditError as error:
                raise _Refused(_edit_reason(error, old)) from error
            counts.append(count)
            return changed

        async with seen.lock(place):
            seen.record(place, await _changed(call.ctx.workspace, path, change))
        return f"Edited {path}: replaced {counts[-1]} occurrence(s)"

    return await _answered(call, path, edit, "Failed to edit file: ")


async def hashline_edit(call: ToolCall) -> Any:
    """Replace lines of a file by their hashes, in one transaction if it is in a scope."""
    path: str = call.argument("path")
    refusal = await _refusal(
        call,
        start_line=1,
        start_hash=line_hash(_MARKER.decode()),
        new_content="",
        end_line=None,
        end_hash=None,
        insert_after=False,
    )
    if refusal is not None:
        return refusal
    names = ("start_line", "start_hash", "new_content", "end_line", "end_hash", "insert_after")
    arguments: dict[str, Any] = {name: call.argument(name) for name in names}
    arguments["new_content"] = arguments["new_content"].replace("\r\n", "\n")

    async def edit() -> str:
        summaries: list[str] = []

        def change(data: bytes) -> bytes:
            check_editable(path, data)
            text, error, summary = apply_hashline_edit_with_summary(read_for_models(path, data).text, **arguments)
            if error:
                raise _Refused(error)
            summaries.append(summary)
            return rewritten(data, text.encode())

        async with call.seen.lock(await call.ctx.workspace.resolve(path)):
            await _changed(call.ctx.workspace, path, change)
        return f"Edited {path}: {summaries[-1]}"

    return await _answered(call, path, edit, "Failed to edit file: ")


async def of_memory(call: ToolCall) -> Any:
    """Call a tool of memory. What is wrong with a file is an answer, and does not end the run."""
    try:
        return await call.upstream(TextView(call.ctx.workspace))
    except (OSError, UnicodeError, NotText, MergeConflict) as error:
        return f"Error: {error}"


# -- helpers -----------------------------------------------------------------------------------


async def _refusal(call: ToolCall, **changed: Any) -> Any:
    """Return what upstream answers if it does not come as far as reading or writing; `None` if it does."""
    try:
        # What is read is asked for only where something is to be written afterwards.
        return await call.upstream(ReachedView(call.ctx.workspace, _MARKER if changed else None), **changed)
    except ReachedView.Reached:
        return None


async def _changed(workspace: Workspace, path: str, change: Callable[[bytes], bytes]) -> bytes:
    """Change a file, and return what it is now."""
    # What is wrapped around a workspace sees what is read and written.
    if type(workspace) is Workspace and isinstance(workspace.backend, ScopeWorkspace | LayeredWorkspace):
        return await workspace.backend.change(await workspace.resolve(path), change)
    data = await on_thread(change, await workspace.read_bytes(path))
    await workspace.write_bytes(path, data)
    return data


async def _answered(call: ToolCall, path: str, work: Callable[[], Awaitable[str]], failing: str) -> str:
    """Return what a tool answers. What other arguments may mend makes the model try again, if it may."""
    try:
        answer = await work()
    except FileNotFoundError:
        answer = f"Error: File '{path}' not found"
    except (_Refused, NotText) as error:
        answer = f"Error: {error}"
    except (OSError, WorkspaceError, ValueError, HivemindError) as error:
        answer = f"Error: {failing}{error}"
    if answer.startswith("Error") and not call.ctx.last_attempt:
        raise ModelRetry(answer)
    return answer


def _shown(path: str, data: bytes, offset: int, limit: int, tagged: bool) -> str:  # noqa: FBT001
    text = read_for_models(path, data)
    lines = text.text.split("\n")
    if not lines[-1] and not (tagged and not text.text):
        # An empty file has a line to be edited by its hash.
        lines.pop()
    if offset >= len(lines) and lines:
        return f"Error: Offset {offset} exceeds file length ({len(lines)} lines)"
    wanted = range(offset, min(offset + limit, len(lines)))
    marks = [f"{n + 1}:{line_hash(lines[n])}|" if tagged else f"{n + 1:>6}\t" for n in wanted]
    return "\n\n".join(bounded(lines, marks, offset, text.note))


def _edit_reason(error: EditError, old: str) -> str:
    if error.occurrences == 0:
        return f"String '{old}' not found in file"
    return (
        f"String '{old}' found {error.occurrences} times. Use replace_all=True to replace all, or provide more context."
    )
