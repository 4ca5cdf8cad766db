"""`AsyncHivemindClient`: the asynchronous client."""

from __future__ import annotations

from types import TracebackType
from typing import TypeVar

import httpx
from typing_extensions import Self

from pydantic_hivemind.client.exchange import Ask, Steps, check, request, unreachable
from pydantic_hivemind.client.operations import Operations
from pydantic_hivemind.client.workspaces import Issued
from pydantic_hivemind.limits import CLIENT_SECONDS

Result = TypeVar("Result")


class AsyncHivemindClient(Operations):
    """The workspace of a token on a server: `HivemindClient` with awaited methods.

    Every method can also raise `RemoteError` (the server cannot be reached, or is not a Hivemind server),
    `InvalidToken` (the token has expired or was revoked, or its workspace was destroyed), `NotAllowed` (the token does
    not permit the operation), and `StoreBusy`, `StoreFull` or `StoreUnreachable` (the server's store).

    Args:
        url: Address of the server, including the path of a mounted app: `http://localhost:8765`.
        token: A token of the workspace.
        http: The httpx client that sends the requests, with its own timeouts, proxies and certificates. Its creator
            closes it.
    """

    def __init__(self, url: str, token: str, *, http: httpx.AsyncClient | None = None) -> None:
        self._url = url
        self._token = token
        self._http = http or httpx.AsyncClient(timeout=CLIENT_SECONDS)
        self._is_mine = http is None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        # Without the token.
        return f"{type(self).__name__}({self._url!r})"

    async def close(self) -> None:
        """Close the connections, unless they belong to an httpx client that was passed in."""
        if self._is_mine:
            await self._http.aclose()

    async def run(self, steps: Steps[Result]) -> Result:
        """Send the requests of an operation, and return its result.

        Raises:
            HivemindError: The error that the server's response stands for.
            RemoteError: The server cannot be reached, or is not a Hivemind server.
        """
        try:
            ask = next(steps)
            while True:
                ask = steps.send(await self._send(ask))
        except StopIteration as done:
            return done.value

    async def _send(self, ask: Ask) -> httpx.Response:
        try:
            return check(await self._http.send(request(self._http, self._url, self._token, ask)))
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise unreachable(error) from None

    async def client_of(self, steps: Steps[Issued]) -> Self:
        """Send the requests of an operation that issues a token, and return a client with that token.

        It uses the same connections.

        Raises:
            RemoteError: The server cannot be reached, or is not a Hivemind server.
        """
        issued = await self.run(steps)
        return type(self)(self._url, issued.token, http=self._http)
