"""Union merge of Markdown: the additions of both sides, each in its place, and common additions once.

The place of a line is its context: headings, labels, and the list items under which it is indented. So the region is
parsed into a tree, and the additions of `theirs` are inserted into the tree of `ours`.
"""

from __future__ import annotations

import re
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from pydantic_hivemind.merging.line_matching import LineMatcher

DEEPEST = 60
"""Maximum columns of indentation that are distinguished; each level is a level of recursion."""

_KINDS = 8
_LABELLED, _PLAIN, _LISTED, _LAZY, _FENCED = range(5)
"""What a line is, the farther out the less, among those that are indented alike. Headings are farther out than all."""

_HEADING = re.compile(r" {0,3}(#{1,6})(?:\s|$)")
_MARKER = r"(?:[-*+]|\d{1,9}[.)])\s+"
_ITEM = re.compile(rf"\s*{_MARKER}")
_FENCE = re.compile(rf"\s*(?:{_MARKER})*(`{{3,}}(?=[^`]*$)|~{{3,}})")
_LABEL = re.compile(r".*[:\uff1a][*_\s]*$|\s*(\*\*|__).*\1\s*$", re.DOTALL)


@dataclass(eq=False)
class _Node:
    """A line, or a whole fenced block, with its subordinate lines.

    `rank` is its level: a line is subordinate to the last line before it that has a smaller rank and `holds` others.
    """

    lines: list[str]
    rank: int
    holds: bool
    parent: _Node | None
    gap: list[str] = field(default_factory=list[str])
    children: list[_Node] = field(default_factory=list["_Node"])
    added: list[_Node] = field(default_factory=list["_Node"])
    gone: bool = False
    needed: bool = False

    @property
    def text(self) -> str:
        """Its text without the end of its last line, which may be missing at the end of a file."""
        return "".join(self.lines).rstrip("\r\n")


def union(base: Sequence[str], ours: Sequence[str], theirs: Sequence[str], *, in_fence: bool) -> list[str]:
    """Return a region with the additions of both sides and without the lines that either side deleted, ours first.

    Args:
        base: Lines of the region before both sides changed it.
        ours: Lines of one side.
        theirs: Lines of the other side.
        in_fence: Whether the region is, on some side, part of a fenced block, in which single lines have no meaning.
    """
    if in_fence:
        return _flat(base, ours, theirs)
    before, (here, tail), (there, other_tail) = _parsed(base)[0], _parsed(ours), _parsed(theirs)
    ours_from, theirs_from = _origins(before, here), _origins(before, there)
    both = set(theirs_from)
    kept: dict[int | None, _Node] = {}
    new: dict[tuple[_Node | None, str], deque[_Node]] = defaultdict(deque)
    for node, origin in zip(here, ours_from, strict=True):
        if origin is None:
            new[node.parent, node.text].append(node)
            _need(node)
        else:
            kept[origin] = node
            node.gone = origin not in both
    roots = _Node([], 0, holds=True, parent=None, children=[node for node in here if node.parent is None])
    twins: dict[_Node | None, _Node | None] = {None: None}
    for node, origin in zip(there, theirs_from, strict=True):
        place = twins[node.parent]
        if origin in kept:
            twins[node] = kept[origin]
        elif origin is None and (same := new.get((place, node.text))):
            twins[node] = same.popleft()
        else:
            # What ours took away is needed only as the place of what theirs added under it.
            twin = _Node(node.lines, node.rank, node.holds, place, gap=node.gap, gone=origin is not None)
            (place or roots).added.append(twin)
            twins[node] = twin
            if origin is None:
                _need(twin)
    merged: list[str] = []
    for node in _inside(roots):
        _write(merged, node)
    append(merged, max(tail, other_tail, key=len))
    return merged


def append(merged: list[str], lines: Iterable[str]) -> None:
    """Append lines to a text whose last line may have no end."""
    for line in lines:
        if merged and not merged[-1].endswith("\n"):
            merged[-1] += "\n"
        merged.append(line)


def cuts(lines: Sequence[str]) -> list[bool]:
    """Return, for each position between lines, the first and the last included, whether it is inside a fenced block."""
    found = [False]
    end: re.Pattern[str] | None = None
    for line in lines:
        if end is None:
            end = _fence(line)
        elif end.match(line):
            end = None
        found.append(end is not None)
    return found


def _fence(line: str) -> re.Pattern[str] | None:
    """Return the end marker of the fenced block that a line begins."""
    if "```" not in line and "~~~" not in line:
        return None
    mark = _FENCE.match(line)
    return None if mark is None else re.compile(rf"\s*{mark[1]}{mark[1][0]}*\s*$")


def _flat(base: Sequence[str], ours: Sequence[str], theirs: Sequence[str]) -> list[str]:
    """Return the union of lines that have no meaning of their own: none is left out as a duplicate."""
    ours_from, theirs_from = _aligned(base, ours), _aligned(base, theirs)
    staying = {None, *theirs_from}
    merged: list[str] = []
    append(merged, (line for line, origin in zip(ours, ours_from, strict=True) if origin in staying))
    append(merged, (line for line, origin in zip(theirs, theirs_from, strict=True) if origin is None))
    return merged


def _aligned(before: Sequence[str], after: Sequence[str]) -> list[int | None]:
    """Return the matching base line of each line; `None` for added lines."""
    origins: list[int | None] = [None] * len(after)
    for start, there, size in LineMatcher(None, before, after).get_matching_blocks():
        origins[there : there + size] = range(start, start + size)
    return origins


# -- reading -----------------------------------------------------------------------------------


def _parsed(lines: Sequence[str]) -> tuple[list[_Node], list[str]]:
    """Return the tree of a region's lines, and the blank lines at its end."""
    nodes: list[_Node] = []
    gap: list[str] = []
    open: list[_Node] = []
    inside = cuts(lines)
    last: _Node | None = None
    for number, line in enumerate(lines):
        if inside[number]:
            nodes[-1].lines.append(line)
        elif not line.strip():
            gap.append(line)
        elif not inside[number + 1] and _is_frame(line):
            # A rule, a bracket, the underline of a heading: a part of the line before it.
            nodes.append(_Node([line], 0, holds=False, parent=last, gap=gap))
            gap = []
        else:
            after = lines[number + 1] if number + 1 < len(lines) else ""
            adjacent = nodes[-1] if nodes and not gap else None
            rank, holds = _rank(line, after, adjacent, fence=inside[number + 1])
            while open and open[-1].rank >= rank:
                open.pop()
            last = _Node([line], rank, holds=holds, parent=open[-1] if open else None, gap=gap)
            gap = []
            nodes.append(last)
            if holds:
                open.append(last)
    for node in nodes:
        if node.parent is not None:
            node.parent.children.append(node)
    return nodes, gap


def _rank(line: str, after: str, before: _Node | None, *, fence: bool) -> tuple[int, bool]:
    """Return the level of a line, and whether other lines can be subordinate to it.

    Args:
        line: A line of text, or the first of a fenced block.
        after: The next line.
        before: The line directly above, without a blank line between.
        fence: Whether it begins a fenced block.
    """
    heading = _HEADING.match(line)
    if heading is not None and not fence:
        return len(heading[1]), True
    text = line.expandtabs(4)
    level = _KINDS * (1 + min(len(text) - len(text.lstrip()), DEEPEST))
    if fence:
        return level + _FENCED, False
    if _ITEM.match(line):
        return level + _LISTED, True
    if _LABEL.match(line) or (after.strip() and _is_frame(after) and _fence(after) is None):
        return level + _LABELLED, True
    if before is not None and before.rank % _KINDS in (_LISTED, _LAZY) and level <= before.rank:
        # Text directly after an item is a part of it, indented or not.
        return before.rank - before.rank % _KINDS + _LAZY, False
    return level + _PLAIN, True


def _is_frame(line: str) -> bool:
    """Return whether a line is only markup: it has no letter and no digit."""
    return not any(character.isalnum() for character in line)


# -- comparing ---------------------------------------------------------------------------------


def _origins(before: Sequence[_Node], after: Sequence[_Node]) -> list[int | None]:
    """Return the matching base node of each node: one with the same text in the same place; `None` for added nodes."""
    numbers: dict[_Node | None, int | None] = {node: number for number, node in enumerate(before)}
    left: dict[tuple[int | None, str], deque[int]] = defaultdict(deque)
    for number, node in enumerate(before):
        left[numbers[node.parent] if node.parent else None, node.text].append(number)
    origins: dict[_Node, int | None] = {}
    for node in after:
        place = origins[node.parent] if node.parent else None
        is_new = node.parent is not None and place is None
        same = None if is_new else left.get((place, node.text))
        origins[node] = same.popleft() if same else None
    return list(origins.values())


def _need(node: _Node) -> None:
    """Mark the ancestors of an addition as needed; markup alone keeps nothing."""
    above = None if _is_frame(node.text) else node.parent
    while above is not None and not above.needed:
        above.needed = True
        above = above.parent


# -- writing -----------------------------------------------------------------------------------


def _inside(node: _Node) -> Iterator[_Node]:
    """Return the content of a node, and the lines added at its end that are not subordinate to any other."""
    waiting = node.added
    deepest = max((one.rank for one in waiting), default=0)
    for child in node.children:
        if child.holds and deepest > child.rank:
            yield from (one for one in waiting if one.rank > child.rank)
            waiting = [one for one in waiting if one.rank <= child.rank]
            deepest = max((one.rank for one in waiting), default=0)
        yield child
    yield from waiting


def _write(merged: list[str], node: _Node) -> None:
    if node.needed or not node.gone:
        if not merged or merged[-1].strip():
            append(merged, node.gap)
        append(merged, node.lines)
    for child in _inside(node):
        _write(merged, child)
