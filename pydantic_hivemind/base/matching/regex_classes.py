r"""Characters of a regular expression: escapes, and classes such as `[a-z\d]`."""

from __future__ import annotations

import unicodedata

from pydantic_hivemind.base.matching.characters import LAST, CharSet
from pydantic_hivemind.errors import InvalidPattern

NOT_A_REGEX = "not a regular expression: "
"""What the errors begin with of patterns that `re` refuses too; its own words follow."""


def regex_problem(error: InvalidPattern) -> str:
    """Return what is wrong with a regular expression as the backends and tools of others say it."""
    return f"Invalid regex pattern: {str(error).removeprefix(NOT_A_REGEX)}"


DIGITS = "0123456789"
_OCTAL = "01234567"
_HEX = "0123456789abcdefABCDEF"
_SIMPLE = {"a": "\a", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "\\": "\\"}
_HEX_LENGTHS = {"x": 2, "u": 4, "U": 8}
_MAX_OCTAL = 0o377


class Source:
    """A pattern that is read from its start to its end."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def peek(self, count: int = 1) -> str:
        """The next characters, or those that are left."""
        return self.text[self.at : self.at + count]

    def take(self, count: int = 1) -> str:
        """Read the next characters."""
        taken = self.peek(count)
        self.at += len(taken)
        return taken

    def accept(self, char: str) -> bool:
        """Read a character if it is the next one."""
        found = self.peek() == char
        self.at += found
        return found

    def take_while(self, chars: str, most: int | None = None) -> str:
        """Read as long as characters are among some."""
        start = self.at
        while self.peek() and self.peek() in chars and (most is None or self.at - start < most):
            self.at += 1
        return self.text[start : self.at]

    def skip_past(self, char: str) -> bool:
        """Read through the next such character; false if there is none, and all is read."""
        found = self.text.find(char, self.at)
        self.at = len(self.text) if found == -1 else found + 1
        return found != -1

    def error(self, problem: str, at: int | None = None) -> InvalidPattern:
        """Return the error for a pattern that `re` refuses, in its words."""
        return InvalidPattern(f"{NOT_A_REGEX}{problem} at position {self.at if at is None else at}")

    @staticmethod
    def is_octal(digits: str) -> bool:
        """Whether three digits after a backslash are a character and not a group."""
        return len(digits) == 3 and digits[0] in "0123" + "4567" and all(digit in _OCTAL for digit in digits)  # noqa: PLR2004

    def escaped_char(self) -> str:
        """Read what stands for one character after a backslash."""
        start = self.at - 1
        char = self.take()
        if not char:
            raise self.error("bad escape (end of pattern)", start)
        if char in _SIMPLE:
            return _SIMPLE[char]
        if (length := _HEX_LENGTHS.get(char)) is not None:
            digits = self.take_while(_HEX, length)
            if len(digits) != length:
                raise self.error(f"incomplete escape \\{char}{digits}", start)
            if int(digits, 16) > LAST:
                raise self.error(f"bad escape \\{char}{digits}", start)
            return chr(int(digits, 16))
        if char == "N" and self.peek() == "{":
            return self._named(start)
        if char in _OCTAL:
            digits = char + self.take_while(_OCTAL, 2)
            if int(digits, 8) > _MAX_OCTAL:
                raise self.error(f"octal escape value \\{digits} outside of range 0-0o377", start)
            return chr(int(digits, 8))
        if char.isascii() and char.isalnum():
            raise self.error(f"bad escape \\{char}", start)
        return char

    def _named(self, start: int) -> str:
        self.take()
        end = self.text.find("}", self.at)
        if end == -1:
            raise self.error("missing }, unterminated name", self.at)
        name = self.text[self.at : end]
        self.at = end + 1
        try:
            return unicodedata.lookup(name)
        except KeyError:
            raise self.error(f"undefined character name {name!r}", start) from None


class ClassParser:
    """Reads a class, after its opening bracket."""

    def __init__(self, source: Source, *, folded: bool, ascii_only: bool) -> None:
        self._source = source
        self._folded = folded
        self._ascii_only = ascii_only

    def parse(self) -> CharSet:
        """Read through the closing bracket."""
        source = self._source
        opened = source.at - 1
        negated = source.accept("^")
        ranges: list[tuple[int, int]] = []
        categories: list[str] = []
        first = True
        while first or source.peek() != "]":
            first = False
            start = source.at
            low = self._member(opened)
            if source.peek() == "-" and source.peek(2) != "-]":
                source.take()
                high = self._member(opened)
                if len(low) > 1 or len(high) > 1 or low > high:
                    raise source.error(f"bad character range {source.text[start : source.at]}", start)
                ranges.append((ord(low), ord(high)))
            elif len(low) > 1:
                categories.append(low[1])
            else:
                ranges.append((ord(low), ord(low)))
        source.take()
        kinds = "".join(dict.fromkeys(categories))
        ascii_only = self._ascii_only and bool(kinds or self._folded)
        return CharSet(tuple(dict.fromkeys(ranges)), kinds, negated, self._folded, ascii_only)

    def _member(self, opened: int) -> str:
        """One character, or a backslash and the letter of a category."""
        source = self._source
        char = source.take()
        if not char:
            raise source.error("unterminated character set", opened)
        if char != "\\":
            return char
        following = source.peek()
        if following and following in "dDsSwW":
            return "\\" + source.take()
        if source.accept("b"):
            return "\b"
        return source.escaped_char()
