"""Finding files by glob and lines by regular expression."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache

from wcmatch import glob
from wcmatch._wcparse import PatternLimitException

from pydantic_hivemind.errors import InvalidPattern

CROWDED = 4
"""Matching lines, most of them next to each other, after which looking at each line takes less than leaping."""

_FLAGS = glob.GLOBSTAR | glob.BRACE | glob.FORCEUNIX


@lru_cache(maxsize=256)
def glob_matcher(pattern: str, *, under: str = "/", hidden: bool = True) -> Callable[[str], bool]:
    """Whether a path matches a glob (`*`, `?`, `[...]`, `{a,b}`, `**`) that starts at the directory `under`.

    Without `hidden`, wildcards do not match names that begin with a dot, as in a shell.

    Raises:
        InvalidPattern: It stands for more than a thousand others.
    """
    root = "" if under == "/" else glob.escape(under, unix=True)
    try:
        matcher = glob.compile(f"{root}/{pattern.lstrip('/')}", flags=_FLAGS | (glob.DOTGLOB if hidden else 0))
    except PatternLimitException:
        raise InvalidPattern("the glob has too many alternatives; search with several") from None
    return matcher.match


def any_glob(patterns: str | Sequence[str]) -> Callable[[str], bool]:
    """Whether a path matches one of several globs from the root; `/plans/**` is the directory too."""
    every = [patterns] if isinstance(patterns, str) else list(patterns)
    every += [pattern.removesuffix("/**") for pattern in every if pattern.endswith("/**") and pattern.strip("/*")]
    matchers = [glob_matcher(pattern) for pattern in every]
    return lambda path: any(matches(path) for matches in matchers)


def is_hidden(path: str, *, under: str = "/") -> bool:
    """Whether a name in the path, after the normalized directory `under`, begins with a dot."""
    return path.find("/.", 0 if under == "/" else len(under)) != -1


class LineSearch:
    """A regular expression to look for in each line of many files.

    Raises:
        InvalidPattern: It is none.
    """

    def __init__(self, pattern: str) -> None:
        try:
            self._line = re.compile(pattern)
            self._text = re.compile(pattern, re.MULTILINE) if not _BOUND_TO_LINE.search(pattern) else None
        except (re.error, OverflowError, RecursionError) as error:
            raise InvalidPattern(f"not a regular expression: {error}") from None
        self._start = "" if self._line.flags & _LOOSE else _literal_start(pattern)
        self._is_literal = self._start == pattern

    def lines(self, data: bytes) -> list[tuple[int, str]]:
        """The matching lines of a file with their numbers, from 1; none of a file that is no text."""
        try:
            text = data.decode()
        except UnicodeDecodeError:
            return []
        return self._scan(text, 1) if self._text is None else self._leap(text, self._text)

    def _scan(self, text: str, first: int) -> list[tuple[int, str]]:
        """The matching lines of a text, looking at each."""
        lines = enumerate(text.split("\n"), first)
        if self._is_literal:
            literal = self._start
            return [(number, line) for number, line in lines if literal in line]
        search = self._line.search
        return [(number, line) for number, line in lines if search(line)]

    def _leap(self, text: str, whole: re.Pattern[str]) -> list[tuple[int, str]]:
        """The matching lines of a text, leaping to where the next one may be: none comes before it."""
        found: list[tuple[int, str]] = []
        at, number = 0, 1
        while (possible := text.find(self._start, at)) != -1 and (match := whole.search(text, possible)) is not None:
            start = max(text.rfind("\n", at, match.start()) + 1, at)
            number += text.count("\n", at, start)
            end = text.find("\n", start)
            line = text[start:] if end == -1 else text[start:end]
            # What was found inside the line is found in the line by itself too.
            if (line and match.end() <= start + len(line)) or self._line.search(line):
                found.append((number, line))
            if end == -1:
                break
            at, number = end + 1, number + 1
            if len(found) == CROWDED and number <= 2 * CROWDED:
                return found + self._scan(text[at:], number)
        return found


line_search = lru_cache(maxsize=256)(LineSearch)
"""Makes a `LineSearch`, or takes the one there is."""

_LOOSE = re.IGNORECASE | re.VERBOSE
"""With these flags a character of a pattern does not stand for itself."""

_SPECIAL = re.compile(r"[.^$*+?{}\[\]\\()]")


def _literal_start(pattern: str) -> str:
    """What every match of a pattern begins with; empty if that cannot be told at a glance."""
    if "|" in pattern:
        return ""
    special = _SPECIAL.search(pattern)
    if special is None:
        return pattern
    # The character before a repetition belongs to it.
    return pattern[: max(special.start() - (special[0] in "*+?{"), 0)]


_BOUND_TO_LINE = re.compile(r"\(\?(?!:|i[:)]|P<)|\\[AZz\d]|[*+?}]\+")
"""What lets a pattern match a line by itself, but not where the line stands in a text.

Nearly every pattern that matches a line also matches there, so that one search of the text tells whether its
lines are worth looking at. The exceptions: a pattern that looks around itself, speaks of the whole text or
changes what `^` means, cannot give back what it took, or repeats what a group took.
"""
