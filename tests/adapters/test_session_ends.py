"""What becomes of a session that ends: users keep what they have, and runs are discarded or promoted."""

import asyncio
import logging
import subprocess
import sys
from contextlib import suppress

import pytest

from pydantic_hivemind.adapters.backends.session_manager import Session, SessionManager
from pydantic_hivemind.errors import InvalidOption, PromotionConflict, ScopeNotFound

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture
def project(hive):
    return hive.scope("project/acme")


def scope_names(hive):
    return {scope.name for scope in hive.scopes()}


# -- users ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["release", "shutdown", "cleanup_idle"])
@pytest.mark.parametrize("on_end", [None, "keep"])
async def test_a_user_is_kept(hive, project, clock, end, on_end):
    released = []
    manager = SessionManager(hive, project, on_end=on_end, default_idle_timeout=60, on_release=released.append)
    ada = await manager.get_or_create("ada")
    ada.write("/.deep/memory/main/MEMORY.md", "likes tea")
    ada.scope.conversation("chat").append([])
    clock.forward(3600 * 24 * 30)
    await {"release": lambda: manager.release("ada")}.get(end, getattr(manager, end))()
    assert (released, len(manager)) == (["ada"], 0)
    hive.gc(compact=False)
    again = await SessionManager(hive, project, on_end=on_end).get_or_create("ada")
    assert again.read_bytes("/.deep/memory/main/MEMORY.md") == b"likes tea"
    assert project.glob("**") == []


CRASH = """
import asyncio, os, signal, sys
from pydantic_hivemind import Hivemind, SessionManager
async def run():
    session = await SessionManager(Hivemind.open(sys.argv[1]), "project/acme").get_or_create("ada")
    session.write("/a.txt", "kept")
    os.kill(os.getpid(), signal.SIGKILL)
asyncio.run(run())
"""


@pytest.mark.sqlite
async def test_a_user_is_kept_when_the_process_crashes(hive, project, tmp_path, clock):
    subprocess.run([sys.executable, "-c", CRASH, str(tmp_path / "hive")], check=False)
    clock.forward(3600 * 24)
    manager = SessionManager(hive, project)
    await manager.cleanup_idle()
    assert (await manager.get_or_create("ada")).read_bytes("/a.txt") == b"kept"


@pytest.mark.parametrize("end", ["cleanup_idle", "shutdown"])
async def test_an_open_chat_of_a_user_goes_on(hive, project, clock, end):
    manager = SessionManager(hive, project, default_idle_timeout=60)
    ada = await manager.get_or_create("ada")
    clock.forward(3600)
    assert await getattr(manager, end)() == 1
    assert ada.write("/a.txt", "and on").error is None
    assert (await manager.get_or_create("ada")).read_bytes("/a.txt") == b"and on"


async def test_a_user_is_not_discarded_by_the_block_of_a_run(hive, project):
    manager = SessionManager(hive, project)
    (await manager.get_or_create("ada")).write("/a.txt", "hers")
    async with manager.session("ada") as session:
        session.write("/b.txt", "too")
    assert "ada" in manager
    await manager.shutdown()
    with pytest.raises(ZeroDivisionError):
        async with manager.session("ada", on_end="promote"):
            raise ZeroDivisionError
    ada = await manager.get_or_create("ada")
    assert (ada.read_bytes("/a.txt"), ada.read_bytes("/b.txt")) == (b"hers", b"too")


# -- runs ----------------------------------------------------------------------------------------


async def test_a_run_is_discarded(hive, project):
    manager = SessionManager(hive, project)
    async with manager.session() as session:
        session.write("/a.txt", "text")
    assert scope_names(hive) == {"project/acme"}
    assert project.glob("**") == []


async def test_a_run_that_is_promoted(hive, project):
    manager = SessionManager(hive, project, on_end="promote")
    async with manager.session() as session:
        session.write("/a.txt", "text")
    with suppress(ZeroDivisionError):
        async with manager.session() as session:
            session.write("/b.txt", "text")
            raise ZeroDivisionError
    await manager.get_or_create("long")
    (await manager.get_or_create("long")).write("/c.txt", "text")
    assert await manager.release("long")
    assert [stat.path for stat in project.glob("**")] == ["/a.txt", "/c.txt"]
    assert scope_names(hive) == {"project/acme"}


async def test_a_conflict_ends_no_session(hive, project, caplog):
    """It is raised where somebody waits for it, and logged where nobody does."""
    manager = SessionManager(hive, project, on_end="promote")
    session = await manager.get_or_create("run")
    session.write("/a.txt", "of the run")
    project.write_text("/a.txt", "of the project")
    with pytest.raises(PromotionConflict):
        await manager.release("run")
    with caplog.at_level(logging.ERROR):
        assert await manager.cleanup_idle(max_idle=-1) == 0
    assert "could not be ended" in caplog.text
    assert manager.sessions == {"run": session}
    await manager.shutdown()
    assert Session(project, "run").read_bytes("/a.txt") == b"of the run"


@pytest.mark.parametrize("how", ["manager", "session", "awaited session", "on_end of a session"])
async def test_uploads_that_stayed_behind_are_kept_until_the_ttl(hive, project, clock, how):
    def work(session):
        session.write("/uploads/plan.txt", "of the user")
        session.write("/notes.md", "learned")

    if how == "manager":
        async with SessionManager(hive, project, on_end="promote").session("run") as session:
            work(session)
    elif how == "session":
        with Session(project, "run") as session:
            work(session)
            assert session.promote().left_behind == ("/uploads/plan.txt",)
    elif how == "awaited session":
        async with Session(project, "run") as session:
            await asyncio.to_thread(session.promote)
            work(session)
    else:
        with Session(project, "run", on_end="promote") as session:
            work(session)
    assert hive.get(session.name).read_bytes("/uploads/plan.txt") == b"of the user"
    assert not project.exists("/uploads")
    clock.forward(2 * 3600)
    hive.gc(compact=False)
    with pytest.raises(ScopeNotFound):
        hive.get(session.name)


async def test_uploads_that_were_taken_along_keep_nothing(hive, project):
    with Session(project, "run") as session:
        session.write("/uploads/plan.txt", "of the user")
        session.promote(dry_run=True)
        assert session.report is None
        session.promote(also="/uploads")
    assert scope_names(hive) == {"project/acme"}


async def test_the_block_of_a_run_is_not_idle(hive, project, clock):
    """It neither is cleaned up nor expires, as long as somebody cleans up or half the idle timeout passes in it."""
    manager = SessionManager(hive, project, default_idle_timeout=60)
    async with manager.session("run") as session:
        for _ in range(5):
            clock.forward(50)
            assert await manager.cleanup_idle() == 0
            assert await SessionManager(hive, project).cleanup_idle() == 0
        assert session.write("/a.txt", "and on").error is None


async def test_the_block_of_a_run_is_renewed_without_a_cleanup(hive, project):
    manager = SessionManager(hive, project, default_idle_timeout=1)
    async with manager.session("run") as session:
        before = hive.get(session.name).info().expires_at
        while hive.get(session.name).info().expires_at == before:
            await asyncio.sleep(0.05)


async def test_the_last_block_ends_the_session(hive, project):
    manager = SessionManager(hive, project)
    async with manager.session("run") as outer:
        async with manager.session("run") as inner:
            assert inner is outer
        assert outer.write("/a.txt", "and on").error is None
    assert scope_names(hive) == {"project/acme"}


async def test_what_is_in_use_is_not_idle(hive, project):
    used = {"a"}
    manager = SessionManager(hive, project, in_use=used.__contains__)
    await manager.get_or_create("a")
    await manager.get_or_create("b")
    assert await manager.cleanup_idle(max_idle=-1) == 1
    used.clear()
    assert await manager.cleanup_idle(max_idle=-1) == 1


# -- arguments of pydantic-ai-backends -------------------------------------------------------------


@pytest.mark.parametrize("name", ["sandbox_factory", "default_runtime", "workspace_root", "executor"])
def test_what_has_no_meaning_here_is_refused_with_what_to_write(hive, project, name):
    with pytest.raises(InvalidOption, match=rf"takes no {name}=: .*;"):
        SessionManager(hive, project, **{name: "x"})


def test_what_is_no_argument_is_refused(hive, project):
    with pytest.raises(TypeError, match="unexpected keyword argument 'sandbox'"):
        SessionManager(hive, project, sandbox="x")
    with pytest.raises(InvalidOption, match="'keep', 'promote' or 'discard'"):
        SessionManager(hive, project, on_end="forget")


def test_every_argument_of_upstream_is_taken_or_refused():
    import inspect

    import pydantic_ai_backends

    from pydantic_hivemind.adapters.backends.session_manager import INSTEAD

    theirs = set(inspect.signature(pydantic_ai_backends.SessionManager.__init__).parameters)
    ours = set(inspect.signature(SessionManager.__init__).parameters)
    assert theirs <= ours | set(INSTEAD)
