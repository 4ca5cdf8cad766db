"""What tools tell a model: no more of it than it should read at once, and where the rest is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pydantic_hivemind.adapters.patches import of_change, printable
from pydantic_hivemind.errors import InvalidOption, PromotionConflict
from pydantic_hivemind.model import Change, File, PromotionReport, Stat
from pydantic_hivemind.reading import decoded

MAX_TEXT = 40_000
"""Most characters that a tool tells, about 10,000 tokens: from there on Claude Code warns of long results."""

MAX_LINE = 2000
"""Most characters of a line that are shown: longer ones are data, not text."""


def of_file(file: File, own: str, offset: int, limit: int) -> str:
    """Some lines of a file with their numbers, after what is known of it.

    Raises:
        NotText: It is no text.
        InvalidOption: It has no such line.
    """
    path = file.stat.path
    lines = decoded(path, file.data).split("\n")
    if not lines[-1]:
        lines.pop()
    if offset > max(len(lines), 1):
        raise InvalidOption(f"{path!r} has {len(lines)} lines, there is no line {offset}")
    told = [f"{path}: version {file.stat.version}, {len(lines)} lines{_about(file.stat, own)}"]
    room = MAX_TEXT - len(told[0])
    for number, line in enumerate(lines[offset - 1 : offset - 1 + limit], offset):
        shown = f"{number:6}\t{_cut(line)}"
        room -= len(shown) + 1
        if room < 0:
            break
        told.append(shown)
    last = offset + len(told) - 2
    if last < len(lines):
        told.append(f"(There is more: read on with offset={last + 1}.)")
    return "\n".join(told)


def of_listing(stats: Iterable[Stat], own: str) -> str:
    """Files and directories, one a line."""
    return _fitting(
        [f"{stat.path}/" if stat.is_dir else f"{stat.path} ({stat.size} bytes{_about(stat, own)})" for stat in stats],
        "list a directory, or give a narrower glob",
    )


def of_changes(changes: Sequence[Change]) -> str:
    """A patch, without directories that come with their files; what does not fit into what is shown is only named."""
    filled = {change.path.rpartition("/")[0] for change in changes}
    told: list[str] = []
    left: list[str] = []
    room = MAX_TEXT
    for change in changes:
        if change.kind == "directory" and change.path in filled:
            continue
        patch = of_change(change)
        if len(patch) <= room:
            told.append(patch)
            room -= len(patch)
        else:
            left.append(f"({change.kind}: {change.path}; its patch does not fit here, read the file)")
    return "".join(told) + _fitting(left, "promote or read some of it first", room)


def of_report(report: PromotionReport) -> str:
    """What a promotion did, or would do."""
    outcomes = {
        "applied": report.applied,
        "merged": report.merged,
        "deleted": report.deleted,
        "skipped": report.skipped,
        "conflict": tuple(conflict.path for conflict in report.conflicts),
    }
    told = [f"{what} {path}" for what, paths in outcomes.items() for path in paths]
    if not told:
        return "There is nothing to promote."
    heading = "This would be promoted" if report.dry_run else f"Promotion {report.id}"
    return f"{heading} to {report.target}:\n{_fitting(told, 'promote some paths only')}"


def of_error(error: Exception) -> str:
    """What went wrong."""
    if isinstance(error, PromotionConflict):
        return f"{error}\n" + _fitting(
            [f"conflict {each.path}" for each in error.report.conflicts], "settle these first"
        )
    return str(error)


def _about(stat: Stat, own: str) -> str:
    tags = f", tags {', '.join(stat.tags)}" if stat.tags else ""
    return tags + (f", from {stat.scope}" if stat.scope != own else "")


def _cut(line: str) -> str:
    over = len(line) - MAX_LINE
    return line if over <= 0 else f"{line[:MAX_LINE]} [... {over} more characters]"


def _fitting(lines: list[str], advice: str, room: int = MAX_TEXT) -> str:
    """As many of the lines as there is room for, and what to do about the others."""
    lines = [printable(line) for line in lines]
    for index, line in enumerate(lines):
        room -= len(line) + 1
        if room < 0:
            return "\n".join([*lines[:index], f"({len(lines) - index} more; {advice}.)"])
    return "\n".join(lines)
