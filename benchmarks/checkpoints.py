"""Saving and listing checkpoints, against pydantic-deep's own store of files."""

from __future__ import annotations

import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import Coroutine, Iterator
from datetime import datetime, timedelta, timezone
from itertools import islice
from pathlib import Path
from typing import Any

from pydantic_ai.messages import ModelMessage, ModelRequest, ModelResponse, TextPart, ToolCallPart, ToolReturnPart
from pydantic_ai.usage import RequestUsage
from pydantic_deep.features.checkpointing import Checkpoint, CheckpointStore, FileCheckpointStore
from timing import Result

from pydantic_hivemind import Hivemind
from pydantic_hivemind.adapters.pydantic_deep.checkpoint_store import HivemindCheckpointStore

TURNS = (10, 100, 400)
KEPT = 20
"""Checkpoints in a store, as pydantic-deep keeps by default."""
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
        return results


async def use(store: CheckpointStore, turns: int) -> tuple[float, float]:
    """Medians of saving, once there is a first, and of listing, in milliseconds."""
    saves = [await timed(store.save(checkpoint)) for checkpoint in islice(conversation(turns), KEPT)]
    listings = [await timed(store.list_all()) for _ in range(3)]
    return statistics.median(saves[1:]), statistics.median(listings)


async def timed(work: Coroutine[Any, Any, object]) -> float:
    start = time.perf_counter()
    await work
    return (time.perf_counter() - start) * 1000


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
