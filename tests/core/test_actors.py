"""Who wrote what is noted with every version, promotion, message and token."""

import asyncio

import pytest
from pydantic_ai.messages import ModelRequest
from sqlalchemy import select

from pydantic_hivemind import Actor, AsyncScope, acting
from pydantic_hivemind.errors import InvalidOption
from pydantic_hivemind.ledger import actor_records
from pydantic_hivemind.ledger.engine.statements import Statement
from pydantic_hivemind.ledger.schema import tokens, turns
from pydantic_hivemind.tokens import Tokens


@pytest.fixture
def project(hive):
    return hive.scope("project")


def actor_of(scope, path):
    return scope.history(path)[0].actor


def test_every_change_of_a_file_is_somebody_s(scope):
    changes = {
        "write": lambda: scope.write_text("/d/f", "1"),
        "edit": lambda: scope.edit("/d/f", "1", "2"),
        "tag": lambda: scope.tag("/d/f", ["x"]),
        "merge": lambda: scope.merge("/d/f", b"3", base=scope.read("/d/f")),
        "restore": lambda: scope.restore("/d/f"),
        "directory": lambda: scope.remove("/d"),
    }
    for run, change in changes.items():
        with acting(user="ada", run=run):
            change()
        assert actor_of(scope, "/d/f") == Actor(user="ada", run=run), run
    scope.write_text("/d/f", "4")
    assert actor_of(scope, "/d/f") is None
    assert [version.actor and version.actor.run for version in scope.recent(2)] == [None, "directory"]


def test_blocks_add_up(scope):
    with acting(user="ada"), acting(agent="main", run="1"):
        scope.write_text("/f", "1")
        with acting(run="2"):
            scope.write_text("/g", "1")
    assert actor_of(scope, "/f") == Actor(user="ada", agent="main", run="1")
    assert actor_of(scope, "/g") == Actor(user="ada", agent="main", run="2")
    assert str(actor_of(scope, "/g")) == "user ada, agent main, run 2"


@pytest.mark.parametrize("name", ["", "x" * 513, "a\nb", 7])
def test_names_are_checked(name):
    with pytest.raises(InvalidOption), acting(user=name):
        pass


def test_what_is_undone_leaves_no_actor_behind(scope):
    """The id that a transaction gave out is not used again when it was undone."""
    for user in ("ada", "bo"):
        with acting(user=user):
            with scope._database.write(scope._row.chain) as tx:
                actor_records.current_id(tx)
                tx.abandon()
            scope.write_text(f"/{user}", user)
    assert [actor_of(scope, f"/{user}").user for user in ("ada", "bo")] == ["ada", "bo"]


def test_a_promoted_version_is_its_writer_s_and_the_promotion_its_promoter_s(project):
    run = project.spawn("run")
    project.write_text("/gone", "x")
    project.write_text("/both", "a\nb\nc\n")
    with acting(agent="coder", run="1"):
        run.write_text("/f", "1")
        run.edit("/both", "a", "A")
        run.remove("/gone")
    project.edit("/both", "c", "C")
    with acting(user="ada"):
        report = run.promote()
    coder = Actor(agent="coder", run="1")
    assert report.merged == ("/both",)
    assert [actor_of(project, path) for path in ("/f", "/both", "/gone")] == [coder, coder, coder]


def test_a_sibling_does_not_learn_who_wrote_in_a_scope_it_does_not_know(hive, project):
    ada, bo = (hive.scope(name, parent=project) for name in ("ada", "bo"))
    with acting(user="ada"):
        ada.write_text("/f", "1")
        ada.promote()
    assert (bo.history("/f")[0].source, bo.history("/f")[0].actor) == (None, None)
    assert (project.history("/f")[0].source, actor_of(project, "/f")) == ("ada", Actor(user="ada"))


def test_async_calls_and_tasks_are_in_the_name_of_their_block(scope):
    async def work(user):
        with acting(user=user):
            await AsyncScope(scope).write_text(f"/{user}", "x")

    async def both():
        await asyncio.gather(work("ada"), work("bo"))

    asyncio.run(both())
    assert [actor_of(scope, f"/{user}") for user in ("ada", "bo")] == [Actor(user="ada"), Actor(user="bo")]


def test_messages_and_tokens_are_somebody_s(hive, scope):
    with acting(user="ada"):
        scope.conversation("c").append([ModelRequest(parts=[], instructions="hi")])
        Tokens(hive).create(scope)
    with scope._database.read() as tx:
        for table in (turns, tokens):
            ((id,),) = tx.rows(Statement(lambda table=table: select(table.c.actor)), {})
            assert actor_records.named(tx, [id]) == {id: Actor(user="ada")}
