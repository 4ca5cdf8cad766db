"""The console in a real browser: what its script does, what it looks like, who can use it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from urllib.parse import urlencode

import pytest
from ports import free_port
from pydantic_ai.messages import ModelRequest, ModelResponse, TextPart, ToolCallPart, ToolReturnPart, UserPromptPart

from pydantic_hivemind import Hivemind, acting
from pydantic_hivemind.messages.checkpoints import Snapshot
from pydantic_hivemind.tokens import Tokens

sync_api = pytest.importorskip("playwright.sync_api")
axe_playwright = pytest.importorskip("axe_playwright_python.sync_playwright")

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
if CHROMIUM is None and "CI" not in os.environ:
    pytest.skip("Chromium is not installed; on Debian: apt-get install chromium", allow_module_level=True)

PICTURES = os.environ.get("HIVEMIND_PICTURES")
"""A directory for pictures of the pages, for the documentation."""

ATTACK = "<img src=x onerror=alert(1)><script>alert(2)</script>"
PAGES = {
    "workspaces": {},
    "files": {"workspace": "user/ada"},
    "file": {"workspace": "user/ada", "path": "/handbook.md"},
    "edit": {"workspace": "user/ada", "path": "/handbook.md", "edit": "1"},
    "source": {"workspace": "user/ada", "path": "/handbook.md", "view": "source"},
    "versions": {"workspace": "user/ada", "path": "/handbook.md"},
    "search": {"workspace": "user/ada", "query": "when do we release?"},
    "activity": {"workspace": "user/ada"},
    "changes": {"workspace": "run-42"},
    "proposals": {"workspace": "user/ada"},
    "conversations": {"workspace": "user/ada"},
    "conversation": {"workspace": "user/ada", "id": "taxes"},
    "checkpoints": {"workspace": "user/ada", "conversation": "taxes"},
    "checkpoint": {"workspace": "user/ada", "conversation": "taxes", "id": "1"},
    "sessions": {"workspace": "user/ada"},
    "tokens": {"workspace": "user/ada"},
    "upkeep": {"check": "1"},
    "no-such-page": {},
}


def fill(hive: Hivemind) -> None:
    """A project with two users, a run with something to promote, and names that are attacks."""
    with acting(user="ada", agent="main", run="r-17"):
        acme = hive.scope("project/acme")
        acme.write_text("/handbook.md", "# Handbook\n\nReleases are on **Tuesdays**.\n\n- ask [Bo](people/bo.md)\n")
        acme.write_text("/people/bo.md", "Bo likes tea.\n")
        acme.write_text("/old-plan.md", "obsolete\n")
        ada = hive.scope("user/ada", acme)
        hive.scope("user/bo", acme)
        ada.write_text("/handbook.md", "# Handbook\n\nReleases are on **Wednesdays**.\n\n- ask [Bo](people/bo.md)\n")
        ada.write_text("/notes/vendor.md", "The contract ends in March.\n", tags=["meeting"])
        if not PICTURES:
            ada.write_text(f"/{ATTACK.replace('/', '-')}.md", f"{ATTACK}\n", tags=[ATTACK])
        ada.remove("/old-plan.md")
        run = ada.spawn("run-42", ttl=3600)
        run.write_text("/notes/vendor.md", "The contract ends in April.\nInitech is the vendor.\n")
        run.write_text("/notes/call.md", "# Call\n\nThey want a longer contract.\n")
        ada.write_text("/notes/vendor.md", "The contract ends in May.\n", tags=["meeting"])
        ada.spawn("run-43", ttl=7200).write_text("/notes/tea.md", "Bo prefers green tea.\n")
        ada.session("run-43").propose(note="What the call with Bo taught us")
        talk = ada.conversation("taxes")
        talk.title = "Taxes of 2026"
        talk.append(
            [
                ModelRequest(parts=[UserPromptPart(f"When are the taxes due? {ATTACK}")]),
                ModelResponse(parts=[ToolCallPart("search", {"query": "taxes"}, tool_call_id="1")]),
                ModelRequest(parts=[ToolReturnPart("search", "in March", tool_call_id="1")]),
                ModelResponse(parts=[TextPart("In March.")]),
            ]
        )
        moment = datetime(2026, 1, 2, tzinfo=timezone.utc)
        ada.checkpoints("taxes").save(Snapshot("1", "before the search", 1, talk.load()[:1], 1, moment, {}))
        Tokens(hive).create(ada, can=["read"], label="dashboard")


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Of a console of its own process, with the key of the operator in it."""
    store = tmp_path_factory.mktemp("console") / "hive"
    with Hivemind.open(store, durability="normal") as hive:
        fill(hive)
    command = [Path(sys.executable).with_name("hivemind"), "console", "--no-browser", "--port", str(free_port())]
    with subprocess.Popen([*command, "--store", store], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as server:
        assert server.stdout is not None
        assert server.stderr is not None
        key = server.stdout.readline().decode().strip()
        while b"running on" not in (line := server.stderr.readline()):
            assert line, "the server ended"
        yield key
        server.terminate()
        server.communicate()


@pytest.fixture(scope="module")
def chromium() -> Iterator[sync_api.Browser]:
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def complaints() -> list[str]:
    """What a browser finds wrong, such as a script that the policy forbids, and dialogs of scripts that ran."""
    return []


@pytest.fixture
def new_page(chromium, address, complaints):
    """Makes pages of somebody who has followed the link of the command."""
    contexts = []

    def make(width=1280, scheme="light", **options):
        context = chromium.new_context(viewport={"width": width, "height": 844}, color_scheme=scheme, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: (complaints.append(dialog.message), dialog.dismiss()))
        page.goto(address)
        return page

    yield make
    for context in contexts:
        context.close()


def page_address(address: str, name: str) -> str:
    path = {"edit": "file", "source": "file"}.get(name, name)
    return f"{address.partition('open?')[0]}{path}?{urlencode(PAGES[name])}"


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "light"), (1280, "dark"), (390, "dark")])
def test_every_page_can_be_read_and_used_by_anybody(new_page, address, complaints, width, scheme):
    """Nothing is cut, no script of a stranger runs, and axe finds nothing serious."""
    page = new_page(width, scheme)
    for name in PAGES:
        page.goto(page_address(address, name))
        too_wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert too_wide <= 0, name
        found = axe_playwright.Axe().run(page).response["violations"]
        serious = [problem for problem in found if problem["impact"] in ("serious", "critical")]
        assert serious == [], (name, [(each["id"], each["nodes"][0]["html"]) for each in serious])
        if PICTURES:
            suffix = f"{width}{'-dark' if scheme == 'dark' else ''}"
            page.screenshot(path=Path(PICTURES, f"console-{name}-{suffix}.png"), full_page=True)
    assert [text for text in complaints if "404" not in text] == []


def test_levels_of_the_tree_are_fetched_when_they_are_opened(new_page, complaints):
    page = new_page()
    assert page.get_by_text("user/ada").count() == 0
    page.get_by_role("button", name="What is under project/acme").click()
    page.get_by_role("link", name="user/ada").wait_for()
    page.get_by_role("button", name="What is under user/ada").press("Space")
    page.get_by_role("link", name="run-42").wait_for()
    page.get_by_role("button", name="What is under project/acme").click()
    assert page.get_by_role("link", name="user/ada").count() == 0
    assert complaints == []


def test_a_proposal_is_approved_in_three_clicks(new_page, address, complaints):
    page = new_page(390)
    page.goto(page_address(address, "files"))
    page.get_by_role("link", name="1 proposal waits").click()
    page.get_by_role("link", name="What the call with Bo taught us").click()
    assert page.get_by_text("Bo prefers green tea.").is_visible()
    page.get_by_role("button", name="Approve").click()
    page.get_by_text("Approved and promoted.").wait_for()
    assert complaints == []


def test_it_works_by_keyboard_alone_and_without_scripts(new_page, address):
    page = new_page(java_script_enabled=False)
    page.keyboard.press("Tab")
    assert page.locator(":focus").inner_text() == "Skip to the content"
    page.goto(page_address(address, "search"))
    page.get_by_label("A question, or words").fill("who likes tea?")
    page.keyboard.press("Enter")
    page.get_by_role("link", name="/people/bo.md").first.wait_for()


def test_what_is_live_is_looked_at_again(new_page, address):
    page = new_page()
    other = new_page()
    page.goto(page_address(address, "activity"))
    other.goto(
        f"{address.partition('open?')[0]}file?{urlencode({'workspace': 'user/ada', 'path': '/x.md', 'edit': 1})}"
    )
    other.get_by_label("Content of the new file").fill("x")
    other.get_by_role("button", name="Save").click()
    page.get_by_role("link", name="/x.md").wait_for(timeout=60_000)


def test_a_conflict_is_settled_and_one_file_left_out(new_page, address):
    page = new_page()
    page.goto(page_address(address, "changes"))
    box = page.get_by_label("Take /notes/call.md")
    box.uncheck()
    page.get_by_role("button", name="Promote").click()
    page.get_by_text("Nothing was promoted").wait_for()
    page.get_by_label("Take /notes/call.md").uncheck()
    page.get_by_label("take what comes from here").check()
    page.get_by_role("button", name="Promote").click()
    page.get_by_role("heading", name="Promoted to user/ada").wait_for()
    page.goto(page_address(address, "changes"))
    assert page.get_by_label("Take /notes/call.md").is_visible()
