"""Promotions that wait: proposing them, and deciding on those to the workspace."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import Field

from pydantic_hivemind.base.proposal_values import ProposalInfo
from pydantic_hivemind.base.validation import TextList
from pydantic_hivemind.base.values import Change, OnConflict, PromotionReport
from pydantic_hivemind.errors import NotAllowed
from pydantic_hivemind.hive.scope import Scope
from pydantic_hivemind.http.access import Editable, OperationId, Own, Proposable, TheGrant, Writable
from pydantic_hivemind.http.paging import Paging
from pydantic_hivemind.http.problems import documented
from pydantic_hivemind.http.route import TokenRoute
from pydantic_hivemind.http.shapes import Asked, page_of
from pydantic_hivemind.limits import MAX_NOTE_CHARS, MAX_PAGE_ITEMS
from pydantic_hivemind.promotion.proposals import Proposal
from pydantic_hivemind.tokens import Grant

router = APIRouter(tags=["proposing"], route_class=TokenRoute)

Note = Annotated[str | None, Field(max_length=MAX_NOTE_CHARS, description="What the other side should know.")]
TheId = Annotated[str, Query(description="Id of the proposal.")]


class Propose(Asked):
    """What to propose where."""

    to: str | None = Field(None, description="The ancestor; the parent if none is named.")
    note: Note = None
    tags: TextList | None = Field(None, description="Only files that have one of these.")
    paths: TextList | None = Field(None, description="Only paths that match one of these globs.")
    also: TextList | None = Field(None, description="What to take along of what mounts leave behind.")
    on_conflict: OnConflict = Field("fail", description="Where both sides changed the same; who approves may choose.")


class Approve(Asked):
    """A proposal to carry out."""

    id: str
    note: Note = None
    on_conflict: OnConflict | None = Field(None, description="Where both sides changed the same; else as proposed.")


class Decide(Asked):
    """A proposal to decide against, or to take back."""

    id: str
    note: Note = None


@router.post("/propose", response_model=ProposalInfo, responses=documented(404, 409, 507))
def propose(scope: Proposable, asked: Propose, operation_id: OperationId = None) -> Any:
    """Propose to merge the workspace's own changes into an ancestor: it waits until somebody there approves it."""
    return scope.propose(**asked.model_dump(), operation_id=operation_id).details


@router.get("/proposals", response_model=page_of(ProposalInfo), responses=documented())
def proposals(
    scope: Own,
    grant: TheGrant,
    paging: Paging,
    *,
    sent: Annotated[bool, Query(description="Those that the workspace made instead of those to it.")] = False,
    decided: Annotated[bool, Query(description="Also those that were decided on.")] = False,
) -> Any:
    """The latest proposals, newest first."""
    grant.require("propose" if sent else "write")
    found = scope.proposals(sent=sent, decided=decided, limit=MAX_PAGE_ITEMS)
    return paging.page(
        (_told(each, scope, grant) for each in found), lambda proposal: (-int(proposal.created_at * 1e6), proposal.id)
    )


@router.get("/proposal", response_model=ProposalInfo, responses=documented(404))
def proposal(scope: Own, grant: TheGrant, id: TheId) -> Any:
    """What is known of a proposal to the workspace, or of one that it made."""
    found = scope.proposal(id)
    grant.require("write" if _is_target(found, scope) else "propose")
    return _told(found, scope, grant)


@router.get("/proposal_diff", response_model=page_of(Change), responses=documented(404, 409))
def proposal_diff(scope: Editable, paging: Paging, id: TheId) -> Any:
    """The changes that approving a proposal now would make, by path."""
    return paging.page(scope.proposal(id).diff(), lambda change: (change.path,))


@router.post("/approve", response_model=PromotionReport, responses=documented(404, 409, 507))
def approve(scope: Editable, asked: Approve, operation_id: OperationId = None) -> Any:
    """Carry out a proposal to the workspace: it is planned again, and all of it is done or nothing."""
    found = _of_target(scope, asked.id)
    return found.approve(asked.note, on_conflict=asked.on_conflict, operation_id=operation_id)


@router.post("/reject", status_code=204, responses=documented(404, 409, 507))
def reject(scope: Writable, asked: Decide) -> None:
    """Decide against a proposal to the workspace."""
    _of_target(scope, asked.id).reject(asked.note)


@router.post("/withdraw", status_code=204, responses=documented(404, 409, 507))
def withdraw(scope: Proposable, asked: Decide) -> None:
    """Take back a proposal that the workspace made."""
    found = scope.proposal(asked.id)
    if _is_target(found, scope):
        raise NotAllowed("only the workspace that made a proposal can withdraw it; reject it instead")
    found.withdraw(asked.note)


def _is_target(found: Proposal, scope: Scope) -> bool:
    return found.details.target == scope.name


def _of_target(scope: Scope, id: str) -> Proposal:
    found = scope.proposal(id)
    if not _is_target(found, scope):
        raise NotAllowed("only the workspace that a proposal was made to can decide on it")
    return found


def _told(found: Proposal, scope: Scope, grant: Grant) -> ProposalInfo:
    """What of a proposal its reader may know: not who decides in another workspace."""
    if "admin" in grant.can or _is_target(found, scope):
        return found.details
    return replace(found.details, decided_by=None)
