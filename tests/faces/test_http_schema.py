"""The OpenAPI document is true: whatever is sent, the answer is one that it describes, and none is a server error."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable

from pydantic_hivemind import Hivemind
from pydantic_hivemind.errors import ScopeGone
from pydantic_hivemind.http import create_app
from pydantic_hivemind.tokens import ACTIONS, Tokens

EXAMPLES = 20
"""Requests of each operation that are right, and that are wrong; they take half a minute in all."""

schemathesis = pytest.importorskip("schemathesis")
openapi = pytest.importorskip("schemathesis.specs.openapi.checks")

CHECKS = [
    pytest.importorskip("schemathesis.checks").not_a_server_error,
    openapi.status_code_conformance,
    openapi.content_type_conformance,
    openapi.response_headers_conformance,
    openapi.response_schema_conformance,
    openapi.allow_header_conformance,
    openapi.ignored_auth,
]


@pytest.fixture(scope="module")
def hive(tmp_path_factory):
    with Hivemind.open(tmp_path_factory.mktemp("hive"), durability="normal") as hive:
        yield hive


@pytest.fixture(scope="module")
def document(hive):
    return schemathesis.openapi.from_asgi("/openapi.json", create_app(hive, hosts=["testserver"]))


def test_every_answer_is_documented(document, hive):
    tokens = Tokens(hive)
    tried = []

    def sends(operation, mode):
        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def send(case):
            token = None
            while token is None:
                # The operation before may have ended everything, or let it end in a moment.
                with suppress(ScopeGone):
                    run = hive.scope("project/run", hive.scope("project"))
                    run.write_text("/notes.md", "one\ntwo\n", tags=["x"])
                    token = tokens.create(run, can=ACTIONS, ttl=60)
            case.call_and_validate(headers={"Authorization": f"Bearer {token}"}, checks=CHECKS)

        return send

    for found in document.get_all_operations():
        operation = found.ok()
        for mode in schemathesis.GenerationMode:
            # Where there is nothing to say there is nothing wrong to say.
            with suppress(Unsatisfiable):
                sends(operation, mode)()
        tried.append(operation.label)
    assert len(tried) > 25


def test_the_document_can_be_used_as_it_is(document):
    """Each operation has a name of its own, and says what it does and what it answers."""
    paths = document.raw_schema["paths"].values()
    operations = [operation for methods in paths for operation in methods.values()]
    assert len({operation["operationId"] for operation in operations}) == len(operations)
    for operation in operations:
        assert operation["summary"]
        assert operation["description"]
        assert len(operation["responses"]) > 1
