"""`Alphabet`: the characters that a pattern tells apart, as bytes that RE2 takes for words where they are."""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Callable, Iterator
from itertools import product
from threading import Lock
from typing import NamedTuple, cast

from pydantic_hivemind.base.matching.automata import Automaton, Writer, compiled
from pydantic_hivemind.base.matching.characters import CATEGORIES, LAST, CharSet, byte_class
from pydantic_hivemind.base.matching.expressions import Expression
from pydantic_hivemind.errors import InvalidPattern

TABLE_BYTES = 2 * (LAST + 1)

_WORD_FIRST, _WORD_SECOND = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdef", b"ghijklmnopqrstuvwxyz0123456789_"
_OTHER_FIRST = bytes(range(0x80, 0xD8))  # Together with the second they must be no surrogates.
_OTHER_SECOND = bytes(code for code in range(0x01, 0x80) if not (chr(code).isalnum() or code in b"_\n"))


class Alphabet:
    """A pattern's own alphabet, and its automaton over that.

    Raises:
        InvalidPattern: The pattern tells more characters apart than there are letters.
    """

    def __init__(self, expression: Expression) -> None:
        self._expression = expression
        edges = expression.word_edges
        self._ascii_words = bool(edges) and all(edge.ascii_only for edge in edges)
        self._growing = Lock()
        self._letters: dict[_Kind, int] = {}
        self._table = array("H", bytes(TABLE_BYTES))
        self._free = {True: _codes(_WORD_FIRST, _WORD_SECOND), False: _codes(_OTHER_FIRST, _OTHER_SECOND)}
        self._automaton: Automaton | None = None
        self._singles: defaultdict[str, list[int]] = defaultdict(list)
        self._classes: list[tuple[int, CharSet]] = []
        for which, chars in enumerate(expression.sets):
            if chars.members is None:
                self._classes.append((which, chars))
            for char in chars.members or "":
                self._singles[char].append(which)

    def find(self, text: str) -> Iterator[tuple[int, int]]:
        """Yield where the pattern matches in a line, in characters, one match behind the other."""
        encoded, automaton = self._encoded(text)
        at = 0
        while at <= len(encoded) and (found := automaton.search(encoded, at)) is not None:
            start, end = found.span()
            # A match of nothing may be inside of a letter.
            if start % 2 == 0:
                yield start // 2, end // 2
            at = max(end, start - start % 2 + 2)

    def matches_all(self, text: str) -> bool:
        """Whether the pattern matches all of a line."""
        encoded, automaton = self._encoded(text)
        return automaton.fullmatch(encoded) is not None

    def _encoded(self, text: str) -> tuple[bytes, Automaton]:
        """Return a text in this alphabet, two bytes for each character, and the automaton to search it with."""
        while True:
            # In this order: the automaton is never behind the table.
            encoded, automaton = text.translate(cast(dict[int, int], self._table)), self._automaton
            if automaton is not None and "\0" not in encoded:
                return encoded.encode("utf-16-be"), automaton
            self._learn(set(text))

    def _learn(self, chars: set[str]) -> None:
        """Give letters to the characters that have none yet."""
        with self._growing:
            kinds = {char: self._kind(char) for char in chars if not self._table[ord(char)]}
            new = [kind for kind in dict.fromkeys(kinds.values()) if kind not in self._letters]
            for kind in new:
                self._letters[kind] = self._new_letter(is_word=kind.is_word)
            if new or self._automaton is None:
                self._automaton = compiled(self._expression, Writer(self._written()))
            for char, kind in kinds.items():
                self._table[ord(char)] = self._letters[kind]

    def _kind(self, char: str) -> _Kind:
        """What a character is to the pattern: in which of its sets it is, and in a word or not."""
        within = (*self._singles.get(char, ()), *[which for which, chars in self._classes if char in chars])
        is_word = CATEGORIES["w"](char) and (char.isascii() or not self._ascii_words)
        return _Kind(within, is_word=is_word and bool(self._expression.word_edges))

    def _new_letter(self, *, is_word: bool) -> int:
        if not self._free[is_word]:
            raise InvalidPattern(
                "the pattern names too many different characters; search for them with several smaller patterns"
            )
        return self._free[is_word].pop()

    def _written(self) -> Callable[[CharSet], bytes]:
        """What writes a set of characters as the letters that there are."""
        letters: defaultdict[int, defaultdict[int, list[int]]] = defaultdict(lambda: defaultdict(list))
        for kind, letter in self._letters.items():
            for which in kind.within:
                letters[which][letter >> 8].append(letter & 0xFF)
        positions = {chars: which for which, chars in enumerate(self._expression.sets)}

        def written(chars: CharSet) -> bytes:
            options = [byte_class([first]) + byte_class(second) for first, second in letters[positions[chars]].items()]
            return b"(?:%s)" % b"|".join(options) if options else byte_class([])

        return written


class _Kind(NamedTuple):
    within: tuple[int, ...]
    is_word: bool


def _codes(first: bytes, second: bytes) -> list[int]:
    """Letters of two bytes; none has the second of another as its first, so that no match begins inside of one."""
    return [(high << 8) | low for high, low in product(reversed(first), reversed(second))]
