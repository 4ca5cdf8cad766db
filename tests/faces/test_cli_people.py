"""What commands print on a terminal of 80 columns can be copied from it and pasted into the next command."""

import pytest

from pydantic_hivemind import Hivemind
from pydantic_hivemind.tokens import Tokens

NAME = "project/with-a-name-that-takes-the-better-part-of-a-line"
W = ("-w", NAME)


@pytest.fixture(autouse=True)
def narrow(run, monkeypatch):
    """A terminal, and a workspace."""
    monkeypatch.setenv("COLUMNS", "80")
    run("workspace", "create", NAME)


def test_a_token_is_one_line(run, store):
    shown = run("token", "create", *W, people=True).out
    with Hivemind.open(store) as hive:
        assert Tokens(hive).verify(shown.removesuffix("\n")).workspace == NAME


def test_what_names_something_is_never_broken(run):
    made = run("token", "create", *W, "--json").json
    path = "/notes/" + "a long name " * 8 + ".md"
    run("workspace", "create", "run", "--inherit", NAME)
    run("write", path, "--tag", "one", "--tag", "two", "-w", "run", stdin=b"x")
    promotion = run("promote", "--from", "run", "--json").json["id"]
    listed = run("token", "list", people=True).out
    assert made["id"] in listed
    assert NAME in listed
    version = run("log", path, *W, "--json").json[0]["version"]
    logged = run("log", path, *W, people=True).out
    assert promotion in logged
    assert version in logged
    for command in (("ls", "/notes"), ("ls", path), ("ls", "--glob", "**")):
        assert path in run(*command, *W, people=True).out
    assert NAME in run("workspace", "list", people=True).out
    assert NAME in run("workspace", "tree", people=True).out
    assert path in run("revert", promotion, *W, people=True).out
    run("restore", path, *W)
    assert path in run("rm", path, *W, people=True).out
    run("write", path, "-w", "run", stdin=b"again")
    assert path in run("promote", "--from", "run", "--dry-run", people=True).out


def test_a_table_is_no_wider_than_it_must_be(run):
    """What may be broken is: times, and lists of words."""
    run("token", "create", *W)
    run("workspace", "create", "short")
    run("token", "create", "-w", "short")
    assert max(map(len, run("ls", "/", "-w", "short", people=True).lines)) <= 80
    run("write", "/f", "--tag", "a" * 24, "--tag", "b" * 24, "-w", "short", stdin=b"x")
    assert max(map(len, run("ls", "/", "-w", "short", people=True).lines)) <= 80
