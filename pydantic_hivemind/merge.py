"""Three-way merge of a file: what both sides did since the base they share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from merge3 import Merge3

from pydantic_hivemind.journals import is_journal, merge_journals
from pydantic_hivemind.model import Strategy


@dataclass(frozen=True)
class Merged:
    """The outcome; `conflict` says that the two sides overlapped and a strategy had to choose."""

    data: bytes | None
    conflict: bool


def merge(
    path: str,
    base: bytes | None,
    ours: bytes | None,
    theirs: bytes | None,
    *,
    union: bool,
    strategy: Strategy = "merge",
) -> Merged:
    """Merge the two sides of a file that began as `base`; `None` stands for "no file".

    Lines that both sides changed are a conflict, settled by the strategy (`merge` leaves `ours` in place).
    With `union` the additions of both are kept instead, `ours` first and identical lines once.
    """
    if ours == theirs or base == theirs:
        return Merged(ours, conflict=False)
    if base == ours:
        return Merged(theirs, conflict=False)
    chosen = theirs if strategy == "theirs" else ours
    if ours is None or theirs is None:
        return Merged(chosen, conflict=True)
    if is_journal(path):
        return Merged(merge_journals(base, ours, theirs), conflict=False)
    try:
        texts = Merge3(_lines(base or b""), _lines(ours), _lines(theirs))
    except ValueError:
        return Merged(chosen, conflict=True)
    merged: list[str] = []
    conflict = False
    for kind, *sides in texts.merge_groups():
        if kind != "conflict":
            _append(merged, sides[0])
        elif union:
            _append(merged, _union(*sides))
        else:
            conflict = True
            _append(merged, sides[2] if strategy == "theirs" else sides[1])
    if conflict and strategy == "merge":
        return Merged(ours, conflict=True)
    return Merged("".join(merged).encode(), conflict=conflict)


def merge_tags(base: Sequence[str], ours: Sequence[str], theirs: Sequence[str]) -> tuple[str, ...]:
    """Tags that either side added, without those that either side took away."""
    removed = {tag for tag in base if tag not in ours or tag not in theirs}
    return tuple(sorted({*ours, *theirs} - removed))


def _lines(data: bytes) -> list[str]:
    """The lines of a text with their ends.

    Raises:
        ValueError: The bytes are no text.
    """
    text = data.decode()
    if "\0" in text:
        raise ValueError("binary")
    # Not splitlines(): form feeds and other separators are part of a line.
    lines = text.split("\n")
    return [line + "\n" for line in lines[:-1]] + ([lines[-1]] if lines[-1] else [])


def _append(merged: list[str], lines: Sequence[str]) -> None:
    """Add lines to a text whose last line may have no end."""
    if merged and lines and not merged[-1].endswith("\n"):
        merged[-1] += "\n"
    merged.extend(lines)


def _union(base: Sequence[str], ours: Sequence[str], theirs: Sequence[str]) -> list[str]:
    """What either side added to a stretch of lines, without what either side took away."""
    before, here, there = ({_key(line) for line in side} for side in (base, ours, theirs))
    kept: list[str] = []
    for line in ours:
        if not (_stands_alone(line) and _key(line) in before - there):
            _append(kept, [line])
    for line in theirs:
        if _stands_alone(line):
            if _key(line) not in here | before:
                _append(kept, [line])
        elif line.strip() or (kept and kept[-1].strip()):
            _append(kept, [line])
    return kept


def _key(line: str) -> str:
    """A line without its end, which the last line of a file may lack."""
    return line.rstrip("\r\n")


def _stands_alone(line: str) -> bool:
    """Whether a line says something by itself, so that saying it once is enough.

    Blank lines, rules, brackets and code fences are the frame of other lines: they repeat.
    """
    text = line.strip()
    return not text.startswith(("```", "~~~")) and any(character.isalnum() for character in text)
