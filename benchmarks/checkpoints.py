"""Saving and listing checkpoints, against pydantic-deep's own store of files."""

from __future__ import annotations

import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Coroutine, Iterator
from datetime import datetime, timedelta, timezone
from itertools import islice
from pathlib import Path
from typing import Any

from pydantic_ai.messages import ModelMessage, ModelRequest, ModelResponse, TextPart, ToolCallPart, ToolReturnPart
from pydantic_ai.usage import RequestUsage
from pydantic_deep.features.checkpointing import Checkpoint, CheckpointStore, FileCheckpointStore
from timing import Result

from pydantic_hivemind import Hivemind, Scope
from pydantic_hivemind.adapters.pydantic_deep.checkpoint_store import HivemindCheckpointStore

TURNS = (10, 100, 400)
KEPT = 20
"""Checkpoints in a store, as pydantic-deep keeps by default."""
LONG = (400, 2000)
"""Turns of the histories that an app loads for each request."""
MANY = 2000
"""Checkpoints of a store that keeps all."""
START = datetime(2026, 1, 1, tzinfo=timezone.utc)


def measure() -> list[Result]:
    return asyncio.run(_measure())


async def _measure() -> list[Result]:
    with (
        tempfile.TemporaryDirectory(prefix="hivemind-bench-", dir=Path.cwd()) as directory,
        Hivemind.open(Path(directory, "hive")) as hive,
    ):
        results: list[Result] = []
        for turns in TURNS:
            # One store after the other: what a store leaves unwritten, the next one's sync would wait for.
            ours = await use(HivemindCheckpointStore(hive.scope(f"{turns} turns")), turns)
            theirs = await use(FileCheckpointStore(Path(directory, str(turns))), turns)
            for work, mine, other in zip(("save a checkpoint", f"list {KEPT} checkpoints"), ours, theirs, strict=True):
                results.append(Result(f"{work} at {turns} turns", mine, other, "FileCheckpointStore"))
            os.sync()
        for turns in LONG:
            mine = await in_new_requests(hive.scope(f"requests at {turns} turns"), turns)
            other = await of_files(Path(directory, f"long {turns}"), turns)
            name = (
                f"load a history of {turns} turns, and save a checkpoint of it with a new store object: the save, CPU"
            )
            results.append(Result(name, mine, other, "FileCheckpointStore"))
        results += await with_many(hive.scope("many"))
        return results


async def in_new_requests(scope: Scope, turns: int) -> float:
    """Median CPU time of saving, where each request has loaded the history and made a store."""
    talk = scope.conversation("main")
    talk.append(next(conversation(turns)).messages)
    times: list[float] = []
    for number in range(KEPT):
        history = talk.load()
        new = turn(turns + 1 + number)
        talk.append(new)
        store = HivemindCheckpointStore(scope, conversation="main")
        saved = Checkpoint(f"id-{number}", "", number, [*history, *new], len(history) + 2, START)
        times.append(await timed(store.save(saved), time.process_time))
    return statistics.median(times)


async def of_files(directory: Path, turns: int) -> float:
    """Median CPU time of saving as in `in_new_requests`; this store keeps nothing in memory."""
    store = FileCheckpointStore(directory)
    return statistics.median(
        [await timed(store.save(saved), time.process_time) for saved in islice(conversation(turns), 5)]
    )


async def with_many(scope: Scope) -> list[Result]:
    """CPU times with one checkpoint for each turn, beside that of loading the longest of them."""
    talk, store = scope.conversation("main"), HivemindCheckpointStore(scope, conversation="main")
    for saved in islice(conversation(0), MANY):
        await store.save(saved)
    talk.append(saved.messages)
    store = HivemindCheckpointStore(scope, conversation="main")

    async def rewind() -> None:
        found = await store.get(f"id-{MANY // 2}")
        assert found is not None
        talk.replace(found.messages)

    load = statistics.median([await timed(store.get(saved.id), time.process_time) for _ in range(5)])
    works = (("list", store.list_all()), ("rewind a conversation with", rewind()), ("clear", store.clear()))
    return [
        Result(f"{name} {MANY} checkpoints, CPU", await timed(work, time.process_time), load, "loading the longest")
        for name, work in works
    ]


async def use(store: CheckpointStore, turns: int) -> tuple[float, float]:
    """Medians of saving, once there is a first, and of listing, in milliseconds."""
    saves = [await timed(store.save(checkpoint)) for checkpoint in islice(conversation(turns), KEPT)]
    listings = [await timed(store.list_all()) for _ in range(3)]
    return statistics.median(saves[1:]), statistics.median(listings)


async def timed(work: Coroutine[Any, Any, object], clock: Callable[[], float] = time.perf_counter) -> float:
    start = clock()
    await work
    return (clock() - start) * 1000


def conversation(turns: int) -> Iterator[Checkpoint]:
    """Checkpoints of a conversation that goes on, one a turn, from `turns` on."""
    history: list[ModelMessage] = [message for number in range(turns) for message in turn(number)]
    while True:
        number = len(history) // 2
        history += turn(number)
        at = START + timedelta(seconds=number)
        yield Checkpoint(f"id-{number}", f"turn-{number}", number, list(history), len(history), at)


def turn(number: int) -> list[ModelMessage]:
    """A tool's answer of 300 bytes, and a response that calls it again."""
    found = ToolReturnPart("read_file", f"line {number} of the file\n" * 15, tool_call_id=f"call-{number}")
    call = ToolCallPart("read_file", {"path": f"/src/{number}.py"}, tool_call_id=f"call-{number + 1}")
    usage = RequestUsage(input_tokens=900 + number, output_tokens=40)
    return [
        ModelRequest(parts=[found], instructions="You are a careful engineer. " * 10),
        ModelResponse(parts=[TextPart("I look at the next file."), call], usage=usage, model_name="scripted"),
    ]
