"""The immutable values that describe proposals: promotions that wait."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic_hivemind.base.values import Actor, OnConflict, PromotionReport

ProposalState = Literal["waiting", "made", "rejected", "withdrawn", "reverted", "void"]
"""What became of a proposal; `made` when it was approved, `void` when its source is gone before that."""


@dataclass(frozen=True, slots=True)
class ProposalInfo:
    """Description of a proposal: a promotion that waits to be approved.

    Attributes:
        id: Id of the proposal, and of the promotion that it becomes.
        source: Name of the scope that proposes its changes.
        target: Name of the ancestor that would receive them.
        state: What became of it.
        note: What whoever proposed it says.
        created_at: Time of proposing, in seconds since the epoch.
        actor: Who proposed it.
        report: What it would have done then, without the contents of conflicts.
        tags: The tags that select its files; `None` for all.
        paths: The globs that select its paths; `None` for all.
        also: What it takes along of what mounts leave behind.
        on_conflict: What it does where both sides changed the same lines.
        decided_at: Time of the decision, in seconds since the epoch.
        decided_by: Who approved, rejected or withdrew it.
        decision_note: What they say.
    """

    id: str
    source: str
    target: str
    state: ProposalState
    note: str | None
    created_at: float
    actor: Actor | None
    report: PromotionReport
    tags: tuple[str, ...] | None
    paths: tuple[str, ...] | None
    also: tuple[str, ...]
    on_conflict: OnConflict
    decided_at: float | None = None
    decided_by: Actor | None = None
    decision_note: str | None = None
