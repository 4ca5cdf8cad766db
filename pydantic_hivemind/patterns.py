"""Finding files by glob and lines by regular expression."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache

from wcmatch import glob

from pydantic_hivemind.errors import InvalidPattern
from pydantic_hivemind.model import Match
from pydantic_hivemind.paths import normalize

_FLAGS = glob.GLOBSTAR | glob.BRACE | glob.FORCEUNIX


@lru_cache(maxsize=256)
def glob_matcher(pattern: str, *, under: str = "/", hidden: bool = True) -> Callable[[str], bool]:
    """Whether a path matches a glob (`*`, `?`, `[...]`, `{a,b}`, `**`) that starts at the directory `under`.

    Without `hidden`, wildcards do not match names that begin with a dot, as in a shell.
    """
    root = "" if under == "/" else glob.escape(under, unix=True)
    matcher = glob.compile(f"{root}/{pattern.lstrip('/')}", flags=_FLAGS | (glob.DOTGLOB if hidden else 0))
    return matcher.match


def any_glob(patterns: str | Sequence[str]) -> Callable[[str], bool]:
    """Whether a path matches one of several globs from the root."""
    matchers = [glob_matcher(pattern) for pattern in ([patterns] if isinstance(patterns, str) else patterns)]
    return lambda path: any(matches(path) for matches in matchers)


def is_hidden(path: str, *, under: str = "/") -> bool:
    """Whether a name in the path, after the directory `under`, begins with a dot."""
    return "/." in path[len(normalize(under)) - (under == "/") :]


class LineSearch:
    """A regular expression to look for in each line of many files."""

    def __init__(self, pattern: str) -> None:
        try:
            self._line = re.compile(pattern)
            # A line that matches by itself also matches where it stands in the text, unless the pattern
            # looks around it, speaks of the whole text, or cannot give back what it took. So one search
            # of the text tells whether its lines are worth looking at.
            whole = not re.search(r"\(\?|\\[AZ]|[*+?}]\+", pattern)
            self._text = re.compile(pattern, re.MULTILINE) if whole else None
        except re.error as error:
            raise InvalidPattern(f"not a regular expression: {error}") from None

    def matches(self, path: str, data: bytes) -> Iterator[Match]:
        """The matching lines of a file; none of a file that is no text."""
        try:
            text = data.decode()
        except UnicodeDecodeError:
            return
        if self._text is not None and not self._text.search(text):
            return
        search = self._line.search
        for number, line in enumerate(text.split("\n"), start=1):
            if search(line):
                yield Match(path, number, line)
