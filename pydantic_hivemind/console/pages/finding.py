"""Search, with why each passage was found."""

from __future__ import annotations

import re
import warnings

from pydantic_hivemind.base.paths import normalize
from pydantic_hivemind.base.values import Hits
from pydantic_hivemind.console.answers import Answer, Asked, Page
from pydantic_hivemind.errors import SearchDegraded
from pydantic_hivemind.limits import MAX_QUERY_CHARS, MAX_QUERY_TERMS

_HITS = 20
_WORD = re.compile(r"\w+")


def search(asked: Asked) -> Answer:
    """Show the passages nearest to a question."""
    asked.viewer.require("read")
    scope = asked.workspace()
    grant = asked.viewer.grant
    under = normalize(asked.query.text("under", grant.under if grant is not None else "/"))
    query = asked.query.text("query").strip()[:MAX_QUERY_CHARS]
    tags = [tag.strip() for tag in asked.query.text("tags").split(",") if tag.strip()]
    own_only = asked.query.flag("own")
    asked.viewer.check(scope, "search", under=under)
    hits = Hits()
    if query or tags:
        with warnings.catch_warnings():
            # The page says so.
            warnings.simplefilter("ignore", SearchDegraded)
            hits = scope.search(query or None, under=under, tags=tags or None, limit=_HITS, chain=not own_only)
    return Page(
        "search",
        {
            "scope": scope,
            "query": query,
            "under": under,
            "tags": ", ".join(tags),
            "own_only": own_only,
            "hits": [(hit, _marked(hit.text.strip("\n"), query)) for hit in hits],
            "degraded": hits.degraded is not None,
            "partial": hits.partial,
            "is_asked": bool(query or tags),
        },
    )


def _marked(text: str, query: str) -> list[tuple[str, bool]]:
    """Return a passage in parts, and whether each is a word of the query."""
    words = {word.casefold() for word in _WORD.findall(query)[:MAX_QUERY_TERMS]}
    parts: list[tuple[str, bool]] = []
    last = 0
    for found in _WORD.finditer(text):
        if found[0].casefold() in words:
            parts += [(text[last : found.start()], False), (found[0], True)]
            last = found.end()
    return [part for part in (*parts, (text[last:], False)) if part[0]]
