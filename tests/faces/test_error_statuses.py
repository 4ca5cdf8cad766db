"""Every error has one answer, and each face gives it."""

import json
import re
from pathlib import Path

import anyio
import mcp_types as types
import pytest
from fastapi import FastAPI
from mcp import Client, MCPError
from starlette.testclient import TestClient

from pydantic_hivemind import errors
from pydantic_hivemind.base.values import PromotionReport
from pydantic_hivemind.cli import _run
from pydantic_hivemind.http import problems
from pydantic_hivemind.mcp import protocol
from pydantic_hivemind.rendering.error_statuses import ANSWERS, ExitCode, answer_of, phrase, problem_details

ERRORS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.HivemindError)]
PAGE = Path(__file__).parents[2] / "docs" / "reference" / "errors.md"
SECRET = "/srv/hive is on a broken disk"


def made(kind: type[errors.HivemindError]) -> errors.HivemindError:
    if kind is errors.VersionConflict:
        return errors.VersionConflict(SECRET, expected=1, actual=2)
    if kind is errors.EditError:
        return errors.EditError(SECRET, occurrences=0)
    if kind is errors.PromotionConflict:
        return errors.PromotionConflict(SECRET, PromotionReport("1", "a", "b", False, (), (), (), (), ()))
    return kind(SECRET)


@pytest.fixture(params=ERRORS, ids=lambda kind: kind.__name__)
def error(request: pytest.FixtureRequest) -> errors.HivemindError:
    return made(request.param)


def test_the_table_has_every_error_and_no_other():
    assert list(ANSWERS) == ERRORS


def test_of_other_errors_the_nearest_base_decides():
    class TooSlow(errors.StoreBusy):
        pass

    assert answer_of(TooSlow("x")) is answer_of(TooSlow) is ANSWERS[errors.StoreBusy]


def test_the_page_about_errors_has_the_table():
    rows = re.findall(r"^\| \**`(\w+)`\** \|[^|]*\| (\d+) \| (\d+) \|", PAGE.read_text(), re.MULTILINE)
    told = {kind.__name__: (str(int(it.status)), str(int(it.exit_code))) for kind, it in ANSWERS.items()}
    assert {name: told for name, *told in rows} == {name: list(answer) for name, answer in told.items()}


def test_what_is_about_the_store_is_said_in_words_of_its_own():
    for kind, answer in ANSWERS.items():
        assert (answer.subject == "store") == (answer.remote_text is not None) == (answer.exit_code == ExitCode.STORE)
        # What is the caller's fault needs no log to be understood.
        assert answer.subject == "store" or not answer.is_server_fault or kind.__subclasses__(), kind


def test_over_http(error):
    app = FastAPI()
    problems.install(app)

    @app.get("/fail")
    def fail() -> None:
        raise error

    answer = TestClient(app, raise_server_exceptions=False).get("/fail")
    expected = ANSWERS[type(error)]
    assert answer.status_code == expected.status
    assert answer.json().items() >= problem_details(error).items()
    assert answer.json()["detail"] == (expected.remote_text or SECRET)
    assert answer.json()["title"] == phrase(expected.status)


def test_over_mcp(error, monkeypatch):
    def fail(*_):
        raise error

    server = protocol.server_for(fail)

    async def ask():
        async with Client(server) as client:
            told = await client.call_tool("hivemind_list", {})
            with pytest.raises(MCPError) as refused:
                await client.read_resource("hivemind:///a.md")
            return told, refused.value.error

    told, refused = anyio.run(ask)
    expected = ANSWERS[type(error)]
    assert told.is_error
    if type(error) is not errors.ScopeGone:
        assert told.content[0].text.strip() == refused.message.strip() == (expected.remote_text or SECRET)
    assert refused.code == (types.INTERNAL_ERROR if expected.status >= 500 else types.INVALID_PARAMS)


def test_as_a_command(error, monkeypatch, capsys):
    def fail(**_):
        raise error

    monkeypatch.setattr("pydantic_hivemind.cli.app", fail)
    assert _run(["ls"], as_json=True) == ANSWERS[type(error)].exit_code
    # Who runs the command runs the store.
    assert json.loads(capsys.readouterr().err) == {"error": type(error).__name__, "detail": SECRET}
