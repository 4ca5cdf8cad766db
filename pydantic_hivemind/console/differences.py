"""Two texts, line by line, as rows of a page."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal

from pydantic_hivemind.base.values import Change
from pydantic_hivemind.limits import MAX_COMPARED_LINES, MAX_SHOWN_CHARS

_CONTEXT = 3


@dataclass(frozen=True)
class Row:
    """One line of a comparison.

    Attributes:
        kind: Whether the line stays, comes or goes; `gap` stands for lines that are left out.
        before: Number of the line in the first text; `None` if it is not in there.
        after: Number of the line in the second text; `None` if it is not in there.
        text: The line without its end.
    """

    kind: Literal["same", "added", "removed", "gap"]
    before: int | None
    after: int | None
    text: str


@dataclass(frozen=True)
class Difference:
    """A comparison.

    Attributes:
        rows: Its rows; empty if the texts are the same.
        note: Why there are none, if the contents cannot be compared line by line.
        added: Number of lines that come.
        removed: Number of lines that go.
    """

    rows: tuple[Row, ...]
    note: str | None = None
    added: int = 0
    removed: int = 0


def of_change(change: Change) -> Difference:
    """Return what a change does to its file."""
    if change.kind == "directory":
        return Difference((), "a new directory")
    return between(change.before, change.after)


def between(before: bytes | None, after: bytes | None) -> Difference:
    """Compare two contents; `None` is no file."""
    first, second = _text(before), _text(after)
    if first is None or second is None:
        return Difference((), "not text: download the versions to compare them")
    one, other = first.splitlines(), second.splitlines()
    if len(first) + len(second) > 2 * MAX_SHOWN_CHARS or len(one) + len(other) > MAX_COMPARED_LINES:
        return Difference((), "too large to be compared here: download the versions, or use `hivemind diff`")
    if first == second:
        return Difference((), "the same content")
    rows = tuple(_rows(one, other))
    added, removed = (sum(row.kind == kind for row in rows) for kind in ("added", "removed"))
    note = None if added or removed else "only line ends differ"
    return Difference(rows, note, added, removed)


def _text(data: bytes | None) -> str | None:
    if data is None:
        return ""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text


def _rows(one: list[str], other: list[str]) -> Iterator[Row]:
    matcher = SequenceMatcher(None, one, other, autojunk=True)
    last = 0
    for group in matcher.get_grouped_opcodes(_CONTEXT):
        start = group[0][1]
        if start > last:
            yield Row("gap", None, None, "")
        for tag, first, first_end, second, second_end in group:
            if tag == "equal":
                for offset in range(first_end - first):
                    yield Row("same", first + offset + 1, second + offset + 1, one[first + offset])
                continue
            for number in range(first, first_end):
                yield Row("removed", number + 1, None, one[number])
            for number in range(second, second_end):
                yield Row("added", None, number + 1, other[number])
        last = group[-1][2]
    if last and last < len(one):
        yield Row("gap", None, None, "")
