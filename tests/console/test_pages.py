"""What the pages show and do, as people use them."""

import re

import pytest
from page_words import words

from pydantic_hivemind.tokens import Tokens


@pytest.fixture
def project(hive):
    project = hive.scope("project/acme")
    project.write_text("/handbook.md", "# Handbook\n\nReleases are on Tuesdays.\n", tags=["deploy"])
    project.write_text("/old.md", "obsolete")
    return project


@pytest.fixture
def ada(hive, project):
    return hive.scope("user/ada", project)


@pytest.fixture
def run(ada):
    return ada.spawn("run-42", ttl=3600)


@pytest.fixture
def visitor(sign_in, ada, run, tokens):
    return sign_in(tokens.create(ada, can=["read", "write", "promote", "admin"]))


def states(page):
    rows = re.findall(r'<tr class="(own|changed|inherited|removed)">(.*?)</tr>', page, re.DOTALL)
    return {words(row).split()[0]: state for state, row in rows}


def test_a_workspace_is_shown_as_its_overlay(visitor, ada):
    ada.write_text("/handbook.md", "mine")
    ada.write_text("/notes/today.md", "today")
    ada.remove("/old.md")
    assert states(visitor.see("files")) == {"handbook.md": "changed", "notes/": "own", "old.md": "removed"}
    assert states(visitor.see("files", workspace="run-42")) == {"handbook.md": "inherited", "notes/": "inherited"}
    assert states(visitor.see("files", path="/notes")) == {"today.md": "own"}


def test_a_directory_that_was_removed_shows_what_it_hides(visitor, ada, project):
    project.write_text("/plans/plan.md", "a plan")
    ada.remove("/plans")
    assert states(visitor.see("files"))["plans/"] == "removed"
    assert states(visitor.see("files", path="/plans")) == {"plan.md": "removed"}


def test_long_lists_have_several_pages(visitor, ada):
    for number in range(205):
        ada.write_text(f"/many/{number:03}.txt", "x")
    seen, address = [], "files?path=/many"
    while address:
        page = visitor.see(address)
        seen += states(page)
        more = re.search(r'class="more" href="/console/([^"]+)"', page)
        address = more[1].replace("&amp;", "&") if more else None
    assert seen == [f"{number:03}.txt" for number in range(205)]


def test_a_file_is_written_edited_tagged_and_removed(visitor, ada):
    editor = visitor.post("files", {"directory": "/notes", "name": "new.md"}, workspace="user/ada")
    assert editor.url.params["path"] == "/notes/new.md"
    saved = visitor.post("file", {"action": "save", "version": "", "text": "# One\r\ntwo\r\n"}, path="/notes/new.md")
    assert "Saved." in saved.text
    assert ada.read_bytes("/notes/new.md") == b"# One\ntwo\n"
    version = re.search(r'name="version" value="([^"]+)"', visitor.see("file", path="/notes/new.md", edit=1))[1]
    visitor.post("file", {"action": "save", "version": version, "text": "three"}, path="/notes/new.md")
    assert ada.read_text("/notes/new.md") == "three"
    visitor.post("file", {"action": "tag", "tags": "a, b,,a "}, path="/notes/new.md")
    assert ada.stat("/notes/new.md").tags == ("a", "b")
    visitor.post("file", {"action": "remove"}, path="/notes/new.md")
    assert not ada.exists("/notes/new.md")
    assert "Versions of new.md" in words(visitor.see("file", path="/notes/new.md"))


def test_line_ends_of_a_file_stay_what_they_are(visitor, ada):
    ada.write_bytes("/windows.txt", b"one\r\ntwo\r\n")
    version = re.search(r'name="version" value="([^"]+)"', visitor.see("file", path="/windows.txt", edit=1))[1]
    visitor.post("file", {"action": "save", "version": version, "text": "one\r\n2\r\n"}, path="/windows.txt")
    assert ada.read_bytes("/windows.txt") == b"one\r\n2\r\n"


def test_an_editor_overwrites_nobody(visitor, ada):
    ada.write_text("/notes.md", "first\n")
    version = re.search(r'name="version" value="([^"]+)"', visitor.see("file", path="/notes.md", edit=1))[1]
    ada.write_text("/notes.md", "somebody else's\n")
    form = {"action": "save", "version": version, "text": "my own\n"}
    answer = visitor.post("file", form, 409, path="/notes.md")
    assert "nothing is saved yet" in words(answer.text)
    assert "my own" in answer.text
    assert "somebody else" in answer.text
    assert ada.read_text("/notes.md") == "somebody else's\n"
    now = re.search(r'name="version" value="([^"]+)"', answer.text)[1]
    visitor.post("file", {**form, "version": now}, path="/notes.md")
    assert ada.read_text("/notes.md") == "my own\n"
    visitor.post("file", {**form, "version": ""}, 409, path="/notes.md")


def test_versions_are_compared_and_restored(visitor, ada):
    for text in ("one\n", "two\n", "three\n"):
        ada.write_text("/notes.md", text)
    third, second, first = (str(version.version) for version in ada.history("/notes.md"))
    page = words(visitor.see("versions", path="/notes.md"))
    assert "− two" in page
    assert "+ three" in page
    page = words(visitor.see("versions", path="/notes.md", older=first, newer=second))
    assert ("− one" in page, "+ two" in page, "three" in page) == (True, True, False)
    assert visitor.get("download", path="/notes.md", version=first).content == b"one\n"
    visitor.post("versions", {"version": first}, path="/notes.md")
    assert ada.read_text("/notes.md") == "one\n"
    visitor.post("versions", {"version": "12345"}, 404, path="/notes.md")
    assert third != second


def test_search_says_why_each_passage_was_found(visitor, ada):
    ada.write_text("/notes.md", "The contract ends in March.\n")
    page = visitor.see("search", query="when does the contract end?", under="/notes.md")
    assert "<mark>contract</mark>" in page
    assert "found by meaning" in words(page)
    assert "own" in words(page)
    inherited = words(visitor.see("search", query="releases on tuesdays"))
    assert "from project/acme" in inherited
    own = words(visitor.see("search", query="releases on tuesdays", own=1))
    assert "from project/acme" not in own
    assert "handbook.md" in words(visitor.see("search", tags="deploy"))
    assert "Nothing in this workspace" in words(visitor.see("search", query="zebra", tags="nobody-has-it"))


def test_what_a_run_changed_is_reviewed_and_promoted(visitor, run, ada):
    run.write_text("/handbook.md", "# Handbook\n\nReleases are on Wednesdays.\n")
    run.write_text("/a.md", "a")
    run.write_text("/uploads/payslip.txt", "a payslip")
    page = visitor.see("changes", workspace="run-42")
    assert "+ Releases are on Wednesdays." in words(page)
    assert "Stays behind" in page
    assert "payslip.txt" in page
    form = {"to": "user/ada", "action": "promote", "on_conflict": "fail", "path": ["/a.md"]}
    done = words(visitor.post("changes", form, workspace="run-42").text)
    assert "Promoted to user/ada" in done
    assert ada.read_text("/a.md") == "a"
    assert "Tuesdays" in ada.read_text("/handbook.md")
    visitor.post("changes", {**form, "path": []}, 400, workspace="run-42")


@pytest.mark.parametrize("name", ["[x]", "a*b", "{a,b}", "!a", "a?b", "back\\slash", "a,b", "[!a]", "**", "]["])
def test_a_chosen_file_is_promoted_alone_whatever_its_name(visitor, run, ada, name):
    run.write_text(f"/{name}.md", "chosen")
    for other in ("x", "aXb", "a", "b", "ab", "axb", "backslash"):
        run.write_text(f"/{other}.md", "another")
    form = {"to": "user/ada", "action": "promote", "on_conflict": "fail", "path": [f"/{name}.md"]}
    visitor.post("changes", form, workspace="run-42")
    assert [stat.path for stat in ada.glob("*.md") if stat.scope == "user/ada"] == [f"/{name}.md"]


def conflict(run, ada):
    ada.write_text("/notes.md", "The contract ends in March.\n")
    run.write_text("/notes.md", "The contract ends in April.\n")
    ada.write_text("/notes.md", "The contract ends in May.\n")


def test_both_sides_of_a_conflict_are_shown_and_settled(visitor, run, ada):
    conflict(run, ada)
    page = words(visitor.see("changes", workspace="run-42"))
    for line in ("− The contract ends in March.", "+ The contract ends in May.", "+ The contract ends in April."):
        assert line in page
    form = {"to": "user/ada", "action": "promote", "on_conflict": "fail", "path": ["/notes.md"]}
    refused = visitor.post("changes", form, 409, workspace="run-42").text
    assert "Nothing was promoted" in refused
    assert "May" in ada.read_text("/notes.md")
    visitor.post("changes", {**form, "on_conflict": "take_source"}, workspace="run-42")
    assert "April" in ada.read_text("/notes.md")


def test_a_promotion_is_undone(visitor, run, ada):
    run.write_text("/a.md", "a")
    run.promote()
    page = visitor.see("activity")
    id = re.search(r'name="promotion" value="([^"]+)"', page)[1]
    visitor.post("activity", {"promotion": id})
    assert not ada.exists("/a.md")


def test_a_proposal_is_approved_in_three_clicks(visitor, run, ada):
    run.write_text("/a.md", "what the run learned")
    run.propose(note="From the call")
    files = visitor.see("files")
    assert "1 proposal waits" in words(files)
    page = visitor.see(re.search(r'href="/console/(proposals[^"]+)"', files)[1])
    one = re.search(r'href="/console/(proposal\?[^"]+)"', page)[1].replace("&amp;", "&")
    shown = words(visitor.see(one))
    assert "From the call" in shown
    assert "what the run learned" in shown
    assert "Approved" in visitor.post(one, {"action": "approve", "note": "good"}).text
    assert ada.read_text("/a.md") == "what the run learned"
    assert "made" in words(visitor.see("proposals", decided=1))
    visitor.post(one, {"action": "approve"}, 409)


def test_a_proposal_is_rejected_or_withdrawn(visitor, sign_in, tokens, run, ada):
    run.write_text("/a.md", "a")
    first, second = run.propose(), run.propose()
    visitor.post("proposal", {"action": "reject", "note": "not yet"}, id=first.id)
    assert first.info().state == "rejected"
    proposer = sign_in(tokens.create(run, can=["read", "propose"]))
    assert "not yet" in proposer.see("proposal", id=first.id)
    proposer.post("proposal", {"action": "approve"}, 403, id=second.id)
    visitor.post("proposal", {"action": "withdraw"}, 403, id=second.id)
    proposer.post("proposal", {"action": "withdraw"}, id=second.id)
    assert second.info().state == "withdrawn"
    assert not ada.exists("/a.md")


def test_a_proposal_with_a_conflict_is_settled_by_who_approves(visitor, run, ada):
    conflict(run, ada)
    proposal = run.propose()
    assert "1 to settle" in words(visitor.see("proposal", id=proposal.id))
    refused = words(visitor.post("proposal", {"action": "approve", "on_conflict": "fail"}, 409, id=proposal.id).text)
    assert "+ The contract ends in April." in refused
    visitor.post("proposal", {"action": "approve", "on_conflict": "keep_target"}, id=proposal.id)
    assert "May" in ada.read_text("/notes.md")


def test_a_run_is_proposed_from_its_page(visitor, run, ada):
    run.write_text("/a.md", "a")
    form = {"to": "user/ada", "action": "propose", "path": ["/a.md"], "note": "please look"}
    visitor.post("changes", form, workspace="run-42")
    (waiting,) = ada.proposals()
    assert (waiting.note, waiting.report.applied) == ("please look", ("/a.md",))


def test_sessions_show_what_they_wrote_and_are_ended(visitor, hive, run, ada):
    ada.write_text("/of-ada.md", "x")
    assert "nothing yet" in words(visitor.see("sessions"))
    run.write_text("/of-the-run.md", "x")
    page = words(visitor.see("sessions"))
    assert "of-the-run.md" in page
    assert "of-ada.md" not in page
    visitor.post("sessions", {"session": "run-42"}, 400)
    visitor.post("sessions", {"session": "user/ada", "sure": "1"}, 404)
    visitor.post("sessions", {"session": "run-42", "sure": "1"})
    assert not ada.children


def test_the_tree_is_seen_level_by_level_and_by_name(operator, hive, run):
    page = operator.see("workspaces")
    assert "project/acme" in page
    assert "user/ada" not in page
    assert "user/ada" in operator.see("level", workspace="project/acme")
    assert "run-42" in operator.see("level", workspace="user/ada")
    assert "run-42" in operator.see("workspaces", name="RUN")
    for number in range(150):
        hive.scope(f"tenant/{number:03}")
    first = operator.see("workspaces")
    assert "tenant/149" not in first
    more = re.search(r'class="more" href="/console/([^"]+)"', first)[1].replace("&amp;", "&")
    assert "tenant/149" in operator.see(more)
    assert "tenant/1" not in operator.see("workspaces", name="%")
    assert "tenant/1" not in operator.see("workspaces", name="tenant_1")


def test_tokens_are_made_narrowed_and_revoked(visitor, hive, ada):
    form = {"action": "create", "can": ["read", "append"], "days": "2", "under": "/notes", "keeps": "1", "label": "x"}
    page = visitor.post("tokens", form).text
    token = re.search(r'class="secret">([^<]+)<', page)[1]
    grant = Tokens(hive).verify(token)
    assert (grant.can, grant.under, grant.deletes, grant.label) == ({"read", "append"}, "/notes", False, "x")
    assert grant.expires_at - grant.created_at == pytest.approx(2 * 86400)
    assert token not in visitor.see("tokens")
    visitor.post("tokens", {"action": "revoke", "id": grant.id})
    assert grant.id not in {each.id for each in Tokens(hive).list()}
    visitor.post("tokens", {**form, "can": []}, 400)
    visitor.post("tokens", {**form, "days": "x"}, 400)


def test_the_operator_looks_after_the_store(operator, hive):
    assert "of disk" in words(operator.see("upkeep"))
    assert "No problem was found." in operator.see("upkeep", check=1)
    for action in ("mend", "collect"):
        operator.post("upkeep", {"action": action})
    operator.post("upkeep", {"action": "nothing"}, 400)


def test_who_did_it_is_noted(visitor, sign_in, ada, tokens, operator):
    visitor.post("file", {"action": "save", "version": "", "text": "x"}, path="/a.md")
    operator.post("file", {"action": "save", "version": "", "text": "x"}, path="/b.md", workspace="user/ada")
    (made,) = [grant for grant in tokens.list() if grant.workspace == "user/ada"]
    assert ada.history("/a.md")[0].actor.token == made.id
    assert ada.history("/b.md")[0].actor.user == "operator"


@pytest.mark.parametrize(
    ("page", "form"),
    [
        ("file?path=/a.md", {"action": "no-such"}),
        ("file?path=/a.md", {}),
        ("changes", {"to": "project/acme", "action": "no-such", "path": "/a"}),
        ("changes", {"to": "project/acme", "action": "promote", "path": "/a", "on_conflict": "x"}),
        ("tokens", {"action": "no-such"}),
        ("search", {"query": "x"}),
        ("proposal", {"action": "approve"}),
    ],
)
def test_what_no_page_sends_is_refused(visitor, page, form):
    answer = visitor.post(page, form, 400)
    assert "problem" in answer.text
