"""Moving workspaces over HTTP: within what an admin has, and with their tokens."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient

from pydantic_hivemind import Hivemind
from pydantic_hivemind.client import HivemindClient
from pydantic_hivemind.errors import InvalidScope, NotAllowed, ScopeExists, ScopeNotFound
from pydantic_hivemind.http import create_app
from pydantic_hivemind.tokens import ACTIONS, Tokens


@pytest.fixture
def admin(hive: Hivemind) -> Iterator[HivemindClient]:
    token = Tokens(hive).create(hive.scope("acme"), can=ACTIONS)
    with TestClient(create_app(hive), "http://localhost") as http:
        yield HivemindClient("http://localhost", token, http=http)


def test_a_workspace_under_ones_own_moves(hive: Hivemind, admin: HivemindClient) -> None:
    team, ada = admin.create("team"), admin.create("ada")
    ada.write_text("/f", "text")
    info = admin.move("acme/-/ada", name="bo", parent="acme/-/team")
    assert (info.name, info.parent) == ("acme/-/team/-/bo", "acme/-/team")
    assert ada.read_text("/f") == "text"
    team.write_text("/g", "shared")
    assert ada.read_text("/g") == "shared"
    assert admin.move("acme/-/team/-/bo", parent="acme").parent == "acme"
    assert admin.move("acme/-/team/-/bo", name="bo").name == "acme/-/bo"


def test_no_other_moves(hive: Hivemind, admin: HivemindClient) -> None:
    hive.scope("other/-/x", parent=hive.scope("other"))
    ada = admin.create("ada")
    admin.create("bo")
    for workspace, changes in (
        ("other/-/x", {"name": "x"}),
        ("nobody", {"name": "x"}),
        ("acme", {"name": "x"}),
        ("acme/-/ada", {"parent": "other"}),
        ("acme/-/ada", {"parent": "nobody"}),
    ):
        with pytest.raises(ScopeNotFound):
            admin.move(workspace, **changes)
    with pytest.raises(ScopeExists):
        admin.move("acme/-/ada", name="bo")
    for wrong in ({"name": "a/b"}, {"parent": "acme/-/ada"}):
        with pytest.raises(InvalidScope):
            admin.move("acme/-/ada", **wrong)
    token = Tokens(hive).create(hive.get("acme/-/ada"), can=["read", "write"])
    with pytest.raises(NotAllowed):
        HivemindClient("http://localhost", token, http=admin._http).move("acme/-/ada", name="x")
    assert ada.info().name == "acme/-/ada"
