"""For an admin: the tokens of their workspace and of those under it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BeforeValidator, Field

from pydantic_hivemind.base.validation import FirstMistake, TextList
from pydantic_hivemind.errors import InvalidOption
from pydantic_hivemind.hive.descendants import find
from pydantic_hivemind.hive.scope import Scope
from pydantic_hivemind.http.access import Administered, Hive, TheGrant, TheTokens
from pydantic_hivemind.http.paging import Paging
from pydantic_hivemind.http.problems import documented
from pydantic_hivemind.http.route import TokenRoute
from pydantic_hivemind.http.shapes import Asked, Shape, page_of
from pydantic_hivemind.limits import DEFAULT_TOKEN_TTL, MAX_LABEL_CHARS
from pydantic_hivemind.tokens import ACTIONS, MAX_TTL, Action, Grant, Tokens

router = APIRouter(prefix="/tokens", tags=["tokens"], route_class=TokenRoute)

Can = Annotated[
    Annotated[list[Action], FirstMistake()] | None,
    Field(min_length=1, description="What the token may do; without it all that yours may but `admin`."),
]


def _in_order(can: Iterable[Action]) -> list[Action]:
    return sorted(can, key=ACTIONS.index)


class TokenInfo(Shape):
    """A token that was given out. Times are seconds since the epoch."""

    id: str
    workspace: str
    can: Annotated[list[Action], BeforeValidator(_in_order)]
    created_at: float
    expires_at: float
    made_by: str | None = Field(description="The id of the token that it was made with, and is revoked with.")
    under: str = Field(description="The file or directory that it is limited to.")
    promote_to: list[str] | None = Field(
        description="The workspaces it may promote to; `null` for any it inherits from."
    )
    deletes: bool = Field(description="Whether it may delete.")
    label: str | None = Field(description="What it is for.")


class Issued(TokenInfo):
    """A new token: `token` is not kept and cannot be shown again."""

    token: str


class NewToken(Asked):
    """A token to make. It ends no later than yours, and is revoked with it."""

    workspace: str | None = Field(None, description="One under yours; yours, if none is named.")
    can: Can = None
    ttl: float = Field(DEFAULT_TOKEN_TTL, gt=0, le=MAX_TTL, description="Seconds until it ends.")
    under: str | None = Field(None, description="Limit it to this file or directory.")
    promote_to: TextList | None = Field(None, description="Limit promotion to these workspaces.")
    deletes: bool = Field(default=True, description="Whether it may delete.")
    label: str | None = Field(None, max_length=MAX_LABEL_CHARS, description="What it is for.")


@router.post("", response_model=Issued, status_code=201, responses=documented(404))
def create_token(scope: Administered, hive: Hive, tokens: TheTokens, grant: TheGrant, asked: NewToken) -> Any:
    """Make a token for your workspace or one under it, which may do no more than yours."""
    wanted = scope if asked.workspace is None else find(hive, scope, asked.workspace)
    return issue(
        tokens,
        wanted,
        no_more_than(grant, asked.can),
        grant,
        ttl=asked.ttl,
        under=asked.under,
        promote_to=asked.promote_to,
        deletes=asked.deletes,
        label=asked.label,
    )


@router.get("", response_model=page_of(TokenInfo))
def list_tokens(scope: Administered, tokens: TheTokens, paging: Paging) -> Any:
    """The valid tokens of your workspace and of those under it, by workspace and age."""
    return paging.follow(
        (str, float, str),
        lambda after, limit: tokens.list(within=scope, after=after or None, limit=limit),
        lambda grant: (grant.workspace, grant.created_at, grant.id),
    )


@router.delete("", status_code=204)
def revoke_token(
    scope: Administered, tokens: TheTokens, grant: TheGrant, id: Annotated[str, Query(description="The token's id.")]
) -> None:
    """End a token of your workspace or of one under it, and those that were made with it; fine if it has ended.

    A token cannot revoke the one that it was made with.
    """
    tokens.revoke(id, within=scope, by=grant)


def no_more_than(grant: Grant, can: Iterable[Action] | None) -> list[Action]:
    """What a new token may do, checked before anything is made for it.

    Raises:
        NotAllowed: It is more than the caller may.
        InvalidOption: It is nothing.
    """
    # Who can end workspaces and make tokens is said in so many words.
    wanted: list[Action] = [action for action in ACTIONS if action in (grant.can - {"admin"} if can is None else can)]
    if not wanted:
        raise InvalidOption("`can` must list what the new token may do")
    for action in wanted:
        grant.require(action)
    return wanted


def issue(tokens: Tokens, scope: Scope, can: list[Action], by: Grant, **options: Any) -> dict[str, object]:
    """Make a token, with options as for `Tokens.create`."""
    token = tokens.create(scope, can=can, by=by, **options)
    return {**TokenInfo.model_validate(tokens.verify(token)).model_dump(), "token": token}
