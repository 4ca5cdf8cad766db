"""`HivemindStepStore`: runs, their steps and snapshots in a scope, for `StepPersistence` of the harness."""

# Where the harness is not installed its types are unknown.
# pyright: reportMissingImports=false, reportUnknownParameterType=false, reportUnknownVariableType=false
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false

# The types of pydantic-ai-harness are unknown where it is not installed.
# pyright: reportUnknownLambdaType=false

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from pydantic_hivemind.adapters.harness.run_bound import RunBound
from pydantic_hivemind.errors import InvalidOption
from pydantic_hivemind.hive.async_scope import AsyncScope
from pydantic_hivemind.hive.scope import Scope
from pydantic_hivemind.hive.scope_records import RecordsInTransaction, ScopeRecords, record_key
from pydantic_hivemind.messages.checkpoints import Checkpoints, Snapshot

if TYPE_CHECKING:
    from pydantic_ai_harness.step_persistence import ContinuableSnapshot, RunRecord, StepEvent, ToolEffectRecord

RUNS, EVENTS, EFFECTS, SNAPSHOTS = "step-run", "step-event", "step-effect", "step-snapshot"
"""Kinds of records."""

_MOMENTS = ("timestamp", "started_at", "ended_at")
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_KEPT_IN_METADATA = ("conversation_id", "parent_run_id", "agent_name", "state", "idempotency_key")


class HivemindStepStore(RunBound):
    """Steps of runs in a scope: `StepPersistence(store=HivemindStepStore())`.

    It answers as the harness's `InMemoryStepStore` does, within one scope: the runs of another scope are not found,
    whatever run or conversation is asked for. A message that several snapshots contain is stored once.

    Args:
        scope: The scope, for use outside of runs; by default, in each run, that of the run's `deps.backend`.
        max_snapshots_per_run: Number of snapshots kept of a run, beside its newest complete one; `None` for all.

    Raises:
        InvalidOption: `max_snapshots_per_run` is less than 1.
        ImportError: pydantic-ai-harness is not installed.
    """

    needs = "step_persistence"

    def __init__(
        self,
        scope: Scope | AsyncScope | Callable[[], Scope] | None = None,
        *,
        max_snapshots_per_run: int | None = None,
    ) -> None:
        super().__init__(scope)
        if max_snapshots_per_run is not None and max_snapshots_per_run < 1:
            raise InvalidOption(f"max_snapshots_per_run must be 1 or more, or None, not {max_snapshots_per_run!r}")
        self._most = max_snapshots_per_run

    async def register_run(self, record: RunRecord) -> None:
        """Store a run; one of the same id is replaced.

        Raises:
            UserError: There is no scope.
        """
        data, owner = _encoded(record), record_key(record.conversation_id or "")
        await self._change(RUNS, lambda held: held.put(record_key(record.run_id), data, owner=owner))

    async def get_run(self, *, run_id: str) -> RunRecord | None:
        """Return the run of that id, or `None`.

        Raises:
            UserError: There is no scope.
        """
        from pydantic_ai_harness.step_persistence import RunRecord

        data = await self._read(RUNS, lambda held: held.get(record_key(run_id)))
        return None if data is None else RunRecord(**_decoded(data))

    async def list_runs(
        self, *, parent_run_id: str | None = None, conversation_id: str | None = None
    ) -> list[RunRecord]:
        """Return the runs of a parent and of a conversation of the scope, or all, by the time they started.

        Raises:
            UserError: There is no scope.
        """
        from pydantic_ai_harness.step_persistence import RunRecord

        owner = None if conversation_id is None else record_key(conversation_id)
        stored = await self._read(RUNS, lambda held: held.items(owner))
        runs = [RunRecord(**_decoded(data)) for _, data in stored]
        wanted = [
            run
            for run in runs
            if (parent_run_id is None or run.parent_run_id == parent_run_id)
            and (conversation_id is None or run.conversation_id == conversation_id)
        ]
        return sorted(wanted, key=lambda run: run.started_at)

    async def append_event(self, event: StepEvent) -> None:
        """Append an event, unless one with the same idempotency key is stored.

        Raises:
            UserError: There is no scope.
        """
        data, owner = _encoded(event), record_key(event.run_id)

        def append(held: RecordsInTransaction) -> None:
            if event.idempotency_key is None:
                held.append(record_key(event.run_id), data)
            elif held.get(key := record_key(event.run_id, event.idempotency_key)) is None:
                held.put(key, data, owner=owner)

        await self._change(EVENTS, append)

    async def list_events(self, *, run_id: str) -> list[StepEvent]:
        """Return the events of a run in the order in which they were appended.

        Raises:
            UserError: There is no scope.
        """
        from pydantic_ai_harness.step_persistence import StepEvent

        stored = await self._read(EVENTS, lambda held: held.items(record_key(run_id)))
        return [StepEvent(**_decoded(data)) for _, data in stored]

    async def save_snapshot(self, snapshot: ContinuableSnapshot) -> None:
        """Store a snapshot, unless it is a repetition, and remove those beyond `max_snapshots_per_run`.

        Raises:
            CheckpointError: A message cannot be stored as JSON.
            UserError: There is no scope.
        """
        await self._do(lambda scope: _save(scope, snapshot, self._most))

    async def latest_snapshot(self, *, run_id: str, include_interrupted: bool = False) -> ContinuableSnapshot | None:
        """Return the newest snapshot of a run that is complete, or with `include_interrupted` the newest of all.

        Raises:
            UserError: There is no scope.
        """
        found = await self.list_snapshots(run_id=run_id, include_interrupted=include_interrupted)
        return found[-1] if found else None

    async def list_snapshots(self, *, run_id: str, include_interrupted: bool = False) -> list[ContinuableSnapshot]:
        """Return the snapshots of a run in the order in which they were saved.

        Raises:
            UserError: There is no scope.
        """
        stored = await self._do(lambda scope: _snapshots(scope, run_id).list_all())
        found = [_continuable(run_id, snapshot) for snapshot in stored]
        return [snapshot for snapshot in found if include_interrupted or snapshot.state == "complete"]

    async def record_tool_effect(self, record: ToolEffectRecord) -> None:
        """Store what is known of a tool call; what was known before is replaced.

        Raises:
            UserError: There is no scope.
        """
        data, key = _encoded(record), record_key(record.run_id, record.tool_call_id)
        await self._change(EFFECTS, lambda held: held.put(key, data, owner=record_key(record.run_id)))

    async def get_tool_effect(self, *, run_id: str, tool_call_id: str) -> ToolEffectRecord | None:
        """Return what is known of a tool call, or `None`.

        Raises:
            UserError: There is no scope.
        """
        from pydantic_ai_harness.step_persistence import ToolEffectRecord

        data = await self._read(EFFECTS, lambda held: held.get(record_key(run_id, tool_call_id)))
        return None if data is None else ToolEffectRecord(**_decoded(data))

    async def list_unresolved_tool_effects(self, *, run_id: str) -> list[ToolEffectRecord]:
        """Return the tool calls of a run that began and of which no end is known.

        Raises:
            UserError: There is no scope.
        """
        from pydantic_ai_harness.step_persistence import ToolEffectRecord

        stored = await self._read(EFFECTS, lambda held: held.items(record_key(run_id)))
        effects = [ToolEffectRecord(**_decoded(data)) for _, data in stored]
        return [effect for effect in effects if effect.status == "started"]

    async def _read(self, kind: str, work: Callable[[RecordsInTransaction], Any]) -> Any:
        return await self._do(lambda scope: ScopeRecords(scope, kind).read(work))

    async def _change(self, kind: str, work: Callable[[RecordsInTransaction], object]) -> None:
        await self._do(lambda scope: ScopeRecords(scope, kind).change(work))


def _encoded(record: Any) -> bytes:
    # As ASCII, with which a lone surrogate in the text of an error is kept too.
    return json.dumps(asdict(record), default=datetime.isoformat).encode()


def _decoded(data: bytes) -> dict[str, Any]:
    fields = json.loads(data)
    return {name: _moment(value) if name in _MOMENTS and value else value for name, value in fields.items()}


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


# -- snapshots: checkpoints of a conversation that has the run's name, which store each message once -------


def _snapshots(scope: Scope, run_id: str) -> Checkpoints:
    # No conversation of a user's: those come with ids that people or programs choose.
    return scope.checkpoints(f"\x1fsteps\x1f{record_key(run_id)}")


@dataclass(frozen=True)
class _Saved:
    """What is known of the snapshots of a run without reading them, whose histories may be long.

    Attributes:
        count: Number of snapshots that were saved.
        highest: The highest number with which a key of `StepPersistence` began; -1 before.
        keys: The keys with that number.
        kept: Id of each snapshot that is stored, and whether it is complete.
    """

    count: int = 0
    highest: int = -1
    keys: tuple[str, ...] = ()
    kept: tuple[tuple[str, bool], ...] = ()

    def has(self, key: str) -> bool:
        """Return whether a snapshot was saved before, although it may have been removed since."""
        number = _sequence(key)
        return number is not None and (number < self.highest or (number == self.highest and key in self.keys))

    def after(self, id: str, key: str | None, *, is_complete: bool) -> _Saved:
        """Return what is known after one more was saved."""
        number = None if key is None else _sequence(key)
        kept = (*self.kept, (id, is_complete))
        if key is None or number is None:
            return _Saved(self.count + 1, self.highest, self.keys, kept)
        before = self.keys if number == self.highest else ()
        return _Saved(self.count + 1, number, (*before, key), kept)

    def superfluous(self, most: int) -> list[str]:
        """Return the ids of those to remove: neither among the newest, nor the newest complete one."""
        newest = next((id for id, is_complete in reversed(self.kept) if is_complete), None)
        return [id for id, _ in self.kept[:-most] if id != newest]


def _save(scope: Scope, snapshot: ContinuableSnapshot, most: int | None) -> None:
    records, run = ScopeRecords(scope, SNAPSHOTS), record_key(snapshot.run_id)
    stored, key = _snapshots(scope, snapshot.run_id), snapshot.idempotency_key
    saved = records.read(lambda held: _saved(held.get(run)))
    id = record_key("number", str(saved.count)) if key is None else record_key("key", key)
    if key is not None and (saved.has(key) or any(id == kept for kept, _ in saved.kept)):
        return
    said = {name: getattr(snapshot, name) for name in _KEPT_IN_METADATA}
    stored.save(
        Snapshot(
            id=id,
            label=snapshot.state,
            turn=snapshot.step_index,
            messages=snapshot.messages,
            message_count=len(snapshot.messages),
            # The order is that of saving, whatever clock the runs go by.
            created_at=_EPOCH + timedelta(microseconds=saved.count),
            metadata={**said, "timestamp": snapshot.timestamp.isoformat()},
        )
    )
    saved = saved.after(id, key, is_complete=snapshot.state == "complete")
    for old in saved.superfluous(most) if most is not None else ():
        stored.remove(old)
        saved = replace(saved, kept=tuple(kept for kept in saved.kept if kept[0] != old))
    records.change(lambda held: held.put(run, json.dumps(asdict(saved)).encode()))


def _saved(data: bytes | None) -> _Saved:
    if data is None:
        return _Saved()
    fields: dict[str, Any] = json.loads(data)
    kept = tuple((id, is_complete) for id, is_complete in fields["kept"])
    return _Saved(fields["count"], fields["highest"], tuple(fields["keys"]), kept)


def _sequence(key: str) -> int | None:
    """Return the number that a key of `StepPersistence` begins with, which grows with every snapshot of a run."""
    number, colon, _ = key.partition(":")
    return int(number) if colon and number.isdecimal() else None


def _continuable(run_id: str, stored: Snapshot) -> ContinuableSnapshot:
    from pydantic_ai_harness.step_persistence import ContinuableSnapshot

    said = {name: stored.metadata[name] for name in _KEPT_IN_METADATA}
    moment = _moment(stored.metadata["timestamp"])
    return ContinuableSnapshot(
        run_id=run_id, step_index=stored.turn, messages=stored.messages, timestamp=moment, **said
    )
