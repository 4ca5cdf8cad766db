"""Promotion: what it costs, and how long others wait for it. Everything is measured in processes of their own.

python benchmarks/promotion.py                                  all of it
python benchmarks/promotion.py --before ../hivemind-0.1         beside an earlier checkout
python benchmarks/promotion.py --postgresql postgresql://...    beside a store in PostgreSQL, which must be empty
"""

from __future__ import annotations

import argparse
import json
import os
import select
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic_hivemind import Hivemind, Scope

HERE = Path(__file__).resolve().parent.parent
FILES, PROMOTED, FEW = 10_000, 1_000, 300
ROUNDS = 7
CLASHING, LINES = 40, 2_200

TEXT = "".join(f"line {number}: what was decided and why\n" for number in range(50))


def opened(place: str) -> Hivemind:
    return Hivemind.connect(place) if "://" in place else Hivemind.open(place)


def fill(scope: Scope, count: int) -> None:
    for number in range(count):
        scope.write_text(f"/notes/{number % 100}/{number}.md", f"{number}\n{TEXT}")


# -- what a promotion costs --------------------------------------------------------------------


def cost(place: str, count: int) -> dict[str, float]:
    """CPU and wall-clock seconds of promoting some files, medians."""
    cpu: list[float] = []
    wall: list[float] = []
    with opened(place) as hive:
        for round in range(ROUNDS):
            run = hive.scope(f"project {count} {round}").spawn()
            fill(run, count)
            before = time.process_time(), time.perf_counter()
            run.promote()
            cpu.append(time.process_time() - before[0])
            wall.append(time.perf_counter() - before[1])
    return {"cpu": statistics.median(cpu[1:]), "wall": statistics.median(wall[1:])}


# -- how long others wait ----------------------------------------------------------------------


def keep_writing(place: str) -> None:
    """Write 2 KB again and again until the input ends, and tell how long each took, in milliseconds."""
    with opened(place) as hive:
        scope = hive.scope("somebody else")
        times: list[float] = []
        print("ready", flush=True)
        while len(times) < 100 or not select.select([sys.stdin], [], [], 0)[0]:
            start = time.perf_counter()
            scope.write_text(f"/f{len(times) % 10}", TEXT[:2048])
            times.append((time.perf_counter() - start) * 1000)
            time.sleep(0.002)
    times.sort()
    print(json.dumps({"median": statistics.median(times), "p99": times[len(times) * 99 // 100], "worst": times[-1]}))


@contextmanager
def writer(place: str) -> Iterator[dict[str, float]]:
    """Let another process write meanwhile."""
    process = subprocess.Popen(
        [sys.executable, __file__, "_write", place], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    process.stdout.readline()
    told: dict[str, float] = {}
    yield told
    out, _ = process.communicate("x")
    told.update(json.loads(out.splitlines()[-1]))


def waits(place: str, work: Callable[[], object]) -> dict[str, Any]:
    """What another process's writes take during some work, and beside as much work that has nothing to do with it."""
    with writer(place) as during:
        start = time.perf_counter()
        work()
        took = time.perf_counter() - start
    with writer(place) as usual:
        until = time.perf_counter() + max(took, 2)
        while time.perf_counter() < until:
            sum(range(1000))
    return {"seconds": took, "during": during, "usual": usual}


def beside_previews(place: str) -> dict[str, Any]:
    """A dry run and a diff of 10,000 files."""
    with opened(place) as hive:
        run = hive.scope("project").spawn()
        fill(run, FILES)

        def preview() -> None:
            run.promote(dry_run=True)
            run.diff()

        return waits(place, preview)


def beside_merges(place: str) -> dict[str, Any]:
    """40 files of 2,200 lines of which every second one was changed on both sides."""
    with opened(place) as hive:
        parent = hive.scope("team")
        run = parent.spawn()
        sides = [
            "".join(f"{side if number % 2 else 'line'} {number}\n" for number in range(LINES))
            for side in ("base", "run", "parent")
        ]
        for scope, text in zip((parent, run, parent), sides, strict=True):
            for number in range(CLASHING):
                scope.write_text(f"/.deep/memory/{number}.md", text)
        return waits(place, run.promote)


def measured(name: str, place: str, *, source: Path = HERE) -> dict[str, Any]:
    """The outcome of a measurement in a process of its own, of this code or an earlier one."""
    done = subprocess.run(
        [sys.executable, __file__, f"_{name}", place],
        env={**os.environ, "PYTHONPATH": str(source)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    asked = argparse.ArgumentParser(description="Measure promotion.")
    asked.add_argument("--before", type=Path, help="an earlier checkout")
    asked.add_argument("--postgresql", metavar="URL", help="an empty database")
    asked.add_argument("--directory", type=Path, default=Path.cwd(), help="where stores are made")
    options = asked.parse_args()
    sources = {"now": HERE} | ({"before": options.before.resolve()} if options.before else {})
    with tempfile.TemporaryDirectory(prefix="hivemind-bench-", dir=options.directory) as directory:
        costs = {name: measured("cost", f"{directory}/cost {name}", source=of) for name, of in sources.items()}
        for name, found in costs.items():
            print(f"promote {PROMOTED} files, {name}: {found['cpu'] * 1000:.0f} ms CPU")
        if "before" in costs:
            print(f"  ratio {costs['now']['cpu'] / costs['before']['cpu']:.2f}")
        if options.postgresql:
            few = {place: measured("few", place) for place in (f"{directory}/few", options.postgresql)}
            sqlite, postgresql = (found["wall"] * 1000 for found in few.values())
            print(f"promote {FEW} files: SQLite {sqlite:.0f} ms, PostgreSQL {postgresql:.0f} ms", end="")
            print(f"; ratio {postgresql / sqlite:.2f}")
        for work in ("previews", "merges"):
            for name, of in sources.items():
                found = measured(work, f"{directory}/{work} {name}", source=of)
                during, usual = found["during"], found["usual"]
                print(f"writes beside {work} of {found['seconds']:.1f} s, {name}, ms:")
                for part in ("median", "p99", "worst"):
                    print(f"  {part}: {during[part]:.2f}, usually {usual[part]:.2f}, {during[part] / usual[part]:.1f}x")


PARTS: dict[str, Callable[[str], Any]] = {
    "_cost": lambda place: cost(place, PROMOTED),
    "_few": lambda place: cost(place, FEW),
    "_previews": beside_previews,
    "_merges": beside_merges,
    "_write": keep_writing,
}

if __name__ == "__main__":
    if len(sys.argv) == 3 and sys.argv[1] in PARTS:
        told = PARTS[sys.argv[1]](sys.argv[2])
        if told is not None:
            print(json.dumps(told))
    else:
        main()
