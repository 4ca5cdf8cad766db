"""Carrying out a promotion: it is planned without a lock, checked again under the lock, and written set by set."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

from pydantic_hivemind.base.paths import ancestors_of
from pydantic_hivemind.base.values import PromotionReport
from pydantic_hivemind.errors import ProposalConflict
from pydantic_hivemind.ledger import (
    actor_records,
    idempotency,
    layer_batches,
    layer_copies,
    overlay,
    promotion_facts,
    promotion_records,
)
from pydantic_hivemind.ledger.engine.database import Database, Transaction
from pydantic_hivemind.ledger.layer import Cause
from pydantic_hivemind.ledger.layer_batches import KeptFile, LoggedAs, NewState
from pydantic_hivemind.ledger.overlay import Head
from pydantic_hivemind.ledger.promotion_facts import Facts
from pydantic_hivemind.ledger.promotion_records import Decision
from pydantic_hivemind.ledger.schema import Kind
from pydantic_hivemind.ledger.scopes import ScopeRow
from pydantic_hivemind.promotion.draft import LayerChange
from pydantic_hivemind.promotion.plan import Rules
from pydantic_hivemind.promotion.plan_reader import ATTEMPTS, plan_within, read_plan
from pydantic_hivemind.promotion.report import refusal, report_of
from pydantic_hivemind.promotion.steps import Plan

PROMOTED = Cause("promote")
"""Why a scope lets go of what its ancestor has now."""


@dataclass(frozen=True)
class Approval:
    """The decision for a proposal.

    Attributes:
        offered: Digest of what was proposed, which is what has to be promoted.
        note: What whoever approves it says.
    """

    offered: str
    note: str | None


@dataclass(frozen=True)
class Promotion:
    """A promotion as it was asked for.

    Attributes:
        id: Its own, which `revert` and `history` know it by.
        source: The scope that is promoted.
        level: How far up the chain the receiving scope is; 1 is the parent.
        target: The name of the receiving scope.
        rules: Which changes to take, and how.
        approval: If it is a proposal, the decision for it.
    """

    id: str
    source: ScopeRow
    level: int
    target: str
    rules: Rules
    approval: Approval | None = None

    @property
    def arguments(self) -> tuple[object, ...]:
        """What tells a retry from another promotion."""
        selection = self.rules.selection
        tags = None if selection.tags is None else sorted(selection.tags)
        also = (list(selection.also),) if selection.also else ()
        if self.approval is not None:
            return "approve", self.id, self.rules.on_conflict, self.approval.note
        return "promote", self.target, tags, selection.paths, self.rules.on_conflict, *also


def preview(database: Database, promotion: Promotion) -> PromotionReport:
    """Return the report of a dry run.

    Raises:
        ScopeGone: The scope was destroyed or its ttl has run out.
    """
    _, plan = read_plan(database, promotion.source.chain, promotion.level, promotion.rules)
    return _report(promotion, plan, dry_run=True)


def promote(database: Database, promotion: Promotion, operation_id: str | None) -> PromotionReport:
    """Merge a scope's own changes into an ancestor: all of them or nothing.

    Raises:
        PromotionConflict: Both sides changed the same, and `on_conflict` is `fail`.
        OperationConflict: The operation id was used for something else.
        ScopeGone: The scope was destroyed or its ttl has run out.
    """
    chain = promotion.source.chain
    if operation_id is not None:
        mark = idempotency.fingerprint(*promotion.arguments)
        with database.read() as tx:
            overlay.check_alive(tx, chain)
            done = idempotency.find(tx, chain[0], operation_id, mark)
        if done is not None and isinstance(done.outcome, PromotionReport):
            return done.outcome
    for _ in range(ATTEMPTS):
        facts, plan = read_plan(database, chain, promotion.level, promotion.rules)
        _check(promotion, plan)
        with database.write(chain) as tx:
            overlay.check_alive(tx, chain)
            if _is_current(tx, facts):
                return _carry_out(tx, promotion, facts, plan, operation_id)
            tx.abandon()
    with database.write(chain) as tx:
        facts, plan = plan_within(tx, chain, promotion.level, promotion.rules)
        _check(promotion, plan)
        return _carry_out(tx, promotion, facts, plan, operation_id)


def _check(promotion: Promotion, plan: Plan) -> None:
    if promotion.approval is not None and digest(plan) != promotion.approval.offered:
        raise ProposalConflict("the source has changed what it proposed; look at it again when it is proposed again")
    if plan.clashes and promotion.rules.on_conflict == "fail":
        raise refusal(plan, _report(promotion, plan, dry_run=False))


def _report(promotion: Promotion, plan: Plan, *, dry_run: bool) -> PromotionReport:
    return report_of(plan, id=promotion.id, source=promotion.source.name, target=promotion.target, dry_run=dry_run)


def _is_current(tx: Transaction, facts: Facts) -> bool:
    """Whether nothing that a plan rests on was changed since its facts were read."""
    now = promotion_facts.watermarks(tx, facts.chain)
    if now[0] != facts.watermarks[0]:
        return False
    own = facts.layers[0]
    for scope_id, before, after in zip(facts.chain, facts.watermarks, now, strict=True):
        if before != after:
            for path in promotion_facts.changed_paths(tx, scope_id, before):
                if path in own or any(above in own and own[above].blocks for above in ancestors_of(path)):
                    return False
    return True


def _carry_out(
    tx: Transaction, promotion: Promotion, facts: Facts, plan: Plan, operation_id: str | None
) -> PromotionReport:
    def work() -> PromotionReport:
        if plan.changes_anything:
            _write(tx, promotion, facts, plan)
        if promotion.approval is not None:
            decision = Decision("made", promotion.approval.note, len(plan.changes))
            if not promotion_records.decide(tx, promotion.id, decision):
                raise ProposalConflict("the proposal does not wait any more; it was decided on meanwhile")
        return _report(promotion, plan, dry_run=False)

    return idempotency.once(tx, facts.chain[0], operation_id, promotion.arguments, work)


def _write(tx: Transaction, promotion: Promotion, facts: Facts, plan: Plan) -> None:
    source, target = facts.chain[0], facts.chain[promotion.level]
    own = facts.layers[0]
    copied = {change.path for change in plan.changes if _is_copy(change, own.get(change.path))}
    others = [_state(change) for change in plan.changes if change.path not in copied]
    cause = Cause("promote", promotion.source.name, promotion.id)
    actor = actor_records.current_id(tx)
    logged = LoggedAs(cause, len(plan.changes), after=facts.watermarks[promotion.level], actor=actor)
    layer_copies.copy(tx, target, source, sorted(copied), logged)
    layer_batches.apply(tx, target, others, logged)
    layer_batches.add_bases(tx, target, plan.bases)
    layer_copies.drop(tx, source, sorted(head.path for head in plan.released), PROMOTED)
    followed = [KeptFile(file.path, file.scope_id) for file in plan.followed]
    layer_batches.keep(tx, source, followed, "merge", after=facts.watermarks[0])
    bases = [row for file in plan.followed for row in file.bases]
    layer_batches.add_bases(tx, source, bases)
    if promotion.approval is None:
        promotion_records.add(
            tx,
            promotion.id,
            target_id=target,
            source=promotion.source,
            selection=json.dumps(promotion.arguments[2:]),
            changes=len(plan.changes),
        )


def digest(plan: Plan) -> str:
    """Return what tells one state of what a plan takes from the source from another."""
    return hashlib.sha256(repr(plan.offered).encode()).hexdigest()


def _is_copy(change: LayerChange, head: Head | None) -> bool:
    """Whether the target gets just what the source has, where it has nothing."""
    after = change.after
    if head is None or after is None or change.before is not None or after.kind != head.kind or after.created_at:
        return False
    if after.origin is not None or after.opaque or head.opaque:
        return False
    return after.kind == Kind.DIRECTORY or (change.content == head.version and after.tags == head.tags)


def _state(change: LayerChange) -> NewState:
    before, after = change.before, change.after
    if after is None:
        assert before is not None
        tags = before.tags or "[]"
        return NewState(change.path, None, tags=tags, action="delete", written_as=change.written_as)
    content = change.content
    return NewState(
        change.path,
        Kind(after.kind),
        after.opaque,
        after.origin,
        after.size,
        after.tags,
        "delete" if after.kind == Kind.WHITEOUT else "promote",
        is_new=before is None,
        created_at=after.created_at,
        copied=content if isinstance(content, int) else None,
        data=content if isinstance(content, bytes) else None,
        written_as=change.written_as,
    )
