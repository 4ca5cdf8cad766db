"""Tokens: each is for one workspace, permits some actions there, expires, and can be revoked."""

from __future__ import annotations

import math
import time
import uuid
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Literal, cast, get_args

import jwt

from pydantic_hivemind.base.store_permissions import MIN_SECRET_BYTES, SECRET_FILE, new_secret, secret_in
from pydantic_hivemind.errors import InvalidOption, InvalidToken, NotAllowed, ScopeNotFound
from pydantic_hivemind.hive.handle import database_of, row_of
from pydantic_hivemind.hive.hivemind import Hivemind, store_of
from pydantic_hivemind.hive.scope import Scope
from pydantic_hivemind.ledger import overlay, token_records
from pydantic_hivemind.ledger import signing_secrets as kept_secrets
from pydantic_hivemind.ledger.engine.database import Database
from pydantic_hivemind.ledger.token_records import TokenRow
from pydantic_hivemind.limits import DEFAULT_TOKEN_TTL, MAX_TTL

__all__ = ["ACTIONS", "Action", "Grant", "Tokens"]


Action = Literal["read", "write", "promote", "admin"]
"""What a token may permit: reading its workspace and what that inherits, changing its workspace, promoting it, and
creating, listing and destroying workspaces and tokens under it, or itself. None of them implies another."""

ACTIONS: tuple[Action, ...] = get_args(Action)
"""Every action, in the order in which they are listed."""

# Its types of keys can be read only where an optional library is installed.
_codec: Any = jwt

_ALGORITHM = "HS256"
_AUDIENCE = "hivemind"
_REFUSED = (
    "the token is not valid: it is unknown, has expired or was revoked, or its workspace was deleted; create a new one"
)


@dataclass(frozen=True)
class Grant:
    """The permissions of a token.

    Attributes:
        id: Id of the token, by which it is revoked; it is not secret.
        workspace: Name of the workspace that the token is for.
        can: The permitted actions.
        created_at: Creation time, in seconds since the epoch.
        expires_at: Time at which it expires, in seconds since the epoch.
        made_by: Id of the token that created this one; revoking that one revokes this one too. `None` for a token
            created by whoever runs the store.
    """

    id: str
    workspace: str
    can: frozenset[Action]
    created_at: float
    expires_at: float
    made_by: str | None
    # A name can be used again, the ledger's id of a scope never.
    scope_id: int = field(repr=False)

    def require(self, action: Action) -> None:
        """Check that an action is permitted.

        Raises:
            NotAllowed: The token does not permit it.
        """
        if action not in self.can:
            raise NotAllowed(f"the token does not permit {action!r}; use a token that does")


class Tokens:
    """The tokens of a hive. It is safe to use from any thread.

    Every operation raises `StoreClosed` once the hive is closed, and `StoreBusy` or `StoreUnreachable` if the database
    does not answer in time. `create` and `revoke` can also raise `StoreFull` or `StoreReadOnly`.

    Args:
        hive: The hive.
        secret: Signing key, 32 bytes or more. If omitted, the store's own key is used: it is created with the first
            token and stored in a file of the store's directory that only the owner can read, or in the database.
    """

    def __init__(self, hive: Hivemind, *, secret: bytes | None = None) -> None:
        self._hive = hive
        self._database, self._directory = store_of(hive)
        self._secret = secret

    def create(
        self,
        workspace: Scope | str,
        *,
        can: Collection[Action] = ("read", "write"),
        ttl: float = DEFAULT_TOKEN_TTL,
        by: Grant | None = None,
    ) -> str:
        """Create a token for a workspace and return it. The token is secret and is not stored.

        Args:
            workspace: The workspace or its name.
            can: The permitted actions.
            ttl: Seconds until the token expires.
            by: The token that creates this one: the new token permits no more, expires no later, and is revoked with
                it.

        Raises:
            ScopeNotFound: The workspace does not exist.
            ScopeGone: The workspace was destroyed.
            InvalidOption: An action is unknown, the ttl is not a positive number up to ten years, the workspace is of
                another hive, or the secret is too short.
            NotAllowed: `by` does not permit one of the actions.
            InvalidToken: `by` has expired or was revoked.
        """
        allowed = _actions(can)
        if not 0 < ttl <= MAX_TTL:
            raise InvalidOption(f"the ttl of a token must be a positive number of seconds, at most {MAX_TTL:.0f}")
        scope = self._hive.get(workspace) if isinstance(workspace, str) else workspace
        if database_of(scope) != self._database:
            raise InvalidOption("the workspace belongs to another hive; pass a workspace of the hive of these tokens")
        now = time.time()
        ends = now + ttl
        if by is not None:
            for action in allowed:
                by.require(action)
            ends = min(ends, by.expires_at)
        made_by = None if by is None else by.id
        row = TokenRow(uuid.uuid4().hex, row_of(scope).id, scope.name, ",".join(allowed), now, ends, made_by)
        with self._database.write(row_of(scope).chain) as tx:
            overlay.check_alive(tx, row_of(scope).chain)
            if made_by is not None and not token_records.hold(tx, made_by):
                raise InvalidToken(_REFUSED)
            token_records.store(tx, row)
        claims = {"jti": row.id, "aud": _AUDIENCE, "sub": row.scope, "can": allowed, "exp": math.ceil(ends)}
        return _codec.encode(claims, self._key(), algorithm=_ALGORITHM)

    def verify(self, token: str) -> Grant:
        """Return the permissions of a token.

        Raises:
            InvalidToken: The token was not created by this hive, has expired, was revoked, or its workspace was
                destroyed.
            InvalidOption: The secret is too short.
        """
        key = self._key()
        required = {"require": ["jti", "exp", "aud"]}
        try:
            claims = _codec.decode(token, key, algorithms=[_ALGORITHM], audience=_AUDIENCE, options=required)
        except (jwt.InvalidTokenError, ValueError):
            raise InvalidToken(_REFUSED) from None
        with self._database.read() as tx:
            row = token_records.find(tx, str(claims["jti"]))
        if row is None:
            raise InvalidToken(_REFUSED)
        return _grant(row)

    def scope(self, grant: Grant) -> Scope:
        """Return the workspace that a token is for.

        Raises:
            InvalidToken: The workspace was destroyed; a later workspace of the same name is a different one.
        """
        with suppress(ScopeNotFound):
            scope = self._hive.get(grant.workspace)
            if row_of(scope).id == grant.scope_id:
                return scope
        raise InvalidToken(_REFUSED)

    def list(
        self, *, within: Scope | None = None, after: tuple[str, float, str] | None = None, limit: int | None = None
    ) -> list[Grant]:
        """Return the valid tokens, or a page of some, sorted by workspace and creation time.

        Args:
            within: Only tokens for this workspace, and for those that read through to it at any depth.
            after: The workspace, creation time and id of the last token of the page before.
            limit: Most tokens to return.

        Raises:
            StoreClosed: The hive is closed.
        """
        ancestor = None if within is None else row_of(within).id
        place = None if after is None else token_records.Place(*after)
        with self._database.read() as tx:
            return [_grant(row) for row in token_records.page(tx, within=ancestor, after=place, limit=limit)]

    def revoke(self, id: str, *, within: Scope | None = None) -> bool:
        """Revoke a token and the tokens created with it, and return whether it was valid.

        Args:
            id: The token's id.
            within: Only if it is for this workspace, or for one that reads through to it at any depth.

        Raises:
            StoreClosed: The hive is closed.
        """
        with self._database.write() as tx:
            if within is not None and not token_records.is_within(tx, id, row_of(within).id):
                return False
            return token_records.forget(tx, id)

    def _key(self) -> bytes:
        if self._secret is None:
            self._secret = _secret_of(self._database) if self._directory is None else secret_in(self._directory)
        if len(self._secret) < MIN_SECRET_BYTES:
            raise InvalidOption(f"the secret is too short; it must have {MIN_SECRET_BYTES} bytes or more")
        return self._secret


def _actions(can: Collection[Action]) -> list[Action]:
    """Return each action once, in the order of `ACTIONS`."""
    allowed: list[Action] = [action for action in ACTIONS if action in can]
    if not allowed or len(allowed) != len(set(can)) or isinstance(can, str):
        raise InvalidOption(f"`can` must list one or more of {', '.join(ACTIONS)}")
    return allowed


def _grant(row: TokenRow) -> Grant:
    can = frozenset(cast("list[Action]", row.can.split(",")))
    return Grant(row.id, row.scope, can, row.created_at, row.expires_at, row.made_by, row.scope_id)


def _secret_of(database: Database) -> bytes:
    """Return the signing key stored in the database, creating it if needed."""
    with database.read() as tx:
        known = kept_secrets.find(tx, SECRET_FILE)
    if known is not None:
        return known
    with database.write() as tx:
        # Another process may have been first.
        known = kept_secrets.find(tx, SECRET_FILE)
        if known is None:
            known = new_secret()
            kept_secrets.store(tx, SECRET_FILE, known)
        return known
