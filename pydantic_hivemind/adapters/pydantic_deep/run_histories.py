"""`RunHistories`: refuses a run that goes on with a conversation of another user's.

On the later line, messages name the workspace that they come from, and `HivemindWorkspace` compares it. On the earlier
one nothing does, so this marks the responses of each run itself.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from pydantic_ai.capabilities import AbstractCapability
from pydantic_ai.exceptions import UserError
from pydantic_ai.messages import ModelResponse

from pydantic_hivemind.adapters.pydantic_deep.run_scope import found_scope
from pydantic_hivemind.hive.async_seam import perform
from pydantic_hivemind.hive.internals import marks_of

if TYPE_CHECKING:
    from pydantic_ai import RunContext

MARK = "hivemind_owner"
"""Key of a response's metadata, which no model is sent: the mark of the scope that the run was in."""

CONTINUE = "hivemind_continue"
"""Key of a run's metadata: whether it may go on with any conversation."""


@dataclass
class RunHistories(AbstractCapability[Any]):
    """Marks what a run says as its user's, and refuses histories with the mark of another one.

    A history without marks, as from earlier releases, is accepted.

    Attributes:
        mark: The mark of the run's user; `None` for an agent, which has many, and for runs outside of scopes.
    """

    mark: str | None = field(default=None, repr=False)

    async def for_run(self, ctx: RunContext[Any]) -> RunHistories:
        """Return one that knows whose this run is."""
        scope = await found_scope(ctx)
        if scope is None:
            return replace(self)
        own, known = await perform(lambda: marks_of(scope), threads="quick")
        if not (ctx.metadata or {}).get(CONTINUE):
            _check(ctx.messages, known)
        return replace(self, mark=own)

    async def after_model_request(
        self,
        ctx: RunContext[Any],  # noqa: ARG002 - as upstream calls it
        *,
        request_context: Any,  # noqa: ARG002
        response: ModelResponse,
    ) -> ModelResponse:
        """Mark a response."""
        if self.mark is None:
            return response
        return replace(response, metadata={**(response.metadata or {}), MARK: self.mark})


def _check(messages: list[Any], known: frozenset[str]) -> None:
    for message in messages:
        mark = (message.metadata or {}).get(MARK) if isinstance(message, ModelResponse) else None
        if mark is not None and mark not in known:
            raise UserError(
                "The message history is of another user than this run's `deps.backend`. To go on with it in this "
                "scope on purpose, pass `**continue_here()` of `pydantic_hivemind.deep` to the run."
            )
