"""The commands for files, and those that find something."""

import base64
import warnings

import pytest

from pydantic_hivemind import Hivemind

W = ("--workspace", "run")


@pytest.fixture(autouse=True)
def workspace(run):
    run("workspace", "create", "run", "--inherit", "project")


def test_what_is_written_is_read(run):
    data = "Grüße\r\nno end".encode()
    assert run("write", "/a/b.md", *W, stdin=data).out == "/a/b.md\n"
    assert run("cat", "/a/b.md", *W).out.encode() == data
    file = run("cat", "/a/b.md", *W, "--json").json
    assert (file["data"], file["stat"]["size"], file["stat"]["scope"]) == (data.decode(), len(data), "run")

    run("write", "/raw", *W, stdin=b"\xff\x00")
    assert base64.b64decode(run("cat", "/raw", *W, "--json").json["data"]["base64"]) == b"\xff\x00"


def test_a_listing_shows_what_is_inherited(run):
    run("write", "/above.md", "-w", "project", "--tag", "b", "--tag", "a", stdin=b"1234")
    run("write", "/dir/own.md", *W, stdin=b"x")
    assert run("ls", *W).lines == ["/above.md", "/dir/"]
    assert run("ls", "/above.md", *W).lines == ["/above.md"]
    assert run("ls", "--glob", "**/*.md", *W).lines == ["/above.md", "/dir/own.md"]
    (above, directory) = run("ls", "--json", *W).json
    assert (above["tags"], above["size"], above["scope"], directory["is_dir"]) == (["a", "b"], 4, "project", True)
    shown = run("ls", *W, people=True).lines
    assert shown[0].split() == ["size", "changed", "version", "path", "tags", "in"]
    assert shown[1].split()[:2] == ["4", "B"]
    assert shown[1].endswith("a, b  project")


def test_a_file_is_edited(run):
    run("write", "/f", *W, stdin=b"one one")
    assert (told := run("edit", "/f", "--old", "one", "--new", "two", *W)).code == 4
    assert "2 times" in told.err
    edited = run("edit", "/f", "--old", "one", "--new", "- two", "--replace-all", "--json", *W).json
    assert (edited["occurrences"], run("cat", "/f", *W).out) == (2, "- two - two")
    assert run("edit", "/f", "--old", "- two - two", "--new", "", *W, people=True).out.startswith("Edited /f: 0 B")


def test_tags_are_given_and_taken(run):
    run("write", "/f", *W, stdin=b"x")
    assert run("tag", "/f", "b", "a", "--json", *W).json["tags"] == ["a", "b"]
    assert run("tag", "/f", "--json", *W).json["tags"] == []
    assert run("tag", "/f", "", *W).code == 2


def test_directories_are_made_and_removed(run):
    assert run("mkdir", "/a/b", *W).out == "/a/b\n"
    assert run("mkdir", "/a/b", "--json", *W).json["is_dir"]
    assert run("rm", "/a", *W).out == "/a\n"
    assert run("rm", "/a", *W).code == 3
    assert run("ls", *W).out == ""


def test_a_change_that_came_too_late_or_twice(run):
    version = run("write", "/f", "--expected-version", 0, "--json", *W, stdin=b"1").json["version"]
    late = run("write", "/f", "--expected-version", 0, *W, stdin=b"2")
    assert (late.code, run("cat", "/f", *W).out) == (4, "1")
    for _ in range(2):
        run("edit", "/f", "--old", "1", "--new", "11", "--expected-version", version, "--operation-id", "op", *W)
    assert run("cat", "/f", *W).out == "11"
    assert run("tag", "/f", "x", "--operation-id", "op", *W).code == 4


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("cat", "/missing"), 3),
        (("cat", "/"), 4),
        (("write", "/f/below"), 4),
        (("edit", "/raw", "--old", "a", "--new", "b"), 2),
        (("write", "/" + "x" * 300), 2),
        (("grep", "("), 2),
        (("search", "x", "--where", "{"), 2),
        (("search", "x", "--since", "yesterday"), 2),
        (("search", "x", "--limit", "0"), 2),
    ],
)
def test_what_cannot_be_done_says_so(run, arguments, code):
    run("write", "/f", *W, stdin=b"x")
    run("write", "/raw", *W, stdin=b"\xff")
    told = run(*arguments, *W)
    assert (told.code, told.out) == (code, "")
    assert told.err
    assert "Traceback" not in told.err


def test_grep_prints_lines_and_says_whether_there_were_any(run):
    run("write", "/f.md", *W, stdin=b"a: b\nA: c\n")
    run("write", "/g.txt", *W, stdin=b"a\n")
    assert run("grep", "(?i)^a:", *W).lines == ["/f.md:1:a: b", "/f.md:2:A: c"]
    assert run("grep", "a", "--under", "/g.txt", *W).lines == ["/g.txt:1:a"]
    assert run("grep", "a", "--glob", "*.md", "--json", *W).json == [
        {"path": "/f.md", "line_number": 1, "line": "a: b"}
    ]
    assert run("grep", "a: b", *W, people=True).out == "/f.md:1:a: b\n"
    nothing = run("grep", "z", *W)
    assert (nothing.code, nothing.out) == (1, "")


def test_grep_shows_what_matched_in_a_line(run):
    line = "ok " + "a" * 5000 + "b ok é"
    run("write", "/f.md", *W, stdin=f"{line}\nok ok\n".encode())
    assert run("grep", "ok|(a+)+$", *W, people=True).out.replace("\n", "") == f"/f.md:1:{line}/f.md:2:ok ok"


def test_search_finds_passages_and_says_whether_there_were_any(run):
    run("write", "/deploy.md", "-w", "project", "--tag", "ops", stdin=b"Releases go out\non Tuesdays.\n")
    run("write", "/own.md", *W, stdin=b"Otter is the cluster.\n")
    (hit, *_) = run("search", "when are releases?", "--json", *W).json
    assert (hit["path"], hit["lines"], hit["scope"]) == ("/deploy.md", [1, 2], "project")
    path, lines, score, text = run("search", "releases", "--tag", "ops", *W).lines[0].split("\t")
    assert (path, lines, text) == ("/deploy.md", "1-2", "Releases go out on Tuesdays.")
    assert 0 <= float(score) <= 1
    assert "Tuesdays" in run("search", "releases", "--limit", 1, *W, people=True).out
    for narrow in (["--own"], ["--under", "/own.md"], ["--where", '{"size": {"$lt": 25}}']):
        assert [hit["path"] for hit in run("search", "releases", "--json", *narrow, *W).json] == ["/own.md"]
    assert len(run("search", "--since", "1h", *W).lines) == 2
    assert run("search", "--since", "2999-01-01", *W).code == 1


def test_a_search_that_does_by_words_alone_says_so(run, monkeypatch):
    from pydantic_hivemind import Hits, Scope, errors

    def search(*_, **__):
        warnings.warn(errors.SearchDegraded("by words only"), stacklevel=1)
        return Hits([])

    monkeypatch.setattr(Scope, "search", search)
    told = run("search", "x", *W)
    assert (told.code, told.out, told.err) == (1, "", "hivemind: by words only\n")


def test_what_an_agent_wrote_cannot_move_the_cursor(run, store):
    with Hivemind.open(store) as hive:
        hive.scope("run").write_text("/a\n\x1b[2J", "\x1b[31mred\n", tags=["\x1b]0;title\x07"])
    for people in (True, False):
        for arguments in (("ls",), ("log", "/a\n\x1b[2J"), ("grep", "red"), ("search", "red"), ("diff",)):
            told = run(*arguments, *W, people=people)
            if people or arguments[0] not in ("grep", "diff"):
                assert "\x1b" not in told.out, arguments
    assert len(run("ls", *W).lines) == 1


HOSTILE = "\x1b]0;title\x07 \x9b2J \u202egnp.exe"


def test_content_on_a_terminal_is_text(run, store):
    """And exact on a pipe, with the line ends that it has."""
    data = f"one\r\n\ttwo é\n{HOSTILE}\n\rover".encode()
    run("write", "/f", *W, stdin=data)
    assert run("cat", "/f", *W).out.encode() == data
    shown = "one\n\ttwo é\n\\x1b]0;title\\x07 \\x9b2J \\u202egnp.exe\n\\rover"
    assert run("cat", "/f", *W, people=True).out == shown
    run("write", "/raw", *W, stdin=b"\xff\x00")
    assert run("cat", "/raw", *W, people=True).out == "\\xff\\x00"


def test_names_and_notes_of_others_cannot_control_a_terminal(run, store):
    name = f"run/{HOSTILE}"
    with Hivemind.open(store) as hive:
        scope = hive.scope(name, hive.get("run"))
        scope.write_text(f"/{HOSTILE}", f"{HOSTILE}\n", tags=[HOSTILE])
        scope.conversation(HOSTILE).append([])
        proposal = scope.propose(note=HOSTILE).id
    w = ("-w", name)
    for arguments in (
        ("workspace", "list"),
        ("workspace", "tree"),
        ("workspace", "show", name),
        ("token", "create", "--label", HOSTILE, *w),
        ("token", "list"),
        ("proposals", *W),
        ("proposals", proposal, *W),
        ("ls", *w),
        ("cat", "/nothing" + HOSTILE, *w),
        ("cat", "/f", "-w", HOSTILE),
        ("log", *w),
        ("approve", proposal, "--note", HOSTILE, *W),
        ("revert", HOSTILE, *W),
        ("log", *W),
        ("workspace", "move", name, "--name", f"moved{HOSTILE}"),
        ("workspace", "delete", f"moved{HOSTILE}"),
    ):
        told = run(*arguments, people=True)
        assert not set("\x1b\x07\x9b\u202e") & set(told.out + told.err), arguments
