"""Three-way merge of a file: what both sides did since the base they share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from merge3 import Merge3

from pydantic_hivemind.base.values import OnConflict
from pydantic_hivemind.limits import MAX_UNITED_LINES
from pydantic_hivemind.merging.line_matching import LineMatcher, TooManyChanges
from pydantic_hivemind.merging.markdown_union import append, cuts, union
from pydantic_hivemind.merging.operation_log import is_journal, merge_journals

if TYPE_CHECKING:
    from merge3 import SequenceMatcherProtocol


@dataclass(frozen=True)
class Merged:
    """The outcome; `conflict` says that the two sides overlapped and `on_conflict` had to choose.

    `compared` is false where that is because to compare them would have taken too long.
    """

    data: bytes | None
    conflict: bool
    compared: bool = True


def merge(
    path: str,
    base: bytes | None,
    ours: bytes | None,
    theirs: bytes | None,
    *,
    union: bool,
    on_conflict: OnConflict = "fail",
) -> Merged:
    """Merge the two sides of a file that began as `base`; `None` stands for "no file". One that both made began empty.

    Lines that both sides changed are a conflict: `keep_target` settles it with `ours`, `take_source` with `theirs`, and
    `fail` leaves `ours` in place.
    With `union` the additions of both are kept instead, `ours` first, and once what both say in one place.
    Where the sides differ in so many places that comparing them would take long, they are a conflict too.
    """
    if base is None and ours is not None and theirs is not None:
        base = b""
    if ours == theirs or base == theirs:
        return Merged(ours, conflict=False)
    if base == ours:
        return Merged(theirs, conflict=False)
    chosen = theirs if on_conflict == "take_source" else ours
    if ours is None or theirs is None:
        return Merged(chosen, conflict=True)
    if is_journal(path):
        return Merged(merge_journals(base, ours, theirs), conflict=False)
    try:
        merged, conflict = _merged(
            _lines(base or b""), _lines(ours), _lines(theirs), on_conflict if not union else None
        )
    except ValueError:
        return Merged(chosen, conflict=True)
    except TooManyChanges:
        return Merged(chosen, conflict=True, compared=False)
    if conflict and on_conflict == "fail":
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


def _merged(
    base: list[str], ours: list[str], theirs: list[str], on_conflict: OnConflict | None
) -> tuple[list[str], bool]:
    """The lines merged, and whether both sides changed the same; without `on_conflict` the additions of both are kept.

    Raises:
        TooManyChanges: To compare the sides takes too long.
    """
    # Appending costs what was appended. What all end with alike is left in: it may be of another section in each.
    start = _alike(base, ours, theirs)
    if on_conflict is None:
        # What is added in front of a fence looks as if it were added within, if both begin alike.
        inside = cuts(base[:start])
        while inside[start]:
            start -= 1
    parts = [side[start:] for side in (base, ours, theirs)]
    fenced = [cuts(part) for part in parts] if on_conflict is None else []
    matcher = cast("type[SequenceMatcherProtocol[str]]", LineMatcher)
    merged = base[:start]
    conflict = False
    left = MAX_UNITED_LINES
    for region in Merge3(parts[0], parts[1], parts[2], sequence_matcher=matcher).merge_regions():
        if region[0] == "conflict":
            places = (region[1:3], region[3:5], region[5:7])
            stretches = [part[first:last] for part, (first, last) in zip(parts, places, strict=True)]
            if on_conflict is None:
                left -= sum(map(len, stretches))
                if left < 0:
                    raise TooManyChanges
                ends = zip(fenced, places, strict=True)
                in_fence = any(inside[first] or inside[last] for inside, (first, last) in ends)
                append(merged, union(*stretches, in_fence=in_fence))
            else:
                conflict = True
                append(merged, stretches[2 if on_conflict == "take_source" else 1])
        else:
            side = parts[{"unchanged": 0, "b": 2}.get(region[0], 1)]
            append(merged, side[region[1] : region[2]])
    return merged, conflict


def _alike(*sides: Sequence[str]) -> int:
    """How many lines several texts begin with that are the same in all."""
    count = 0
    for lines in zip(*sides, strict=False):
        if len(set(lines)) > 1:
            break
        count += 1
    return count
