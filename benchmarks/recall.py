"""What recall adds to a model request: `python benchmarks/recall.py`.

The CPU time of a run of an agent with `HivemindMemory` over that of the same agent without, on a memory of as many
passages as are named.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Sequence

from pydantic_ai import Agent
from pydantic_ai.models.test import TestModel

from pydantic_hivemind import Hivemind, HivemindMemory

WORDS = [
    "release",
    "branch",
    "vendor",
    "invoice",
    "deploy",
    "tuesday",
    "staging",
    "database",
    "token",
    "meeting",
    "plan",
    "budget",
    "review",
]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chunks", type=int, default=3000)
    parser.add_argument("--runs", type=int, default=200)
    options = parser.parse_args(arguments)
    asyncio.run(measure(options.chunks, options.runs))


async def measure(chunks: int, runs: int) -> None:
    with tempfile.TemporaryDirectory() as directory, Hivemind.open(directory, durability="normal") as hive:
        scope = hive.scope("user/ada")
        for number in range(chunks):
            picked = (WORDS[(number * step) % len(WORDS)] for step in (1, 3, 5, 7, 11))
            scope.write_text(f"/notes/{number // 50:03}/{number}.md", f"Note {number}: {' '.join(picked)}.\n")
        with_memory = Agent(TestModel(call_tools=[]), capabilities=[HivemindMemory(scope, floor=-1.0)])
        without = Agent(TestModel(call_tools=[]))
        for agent in (with_memory, without):
            await agent.run("Which branch is released on Tuesday?")
        own, bare = await timed(with_memory, runs), await timed(without, runs)
        added = [one - other for one, other in zip(own, bare, strict=True)]
        last = statistics.quantiles(added, n=20)[-1]
        print(f"{chunks} passages: recall adds {statistics.median(added):.2f} ms (95th percentile {last:.2f} ms)")


async def timed(agent: Agent, runs: int) -> list[float]:
    """CPU time of each run in milliseconds, all threads."""
    found = []
    for number in range(runs):
        begun = time.process_time()
        await agent.run(f"Which branch is released on Tuesday of week {number}?")
        found.append((time.process_time() - begun) * 1000)
    return found


if __name__ == "__main__":
    main()
