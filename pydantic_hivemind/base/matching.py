"""Finding files by glob and lines by regular expression."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache

import regex
from wcmatch import glob
from wcmatch._wcparse import PatternLimitException

from pydantic_hivemind.base.paths import is_below, normalize
from pydantic_hivemind.errors import InvalidPath, InvalidPattern

CROWDED = 4
"""Matching lines, most of them next to each other, after which looking at each line takes less than leaping."""

MOST_SECONDS = 5.0
"""How long one search may look, in seconds. Some patterns would look for years; the usual one takes milliseconds."""

MOST_CHARS = 10_000
"""Longest pattern, in characters."""

_FLAGS = glob.GLOBSTAR | glob.BRACE | glob.FORCEUNIX


Pattern = re.Pattern[str] | regex.Pattern[str]
"""`re` cannot be stopped, and lets no other thread work meanwhile; it is for patterns that cannot take long."""


class Budget:
    """The time that one search may look."""

    def __init__(self) -> None:
        self._left = MOST_SECONDS

    def search(self, pattern: Pattern, text: str, start: int = 0) -> re.Match[str] | regex.Match[str] | None:
        """As `pattern.search`.

        Raises:
            InvalidPattern: It takes too long.
        """
        if isinstance(pattern, re.Pattern):
            return pattern.search(text, start)
        try:
            began = time.monotonic()
            found = pattern.search(text, start, timeout=self._left, concurrent=True)
            # Zero would be taken for no limit.
            self._left = max(self._left - (time.monotonic() - began), 1e-6)
            return found
        except TimeoutError:
            self._left = 1e-6
            raise InvalidPattern("the pattern takes too long to look for; use fewer of * and + in it") from None


def glob_matcher(pattern: str, *, under: str = "/", hidden: bool = True) -> Callable[[str], bool]:
    """Whether a path matches a glob (`*`, `?`, `[...]`, `{a,b}`, `**`) that starts at the directory `under`.

    Without `hidden`, wildcards do not match names that begin with a dot, as in a shell. What is returned is for one
    search, and raises `InvalidPattern` if that takes too long.

    Raises:
        InvalidPattern: It is too long, or stands for more than a thousand others.
    """
    _check_length(pattern)
    root = "" if under == "/" else glob.escape(under, unix=True)
    included = _translated(f"{root}/{pattern.lstrip('/')}", _FLAGS | (glob.DOTGLOB if hidden else 0))
    budget = Budget()
    return lambda path: any(budget.search(one, path) for one in included)


@lru_cache(maxsize=256)
def _translated(pattern: str, flags: int) -> list[regex.Pattern[str]]:
    try:
        # What it excludes is nothing, without the flag for that.
        included, _ = glob.translate(pattern, flags=flags)
    except PatternLimitException:
        raise InvalidPattern("the glob has too many alternatives; search with several") from None
    return [regex.compile(one) for one in included]


def _check_length(pattern: str) -> None:
    if len(pattern) > MOST_CHARS:
        raise InvalidPattern(f"a pattern has at most {MOST_CHARS} characters; this one has {len(pattern)}")


def any_path(wanted: str | Sequence[str]) -> Callable[[str], bool]:
    """Whether a path matches one of several globs from the root, or is one of them or in it as it is written.

    So `/plans` is all that is in that directory, and `/plans/**` is the directory too.
    """
    globs = [wanted] if isinstance(wanted, str) else list(wanted)
    places = [place for place in map(_place, globs) if place is not None]
    globs += [pattern.removesuffix("/**") for pattern in globs if pattern.endswith("/**") and pattern.strip("/*")]
    matchers = [glob_matcher(pattern) for pattern in globs]
    return lambda path: any(matches(path) for matches in matchers) or any(is_below(path, place) for place in places)


def _place(pattern: str) -> str | None:
    """A glob taken as a path; `None` for what cannot be one, and for nothing, which does not stand for the root."""
    try:
        return normalize(pattern) if pattern else None
    except InvalidPath:
        return None


def is_hidden(path: str, *, under: str = "/") -> bool:
    """Whether a name in the path, after the normalized directory `under`, begins with a dot."""
    return path.find("/.", 0 if under == "/" else len(under)) != -1


def spans(pattern: str, line: str, budget: Budget) -> Iterator[tuple[int, int]]:
    """Where a regular expression that was searched for matches in a line, leaving out where it matches nothing.

    Raises:
        InvalidPattern: It takes too long.
    """
    compiled = _compiled(pattern, 0)
    at = 0
    while at < len(line) and (found := budget.search(compiled, line, at)) is not None:
        if found.end() > found.start():
            yield found.span()
        at = max(found.end(), found.start() + 1)


class LineSearch:
    """A regular expression to look for in each line of many files.

    Raises:
        InvalidPattern: It is none.
    """

    def __init__(self, pattern: str) -> None:
        _check_length(pattern)
        try:
            flags = re.compile(pattern).flags
            self._line = _compiled(pattern, 0)
            self._text = None if _BOUND_TO_LINE.search(pattern) else _compiled(pattern, re.MULTILINE)
        except (re.error, regex.error, OverflowError, RecursionError) as error:
            raise InvalidPattern(f"not a regular expression: {error}") from None
        self._start = "" if flags & _LOOSE else _literal_start(pattern)
        self._is_literal = self._start == pattern

    def lines(self, data: bytes, budget: Budget) -> list[tuple[int, str]]:
        """The matching lines of a file with their numbers, from 1; none of a file that is no text.

        Raises:
            InvalidPattern: It takes too long.
        """
        try:
            text = data.decode()
        except UnicodeDecodeError:
            return []
        return self._scan(text, 1, budget) if self._text is None else self._leap(text, self._text, budget)

    def _scan(self, text: str, first: int, budget: Budget) -> list[tuple[int, str]]:
        """The matching lines of a text, looking at each."""
        lines = enumerate(text.split("\n"), first)
        if self._is_literal:
            literal = self._start
            return [(number, line) for number, line in lines if literal in line]
        search, pattern = budget.search, self._line
        return [(number, line) for number, line in lines if search(pattern, line)]

    def _leap(self, text: str, whole: Pattern, budget: Budget) -> list[tuple[int, str]]:
        """The matching lines of a text, leaping to where the next one may be: none comes before it."""
        found: list[tuple[int, str]] = []
        at, number = 0, 1
        while (possible := text.find(self._start, at)) != -1 and (
            match := budget.search(whole, text, possible)
        ) is not None:
            start = max(text.rfind("\n", at, match.start()) + 1, at)
            number += text.count("\n", at, start)
            end = text.find("\n", start)
            line = text[start:] if end == -1 else text[start:end]
            # What was found inside the line is found in the line by itself too.
            if (line and match.end() <= start + len(line)) or budget.search(self._line, line):
                found.append((number, line))
            if end == -1:
                break
            at, number = end + 1, number + 1
            if len(found) == CROWDED and number <= 2 * CROWDED:
                return found + self._scan(text[at:], number, budget)
        return found


line_search = lru_cache(maxsize=256)(LineSearch)
"""Makes a `LineSearch`, or takes the one there is."""


def _compiled(pattern: str, flags: int) -> Pattern:
    """A pattern that `re` takes, for the library that it needs."""
    if _MAY_TAKE_LONG.search(pattern):
        return regex.compile(_as_in_re(pattern), flags)
    return re.compile(pattern, flags)


_MAY_TAKE_LONG = re.compile(r"[*+?{|(]")
"""Without any of these there is one way to match at each place: no going back and forth."""


def _as_in_re(pattern: str) -> str:
    """A pattern of `re` as `regex` understands it the same.

    A brace that repeats nothing is itself, and not how many errors a match may have.
    """
    return _BRACES.sub(lambda found: found[1] or r"\{", pattern)


_BRACES = re.compile(r"(\\N\{[^}]*\}|\\.)|\{(?!\d*(?:,\d*)?\})", re.DOTALL)

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
