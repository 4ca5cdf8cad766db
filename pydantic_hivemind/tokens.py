"""Tokens: each is for one workspace, permits some actions there, expires, and can be revoked."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import uuid
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, cast

from pydantic_hivemind.base.revoked_ids import RevokedIds
from pydantic_hivemind.base.store_permissions import MIN_SECRET_BYTES, SECRET_FILE, new_secret, secret_in
from pydantic_hivemind.base.token_rights import ACTIONS, NOT_NARROWED, Action, Narrowing, includes
from pydantic_hivemind.errors import InvalidOption, InvalidToken, NotAllowed, ScopeNotFound
from pydantic_hivemind.hive.handle import database_of, row_of
from pydantic_hivemind.hive.hivemind import Hivemind, store_of
from pydantic_hivemind.hive.scope import Scope
from pydantic_hivemind.ledger import overlay, token_records
from pydantic_hivemind.ledger import signing_secrets as kept_secrets
from pydantic_hivemind.ledger.engine.database import Database
from pydantic_hivemind.ledger.token_records import TokenRow
from pydantic_hivemind.limits import DEFAULT_TOKEN_TTL, MAX_LABEL_CHARS, MAX_TTL

__all__ = ["ACTIONS", "Action", "Grant", "Tokens"]


_PREFIX = "hm_"
_OPAQUE = re.compile(r"hm_([0-9a-f]{32})_[A-Za-z0-9_-]{43}", re.ASCII)
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
        narrowing: What narrows the actions; its fields are properties of the grant too.
        label: What it is for, in the words of whoever created it.
    """

    id: str
    workspace: str
    can: frozenset[Action]
    created_at: float
    expires_at: float
    made_by: str | None
    # A name can be used again, the ledger's id of a scope never.
    scope_id: int = field(repr=False)
    narrowing: Narrowing = NOT_NARROWED
    label: str | None = None

    @property
    def under(self) -> str:
        """The file or directory that it is limited to; `/` for the whole workspace."""
        return self.narrowing.under

    @property
    def promote_to(self) -> tuple[str, ...] | None:
        """Names of the workspaces that it may promote to; `None` for any that its workspace inherits from."""
        return self.narrowing.promote_to

    @property
    def deletes(self) -> bool:
        """Whether it may delete."""
        return self.narrowing.deletes

    def permits(self, action: Action) -> bool:
        """Return whether an action is permitted, by itself or by one that includes it."""
        return includes(self.can, action)

    def require(self, action: Action) -> None:
        """Check that an action is permitted.

        Raises:
            NotAllowed: The token does not permit it.
        """
        if not self.permits(action):
            raise NotAllowed(f"the token does not permit {action!r}; use a token that does")


class Tokens:
    """The tokens of a hive. It is safe to use from any thread.

    Every operation raises `StoreClosed` once the hive is closed, and `StoreBusy` or `StoreUnreachable` if the database
    does not answer in time. `create` and `revoke` can also raise `StoreFull` or `StoreReadOnly`, and
    each of them `StoreUnsafe` if a file with a secret in it is a symbolic link.

    Args:
        hive: The hive.
        secret: Key of the stored hashes, 32 bytes or more. If omitted, the store's own key is used: it is created
            with the first token and stored in a file of the store's directory that only the owner can read, or in the
            database.
    """

    def __init__(self, hive: Hivemind, *, secret: bytes | None = None) -> None:
        self._hive = hive
        self._database, self._directory = store_of(hive)
        self._secret = secret
        self._revoked = None if self._directory is None else RevokedIds(self._directory)

    def create(
        self,
        workspace: Scope | str,
        *,
        can: Collection[Action] = ("read", "write"),
        ttl: float = DEFAULT_TOKEN_TTL,
        under: str | None = None,
        promote_to: Collection[str] | None = None,
        deletes: bool = True,
        label: str | None = None,
        by: Grant | None = None,
    ) -> str:
        """Create a token for a workspace and return it. The token is random and secret; only a hash of it is stored.

        Args:
            workspace: The workspace or its name.
            can: The permitted actions.
            ttl: Seconds until the token expires.
            under: A file or directory; the token permits its actions there and below only.
            promote_to: Names of the workspaces that it may promote to; if omitted, any that the workspace inherits
                from.
            deletes: Whether it may delete; a file can be overwritten without, since its history remains.
            label: What it is for, to be shown in lists.
            by: The token that creates this one: the new token permits no more, expires no later, and is revoked with
                it.

        Raises:
            ScopeNotFound: The workspace does not exist.
            ScopeGone: The workspace was destroyed.
            InvalidOption: An action is unknown, the ttl is not a positive number up to ten years, the workspace is of
                another hive, the label is too long, or the secret is too short.
            InvalidPath: `under` is not a valid path.
            NotAllowed: `by` does not permit one of the actions, is narrower, or is for a workspace that this one does
                not read through to.
            InvalidToken: `by` has expired or was revoked.
        """
        allowed = _actions(can)
        if not 0 < ttl <= MAX_TTL:
            raise InvalidOption(f"the ttl of a token must be a positive number of seconds, at most {MAX_TTL:.0f}")
        scope = self._hive.get(workspace) if isinstance(workspace, str) else workspace
        if database_of(scope) != self._database:
            raise InvalidOption("the workspace belongs to another hive; pass a workspace of the hive of these tokens")
        if label is not None and len(label) > MAX_LABEL_CHARS:
            raise InvalidOption(f"the label of a token can have at most {MAX_LABEL_CHARS} characters")
        if by is not None:
            for action in allowed:
                by.require(action)
            if by.scope_id not in row_of(scope).chain:
                raise NotAllowed("a token can make tokens only for its own workspace and those under it")
        narrowing = (NOT_NARROWED if by is None else by.narrowing).further(under, promote_to, deletes=deletes)
        made_by = None if by is None else by.id
        id = uuid.uuid4().hex
        token = f"{_PREFIX}{id}_{secrets.token_urlsafe(32)}"
        proof = self._hash(token)
        with self._database.write(row_of(scope).chain) as tx:
            overlay.check_alive(tx, row_of(scope).chain)
            now = tx.now()
            row = TokenRow(
                id,
                row_of(scope).id,
                scope.name,
                ",".join(allowed),
                now,
                now + ttl if by is None else min(now + ttl, by.expires_at),
                made_by,
                proof,
                narrowing.to_json(),
                label,
            )
            if made_by is not None and not token_records.hold(tx, made_by):
                raise InvalidToken(_REFUSED)
            token_records.store(tx, row)
        return token

    def verify(self, token: str) -> Grant:
        """Return the permissions of a token.

        Raises:
            InvalidToken: The token was not created by this hive, has expired, was revoked, or its workspace was
                destroyed.
            InvalidOption: The secret is too short.
        """
        found = _OPAQUE.fullmatch(token)
        id = _signed_id(token, self._key()) if found is None else found[1]
        with self._database.read() as tx:
            row = token_records.find(tx, id)
        if row is not None:
            proof = None if found is None else self._hash(token)
            # A signed token has no hash, and a token with a hash is not accepted signed.
            if not hmac.compare_digest(proof or b"", row.hash or b""):
                row = None
        if row is None or (self._revoked is not None and row.id in self._revoked):
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

        def page() -> list[TokenRow]:
            with self._database.read() as tx:
                return token_records.page(tx, within=ancestor, after=place, limit=limit)

        rows = page()
        revived = [row.id for row in rows if self._revoked is not None and row.id in self._revoked]
        while revived:
            # They came back with an older ledger; without them the page is another one.
            with self._database.write() as tx:
                for id in revived:
                    token_records.forget(tx, id)
            rows = page()
            revived = [row.id for row in rows if self._revoked is not None and row.id in self._revoked]
        return [_grant(row) for row in rows]

    def revoke(self, id: str, *, within: Scope | None = None, by: Grant | None = None) -> bool:
        """Revoke a token and the tokens created with it, and return whether it was valid.

        Args:
            id: The token's id.
            within: Only if it is for this workspace, or for one that reads through to it at any depth.
            by: The token that revokes it.

        Raises:
            NotAllowed: `by` was created with that token, at any depth.
            StoreClosed: The hive is closed.
        """
        with self._database.write() as tx:
            if within is not None and not token_records.is_within(tx, id, row_of(within).id):
                return False
            ids = token_records.made_by(tx, id)
            if by is not None and by.id != id and by.id in ids:
                raise NotAllowed("a token cannot revoke the one that it was created with")
            if self._revoked is not None and ids:
                # Before the ledger, and beside it: a ledger that is put back from a backup knows nothing of it.
                self._revoked.add(ids)
            return token_records.forget(tx, id)

    def _hash(self, token: str) -> bytes:
        return hmac.digest(self._key(), token.encode(), hashlib.sha256)

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
    narrowing = Narrowing.from_json(row.narrowed)
    return Grant(
        row.id, row.scope, can, row.created_at, row.expires_at, row.made_by, row.scope_id, narrowing, row.label
    )


def _signed_id(token: str, key: bytes) -> str:
    """Return the id in a signed token, as tokens were at first; those are valid until they expire.

    Raises:
        InvalidToken: It is not signed with the key, or has expired.
    """
    if token.count(".") != 2:  # noqa: PLR2004 - spares the import
        raise InvalidToken(_REFUSED)
    import jwt

    # Its types of keys can be read only where an optional library is installed.
    codec: Any = jwt
    required = {"require": ["jti", "exp", "aud"]}
    try:
        claims = codec.decode(token, key, algorithms=[_ALGORITHM], audience=_AUDIENCE, options=required)
    except (jwt.InvalidTokenError, ValueError):
        raise InvalidToken(_REFUSED) from None
    return str(claims["jti"])


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
