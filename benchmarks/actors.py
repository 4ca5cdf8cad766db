"""Who uses a store in the soak: each through a face of its own, and all but the app in a process of its own."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from contextlib import ExitStack
from pathlib import Path

import httpx
from anyio.from_thread import start_blocking_portal
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client

from pydantic_hivemind import Hivemind, HivemindBackend
from pydantic_hivemind.adapters.memory.toolset import HivemindSearch
from pydantic_hivemind.client import HivemindClient
from pydantic_hivemind.deep import DeepAgentDeps, create_deep_agent
from pydantic_hivemind.testing import scripted_model
from pydantic_hivemind.tokens import Tokens

COMMAND = str(Path(sys.executable).parent / "hivemind")


class Failed(Exception):
    """A face said that something did not work."""


class Actor(ABC):
    """Somebody who works in a workspace, and promotes what they have to the one above."""

    def __init__(self, name: str, workspace: str) -> None:
        self.name = name
        self.workspace = workspace

    @abstractmethod
    def write(self, path: str, text: str) -> None: ...

    @abstractmethod
    def edit(self, path: str, old: str, new: str) -> None: ...

    @abstractmethod
    def read(self, path: str) -> str: ...

    @abstractmethod
    def search(self, words: str) -> str:
        """The passages, as text."""

    @abstractmethod
    def promote(self) -> None: ...


class Remembering(Actor):
    """One who can add to the notes that all share."""

    @abstractmethod
    def remember(self, note: str) -> None: ...


class App(Remembering):
    """This process: a deep agent, whose model is a script, and plain calls."""

    def __init__(self, name: str, workspace: str, hive: Hivemind) -> None:
        super().__init__(name, workspace)
        self.scope = hive.scope(workspace)
        self._agent = create_deep_agent(
            scripted_model(),
            capabilities=[HivemindSearch()],
            include_skills=False,
            web_search=False,
            web_fetch=False,
            cost_tracking=False,
        )

    def write(self, path: str, text: str) -> None:
        self.scope.write_text(path, text)

    def edit(self, path: str, old: str, new: str) -> None:
        self.scope.edit(path, old, new)

    def read(self, path: str) -> str:
        return self.scope.read_text(path)

    def search(self, words: str) -> str:
        return "\n".join(hit.text for hit in self.scope.search(words))

    def promote(self) -> None:
        self.scope.promote()

    def remember(self, note: str) -> None:
        self._agent.run_sync(f"Remember: {note}", deps=DeepAgentDeps(backend=HivemindBackend(self.scope)))

    def session(self, path: str, text: str) -> None:
        """What a run does: a session that is promoted and removed."""
        run = self.scope.spawn()
        run.write_text(path, text)
        if text.strip() not in "\n".join(hit.text for hit in run.search(text)):
            raise Failed("a session does not find what it has")
        run.promote()
        run.destroy()


class Http(Actor):
    """A client of `hivemind serve`."""

    def __init__(self, name: str, workspace: str, hive: Hivemind, place: Path, stack: ExitStack) -> None:
        super().__init__(name, workspace)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        log = stack.enter_context((place / f"{name}.log").open("w"))
        server = stack.enter_context(
            subprocess.Popen([COMMAND, "serve", "--port", str(port)], env=environment(place), stdout=log, stderr=log)
        )
        stack.callback(server.terminate)
        url = f"http://127.0.0.1:{port}"
        while not _answers(f"{url}/health"):
            if server.poll() is not None:
                raise Failed("`hivemind serve` ended")
            time.sleep(0.1)
        token = Tokens(hive).create(workspace, can=["read", "write", "promote"])
        self._client = stack.enter_context(HivemindClient(url, token))

    def write(self, path: str, text: str) -> None:
        self._client.write_text(path, text)

    def edit(self, path: str, old: str, new: str) -> None:
        self._client.edit(path, old, new)

    def read(self, path: str) -> str:
        return self._client.read_text(path)

    def search(self, words: str) -> str:
        return "\n".join(hit.text for hit in self._client.search(words))

    def promote(self) -> None:
        self._client.promote()


class Mcp(Remembering):
    """The official client of `hivemind mcp`, which it started."""

    def __init__(self, name: str, workspace: str, place: Path, stack: ExitStack) -> None:
        super().__init__(name, workspace)
        can = [f"--can={action}" for action in ("read", "write", "promote")]
        server = StdioServerParameters(
            command=COMMAND, args=["mcp", "--workspace", workspace, *can], env=environment(place)
        )
        log = stack.enter_context((place / f"{name}.log").open("w"))
        self._portal = stack.enter_context(start_blocking_portal())
        client = Client(stdio_client(server, errlog=log))
        self._client = stack.enter_context(self._portal.wrap_async_context_manager(client))

    def write(self, path: str, text: str) -> None:
        self._call("write", path=path, content=text)

    def edit(self, path: str, old: str, new: str) -> None:
        self._call("edit", path=path, old=old, new=new)

    def read(self, path: str) -> str:
        return re.sub(r"^ *\d+\t", "", self._call("read", path=path), flags=re.MULTILINE)

    def search(self, words: str) -> str:
        return self._call("search", query=words)

    def promote(self) -> None:
        self._call("promote")

    def remember(self, note: str) -> None:
        self._call("remember", content=note)

    def _call(self, tool: str, **arguments: str) -> str:
        result = self._portal.call(self._client.call_tool, f"hivemind_{tool}", arguments)
        text = result.content[0].text
        if result.is_error:
            raise Failed(text)
        return text


class Command(Actor):
    """The command, a new process each time."""

    def __init__(self, name: str, workspace: str, above: str, place: Path) -> None:
        super().__init__(name, workspace)
        self._above = above
        self._place = place

    def write(self, path: str, text: str) -> None:
        self._run("write", path, "-w", self.workspace, stdin=text)

    def edit(self, path: str, old: str, new: str) -> None:
        self._run("edit", path, "--old", old, "--new", new, "-w", self.workspace)

    def read(self, path: str) -> str:
        return self._run("cat", path, "-w", self.workspace)

    def search(self, words: str) -> str:
        hits = json.loads(self._run("search", words, "-w", self.workspace, "--json"))
        return "\n".join(hit["text"] for hit in hits)

    def promote(self) -> None:
        self._run("promote", "--from", self.workspace, "--to", self._above)

    def doctor(self) -> str:
        return self._run("doctor")

    def _run(self, *arguments: str, stdin: str = "") -> str:
        told = subprocess.run(
            [COMMAND, *arguments],
            env=environment(self._place),
            input=stdin,
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
        if told.returncode:
            raise Failed(f"`hivemind {arguments[0]}` ended with {told.returncode}: {told.stdout}{told.stderr}")
        return told.stdout


def environment(place: Path) -> dict[str, str]:
    return {**os.environ, "HIVEMIND_STORE": str(place / "hive")}


def _answers(url: str) -> bool:
    try:
        return httpx.get(url).is_success
    except httpx.TransportError:
        return False
