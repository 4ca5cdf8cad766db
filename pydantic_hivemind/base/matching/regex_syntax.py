"""The syntax of `re`, parsed without `re`.

What `re` refuses is refused in its words, and what cannot be searched for in linear time with advice.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from pydantic_hivemind.base.matching.case_folding import variants
from pydantic_hivemind.base.matching.characters import CharSet
from pydantic_hivemind.base.matching.expressions import EMPTY, Choice, Edge, Node, Repeat, Sequence
from pydantic_hivemind.base.matching.regex_classes import DIGITS, NOT_A_REGEX, ClassParser, Source
from pydantic_hivemind.errors import InvalidPattern
from pydantic_hivemind.limits import MAX_PATTERN_DEPTH

MAX_COUNT = 2**32 - 1
"""Counts from here on are too large for `re`."""

NO_LOOKING = (
    "search for the text itself and check what is around it in the lines that are found, or use \\b for the edge of "
    "a word"
)
_REFUSED_GROUPS = {
    "?=": ("lookahead (?=...)", NO_LOOKING),
    "?!": ("negative lookahead (?!...)", NO_LOOKING),
    "?<=": ("lookbehind (?<=...)", NO_LOOKING),
    "?<!": ("negative lookbehind (?<!...)", NO_LOOKING),
    "?>": ("an atomic group (?>...)", "use (?:...)"),
    "?(": ("a conditional (?(...)...)", "search for each of the two alternatives"),
    "?P=": ("a backreference (?P=...)", "search for the first occurrence and compare the lines that are found"),
}
_BACKREFERENCE = ("a backreference \\1", "search for the first occurrence and compare the lines that are found")
_ANY = CharSet(negated=True)
_LINE = CharSet(((10, 10),), negated=True)
_WHITESPACE = " \t\n\r\v\f"


def unsupported(what: str, instead: str) -> InvalidPattern:
    """Return the error for what cannot be searched for in linear time."""
    return InvalidPattern(f"{what} is not supported, as it cannot be searched for in linear time; {instead}")


def parse(pattern: str) -> Node:
    """Parse a regular expression.

    Raises:
        InvalidPattern: It is not a regular expression, or has what is not supported.
    """
    return _Parser(pattern).parse()


@dataclass(frozen=True)
class _Flags:
    fold: bool = False
    any_char: bool = False
    verbose: bool = False
    ascii_only: bool = False

    def changed(self, letters: str, *, to: bool) -> _Flags:
        names = {"i": "fold", "s": "any_char", "x": "verbose", "a": "ascii_only"}
        return replace(self, **{names[letter]: to for letter in letters if letter in names})


class _Parser:
    def __init__(self, pattern: str) -> None:
        self._source = Source(pattern)
        self._names: set[str] = set()
        self._depth = 0

    def parse(self) -> Node:
        flags = self._global_flags()
        node = self._choice(flags)
        if self._source.peek():
            raise self._source.error("unbalanced parenthesis")
        return node

    def _global_flags(self) -> _Flags:
        """The flags that a pattern begins with: `(?i)`."""
        source, flags = self._source, _Flags()
        while source.peek(2) == "(?" and source.peek(3)[2:] in set("aiLmsux"):
            start = source.at
            source.take(2)
            letters = source.take_while("aiLmsux")
            if source.peek() != ")" or "L" in letters:
                source.at = start
                break
            source.take()
            flags = flags.changed(letters, to=True)
        return flags

    def _choice(self, flags: _Flags) -> Node:
        options = [self._sequence(flags)]
        while self._source.accept("|"):
            options.append(self._sequence(flags))
        return options[0] if len(options) == 1 else Choice(tuple(options))

    def _sequence(self, flags: _Flags) -> Node:
        source = self._source
        items: list[Node] = []
        while (char := source.peek()) and char not in "|)":
            if flags.verbose and char in _WHITESPACE:
                source.take()
            elif flags.verbose and char == "#":
                source.skip_past("\n")
            elif char in "*+?" or (char == "{" and self._counts() is not None):
                self._repeat(items)
            elif (item := self._item(flags)) is not None:
                items.append(item)
        return items[0] if len(items) == 1 else Sequence(tuple(items))

    def _item(self, flags: _Flags) -> Node | None:
        """One character, set, edge or group; `None` for a comment."""
        source = self._source
        char = source.take()
        if char == "(":
            return self._group(flags)
        if char == "[":
            return ClassParser(source, folded=flags.fold, ascii_only=flags.ascii_only).parse()
        if char == "\\":
            return self._escape(flags)
        if char == ".":
            return _ANY if flags.any_char else _LINE
        if char in "^$":
            return Edge("start" if char == "^" else "end")
        return self._char(char, flags)

    def _char(self, char: str, flags: _Flags) -> CharSet:
        folded = flags.fold and len(variants(char, ascii_only=flags.ascii_only)) > 1
        return CharSet(((ord(char), ord(char)),), folded=folded, ascii_only=folded and flags.ascii_only)

    def _escape(self, flags: _Flags) -> Node:
        source = self._source
        char = source.peek()
        if char and char in "AZzbB":
            if char == "z":
                # New in Python 3.14; everywhere else that has it, it means the same.
                char = "Z"
            source.take()
            kinds = {"A": "start", "Z": "end", "b": "boundary", "B": "inside"}
            return Edge(kinds[char], ascii_only=flags.ascii_only and char in "bB")
        if char and char in "dDsSwW":
            source.take()
            return CharSet(categories=char, ascii_only=flags.ascii_only)
        if char and char in "123456789" and not source.is_octal(source.peek(3)):
            raise unsupported(*_BACKREFERENCE)
        return self._char(source.escaped_char(), flags)

    def _group(self, flags: _Flags) -> Node | None:
        source = self._source
        start = source.at - 1
        if source.accept("?"):
            if source.accept("#"):
                if not source.skip_past(")"):
                    raise source.error("missing ), unterminated comment", start)
                return None
            flags = self._group_flags(flags, start)
        self._depth += 1
        if self._depth > MAX_PATTERN_DEPTH:
            raise InvalidPattern(
                f"the pattern has more than {MAX_PATTERN_DEPTH} groups in one another; use fewer parentheses"
            )
        node = self._choice(flags)
        self._depth -= 1
        if not source.accept(")"):
            raise source.error("missing ), unterminated subpattern", start)
        # A sequence of its own: what repeats it repeats all of it, and an edge in it may be repeated.
        return Sequence((node,))

    def _group_flags(self, flags: _Flags, start: int) -> _Flags:
        """What follows `(?` up to the content of the group: a name, flags, or what is not supported."""
        source = self._source
        for opening, (what, instead) in _REFUSED_GROUPS.items():
            if source.peek(len(opening) - 1) == opening[1:]:
                raise unsupported(what, instead)
        if source.accept(":"):
            return flags
        if source.accept("P"):
            self._name()
            return flags
        if source.accept("<"):
            raise source.error(f"unknown extension ?<{source.peek()}", start + 1)
        letters = source.take_while("aiLmsux")
        removed = source.take_while("imsx") if source.accept("-") else None
        if not letters and removed is None:
            char = source.peek()
            raise source.error(f"unknown extension ?{char}" if char else "unexpected end of pattern", start + 1)
        if source.accept(":") and removed != "":
            if "L" in letters:
                raise source.error("bad inline flags: cannot use 'L' flag with a str pattern")
            if ("a" in letters and "u" in letters) or set(letters) & set(removed or ""):
                raise source.error("bad inline flags: flag turned on and off")
            if "u" in letters:
                flags = replace(flags, ascii_only=False)
            return flags.changed(letters, to=True).changed(removed or "", to=False)
        if source.peek() == ")" and removed is None:
            if "L" in letters:
                raise source.error("cannot use LOCALE flag with a str pattern", start)
            raise source.error("global flags not at the start of the expression", start)
        raise source.error("missing flag" if removed == "" else "missing -, : or )" if letters else "missing :")

    def _name(self) -> None:
        source = self._source
        if not source.accept("<"):
            raise source.error(f"unknown extension ?P{source.peek()}", source.at - 2)
        start = source.at
        if not source.skip_past(">"):
            raise source.error("missing >, unterminated name", start)
        name = source.text[start : source.at - 1]
        if not name:
            raise source.error("missing group name", start)
        if not name.isidentifier():
            raise source.error(f"bad character in group name {name!r}", start)
        if name in self._names:
            raise source.error(f"redefinition of group name {name!r}", start)
        self._names.add(name)

    def _repeat(self, items: list[Node]) -> None:
        """Repeat the last item as what comes next says."""
        source = self._source
        start = source.at
        if (counts := self._counts()) is not None:
            least, most, source.at = counts
        else:
            least, most = {"*": (0, None), "+": (1, None), "?": (0, 1)}[source.take()]
        if most is not None and least > most:
            raise source.error("min repeat greater than max repeat", start + 1)
        last = items[-1] if items else EMPTY
        if last == EMPTY or isinstance(last, Edge):
            raise source.error("nothing to repeat", start)
        if isinstance(last, Repeat):
            raise source.error("multiple repeat", start)
        lazy = source.accept("?")
        if source.peek() == "+" and not lazy:
            raise unsupported(f"a possessive repeat {source.text[start : source.at + 1]}", "leave out the last +")
        items[-1] = Repeat(last, least, most, lazy)

    def _counts(self) -> tuple[int, int | None, int] | None:
        """The counts that come next, `{2,3}`, and where they end; `None` for a brace that counts nothing."""
        source = self._source
        start = source.at
        if not source.accept("{"):
            return None
        least = source.take_while(DIGITS)
        most = source.take_while(DIGITS) if source.accept(",") else least
        end = source.at + 1
        closed = source.peek() == "}" and end > start + 2
        source.at = start
        if not closed:
            return None
        # Cut where they are too large anyway: Python refuses to read thousands of digits.
        counts = [int(digits.lstrip("0")[:11] or 0) for digits in (least, most)]
        if max(counts) >= MAX_COUNT:
            raise InvalidPattern(f"{NOT_A_REGEX}the repetition number is too large")
        return counts[0], counts[1] if most else None, end
