"""The command as a program: exit codes, pipes, help, and the lines that users copy."""

import io
import json
import os
import pty
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
import typer
from ports import free_port

from pydantic_hivemind import Hivemind, cli

PROGRAMS = Path(sys.executable).parent
HIVEMIND = str(PROGRAMS / "hivemind")


def commands(group=None, *above):
    """Every command with its words."""
    group = group or typer.main.get_group(cli.app)
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, *above, name)
        else:
            yield (*above, name), command


COMMANDS = dict(commands())


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A user who has nothing yet."""
    monkeypatch.delenv("HIVEMIND_STORE", raising=False)
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", os.pathsep.join([str(PROGRAMS), os.environ["PATH"]]))
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    return tmp_path


def shell(text, **more):
    return subprocess.run(["sh", "-c", text], capture_output=True, text=True, check=False, **more)


def test_the_first_lines_that_users_copy(home):
    told = shell(
        "RUN_ID=42\n"
        "hivemind workspace create run-$RUN_ID --inherit my-project\n"
        "hivemind connect claude-code --workspace run-$RUN_ID\n"
    )
    assert told.returncode == 0, told.stderr
    with Hivemind.open(home / ".local/share/hivemind") as hive:
        assert hive.scope("run-42", "my-project", create=False)
    server = json.loads(Path(".mcp.json").read_text())["mcpServers"]["hivemind"]
    assert server["args"] == ["mcp", "--workspace", "run-42"]
    assert server["env"]["HIVEMIND_STORE"] == str(home / ".local/share/hivemind")


def test_a_story_down_the_pipe(home):
    """Bytes go through as they are, and codes say what happened."""
    told = shell(
        "hivemind workspace create run --inherit project || exit 90\n"
        "printf '\\377\\000end' | hivemind write /raw -w run || exit 91\n"
        "hivemind cat /raw -w run | od -An -tx1\n"
        "pydantic-hivemind ls -w run\n"
        "hivemind cat /nope -w run; echo $?\n"
        "hivemind workspace create run; echo $?\n"
        "hivemind ls; echo $?\n"
        "hivemind grep nothing -w run; echo $?\n"
    )
    assert told.stdout.split() == ["run", "/raw", "ff", "00", "65", "6e", "64", "/raw", "3", "4", "2", "1"]
    assert "\x1b" not in told.stdout + told.stderr
    assert "Traceback" not in told.stderr


def test_a_reader_that_stops_early_is_no_error_to_look_at(home):
    with Hivemind.open(home / ".local/share/hivemind") as hive:
        hive.scope("run").write_text("/long", "line\n" * 100_000)
    told = shell("hivemind grep . -w run | head -1; hivemind cat /long -w run | head -1")
    assert told.stdout == "/long:1:line\nline\n"
    assert told.stderr == ""


def test_people_get_a_table(home):
    """On a real terminal, with the width that it has."""
    shell("hivemind workspace create run")
    primary, secondary = pty.openpty()
    with subprocess.Popen([HIVEMIND, "workspace", "list"], stdout=secondary, stderr=secondary) as process:
        os.close(secondary)
        said = b""
        try:
            while some := os.read(primary, 4096):
                said += some
        except OSError:  # what reading says at the end of a terminal
            pass
    os.close(primary)
    assert process.returncode == 0
    assert b"inherits" in said


def test_serving_until_told_to_end(home):
    shell("hivemind workspace create run")
    port = free_port()
    with subprocess.Popen([HIVEMIND, "serve", "--port", str(port)], stderr=subprocess.PIPE) as server:
        try:
            while True:
                try:
                    with urllib.request.urlopen(f"http://127.0.0.1:{port}/health") as answer:
                        assert answer.status == 200
                    break
                except OSError:
                    assert server.poll() is None, server.stderr.read()
                    time.sleep(0.05)
        finally:
            server.send_signal(signal.SIGINT)
    open_to_all = shell("hivemind serve --host 0.0.0.0")
    assert (open_to_all.returncode, "token" in open_to_all.stderr) == (2, True)


def test_an_address_that_is_taken_or_is_none(home):
    """The store is there: what is told is what is wrong."""
    shell("hivemind workspace create run && hivemind token create -w run")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        told = shell(f"hivemind serve --port {taken.getsockname()[1]}")
    assert (told.returncode, "in use" in told.stderr, "Traceback" in told.stderr) == (5, True, False)
    told = shell("hivemind serve --host 203.0.113.7")
    assert (told.returncode, "203.0.113.7" in told.stderr, "Traceback" in told.stderr) == (5, True, False)


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_explains_itself(words, capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main([*words, "--help"])
    assert ended.value.code == 0
    assert f"hivemind {' '.join(words)}" in capsys.readouterr().out
    for parameter in COMMANDS[words].params:
        assert getattr(parameter, "help", None), parameter.name


def test_every_command_that_prints_data_prints_json():
    without = {words for words, command in COMMANDS.items() if "as_json" not in [one.name for one in command.params]}
    assert without == {("console",), ("demo",), ("serve",), ("mcp",)}


def test_help_loads_nothing_heavy():
    # Not pydantic, which typer itself may use.
    heavy = {"alembic", "chromadb", "fastapi", "httpx", "jwt", "numpy", "rich", "sqlalchemy", "tomlkit"}
    code = (
        "import sys; from pydantic_hivemind.cli import main\n"
        "try: main(sys.argv[1:])\n"
        f"finally: print(*sorted({heavy!r} & set(sys.modules)), file=sys.stderr)"
    )
    for arguments in (["--help"], ["workspace", "--help"], ["search", "--help"]):
        ran = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
        assert (ran.returncode, ran.stderr.strip()) == (0, "")


def test_a_defect_is_not_hidden(monkeypatch):
    """What nobody expected shows where it happened."""

    def defect(*_, **__):
        raise ZeroDivisionError

    monkeypatch.setattr(Hivemind, "open", defect)
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    with pytest.raises(ZeroDivisionError):
        cli.main(["workspace", "create", "x", "--store", "y"])
