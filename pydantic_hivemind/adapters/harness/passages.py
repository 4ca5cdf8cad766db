"""What a search finds directly in one directory, as `SearchableMemoryStore` of pydantic-ai-harness bounds it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from pydantic_hivemind.base.text_content import searched_text
from pydantic_hivemind.base.values import Hit
from pydantic_hivemind.errors import NotADirectory, PathNotFound
from pydantic_hivemind.hive.scope import Scope


@dataclass(frozen=True)
class Passages:
    """What was found.

    Attributes:
        hits: Best first.
        files: How many files were searched.
        more: Whether there is more than the hits show: other passages, or files longer than what counts of them.
    """

    hits: list[Hit]
    files: int
    more: bool


def passages(
    scope: Scope, query: str, directory: str, wanted: Callable[[str], bool], *, limit: int, length: int
) -> Passages:
    """The best passages for a query in the files of a directory, not in those of directories in it.

    Args:
        scope: Where to look.
        query: What for.
        directory: May be missing.
        wanted: Which files count, by path.
        limit: Most passages.
        length: Of each file only that many characters count, from its beginning.
    """
    try:
        files = [stat for stat in scope.list_dir(directory) if not stat.is_dir and wanted(stat.path)]
    except (PathNotFound, NotADirectory):
        files = []
    texts = {stat.path: searched_text(scope.read_bytes(stat.path)) or "" for stat in files if stat.size > length}
    long = {path: text for path, text in texts.items() if len(text) > length}
    asked = limit + 1
    while True:
        found = scope.search(query, limit=asked, under=directory)
        hits = [seen for hit in found if wanted(hit.path) and (seen := _beginning(hit, long, length))]
        if len(hits) > limit or len(found) < asked:
            return Passages(hits[:limit], len(files), more=bool(long) or len(hits) > limit)
        # Others took the room of those that are wanted.
        asked *= 4


def _beginning(hit: Hit, long: Mapping[str, str], length: int) -> Hit | None:
    """What of a hit is in the part of its file that counts."""
    text = long.get(hit.path)
    if text is None:
        return hit
    line = sum(len(before) + 1 for before in text.split("\n")[: hit.lines[0] - 1])
    start = text.find(hit.text, line)
    return replace(hit, text=hit.text[: length - start]) if 0 <= start < length else None
