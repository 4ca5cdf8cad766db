"""Sessions: isolated until promoted, shared by processes, and gone when nobody uses them."""

import asyncio
import signal
import sqlite3
import subprocess
import sys
import threading

import pytest
from databases import opened

from pydantic_hivemind.adapters.backends.session_manager import Session, SessionManager
from pydantic_hivemind.deep import DeepAgentDeps, create_deep_agent
from pydantic_hivemind.errors import PromotionConflict, ScopeGone
from pydantic_hivemind.testing import scripted_model


@pytest.fixture
def user(hive):
    return hive.scope("user/ada")


def session_names(hive):
    return [scope.name for scope in hive.scopes() if scope.session]


def test_needs_no_docker():
    code = "import sys, pydantic_hivemind.adapters.backends.session_manager; sys.exit('docker' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# -- what a session leaves behind --------------------------------------------------------------


def test_reads_the_parent_and_writes_to_itself(user):
    user.write_text("/a.txt", "of the user")
    with Session(user) as session:
        assert session.read_bytes("/a.txt") == b"of the user"
        session.write("/a.txt", "of the run")
        assert session.read_bytes("/a.txt") == b"of the run"
        assert user.read_text("/a.txt") == "of the user"


def test_what_was_promoted_stays_and_the_rest_is_gone(hive, user):
    with Session(user, "run-1") as session:
        session.scope.write_text("/kept.md", "kept", tags=["keep"])
        session.write("/scratch.md", "scratch")
        assert session.promote(tags=["keep"]).applied == ("/kept.md",)
    assert [stat.path for stat in user.glob("**")] == ["/kept.md"]
    assert session_names(hive) == []
    assert not session.is_alive()
    with pytest.raises(ScopeGone):
        session.promote()


def test_a_run_that_raises_leaves_nothing(hive, user):
    async def run():
        async with Session(user) as session:
            await asyncio.to_thread(session.write, "/a.txt", "half done")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        asyncio.run(run())
    assert user.glob("**") == []
    assert session_names(hive) == []


def test_a_run_that_is_cancelled_leaves_nothing(hive, user):
    async def run(writing):
        manager = SessionManager(hive, user)
        async with manager.session("outer"), Session(user, "inner") as session:
            session.write("/a.txt", "half done")
            writing.set()
            await asyncio.sleep(3600)

    async def cancel():
        writing = asyncio.Event()
        task = asyncio.create_task(run(writing))
        await writing.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancel())
    assert user.glob("**") == []
    assert session_names(hive) == []


def test_manager_session_lasts_for_the_block(hive, user):
    async def run():
        manager = SessionManager(hive, "user/ada")
        async with manager.session("run-1") as session:
            session.write("/a.txt", "done")
            assert await manager.get_or_create("run-1") is session
            report = await manager.promote("run-1", operation_id="once")
            assert await manager.promote("run-1", operation_id="once") == report
        return report, len(manager)

    report, left = asyncio.run(run())
    assert (report.target, report.applied, left) == ("user/ada", ("/a.txt",), 0)
    assert user.read_text("/a.txt") == "done"


def test_a_conflict_fails_the_promotion_and_the_session_goes_on(user):
    user.write_text("/a.txt", "base")
    with Session(user) as session:
        session.write("/a.txt", "of the run")
        user.write_text("/a.txt", "of the user")
        with pytest.raises(PromotionConflict):
            session.promote()
        assert user.read_text("/a.txt") == "of the user"
        session.promote(on_conflict="take_source")
    assert user.read_text("/a.txt") == "of the run"


def test_a_session_with_sessions_under_it_is_discarded_whole(hive, user):
    with Session(user, "outer") as outer:
        inner = Session(outer.scope, "inner")
        inner.write("/a.txt", "deep")
        assert len(session_names(hive)) == 2
    assert session_names(hive) == []
    assert inner.read("/a.txt").startswith("Error: ")


def test_the_first_use_starts_it(hive, user):
    session = Session(user)
    assert not session.is_alive()
    session.stop()
    assert session_names(hive) == []
    assert session.write("/a.txt", "x").error is None
    assert session.is_alive()
    session.stop()
    assert session.write("/a.txt", "x").error is not None
    session.start()
    assert not session.exists("/a.txt")


@pytest.mark.parametrize("fails", [False, True])
def test_an_agent_runs_in_a_session(hive, user, fails):
    def tool():
        if fails:
            raise ZeroDivisionError
        return "done"

    async def run():
        agent = create_deep_agent(scripted_model(), tools=[tool], include_skills=False, web_search=False)
        async with SessionManager(hive, user).session("run-1") as session:
            await agent.run("Remember: tea is at four\nPlan: tea\n\nUse: tool", deps=DeepAgentDeps(backend=session))
            assert "tea is at four" in session.scope.read_text("/.deep/memory/main/MEMORY.md")
            assert user.glob("**") == []
            session.promote()

    if fails:
        with pytest.raises(ZeroDivisionError):
            asyncio.run(run())
        assert user.glob("**") == []
    else:
        asyncio.run(run())
        assert "tea is at four" in user.read_text("/.deep/memory/main/MEMORY.md")
        assert len(user.list_dir("/plans")) == 1
    assert session_names(hive) == []


# -- several processes, and crashes ------------------------------------------------------------


def test_two_processes_that_ask_for_one_session_get_one_scope(place, user):
    with opened(place) as elsewhere:
        mine = Session(user, "chat")
        theirs = Session(elsewhere.scope("user/ada"), "chat")
        mine.write("/a.txt", "from here")
        assert theirs.read_bytes("/a.txt") == b"from here"
        theirs.stop()
        assert not mine.is_alive()
        assert mine.read("/a.txt").startswith("Error: ")


def test_a_session_that_another_process_uses_is_not_idle(place, hive, user, clock):
    async def run(elsewhere):
        manager = SessionManager(hive, user, on_end="discard", default_idle_timeout=60)
        theirs = Session(elsewhere.scope("user/ada"), "chat", idle_timeout=60)
        mine = await manager.get_or_create("chat")
        for number in range(6):
            clock.forward(18)
            theirs.write("/a.txt", str(number))
            renewed()
        assert clock() - mine.last_activity > 60
        assert await manager.cleanup_idle() == 0
        assert mine.is_alive()
        assert theirs.is_alive()

    with opened(place) as elsewhere:
        asyncio.run(run(elsewhere))


def test_a_shorter_time_spares_the_sessions_that_other_processes_use(place, hive, user, clock):
    """Uses are written now and then only, so less time than that has passed since the last one that is known."""

    async def attached(manager, elsewhere):
        theirs = Session(elsewhere.scope("user/ada"), "chat", idle_timeout=60)
        theirs.start()
        await manager.get_or_create("chat")
        clock.forward(0.2)
        return theirs

    async def attached_to(manager, elsewhere):
        await manager.get_or_create("chat")
        theirs = Session(elsewhere.scope("user/ada"), "chat", idle_timeout=60)
        theirs.start()
        clock.forward(0.2)
        return theirs

    async def renewed_here(manager, elsewhere):
        mine = await manager.get_or_create("chat")
        theirs = Session(elsewhere.scope("user/ada"), "chat", idle_timeout=60)
        theirs.start()
        mine._renew(mine.scope)
        clock.forward(0.2)
        return theirs

    async def run(elsewhere):
        for share in (attached, attached_to, renewed_here):
            manager = SessionManager(hive, user, on_end="discard", default_idle_timeout=60)
            alone = await manager.get_or_create("alone")
            theirs = await share(manager, elsewhere)
            theirs.write("/a.txt", "work")
            assert await manager.cleanup_idle(max_idle=0.1) == 1
            assert not alone.is_alive()
            assert theirs.write("/b.txt", "more").error is None
            theirs.stop()

    with opened(place) as elsewhere:
        asyncio.run(run(elsewhere))


def renewed():
    """Wait for the renewals that have begun."""
    for thread in threading.enumerate():
        if thread.name.startswith("renew "):
            thread.join()


def expiry(hive, session):
    renewed()
    return next(scope.expires_at for scope in hive.scopes() if scope.name == session.name)


def test_use_is_written_to_the_ledger_now_and_then(hive, user, clock):
    with Session(user, idle_timeout=60) as session:
        first = expiry(hive, session)
        for number in range(20):
            session.write("/a.txt", str(number))
        assert expiry(hive, session) == first
        clock.forward(15)
        assert session.read_bytes("/a.txt")
        assert expiry(hive, session) > first


@pytest.mark.parametrize("use", ["backend", "scope", "conversation", "workspace"])
def test_every_use_counts(hive, user, clock, use):
    with Session(user, idle_timeout=60) as session:
        first = expiry(hive, session)
        clock.forward(15)
        if use == "backend":
            session.ls_info("/")
        elif use == "scope":
            session.scope.list_dir("/")
        elif use == "conversation":
            session.scope.conversation("chat").load()
        else:
            pytest.importorskip("pydantic_ai.workspaces")
            asyncio.run(session.scope.workspace().exists("/a.txt"))
        assert expiry(hive, session) > first


def read_the_backend(session):
    return session.read_bytes("/a.txt")


def read_the_workspace(session):
    pytest.importorskip("pydantic_ai.workspaces")
    return asyncio.run(session.scope.workspace().read_bytes("/a.txt"))


@pytest.mark.sqlite
@pytest.mark.parametrize("read", [read_the_backend, read_the_workspace])
def test_a_read_waits_for_no_write(hive, user, tmp_path, clock, read):
    with Session(user, idle_timeout=60) as session:
        session.write("/a.txt", "x")
        first = expiry(hive, session)
        clock.forward(15)
        other = sqlite3.connect(tmp_path / "hive" / "ledger.sqlite3", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        assert read(session) == b"x"
        # The read is back while the renewal waits.
        other.execute("ROLLBACK")
        other.close()
        assert expiry(hive, session) > first


@pytest.mark.sqlite
def test_a_renewal_leaves_nothing_behind_when_the_hive_closes(hive, user, tmp_path, clock):
    session = Session(user, idle_timeout=60)
    session.start()
    clock.forward(15)
    other = sqlite3.connect(tmp_path / "hive" / "ledger.sqlite3", isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    release = threading.Timer(0.1, lambda: other.execute("ROLLBACK"))
    release.start()
    session.exists("/a.txt")
    hive.close()
    renewed()
    release.join()
    other.close()
    assert session.read("/a.txt").startswith("Error: ")


def test_a_renewal_of_a_session_that_is_gone_is_quiet(hive, user, clock):
    session = Session(user, idle_timeout=60)
    session.start()
    clock.forward(15)
    user.session(session.name).destroy()
    assert session.read("/a.txt").startswith("Error: ")
    renewed()


CRASH = """
import os, signal, sys
from pydantic_hivemind.adapters.backends.session_manager import Session
from pydantic_hivemind.hive.hivemind import Hivemind
session = Session(Hivemind.open(sys.argv[1]).scope("user/ada"), "crashed", idle_timeout=600)
session.write("/a.txt", "half done")
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.sqlite
@pytest.mark.parametrize("look", ["cleanup", "spawn", "cleanup_idle"])
def test_what_a_crashed_process_left_expires(hive, user, tmp_path, clock, look):
    died = subprocess.run([sys.executable, "-c", CRASH, str(tmp_path / "hive")], check=False)
    assert died.returncode == -signal.SIGKILL
    assert session_names(hive) == ["user/ada#crashed"]
    clock.forward(900)
    if look == "cleanup":
        assert hive.gc(compact=False) == 1
    elif look == "spawn":
        user.spawn("next")
        assert hive.gc(compact=False) == 0
    else:
        asyncio.run(SessionManager(hive, user).cleanup_idle())
        assert hive.gc(compact=False) == 0
    assert "user/ada#crashed" not in session_names(hive)
    assert not Session(user, "crashed").exists("/a.txt")
    assert user.glob("**") == []
