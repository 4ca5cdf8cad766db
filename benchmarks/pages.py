"""Requests about one workspace beside 10,000 others, and the same in a store without them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from fastapi.testclient import TestClient
from timing import Result, race

from pydantic_hivemind import Hivemind
from pydantic_hivemind.http import create_app
from pydantic_hivemind.tokens import Tokens

OTHERS = 10_000


@contextmanager
def _served(others: int) -> Iterator[tuple[Hivemind, TestClient]]:
    """A store with a workspace that has ten under it, each with a token, and a client for it."""
    with ExitStack() as stack:
        directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="hivemind-bench-", dir=Path.cwd()))
        hive = stack.enter_context(Hivemind.open(Path(directory, "hive"), durability="normal"))
        tokens = Tokens(hive)
        top = hive.scope("customer/ada")
        for number in range(10):
            tokens.create(hive.scope(f"customer/ada/{number}", parent=top))
        other = hive.scope("customer/bo")
        for number in range(others):
            made = hive.scope(f"customer/bo/{number}", parent=other)
            if number % 10 == 0:
                tokens.create(made)
        token = tokens.create(top, can=["read", "admin"])
        headers = {"Authorization": f"Bearer {token}"}
        yield hive, stack.enter_context(TestClient(create_app(hive), headers=headers, base_url="http://127.0.0.1"))


def measure() -> Iterator[Result]:
    with _served(OTHERS) as (many, beside_many), _served(0) as (few, alone):
        for name in ("workspaces", "tokens"):
            address = f"/v1/{name}"
            assert len(beside_many.get(address).json()["items"]) >= 10
            yield race(
                f"GET {address} beside {OTHERS:,} workspaces of others",
                lambda _, address=address: beside_many.get(address),
                lambda _, address=address: alone.get(address),
                "without them",
                rounds=100,
            )
        yield race(
            f"what is known of a workspace beside {OTHERS:,} others",
            lambda _: many.scope("customer/ada/3").info(),
            lambda _: few.scope("customer/ada/3").info(),
            "without them",
        )
