"""An agent that searches for hostile patterns, in a process of bounded size.

Prints how long the loop computed at most without letting others go on, in seconds of its own thread.
"""

from __future__ import annotations

import asyncio
import resource
import sys
import time
from pathlib import Path

resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))
resource.setrlimit(resource.RLIMIT_CPU, (100, 100))
sys.path.insert(0, str(Path(__file__).parents[1]))

from agents.scripted_model import EVERYTHING, call, script, scripted_model  # noqa: E402
from pydantic_hivemind import Hivemind, HivemindBackend  # noqa: E402
from pydantic_hivemind.deep import DeepAgentDeps, create_deep_agent  # noqa: E402

GREPS = [r"(a+)+$", r"(a|aa)+$", "a*" * 300 + "b", "(?:" * 40 + "a" + "){1,2}" * 40, "a?" * 2000 + "a" * 2000]
GREPS += [r"(a|a)*$", r"\b(a+)+é$"]
GLOBS = ["*a" * 30 + "b", "**/a/" * 12 + "b", "{a,*}*" * 9 + "b"]

longest = 0.0


async def tick() -> None:
    global longest  # noqa: PLW0603
    while True:
        before = time.thread_time()
        await asyncio.sleep(0.001)
        longest = max(longest, time.thread_time() - before)


async def main() -> None:
    quiet = {"web_search": False, "web_fetch": False, "thinking": False, "cost_tracking": False}
    quiet |= {"include_history_archive": False, "include_skills": False}
    with Hivemind.open(sys.argv[1]) as hive:
        scope = hive.scope("a")
        scope.write_text("/long", "a" * 60 + "!\n" + "ä" + "a" * 3000 + "!")
        scope.write_text("/" + "a" * 250, "x")
        scope.write_text("/" + "a/" * 100 + "c", "x")
        agent = create_deep_agent(scripted_model(), **quiet)
        deps = DeepAgentDeps(backend=HivemindBackend(scope))
        await agent.run(script(call("grep", pattern="x"), call("glob", pattern="x"), "ready"), deps=deps)
        ticking = asyncio.create_task(tick())
        await asyncio.sleep(0.01)
        for tool, patterns in (("grep", GREPS), ("glob", GLOBS)):
            for pattern in patterns:
                result = await agent.run(script(call(tool, pattern=pattern), EVERYTHING), deps=deps)
                answer = result.output
                assert "Error: " in answer or "No matches" in answer or "No files" in answer or "Files" in answer, (
                    answer
                )
        ticking.cancel()
    print(longest)


asyncio.run(main())
