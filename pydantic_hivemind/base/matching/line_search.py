"""`LineSearch`: a regular expression to look for in each line of many files."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Iterator
from threading import Lock

from pydantic_hivemind.base.matching.alphabet import TABLE_BYTES, Alphabet
from pydantic_hivemind.base.matching.automata import (
    Automaton,
    ascii_automaton,
    is_exact_in_utf8,
    memory_for,
    utf8_automaton,
)
from pydantic_hivemind.base.matching.expressions import Expression
from pydantic_hivemind.base.matching.regex_syntax import parse
from pydantic_hivemind.base.text_content import may_be_utf16, searchable
from pydantic_hivemind.errors import InvalidPattern
from pydantic_hivemind.limits import MAX_GREP_CPU_SECONDS, MAX_PATTERN_CHARS, PATTERN_CACHE_BYTES

MAX_SPAN_STEPS = 5_000_000
"""Most characters that are looked at to show where in its lines a pattern matches."""

_CHUNK = 1 << 20


class Budget:
    """What one search may compute, in its thread. Made where the search begins."""

    def __init__(self) -> None:
        self._until = time.thread_time() + MAX_GREP_CPU_SECONDS

    def check(self) -> None:
        """Raise `InvalidPattern` when it is used up."""
        if time.thread_time() > self._until:
            raise InvalidPattern(
                f"the search took more than {MAX_GREP_CPU_SECONDS:.0f} seconds of computing; use a simpler pattern, or "
                "search fewer files with `under` or `glob`"
            )


class LineSearch:
    """A regular expression to look for in each line of many files.

    Raises:
        InvalidPattern: It is not one, or cannot be searched for in linear time and bounded memory.
    """

    def __init__(self, pattern: str) -> None:
        check_length(pattern)
        self._expression = Expression(parse(pattern))
        literal = self._expression.literal
        self._literal = None if literal is None else _as_bytes(literal)
        self._needed = _as_bytes(self._expression.needed) or b""
        self._making = Lock()
        self._ascii: Automaton | None = None
        self._utf8: Automaton | None = None
        self._alphabet: Alphabet | None = None
        if self._literal is None:
            # What RE2 refuses is refused before anything is read.
            self._over_ascii()

    @property
    def size(self) -> int:
        """Most memory that it holds, in bytes."""
        automata = [self._ascii, self._utf8, self._alphabet]
        memory = memory_for(self._expression)
        return sum(memory for automaton in automata if automaton) + (TABLE_BYTES if self._alphabet else 0)

    def lines(self, data: bytes, budget: Budget) -> list[tuple[int, str]]:
        """Return the matching lines of a file with their numbers, from 1; none of a file that is not text.

        Raises:
            InvalidPattern: It takes too long.
        """
        budget.check()
        if self._needed not in data and not may_be_utf16(data):
            return []
        text = searchable(data)
        if text is None:
            return []
        if self._literal is not None:
            return self._with_literal(text, self._literal)
        return self._matching(text, budget)

    def spans(self, line: str) -> Iterator[tuple[int, int]]:
        """Yield where it matches in a line, in characters, leaving out where it matches nothing.

        Ends early in a line where that takes long.
        """
        steps = 0
        for start, end in self._over_alphabet().find(line):
            if end > start:
                yield start, end
            # It may have looked at all of the rest to find that.
            steps += len(line) - start
            if steps > MAX_SPAN_STEPS:
                return

    def _with_literal(self, text: bytes, literal: bytes) -> list[tuple[int, str]]:
        found: list[tuple[int, str]] = []
        at, number, end = 0, 1, len(text)
        while (start := text.find(literal, at)) != -1:
            number += text.count(b"\n", at, start)
            first = text.rfind(b"\n", at, start) + 1 or at
            last = text.find(b"\n", start)
            last = end if last == -1 else last
            found.append((number, text[first:last].decode()))
            at, number = last + 1, number + 1
        return found

    def _matching(self, text: bytes, budget: Budget) -> list[tuple[int, str]]:
        is_ascii = text.isascii()
        exact = is_ascii or is_exact_in_utf8(self._expression)
        automaton = self._over_ascii() if is_ascii else self._over_utf8()
        found: list[tuple[int, str]] = []
        # A line ends what came before it: the last one is there even if it is empty.
        at, number, end = 0, 1, len(text)
        while at <= end:
            stop = text.find(b"\n", at + _CHUNK) if end - at > _CHUNK else -1
            stop = end if stop == -1 else stop
            while at <= stop and (match := automaton.search(text, at, stop)) is not None:
                start = match.span()[0]
                number += text.count(b"\n", at, start)
                first = text.rfind(b"\n", at, start) + 1 or at
                last = text.find(b"\n", start)
                last = end if last == -1 else last
                line = text[first:last].decode()
                if exact or self._matches(line):
                    found.append((number, line))
                at, number = last + 1, number + 1
                if len(found) % 64 == 0:
                    budget.check()
            if at <= stop:
                number += text.count(b"\n", at, stop + 1)
                at = stop + 1
            budget.check()
        return found

    def _matches(self, line: str) -> bool:
        if line.isascii():
            return self._over_ascii().search(line.encode()) is not None
        return next(self._over_alphabet().find(line), None) is not None

    def _over_ascii(self) -> Automaton:
        if self._ascii is None:
            with self._making:
                self._ascii = self._ascii or ascii_automaton(self._expression)
        return self._ascii

    def _over_utf8(self) -> Automaton:
        if self._utf8 is None:
            with self._making:
                self._utf8 = self._utf8 or utf8_automaton(self._expression)
        return self._utf8

    def _over_alphabet(self) -> Alphabet:
        if self._alphabet is None:
            with self._making:
                self._alphabet = self._alphabet or Alphabet(self._expression)
        return self._alphabet


class _Cache:
    """The patterns that were searched for last, as many as fit."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._kept: OrderedDict[str, LineSearch] = OrderedDict()

    def get(self, pattern: str) -> LineSearch:
        """Make a `LineSearch`, or take one that was made before."""
        with self._lock:
            kept = self._kept.get(pattern)
        made = kept or LineSearch(pattern)
        with self._lock:
            self._kept[pattern] = made
            self._kept.move_to_end(pattern)
            # They grow while they are used.
            size = sum(each.size for each in self._kept.values())
            while size > PATTERN_CACHE_BYTES and len(self._kept) > 1:
                size -= self._kept.popitem(last=False)[1].size
        return made


line_search = _Cache().get


def check_length(pattern: str) -> None:
    """Raise `InvalidPattern` for a pattern that is too long."""
    if len(pattern) > MAX_PATTERN_CHARS:
        raise InvalidPattern(
            f"a pattern has at most {MAX_PATTERN_CHARS} characters, and this one has {len(pattern)}; use a shorter one"
        )


def _as_bytes(literal: str) -> bytes | None:
    """A text to find as it is; `None` for one that is in no line."""
    try:
        return None if "\n" in literal else literal.encode()
    except UnicodeEncodeError:
        return None
