"""How long each operation of `AsyncScope` keeps an event loop from turning.

    python benchmarks/loop_stalls.py                      (a store in a temporary directory)
    python benchmarks/loop_stalls.py postgresql://...     (an empty database)

A ticker wakes every 5 ms while an operation is awaited. A tick that comes late is a stall, whose cause may be another
process on the machine. So each is counted with the CPU time that this process used in it: who holds the interpreter
uses CPU, and who waits for a processor does not. That is an upper bound of our part, since threads also use CPU
without holding the interpreter. An idle run in the same process is the control.

Python's collector of garbage stops everything when it looks at all objects of a process, which is the longer the more
the app keeps, and begins when many objects were made, as by loading a long history. That is a column of its own, and
not counted as ours: an app that minds calls `gc.freeze()` when it has started.

All columns are of the worst of all rounds. Where ours is above 50 ms it is marked, and the exit status is 1.
"""

from __future__ import annotations

import asyncio
import gc
import os
import random
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import datetime, timezone
from typing import Any, NamedTuple

from pydantic_ai.messages import ModelMessage, ModelRequest, ModelResponse, TextPart, ToolCallPart, UserPromptPart

from pydantic_hivemind import AsyncHivemind, AsyncScope, Hivemind, Snapshot
from pydantic_hivemind.hive.async_hivemind import Opening

TICK = 0.005
MOST = 0.050
ROUNDS = 3
MEGABYTE = 1 << 20


class Stall(NamedTuple):
    """The longest ones of an operation, in seconds.

    Attributes:
        late: By the clock.
        ours: By the CPU time of this process in it, without that of full collections of garbage.
        collecting: The CPU time of full collections.
    """

    late: float = 0.0
    ours: float = 0.0
    collecting: float = 0.0


class Collections:
    """The CPU time of this process in full collections of garbage."""

    def __init__(self) -> None:
        self._total = 0.0
        self._begun: float | None = None
        gc.callbacks.append(self._note)

    def total(self) -> float:
        """Of those that are over, and of one that is not known to be: who collected gets to say so later."""
        begun = self._begun
        return self._total + (0.0 if begun is None else time.process_time() - begun)

    def _note(self, phase: str, about: dict[str, int]) -> None:
        if about["generation"] == 2:
            if phase == "start":
                self._begun = time.process_time()
            else:
                self._total, self._begun = self.total(), None


collections = Collections()


def worst_of(one: Stall, other: Stall) -> Stall:
    return Stall(*map(max, one, other))


class Ticker:
    """Wakes every 5 ms until it is stopped."""

    def __init__(self) -> None:
        self.worst = Stall()
        self._running = True

    async def run(self) -> None:
        while self._running:
            clock, used, collected = time.perf_counter(), time.process_time(), collections.total()
            await asyncio.sleep(TICK)
            late = max(0.0, time.perf_counter() - clock - TICK)
            collecting = collections.total() - collected
            ours = max(0.0, min(late, time.process_time() - used) - collecting)
            self.worst = worst_of(self.worst, Stall(late, ours, collecting))

    def stop(self) -> None:
        self._running = False


async def stalls_of(work: Callable[[], Awaitable[object]]) -> tuple[Stall, float]:
    """The worst stall while some work is awaited, and how long that took."""
    ticker = Ticker()
    ticking = asyncio.create_task(ticker.run())
    await asyncio.sleep(TICK * 2)
    begun = time.perf_counter()
    await work()
    took = time.perf_counter() - begun
    await asyncio.sleep(TICK * 2)
    ticker.stop()
    await ticking
    return ticker.worst, took


def text_of(size: int, seed: int = 0) -> str:
    words = [f"{prefix}{stem}" for prefix in ("re", "un", "co", "de") for stem in ("deploy", "build", "test", "merge")]
    chosen = random.Random(seed).choices(words, k=size // 8)
    return "\n".join(" ".join(chosen[start : start + 12]) for start in range(0, len(chosen), 12))


def history_of(count: int) -> list[ModelMessage]:
    messages: list[ModelMessage] = []
    for index in range(count // 2):
        messages.append(ModelRequest([UserPromptPart(text_of(400, index))]))
        messages.append(
            ModelResponse([TextPart(text_of(800, index)), ToolCallPart("read_file", {"path": f"/{index}.md"})])
        )
    return messages


def opening(place: str) -> Opening:
    return AsyncHivemind.connect(place) if "://" in place else AsyncHivemind.open(place, durability="normal")


def fill(place: str) -> None:
    """What the operations find."""
    store = Hivemind.connect(place) if "://" in place else Hivemind.open(place, durability="normal")
    with store as hive:
        project = hive.scope("project")
        user = hive.scope("user", project)
        for index in range(2_000):
            user.write_text(f"/many/{index}.md", f"note {index}\n")
        for index in range(150):
            user.write_text(f"/texts/{index}.md", text_of(6_000, index))
        user.write_bytes("/large.bin", os.urandom(25 * MEGABYTE))
        big = text_of(25 * MEGABYTE)
        user.write_text("/large.txt", big)
        user.conversation("long").append(history_of(3_000))
        now = datetime.now(timezone.utc)
        user.checkpoints().save(Snapshot("long", "long", 1, history_of(3_000), 3_000, now, {}))


async def operations(hive: AsyncHivemind, number: int) -> dict[str, Callable[[], Awaitable[object]]]:
    """The work of one round by name, in the order in which it is done."""
    user = await hive.scope("user")
    run = await user.spawn()
    checkpoints, conversation = await user.checkpoints(), await user.conversation("long")
    history = history_of(3_000)
    snapshot = Snapshot(f"n{number}", "n", 1, history, len(history), datetime.now(timezone.utc), {})
    data = os.urandom(25 * MEGABYTE)
    base: list[Any] = []

    async def edit_and_merge() -> None:
        base.append(await run.read("/notes.md"))
        await run.edit("/notes.md", "one", "two")
        await run.merge("/notes.md", b"one\n\n\n\nthree\n", base=base[-1])

    async def many_writes() -> None:
        await asyncio.gather(*(run.write_text(f"/n/{index}.md", f"note {index}") for index in range(300)))

    async def promote_and_revert(scope: AsyncScope) -> None:
        report = await scope.promote()
        await user.revert((await user.history(report.applied[0]))[0].promotion or "")

    return {
        "nothing, for 0.5 s (the control)": lambda: asyncio.sleep(0.5),
        "search, first in the process": lambda: user.search("how do we deploy"),
        "search again": lambda: user.search("build and merge"),
        "search after a write": lambda: _then(user.write_text("/texts/0.md", text_of(6_000, number)), user, "deploy"),
        "exists, stat": lambda: asyncio.gather(user.exists("/many/1.md"), user.stat("/many/1.md")),
        "read 10 bytes": lambda: user.read_text("/many/1.md"),
        "read 25 MB": lambda: user.read_bytes("/large.bin"),
        "read 25 MB of text": lambda: user.read_text("/large.txt"),
        "write 25 MB": lambda: run.write_bytes("/large.bin", data),
        "list_dir of 2,000": lambda: user.list_dir("/many"),
        "glob of 2,150": lambda: user.glob("**/*.md"),
        "grep 25 MB": lambda: user.grep("undeploy.*cotest$", "/large.txt"),
        "grep 25 MB, nothing found": lambda: user.grep("nothing of the kind", "/large.txt"),
        "write, tag": lambda: _both(run.write_text("/notes.md", "one\n\n\n\nend\n"), run.tag, "/notes.md", ["a"]),
        "edit, merge": edit_and_merge,
        "make_dir, remove, restore": lambda: _both(run.remove("/notes.md"), run.restore, "/notes.md"),
        "write 300 at once": many_writes,
        "diff of 300": run.diff,
        "promote 300, dry run": lambda: run.promote(dry_run=True),
        "promote 300, revert": lambda: promote_and_revert(run),
        "history, recent": lambda: asyncio.gather(user.history("/texts/0.md"), user.recent(200)),
        "checkpoint save, 3,000 messages": lambda: checkpoints.save(snapshot),
        "checkpoint get, 3,000 messages": lambda: checkpoints.get("long"),
        "checkpoints, all": checkpoints.list_all,
        "conversation load, 3,000 messages": conversation.load,
        "children, scopes, destroy": lambda: asyncio.gather(user.children(), hive.scopes(), run.destroy()),
    }


async def _then(first: Awaitable[object], scope: AsyncScope, query: str) -> None:
    await first
    await scope.search(query)


async def _both(first: Awaitable[object], second: Callable[..., Awaitable[object]], *arguments: object) -> None:
    await first
    await second(*arguments)


async def main(place: str) -> int:
    worst: dict[str, tuple[Stall, float]] = {}
    for number in range(ROUNDS):
        async with opening(place) as hive:
            for name, work in (await operations(hive, number)).items():
                stall, took = await stalls_of(work)
                before, longest = worst.get(name, (Stall(), 0.0))
                worst[name] = worst_of(before, stall), max(longest, took)
    print(f"{'operation':38} {'took':>9} {'late':>9} {'ours':>9} {'gc':>9}")
    for name, (stall, took) in worst.items():
        mark = "  <- above 50 ms" if stall.ours > MOST else ""
        columns = " ".join(f"{seconds * 1000:6.1f} ms" for seconds in stall)
        print(f"{name:38} {took * 1000:6.0f} ms {columns}{mark}")
    return int(any(stall.ours > MOST for stall, _ in worst.values()))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as directory:
        chosen = sys.argv[1] if len(sys.argv) > 1 else directory
        fill(chosen)
        sys.exit(asyncio.run(main(chosen)))
