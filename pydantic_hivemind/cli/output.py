"""Output of commands: JSON if requested, tables on a terminal, and tab-separated data on a pipe."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar

from pydantic_hivemind.base.json_values import to_json_value
from pydantic_hivemind.rendering.patches import printable

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

Item = TypeVar("Item")


def for_people() -> bool:
    """Return whether standard output is a terminal."""
    return sys.stdout.isatty()


def console(*, stderr: bool = False) -> Console:
    """Return a console that does not interpret brackets as markup or highlight numbers."""
    from rich.console import Console

    return Console(stderr=stderr, highlight=False, markup=False, emoji=False)


def show(
    value: Item,
    *,
    as_json: bool,
    people: Callable[[Item], RenderableType],
    plain: Callable[[Item], str | Sequence[str]],
) -> None:
    """Print a value.

    Args:
        value: The value that `--json` prints, field by field.
        as_json: Whether to print JSON.
        people: Returns the value for a terminal.
        plain: Returns the line or lines for a pipe.
    """
    if as_json:
        print_json(value)
    elif for_people():
        _print_whole(people(value))
    else:
        lines = plain(value)
        for line in (lines,) if isinstance(lines, str) else lines:
            sys.stdout.write(f"{line}\n")


def _print_whole(renderable: RenderableType) -> None:
    """Print something in its full width: the terminal wraps what does not fit, and it can still be copied."""
    from rich.measure import Measurement

    screen = console()
    least = Measurement.get(screen, screen.options.update(max_width=_WIDEST), renderable).minimum
    screen.width = max(screen.width, least)
    screen.print(renderable, soft_wrap=True)


_WIDEST = 100_000
"""Maximum columns of a line: more than any path has."""


def print_bytes(data: bytes) -> None:
    """Print the content of a file: exactly, but on a terminal with what would control it made visible."""
    if not for_people():
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        return
    print_text(data.decode(errors="backslashreplace"))


def print_text(text: str) -> None:
    """Print text of several lines: exactly, but on a terminal with what would control it made visible."""
    if for_people():
        lines = (line.removesuffix("\r") for line in text.split("\n"))
        text = "\n".join("\t".join(map(printable, line.split("\t"))) for line in lines)
    sys.stdout.write(text)


def print_json(value: object) -> None:
    """Print a value as JSON, as its fields are named; bytes are text, or `{"base64": ...}` where they are none."""
    sys.stdout.write(json.dumps(to_json_value(value, readable_bytes=True), indent=2) + "\n")


def row(*cells: object) -> str:
    """Return one line for a pipe: cells separated by tabs."""
    return "\t".join("" if cell is None else printable(str(cell)) for cell in cells)


def table(headings: Sequence[str], rows: Sequence[Sequence[object]], *, right: Sequence[str] = ()) -> RenderableType:
    """Return a table for a terminal. Only times and lists are wrapped to make it narrower: other cells can be copied.

    Args:
        headings: Heading of each column.
        rows: Cells of each row.
        right: Headings of right-aligned columns.
    """
    from rich.cells import cell_len
    from rich.table import Table

    texts = [["" if cell is None else printable(str(cell)) for cell in cells] for cells in rows]
    made = Table(box=None, pad_edge=False, header_style="bold", show_header=any(headings))
    for number, heading in enumerate(headings):
        broken = heading in _BROKEN
        parts = [part for cells in texts for part in (cells[number].split() if broken else [cells[number]])]
        least = max(map(cell_len, parts), default=0)
        side = "right" if heading in right else "left"
        made.add_column(heading, justify=side, overflow="fold", no_wrap=not broken, min_width=least)
    for cells in texts:
        made.add_row(*cells)
    return made


_BROKEN = ("", "can", "changed", "ends", "made", "tags", "when")
"""Columns that may be wrapped."""


def moment(seconds: float | None) -> str:
    """Return a time for people, in the local time zone."""
    if seconds is None:
        return ""
    try:
        return datetime.fromtimestamp(seconds).astimezone().isoformat(" ", "seconds")[:19]
    except (OverflowError, ValueError, OSError):
        return "out of all time"


def number(count: int, thing: str) -> str:
    """Return a number with its noun, such as `2 files`."""
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"


def size(count: int) -> str:
    """Return a size for people."""
    amount = float(count)
    for unit in ("B", "KB", "MB"):
        if amount < 1000:  # noqa: PLR2004 - units are powers of it
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} GB"
