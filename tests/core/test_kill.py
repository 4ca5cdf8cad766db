"""`kill -9` of a writer at random moments."""

import itertools
import os
import random
import select
import signal
import sqlite3
import time
from contextlib import closing

from forked_processes import fork
from ledger_integrity import check_layers

from pydantic_hivemind import Hivemind

KILLS = 200
ROUNDS_PER_STORE = 20
SET = ("/set/a", "/set/b", "/set/c")


def write_until_killed(directory, round, pipe):
    """Write files and promote sets of files that agree; a line on the pipe for each, after it returned."""
    hive = Hivemind.open(directory, durability=random.choice(["full", "normal"]))
    project = hive.scope("project")
    run = project.spawn(f"run-{round}")
    for number in itertools.count():
        path = f"/{round}/{number % 5}"
        project.write_text(path, str(number))
        os.write(pipe, f"wrote {path} {number}\n".encode())
        for name in SET:
            run.write_text(name, f"{round} {number}")
        run.promote(on_conflict="take_source")
        os.write(pipe, f"promoted {round} {number}\n".encode())


def acknowledged_before_a_kill(directory, round, moments):
    """What a writer acknowledged until it was killed."""
    reader, writer = os.pipe()
    process = fork(write_until_killed, directory, round, writer)
    os.close(writer)
    if round % 4:
        # Three of four are at work when they are killed, however slow the machine is.
        select.select([reader], [], [], 60)
    time.sleep(moments.uniform(0, 0.06))
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)
    with open(reader, encoding="utf-8") as pipe:
        return [line.split() for line in pipe if line.endswith("\n")]


def test_kill_at_random_moments(tmp_path):
    """Every acknowledged write is there, no promotion is there by half, and no lock is left behind."""
    # Loaded here, so that a forked writer begins to write at once.
    Hivemind.open(tmp_path / "first").close()
    moments = random.Random(7)
    total = 0
    files, promoted = {}, (0, -1)
    for round in range(KILLS):
        if round % ROUNDS_PER_STORE == 0:
            # The first opening of a store is killed sometimes, too.
            directory = tmp_path / f"hive-{round}"
            files, promoted = {}, (0, -1)
        for kind, name, number in acknowledged_before_a_kill(directory, round, moments):
            total += 1
            if kind == "wrote":
                files[name] = int(number)
            else:
                promoted = (int(name), int(number))
        directory.mkdir(exist_ok=True)
        with closing(sqlite3.connect(directory / "ledger.sqlite3", timeout=0)) as connection:
            connection.execute("BEGIN IMMEDIATE")
        with Hivemind.open(directory, durability="normal") as hive:
            project = hive.scope("project")
            for path, number in files.items():
                # One more may have been written than the writer could say.
                assert int(project.read_text(path)) >= number
            contents = {project.read_text(path) for path in SET if project.exists(path)}
            assert len(contents) == (1 if project.exists("/set") else 0)
            for content in contents:
                assert tuple(map(int, content.split())) >= promoted
            project.write_text("/after", str(round))
            check_layers(hive)
    assert total > KILLS / 2  # Most of them were killed at work, not at the start.
