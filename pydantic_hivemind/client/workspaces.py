"""The operations on workspaces and tokens as requests, like those of `calls`."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from pydantic_hivemind.base.values import ScopeInfo
from pydantic_hivemind.client.exchange import Ask, Steps, every, nothing, one
from pydantic_hivemind.tokens import Action


class TokenInfo(NamedTuple):
    """A valid token, without its secret.

    Attributes:
        id: Id of the token, by which it is revoked.
        workspace: Name of the workspace that the token is for.
        can: The permitted actions.
        created_at: Creation time, in seconds since the epoch.
        expires_at: Time at which it expires, in seconds since the epoch.
        made_by: Id of the token that created this one; revoking that one revokes this one too.
        under: The file or directory that it is limited to.
        promote_to: Names of the workspaces that it may promote to; `None` for any that its workspace inherits from.
        deletes: Whether it may delete.
        label: What it is for.
    """

    id: str
    workspace: str
    can: tuple[Action, ...]
    created_at: float
    expires_at: float
    made_by: str | None
    under: str = "/"
    promote_to: tuple[str, ...] | None = None
    deletes: bool = True
    label: str | None = None


class Issued(NamedTuple):
    """A new token. The server does not store it.

    Attributes:
        token: The token itself, which is secret.
        id: Id of the token, by which it is revoked.
        workspace: Name of the workspace that the token is for.
        can: The permitted actions.
        created_at: Creation time, in seconds since the epoch.
        expires_at: Time at which it expires, in seconds since the epoch.
        made_by: Id of the token that created this one; revoking that one revokes this one too.
        under: The file or directory that it is limited to.
        promote_to: Names of the workspaces that it may promote to; `None` for any that its workspace inherits from.
        deletes: Whether it may delete.
        label: What it is for.
    """

    token: str
    id: str
    workspace: str
    can: tuple[Action, ...]
    created_at: float
    expires_at: float
    made_by: str | None
    under: str = "/"
    promote_to: tuple[str, ...] | None = None
    deletes: bool = True
    label: str | None = None


class Workspace(NamedTuple):
    """The workspace of a client.

    Attributes:
        name: Name of the workspace.
        chain: Names of the workspace and its ancestors, nearest first.
        token: The token of the client.
    """

    name: str
    chain: tuple[str, ...]
    token: TokenInfo


# -- workspaces --------------------------------------------------------------------------------


def info() -> Steps[Workspace]:
    """Return the name and chain of the workspace, and the permissions of the token.

    Raises:
        InvalidToken: The token has expired or was revoked, or its workspace was destroyed.
    """
    return one(Workspace, (yield Ask("GET", "workspace")))


def scopes() -> Steps[list[ScopeInfo]]:
    """Return the workspaces under this one, at any depth, sorted by name.

    Raises:
        InvalidToken: The token has expired or was revoked, or its workspace was destroyed.
        NotAllowed: The token does not permit `admin`.
    """
    return (yield from every(ScopeInfo, "workspaces"))


def children() -> Steps[list[ScopeInfo]]:
    """Return the workspaces directly under this one, sorted by name.

    Raises:
        InvalidToken: The token has expired or was revoked, or its workspace was destroyed.
        NotAllowed: The token does not permit `admin`.
    """
    own = yield from info()
    found = yield from scopes()
    return [each for each in found if each.parent == own.name]


def create(name: str, *, ttl: float | None = None, can: Collection[Action] | None = None) -> Steps[Issued]:
    """Create the workspace `<this one>/-/<name>`; a client returns one for it that uses the same connections.

    Args:
        name: Name of the workspace, without `/` and `#`.
        ttl: Seconds after which the workspace is removed; if omitted, it stays.
        can: Actions that the new token permits; if omitted, those of this one but `admin`.

    Raises:
        ScopeExists: A workspace of that name exists already.
        InvalidScope: The name or the ttl is not valid, or the chain would be too long.
        InvalidOption: An action is unknown.
    """
    return one(
        Issued,
        (yield Ask("POST", "workspaces", json={"name": name, "ttl": ttl, "can": None if can is None else list(can)})),
    )


def spawn(
    name: str | None = None, *, ttl: float | None = None, attach: bool = False, can: Collection[Action] | None = None
) -> Steps[Issued]:
    """Make the session `<this one>/-/<name>`; a client returns one for it that uses the same connections.

    Args:
        name: Name of the session, without `/` and `#`; generated if omitted.
        ttl: Seconds after which the session is removed; if omitted, it stays.
        attach: Return the session of that name if it exists already, and renew its ttl.
        can: Actions that the new token permits; if omitted, those of this one but `admin`.

    Raises:
        ScopeExists: A workspace of that name exists already.
        InvalidScope: The name or the ttl is not valid, or the chain would be too long.
        InvalidOption: An action is unknown.
    """
    asked = {"name": name, "ttl": ttl, "attach": attach, "can": None if can is None else list(can)}
    return one(Issued, (yield Ask("POST", "spawn", json=asked)))


def delete_workspace(name: str, *, cascade: bool = False) -> Steps[None]:
    """Remove a workspace under this one and everything in it permanently.

    Args:
        name: Name of the workspace.
        cascade: Whether to remove the workspaces under it too.

    Raises:
        ScopeNotFound: No workspace of that name is under this one.
        ScopeHasChildren: Other workspaces read through it, and `cascade` is false.
    """
    nothing((yield Ask("DELETE", "workspaces", {"name": name, "cascade": cascade})))


def move(workspace: str, *, name: str | None = None, parent: str | None = None) -> Steps[ScopeInfo]:
    """Rename a workspace under this one, or give it another parent; its files, conversations and tokens stay.

    Args:
        workspace: Name of the workspace.
        name: The new name, without `/` and `#`; it becomes `<parent>/-/<name>`. If omitted, the name stays.
        parent: Name of the workspace to inherit from: this one, or one under it. If omitted, the parent stays.

    Raises:
        ScopeNotFound: No workspace of one of the names is under this one.
        ScopeExists: A workspace of the new name exists already.
        InvalidScope: The name is not valid, the parent is the workspace itself or under it, or the chain would be too
            long.
        InvalidOption: Neither `name` nor `parent` is given.
    """
    asked = {"workspace": workspace, "name": name, "parent": parent}
    return one(ScopeInfo, (yield Ask("POST", "move", json=asked)))


def destroy(*, cascade: bool = False) -> Steps[None]:
    """Remove the workspace and everything in it permanently.

    Args:
        cascade: Whether to remove the workspaces under it too.

    Raises:
        ScopeHasChildren: Other workspaces read through it, and `cascade` is false.
    """
    nothing((yield Ask("POST", "destroy", json={"cascade": cascade})))


def renew(ttl: float | None) -> Steps[None]:
    """Set the remaining lifetime of the workspace. A workspace never outlives its parent.

    Args:
        ttl: Seconds from now; `None` removes the limit.

    Raises:
        InvalidScope: The ttl is not valid.
    """
    nothing((yield Ask("POST", "renew", json={"ttl": ttl})))


# -- tokens ------------------------------------------------------------------------------------


def create_token(
    workspace: str | None = None,
    *,
    can: Collection[Action] | None = None,
    ttl: float | None = None,
    under: str | None = None,
    promote_to: Collection[str] | None = None,
    deletes: bool = True,
    label: str | None = None,
) -> Steps[Issued]:
    """Create a token for this workspace or one under it.

    It permits no more than the token in use, expires no later, and is revoked with it.

    Args:
        workspace: Name of the workspace; if omitted, this one.
        can: The permitted actions; if omitted, those of the token in use but `admin`.
        ttl: Seconds until the token expires; if omitted, `DEFAULT_TOKEN_TTL`.
        under: A file or directory; the token permits its actions there and below only.
        promote_to: Names of the workspaces that it may promote to.
        deletes: Whether it may delete.
        label: What it is for.

    Raises:
        ScopeNotFound: No workspace of that name is under this one.
        InvalidOption: An action is unknown, or the ttl is not valid.
        InvalidPath: `under` is not a valid path.
        NotAllowed: It would permit more than the token in use.
    """
    asked = {
        "workspace": workspace,
        "can": None if can is None else list(can),
        "under": under,
        "promote_to": None if promote_to is None else list(promote_to),
        "deletes": deletes,
        "label": label,
        **({} if ttl is None else {"ttl": ttl}),
    }
    return one(Issued, (yield Ask("POST", "tokens", json=asked)))


def list_tokens() -> Steps[list[TokenInfo]]:
    """Return the valid tokens of this workspace and of those under it.

    Raises:
        InvalidToken: The token has expired or was revoked, or its workspace was destroyed.
        NotAllowed: The token does not permit `admin`.
    """
    return (yield from every(TokenInfo, "tokens"))


def revoke_token(id: str) -> Steps[None]:
    """Revoke a token of this workspace or of one under it, and the tokens created with it.

    Does nothing if the token has ended already.

    Raises:
        InvalidToken: The token has expired or was revoked, or its workspace was destroyed.
        NotAllowed: The token does not permit `admin`.
    """
    nothing((yield Ask("DELETE", "tokens", {"id": id})))
