"""The rights of a token: its actions, and what narrows them. One place decides for HTTP and MCP."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from pydantic_hivemind.base.paths import is_below, normalize
from pydantic_hivemind.errors import InvalidOption, NotAllowed

Action = Literal["read", "append", "write", "propose", "promote", "admin"]
"""What a token may permit: reading its workspace and what that inherits; adding new files and notes to its workspace,
or changing it in any way; proposing a promotion of it, or promoting it; and creating, listing and destroying
workspaces and tokens under it, or itself. `write` includes `append`, and `promote` includes `propose`."""

ACTIONS: tuple[Action, ...] = get_args(Action)
"""Every action, in the order in which they are listed."""

_INCLUDED_IN: dict[Action, Action] = {"append": "write", "propose": "promote"}

_BY_PATH = frozenset(
    {"read", "head", "exists", "stat", "list_dir", "glob", "grep", "search", "history"}
    | {"write_bytes", "write", "edit", "merge", "make_dir", "tag"}
)
_REMOVING = frozenset({"remove", "restore"})
_OF_PROMOTION = frozenset({"promote", "propose"})
# They reach no file, or are refused by the rights that a token made here inherits.
_ANYWHERE = frozenset(["info", "scopes", "create", "spawn", "create_token", "list_tokens", "revoke_token"])
_WHOLE_WORKSPACE = frozenset({"diff", "revert", "renew", "destroy", "delete_workspace"})
_WILD = frozenset("*?[]{}!\\")
# A ttl of no time ends a workspace as well.
_ENDING = frozenset({"revert", "renew", "destroy", "delete_workspace"})


def includes(can: Collection[Action], action: Action) -> bool:
    """Return whether actions include another one."""
    return action in can or _INCLUDED_IN.get(action) in can


@dataclass(frozen=True)
class Narrowing:
    """What narrows the actions of a token.

    Attributes:
        under: Only this file or directory, and what is below it.
        promote_to: Names of the workspaces that it may promote to; `None` for any that its workspace inherits from.
        deletes: Whether it may delete.
    """

    under: str = "/"
    promote_to: tuple[str, ...] | None = None
    deletes: bool = True

    @classmethod
    def from_json(cls, text: str | None) -> Narrowing:
        """Return what was stored; nothing stored narrows nothing."""
        if text is None:
            return cls()
        stored: dict[str, Any] = json.loads(text)
        targets = stored["promote_to"]
        return cls(stored["under"], None if targets is None else tuple(targets), stored["deletes"])

    def to_json(self) -> str | None:
        """Return it as text to store."""
        if self == NOT_NARROWED:
            return None
        return json.dumps({"under": self.under, "promote_to": self.promote_to, "deletes": self.deletes})

    def further(self, under: str | None, promote_to: Collection[str] | None, *, deletes: bool) -> Narrowing:
        """Return it narrowed further; what is `None` stays as it is.

        Raises:
            NotAllowed: It would permit more than before.
            InvalidPath: The path is not valid.
            InvalidOption: `promote_to` is text instead of a list.
        """
        if isinstance(promote_to, str):
            raise InvalidOption("`promote_to` must be a list of names of workspaces")
        path = self.under if under is None else normalize(under)
        if not is_below(path, self.under):
            raise NotAllowed(f"the token is limited to {self.under!r}; a token made with it cannot be for {path!r}")
        targets = self.promote_to if promote_to is None else tuple(dict.fromkeys(promote_to))
        for name in targets or ():
            if self.promote_to is not None and name not in self.promote_to:
                raise NotAllowed("the token does not permit promoting to one of `promote_to`; name fewer workspaces")
        return Narrowing(path, targets, deletes and self.deletes)

    def check(self, operation: str, arguments: Mapping[str, Any], parent: Callable[[], str | None]) -> None:
        """Check that an operation with such arguments is within the rights.

        An operation that is not known here is refused to a token that is narrowed in any way.

        Args:
            operation: Name of the operation, as in `Scope`.
            arguments: Its arguments; those that count here are `path`, `under`, `pattern`, `to`, `paths` and `also`.
            parent: Returns the name of the parent of the workspace.

        Raises:
            NotAllowed: It is not.
            InvalidPath: A path is not valid.
        """
        if self == NOT_NARROWED:
            return
        if operation == "spawn" and arguments.get("attach"):
            # It sets the ttl of a session that there may be.
            self._check_deletes()
        if operation in _ANYWHERE:
            return
        if operation in _REMOVING or operation in _ENDING:
            self._check_deletes()
        if operation in _BY_PATH or operation in _REMOVING:
            self._check_paths(str(arguments[name]) for name in ("path", "under") if arguments.get(name) is not None)
            self._check_pattern(arguments.get("pattern") if operation == "glob" else None)
        elif operation in _OF_PROMOTION:
            self._check_promotion(arguments, parent)
        elif operation not in _WHOLE_WORKSPACE:
            raise NotAllowed("the rights of the token are narrowed and do not include this operation; use another one")
        elif self.under != "/":
            raise NotAllowed(f"the token is limited to {self.under!r}, and this concerns the whole workspace")

    def _check_deletes(self) -> None:
        if not self.deletes:
            raise NotAllowed("the token does not permit deleting; use a token that does")

    def _check_paths(self, paths: Iterable[str]) -> None:
        for path in paths:
            if not is_below(normalize(path), self.under):
                raise NotAllowed(f"the token is limited to {self.under!r}; name a path in there")

    def _check_pattern(self, pattern: object) -> None:
        if self.under != "/" and pattern is not None and (str(pattern)[:1] == "/" or ".." in str(pattern).split("/")):
            raise NotAllowed(f"the token is limited to {self.under!r}; the pattern must be relative and without `..`")

    def _check_promotion(self, arguments: Mapping[str, Any], parent: Callable[[], str | None]) -> None:
        if self.promote_to is not None and (arguments.get("to") or parent()) not in self.promote_to:
            raise NotAllowed("the token does not permit promoting there; its `promote_to` names where it may")
        if self.under == "/":
            return
        paths = list(arguments.get("paths") or ())
        # Promotion takes a path without a first slash for a name at any depth.
        if not paths or any(path[:1] != "/" or not _WILD.isdisjoint(path) for path in paths):
            raise NotAllowed(
                f"the token is limited to {self.under!r}; pass absolute `paths` in there, without wildcards"
            )
        self._check_paths([*paths, *(arguments.get("also") or ())])


NOT_NARROWED = Narrowing()
"""What narrows nothing."""
