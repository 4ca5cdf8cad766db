"""Search results as text for a model."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic_hivemind.base.text_content import NOT_UTF8, REPLACED
from pydantic_hivemind.base.values import Hit, Hits
from pydantic_hivemind.limits import MAX_SEARCH_RESULT_CHARS
from pydantic_hivemind.rendering.patches import printable

WORDS_ONLY = "(The meaning could not be looked for just now. Other words may find more.)"
"""Note added to a result for which the embedder failed."""

_MOST_NAMED = 5
"""Maximum number of files that such a sentence names."""

_LEAST_SHOWN = 40
"""Minimum length of a truncated passage, in characters."""


def annotated(answer: str, found: Hits) -> str:
    """Return a result with notes: if the embedder failed, if not all was searched, or some text not decoded."""
    notes = [WORDS_ONLY] if found.degraded is not None else []
    if found.partial:
        notes.append(partly(found.partial))
    if REPLACED in answer:
        notes.append(NOT_UTF8)
    return "\n\n".join([answer, *notes])


def quoted(text: str) -> str:
    """Return a text whose every line, however it ends, begins with `> `: what others wrote, in an answer of ours."""
    return "\n".join(f"> {line}" for line in text.splitlines())


def partly(paths: Sequence[str]) -> str:
    """Return a sentence that names files of which only the beginning and the end were searched."""
    named = ", ".join(map(printable, paths[:_MOST_NAMED]))
    more = f" and {len(paths) - _MOST_NAMED} more" if len(paths) > _MOST_NAMED else ""
    return f"(Only the beginning and the end were searched of {named}{more}: look for words in the rest with grep.)"


def as_text(hits: Sequence[Hit], own: str) -> str:
    """Return hits as text for a model; hits of other scopes than its own name their scope.

    Each line of a passage is quoted and no heading is, so that no passage can pretend to be another result.
    """
    parts: list[str] = []
    room = MAX_SEARCH_RESULT_CHARS
    for hit in hits:
        first, last = hit.lines
        lines = f"{first}" if first == last else f"{first}-{last}"
        heading = printable(f"{hit.path}:{lines}" + (f" (from {hit.scope})" if hit.scope != own else ""))
        text = quoted(hit.text.lstrip("\n").rstrip())
        room -= len(heading) + 3
        if room < min(len(text), _LEAST_SHOWN):
            break
        parts.append(f"{heading}\n{text}" if len(text) <= room else f"{heading}\n{text[:room]} [...]")
        room -= len(text)
    more = len(hits) - len(parts)
    if more:
        parts.append(f"({more} more did not fit. Look for something more precise, or only in some place.)")
    return "\n\n".join(parts)
