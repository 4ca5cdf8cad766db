"""`hivemind demo` tells a true story, and notices when it is none."""

import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pydantic_hivemind.cli import app
from pydantic_hivemind.demo.server_process import Server
from pydantic_hivemind.demo.story import StepFailed, Story

HIVEMIND = str(Path(sys.executable).with_name("hivemind"))


def hivemind(*arguments, **environment):
    return subprocess.run(
        [HIVEMIND, *arguments], env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )


def test_demo_holds_and_leaves_no_files(tmp_path):
    told = hivemind("demo", TMPDIR=str(tmp_path))
    assert told.returncode == 0, told.stdout + told.stderr
    for title in (
        "Two users chat at the same time",
        "Neither can see what is the other's",
        "A run that succeeds is promoted",
        "What one user's agent learned, the others find by its meaning",
        "A run that fails leaves nothing",
        "The server is killed with SIGKILL",
        "All of it holds.",
    ):
        assert title in told.stdout
    assert "\x1b" not in told.stdout
    assert told.stderr == ""
    assert list(tmp_path.iterdir()) == []


def test_demo_keeps_a_store_and_can_be_told_again(tmp_path):
    store = tmp_path / "store"
    for _ in range(2):
        told = hivemind("demo", "--store", str(store), TMPDIR=str(tmp_path))
        assert told.returncode == 0, told.stdout + told.stderr
    assert list(tmp_path.iterdir()) == [store]


LEAKY = """
import sys
from pydantic_hivemind.demo import chat_app as app
everybody = app.create_app(sys.argv[1])
everybody.dependency_overrides[app.current_user] = lambda: "everybody"
app.serve(everybody, int(sys.argv[2]))
"""

CARELESS = """
import sys
from pydantic_hivemind.adapters.backends.scope_backend import HivemindBackend
from pydantic_hivemind.demo import chat_app as app

class Careless(HivemindBackend):
    async def __aenter__(self):
        return self
    async def __aexit__(self, *error):
        pass
    def promote(self):
        return self.scope.promote()

app.Session = Careless
app.serve(app.create_app(sys.argv[1]), int(sys.argv[2]))
"""


class Forgetful(Server):
    """Starts on another store after it was killed."""

    def kill(self):
        super().kill()
        self.store = self.store / "another"


@pytest.mark.parametrize(
    ("server", "step"),
    [
        (partial(Server, command=(sys.executable, "-c", LEAKY)), "Neither can see"),
        (partial(Server, command=(sys.executable, "-c", CARELESS)), "A run that"),
        (Forgetful, "The server is killed"),
    ],
)
def test_a_server_that_is_not_as_told_is_found_out(tmp_path, server, step):
    told = []
    with server(tmp_path) as broken, pytest.raises(StepFailed):
        Story(broken, told.append).tell()
    titles = [line for line in told if line.startswith("\n")]
    assert titles[-1].strip().startswith(step)


def test_demo_fails_when_a_step_does(tmp_path, monkeypatch):
    monkeypatch.setattr("pydantic_hivemind.demo.server_process.Server", Forgetful)
    told = CliRunner().invoke(app, ["demo", "--store", str(tmp_path)])
    assert told.exit_code == 1
    assert "NOT SO: ada's" in told.stdout
    assert "All of it holds." not in told.stdout


def test_help_and_version_come_at_once():
    code = (
        "import sys; from pydantic_hivemind.cli import app\n"
        "try: app([sys.argv[1]])\n"
        "finally: print(*sorted({'pydantic_ai', 'fastapi', 'sqlalchemy'} & set(sys.modules)), file=sys.stderr)"
    )
    for option, text in (("--help", "demo"), ("--version", "hivemind 0")):
        ran = subprocess.run([sys.executable, "-c", code, option], capture_output=True, text=True, check=False)
        assert (ran.returncode, ran.stderr.strip()) == (0, "")
        assert text in ran.stdout
    assert hivemind("no-such-command").returncode == 2
