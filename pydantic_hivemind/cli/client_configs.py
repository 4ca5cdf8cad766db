"""The configuration files of MCP clients: their locations, and our server's entry in them.

Other content of a file is kept; a file that cannot be parsed reliably is never written.
"""

from __future__ import annotations

import json
import os
import sys
import uuid
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from pydantic_hivemind.cli.exits import ExitCode, Refused

SERVER_NAME = "hivemind"
"""Name of the server in every client."""

ARGUMENTS = ("mcp", "--workspace")
"""First arguments of our own server, to recognise it: other packages have a `hivemind` command too."""

Document = MutableMapping[str, Any]


@dataclass(frozen=True)
class Server:
    """A program that a client starts and communicates with through its standard input and output."""

    command: str
    arguments: tuple[str, ...]
    environment: Mapping[str, str]


@dataclass(frozen=True)
class Client:
    """How a client is configured.

    Attributes:
        place: Returns the path of its file.
        key: Key of the servers in it.
        typed: Whether each server has the type `stdio`.
        is_toml: Whether the file is TOML; JSON otherwise.
    """

    place: Callable[[], Path]
    key: str = "mcpServers"
    typed: bool = True
    is_toml: bool = False

    def connected(self, place: Path) -> Server | None:
        """Return our server in the file, or `None`.

        Raises:
            Refused: The file cannot be read, or has another server of that name.
        """
        return self._ours(self._servers(place, self._document(place)), place)

    def merged(self, place: Path, server: Server) -> str:
        """Return the file's text with our server in it.

        Raises:
            Refused: The file cannot be read, or has another server of that name.
        """
        document = self._document(place)
        servers = self._servers(place, document)
        self._ours(servers, place)
        if self.key in document:
            servers[SERVER_NAME] = self._entry(server)
        else:
            document[self.key] = self._table(self._entry(server))
        return self._text(document)

    def alone(self, server: Server) -> str:
        """Return the text of a file that has only our server."""
        return self._text({self.key: self._table(self._entry(server))})

    def without(self, place: Path) -> str:
        """Return the file's text without our server.

        Raises:
            Refused: The file cannot be read, or has another server of that name.
        """
        document = self._document(place)
        servers = self._servers(place, document)
        if self._ours(servers, place) is not None:
            del servers[SERVER_NAME]
        if not servers:
            document.pop(self.key, None)
        return self._text(document)

    def write(self, place: Path, text: str) -> None:
        """Replace the file atomically, readable by its owner only, because it contains a token.

        Raises:
            Refused: It cannot be written, or is a symbolic link.
        """
        self._check_is_no_link(place)
        draft = place.with_name(f"{place.name}.{uuid.uuid4().hex}")
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:  # noqa: PTH123
                file.write(text.encode())
            draft.replace(place)
        except OSError as error:
            draft.unlink(missing_ok=True)
            raise Refused(f"{place} cannot be written: {error.strerror}", ExitCode.STORE) from None

    def _check_is_no_link(self, place: Path) -> None:
        # A project that somebody else made could have it point anywhere in the home directory.
        for part in (place, place.parent):
            if part.is_symlink():
                raise Refused(
                    f"{part} is a symbolic link, and what it points to is never changed; put a file or directory in"
                    " its place, or add the output of --print by hand",
                    ExitCode.CONFLICT,
                )

    def _document(self, place: Path) -> Document:
        self._check_is_no_link(place)
        try:
            # Some editors put a byte order mark before it.
            text = place.read_text(encoding="utf-8-sig")
        except FileNotFoundError:
            text = ""
        except UnicodeDecodeError:
            raise self._unclear(place) from None
        except OSError as error:
            raise Refused(f"{place} cannot be read: {error.strerror}", ExitCode.STORE) from None
        if self.is_toml:
            import tomlkit
            from tomlkit.exceptions import ParseError

            try:
                return tomlkit.parse(text)
            except ParseError:
                raise self._unclear(place) from None
        try:
            document: object = json.loads(text) if text.strip() else {}
        except ValueError:
            raise self._unclear(place) from None
        if not isinstance(document, dict):
            raise self._unclear(place)
        return cast("dict[str, Any]", document)

    def _servers(self, place: Path, document: Document) -> Document:
        servers = document.get(self.key, {})
        if not isinstance(servers, MutableMapping):
            raise self._unclear(place)
        return cast("MutableMapping[str, Any]", servers)

    def _ours(self, servers: Document, place: Path) -> Server | None:
        entry = servers.get(SERVER_NAME)
        if entry is None:
            return None
        try:
            arguments = tuple(str(argument) for argument in entry["args"])
            environment = {str(name): str(value) for name, value in entry["env"].items()}
            server = Server(str(entry["command"]), arguments, environment)
        except (KeyError, TypeError, AttributeError):
            server = None
        if server is None or server.arguments[: len(ARGUMENTS)] != ARGUMENTS:
            raise Refused(
                f"{place} has a server {SERVER_NAME!r} of another program; rename that server", ExitCode.CONFLICT
            )
        return server

    def _entry(self, server: Server) -> dict[str, object]:
        entry: dict[str, object] = {"type": "stdio"} if self.typed else {}
        return entry | {"command": server.command, "args": list(server.arguments), "env": dict(server.environment)}

    def _table(self, entry: dict[str, object]) -> object:
        if not self.is_toml:
            return {SERVER_NAME: entry}
        import tomlkit

        servers = tomlkit.table(is_super_table=True)
        servers[SERVER_NAME] = entry
        return servers

    def _text(self, document: Document) -> str:
        if not self.is_toml:
            return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
        import tomlkit

        return tomlkit.dumps(document)

    def _unclear(self, place: Path) -> Refused:
        kind = "TOML" if self.is_toml else "JSON without comments"
        return Refused(
            f"{place} is not valid {kind} and was not changed; add the output of --print by hand", ExitCode.CONFLICT
        )


def _claude_desktop() -> Path:
    if sys.platform == "darwin":
        settings = Path.home() / "Library" / "Application Support"
    else:
        settings = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    return settings / "Claude" / "claude_desktop_config.json"


def _codex() -> Path:
    return Path(os.environ.get("CODEX_HOME") or Path.home() / ".codex") / "config.toml"


CLIENTS = {
    "claude-code": Client(lambda: Path.cwd() / ".mcp.json"),
    "claude-desktop": Client(_claude_desktop, typed=False),
    "cursor": Client(lambda: Path.cwd() / ".cursor" / "mcp.json"),
    "vscode": Client(lambda: Path.cwd() / ".vscode" / "mcp.json", key="servers"),
    "codex": Client(_codex, key="mcp_servers", typed=False, is_toml=True),
}
"""The supported clients, by their names in the command."""
