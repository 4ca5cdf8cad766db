"""`HivemindStepStore`: runs, their steps and snapshots in a scope, for `StepPersistence` of the harness."""

# Where the harness is not installed its types are unknown.
# pyright: reportMissingImports=false, reportUnknownParameterType=false, reportUnknownVariableType=false
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
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

RUNS, EVENTS, EFFECTS, REPLAYS = "step-run", "step-event", "step-effect", "step-replay"
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


def _save(scope: Scope, snapshot: ContinuableSnapshot, most: int | None) -> None:
    kept = _snapshots(scope, snapshot.run_id)
    key = snapshot.idempotency_key
    replays = ScopeRecords(scope, REPLAYS)
    run = record_key(snapshot.run_id)
    if key is not None and (
        replays.read(lambda held: _is_replay(held, run, key)) or kept.get(record_key("key", key)) is not None
    ):
        return
    before = kept.list_all()
    number = _number(before[-1]) + 1 if before else 0
    said = {name: getattr(snapshot, name) for name in _KEPT_IN_METADATA}
    made = Snapshot(
        id=record_key("number", str(number)) if key is None else record_key("key", key),
        label=snapshot.state,
        turn=snapshot.step_index,
        messages=snapshot.messages,
        message_count=len(snapshot.messages),
        # The order is that of saving, whatever clock the runs go by.
        created_at=_EPOCH + timedelta(microseconds=number),
        metadata={**said, "timestamp": snapshot.timestamp.isoformat()},
    )
    kept.save(made)
    if key is not None:
        replays.change(lambda held: _note(held, run, key))
    if most is not None:
        for old in _superfluous([*before, made], most):
            kept.remove(old.id)


def _number(snapshot: Snapshot) -> int:
    return (snapshot.created_at - _EPOCH) // timedelta(microseconds=1)


def _superfluous(snapshots: Sequence[Snapshot], most: int) -> list[Snapshot]:
    """Return those to remove: neither among the newest, nor the newest complete one."""
    complete = [snapshot for snapshot in snapshots if snapshot.label == "complete"]
    return [snapshot for snapshot in snapshots[:-most] if snapshot not in complete[-1:]]


def _sequence(key: str) -> int | None:
    """Return the number that a key of `StepPersistence` begins with, which grows with every snapshot of a run."""
    number, colon, _ = key.partition(":")
    return int(number) if colon and number.isdecimal() else None


def _is_replay(held: RecordsInTransaction, run: str, key: str) -> bool:
    """Return whether a snapshot was saved before, although it may have been removed since."""
    sequence, data = _sequence(key), held.get(run)
    if sequence is None or data is None:
        return False
    highest, keys = json.loads(data)
    return sequence < highest or (sequence == highest and key in keys)


def _note(held: RecordsInTransaction, run: str, key: str) -> None:
    sequence, data = _sequence(key), held.get(run)
    if sequence is None:
        return
    highest, keys = json.loads(data) if data is not None else (sequence, [])
    if sequence > highest:
        highest, keys = sequence, []
    held.put(run, json.dumps([highest, [*keys, key]]).encode())


def _continuable(run_id: str, stored: Snapshot) -> ContinuableSnapshot:
    from pydantic_ai_harness.step_persistence import ContinuableSnapshot

    said = {name: stored.metadata[name] for name in _KEPT_IN_METADATA}
    moment = _moment(stored.metadata["timestamp"])
    return ContinuableSnapshot(
        run_id=run_id, step_index=stored.turn, messages=stored.messages, timestamp=moment, **said
    )
