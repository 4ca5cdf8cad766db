"""`connect` and `disconnect` where something is in the way: other stores, files with comments, git."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import tomlkit

from pydantic_hivemind import Hivemind, errors
from pydantic_hivemind.tokens import Tokens

FILE = Path(".mcp.json")


@pytest.fixture(autouse=True)
def home(run, tmp_path, monkeypatch):
    """A home directory that is not the tester's, and a workspace."""
    monkeypatch.delenv("CODEX_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr(sys, "platform", "linux")
    run("workspace", "create", "run")
    return tmp_path / "home"


def token():
    return json.loads(FILE.read_text())["mcpServers"]["hivemind"]["env"]["HIVEMIND_TOKEN"]


def is_valid(store, token):
    with Hivemind.open(store) as hive:
        try:
            return bool(Tokens(hive).verify(token))
        except errors.InvalidToken:
            return False


def test_a_token_of_another_store_is_revoked_there(run, store, tmp_path):
    run("connect", "claude-code", "-w", "run")
    before = token()
    run("workspace", "create", "elsewhere", "--store", tmp_path / "other")
    assert run("connect", "claude-code", "-w", "elsewhere", "--store", tmp_path / "other").code == 0
    assert not is_valid(store, before)
    now = token()
    assert is_valid(tmp_path / "other", now)
    assert run("disconnect", "claude-code").code == 0
    assert not is_valid(tmp_path / "other", now)


@pytest.mark.parametrize("again", [("disconnect", "claude-code"), ("connect", "claude-code", "-w", "elsewhere")])
def test_a_store_that_is_gone_is_no_obstacle(run, store, tmp_path, monkeypatch, again):
    run("connect", "claude-code", "-w", "run")
    shutil.rmtree(store)
    monkeypatch.setenv("HIVEMIND_STORE", str(tmp_path / "other"))
    run("workspace", "create", "elsewhere")
    told = run(*again, people=True)
    assert told.code == 0
    assert told.out.startswith(("Disconnected", "Connected"))
    assert "could not be revoked" in told.err


@pytest.mark.parametrize(
    ("client", "file", "text"),
    [
        ("vscode", ".vscode/mcp.json", '{\n  // mine\n  "servers": {}\n}'),
        ("claude-code", ".mcp.json", '{"mcpServers": {"hivemind": {"url": "http://hive"}}}'),
        ("codex", ".codex/config.toml", "[mcp_servers\n"),
    ],
)
def test_what_goes_into_a_file_that_is_not_understood_is_shown(run, home, client, file, text):
    place = home / file if client == "codex" else Path(file)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(text)
    told = run("connect", client, "-w", "run", "--print")
    shown = tomlkit.parse(told.out).unwrap() if client == "codex" else json.loads(told.out)
    ((_, servers),) = shown.items()
    assert servers["hivemind"]["args"] == ["mcp", "--workspace", "run"]
    assert "this is what to add to it" in told.err
    assert place.read_text() == text


def test_what_would_be_written_is_shown_as_json(run):
    shown = run("connect", "claude-code", "-w", "run", "--print", "--json").json
    assert Path(shown["file"]) == Path.cwd() / FILE
    assert json.loads(shown["content"])["mcpServers"]["hivemind"]["env"]["HIVEMIND_TOKEN"] == "TOKEN"
    assert not FILE.exists()


def test_a_file_may_begin_with_a_byte_order_mark(run):
    FILE.write_bytes(b'\xef\xbb\xbf{"theme": 1}')
    assert run("connect", "claude-code", "-w", "run").code == 0
    assert json.loads(FILE.read_text())["theme"] == 1


def git(*arguments):
    return subprocess.run(["git", *arguments], check=True, capture_output=True, text=True).stdout


def do_what_is_advised(told):
    (command,) = [line.partition("`")[2].partition("`")[0] for line in told.err.splitlines() if "git would" in line]
    subprocess.run(["sh", "-c", command], check=True)


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_a_token_is_kept_out_of_commits(run, monkeypatch):
    assert "git would" not in run("connect", "claude-code", "-w", "run").err
    run("disconnect", "claude-code")
    FILE.unlink()
    git("init", ".")
    Path("below").mkdir()
    monkeypatch.chdir("below")
    for client in ("claude-code", "cursor"):
        do_what_is_advised(run("connect", client, "-w", "run"))
        assert "git would" not in run("connect", client, "-w", "run").err
        assert git("status", "--porcelain") == ""


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_a_token_in_a_file_that_is_committed_already(run):
    git("init", ".")
    FILE.write_text("{}\n")
    git("add", ".")
    git("-c", "user.name=x", "-c", "user.email=x@x", "commit", "-m", "x")
    do_what_is_advised(run("connect", "claude-code", "-w", "run"))
    assert git("status", "--porcelain") == ""


@pytest.mark.parametrize("how", [(), ("--print",)])
@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:s3cret@127.0.0.1:1/hive",
        "postgresql://me:s3cret/#?x@127.0.0.1:1/hive",
        "postgresql://me@127.0.0.1:1/hive?password=s3cret",
        "postgres://127.0.0.1:1/hive?user=me&sslpassword=s3cret",
    ],
)
def test_the_password_of_a_database_is_not_written(run, monkeypatch, url, how):
    """Whoever reads the client's file would have every workspace."""
    named = run("connect", "claude-code", "-w", "run", "--store", url, *how)
    monkeypatch.setenv("HIVEMIND_STORE", url)
    for told in (named, run("connect", "claude-code", "-w", "run", *how)):
        assert (told.code, told.out) == (2, "")
        assert "PGPASSWORD" in told.err
        assert "s3cret" not in told.err
    assert not FILE.exists()


def test_a_database_without_a_password_in_its_url_is_asked(run):
    told = run("connect", "claude-code", "-w", "run", "--store", "postgresql://me@127.0.0.1:1/hive")
    assert (told.code, told.out) == (5, "")
    assert "PGPASSWORD" not in told.err


def test_the_password_of_a_database_is_in_no_process_list(run, monkeypatch):
    url = "postgresql://me:s3cret@127.0.0.1:1/hive"
    for arguments in (("serve",), ("mcp", "-w", "run"), ("console",), ("ls", "-w", "run"), ("gc",)):
        for told in (run(*arguments, "--store", url), run("--store", url, *arguments)):
            assert (told.code, told.out) == (2, ""), arguments
            assert "PGPASSWORD" in told.err
            assert "s3cret" not in told.err
    # From the environment it is taken: other users do not see that.
    monkeypatch.setenv("HIVEMIND_STORE", url)
    told = run("ls", "-w", "run")
    assert (told.code, "s3cret" in told.err) == (5, False)
    monkeypatch.setenv("HIVEMIND_STORE", "postgresql://127.0.0.1:1/hive")
    monkeypatch.setenv("PGPASSWORD", "s3cret")
    assert run("ls", "-w", "run").code == 5
