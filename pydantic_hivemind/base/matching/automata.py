r"""Expressions as automata of RE2, over three kinds of bytes.

RE2 knows no words beyond ASCII, and a Unicode class costs it a thousand states. So it is given bytes only:

- ASCII as it is, where all that it knows is right;
- UTF-8, with an expression that matches wherever the pattern does and sometimes where it does not: classes are told by
  the first bytes of their characters, and edges of words left out. It finds candidates;
- candidates in an alphabet of the pattern's own: characters that the pattern treats alike are one letter of two bytes,
  and letters of words are bytes that RE2 takes for words, so that its `\b` is right.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any, Protocol, cast

from pydantic_hivemind.base.matching.characters import CharSet, byte_class
from pydantic_hivemind.base.matching.expressions import Choice, Edge, Expression, Node, Repeat, Sequence
from pydantic_hivemind.errors import InvalidPattern
from pydantic_hivemind.limits import MAX_AUTOMATON_BYTES

BASE_BYTES = 2 << 20
"""Memory that RE2 may use for the smallest automaton, in bytes."""

BYTES_PER_STATE = 4 << 10
"""More of it for each place in the pattern, in bytes."""


class Span(Protocol):
    """Where a match is, in bytes."""

    def span(self) -> tuple[int, int]:
        """Its start and end."""
        ...


class Automaton(Protocol):
    """A compiled pattern of RE2. Safe to use from any thread; lets others run meanwhile."""

    def search(self, text: bytes, pos: int = 0, endpos: int | None = None) -> Span | None:
        """The first match in a part of a text; what is around the part counts for edges."""
        ...

    def fullmatch(self, text: bytes) -> Span | None:
        """The match of all of a text."""
        ...


def memory_for(expression: Expression) -> int:
    """Return how much memory an automaton of an expression may use, in bytes."""
    return min(BASE_BYTES + BYTES_PER_STATE * expression.cost.states, MAX_AUTOMATON_BYTES)


def ascii_automaton(expression: Expression) -> Automaton:
    """Return the automaton for ASCII."""
    left_out = b"" if expression.newlines else b"\n"
    return compiled(expression, Writer(lambda chars: byte_class(chars.ascii_bytes.translate(None, left_out))))


def utf8_automaton(expression: Expression) -> Automaton:
    """Return the automaton that finds candidates in UTF-8."""
    return compiled(expression, Writer(lambda chars: chars.utf8[0], loose=True))


def is_exact_in_utf8(expression: Expression) -> bool:
    """Whether the automaton for UTF-8 matches nothing but what the pattern does."""
    written_out = expression.cost.states <= _LOOSE_STATES
    return written_out and not expression.word_edges and all(chars.utf8[1] for chars in expression.sets)


_LOOSE_STATES = 200
"""Places of a pattern above which counted repeats are any number in the automaton that finds candidates."""


class Writer:
    """Writes an expression for RE2.

    Args:
        written: Writes a set of characters.
        loose: Whether it may match more: edges of words anywhere, and in large patterns counts as any number.
    """

    def __init__(self, written: Callable[[CharSet], bytes], *, loose: bool = False) -> None:
        self._written = written
        self._loose = loose
        self._sets: dict[CharSet, bytes] = {}

    def pattern(self, expression: Expression) -> bytes:
        """Return the whole expression."""
        self._any_count = self._loose and expression.cost.states > _LOOSE_STATES
        return b"(?m)" + self._write(expression.root)

    def _write(self, node: Node) -> bytes:
        if isinstance(node, CharSet):
            if node not in self._sets:
                self._sets[node] = self._written(node)
            return self._sets[node]
        if isinstance(node, Edge):
            return self._edge(node.kind)
        if isinstance(node, Sequence):
            return b"".join(self._grouped(item) for item in node.items)
        if isinstance(node, Choice):
            return b"(?:%s)" % b"|".join(self._write(option) for option in node.options)
        return self._repeat(node)

    def _grouped(self, node: Node) -> bytes:
        written = self._write(node)
        return b"(?:%s)" % written if isinstance(node, Sequence) else written

    def _edge(self, kind: str) -> bytes:
        if self._loose and kind in {"boundary", "inside"}:
            return b"(?:)"
        return {"start": b"^", "end": b"$", "boundary": rb"\b", "inside": rb"\B"}[kind]

    def _repeat(self, node: Repeat) -> bytes:
        least, most = node.least, node.most
        if self._any_count and (least > 1 or (most or 0) > 1):
            least, most = min(least, 1), None
        lazy = b"?" if node.lazy else b""
        if (sign := _SIGNS.get((least, most))) is not None:
            return b"(?:%s)%s%s" % (self._write(node.item), sign, lazy)
        # RE2 takes counts up to 1000, of repeats in one another multiplied; more is refused before.
        counts = b"%d" % least if least == most else b"%d,%s" % (least, b"" if most is None else b"%d" % most)
        return b"(?:%s){%s}%s" % (self._write(node.item), counts, lazy)


_SIGNS: dict[tuple[int, int | None], bytes] = {(0, None): b"*", (1, None): b"+", (0, 1): b"?"}


class _Re2(Protocol):
    """What is used of RE2's module."""

    Options: Any
    error: type[Exception]

    def compile(self, pattern: bytes, options: Any) -> Automaton: ...

    def purge(self) -> None: ...


def compiled(expression: Expression, writer: Writer) -> Automaton:
    """Return the automaton of what a writer makes of an expression.

    Raises:
        InvalidPattern: It is too large for RE2.
    """
    # On first use: it takes 20 ms.
    re2 = cast(_Re2, import_module("re2"))
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    options.max_mem = memory_for(expression)
    options.log_errors = False
    try:
        return re2.compile(writer.pattern(expression), options)
    except re2.error as error:
        raise InvalidPattern(
            f"the pattern is too large to search for ({error}); use smaller counts, fewer alternatives, or several "
            "simpler patterns"
        ) from None
    finally:
        # Its own cache would hold 128 of them, whatever their size.
        re2.purge()
