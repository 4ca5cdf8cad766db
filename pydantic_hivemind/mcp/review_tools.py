"""The tools with which what was promoted is looked at, decided on and taken back."""

from __future__ import annotations

from pydantic import Field

from pydantic_hivemind.base.validation import TextList
from pydantic_hivemind.base.values import OnConflict, Version
from pydantic_hivemind.errors import NotAllowed
from pydantic_hivemind.hive.internals import promoted_to
from pydantic_hivemind.hive.scope import Scope
from pydantic_hivemind.mcp import texts
from pydantic_hivemind.mcp.tool_base import Call, changes
from pydantic_hivemind.promotion.proposals import Proposal
from pydantic_hivemind.tokens import Action

SHOWN = 20
"""Most versions or proposals that a tool shows."""


class Propose(Call):
    """Propose this workspace's changes to the workspace it inherits from: they wait until somebody there approves them.

    Use it where promoting is for somebody else to decide.
    """

    needs = ("propose",)
    hints = changes(destructive=False, idempotent=False)

    note: str = Field("", description="What whoever decides should know: what you learned, and how.")
    tags: TextList = Field([], description="Only files that have one of these tags.")
    paths: TextList = Field([], description="Only what is in one of these directories, or matches one of these globs.")

    def run(self, scope: Scope) -> str:
        """Propose."""
        proposal = scope.propose(note=self.note or None, tags=self.tags or None, paths=self.paths or None)
        return f"Proposal {proposal.id} waits.\n{texts.of_report(proposal.report, 'fail')}"


class Proposals(Call):
    """Show the proposals to this workspace that wait, or the changes that one of them would make, as a patch."""

    needs = ("read", "write")

    id: str = Field("", description="The proposal to show; without it all that wait are listed.")

    def run(self, scope: Scope) -> str:
        """List them, or show one."""
        if self.id:
            shown = scope.proposal(self.id).diff()
            return texts.of_changes(shown) or "It would change nothing."
        waiting = [_line(proposal) for proposal in scope.proposals(limit=SHOWN)]
        return texts.of_lines(waiting, "look at these first") if waiting else "No proposal is waiting."


class Approve(Call):
    """Carry out a proposal to this workspace. Look at its changes with `hivemind_proposals` first."""

    needs = ("read", "write")
    hints = changes(destructive=True, idempotent=False)

    id: str = Field(description="The proposal.")
    note: str = Field("", description="Why.")
    on_conflict: OnConflict = Field("fail", description="Where both sides changed the same.")

    def run(self, scope: Scope) -> str:
        """Approve."""
        report = _to(scope, self.id).approve(self.note or None, on_conflict=self.on_conflict)
        return texts.of_report(report, self.on_conflict)


class Reject(Call):
    """Decide against a proposal to this workspace."""

    needs = ("write",)
    hints = changes(destructive=False, idempotent=False)

    id: str = Field(description="The proposal.")
    note: str = Field("", description="Why.")

    def run(self, scope: Scope) -> str:
        """Reject."""
        _to(scope, self.id).reject(self.note or None)
        return f"Rejected {self.id}."


class History(Call):
    """Show who changed a file and when, or what was changed last; with the ids that `hivemind_revert` takes."""

    path: str = Field("", description="The file; without it, whatever was changed last.")
    limit: int = Field(SHOWN, ge=1, le=100, description="Most entries.")

    def run(self, scope: Scope) -> str:
        """Show."""
        versions = scope.history(self.path)[: self.limit] if self.path else scope.recent(self.limit)
        lines = [_entry(version, scope.name) for version in versions]
        return texts.of_lines(lines, "ask for fewer") if lines else "Nothing was changed."


class Revert(Call):
    """Undo what a promotion did to this workspace, or one that this workspace made: all of it or nothing."""

    needs = ()
    any_of = ("write", "promote")
    hints = changes(destructive=True, idempotent=True)

    promotion: str = Field(description="Its id, as `hivemind_promote` and `hivemind_history` show it.")

    def needed(self, scope: Scope) -> tuple[Action, ...]:
        """Who promotes may take it back; who writes may undo what came in."""
        return ("write",) if promoted_to(scope, self.promotion) is None else ("promote",)

    def targets(self, scope: Scope) -> tuple[str, ...]:
        """What this workspace promoted is undone where it went."""
        target = promoted_to(scope, self.promotion)
        return () if target is None else (target,)

    def run(self, scope: Scope) -> str:
        """Undo."""
        return texts.of_lines([f"put back {path}" for path in scope.revert(self.promotion)], "see the history")


def _to(scope: Scope, id: str) -> Proposal:
    found = scope.proposal(id)
    if found.details.target != scope.name:
        raise NotAllowed("only the workspace that a proposal was made to can decide on it")
    return found


def _line(proposal: Proposal) -> str:
    report = proposal.report
    count = len(report.applied) + len(report.merged) + len(report.deleted)
    conflicts = f", {len(report.conflicts)} in conflict" if report.conflicts else ""
    return f"{proposal.id} from {proposal.details.source}: {count} paths{conflicts}. {proposal.note or ''}".rstrip()


def _entry(version: Version, own: str) -> str:
    # Who wrote in other workspaces is for their admins to know.
    is_own = version.scope == own and version.source is None
    by = f" by {version.actor}" if version.actor is not None and is_own else ""
    promotion = f", promotion {version.promotion}" if version.promotion is not None and version.scope == own else ""
    return f"version {version.version}: {version.action} {version.path} in {version.scope}{by}{promotion}"


REVIEWING: tuple[type[Call], ...] = (History, Revert, Propose, Proposals, Approve, Reject)
"""In the order in which clients list them."""
