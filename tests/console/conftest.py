"""Somebody at the console."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from fastapi.testclient import TestClient
from httpx import Response

from pydantic_hivemind import Hivemind
from pydantic_hivemind.console import create_console
from pydantic_hivemind.http import create_app
from pydantic_hivemind.tokens import Tokens

OPERATOR_KEY = "the key of the operator"


class Visitor:
    """A browser without scripts."""

    def __init__(self, client: TestClient) -> None:
        self._client = client
        self.cookies = client.cookies

    def see(self, page: str, status: int = 200, **fields: object) -> str:
        """The text of a page, as its reader sees it and as HTML."""
        return self.get(page, status, **fields).text

    def get(self, page: str, status: int = 200, **fields: object) -> Response:
        response = self._client.get(f"/console/{page}", params=fields or None)
        assert response.status_code == status, response.text
        return response

    def post(self, page: str, form: dict[str, object], status: int = 200, **fields: object) -> Response:
        """Send a form as a page of the console does."""
        headers = {"Origin": "http://localhost", "Sec-Fetch-Site": "same-origin"}
        response = self._client.post(f"/console/{page}", params=fields or None, data=form, headers=headers)
        assert response.status_code == status, response.text
        return response


@pytest.fixture
def tokens(hive: Hivemind) -> Tokens:
    return Tokens(hive)


@pytest.fixture
def browser(hive: Hivemind) -> Iterator[Callable[[], Visitor]]:
    """Makes browsers in which nobody is signed in."""
    app = create_app(hive, mounts={"/console": create_console(hive, operator_key=OPERATOR_KEY)})
    clients: list[TestClient] = []

    def make() -> Visitor:
        clients.append(TestClient(app, "http://localhost", raise_server_exceptions=True))
        return Visitor(clients[-1])

    yield make
    for client in clients:
        client.close()


@pytest.fixture
def sign_in(browser: Callable[[], Visitor]) -> Callable[[str], Visitor]:
    """Signs somebody in with a token."""

    def sign_in(token: str) -> Visitor:
        visitor = browser()
        visitor.post("sign-in", {"token": token, "afterwards": ""})
        return visitor

    return sign_in


@pytest.fixture
def operator(sign_in: Callable[[str], Visitor]) -> Visitor:
    return sign_in(OPERATOR_KEY)
