"""`AsyncHivemindClient`: the asynchronous client."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from functools import wraps
from types import TracebackType
from typing import Concatenate, ParamSpec, TypeVar

import httpx
from typing_extensions import Self

from pydantic_hivemind.client import calls, workspaces
from pydantic_hivemind.client.exchange import TIMEOUT, Ask, Steps, check, request, unreachable
from pydantic_hivemind.tokens import Action

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def _sent(
    operation: Callable[Arguments, Steps[Result]],
) -> Callable[Concatenate[AsyncHivemindClient, Arguments], Awaitable[Result]]:
    """Return an operation as a method that sends its requests."""

    @wraps(operation)
    async def method(self: AsyncHivemindClient, *args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        return await self.run(operation(*args, **kwargs))

    return method


class AsyncHivemindClient:
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
        self._http = http or httpx.AsyncClient(timeout=TIMEOUT)
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

    read = _sent(calls.read)
    read_bytes = _sent(calls.read_bytes)
    read_text = _sent(calls.read_text)
    exists = _sent(calls.exists)
    stat = _sent(calls.stat)
    list_dir = _sent(calls.list_dir)
    glob = _sent(calls.glob)
    grep = _sent(calls.grep)
    search = _sent(calls.search)
    history = _sent(calls.history)
    diff = _sent(calls.diff)
    write_bytes = _sent(calls.write_bytes)
    write_text = _sent(calls.write_text)
    edit = _sent(calls.edit)
    merge = _sent(calls.merge)
    make_dir = _sent(calls.make_dir)
    remove = _sent(calls.remove)
    tag = _sent(calls.tag)
    restore = _sent(calls.restore)
    promote = _sent(calls.promote)
    revert = _sent(calls.revert)
    info = _sent(workspaces.info)
    scopes = _sent(workspaces.scopes)
    children = _sent(workspaces.children)
    delete_workspace = _sent(workspaces.delete_workspace)
    destroy = _sent(workspaces.destroy)
    renew = _sent(workspaces.renew)
    create_token = _sent(workspaces.create_token)
    list_tokens = _sent(workspaces.list_tokens)
    revoke_token = _sent(workspaces.revoke_token)

    async def create(
        self, name: str, *, ttl: float | None = None, can: Collection[Action] | None = None
    ) -> AsyncHivemindClient:
        """Create the workspace `<this one>/-/<name>`, and return a client for it that uses the same connections.

        Args:
            name: Name of the workspace, without `/` and `#`.
            ttl: Seconds after which the workspace is removed; if omitted, it stays.
            can: Actions that the new client's token permits; if omitted, those of this client's token.

        Raises:
            ScopeExists: A workspace of that name exists already.
            InvalidScope: The name or the ttl is not valid, or the chain would be too long.
            InvalidOption: An action is unknown.
        """
        return self._with(await self.run(workspaces.create(name, ttl=ttl, can=can)))

    async def spawn(
        self,
        name: str | None = None,
        *,
        ttl: float | None = None,
        attach: bool = False,
        can: Collection[Action] | None = None,
    ) -> AsyncHivemindClient:
        """Make the session `<this one>/-/<name>`, and return a client for it that uses the same connections.

        Args:
            name: Name of the session, without `/` and `#`; generated if omitted.
            ttl: Seconds after which the session is removed; if omitted, it stays.
            attach: Return the session of that name if it exists already, and renew its ttl.
            can: Actions that the new client's token permits; if omitted, those of this client's token.

        Raises:
            ScopeExists: A workspace of that name exists already.
            InvalidScope: The name or the ttl is not valid, or the chain would be too long.
            InvalidOption: An action is unknown.
        """
        return self._with(await self.run(workspaces.spawn(name, ttl=ttl, attach=attach, can=can)))

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

    def _with(self, issued: workspaces.Issued) -> AsyncHivemindClient:
        """Return a client for another token that uses the same connections."""
        return AsyncHivemindClient(self._url, issued.token, http=self._http)
