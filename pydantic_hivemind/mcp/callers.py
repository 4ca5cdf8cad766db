"""Who calls: a workspace and what may be done there, asked anew for each request."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from pydantic_hivemind.base.token_rights import NOT_NARROWED, Narrowing, includes
from pydantic_hivemind.errors import InvalidOption
from pydantic_hivemind.hive.scope import Scope
from pydantic_hivemind.tokens import ACTIONS, Action, Tokens

TOKEN = "hivemind_token"  # noqa: S105 (its place)
"""Where in a request's state its token is."""


@dataclass(frozen=True)
class Caller:
    """A workspace, and what the caller may do there.

    Attributes:
        scope: The workspace.
        can: The permitted actions, and those that they include.
        token: Id of the token, if there is one.
        narrowing: What narrows the actions.
    """

    scope: Scope
    can: frozenset[Action]
    token: str | None = None
    narrowing: Narrowing = NOT_NARROWED


FindCaller = Callable[[Any], Caller]
"""Tells who sends a request, which is `None` where there are none, on stdio.

Raises:
    InvalidToken: Their token has ended or was revoked, or its workspace is gone.
"""


def always(scope: Scope, can: Collection[Action]) -> FindCaller:
    """Whoever it is, it is that workspace.

    Raises:
        InvalidOption: There is no such action.
    """
    caller = Caller(scope, _actions(can))
    return lambda _: caller


def by_token(tokens: Tokens, token: str, can: Collection[Action] | None) -> FindCaller:
    """Whoever it is, they have that token; `can` is the most that it allows.

    Raises:
        InvalidOption: There is no such action.
    """
    most = frozenset(ACTIONS) if can is None else _actions(can)

    def find(_: object) -> Caller:
        grant = tokens.verify(token)
        return Caller(tokens.scope(grant), _included(grant.can) & most, grant.id, grant.narrowing)

    return find


def by_request(tokens: Tokens) -> FindCaller:
    """Who sent the token of each request, if it is still valid now that all of the request is there."""

    def find(request: Any) -> Caller:
        grant = tokens.verify(request.scope["state"][TOKEN])
        return Caller(tokens.scope(grant), _included(grant.can), grant.id, grant.narrowing)

    return find


def _actions(can: Collection[Action]) -> frozenset[Action]:
    if not can or not frozenset(can) <= frozenset(ACTIONS):
        raise InvalidOption(f"`can` must list one or more of {', '.join(ACTIONS)}")
    return _included(can)


def _included(can: Collection[Action]) -> frozenset[Action]:
    return frozenset(action for action in ACTIONS if includes(can, action))
