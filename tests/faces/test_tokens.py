"""Tokens: only those that were made here, for a workspace that is there still, until they end or are revoked."""

from __future__ import annotations

import base64
import contextlib
import json
import multiprocessing
import stat
import threading
import time
from typing import Any

import jwt
import pytest
from sqlalchemy import update

from pydantic_hivemind import Hivemind, errors
from pydantic_hivemind.base.store_permissions import SECRET_FILE
from pydantic_hivemind.ledger import schema
from pydantic_hivemind.ledger.engine.statements import Statement, param
from pydantic_hivemind.limits import DEFAULT_TOKEN_TTL, MAX_TTL
from pydantic_hivemind.tokens import ACTIONS, Tokens

_NO_HASH = Statement(lambda: update(schema.tokens).where(schema.tokens.c.id == param("of")).values(hash=None))


def test_a_token_names_a_workspace_what_it_may_do_and_when_it_ends(hive, tokens):
    ada = hive.scope("user/ada")
    before = time.time()
    grant = tokens.verify(tokens.create(ada, can=["read", "promote"], ttl=60))
    assert (grant.workspace, grant.can) == ("user/ada", {"read", "promote"})
    assert before + 60 <= grant.expires_at <= time.time() + 60
    assert tokens.scope(grant) == ada
    grant.require("read")
    with pytest.raises(errors.NotAllowed, match="'write'"):
        grant.require("write")


def test_without_words_it_reads_and_writes_for_a_month(hive, tokens):
    hive.scope("ada")
    grant = tokens.verify(tokens.create("ada"))
    assert grant.can == {"read", "write"}
    assert grant.expires_at == pytest.approx(time.time() + DEFAULT_TOKEN_TTL, abs=60)


@pytest.mark.sqlite
def test_a_token_is_not_kept(hive, tokens, tmp_path):
    hive.scope("ada")
    token = tokens.create("ada")
    assert not any(token.encode() in file.read_bytes() for file in (tmp_path / "hive").rglob("*") if file.is_file())


# -- tokens that are refused -------------------------------------------------------------------


def refused(tokens: Tokens, token: str) -> bool:
    """Whether it is, in the one text that tells nothing."""
    with pytest.raises(errors.InvalidToken) as caught:
        tokens.verify(token)
    return str(caught.value).startswith("the token is not valid:")


def signed(tokens: Tokens, workspace: str, **options: Any) -> str:
    """A token as they were at first: signed, and without a hash in the store."""
    grant = tokens.verify(tokens.create(workspace, **options))
    with tokens._database.write() as tx:
        tx.run(_NO_HASH, {"of": grant.id})
    claims = {"jti": grant.id, "aud": "hivemind", "sub": workspace, "exp": int(grant.expires_at) + 1}
    return jwt.encode(claims, tokens._key(), algorithm="HS256")


def resigned(token: str, key: bytes | str, algorithm: str = "HS256", **changes: object) -> str:
    """The same token with other claims and another signature."""
    claims = jwt.decode(token, options={"verify_signature": False})
    return jwt.encode({**claims, **changes}, key, algorithm=algorithm)


@pytest.mark.parametrize("text", ["", "x", "a.b.c", "Bearer", "\ud800", "\0", "e30.e30.e30", "é.é.é", "x" * 100_000])
def test_text_that_is_no_token(tokens, text):
    assert refused(tokens, text)


def test_a_signed_token_is_valid_until_it_ends(hive, tokens):
    hive.scope("ada")
    token = signed(tokens, "ada", can=["read"])
    assert (tokens.verify(token).workspace, tokens.verify(token).can) == ("ada", {"read"})
    tokens.revoke(tokens.verify(token).id)
    assert refused(tokens, token)


def test_a_token_without_a_signature(hive, tokens):
    hive.scope("ada")
    token = signed(tokens, "ada")
    header, body, signature = token.split(".")
    unsigned = base64.urlsafe_b64encode(json.dumps({"alg": "none", "typ": "JWT"}).encode()).rstrip(b"=").decode()
    for forged in (f"{unsigned}.{body}.", f"{unsigned}.{body}.{signature}", f"{header}.{body}.", f"{header}.{body}"):
        assert refused(tokens, forged)


def test_a_token_signed_with_something_else(hive, tokens):
    hive.scope("ada")
    token = signed(tokens, "ada", can=["read"])
    for key in ("k" * 32, "ada" * 12):
        assert refused(tokens, resigned(token, key))
    assert refused(tokens, resigned(token, "k" * 64, "HS512"))


@pytest.mark.sqlite
def test_what_a_token_may_do_is_not_in_the_hands_of_who_has_it(hive, tokens):
    """Not even with the secret: the ledger decides."""
    hive.scope("ada"), hive.scope("bo")
    token = signed(tokens, "ada", can=["read"])
    secret = (hive._directory / SECRET_FILE).read_bytes()
    grant = tokens.verify(resigned(token, secret, sub="bo", can=["admin"]))
    assert (grant.workspace, grant.can) == ("ada", {"read"})
    for changes in ({"jti": "0" * 32}, {"jti": 7}, {"aud": "another"}, {"exp": 1}):
        assert refused(tokens, resigned(token, secret, **changes))


def test_a_token_that_has_ended(hive, tokens):
    hive.scope("ada")
    token = tokens.create("ada", ttl=0.01)
    time.sleep(0.02)
    assert refused(tokens, token)
    assert tokens.list() == []


def test_a_token_that_was_revoked(hive, tokens):
    hive.scope("ada")
    token, other = tokens.create("ada"), tokens.create("ada")
    id = tokens.verify(token).id
    assert tokens.revoke(id)
    assert refused(tokens, token)
    assert not tokens.revoke(id)
    assert tokens.verify(other)


def test_a_token_of_another_hive(hive, tokens, tmp_path):
    with Hivemind.open(tmp_path / "other") as other:
        other.scope("ada"), hive.scope("ada")
        assert refused(tokens, Tokens(other).create("ada"))
        with pytest.raises(errors.InvalidOption):
            tokens.create(other.scope("ada"))


def test_a_workspace_made_anew_is_another_one(hive, tokens):
    token = tokens.create(hive.scope("ada"), can=ACTIONS)
    grant = tokens.verify(token)
    hive.scope("ada").destroy()
    assert refused(tokens, token)
    hive.scope("ada").write_text("/secret.md", "of the new one")
    assert refused(tokens, token)
    with pytest.raises(errors.InvalidToken):
        tokens.scope(grant)


def test_a_session_that_ends_takes_its_tokens_with_it(hive, tokens, clock):
    project = hive.scope("project")
    token = tokens.create(project.spawn("run", ttl=60))
    clock.forward(60)
    assert refused(tokens, token)
    with pytest.raises(errors.ScopeNotFound):
        tokens.create("run")


# -- making them -------------------------------------------------------------------------------


@pytest.mark.parametrize("can", [[], "read", ["reed"], ["read", "reed"], ["read", ""]])
def test_actions_that_do_not_exist(hive, tokens, can):
    hive.scope("ada")
    with pytest.raises(errors.InvalidOption, match="read, append, write, propose, promote, admin"):
        tokens.create("ada", can=can)


@pytest.mark.parametrize("ttl", [0, -1, float("nan"), float("inf"), MAX_TTL + 1])
def test_lives_that_make_no_sense(hive, tokens, ttl):
    hive.scope("ada")
    with pytest.raises(errors.InvalidOption, match="ttl"):
        tokens.create("ada", ttl=ttl)


def test_a_workspace_that_is_not_there(hive, tokens):
    with pytest.raises(errors.ScopeNotFound):
        tokens.create("nobody")
    gone = hive.scope("ada")
    gone.destroy()
    with pytest.raises(errors.ScopeGone):
        tokens.create(gone)


def test_nobody_hands_on_more_than_they_have(hive, tokens):
    project = hive.scope("project")
    by = tokens.verify(tokens.create(project, can=["read", "admin"], ttl=60))
    run = project.spawn("run")
    with pytest.raises(errors.NotAllowed, match="'write'"):
        tokens.create(run, can=["read", "write"], by=by)
    grant = tokens.verify(tokens.create(run, can=["read"], by=by))
    assert (grant.can, grant.expires_at) == ({"read"}, by.expires_at)


def test_what_a_token_made_ends_with_it(hive, tokens):
    """All the way down, and nothing else."""
    project = hive.scope("project")
    top = tokens.verify(tokens.create(project, can=ACTIONS))
    by = tokens.verify(tokens.create(project, can=ACTIONS, by=top))
    child = tokens.create(project.spawn("run"), by=by)
    other = tokens.create(project, by=top)
    assert (top.made_by, by.made_by, tokens.verify(child).made_by) == (None, top.id, by.id)
    assert {grant.id: grant.made_by for grant in tokens.list()}[by.id] == top.id
    assert tokens.revoke(by.id)
    assert refused(tokens, child)
    assert tokens.verify(other)
    assert tokens.revoke(top.id)
    assert tokens.list() == []


def test_a_token_that_was_revoked_meanwhile_makes_none(hive, tokens):
    project = hive.scope("project")
    by = tokens.verify(tokens.create(project, can=ACTIONS))
    tokens.revoke(by.id)
    with pytest.raises(errors.InvalidToken):
        tokens.create(project, by=by)
    assert tokens.list() == []


def test_of_making_and_revoking_at_once_nothing_is_left(hive, tokens):
    project = hive.scope("project")

    def make(by, start):
        start.wait()
        with contextlib.suppress(errors.InvalidToken):
            tokens.create(project, by=by)

    for _ in range(20):
        by = tokens.verify(tokens.create(project, can=ACTIONS))
        start = threading.Barrier(4)
        makers = [threading.Thread(target=make, args=(by, start)) for _ in range(3)]
        for maker in makers:
            maker.start()
        start.wait()
        tokens.revoke(by.id)
        for maker in makers:
            maker.join()
        assert tokens.list() == []


def test_those_that_are_valid_are_listed(hive, tokens):
    hive.scope("bo"), hive.scope("ada")
    made = [tokens.verify(tokens.create(name)) for name in ("bo", "ada", "ada")]
    assert tokens.list() == [made[1], made[2], made[0]]


# -- the secret --------------------------------------------------------------------------------


@pytest.mark.sqlite
def test_the_secret_is_made_on_first_use_for_its_owner_alone(hive, tokens, tmp_path):
    place = tmp_path / "hive" / SECRET_FILE
    assert not place.exists()
    hive.scope("ada")
    token = tokens.create("ada")
    assert stat.S_IMODE(place.stat().st_mode) == 0o600
    assert len(place.read_bytes()) >= 32
    assert [file.name for file in place.parent.iterdir() if SECRET_FILE in file.name] == [SECRET_FILE]
    assert Tokens(hive).verify(token).workspace == "ada"


def make_a_token(directory: str, tokens: multiprocessing.SimpleQueue) -> None:
    with Hivemind.open(directory) as hive:
        tokens.put(Tokens(hive).create("ada"))


@pytest.mark.sqlite
def test_processes_that_make_it_at_once_agree(hive, tokens, tmp_path):
    hive.scope("ada")
    context = multiprocessing.get_context("spawn")
    made = context.SimpleQueue()
    workers = [context.Process(target=make_a_token, args=(str(tmp_path / "hive"), made)) for _ in range(2)]
    for worker in workers:
        worker.start()
    assert all(tokens.verify(made.get()).workspace == "ada" for _ in workers)
    for worker in workers:
        worker.join()


@pytest.mark.sqlite
def test_a_secret_of_ones_own(hive, tmp_path):
    hive.scope("ada")
    tokens = Tokens(hive, secret=b"x" * 32)
    assert tokens.verify(tokens.create("ada"))
    assert not (tmp_path / "hive" / SECRET_FILE).exists()
    with pytest.raises(errors.InvalidOption, match="32 bytes"):
        Tokens(hive, secret=b"").create("ada")


@pytest.mark.sqlite
def test_an_emptied_secret_opens_nothing(hive, tokens, tmp_path):
    hive.scope("ada")
    token = tokens.create("ada")
    (tmp_path / "hive" / SECRET_FILE).write_bytes(b"")
    with pytest.raises(errors.InvalidOption, match="32 bytes"):
        Tokens(hive).verify(token)
