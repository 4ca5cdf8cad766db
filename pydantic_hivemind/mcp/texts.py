"""What tools tell a model: no more of it than it should read at once, and where the rest is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pydantic_hivemind.base.text_content import readable
from pydantic_hivemind.base.values import Change, File, OnConflict, PromotionReport, Stat
from pydantic_hivemind.errors import HivemindError, InvalidOption, NotText, PromotionConflict, ScopeGone
from pydantic_hivemind.limits import MAX_TOOL_ERROR_CHARS, MAX_TOOL_RESULT_BYTES
from pydantic_hivemind.mcp.resources import uri_of
from pydantic_hivemind.rendering.error_statuses import remote_text
from pydantic_hivemind.rendering.patches import of_change, printable


def of_file(file: File, own: str, offset: int, column: int, limit: int) -> str:
    """Some lines of a file with their numbers, after what is known of it.

    Args:
        file: The file.
        own: The name of the scope it was read in.
        offset: The first line.
        column: The first character of that line.
        limit: Most lines.

    Raises:
        NotText: It is binary.
        InvalidOption: It has no such line, or the line no such character.
    """
    path = file.stat.path
    text = readable(file.data)
    if text is None:
        raise NotText(f"{path!r} is binary, not text; its bytes are the resource {uri_of(path)}")
    lines = text.text.split("\n")
    if not lines[-1]:
        lines.pop()
    asked = lines[offset - 1 : offset - 1 + limit]
    if not asked and offset > 1:
        raise InvalidOption(f"{path!r} has {len(lines)} lines, so line {offset} does not exist")
    if column > 1 and column > (length := len(asked[0]) if asked else 0):
        raise InvalidOption(f"line {offset} of {path!r} has {length} characters, so character {column} does not exist")
    notes = [text.note] if text.note else []
    told = [printable(f"{path}: version {file.stat.version}, {len(lines)} lines{_about(file.stat, own)}")]
    room = MAX_TOOL_RESULT_BYTES - sum(map(_size, [*told, *notes]))
    following, place = offset + len(asked), 1
    for number, line in enumerate(asked, offset):
        before = f"{number:6}\t"
        shown = before + (line[column - 1 :] if number == offset else line)
        if _size(shown) > room:
            following = number
            if number == offset:
                # Not even one fits: as much of it as there is room for.
                told.append(_begin(shown, room))
                place = column + len(told[-1]) - len(before)
            break
        told.append(shown)
        room -= _size(shown)
    if following <= len(lines):
        told.append(f"(There is more: read on with offset={following}{f', column={place}' if place > 1 else ''}.)")
    return "\n".join([*told, *notes])


def of_listing(stats: Iterable[Stat], own: str) -> str:
    """Files and directories, one a line."""
    return _fitting(
        [f"{stat.path}/" if stat.is_dir else f"{stat.path} ({stat.size} bytes{_about(stat, own)})" for stat in stats],
        "list a directory, or give a narrower glob",
    )


def of_changes(changes: Sequence[Change], left_behind: Sequence[str] = ()) -> str:
    """A patch, without directories that come with their files; what does not fit into what is shown is only named.

    Then what stays behind.
    """
    filled = {change.path.rpartition("/")[0] for change in changes}
    told: list[str] = []
    left: list[str] = []
    room = MAX_TOOL_RESULT_BYTES
    for change in changes:
        if change.kind == "directory" and change.path in filled:
            continue
        patch = of_change(change)
        if _size(patch) <= room:
            told.append(patch)
            room -= _size(patch)
        else:
            advice = "" if change.kind == "deleted" else ", read the file"
            left.append(f"({change.kind}: {change.path}; its patch does not fit here{advice})")
    left += [f"(stays here when promoted: {path})" for path in left_behind]
    return "".join(told) + _fitting(left, "promote or read some of it first", room)


def of_report(report: PromotionReport, on_conflict: OnConflict) -> str:
    """What a promotion did, or would do."""
    outcomes = {
        "applied": report.applied,
        "merged": report.merged,
        "deleted": report.deleted,
        "skipped": report.skipped,
        "left behind": report.left_behind,
        "conflict" if on_conflict == "fail" else f"conflict, settled by `{on_conflict}`": tuple(
            conflict.path for conflict in report.conflicts
        ),
    }
    told = [f"{what} {path}" for what, paths in outcomes.items() for path in paths]
    if not told:
        return "There is nothing to promote."
    in_conflict = bool(report.conflicts) and on_conflict == "fail"
    anything = not in_conflict and bool(report.applied or report.merged or report.deleted)
    heading = (
        ("This would be promoted" if anything else "Nothing would be promoted")
        if report.dry_run
        else (f"Promotion {report.id}" if anything else "Nothing was promoted")
    )
    return f"{printable(f'{heading} to {report.target}')}:\n{_fitting(told, 'promote some paths only')}"


def of_lines(lines: Sequence[str], advice: str) -> str:
    """As many lines as fit, and what to do about the others."""
    return _fitting(list(lines), advice)


def of_error(error: HivemindError) -> str:
    """What went wrong."""
    if isinstance(error, PromotionConflict):
        return f"{error}\n" + _fitting(
            [f"conflict {each.path}" for each in error.report.conflicts], "settle these first"
        )
    if isinstance(error, ScopeGone):
        return "this workspace was deleted with everything in it; tell the user, who can connect another one"
    text = remote_text(error)
    return text if len(text) <= MAX_TOOL_ERROR_CHARS else f"{text[:MAX_TOOL_ERROR_CHARS]} [...]"


def _about(stat: Stat, own: str) -> str:
    tags = f", tags {', '.join(stat.tags)}" if stat.tags else ""
    return tags + (f", from {stat.scope}" if stat.scope != own else "")


def _size(line: str) -> int:
    """The bytes of a line and of its end."""
    return len(line.encode()) + 1


def _begin(line: str, room: int) -> str:
    """As much of a line as fits."""
    return line.encode()[: room - 1].decode(errors="ignore")


def _fitting(lines: list[str], advice: str, room: int = MAX_TOOL_RESULT_BYTES) -> str:
    """As many of the lines as there is room for, and what to do about the others."""
    lines = [printable(line) for line in lines]
    for index, line in enumerate(lines):
        room -= _size(line)
        if room < 0:
            return "\n".join([*lines[:index], f"({len(lines) - index} more; {advice}.)"])
    return "\n".join(lines)
