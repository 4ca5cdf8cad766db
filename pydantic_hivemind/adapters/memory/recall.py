"""`HivemindMemory`: a capability that puts what is near in memory into a run's context, without a tool call."""

from __future__ import annotations

import logging
import secrets
import warnings
from collections.abc import Sequence
from copy import copy
from dataclasses import KW_ONLY, dataclass, field, replace
from typing import Any

from pydantic_ai import RunContext
from pydantic_ai.capabilities import CapabilityOrdering
from pydantic_ai.messages import ModelMessage, ModelRequest, UserPromptPart
from pydantic_ai.models import ModelRequestContext

from pydantic_hivemind.adapters.memory.recalled_text import as_context, chosen, tokens_of
from pydantic_hivemind.adapters.memory.toolset import HivemindSearch
from pydantic_hivemind.adapters.pydantic_deep.run_scope import found_scope
from pydantic_hivemind.base.values import Hit
from pydantic_hivemind.errors import InvalidOption, SearchDegraded
from pydantic_hivemind.hive.async_scope import AsyncScope, sync_scope
from pydantic_hivemind.hive.async_seam import perform
from pydantic_hivemind.hive.scope import Scope
from pydantic_hivemind.limits import MAX_QUERY_CHARS, MAX_RECALL_HITS
from pydantic_hivemind.messages.message_texts import message_text

_log = logging.getLogger(__name__)

FLOOR = 0.35
"""Similarity from which on a passage counts as near, for the default embedder. Measured on four conversations of
LoCoMo: 0.39 or more for nine of ten questions about the conversation, 0.37 or less for nine of ten about another."""

_SHORT_WORDS, _SHORT_CHARS = 6, 30
"""A prompt with fewer words and characters is looked for together with what was said before it: `and in May?` alone
finds nothing. Some scripts have no spaces between words."""

_EARLIER_CHARS = 600
"""Characters of what was said before that are looked for with a short prompt."""


@dataclass
class HivemindMemory(HivemindSearch):
    """A capability that recalls, and has the tools of `HivemindSearch`.

    Pass it as `create_deep_agent(capabilities=[HivemindMemory()])`, or to any pydantic-ai agent.

    Before a model request that follows a user's prompt, the passages of the scope and its ancestors that are nearest to
    the prompt are put before it: with path, lines, scope and date, between marks that no passage can imitate, and
    without what is in the context already. If nothing is near, nothing is added. The passages stay the same for the
    rest of the run, so that prompts can be cached, and never get into the message history.

    A run goes on without them if the search fails; the log says so. The run's trace has a span `recall memory`.

    Args:
        scope: The scope of all runs, or a function that returns the scope of a run. If omitted, it is the scope of the
            run's workspace, or else of `deps.backend`; a run that has neither recalls nothing.
        agent_name: As for `HivemindSearch`.
        id: Id of the capability.
        max_tokens: Most tokens that are added for one prompt, estimated as a quarter of the bytes.
        floor: Cosine similarity from which on a passage is near; the default is for the default embedder.
        under: Recall from this directory or file only.

    Raises:
        InvalidOption: `max_tokens` is less than 1.
    """

    _: KW_ONLY
    id: str | None = "hivemind_memory"
    max_tokens: int = 1200
    floor: float = FLOOR
    under: str = "/"
    recalled: dict[str, str] = field(default_factory=dict[str, str], init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.max_tokens < 1:
            raise InvalidOption(f"max_tokens={self.max_tokens!r} leaves no room; pass 1 or more")

    async def for_run(self, ctx: RunContext[Any]) -> HivemindMemory:  # noqa: ARG002 - as upstream calls it
        """Return one that knows what this run has recalled."""
        # Not `replace`, which would make the tools anew: 4 ms.
        found = copy(self)
        found.recalled = {}
        return found

    def get_ordering(self) -> CapabilityOrdering:
        """Put this after the capabilities that add to the context: what they add is not recalled again."""
        return CapabilityOrdering(position="innermost")

    async def before_model_request(
        self, ctx: RunContext[Any], request_context: ModelRequestContext
    ) -> ModelRequestContext:
        """Return the request with what is near to its prompts; what is kept of it does not change."""
        parameters = request_context.model_request_parameters
        instructions = " ".join(part.content for part in getattr(parameters, "instruction_parts", None) or ())
        messages = await self._with_memory(ctx, request_context.messages, instructions)
        return replace(request_context, messages=messages)

    async def _with_memory(
        self, ctx: RunContext[Any], messages: list[ModelMessage], instructions: str
    ) -> list[ModelMessage]:
        """Return messages for one request; those that are kept stay as they are."""
        prompts = {index: prompt for index, message in enumerate(messages) if (prompt := _prompt(message, ctx))}
        latest = max(prompts, default=None)
        if latest is not None and prompts[latest] not in self.recalled:
            self.recalled[prompts[latest]] = await self._recall(ctx, messages, latest, instructions)
        changed = list(messages)
        for index, prompt in prompts.items():
            if text := self.recalled.get(prompt):
                changed[index] = _put_before(changed[index], text)
        return changed

    async def _recall(self, ctx: RunContext[Any], messages: Sequence[ModelMessage], at: int, instructions: str) -> str:
        """Return what is near to a prompt, as text; empty if nothing is."""
        with ctx.tracer.start_as_current_span("recall memory") as span:
            try:
                query = _query(messages, at)
                hits = await self._search(ctx, query)
                context = "\n".join([instructions, *map(_all_text, [*messages, *_about_to_come(ctx)])])
                found = chosen(hits, query, context, floor=self.floor, max_tokens=self.max_tokens)
            except Exception as error:  # noqa: BLE001 - memory is no reason to fail a run
                _log.warning("nothing was recalled: %s", type(error).__name__, exc_info=error)
                return ""
            text = as_context(found, secrets.token_hex(8)) if found else ""
            span.set_attribute("hivemind.recall.passages", len(found))
            span.set_attribute("hivemind.recall.tokens", tokens_of(text))
            if ctx.trace_include_content:
                places = [f"{hit.path}:{hit.lines[0]}-{hit.lines[1]}" for hit in found]
                span.set_attribute("hivemind.recall.places", places)
            return text

    async def _search(self, ctx: RunContext[Any], query: str) -> list[Hit]:
        scope = await self._scope_of(ctx)
        if scope is None or not query.strip():
            return []

        def search() -> list[Hit]:
            with warnings.catch_warnings():
                # By words alone is better than not at all.
                warnings.simplefilter("ignore", SearchDegraded)
                return scope.search(query, limit=MAX_RECALL_HITS, under=self.under)

        return await perform(search)

    async def _scope_of(self, ctx: RunContext[Any]) -> Scope | None:
        if self.scope is None:
            return await found_scope(ctx)
        scope = self.scope
        if isinstance(scope, Scope | AsyncScope):
            return sync_scope(scope)
        return await perform(lambda: scope(ctx))


def _about_to_come(ctx: RunContext[Any]) -> list[ModelMessage]:
    """Return what capabilities add to this request after it was prepared, as the harness's memory does."""
    pending: list[Any] = getattr(ctx, "pending_messages", None) or []
    return [message for queued in pending for message in queued.messages]


def _prompt(message: ModelMessage, ctx: RunContext[Any]) -> str:
    """Return what the user says in a request of this run; empty for any other message."""
    if not isinstance(message, ModelRequest) or message.run_id not in (None, ctx.run_id):
        return ""
    return "\n".join(_said(part) for part in message.parts if isinstance(part, UserPromptPart)).strip()


def _said(part: UserPromptPart) -> str:
    if isinstance(part.content, str):
        return part.content
    return "\n".join(item for item in part.content if isinstance(item, str))


def _query(messages: Sequence[ModelMessage], at: int) -> str:
    """Return what to look for: the prompt, and what was said before it where that is short."""
    prompt = "\n".join(_said(part) for part in messages[at].parts if isinstance(part, UserPromptPart))
    if len(prompt.split()) < _SHORT_WORDS and len(prompt) < _SHORT_CHARS:
        earlier = "\n".join(message_text(message) for message in messages[max(0, at - 2) : at])
        prompt = f"{prompt}\n{earlier[-_EARLIER_CHARS:]}".strip()
    return prompt[:MAX_QUERY_CHARS]


def _all_text(message: ModelMessage) -> str:
    instructions = message.instructions if isinstance(message, ModelRequest) else None
    system = [part.content for part in message.parts if part.part_kind == "system-prompt"]
    return "\n".join([instructions or "", *map(str, system), message_text(message)])


def _put_before(message: ModelMessage, text: str) -> ModelMessage:
    """Return a copy of a request with a text before what the user says."""
    parts: list[Any] = list(message.parts)
    first = next(index for index, part in enumerate(parts) if isinstance(part, UserPromptPart))
    parts.insert(first, UserPromptPart(text, timestamp=parts[first].timestamp))
    return replace(message, parts=parts)
