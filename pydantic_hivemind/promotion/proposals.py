"""Proposals: promotions that wait until somebody approves them, and are planned again then."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, cast

from pydantic_hivemind.base.json_values import from_json, to_json_value
from pydantic_hivemind.base.mounts import MountTable
from pydantic_hivemind.base.proposal_values import ProposalInfo, ProposalState
from pydantic_hivemind.base.values import Changes, Conflict, OnConflict, PromotionReport
from pydantic_hivemind.errors import InvalidOption, ProposalConflict, ProposalNotFound
from pydantic_hivemind.ledger import actor_records, idempotency, overlay, promotion_records, scopes
from pydantic_hivemind.ledger.engine.database import Database, Transaction
from pydantic_hivemind.ledger.overlay import Chain
from pydantic_hivemind.ledger.promotion_records import Decision, Proposed
from pydantic_hivemind.ledger.scopes import ScopeRow
from pydantic_hivemind.limits import MAX_NOTE_CHARS, MAX_WAITING_PROPOSALS
from pydantic_hivemind.promotion import apply, plan_reader
from pydantic_hivemind.promotion.apply import Promotion
from pydantic_hivemind.promotion.plan import Rules
from pydantic_hivemind.promotion.report import report_of
from pydantic_hivemind.promotion.selection import Selection


@dataclass(frozen=True)
class Place:
    """Where proposals are kept and what they are planned by.

    Attributes:
        database: The ledger's database.
        mounts: The mounts of the hive.
        changed: Called with the chain of each scope that an approval changed.
    """

    database: Database
    mounts: MountTable
    changed: Callable[[Chain], object]


class Proposal:
    """A promotion that waits to be approved. Made by `Scope.propose`, `Scope.proposals` and `Scope.proposal`.

    It is planned again when it is approved, so that what the receiving scope has become meanwhile is merged. What it
    offers is that of the moment of proposing: if the source changed one of the files since, it has to be proposed
    again.
    """

    __slots__ = ("_details", "_place")

    def __init__(self, place: Place, details: ProposalInfo) -> None:
        self._place = place
        self._details = details

    def __repr__(self) -> str:
        return f"Proposal({self.id!r}, {self.state!r})"

    @property
    def id(self) -> str:
        """Id of the proposal, and of the promotion that it becomes."""
        return self._details.id

    @property
    def details(self) -> ProposalInfo:
        """All that is known of it, as of when this object was made; `info` reads it again."""
        return self._details

    @property
    def state(self) -> ProposalState:
        """What became of it, as of when this object was made."""
        return self._details.state

    @property
    def note(self) -> str | None:
        """What whoever proposed it says."""
        return self._details.note

    @property
    def report(self) -> PromotionReport:
        """What it would have done when it was proposed."""
        return self._details.report

    def info(self) -> ProposalInfo:
        """Return all that is known of it now.

        Raises:
            ProposalNotFound: The scope that it was proposed to is gone.
        """
        with self._place.database.snapshot() as tx:
            row, source = self._rows(tx)
            return _details(tx, row, self._details.target, source)

    def diff(self) -> Changes:
        """Return the changes that approving it now would make, by path.

        Raises:
            ProposalNotFound: The scope that it was proposed to is gone.
            ProposalConflict: It was decided on already, or its source is gone.
        """
        with self._place.database.snapshot() as tx:
            promotion, _ = self._promotion(tx, None)
        chain = promotion.source.chain
        return plan_reader.diff(self._place.database, chain, promotion.level, promotion.rules)

    def approve(
        self, note: str | None = None, *, on_conflict: OnConflict | None = None, operation_id: str | None = None
    ) -> PromotionReport:
        """Apply it: all of it or nothing.

        Args:
            note: Reason, for whoever proposed it.
            on_conflict: What to do where both sides changed the same lines; if omitted, as it was proposed.
            operation_id: Makes a retry return the first report.

        Raises:
            ProposalNotFound: The scope that it was proposed to is gone.
            ProposalConflict: It was decided on already, what it offers was changed since, or its source is gone.
            PromotionConflict: Both sides changed the same lines, and `on_conflict` is `fail`.
            InvalidOption: The note is too long.
            OperationConflict: The operation id was used for something else.
        """
        _check_note(note)
        with self._place.database.snapshot() as tx:
            done = self._outcome(tx, operation_id, note, on_conflict)
            if done is not None:
                return done
            promotion, offered = self._promotion(tx, on_conflict)
        approval = apply.Approval(offered, note)
        promotion = replace(promotion, approval=approval)
        report = apply.promote(self._place.database, promotion, operation_id)
        self._place.changed(promotion.source.chain)
        self._place.changed(promotion.source.chain[promotion.level :])
        return report

    def reject(self, note: str | None = None) -> None:
        """Decide against it.

        Args:
            note: Reason, for whoever proposed it.

        Raises:
            ProposalNotFound: The scope that it was proposed to is gone.
            ProposalConflict: It was decided on already.
            InvalidOption: The note is too long.
        """
        self._decide(Decision("rejected", _check_note(note)))

    def withdraw(self, note: str | None = None) -> None:
        """Withdraw it, as whoever proposed it.

        Args:
            note: Why.

        Raises:
            ProposalNotFound: The scope that it was proposed to is gone.
            ProposalConflict: It was decided on already.
            InvalidOption: The note is too long.
        """
        self._decide(Decision("withdrawn", _check_note(note)))

    # -- helpers -------------------------------------------------------------------------------

    def _rows(self, tx: Transaction) -> tuple[Proposed, ScopeRow | None]:
        row = promotion_records.of_id(tx, self.id)
        if row is None:
            raise ProposalNotFound("the proposal is gone with the scope that it was made to")
        return row, scopes.of_id(tx, row.source_id)

    def _promotion(self, tx: Transaction, on_conflict: OnConflict | None) -> tuple[Promotion, str]:
        """Return the promotion that it would be, and a digest of what it offers."""
        row, source = self._rows(tx)
        _check_waits(row)
        if source is None or row.scope_id not in source.chain or not row.source_lives:
            raise ProposalConflict("the proposal is void: the scope that it comes from is gone")
        overlay.check_alive(tx, source.chain)
        rules = _rules(self._place.mounts, row.selection, on_conflict)
        level = source.chain.index(row.scope_id)
        offered = json.loads(row.plan)["offered"]
        return Promotion(row.id, source, level, self._details.target, rules), offered

    def _outcome(
        self, tx: Transaction, operation_id: str | None, note: str | None, on_conflict: OnConflict | None
    ) -> PromotionReport | None:
        """Return the report of an approval with this operation id."""
        row, source = self._rows(tx)
        if operation_id is None or source is None:
            return None
        rules = _rules(self._place.mounts, row.selection, on_conflict)
        promotion = Promotion(row.id, source, 1, self._details.target, rules, apply.Approval("", note))
        found = idempotency.find(tx, source.id, operation_id, idempotency.fingerprint(*promotion.arguments))
        return found.outcome if found is not None and isinstance(found.outcome, PromotionReport) else None

    def _decide(self, decision: Decision) -> None:
        with self._place.database.snapshot() as tx:
            row, _ = self._rows(tx)
            chain = scopes.chain_of_id(tx, row.scope_id)
        with self._place.database.write(chain) as tx:
            if not promotion_records.decide(tx, self.id, decision):
                _check_waits(self._rows(tx)[0])


def propose(place: Place, promotion: Promotion, note: str | None, operation_id: str | None) -> Proposal:
    """Store a promotion that waits, as it would be now.

    Raises:
        ProposalConflict: Too many proposals of the scope are waiting.
        InvalidOption: The note is too long.
        OperationConflict: The operation id was used for something else.
    """
    _check_note(note)
    source, chain = promotion.source, promotion.source.chain
    facts, plan = plan_reader.read_plan(place.database, chain, promotion.level, promotion.rules)
    report = _without_contents(
        report_of(plan, id=promotion.id, source=source.name, target=promotion.target, dry_run=True)
    )
    stored = json.dumps({"offered": apply.digest(plan), "report": to_json_value(report)})

    def work() -> list[str]:
        waiting = promotion_records.proposals(tx, source.id, sent=True, waiting=True, limit=MAX_WAITING_PROPOSALS)
        if len(waiting) == MAX_WAITING_PROPOSALS:
            raise ProposalConflict(f"{len(waiting)} proposals of this scope are waiting; withdraw some of them")
        promotion_records.propose(
            tx,
            promotion.id,
            target_id=facts.chain[promotion.level],
            source=source,
            selection=json.dumps(promotion.arguments[2:]),
            plan=stored,
            note=note,
        )
        return [promotion.id]

    with place.database.write(chain) as tx:
        overlay.check_alive(tx, chain)
        (id,) = idempotency.once(tx, source.id, operation_id, ("propose", *promotion.arguments, note), work)
        row = promotion_records.of_id(tx, id)
        if row is None:
            raise ProposalNotFound("the proposal is gone with the scope that it was made to")
        return Proposal(place, _details(tx, row, promotion.target, source))


def find(place: Place, own: ScopeRow, id: str) -> Proposal:
    """Return a proposal to a scope, or one that it made.

    Raises:
        ProposalNotFound: There is none of that id.
    """
    with place.database.snapshot() as tx:
        overlay.check_alive(tx, own.chain)
        row = promotion_records.proposal(tx, own.id, id)
        if row is None:
            raise ProposalNotFound(f"this scope neither made nor received a proposal {id!r}; see its proposals")
        return _of(place, tx, own, row)


def listing(place: Place, own: ScopeRow, *, sent: bool, waiting: bool, limit: int) -> list[Proposal]:
    """Return the proposals to a scope, or those that it made, newest first.

    Raises:
        ScopeGone: The scope was destroyed or its ttl has run out.
    """
    with place.database.snapshot() as tx:
        overlay.check_alive(tx, own.chain)
        rows = promotion_records.proposals(tx, own.id, sent=sent, waiting=waiting, limit=limit)
        return [_of(place, tx, own, row) for row in rows]


def _of(place: Place, tx: Transaction, own: ScopeRow, row: Proposed) -> Proposal:
    target = own.name if row.scope_id == own.id else scopes.names(tx, own.chain)[own.chain.index(row.scope_id)]
    return Proposal(place, _details(tx, row, target, None))


def _details(tx: Transaction, row: Proposed, target: str, source: ScopeRow | None) -> ProposalInfo:
    tags, paths, on_conflict, *also = json.loads(row.selection)
    report = cast(PromotionReport, from_json(cast(Any, PromotionReport), json.dumps(json.loads(row.plan)["report"])))
    actors = actor_records.named(tx, (row.actor, row.decided_by))
    is_void = row.state == promotion_records.WAITING and not row.source_lives
    return ProposalInfo(
        id=row.id,
        source=row.source if source is None else source.name,
        target=target,
        state=cast(ProposalState, "void" if is_void else row.state),
        note=row.note,
        created_at=row.created_at,
        actor=None if row.actor is None else actors.get(row.actor),
        report=report,
        tags=None if tags is None else tuple(tags),
        paths=None if paths is None else tuple(paths),
        also=tuple(also[0]) if also else (),
        on_conflict=on_conflict,
        decided_at=row.decided_at,
        decided_by=None if row.decided_by is None else actors.get(row.decided_by),
        decision_note=row.decision_note,
    )


def _rules(mounts: MountTable, selection: str, on_conflict: OnConflict | None) -> Rules:
    tags, paths, proposed, *also = json.loads(selection)
    return Rules(mounts, on_conflict or proposed, Selection.of(tags, paths, also[0] if also else None))


def _check_note(note: str | None) -> str | None:
    if note is not None and (not isinstance(note, str) or len(note) > MAX_NOTE_CHARS):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InvalidOption(f"a note must be text of at most {MAX_NOTE_CHARS} characters")
    if note is not None and "\0" in note:
        raise InvalidOption("a note cannot contain the NUL character; remove it")
    return note


def _check_waits(row: Proposed) -> None:
    if row.state != promotion_records.WAITING:
        raise ProposalConflict(f"the proposal does not wait any more: it is {row.state}")


def _without_contents(report: PromotionReport) -> PromotionReport:
    return replace(report, conflicts=tuple(Conflict(each.path, None, None, None) for each in report.conflicts))
