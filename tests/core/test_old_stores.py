"""Stores of each earlier revision of the ledger, made by the code of that time: opened, read, written to, promoted."""

import json
import lzma
import sqlite3
from contextlib import closing
from pathlib import Path

import jwt
import pytest
from old_stores.make import MEMORY, TOKEN, seen

from pydantic_hivemind import Hivemind, errors
from pydantic_hivemind.hive.cas_files import CasFiles, Operation
from pydantic_hivemind.ledger import chunk_vectors, signing_secrets
from pydantic_hivemind.ledger.engine.sqlite import LEDGER_FILE
from pydantic_hivemind.ledger.schema import REVISION
from pydantic_hivemind.tokens import Tokens

KEPT = Path(__file__).parent / "old_stores"

REVISIONS = sorted(path.name.partition(".")[0] for path in KEPT.glob("*.sqlite3.xz"))


def kept(name):
    return lzma.decompress((KEPT / name).read_bytes())


@pytest.fixture(params=REVISIONS)
def revision(request):
    return request.param


@pytest.fixture
def directory(tmp_path, revision):
    """Of a store as its revision left it."""
    (tmp_path / LEDGER_FILE).write_bytes(kept(f"{revision}.sqlite3.xz"))
    return tmp_path


@pytest.fixture
def hive(directory):
    with Hivemind.open(directory, durability="normal") as hive:
        yield hive


def rows(directory, query):
    with closing(sqlite3.connect(directory / LEDGER_FILE)) as connection:
        return connection.execute(query).fetchall()


def test_there_is_one_of_each_revision():
    earlier = [f"{number:04}" for number in range(1, int(REVISION))]
    assert earlier == REVISIONS, "a new revision keeps a store of the one before; see old_stores/make.py"


def test_everything_is_read_back(hive, revision):
    assert seen(hive) == json.loads(kept(f"{revision}.json.xz"))


def test_nothing_is_damaged(directory, hive):
    assert [finding for finding in hive.doctor() if finding.kind == "ledger"] == []
    assert rows(directory, "SELECT version_num FROM alembic_version") == [(REVISION,)]
    assert rows(directory, "PRAGMA foreign_key_check") == []


def test_it_is_written_to(hive):
    ada, live = hive.scope("user/ada"), hive.scope("run-live")
    ada.write_text("/log.md", "one more\n")
    assert ada.history("/log.md")[0].size == 9
    assert ada.edit("/docs/edited.md", "by Ada", "by Ada again").occurrences == 1
    assert live.read_text("/docs/edited.md").endswith("by Ada again\n")
    ada.restore("/docs/removed.md")
    assert ada.read_text("/docs/removed.md") == hive.scope("project/acme").read_text("/docs/removed.md")
    new = ada.spawn()
    new.write_text("/new.md", "x")
    assert ada.children[-1].name == "run-live"
    new.destroy()
    live.destroy()
    hive.scope("user/bo").destroy()
    assert hive.doctor() == []


def test_it_is_promoted(hive):
    ada, live = hive.scope("user/ada"), hive.scope("run-live")
    assert set(seen(hive)["run-live"]["diff"]) >= {MEMORY, "/draft.md", "/learned.md"}
    report = live.promote()
    assert set(report.applied) == {MEMORY, "/draft.md"}
    assert set(report.deleted) == {"/learned.md", "/remade"}
    assert "six minutes" in ada.read_text(MEMORY)
    assert not ada.exists("/learned.md")
    assert not ada.exists("/remade")
    assert not live.diff()
    upwards = ada.promote(dry_run=True)
    assert not upwards.conflicts
    ada.promote()
    project = hive.scope("project/acme")
    assert "edited by Ada" in project.read_text("/docs/edited.md")
    assert not project.exists("/gone")
    assert not project.exists("/remade")
    assert not project.exists("/docs/removed.md")
    assert hive.doctor() == []


def test_a_promotion_of_its_time_is_reverted(hive):
    ada = hive.scope("user/ada")
    (promoted,) = (past for past in ada.history("/learned.md") if past.action == "promote")
    assert promoted.source == "run-done"
    assert ada.revert(promoted.promotion) == [MEMORY, "/learned.md", "/once.md"]
    assert "nine minutes" in ada.read_text(MEMORY)
    assert not ada.exists("/learned.md")
    assert ada.read_text("/once.md") == "written once\n"


def test_operations_are_not_done_again(hive, revision):
    ada = hive.scope("user/ada")
    once = ada.write_text("/once.md", "written once\n", operation_id="write-once")
    assert once.size == 13
    assert once.version in [past.version for past in ada.history("/once.md")]
    assert not ada.exists("/once.md")  # removed by a promotion since then
    with pytest.raises(errors.OperationConflict):
        ada.write_text("/once.md", "something else\n", operation_id="write-once")
    if revision >= "0003":
        noted = Operation("note-once", "fingerprint")
        assert CasFiles(ada).done(noted).existed is False
        assert CasFiles(ada).read("/noted.md").annotation == ("note-once", '{"by": "ada"}')


def test_conversations_and_checkpoints_go_on(hive):
    ada = hive.scope("user/ada")
    taxes, checkpoints = ada.conversation("taxes"), ada.checkpoints()
    first = checkpoints.get("cp-1")
    assert taxes.load()[:2] == first.messages
    taxes.append(first.messages)
    assert len(taxes.load()) == 6
    checkpoints.save(first)
    assert [one.id for one in checkpoints.list_all()] == ["cp-1", "cp-2"]
    assert checkpoints.remove("cp-2")
    assert checkpoints.count() == 1
    assert hive.doctor() == []


def test_what_later_revisions_added(hive, revision):
    ada = hive.scope("user/ada")
    with hive._database.read() as tx:
        if revision >= "0002":
            assert chunk_vectors.find(tx, ada._row.chain, "an embedder", [bytes(16)]) == {bytes(16): bytes(64)}
        if revision >= "0005":
            assert signing_secrets.find(tx, "a secret") == bytes(32)
    assert ada.search("how long does the build take?")[0].path == MEMORY


def test_tokens_stay_valid(hive, revision):
    if revision < "0004":
        pytest.skip("there were none")
    tokens = Tokens(hive, secret=bytes(32))
    first, second = sorted(tokens.list(), key=lambda grant: -grant.expires_at)
    assert (first.workspace, first.can, first.made_by) == ("user/ada", {"read", "admin"}, None)
    assert second.made_by == (first.id if revision >= "0006" else None)
    if revision >= "0008":
        token = hive.scope("user/ada").read_text(TOKEN)
    else:
        claims = {"jti": first.id, "aud": "hivemind", "sub": "user/ada", "exp": int(first.expires_at)}
        token = jwt.encode(claims, bytes(32))
    by = tokens.verify(token)
    assert by == first
    made = tokens.create("user/ada", can=["read"], by=by)
    assert tokens.revoke(first.id)
    assert len(tokens.list()) == (0 if revision >= "0006" else 1)
    with pytest.raises(errors.InvalidToken):
        tokens.verify(made)


def test_numbers_that_were_recorded_are_versions_still(directory, hive):
    ada = hive.scope("user/ada")
    last = ada.stat("/log.md")
    ((number,),) = rows(directory, "SELECT max(id) FROM versions WHERE path = '/log.md'")
    now = ada.write_text("/log.md", "by number\n", expected_version=number)
    assert now.version != last.version
    assert ada.restore("/log.md", number).size == last.size
    # Those that came later are named only.
    ((later,),) = rows(directory, "SELECT max(id) FROM versions WHERE path = '/log.md'")
    with pytest.raises(errors.VersionConflict):
        ada.write_text("/log.md", "by number\n", expected_version=later)


def test_what_is_not_known_of_the_past_is_noted(directory, hive):
    """Where older versions were pruned, and nowhere else."""
    ((path, horizon),) = rows(directory, "SELECT path, version FROM horizons")
    assert path == "/log.md"
    kept = rows(directory, "SELECT id FROM versions WHERE path = '/log.md' ORDER BY id")
    assert horizon == kept[0][0] - 1
    hive.scope("user/ada").write_text("/log.md", "one more\n")
    assert rows(directory, "SELECT version FROM horizons") == [(kept[1][0] - 1,)]


def test_scopes_are_told_apart_from_those_that_get_their_ids(directory, hive):
    hive.scope("new")
    found = [number for (number,) in rows(directory, "SELECT incarnation FROM scopes")]
    assert len(set(found)) == len(found) == 8
    assert all(0 < number < 2**60 for number in found)


def test_a_store_of_a_later_revision_is_left_alone(directory, hive):
    later = f"{int(REVISION) + 1:04}"
    hive.close()
    with closing(sqlite3.connect(directory / LEDGER_FILE)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", [later])
        connection.commit()
    before = (directory / LEDGER_FILE).read_bytes()
    with pytest.raises(errors.LedgerTooNew, match="upgrade the package"):
        Hivemind.open(directory)
    assert (directory / LEDGER_FILE).read_bytes() == before
