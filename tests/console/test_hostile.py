"""Contents and names of agents and of strangers, which must stay text; and what one may not see of others."""

import re
from datetime import datetime, timezone

import pytest
from console_pages import signed_in_pages
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from pydantic_ai.messages import ModelRequest, ModelResponse, TextPart, ToolCallPart, ToolReturnPart, UserPromptPart

from pydantic_hivemind.base.acting import acting
from pydantic_hivemind.base.matching.globs import any_path
from pydantic_hivemind.base.paths import normalize
from pydantic_hivemind.console.differences import between
from pydantic_hivemind.console.markdown import to_html
from pydantic_hivemind.console.pages.changes import literal
from pydantic_hivemind.errors import InvalidPath
from pydantic_hivemind.messages.checkpoints import Snapshot

ATTACK = "<img src=x onerror=alert(1)>\"'><script>alert(2)</script>"
NAME = ATTACK.replace("/", "\\")
SECRET = "s3cret"


@pytest.fixture
def hostile(hive):
    """A workspace that an attacker filled wherever a caller's text goes."""
    top = hive.scope(f"top {ATTACK}")
    top.write_text(f"/{NAME}.md", f"before {ATTACK}\n")
    scope = hive.scope(f"ada {ATTACK}", top)
    scope.write_text(
        f"/{NAME}.md", f"# {ATTACK}\n\n[x](javascript:alert(3)) ![y](http://evil.example/y.png) {ATTACK}\n"
    )
    scope.tag(f"/{NAME}.md", [ATTACK])
    scope.write_text("/plain.txt", ATTACK)
    scope.write_bytes(f"/dir {NAME}/binary", b"\0\xff")
    scope.remove(f"/{NAME}.md")
    scope.restore(f"/{NAME}.md")
    run = scope.spawn(f"run {ATTACK}")
    run.write_text("/plain.txt", f"mine {ATTACK}")
    scope.write_text("/plain.txt", f"theirs {ATTACK}")
    run.propose(note=ATTACK)
    scope.propose(note=ATTACK)
    talk = scope.conversation(ATTACK)
    talk.title = ATTACK
    talk.append(
        [
            ModelRequest(parts=[UserPromptPart(ATTACK)]),
            ModelResponse(parts=[TextPart(ATTACK), ToolCallPart(ATTACK, {"q": ATTACK}, tool_call_id="1")]),
            ModelRequest(parts=[ToolReturnPart(ATTACK, [ATTACK], tool_call_id="1")]),
        ]
    )
    moment = datetime(2026, 1, 2, tzinfo=timezone.utc)
    scope.checkpoints(ATTACK).save(Snapshot(ATTACK, ATTACK, 1, talk.load()[:1], 1, moment, {"x": ATTACK}))
    return scope


def test_what_others_wrote_stays_text(hostile, operator, tokens):
    """Every page that links lead to, from the tree on."""
    tokens.create(hostile, label=ATTACK)
    todo, seen = ["workspaces", f"search?query=alert&workspace={hostile.name}"], set()
    while todo:
        address = todo.pop()
        if address in seen or address.startswith("assets"):
            continue
        seen.add(address)
        answer = operator._client.get(f"/console/{address}")
        assert answer.status_code in (200, 404), (answer.status_code, address)
        if not answer.headers["content-type"].startswith("text/html"):
            assert answer.headers["content-disposition"].startswith("attachment")
            continue
        page = answer.text
        assert not re.search(r"<img src=x|<script>|<img[^>]*evil|href=\"javascript", page, re.IGNORECASE), address
        inside = re.findall(r'href="/console/([^"#]*)"', page)
        todo += [link.replace("&amp;", "&") for link in inside]
    visited = {re.split(r"\?", address)[0] for address in seen}
    assert {*signed_in_pages()} <= {*visited, "promoted"}


MARKDOWN = [
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    "[x](data:text/html,<script>alert(1)</script>)",
    "[x](vbscript:x)",
    "[x](//evil.example/)",
    "[x](\\\\evil.example)",
    "[x](http:alert)",
    "<javascript:alert(1)>",
    "<script>alert(1)</script>",
    "<a href='javascript:alert(1)'>x</a>",
    "![x](http://evil.example/x.png)",
    "[![x](http://evil.example/x.png)](y.md)",
    '[x](y.md "onmouseover=alert(1)")',
    "[x]: javascript:alert(1)\n\n[x]",
    "```html\n<script>alert(1)</script>\n```",
    "| <script> | \n|---|\n| [x](javascript:x) |",
    "[x](%00.md)",
    "[x](../../../../etc/passwd)",
]


@pytest.mark.parametrize("text", MARKDOWN)
def test_markdown_does_no_harm(text):
    page = str(to_html(text, "/notes/a.md", lambda path: f"file?path={path}"))
    assert not re.search(r"<script|<img|<a href='|on\w+=", page)
    for target in re.findall(r'href="([^"]*)"', page):
        assert target.startswith(("file?path=/", "http:", "https:", "mailto:")), target


def test_markdown_leads_to_files():
    page = to_html("[a](b.md) [c](/d.md) [e](../f.md) [g](https://example.org/h)", "/notes/a.md", "file:{}".format)
    for target in ("file:/notes/b.md", "file:/d.md", "file:/f.md", "https://example.org/h"):
        assert f'href="{target}"' in page
    assert "noopener" in page


@settings(max_examples=300)
@given(st.text(alphabet="[]{}!*?\\,ab-/^", min_size=1, max_size=12), st.text(alphabet="[]{}!*?\\,ab-/^", max_size=12))
def test_a_glob_of_one_path_matches_no_other(one, other):
    try:
        path, another = normalize(f"/{one}"), normalize(f"/{other}")
    except InvalidPath:
        return
    assume(path != "/")
    matches = any_path([literal(path)])
    assert matches(path)
    # What is in a directory of that name is taken with it.
    assert not matches(another) or another == path or another.startswith(f"{path}/")


@settings(max_examples=200)
@given(st.text("ab\n", max_size=30), st.text("ab\n\r", max_size=30))
def test_a_comparison_has_every_line_that_differs(before, after):
    rows = between(before.encode(), after.encode()).rows
    kept = [row.text for row in rows if row.kind in ("same", "removed")]
    new = [row.text for row in rows if row.kind in ("same", "added")]
    if rows and not any(row.kind == "gap" for row in rows):
        assert (kept, new) == (before.splitlines(), after.splitlines())


def test_a_comparison_is_bounded():
    large = "".join(f"{number}\n" for number in range(50_000)).encode()
    assert "too large" in between(large, b"x").note
    assert "not text" in between(b"\0", b"x").note
    assert between(b"x\n" * 1990, b"x\ny\n" * 1000).rows


# -- other people's -----------------------------------------------------------------------------


@pytest.fixture
def tree(hive):
    project = hive.scope("project")
    project.write_text("/shared.md", "of the project")
    ada = hive.scope("user/ada", project)
    ada.write_text("/own.md", "of Ada")
    for name, parent in ((f"{SECRET}-sibling", project), (f"{SECRET}-stranger", None)):
        other = hive.scope(name, parent)
        other.write_text(f"/{SECRET}.md", SECRET, tags=[SECRET])
        other.conversation("talk").append([ModelRequest(parts=[UserPromptPart(SECRET)])])
        other.spawn(f"{SECRET}-run").write_text("/x.md", SECRET) if parent is None else None
    return ada


@pytest.mark.parametrize("can", [["read", "write", "promote"], ["read", "write", "promote", "admin"]])
def test_nobody_elses_workspace_is_shown(tree, hive, sign_in, tokens, can):
    visitor = sign_in(tokens.create(tree, can=can))
    for page in signed_in_pages():
        fields = {"path": f"/{SECRET}.md", "id": "talk", "query": SECRET, "conversation": "talk", "session": SECRET}
        names = ["project", f"{SECRET}-sibling", f"{SECRET}-stranger", "nobody-has-this-name"]
        texts = []
        for name in names:
            answer = visitor._client.get(f"/console/{page}", params={"workspace": name, **fields})
            if page not in ("workspaces", "upkeep"):
                assert answer.status_code in (403, 404), (page, name)
            texts.append((answer.status_code, answer.text.replace(name, "NAME")))
        assert len(set(texts)) == 1, page
        own = visitor._client.get(f"/console/{page}", params=fields)
        assert f"{SECRET}-s" not in own.text.replace(f"/{SECRET}.md", "")
    found = visitor.see("workspaces", name="s")
    assert SECRET not in found


def test_a_token_does_what_it_permits(tree, sign_in, tokens):
    tree.spawn("run").write_text("/x.md", "x")
    proposal = tree.session("run").propose()
    reader = sign_in(tokens.create(tree, can=["read"]))
    for page in ("files", "search", "activity", "changes", "conversations"):
        reader.see(page)
    for page in ("tokens", "sessions", "level", "proposals", "upkeep"):
        reader.see(page, 403)
    form = {"to": "project", "path": ["/own.md"]}
    for page, sent in [
        ("file?path=/own.md", {"action": "save", "version": "1", "text": "x"}),
        ("file?path=/new.md", {"action": "save", "version": "", "text": "x"}),
        ("file?path=/own.md", {"action": "tag", "tags": "x"}),
        ("file?path=/own.md", {"action": "remove"}),
        ("versions?path=/own.md", {"version": "1"}),
        ("changes", {**form, "action": "promote"}),
        ("changes", {**form, "action": "propose"}),
        (f"proposal?id={proposal.id}", {"action": "approve"}),
        (f"proposal?id={proposal.id}", {"action": "reject"}),
        ("activity", {"promotion": "x"}),
        ("sessions", {"session": "run", "sure": "1"}),
        ("tokens", {"action": "create", "can": ["read"]}),
        ("conversation?id=talk", {"back": ""}),
        ("upkeep", {"action": "collect"}),
    ]:
        assert "does not permit" in (text := reader.post(page, sent, 403).text) or "runs the store" in text, page
    writer = sign_in(tokens.create(tree, can=["write"]))
    for page in ("files", "file", "search", "activity", "changes", "conversations", "versions", "download"):
        writer.see(page, 403, path="/own.md")
    assert tree.read_text("/own.md") == "of Ada"


def test_a_narrowed_token_stays_narrow(tree, sign_in, tokens):
    tree.write_text("/notes/a.md", "a note")
    tree.spawn("run").write_text("/notes/b.md", "b")
    everything = ["read", "write", "promote", "admin"]
    visitor = sign_in(tokens.create(tree, can=everything, under="/notes", deletes=False, promote_to=["elsewhere"]))
    assert "a.md" in visitor.see("files")
    visitor.see("file", path="/notes/a.md")
    for page, fields in [
        ("files", {"path": "/"}),
        ("file", {"path": "/own.md"}),
        ("file", {"path": "/notes/../own.md"}),
        ("versions", {"path": "/own.md"}),
        ("download", {"path": "/own.md"}),
        ("search", {"under": "/", "query": "Ada"}),
        ("activity", {}),
        ("changes", {}),
        ("proposals", {}),
        ("conversations", {}),
        ("conversation", {"id": "x"}),
        ("checkpoints", {}),
        ("file", {"path": "/own.md", "workspace": "run"}),
    ]:
        visitor.see(page, 403, **fields)
    visitor.post("file", {"action": "remove"}, 403, path="/notes/a.md")
    visitor.post("versions", {"version": "1"}, 403, path="/notes/a.md")
    visitor.post("sessions", {"session": "run", "sure": "1"}, 403)
    form = {"to": "project", "action": "promote", "path": ["/notes/a.md"]}
    visitor.post("changes", form, 403)
    visitor.post("changes", {**form, "everything": "1"}, 403)
    visitor.post("tokens", {"action": "create", "can": ["read"], "under": "/"}, 403)
    assert "own.md" not in visitor.see("search", query="of Ada")


def test_markdown_of_the_parser_is_escaped():
    """The one place where its output is taken for safe."""
    assert "<b>" not in MarkdownIt("commonmark", {"html": False}).render("<b>x</b>")


def test_where_promotions_came_from_is_shown_to_admins(hive, tokens, sign_in):
    """As over HTTP: neither names of workspaces under one's own nor who writes there are for everybody."""
    project = hive.scope("project")
    run = project.spawn(f"{SECRET}-run")
    with acting(user=f"{SECRET}-user"):
        run.write_text("/f.md", "learned\n")
        run.promote()
    for can, is_shown in ((["read"], False), (["read", "write"], False), (["read", "admin"], True)):
        visitor = sign_in(tokens.create(project, can=can))
        for page in (
            visitor.see("activity", workspace="project"),
            visitor.see("versions", workspace="project", path="/f.md"),
        ):
            assert (f"{SECRET}-run" in page, f"{SECRET}-user" in page) == (is_shown, is_shown), can
