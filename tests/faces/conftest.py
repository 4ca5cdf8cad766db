"""A store and its tokens, for tests of the faces."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette

from pydantic_hivemind import Hivemind
from pydantic_hivemind.tokens import Tokens


@pytest.fixture
def tokens(hive: Hivemind) -> Tokens:
    return Tokens(hive)


@dataclass(frozen=True)
class Told:
    """What a command said, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the command finds its store; there is none yet. It is called in another, empty directory."""
    monkeypatch.setenv("HIVEMIND_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("COLUMNS", "200")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "store"


@pytest.fixture
def run(store: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Told]:
    """Runs `hivemind` in this process."""
    from pydantic_hivemind import cli
    from pydantic_hivemind.cli import output

    def run(*arguments: object, stdin: bytes = b"", people: bool = False) -> Told:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        monkeypatch.setattr(output, "for_people", lambda: people)
        with pytest.raises(SystemExit) as ended:
            cli.main([str(argument) for argument in arguments])
        told = capsys.readouterr()
        return Told(int(ended.value.code or 0), told.out, told.err)

    return run


@pytest.fixture
def serve_app(hive: Hivemind) -> Callable[[Mapping[str, Starlette]], AbstractContextManager[str]]:
    """Serves the API of the hive, with other apps beside it, on a free port in a thread; gives the address."""
    import threading

    import uvicorn

    from pydantic_hivemind.http import create_app
    from pydantic_hivemind.http.server import OPTIONS

    @contextmanager
    def serve(mounts: Mapping[str, Starlette]) -> Iterator[str]:
        config = uvicorn.Config(create_app(hive, mounts=mounts), port=0, log_config=None, **OPTIONS)
        server = uvicorn.Server(config)
        with config.bind_socket() as listener:
            listener.listen()
            thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
            thread.start()
            # The socket takes requests already; they wait until the server has started.
            try:
                yield "http://{}:{}".format(*listener.getsockname())
            finally:
                server.should_exit = True
                thread.join()

    return serve


@pytest.fixture
def served(
    hive: Hivemind, serve_app: Callable[[Mapping[str, Starlette]], AbstractContextManager[str]]
) -> Iterator[str]:
    """The address of a real server of the hive, as `hivemind serve` runs it."""
    from pydantic_hivemind.mcp import create_app

    with serve_app({"/mcp": create_app(hive)}) as address:
        yield address
