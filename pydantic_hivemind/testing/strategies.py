"""Hypothesis strategies for the arguments of a scope's operations."""

from __future__ import annotations

from hypothesis import strategies as st

from pydantic_hivemind.limits import MAX_SCOPE_NAME_CHARS

NAME_CHARACTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\0/")
"""Characters that a name in a path may have: no slash, NUL or surrogate."""

AWKWARD_NAMES = ("%", "_", "a_b", "a%", "[a]", "*", "A", "a", "a-b", "a b", "é", "e\u0301", "..a", "'", '"', "\n", "\\")
"""Names with a special meaning in SQL, globs, shells or file systems, and none in a scope."""


def names(*, max_bytes: int = 255) -> st.SearchStrategy[str]:
    """Return a strategy for one name of a path.

    Args:
        max_bytes: Maximum length in UTF-8 bytes.
    """
    plain = st.text(NAME_CHARACTERS, min_size=1, max_size=16)
    usable = plain.filter(lambda name: name not in {".", ".."} and len(name.encode()) <= max_bytes)
    return st.sampled_from(AWKWARD_NAMES) | usable


def paths(*, max_depth: int = 4) -> st.SearchStrategy[str]:
    """Return a strategy for normalized paths other than the root.

    Args:
        max_depth: Maximum number of names in a path.
    """
    return st.lists(names(), min_size=1, max_size=max_depth).map(lambda parts: "/" + "/".join(parts))


def crowded_paths(*, max_depth: int = 3) -> st.SearchStrategy[str]:
    """Return a strategy for paths out of few names, so that files, directories and deletions meet at the same paths.

    Args:
        max_depth: Maximum number of names in a path.
    """
    few = st.sampled_from(["a", "b", "a-"])
    return st.lists(few, min_size=1, max_size=max_depth).map(lambda parts: "/" + "/".join(parts))


def scope_names() -> st.SearchStrategy[str]:
    """Return a strategy for scope names: any text without NUL and surrogates."""
    characters = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
    return st.text(characters, min_size=1, max_size=MAX_SCOPE_NAME_CHARS)


def contents(*, max_size: int = 200) -> st.SearchStrategy[bytes]:
    """Return a strategy for file contents, some of them text with every kind of line end.

    Args:
        max_size: Maximum size of binary contents, in bytes.
    """
    lines = st.sampled_from(["", "a", "b", "ü", "\ufeff", "\0", "- item"])
    ends = st.sampled_from(["\n", "\r\n", "\r", ""])
    text = st.lists(st.tuples(lines, ends), max_size=8).map(lambda parts: "".join(map("".join, parts)).encode())
    return st.binary(max_size=max_size) | text


def tags() -> st.SearchStrategy[list[str]]:
    """Return a strategy for the tags of a file."""
    return st.lists(st.sampled_from(["deploy", "decision", "x"]), max_size=2)
