"""`AsyncProposal`: the asynchronous face of a proposal."""

from __future__ import annotations

from pydantic_hivemind.base.proposal_values import ProposalInfo, ProposalState
from pydantic_hivemind.base.values import PromotionReport
from pydantic_hivemind.hive.async_seam import awaited
from pydantic_hivemind.promotion.proposals import Proposal


class AsyncProposal:
    """A `Proposal` whose methods are awaited. Made by `AsyncScope.propose`, `proposals` and `proposal`.

    Args:
        proposal: The proposal to wrap.
    """

    __slots__ = ("_sync",)

    def __init__(self, proposal: Proposal) -> None:
        self._sync = proposal

    @property
    def sync(self) -> Proposal:
        """The synchronous proposal."""
        return self._sync

    @property
    def id(self) -> str:
        """Id of the proposal, and of the promotion that it becomes."""
        return self._sync.id

    @property
    def details(self) -> ProposalInfo:
        """All that is known of it, as of when this object was made; `info` reads it again."""
        return self._sync.details

    @property
    def state(self) -> ProposalState:
        """What became of it, as of when this object was made."""
        return self._sync.state

    @property
    def note(self) -> str | None:
        """What whoever proposed it says."""
        return self._sync.note

    @property
    def report(self) -> PromotionReport:
        """What it would have done when it was proposed."""
        return self._sync.report

    info = awaited(Proposal.info)
    diff = awaited(Proposal.diff)
    approve = awaited(Proposal.approve)
    reject = awaited(Proposal.reject)
    withdraw = awaited(Proposal.withdraw)
