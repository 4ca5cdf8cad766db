"""Proposals as requests to a server, like the operations of `calls`."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic_hivemind.base.promotion_words import check_on_conflict
from pydantic_hivemind.base.proposal_values import ProposalInfo
from pydantic_hivemind.base.values import Change, Changes, OnConflict, PromotionReport
from pydantic_hivemind.client.exchange import Ask, Steps, change, every, nothing, one, strings


def propose(
    to: str | None = None,
    *,
    note: str | None = None,
    tags: str | Sequence[str] | None = None,
    paths: str | Sequence[str] | None = None,
    also: str | Sequence[str] | None = None,
    on_conflict: OnConflict = "fail",
    operation_id: str | None = None,
) -> Steps[ProposalInfo]:
    """Propose a promotion, which waits until somebody approves it, as `Scope.propose` does.

    Raises:
        ScopeNotFound: The workspace has no parent, or `to` is not one of its ancestors.
        ProposalConflict: Too many proposals of the workspace are waiting.
        InvalidOption: `on_conflict` is not one of its values, or the note is too long.
        OperationConflict: The operation id was used for something else.
    """
    check_on_conflict(on_conflict)
    asked = {
        "to": to,
        "note": note,
        "tags": strings(tags),
        "paths": strings(paths),
        "also": strings(also),
        "on_conflict": on_conflict,
    }
    return one(ProposalInfo, (yield change("propose", asked, None, operation_id)))


def proposals(*, sent: bool = False, decided: bool = False, limit: int = 50) -> Steps[list[ProposalInfo]]:
    """Return the latest proposals to the workspace that wait, newest first.

    Args:
        sent: Those that the workspace made, instead of those to it.
        decided: Whether to return those that were decided on too.
        limit: Maximum number of proposals.

    Raises:
        NotAllowed: The token permits neither.
    """
    return (yield from every(ProposalInfo, "proposals", sent=sent, decided=decided))[:limit]


def proposal(id: str) -> Steps[ProposalInfo]:
    """Return what is known of a proposal to the workspace, or of one that it made.

    Raises:
        ProposalNotFound: There is none of that id.
    """
    return one(ProposalInfo, (yield Ask("GET", "proposal", {"id": id})))


def proposal_diff(id: str) -> Steps[Changes]:
    """Return the changes that approving a proposal now would make, by path.

    Raises:
        ProposalNotFound: There is none of that id.
        ProposalConflict: It was decided on already, or its source is gone.
    """
    return Changes((yield from every(Change, "proposal_diff", id=id)))


def approve(
    id: str, note: str | None = None, *, on_conflict: OnConflict | None = None, operation_id: str | None = None
) -> Steps[PromotionReport]:
    """Apply a proposal to the workspace, as `Proposal.approve` does.

    Raises:
        ProposalNotFound: There is none of that id.
        ProposalConflict: It was decided on already, what it offers was changed since, or its source is gone.
        PromotionConflict: Both sides changed the same lines, and `on_conflict` is `fail`.
    """
    asked = {"id": id, "note": note, "on_conflict": on_conflict}
    return one(PromotionReport, (yield change("approve", asked, None, operation_id)))


def reject(id: str, note: str | None = None) -> Steps[None]:
    """Decide against a proposal to the workspace.

    Raises:
        ProposalNotFound: There is none of that id.
        ProposalConflict: It was decided on already.
    """
    nothing((yield Ask("POST", "reject", json={"id": id, "note": note})))


def withdraw(id: str, note: str | None = None) -> Steps[None]:
    """Take back a proposal that the workspace made.

    Raises:
        ProposalNotFound: There is none of that id.
        ProposalConflict: It was decided on already.
    """
    nothing((yield Ask("POST", "withdraw", json={"id": id, "note": note})))
