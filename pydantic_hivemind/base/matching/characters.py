"""`CharSet`: the characters that one place of a pattern matches, asked for one character or written for RE2."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property

from pydantic_hivemind.base.matching.case_folding import variants

ASCII_END = 0x80
LAST = 0x10FFFF

_FEW = 64
"""Characters of a range that are listed one by one; of more of them only the first bytes are told apart."""

CATEGORIES: dict[str, Callable[[str], bool]] = {
    "d": str.isdecimal,
    "s": str.isspace,
    "w": lambda char: char.isalnum() or char == "_",
}
"""The classes of `re`, as its documentation defines them for text."""

LEAD_BYTES = {
    "d": bytes([0xD9, 0xDB, 0xDF, 0xE0, 0xE1, 0xEA, 0xEF, 0xF0]),
    "s": bytes([0xC2, 0xE1, 0xE2, 0xE3]),
    "w": bytes(range(0xC2, 0xF5)),
}
"""The first UTF-8 bytes of the characters beyond ASCII that are in a class, or more; a test compares them."""

_ANY_LEAD = bytes(range(0xC2, 0xF5))
_NOTHING = rb"[^\x00-\xff]"


@dataclass(frozen=True)
class CharSet:
    """A set of characters.

    Args:
        ranges: First and last code points.
        categories: Of `d`, `s`, `w` and their complements `D`, `S`, `W`.
        negated: Whether it is the characters that are not in those.
        folded: Whether case does not matter.
        ascii_only: Whether categories and case are those of ASCII.
    """

    ranges: tuple[tuple[int, int], ...] = ()
    categories: str = ""
    negated: bool = False
    folded: bool = False
    ascii_only: bool = False

    def __contains__(self, char: object) -> bool:
        assert isinstance(char, str)
        candidates = variants(char, ascii_only=self.ascii_only) if self.folded else char
        found = any(low <= ord(each) <= high for each in candidates for low, high in self.ranges)
        return (found or any(self._has(category, char) for category in self.categories)) is not self.negated

    def _has(self, category: str, char: str) -> bool:
        kind = category.lower()
        has = CATEGORIES[kind](char) and (char.isascii() or not self.ascii_only)
        return has is (category == kind)

    @cached_property
    def only(self) -> str | None:
        """The one character that it is, if there is one and case matters."""
        plain = len(self.ranges) == 1 and not (self.categories or self.negated or self.folded)
        return chr(self.ranges[0][0]) if plain and self.ranges[0][0] == self.ranges[0][1] else None

    @cached_property
    def members(self) -> str | None:
        """The characters that it is, if it is one character in one case or in any."""
        if self.negated or self.categories or len(self.ranges) != 1 or self.ranges[0][0] != self.ranges[0][1]:
            return None
        char = chr(self.ranges[0][0])
        return variants(char, ascii_only=self.ascii_only) if self.folded else char

    @cached_property
    def ascii_bytes(self) -> bytes:
        """The ASCII characters in it."""
        if self.members is not None:
            return "".join(char for char in self.members if char.isascii()).encode()
        return bytes(code for code in range(ASCII_END) if chr(code) in self)

    @cached_property
    def utf8(self) -> tuple[bytes, bool]:
        """An expression for RE2 of its characters in UTF-8, and whether it matches no others."""
        own = self.ascii_bytes.replace(b"\n", b"")
        listed, leads, exact = self._beyond_ascii
        options = [byte_class(own)] if own else []
        options += [b"".join(b"\\x%02x" % byte for byte in char.encode()) for char in listed]
        for first, last, tail in ((0xC2, 0xDF, 1), (0xE0, 0xEF, 2), (0xF0, 0xF4, 3)):
            if some := bytes(lead for lead in leads if first <= lead <= last):
                options.append(byte_class(some) + rb"[\x80-\xbf]" * tail)
        return (b"(?:%s)" % b"|".join(options) if options else _NOTHING), exact

    @property
    def _beyond_ascii(self) -> tuple[str, bytes, bool]:
        """Its characters beyond ASCII: listed, or else their first bytes, and whether no others have those."""
        few = sum(high - low + 1 for low, high in self.ranges) <= _FEW
        members = [chr(code) for low, high in self.ranges for code in range(low, high + 1)] if few else []
        if self.folded:
            members = [each for char in members for each in variants(char, ascii_only=self.ascii_only)]
        listed = "".join(dict.fromkeys(char for char in members if not char.isascii()))
        below = all(high < ASCII_END for _, high in self.ranges)
        if self.negated:
            exact = ((below and not self.folded) or (few and not listed)) and not self.categories
            return "", _ANY_LEAD, exact
        leads: set[int] = set()
        for category in self.categories:
            if category.isupper() or not self.ascii_only:
                leads.update(LEAD_BYTES.get(category, _ANY_LEAD))
        if few:
            return _valid(listed), bytes(sorted(leads)), not leads
        if self.folded:
            return "", _ANY_LEAD, False
        for low, high in self.ranges:
            if high >= ASCII_END:
                leads.update(range(_lead(max(low, ASCII_END)), _lead(high) + 1))
        return "", bytes(sorted(leads)), not leads


def byte_class(members: Iterable[int]) -> bytes:
    """Return the class of RE2 that matches one of some bytes; none matches the class of no bytes."""
    codes = sorted(set(members))
    if not codes:
        return _NOTHING
    if len(codes) == 1:
        return b"\\x%02x" % codes[0]
    written = b""
    start = previous = codes[0]
    for code in [*codes[1:], -1]:
        if code == previous + 1:
            previous = code
            continue
        written += b"\\x%02x" % start if start == previous else b"\\x%02x-\\x%02x" % (start, previous)
        start = previous = code
    return b"[%s]" % written


def _lead(code: int) -> int:
    """The first byte of a character in UTF-8; of a surrogate, that of its neighbours."""
    return chr(code).encode(errors="surrogatepass")[0]


def _valid(chars: str) -> str:
    """The characters that UTF-8 has: no surrogates."""
    return "".join(char for char in chars if not "\ud800" <= char <= "\udfff")
