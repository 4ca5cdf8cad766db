"""What is there: stats, lists, matches, search, history, differences."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Query, Response
from pydantic import Field

from pydantic_hivemind.base.validation import TextList, or_default
from pydantic_hivemind.base.values import Change, Hit, Match, Stat, Version
from pydantic_hivemind.http.access import Readable, TheGrant, chain_of
from pydantic_hivemind.http.paging import Paging
from pydantic_hivemind.http.problems import documented
from pydantic_hivemind.http.route import TokenRoute
from pydantic_hivemind.http.shapes import Asked, page_of
from pydantic_hivemind.limits import MAX_SEARCH_HITS, MAX_STAT_CHARS
from pydantic_hivemind.rendering.known_versions import for_reader

router = APIRouter(tags=["finding"], route_class=TokenRoute)

DEGRADED = "Hivemind-Degraded"
"""The header that says why a search used the lexical ranking only."""

PARTIAL = "Hivemind-Partial"
"""The header that names files of which only the beginning and the end were searched."""

_HEADERS = {
    PARTIAL: {
        "description": "Files of which only the beginning and the end were searched, as JSON, percent-encoded.",
        "schema": {"type": "string"},
    },
    DEGRADED: {
        "description": "Why the search used the lexical ranking only, percent-encoded; absent if it used both.",
        "schema": {"type": "string"},
    },
}

ThePath = Annotated[str, Query(description="An absolute path in the workspace.")]
Under = Annotated[str, Query(description="Only in this directory.")]
Hidden = Annotated[bool, or_default(default=True), Query(description="Whether to look at names that begin with a dot.")]


class Search(Asked):
    """What to look for; without a query the filters decide alone, and what changed last comes first."""

    query: str | None = None
    limit: int = Field(10, ge=1, le=MAX_SEARCH_HITS, description="Most passages.")
    under: str = Field("/", description="Only in this file or directory.")
    tags: TextList | None = Field(None, description="Only in files that have one of these.")
    where: dict[str, Any] | None = Field(
        None, description='Only in files of which this is true: `{"size": {"$gt": 7}}`.'
    )
    since: float | None = Field(
        None, allow_inf_nan=False, description="Only in files that changed then or later, in seconds since the epoch."
    )
    chain: bool = Field(default=True, description="Whether to look in what the workspace inherits too.")


@router.get("/exists", responses=documented())
def exists(scope: Readable, path: ThePath) -> bool:
    """Whether there is a file or directory."""
    return scope.exists(path)


@router.get("/stat", response_model=Stat, responses=documented(404, 409))
def stat(scope: Readable, path: ThePath) -> Any:
    """What is known of a file or directory without reading it."""
    return scope.stat(path)


@router.get("/list_dir", response_model=page_of(Stat), responses=documented(404, 409))
def list_dir(scope: Readable, paging: Paging, path: ThePath = "/") -> Any:
    """What is directly in a directory, by name."""
    return paging.page(scope.list_dir(path), lambda stat: (stat.path,))


@router.get("/glob", response_model=page_of(Stat), responses=documented(404, 409))
def glob(scope: Readable, paging: Paging, *, pattern: str, under: Under = "/", hidden: Hidden = True) -> Any:
    """The files whose path matches a glob that starts at `under`, by path."""
    return paging.page(scope.glob(pattern, under, hidden=hidden), lambda stat: (stat.path,))


@router.get("/grep", response_model=page_of(Match), responses=documented(404, 409))
def grep(
    scope: Readable,
    paging: Paging,
    *,
    pattern: str,
    under: Under = "/",
    glob: Annotated[
        str | None,
        or_default(None),
        Query(
            description="Only files that match: a name at any depth (`*.md`), or a path from `under` on (`docs/*.md`)."
        ),
    ] = None,
    hidden: Hidden = True,
) -> Any:
    """The lines that match a regular expression, by path.

    Expressions are Python's, without lookaround and backreferences, which cannot be searched for in linear time.
    """
    found = scope.grep(pattern, under, glob=glob, hidden=hidden)
    return paging.page(found, lambda match: (match.path, match.line_number))


@router.post("/search", response_model=list[Hit], responses={200: {"headers": _HEADERS}, **documented()})
def search(scope: Readable, asked: Search, response: Response) -> Any:
    """The passages that say most about something, by meaning and by words, best first."""
    hits = scope.search(**asked.model_dump())
    if hits.degraded is not None:
        response.headers[DEGRADED] = quote(hits.degraded, safe=" ()")
    if hits.partial:
        response.headers[PARTIAL] = _named(hits.partial)
    return hits


def _named(paths: Sequence[str]) -> str:
    """Paths as a header, as many as there is room for."""
    header = "[]"
    for count in range(1, len(paths) + 1):
        longer = quote(json.dumps(paths[:count]), safe='[]", /')
        if len(longer) > MAX_STAT_CHARS:
            break
        header = longer
    return header


@router.get("/history", response_model=page_of(Version), responses=documented())
def history(scope: Readable, grant: TheGrant, paging: Paging, path: ThePath) -> Any:
    """The kept versions of a path, newest first.

    Where a promotion came from is said of workspaces of the caller's own chain, and to an admin of those under it and
    of those that promoted to it. Who wrote a version is said of what was written in the workspace itself, and to an
    admin of the others.
    """
    names = chain_of(scope)
    is_admin = "admin" in grant.can
    past = [for_reader(version, names, is_admin=is_admin) for version in scope.history(path)]

    return paging.behind(past, lambda version: (version.version, version.created_at))


@router.get(
    "/diff",
    response_model=page_of(
        Change, left_behind=(list[str], Field(description="On the first page: changed paths that would stay behind."))
    ),
    responses=documented(404),
)
def diff(
    scope: Readable,
    paging: Paging,
    to: Annotated[
        str | None,
        or_default(None),
        Query(description="The ancestor to compare with; the parent if none is named."),
    ] = None,
) -> Any:
    """What promoting the workspace would change in its parent or another ancestor, by path."""
    changes = scope.diff(to)
    page = paging.page(changes, lambda change: (change.path,))
    return {**page._asdict(), "left_behind": changes.left_behind if paging.after is None else ()}
