"""The caller's workspace, and for an admin those under it.

Names are shared by the whole hive. One that is made here is that of its parent, `/-/`, and what was asked for, which
cannot go on in the same way: so no two parents can have the same one, and that it is taken tells only of a workspace
that was made here under the same parent.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import Field

from pydantic_hivemind.base.validation import or_default
from pydantic_hivemind.base.values import ScopeInfo
from pydantic_hivemind.errors import InvalidScope, NotAllowed
from pydantic_hivemind.hive.descendants import find, not_under
from pydantic_hivemind.hive.handle import database_of
from pydantic_hivemind.hive.scope import Scope
from pydantic_hivemind.http.access import Administered, Hive, Own, TheGrant, TheTokens, chain_of
from pydantic_hivemind.http.paging import Paging
from pydantic_hivemind.http.problems import documented
from pydantic_hivemind.http.route import TokenRoute
from pydantic_hivemind.http.routes.tokens import Can, Issued, TokenInfo, issue, no_more_than
from pydantic_hivemind.http.shapes import Asked, Shape, page_of
from pydantic_hivemind.tokens import MAX_TTL

router = APIRouter(tags=["workspaces"], route_class=TokenRoute)

Ttl = Annotated[float, Field(gt=0, le=MAX_TTL, allow_inf_nan=False)]
NAMED = "What comes after the name of your workspace and `/-/`: any text without `/` and `#`."


class Workspace(Shape):
    """The caller's workspace, and what they may do there."""

    name: str
    chain: list[str] = Field(description="Its name and those of the workspaces it inherits from, nearest first.")
    token: TokenInfo


class Create(Asked):
    """A workspace to make."""

    name: str = Field(description=NAMED)
    ttl: Ttl | None = Field(None, description="Seconds after which it is removed, if it was not before.")
    can: Can = None


class Spawn(Asked):
    """A session to start."""

    name: str | None = Field(None, description=f"{NAMED} Without it, the whole name is made up.")
    ttl: Ttl | None = Field(None, description="Seconds after which it is removed, if it was not before.")
    attach: bool = Field(
        default=False, description="Take the session of that name if there is one already, and renew it."
    )
    can: Can = None


class Destroy(Asked):
    """How to destroy a workspace."""

    cascade: bool = Field(default=False, description="Also those under it.")


class Move(Asked):
    """Where a workspace under yours is to go."""

    workspace: str = Field(description="The whole name of a workspace under yours.")
    name: str | None = Field(None, description=f"Its new name. {NAMED}")
    parent: str | None = Field(
        None, description="The whole name of the workspace to inherit from: yours, or one under it."
    )


class Renew(Asked):
    """How long a workspace is to live."""

    ttl: Ttl | None = Field(description="Seconds from now; `null` for as long as its parent.")


@router.get("/workspace", response_model=Workspace)
def info(scope: Own, grant: TheGrant) -> Any:
    """Which workspace a token is for, and what it may do there."""
    return {"name": scope.name, "chain": chain_of(scope), "token": grant}


@router.get("/workspaces", response_model=page_of(ScopeInfo))
def scopes(scope: Administered, hive: Hive, paging: Paging) -> Any:
    """The workspaces under yours, at any depth, by name."""
    return paging.follow(
        (str,),
        lambda after, limit: hive.scopes(under=scope, after="".join(after), limit=limit),
        lambda info: (info.name,),
    )


@router.post("/workspaces", response_model=Issued, status_code=201, responses=documented(409))
def create(scope: Administered, hive: Hive, tokens: TheTokens, grant: TheGrant, asked: Create) -> Any:
    """Make a workspace under yours, and a token for it."""
    can = no_more_than(grant, asked.can)
    made = hive.create(_under(scope, asked.name), scope, ttl=asked.ttl)
    return issue(tokens, made, can, grant)


@router.post("/spawn", response_model=Issued, status_code=201, responses=documented(409))
def spawn(scope: Administered, tokens: TheTokens, grant: TheGrant, asked: Spawn) -> Any:
    """Start a session under your workspace, and make a token for it."""
    can = no_more_than(grant, asked.can)
    name = None if asked.name is None else _under(scope, asked.name)
    return issue(tokens, scope.spawn(name, ttl=asked.ttl, attach=asked.attach), can, grant)


# In the query: clients and proxies make other paths of those with dots.
@router.delete("/workspaces", status_code=204, responses=documented(404, 409))
def delete_workspace(
    scope: Administered,
    hive: Hive,
    *,
    name: Annotated[str, Query(description="The whole name of a workspace under yours.")],
    cascade: Annotated[bool, or_default(default=False), Query(description="Also those under it.")] = False,
) -> None:
    """Remove a workspace under yours and everything in it, for good."""
    found = find(hive, scope, name)
    if found == scope:
        raise not_under(name)
    found.destroy(cascade=cascade)


@router.post("/destroy", status_code=204, responses=documented(409))
def destroy(scope: Administered, asked: Destroy) -> None:
    """Remove your workspace and everything in it, for good, and with it your token."""
    scope.destroy(cascade=asked.cascade)


@router.post("/move", response_model=ScopeInfo, responses=documented(404, 409))
def move(scope: Administered, hive: Hive, asked: Move) -> Any:
    """Rename a workspace under yours, or let it inherit from another one; its files and tokens stay."""
    found = find(hive, scope, asked.workspace)
    if found == scope:
        raise not_under(asked.workspace)
    above = found.parent if asked.parent is None else find(hive, scope, asked.parent)
    name = None if asked.name is None or above is None else _under(above, asked.name)
    if asked.parent is None:
        found.move(name=name)
    else:
        found.move(name=name, parent=above)
    return found.info()


@router.post("/renew", status_code=204)
def renew(scope: Administered, asked: Renew) -> None:
    """Let your workspace live so long from now on: no longer than it would, if it has a ttl.

    To let a session live longer, attach to it again with a token of the workspace that it was started under.
    """
    ends = scope.info().expires_at
    if ends is not None and (asked.ttl is None or database_of(scope).now() + asked.ttl > ends):
        raise NotAllowed("a workspace cannot extend its own ttl; renew it from the workspace that it was started under")
    scope.renew(asked.ttl)


def _under(scope: Scope, name: str) -> str:
    """The name in the hive of a workspace under one.

    Raises:
        InvalidScope: It could be that of one under another.
    """
    # Sessions of `SessionManager` have a `#` before their id.
    if not name or not {"/", "#"}.isdisjoint(name):
        raise InvalidScope("the name must not contain `/` or `#`; the name of your workspace is put before it")
    return f"{scope.name}/-/{name}"
