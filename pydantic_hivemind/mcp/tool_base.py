"""`Call`: what every tool is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection
from typing import ClassVar, cast

import mcp_types as types
from pydantic import model_validator

from pydantic_hivemind.base.validation import StrictModel
from pydantic_hivemind.hive.scope import Scope
from pydantic_hivemind.tokens import Action

READS = types.ToolAnnotations(read_only_hint=True, open_world_hint=False)


def changes(*, destructive: bool, idempotent: bool) -> types.ToolAnnotations:
    """Return what clients may tell their users of a tool that changes something."""
    return types.ToolAnnotations(
        read_only_hint=False, destructive_hint=destructive, idempotent_hint=idempotent, open_world_hint=False
    )


CLIENTS_OWN = frozenset({"sessionId", "session_id", "toolCallId", "tool_call_id", "chatInput", "action", "_meta"})
"""Arguments that clients add to those of a tool: frameworks for agents send with each call which one it is."""


class Call(StrictModel, ABC):
    """A call of a tool, as a model of its arguments; one that it does not know is a mistake, above all a workspace.

    What clients add of their own accord is left out.

    Attributes:
        needs: What the caller must be allowed to do.
        any_of: Of these, the caller must be allowed to do one; empty if that does not matter.
        hints: What clients may tell their users of it.
    """

    needs: ClassVar[tuple[Action, ...]] = ("read",)
    any_of: ClassVar[tuple[Action, ...]] = ()
    hints: ClassVar[types.ToolAnnotations] = READS

    @model_validator(mode="before")
    @classmethod
    def _leave_out(cls, fields: object) -> object:
        if not isinstance(fields, dict):
            return fields
        sent = cast("dict[object, object]", fields)
        return {name: value for name, value in sent.items() if name in cls.model_fields or name not in CLIENTS_OWN}

    @classmethod
    def is_offered(cls, can: Collection[Action]) -> bool:
        """Return whether callers who may do this see the tool."""
        return set(cls.needs) <= set(can) and (not cls.any_of or not set(cls.any_of).isdisjoint(can))

    def needed(self, scope: Scope) -> tuple[Action, ...]:  # noqa: ARG002 - others depend on it
        """Return what this call needs besides; most need no more."""
        return ()

    def targets(self, scope: Scope) -> tuple[str, ...]:  # noqa: ARG002
        """Return the ancestors that this call changes without naming them; most change none."""
        return ()

    @abstractmethod
    def run(self, scope: Scope) -> str:
        """Do it, and tell what came of it. Raises `HivemindError`."""
