"""Who asks: the workspace of their token, and what they say of an operation in headers.

None of these dependencies asks the store, unless the body took its time; they are `async`, which spares them the way to
a thread.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Depends, Header, Request

from pydantic_hivemind.base.version_names import VersionName
from pydantic_hivemind.errors import InvalidOption
from pydantic_hivemind.hive.hivemind import Hivemind
from pydantic_hivemind.hive.scope import Scope
from pydantic_hivemind.http.route import bearer, look_at_token
from pydantic_hivemind.tokens import Action, Grant, Tokens

_ETAG = re.compile(r'"(v[0-9a-f]{12}|\d{1,18})"', re.ASCII)


async def hive_of(request: Request) -> Hivemind:
    """Dependency: the hive that is served."""
    return request.app.state.hivemind


async def tokens_of(request: Request) -> Tokens:
    """Dependency: its tokens."""
    return request.app.state.tokens


Hive = Annotated[Hivemind, Depends(hive_of)]
TheTokens = Annotated[Tokens, Depends(tokens_of)]


async def grant_of(request: Request, _: Annotated[object, Depends(bearer)]) -> Grant:
    """Dependency: what the caller's token gives."""
    # JSON has come in by now.
    await look_at_token(request)
    return request.state.caller[0]


TheGrant = Annotated[Grant, Depends(grant_of)]


async def own(request: Request, _: TheGrant) -> Scope:
    """Dependency: the caller's own workspace, whatever they may do there."""
    return request.state.caller[1]


def _allowed(*actions: Action) -> Callable[[Grant, Scope], Awaitable[Scope]]:
    """Makes a dependency: the caller's own workspace, if they may do all of that."""

    async def allowed(grant: TheGrant, scope: Own) -> Scope:
        for action in actions:
            grant.require(action)
        return scope

    return allowed


Own = Annotated[Scope, Depends(own)]
Readable = Annotated[Scope, Depends(_allowed("read"))]
Writable = Annotated[Scope, Depends(_allowed("write"))]
# What these answer tells what is in files.
Editable = Annotated[Scope, Depends(_allowed("read", "write"))]
Proposable = Annotated[Scope, Depends(_allowed("propose"))]
Promotable = Annotated[Scope, Depends(_allowed("promote"))]
Administered = Annotated[Scope, Depends(_allowed("admin"))]


async def addable(
    grant: TheGrant,
    scope: Own,
    if_none_match: Annotated[str | None, Header(include_in_schema=False)] = None,
) -> Scope:
    """Dependency: the caller's own workspace, if they may do this: what only adds a file needs no more than that."""
    grant.require("append" if if_none_match == "*" else "write")
    return scope


Addable = Annotated[Scope, Depends(addable)]


def chain_of(scope: Scope) -> list[str]:
    """The names of a workspace and its ancestors, nearest first."""
    above = scope.parent
    return [scope.name, *(chain_of(above) if above is not None else ())]


async def expected_version(
    if_match: Annotated[
        str | None,
        Header(description='Only if this is its ETag, such as `"v5c09a1f2e37b"`; `"0"` is no file.'),
    ] = None,
    if_none_match: Annotated[str | None, Header(description="Only if there is no file: `*`.")] = None,
) -> str | None:
    """Dependency: the version that a file must have to be changed."""
    if if_none_match is not None:
        if if_none_match != "*" or if_match is not None:
            raise InvalidOption("to write only a file that does not exist, send `If-None-Match: *` without If-Match")
        return "0"
    return None if if_match is None else _version(if_match)


def _version(etag: str) -> str:
    found = _ETAG.fullmatch(etag.strip())
    if found is None:
        raise InvalidOption('If-Match must be the ETag of one version, such as "v5c09a1f2e37b"')
    return found[1]


async def known_versions(
    if_none_match: Annotated[str | None, Header(description="ETags of the versions that are there already.")] = None,
) -> frozenset[str]:
    """Dependency: the ETags of what need not be sent again, `*` among them for any; weak or not makes no difference."""
    given = (etag.strip().removeprefix("W/") for etag in (if_none_match or "").split(","))
    return frozenset(etag for etag in given if etag)


ExpectedVersion = Annotated[str | None, Depends(expected_version)]
KnownVersions = Annotated[frozenset[str], Depends(known_versions)]
OperationId = Annotated[
    str | None,
    Header(alias="Idempotency-Key", description="Any text; a request with the same one is done once, for a week."),
]


def etag_of(version: VersionName) -> str:
    """The ETag of a version."""
    return f'"{version}"'
