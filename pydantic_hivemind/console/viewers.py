"""Who looks at the console, and what they may see and do there."""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from dataclasses import dataclass

from pydantic_hivemind.base.acting import current_actor
from pydantic_hivemind.base.token_rights import NOT_NARROWED
from pydantic_hivemind.base.values import Actor, Version
from pydantic_hivemind.errors import InvalidToken, NotAllowed
from pydantic_hivemind.hive import descendants
from pydantic_hivemind.hive.hivemind import Hivemind
from pydantic_hivemind.hive.scope import Scope
from pydantic_hivemind.rendering.known_versions import for_reader
from pydantic_hivemind.tokens import Action, Grant, Tokens


@dataclass(frozen=True)
class Viewer:
    """Somebody who is signed in.

    Attributes:
        hive: The hive.
        grant: What their token permits; `None` for the operator, who may do everything.
        own: The workspace of their token; `None` for the operator.
        actor: Who is noted with what they do.
    """

    hive: Hivemind
    grant: Grant | None
    own: Scope | None
    actor: Actor

    @property
    def is_operator(self) -> bool:
        """Whether they may do everything, in every workspace."""
        return self.grant is None

    @property
    def is_admin(self) -> bool:
        """Whether they see workspaces under their own, or all."""
        return self.may("admin")

    @property
    def is_narrowed(self) -> bool:
        """Whether their token permits its actions in one directory only, or no deletes, or few promotions."""
        return self.grant is not None and self.grant.narrowing != NOT_NARROWED

    def may(self, *actions: Action) -> bool:
        """Return whether all of these are permitted."""
        return self.grant is None or all(map(self.grant.permits, actions))

    def require(self, *actions: Action) -> None:
        """Check that all of these are permitted.

        Raises:
            NotAllowed: One is not.
        """
        for action in actions:
            if self.grant is not None:
                self.grant.require(action)

    def check(self, scope: Scope, operation: str, **arguments: object) -> None:
        """Check that an operation, named as in `Scope`, is within what narrows their token.

        Raises:
            NotAllowed: It is not.
        """
        if self.grant is not None:
            above = scope.parent
            self.grant.narrowing.check(operation, arguments, lambda: None if above is None else above.name)

    def known(self, scope: Scope, versions: Iterable[Version]) -> list[Version]:
        """Return versions in a workspace as they may know them."""
        return [for_reader(version, scope.chain, is_admin=self.is_admin) for version in versions]

    def require_operator(self) -> None:
        """Check that they run the store.

        Raises:
            NotAllowed: They have a token instead.
        """
        if not self.is_operator:
            raise NotAllowed("this page is for whoever runs the store; open it there with `hivemind console`")

    def workspace(self, name: str) -> Scope:
        """Return a workspace that they may see: their own, and for an admin those under it.

        Raises:
            ScopeNotFound: There is no such workspace, or it is not theirs to see.
        """
        if self.own is None:
            return self.hive.get(name)
        if name == self.own.name:
            return self.own
        if not self.is_admin:
            raise descendants.not_under(name)
        return descendants.find(self.hive, self.own, name)

    def sees(self, name: str) -> bool:
        """Return whether a workspace of the chain of one that they see can be opened by them, too."""
        if self.own is None or name == self.own.name:
            return True
        return self.is_admin and name not in self.own.chain[1:]


class Viewers:
    """Finds out who somebody is by what their browser keeps: a token, or the key of the operator."""

    def __init__(self, hive: Hivemind, tokens: Tokens, operator_key: str | None) -> None:
        self._hive = hive
        self._tokens = tokens
        self._operator_key = operator_key
        # A server is not who started it, but the operator of a console that they opened is.
        self._operator = current_actor() or Actor(user="operator")

    def find(self, credential: str) -> Viewer:
        """Return who has a token or the key.

        Raises:
            InvalidToken: It is not valid.
        """
        if self._operator_key is not None and hmac.compare_digest(
            credential.encode(errors="replace"), self._operator_key.encode()
        ):
            return Viewer(self._hive, None, None, self._operator)
        if not credential:
            raise InvalidToken("sign in with a token")
        grant = self._tokens.verify(credential)
        return Viewer(self._hive, grant, self._tokens.scope(grant), Actor(token=grant.id))
