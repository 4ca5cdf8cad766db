"""Promotions that wait for somebody to decide on them."""

from __future__ import annotations

from dataclasses import replace

from pydantic_hivemind.base.proposal_values import ProposalInfo
from pydantic_hivemind.console.answers import Answer, Asked, Page, See, address
from pydantic_hivemind.console.pages.changes import SETTLEMENTS, shown
from pydantic_hivemind.errors import InvalidOption, NotAllowed, PromotionConflict, ProposalConflict
from pydantic_hivemind.hive.scope import Scope
from pydantic_hivemind.limits import CONSOLE_ROWS
from pydantic_hivemind.promotion.proposals import Proposal


def listing(asked: Asked) -> Answer:
    """Show the proposals to a workspace, or those that it made."""
    scope = asked.workspace()
    sent, decided = asked.query.flag("sent"), asked.query.flag("decided")
    asked.viewer.require("propose" if sent else "write")
    asked.viewer.check(scope, "proposals")
    found = scope.proposals(sent=sent, decided=decided, limit=CONSOLE_ROWS)
    rows = [_told(asked, scope, each.details) for each in found]
    return Page("proposals", {"scope": scope, "rows": rows, "sent": sent, "decided": decided})


def proposal(asked: Asked) -> Answer:
    """Show what approving a proposal would do."""
    scope = asked.workspace()
    asked.viewer.check(scope, "proposal")
    return _page(asked, scope, scope.proposal(asked.query.exact("id")))


def decide(asked: Asked) -> Answer:
    """Approve, reject or withdraw a proposal."""
    scope, action = asked.workspace(), asked.form.exact("action")
    found = scope.proposal(asked.query.exact("id"))
    note = asked.form.text("note") or None
    asked.viewer.check(scope, action)
    if action == "withdraw":
        asked.viewer.require("propose")
        if _is_target(found.details, scope):
            raise NotAllowed("only the workspace that made a proposal can withdraw it; reject it instead")
        found.withdraw(note)
        return _back(scope, found, "withdrawn")
    if not _is_target(found.details, scope):
        raise NotAllowed("only the workspace that a proposal was made to can decide on it")
    if action == "reject":
        asked.viewer.require("write")
        found.reject(note)
        return _back(scope, found, "rejected")
    if action != "approve":
        raise InvalidOption("the form asks for nothing that this page does; open it again")
    asked.viewer.require("read", "write")
    settlement = asked.form.text("on_conflict")
    try:
        found.approve(note, on_conflict=SETTLEMENTS.get(settlement) if settlement else None)
    except PromotionConflict as error:
        return _page(asked, scope, found, error)
    return _back(scope, found, "approved")


def _page(asked: Asked, scope: Scope, found: Proposal, refused: PromotionConflict | None = None) -> Page:
    details = found.details
    is_target = _is_target(details, scope)
    asked.viewer.require("write" if is_target else "propose")
    plan: dict[str, object] = {"rows": [], "left_behind": (), "hidden": 0, "conflicts": 0, "conflicted": False}
    problem = None
    if details.state == "waiting" and is_target and asked.viewer.may("read"):
        try:
            plan = shown(found.diff(), None if refused is None else refused.report)
        except ProposalConflict as error:
            problem = str(error)
    return Page(
        "proposal",
        {
            "scope": scope,
            "proposal": _told(asked, scope, details),
            "is_target": is_target,
            **plan,
            "problem": problem,
            "conflicted": refused is not None,
            "may_approve": is_target and asked.viewer.may("read", "write"),
            "may_reject": is_target and asked.viewer.may("write"),
            "may_withdraw": not is_target and asked.viewer.may("propose"),
        },
        200 if refused is None else 409,
    )


def _is_target(details: ProposalInfo, scope: Scope) -> bool:
    return details.target == scope.name


def _told(asked: Asked, scope: Scope, details: ProposalInfo) -> ProposalInfo:
    """Return what of a proposal its reader may know: not who decides in another workspace."""
    if asked.viewer.is_admin or _is_target(details, scope):
        return details
    return replace(details, decided_by=None)


def _back(scope: Scope, found: Proposal, done: str) -> Answer:
    return See(address("proposal", workspace=scope.name, id=found.id, done=done))
