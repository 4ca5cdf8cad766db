"""An app with an agent, a server, two MCP servers and the command on one embedded store, for minutes.

`python benchmarks/soak.py --minutes 5`. Each writes, edits, remembers, searches and promotes, and what one has
written another looks for at once. It ends with 1 if anything was lost or stale, or failed.
"""

from __future__ import annotations

import random
import statistics
import sys
import tempfile
import time
import traceback
import uuid
from collections import defaultdict
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock, Thread
from typing import Annotated

import typer
from actors import Actor, App, Command, Failed, Http, Mcp, Remembering
from rich.console import Console
from rich.table import Table

from pydantic_hivemind import Hivemind

PROJECT, TEAM, RUN = "project", "team", "run"
"""The workspaces, each under the one before. All work in the team's, one MCP server in the run's."""

BOARD = "/board.md"
"""A file that all edit at once, each a line of its own."""

NOTES = "/.deep/memory/main/MEMORY.md"

PAUSE = 0.1
"""Most seconds between two operations of one: people and models think, and the disk is not all there is to wait for."""


@dataclass
class Row:
    """What became of one kind of operation of one actor."""

    seconds: list[float] = field(default_factory=list)
    lost: int = 0
    stale: int = 0
    errors: int = 0


class Soak:
    """What the actors do, and what came of it."""

    def __init__(self, actors: list[Actor], end: float) -> None:
        self._actors = actors
        self._end = end
        self._lock = Lock()
        self.rows: defaultdict[tuple[str, str], Row] = defaultdict(Row)
        self.written: list[tuple[str, str, str, str]] = []
        self.remembered: list[tuple[str, str]] = []
        self.edits: dict[str, int] = {actor.name: 0 for actor in actors}

    def run(self) -> None:
        threads = [Thread(target=self._work, args=[actor]) for actor in self._actors]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _work(self, actor: Actor) -> None:
        kinds: list[Callable[[Actor], None]] = [self._write, self._write, self._edit, self._promote]
        if isinstance(actor, Remembering):
            kinds.append(self._remember)
        if isinstance(actor, App):
            kinds.append(self._session)
        while time.monotonic() < self._end:
            random.choice(kinds)(actor)
            time.sleep(random.random() * PAUSE)

    def _write(self, actor: Actor) -> None:
        word = uuid.uuid4().hex
        path, text = f"/notes/{word[:2]}/{word}.md", f"{actor.name} wrote this note, which nobody else has: {word}.\n"
        if self._done(actor, "write", lambda: actor.write(path, text)):
            self.written.append((actor.name, path, text, word))
            # The run reads through to what is new in the team's.
            self._look_for(actor, "write", word, actor.workspace, RUN)

    def _remember(self, actor: Remembering) -> None:
        word = uuid.uuid4().hex
        note = f"{actor.name} remembers {word}."
        if self._done(actor, "remember", lambda: actor.remember(note)):
            self.remembered.append((actor.name, note))
            self._look_for(actor, "remember", word, actor.workspace)

    def _session(self, actor: App) -> None:
        word = uuid.uuid4().hex
        path, text = f"/sessions/{word}.md", f"A session learned {word}.\n"
        if self._done(actor, "session", lambda: actor.session(path, text)):
            self.written.append((actor.name, path, text, word))
            self._look_for(actor, "session", word, actor.workspace, RUN)

    def _edit(self, actor: Actor) -> None:
        before = self.edits[actor.name]
        if self._done(actor, "edit", lambda: actor.edit(BOARD, line(actor.name, before), line(actor.name, before + 1))):
            self.edits[actor.name] = before + 1
            reader = self._one_of(actor.workspace)
            told: list[str] = []
            if self._done(reader, "read", lambda: told.append(reader.read(BOARD))):
                self.rows[actor.name, "edit"].stale += line(actor.name, before + 1) not in told[0]

    def _promote(self, actor: Actor) -> None:
        words = [word for name, _, _, word in self.written if name == actor.name]
        if self._done(actor, "promote", actor.promote) and words:
            self._look_for(actor, "promote", words[-1], TEAM)

    def _look_for(self, actor: Actor, kind: str, word: str, *workspaces: str) -> None:
        """Whether somebody in one of these workspaces finds what an actor has just done."""
        reader = self._one_of(*workspaces)
        told: list[str] = []
        if self._done(reader, "search", lambda: told.append(reader.search(word))):
            self.rows[actor.name, kind].stale += word not in told[0]

    def _one_of(self, *workspaces: str) -> Actor:
        found = [actor for actor in self._actors if actor.workspace in workspaces]
        # The command takes seconds and a processor for what others do in milliseconds.
        return random.choices(found, [1 if isinstance(actor, Command) else 10 for actor in found])[0]

    def _done(self, actor: Actor, kind: str, work: Callable[[], object]) -> bool:
        row = self.rows[actor.name, kind]
        start = time.perf_counter()
        try:
            work()
        except Exception:  # noqa: BLE001 - whatever it is, it is counted and told
            with self._lock:
                row.errors += 1
                print(f"{actor.name}, {kind}:", traceback.format_exc(), file=sys.stderr)
            return False
        with self._lock:
            row.seconds.append(time.perf_counter() - start)
        return True

    def count_lost(self, hive: Hivemind) -> None:
        """Compare what was acknowledged with what the project has after everything was promoted."""
        project = hive.scope(PROJECT)
        there = {stat.path for stat in project.glob("**")}
        for name, path, text, _ in self.written:
            kind = "session" if path.startswith("/sessions") else "write"
            self.rows[name, kind].lost += path not in there or project.read_text(path) != text
        notes = project.read_text(NOTES)
        for name, note in self.remembered:
            self.rows[name, "remember"].lost += notes.count(note) != 1
        board = project.read_text(BOARD)
        for name, count in self.edits.items():
            self.rows[name, "edit"].lost += line(name, count) not in board

    @property
    def is_clean(self) -> bool:
        return not any(row.lost or row.stale or row.errors for row in self.rows.values())


def line(name: str, count: int) -> str:
    return f"{name} edited this {count} times;"


def table(soak: Soak, minutes: float) -> Table:
    table = Table(title=f"{minutes:g} minutes on one store; milliseconds")
    for column in ("who", "what", "operations", "lost", "stale", "errors", "median", "worst"):
        table.add_column(column, justify="left" if column in ("who", "what") else "right")
    for (who, what), row in sorted(soak.rows.items()):
        times = [f"{seconds * 1000:.3g}" for seconds in (statistics.median(row.seconds), max(row.seconds))]
        table.add_row(who, what, *(f"{n}" for n in (len(row.seconds), row.lost, row.stale, row.errors)), *times)
    return table


def main(minutes: Annotated[float, typer.Option(help="How long.")] = 5) -> None:
    with tempfile.TemporaryDirectory(prefix="hivemind-soak-", dir=Path.cwd()) as name:
        place = Path(name)
        command = Command("command", TEAM, PROJECT, place)
        with Hivemind.open(place / "hive") as hive, ExitStack() as stack:
            team = hive.scope(TEAM, parent=hive.scope(PROJECT))
            run = hive.scope(RUN, parent=team)
            actors: list[Actor] = [
                App("app", TEAM, hive),
                Http("http", TEAM, hive, place, stack),
                Mcp("mcp 1", TEAM, place, stack),
                Mcp("mcp 2", RUN, place, stack),
                command,
            ]
            # Lines between theirs: changes of lines that touch are a conflict, as in any merge.
            lines = (f"{line(actor.name, 0)}\n\n# after {actor.name}\n" for actor in actors)
            team.write_text(BOARD, "\n".join(lines))
            soak = Soak(actors, time.monotonic() + minutes * 60)
            soak.run()
            run.promote()
            team.promote()
            soak.count_lost(hive)
        Console(width=120).print(table(soak, minutes))
        failed = [log.name for log in place.glob("*.log") if "Traceback" in log.read_text()]
        for log in failed:
            print(f"{log}:\n{(place / log).read_text()}", file=sys.stderr)
        try:
            print(command.doctor() or "`hivemind doctor` finds nothing")
        except Failed as error:
            failed.append(str(error))
            print(error)
    sys.exit(bool(failed) or not soak.is_clean)


if __name__ == "__main__":
    typer.run(main)
