"""What a server writes down of requests: no content, no names and no secret."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient
from foreign_work import FOREIGN

from pydantic_hivemind import Hivemind
from pydantic_hivemind.http import create_app
from pydantic_hivemind.tokens import ACTIONS, Tokens


@pytest.mark.any_store
def test_logs_and_metrics_tell_no_content_and_no_secret(
    hive: Hivemind, tokens: Tokens, caplog: pytest.LogCaptureFixture
) -> None:
    """Nor names of files and workspaces, of what was done and of what failed."""
    caplog.set_level("DEBUG", logger="pydantic_hivemind")
    scope = hive.scope(f"{FOREIGN}-mine")
    token = tokens.create(scope, can=ACTIONS)
    with TestClient(create_app(hive), "http://localhost", raise_server_exceptions=False) as api:
        mine = {"Authorization": f"Bearer {token}"}
        for method, address, asked in (
            ("PUT", f"files/{FOREIGN}.md", {"content": FOREIGN.encode()}),
            ("GET", f"files/{FOREIGN}.md", {}),
            ("GET", f"files/{FOREIGN}", {}),
            ("POST", "search", {"json": {"query": FOREIGN}}),
            ("POST", "edit", {"json": {"path": f"/{FOREIGN}.md", "old": "nothing", "new": FOREIGN}}),
            ("POST", FOREIGN, {"json": {FOREIGN: FOREIGN}}),
            ("POST", "write", {"json": {FOREIGN: FOREIGN}}),
            ("DELETE", "workspaces", {"params": {"name": FOREIGN}}),
        ):
            api.request(method, f"/v1/{address}", headers=mine, **asked)
            api.request(method, f"/v1/{address}", headers={"Authorization": f"Bearer {token}x"}, **asked)
        shown = caplog.text + api.get("/metrics").text
    assert "pydantic_hivemind" in shown
    assert FOREIGN not in shown
    assert token not in shown
    assert token.rpartition("_")[2] not in shown
