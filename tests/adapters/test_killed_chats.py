"""`kill -9` in the middle of a rewind or a fork of a chat: messages and files are as before it, or as after it."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from databases import opened
from forked_processes import fork
from sample_messages import ask

from pydantic_hivemind import Hivemind, HivemindChat, Scope
from pydantic_hivemind.adapters.scope_names import session_name
from pydantic_hivemind.ledger.engine.database import Database, Transaction

MOST = 40
"""Transactions of one operation: far more than there are."""

FILES = ("/a.md", "/b.md", "/c.md")

Operation = Callable[[HivemindChat, str], Coroutine[Any, Any, object]]


async def rewind(chat: HivemindChat, point: str) -> None:
    await chat.rewind(point)


async def fork_now(chat: HivemindChat, point: str) -> None:
    await chat.fork("other")


async def fork_at(chat: HivemindChat, point: str) -> None:
    await chat.fork("other", at=point)


async def delete(chat: HivemindChat, point: str) -> None:
    await chat.delete()


async def step(chat: HivemindChat, word: str) -> str:
    """Write messages and files that say the same word, and make a checkpoint."""
    files = await chat.files()
    for path in FILES:
        await files.write_text(path, word)
    await chat.conversation.append([ask(word)])
    return await chat.checkpoint(word)


def run_until_killed(place: str, operation: Operation, point: str, moment: int) -> None:
    """Kill this process behind a write, or before it is committed."""
    ends: list[object] = []
    write = Database.write

    def write_and_count(self: Database, *args: Any, **kwargs: Any) -> Transaction:
        made = write(self, *args, **kwargs)
        commit = type(made)._end

        class Counting(type(made)):
            __slots__ = ()

            def _end(self) -> None:
                for work in (lambda: None, lambda: commit(self)):
                    work()
                    ends.append(work)
                    if len(ends) == moment:
                        os.kill(os.getpid(), signal.SIGKILL)

        made.__class__ = Counting
        return made

    with opened(place) as hive:
        chat = HivemindChat(hive.get("user/ada"), "taxes")
        Database.write = write_and_count  # type: ignore[method-assign]
        asyncio.run(operation(chat, point))


def said(user: Scope, id: str) -> list[str]:
    return [str(message.parts[0].content) for message in user.conversation(id).load()]  # type: ignore[union-attr]


def written(user: Scope, id: str) -> list[str] | None:
    """What is in the files of a chat; `None` if there is no such chat."""
    name = session_name(user.name, f"chat/{id}")
    found = [child for child in user.children if child.name == name]
    return [found[0].read_text(path) for path in FILES if found[0].exists(path)] if found else None


@pytest.mark.parametrize("operation", [rewind, fork_now, fork_at, delete], ids=lambda operation: operation.__name__)
def test_all_of_it_or_nothing(place: str, hive: Hivemind, clock: Any, operation: Operation) -> None:
    user = hive.scope("user/ada")
    chat = HivemindChat(user, "taxes")
    point = asyncio.run(step(chat, "one"))
    asyncio.run(step(chat, "two"))
    user.conversation("taxes").title = "Taxes"
    one, two = (["one"], ["one"] * 3), (["one", "two"], ["two"] * 3)
    before = {"taxes": two, "other": ([], None)}
    after = {
        rewind: {"taxes": one, "other": ([], None)},
        fork_now: {"taxes": two, "other": two},
        fork_at: {"taxes": two, "other": one},
        delete: {"taxes": ([], None), "other": ([], None)},
    }[operation]
    seen: list[bool] = []
    for moment in range(1, MOST):
        process = fork(run_until_killed, place, operation, point, moment)
        status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
        assert status in (0, -signal.SIGKILL)
        found = {id: (said(user, id), written(user, id)) for id in before}
        assert found in (before, after), f"killed at {moment}"
        checkpoints = len(user.checkpoints("taxes").list_all())
        assert checkpoints == ({rewind: 3, delete: 0}.get(operation, 2) if found == after else 2)
        assert (user.conversation("taxes").title is None) == (found["taxes"] == ([], None))
        assert len(user.checkpoints("other").list_all()) == (found["other"] != ([], None))
        seen.append(found == after)
        clock.forward(60)  # The turn of the one that was killed is over.
        if status == 0:
            break
        if found == after:
            asyncio.run(back(user, operation))
    assert False in seen
    assert seen[-1]
    assert len(seen) < MOST - 1
    assert hive.doctor() == []


async def back(user: Scope, operation: Operation) -> None:
    if operation is delete:
        for word in ("one", "two"):
            await step(HivemindChat(user, "taxes"), word)
        user.conversation("taxes").title = "Taxes"
        return
    if operation is not rewind:
        await HivemindChat(user, "other").delete()
        return
    chat = HivemindChat(user, "taxes")
    undo = next(each for each in await chat.checkpoints() if each.label == "before rewind")
    redo = await chat.rewind(undo.id)
    for id in (undo.id, redo):
        user.checkpoints("taxes").remove(id)
