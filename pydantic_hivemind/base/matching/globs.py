"""Globs: whether a path matches one, in time linear in the path."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

from pydantic_hivemind.base.matching.alphabet import Alphabet
from pydantic_hivemind.base.matching.automata import ascii_automaton
from pydantic_hivemind.base.matching.expressions import Expression
from pydantic_hivemind.base.matching.glob_syntax import parse
from pydantic_hivemind.base.matching.line_search import check_length
from pydantic_hivemind.base.paths import is_below, normalize, parent_of
from pydantic_hivemind.errors import InvalidPath

CACHED = 16
"""Globs that are kept to be used again; each may hold 34 MB at most, and 2 MB usually."""


class Glob:
    """A glob that paths are matched against. Safe to use from any thread."""

    def __init__(self, pattern: str, under: str = "/", *, hidden: bool = True, braces: bool = True) -> None:
        check_length(pattern)
        self._expression = Expression(parse(pattern, under=under, hidden=hidden, braces=braces), newlines=True)
        self._ascii = ascii_automaton(self._expression)
        self._alphabet: Alphabet | None = None

    def matches(self, path: str) -> bool:
        """Whether it matches all of a path."""
        if path.isascii():
            return self._ascii.fullmatch(path.encode()) is not None
        if self._alphabet is None:
            self._alphabet = Alphabet(self._expression)
        return self._alphabet.matches_all(path)


_kept = lru_cache(maxsize=CACHED)(Glob)


def glob_matcher(pattern: str, *, under: str = "/", hidden: bool = True, braces: bool = True) -> Callable[[str], bool]:
    """Return whether a path matches a glob (`*`, `?`, `[...]`, `{a,b}`, `**`) that starts at the directory `under`.

    Without `hidden`, wildcards do not match names that begin with a dot, as in a shell.

    Raises:
        InvalidPattern: It is too long, or stands for more than a thousand others.
    """
    return _kept(pattern, under, hidden=hidden, braces=braces).matches


def file_filter(pattern: str, *, under: str = "/") -> Callable[[str], bool]:
    """Return whether a file is among those that a search of the directory `under` is for, as ripgrep's `--glob` has it.

    A glob without a slash matches a name at any depth, one with a slash the path from the directory on. `under` may be
    a file, which is searched from its directory.

    Raises:
        InvalidPattern: As `glob_matcher`.
    """
    anchored = pattern if "/" in pattern else f"**/{pattern}"
    within = glob_matcher(anchored, under=under)
    return lambda path: within(path) or (path == under and glob_matcher(anchored, under=parent_of(path))(path))


def any_path(wanted: str | Sequence[str]) -> Callable[[str], bool]:
    """Return whether a path matches one of several globs from the root, or is one of them or in it as it is written.

    So `/plans` is all that is in that directory, and `/plans/**` is the directory too.

    Raises:
        InvalidPattern: As `glob_matcher`.
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
