"""The operations on workspaces and tokens as requests, like those of `calls`."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from pydantic_hivemind.base.values import ScopeInfo
from pydantic_hivemind.client.exchange import Ask, Steps, every, nothing, one
from pydantic_hivemind.tokens import Action


class TokenInfo(NamedTuple):
    """A token that was given out. Times are seconds since the epoch; `made_by` is the id of the token it ends with."""

    id: str
    workspace: str
    can: tuple[Action, ...]
    created_at: float
    expires_at: float
    made_by: str | None


class Issued(NamedTuple):
    """A new token, which the server does not keep."""

    token: str
    id: str
    workspace: str
    can: tuple[Action, ...]
    created_at: float
    expires_at: float
    made_by: str | None


class Workspace(NamedTuple):
    """The workspace of a client: its name, those of its chain, nearest first, and the token that is used."""

    name: str
    chain: tuple[str, ...]
    token: TokenInfo


# -- workspaces --------------------------------------------------------------------------------


def info() -> Steps[Workspace]:
    """Which workspace this is, and what may be done in it."""
    return one(Workspace, (yield Ask("GET", "workspace")))


def scopes() -> Steps[list[ScopeInfo]]:
    """The workspaces under this one, at any depth, by name."""
    return (yield from every(ScopeInfo, "workspaces"))


def children() -> Steps[list[ScopeInfo]]:
    """The workspaces directly under this one, by name."""
    own = yield from info()
    found = yield from scopes()
    return [each for each in found if each.parent == own.name]


def create(name: str, *, ttl: float | None = None, can: Collection[Action] | None = None) -> Steps[Issued]:
    """A new workspace `<this one>/-/<name>`, and a token for it. Raises `ScopeExists`, `InvalidScope`."""
    return one(
        Issued,
        (yield Ask("POST", "workspaces", json={"name": name, "ttl": ttl, "can": None if can is None else list(can)})),
    )


def spawn(
    name: str | None = None, *, ttl: float | None = None, attach: bool = False, can: Collection[Action] | None = None
) -> Steps[Issued]:
    """A new session `<this one>/-/<name>`, and a token for it; as `Scope.spawn`."""
    asked = {"name": name, "ttl": ttl, "attach": attach, "can": None if can is None else list(can)}
    return one(Issued, (yield Ask("POST", "spawn", json=asked)))


def delete_workspace(name: str, *, cascade: bool = False) -> Steps[None]:
    """Remove a workspace under this one and everything in it, for good."""
    nothing((yield Ask("DELETE", "workspaces", {"name": name, "cascade": cascade})))


def destroy(*, cascade: bool = False) -> Steps[None]:
    """Remove the workspace and everything in it, for good; with `cascade` also those under it."""
    nothing((yield Ask("POST", "destroy", json={"cascade": cascade})))


def renew(ttl: float | None) -> Steps[None]:
    """Let the workspace live `ttl` seconds from now on, or as long as its parent."""
    nothing((yield Ask("POST", "renew", json={"ttl": ttl})))


# -- tokens ------------------------------------------------------------------------------------


def create_token(
    workspace: str | None = None, *, can: Collection[Action] | None = None, ttl: float | None = None
) -> Steps[Issued]:
    """A token for this workspace or one under it: it can do no more than that in use, and ends with it or before."""
    asked = {"workspace": workspace, "can": None if can is None else list(can), **({} if ttl is None else {"ttl": ttl})}
    return one(Issued, (yield Ask("POST", "tokens", json=asked)))


def list_tokens() -> Steps[list[TokenInfo]]:
    """The valid tokens of this workspace and of those under it."""
    return (yield from every(TokenInfo, "tokens"))


def revoke_token(id: str) -> Steps[None]:
    """End a token of this workspace or of one under it, and those made with it; fine if it has ended."""
    nothing((yield Ask("DELETE", "tokens", {"id": id})))
