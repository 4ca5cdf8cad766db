"""`Operations`: the methods that both clients have, each from the one generator that yields its requests."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, Generic, ParamSpec, Protocol, TypeVar, overload

from pydantic_hivemind.client import calls, promotion_calls, proposal_calls, workspaces
from pydantic_hivemind.client.exchange import Steps

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")
Outcome = TypeVar("Outcome")
Blocking = TypeVar("Blocking", bound="SendsBlocking")
Awaited = TypeVar("Awaited", bound="SendsAwaited")


class SendsBlocking(Protocol):
    """A client that waits for responses."""

    def run(self, steps: Steps[Outcome]) -> Outcome:
        """Send the requests of an operation, and return its result."""
        ...


class SendsAwaited(Protocol):
    """A client whose responses are awaited."""

    async def run(self, steps: Steps[Outcome]) -> Outcome:
        """Send the requests of an operation, and return its result."""
        ...


class Operation(Generic[Arguments, Result]):
    """A method with the arguments of a generator function. Its result comes at once, or is awaited, by its client."""

    def __init__(self, steps: Callable[Arguments, Steps[Result]]) -> None:
        @wraps(steps)
        def method(self: Any, *args: Arguments.args, **kwargs: Arguments.kwargs) -> Any:
            return self.run(steps(*args, **kwargs))

        self._method: Any = method

    @overload
    def __get__(self, client: None, kind: type) -> Callable[..., Any]: ...
    @overload
    def __get__(self, client: SendsBlocking, kind: type) -> Callable[Arguments, Result]: ...
    @overload
    def __get__(self, client: SendsAwaited, kind: type) -> Callable[Arguments, Coroutine[Any, Any, Result]]: ...
    def __get__(self, client: object, kind: type) -> Any:
        """Return the method, bound to its client if there is one."""
        return self._method if client is None else self._method.__get__(client, kind)


class Opening(Generic[Arguments]):
    """As `Operation`, for one that issues a token; the result is a client with it that uses the same connections."""

    def __init__(self, steps: Callable[Arguments, Steps[workspaces.Issued]]) -> None:
        @wraps(steps)
        def method(self: Any, *args: Arguments.args, **kwargs: Arguments.kwargs) -> Any:
            return self.client_of(steps(*args, **kwargs))

        self._method: Any = method

    @overload
    def __get__(self, client: None, kind: type) -> Callable[..., Any]: ...
    @overload
    def __get__(self, client: Blocking, kind: type) -> Callable[Arguments, Blocking]: ...
    @overload
    def __get__(self, client: Awaited, kind: type) -> Callable[Arguments, Coroutine[Any, Any, Awaited]]: ...
    def __get__(self, client: object, kind: type) -> Any:
        """Return the method, bound to its client if there is one."""
        return self._method if client is None else self._method.__get__(client, kind)


class Operations:
    """The methods of both clients. Each raises what its operation of `Scope` does."""

    read = Operation(calls.read)
    read_bytes = Operation(calls.read_bytes)
    read_text = Operation(calls.read_text)
    exists = Operation(calls.exists)
    stat = Operation(calls.stat)
    list_dir = Operation(calls.list_dir)
    glob = Operation(calls.glob)
    grep = Operation(calls.grep)
    search = Operation(calls.search)
    history = Operation(calls.history)
    diff = Operation(calls.diff)
    write_bytes = Operation(calls.write_bytes)
    write_text = Operation(calls.write_text)
    edit = Operation(calls.edit)
    merge = Operation(calls.merge)
    make_dir = Operation(calls.make_dir)
    remove = Operation(calls.remove)
    tag = Operation(calls.tag)
    restore = Operation(calls.restore)
    promote = Operation(promotion_calls.promote)
    revert = Operation(promotion_calls.revert)
    propose = Operation(proposal_calls.propose)
    proposals = Operation(proposal_calls.proposals)
    proposal = Operation(proposal_calls.proposal)
    proposal_diff = Operation(proposal_calls.proposal_diff)
    approve = Operation(proposal_calls.approve)
    reject = Operation(proposal_calls.reject)
    withdraw = Operation(proposal_calls.withdraw)
    info = Operation(workspaces.info)
    scopes = Operation(workspaces.scopes)
    children = Operation(workspaces.children)
    delete_workspace = Operation(workspaces.delete_workspace)
    move = Operation(workspaces.move)
    destroy = Operation(workspaces.destroy)
    renew = Operation(workspaces.renew)
    create_token = Operation(workspaces.create_token)
    list_tokens = Operation(workspaces.list_tokens)
    revoke_token = Operation(workspaces.revoke_token)
    create = Opening(workspaces.create)
    spawn = Opening(workspaces.spawn)
