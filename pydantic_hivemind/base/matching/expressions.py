"""What patterns are parsed into, and what they cost to run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from pydantic_hivemind.base.matching.characters import CharSet
from pydantic_hivemind.errors import InvalidPattern
from pydantic_hivemind.limits import MAX_PATTERN_CLASSES, MAX_PATTERN_PARTS, MAX_PATTERN_STATES


@dataclass(frozen=True)
class Sequence:
    """One after another."""

    items: tuple[Node, ...]


@dataclass(frozen=True)
class Choice:
    """One of several, the first that leads to a match."""

    options: tuple[Node, ...]


@dataclass(frozen=True)
class Repeat:
    """One expression several times; `most` is `None` for any number."""

    item: Node
    least: int
    most: int | None
    lazy: bool = False


@dataclass(frozen=True)
class Edge:
    """A place between characters: `start` or `end` of the line, a `boundary` of a word or `inside` or outside one."""

    kind: str
    ascii_only: bool = False


Node = Sequence | Choice | Repeat | Edge | CharSet

EMPTY = Sequence(())


@dataclass(frozen=True)
class Cost:
    """Places of an expression with its counted repeats written out: all, and those that may be active together."""

    states: int
    wide: int


class Expression:
    """A whole pattern, whose cost is bounded.

    Args:
        root: What it is.
        newlines: Whether texts may have newlines in them; lines do not.

    Raises:
        InvalidPattern: It costs too much.
    """

    def __init__(self, root: Node, *, newlines: bool = False) -> None:
        self.root = root
        self.newlines = newlines
        self.cost = cost_of(root)
        if self.cost.wide > MAX_PATTERN_PARTS or self.cost.states > MAX_PATTERN_STATES:
            wide = self.cost.wide > MAX_PATTERN_PARTS
            size, limit = (self.cost.wide, MAX_PATTERN_PARTS) if wide else (self.cost.states, MAX_PATTERN_STATES)
            raise InvalidPattern(
                f"the pattern is too large to search for: with its counted repeats and alternatives written out it has "
                f"{_rounded(size)} parts, and at most {limit:,} are possible; use smaller counts, * or + instead of "
                "{m,n}, or several simpler patterns"
            )

        if len({edge.ascii_only for edge in self.word_edges}) > 1:
            raise InvalidPattern(
                "\\b or \\B stands both inside and outside of (?a:...), which is not supported; use it in one of them"
            )
        if (classes := sum(chars.members is None for chars in self.sets)) > MAX_PATTERN_CLASSES:
            raise InvalidPattern(
                f"the pattern has {classes} different classes of characters such as [a-z], and at most "
                f"{MAX_PATTERN_CLASSES} are possible; use several simpler patterns"
            )

    @cached_property
    def sets(self) -> list[CharSet]:
        """The different sets of characters in it."""
        return list(dict.fromkeys(node for node in walk(self.root) if isinstance(node, CharSet)))

    @cached_property
    def word_edges(self) -> list[Edge]:
        """The places in it that are told by the words around them."""
        return [node for node in walk(self.root) if isinstance(node, Edge) and node.kind in {"boundary", "inside"}]

    @cached_property
    def needed(self) -> str:
        """A text that is in every match, the longest that can be told at a glance."""
        items = self.root.items if isinstance(self.root, Sequence) else (self.root,)
        runs = [""]
        for item in items:
            char = item.only if isinstance(item, CharSet) else None
            # What replaces bytes that are not UTF-8 is not there before it does.
            if char is None or char == "\ufffd":
                runs.append("")
            else:
                runs[-1] += char
        return max(runs, key=len)

    @cached_property
    def literal(self) -> str | None:
        """The text that it is, if it is a text."""
        items = self.root.items if isinstance(self.root, Sequence) else (self.root,)
        chars = [item.only if isinstance(item, CharSet) else None for item in items]
        return "".join(char for char in chars if char is not None) if items and None not in chars else None


def walk(node: Node) -> Iterator[Node]:
    """Yield an expression and all in it."""
    pending = [node]
    while pending:
        node = pending.pop()
        yield node
        if isinstance(node, Sequence):
            pending.extend(node.items)
        elif isinstance(node, Choice):
            pending.extend(node.options)
        elif isinstance(node, Repeat):
            pending.append(node.item)


def cost_of(node: Node, *, repeated: bool = False) -> Cost:
    """Return what an expression costs."""
    if isinstance(node, CharSet):
        return Cost(1, int(repeated or node.members is None))
    if isinstance(node, Edge):
        return Cost(1, int(repeated))
    if isinstance(node, Repeat):
        times = max(node.least, node.most or 0, 1)
        inner = cost_of(node.item, repeated=True)
        return Cost((inner.states + 1) * times, max(inner.wide, 1) * times)
    parts = [cost_of(part, repeated=repeated) for part in (node.items if isinstance(node, Sequence) else node.options)]
    extra = len(parts) if isinstance(node, Choice) else 0
    return Cost(sum(part.states for part in parts) + extra, sum(part.wide for part in parts) + extra * repeated)


def _rounded(size: int) -> str:
    """A number that people can read, however large it is."""
    return f"{size:,}" if size < 10**12 else f"over 10^{len(str(size)) - 1}"
