"""Turns of a conversation: one at a time, whoever asks, and over when their process is."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pydantic_ai.messages import ModelRequest, UserPromptPart

from pydantic_hivemind import AsyncScope, errors
from pydantic_hivemind.hive import conversation_turns
from pydantic_hivemind.ledger import record_rows


def say(text):
    return ModelRequest([UserPromptPart(text)])


def test_it_gives_the_messages(scope):
    talk = scope.conversation("main")
    talk.append([say("one")])
    with talk.turn() as history:
        assert history == talk.load()
    with talk.turn(wait=0) as history:
        assert len(history) == 1


def test_threads_take_turns(scope):
    talk = scope.conversation("main")

    def work(number):
        with scope.conversation("main").turn() as history:
            talk.append([say(str(number))], expected_count=len(history))

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(work, range(24)))
    assert len(talk.load()) == 24


@pytest.mark.anyio
async def test_tasks_take_turns(scope):
    talk = await AsyncScope(scope).conversation("main")

    async def work(number):
        async with talk.turn() as history:
            await asyncio.sleep(0)
            await talk.append([say(str(number))], expected_count=len(history))

    await asyncio.gather(*map(work, range(12)))
    assert len(await talk.load()) == 12


def test_another_conversation_and_another_scope_do_not_wait(hive, scope):
    others = hive.scope("user/bo").conversation("a")
    with scope.conversation("a").turn(), scope.conversation("b").turn(wait=0), others.turn(wait=0) as history:
        assert history == []


def test_one_that_waits_too_long(scope):
    talk = scope.conversation("main")
    with talk.turn(), pytest.raises(errors.TurnBusy, match=r"within 0\.05 seconds"), talk.turn(wait=0.05):
        pass
    with talk.turn(wait=0):
        pass
    for wrong in (-1, float("nan"), "1"):
        with pytest.raises(errors.InvalidOption):
            talk.turn(wait=wrong)


def test_one_whose_block_fails_is_over(scope):
    talk = scope.conversation("main")
    with pytest.raises(ZeroDivisionError), talk.turn():
        _ = 1 / 0
    with talk.turn(wait=0):
        pass


@pytest.mark.anyio
async def test_one_that_is_cancelled_is_over(scope):
    talk = scope.conversation("main")
    entered = asyncio.Event()

    async def work():
        async with talk.turn():
            entered.set()
            await asyncio.sleep(60)

    tasks = [asyncio.create_task(work()) for _ in range(3)]
    await entered.wait()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    async with talk.turn(wait=0):
        pass


def test_a_long_one_goes_on(scope, monkeypatch):
    monkeypatch.setattr(conversation_turns, "TURN_SECONDS", 1.5)
    talk = scope.conversation("main")

    def ends():
        with scope._database.read() as tx:
            # As seen long ago, when it had not ended in any case.
            [lease] = record_rows.listing(tx, scope._row.id, conversation_turns.KIND, None, 0.0)
        return lease.expires_at

    with talk.turn():
        first = ends()
        while ends() <= first:
            time.sleep(0.05)


def test_one_of_a_process_that_was_killed_is_over_in_time(place, scope, clock):
    scope.conversation("main").append([say("one")])
    code = (
        "import sys, time, databases\n"
        "scope = databases.opened(sys.argv[1]).scope('user/ada')\n"
        "scope.conversation('main').turn().__enter__()\n"
        "print('in it', flush=True)\n"
        "time.sleep(600)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code, place], stdout=subprocess.PIPE, env=env_of_tests()) as process:
        assert process.stdout.readline() == b"in it\n"
        with pytest.raises(errors.TurnBusy), scope.conversation("main").turn(wait=0):
            pass
        process.kill()
    clock.forward(conversation_turns.TURN_SECONDS + 30)  # and what the process took to start
    with scope.conversation("main").turn(wait=0) as history:
        assert len(history) == 1


IN_A_TURN = """
import sys, threading, databases
from pydantic_ai.messages import ModelRequest, UserPromptPart
from pydantic_hivemind import errors
from pydantic_hivemind.hive import conversation_turns
conversation_turns.TURN_SECONDS = 1.5
scope = databases.opened(sys.argv[1]).scope('user/ada')
with scope.conversation('main').turn() as history:
    print('in it', flush=True)
    sys.stdin.readline()
    if sys.argv[3] == 'lost':
        # The thread that prolongs it finds out first.
        [prolonging] = [thread for thread in threading.enumerate() if thread.name == 'hivemind-turn']
        prolonging.join(20)
    talk = scope.conversation('main')
    late = [ModelRequest([UserPromptPart('late')])]
    change = {
        'append': lambda: talk.append(late, operation_id='job'),
        'expected': lambda: talk.append(late, expected_count=len(history)),
        'replace': lambda: talk.replace([*history, *late]),
        'clear': talk.clear,
        'thread': lambda: run(lambda: talk.append(late)),
    }[sys.argv[2]]
    raised = []
    def run(work):
        def caught():
            try:
                work()
            except Exception as error:
                raised.append(error)
        thread = threading.Thread(target=caught)
        thread.start()
        thread.join()
        for error in raised:
            raise error
    try:
        change()
    except errors.TurnLost as error:
        print('refused:', error, flush=True)
    else:
        print('stored', flush=True)
"""


class Stopped:
    """A process that is in a turn, and stopped."""

    def __init__(self, place, change, outcome):
        command = [sys.executable, "-c", IN_A_TURN, place, change, outcome]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env_of_tests(), text=True
        )

    def __enter__(self):
        assert self.process.stdout.readline() == "in it\n"
        self.process.send_signal(signal.SIGSTOP)
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.communicate()

    def go_on(self):
        self.process.send_signal(signal.SIGCONT)
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return self.process.stdout.readline()


@pytest.mark.parametrize("change", ["append", "expected", "replace", "clear", "thread"])
def test_one_that_was_lost_changes_nothing(place, scope, clock, change):
    talk = scope.conversation("main")
    talk.append([say("one")])
    with Stopped(place, change, "lost") as stopped:
        clock.forward(60)
        # Taken and given back: the lease is free again, and not the first one's any more.
        with talk.turn(wait=0) as history:
            talk.append([say("two")], expected_count=len(history))
        assert stopped.go_on().startswith("refused: this turn of the conversation was lost")
    assert [message.parts[0].content for message in talk.load()] == ["one", "two"]


def test_one_that_was_lost_to_a_turn_that_goes_on(place, scope, clock):
    talk = scope.conversation("main")
    with Stopped(place, "append", "lost") as stopped:
        clock.forward(60)
        with talk.turn(wait=0):
            assert stopped.go_on().startswith("refused")
            stopped.process.wait(60)
            talk.append([say("mine")])
            # Its end did not end this one.
            with pytest.raises(errors.TurnBusy), talk.turn(wait=0):
                pass
    assert [message.parts[0].content for message in talk.load()] == ["mine"]


def test_one_that_was_stopped_and_that_nobody_took(place, scope, clock):
    talk = scope.conversation("main")
    with Stopped(place, "expected", "kept") as stopped:
        clock.forward(60)
        assert stopped.go_on() == "stored\n"
    assert [message.parts[0].content for message in talk.load()] == ["late"]


def test_one_that_was_lost_leaves_other_conversations_alone(scope, clock, monkeypatch):
    monkeypatch.setattr(conversation_turns.ConversationTurn, "_prolong", lambda _: None)
    talk, other = scope.conversation("main"), scope.conversation("other")
    with talk.turn(), other.turn():
        clock.forward(60)
        with ThreadPoolExecutor(1) as threads:
            threads.submit(talk.turn(wait=0).__enter__).result()
        with pytest.raises(errors.TurnLost):
            talk.append([say("late")])
        with pytest.raises(errors.TurnLost):
            scope.conversation("main").replace([say("late")])
        other.append([say("mine")])
        assert talk.load() == []
        assert talk.archive() is False
    # Outside of it, anybody may append.
    talk.append([say("later")])
    assert len(talk.load()) == 1


def test_a_retry_in_one_that_was_lost_has_its_first_outcome(scope, clock, monkeypatch):
    monkeypatch.setattr(conversation_turns.ConversationTurn, "_prolong", lambda _: None)
    talk = scope.conversation("main")
    with talk.turn():
        talk.append([say("one")], operation_id="job")
        clock.forward(60)
        with ThreadPoolExecutor(1) as threads:
            threads.submit(talk.turn(wait=0).__enter__).result()
        talk.append([say("one")], operation_id="job")
    assert len(talk.load()) == 1


@pytest.mark.anyio
async def test_one_of_a_task_that_was_lost(scope, clock, monkeypatch):
    monkeypatch.setattr(conversation_turns.ConversationTurn, "_prolong", lambda _: None)
    talk = await AsyncScope(scope).conversation("main")

    async def second(first_is_in, second_is_over):
        await first_is_in.wait()
        clock.forward(60)
        async with talk.turn(wait=0):
            await talk.append([say("two")])
        second_is_over.set()

    first_is_in, second_is_over = asyncio.Event(), asyncio.Event()
    task = asyncio.create_task(second(first_is_in, second_is_over))
    async with talk.turn():
        first_is_in.set()
        await second_is_over.wait()
        with pytest.raises(errors.TurnLost):
            await talk.append([say("one")])
    await task
    assert [message.parts[0].content for message in await talk.load()] == ["two"]


def env_of_tests():
    tests = str(Path(__file__).parents[1])
    return {**os.environ, "PYTHONPATH": os.pathsep.join([tests, os.environ.get("PYTHONPATH", "")])}


def test_no_threads_are_left(scope):
    for _ in range(3):
        with scope.conversation("main").turn():
            pass
    until = time.monotonic() + 10
    while any(thread.name == "hivemind-turn" for thread in threading.enumerate()):
        assert time.monotonic() < until
        time.sleep(0.01)


# -- what else a conversation has ------------------------------------------------------------------


def test_titles_and_archives(scope):
    talk = scope.conversation("main")
    assert talk.title is None
    assert not talk.archive()
    talk.title = "Taxes"
    assert [(info.id, info.title, info.messages, info.archived) for info in scope.conversations()] == [
        ("main", "Taxes", 0, False)
    ]
    talk.append([say("one"), say("two")])
    assert talk.archive()
    [info] = scope.conversations()
    assert (info.title, info.messages, info.archived) == ("Taxes", 2, True)
    assert info.modified_at > 0
    talk.archive(False)
    assert not scope.conversations()[0].archived
    talk.rename(None)
    assert talk.title is None
    talk.title = "Taxes"
    talk.clear()
    talk.append([])
    assert [(info.title, info.messages) for info in scope.conversations()] == [("Taxes", 0)]
    talk.rename(None)
    talk.clear()
    assert scope.conversations() == []
    with pytest.raises(errors.CheckpointError, match="title"):
        talk.title = "a\0b"


def test_the_last_messages(scope):
    talk = scope.conversation("main")
    messages = [say(str(number)) for number in range(5)]
    talk.append(messages)
    assert talk.load(last=2) == messages[3:]
    assert talk.load(last=9) == messages
    assert talk.load(last=0) == []
    with pytest.raises(errors.InvalidOption):
        talk.load(last=-1)


def test_an_append_to_as_many_messages_as_were_expected(scope):
    talk = scope.conversation("main")
    talk.append([say("one")], expected_count=0)
    # Again after a crash, with messages that were built again.
    talk.append([say("one")], expected_count=0)
    with pytest.raises(errors.VersionConflict) as conflict:
        talk.append([say("two")], expected_count=0)
    assert (conflict.value.expected, conflict.value.actual) == (0, 1)
    talk.append([say("two")], expected_count=1)
    talk.append([say("one")], expected_count=0)  # a retry that comes late
    assert [message.parts[0].content for message in talk.load()] == ["one", "two"]
