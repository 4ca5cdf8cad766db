"""What a page is asked, and what it answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from pydantic_hivemind.console.viewers import Viewer
from pydantic_hivemind.errors import InvalidOption
from pydantic_hivemind.hive.hivemind import Hivemind
from pydantic_hivemind.hive.scope import Scope
from pydantic_hivemind.tokens import Tokens

NOTICES = {
    "saved": "Saved.",
    "removed": "Removed. Its history remains: restore a version to have it back.",
    "restored": "Restored.",
    "tagged": "The tags are changed.",
    "promoted": "Promoted.",
    "proposed": "Proposed: it waits until somebody approves it.",
    "approved": "Approved and promoted.",
    "rejected": "Rejected.",
    "withdrawn": "Withdrawn.",
    "undone": "Undone.",
    "archived": "Archived.",
    "unarchived": "Brought back from the archive.",
    "ended": "The session has ended, and everything in it is removed.",
    "revoked": "The token is revoked.",
    "mended": "What could be repaired without a loss is repaired.",
    "collected": "What had ended is removed.",
}
"""What a page says of what was just done. An address names one of these: nobody's own words appear in it."""


class Fields:
    """The fields of an address or of a form."""

    def __init__(self, values: Mapping[str, list[str]]) -> None:
        self._values = values

    def text(self, name: str, otherwise: str = "") -> str:
        """Return a field; what is missing or empty is the default."""
        found = self._values.get(name)
        return found[-1] if found and found[-1] else otherwise

    def exact(self, name: str) -> str:
        """Return a field that has to be there, as it was sent.

        Raises:
            InvalidOption: It is missing.
        """
        found = self._values.get(name)
        if not found:
            raise InvalidOption(f"the request has no {name!r}; open the page again")
        return found[-1]

    def many(self, name: str) -> list[str]:
        """Return every field of a name."""
        return [value for value in self._values.get(name, []) if value]

    def flag(self, name: str) -> bool:
        """Return whether a box is ticked."""
        return bool(self.text(name))

    def number(self, name: str, otherwise: int, most: int) -> int:
        """Return a whole number from 0 on.

        Raises:
            InvalidOption: It is not one.
        """
        text = self.text(name)
        if not text:
            return otherwise
        if not (text.isascii() and text.isdecimal() and len(text) <= len(str(most))):
            raise InvalidOption(f"{name!r} must be a whole number up to {most}")
        return min(int(text), most)


@dataclass(frozen=True)
class Asked:
    """A request of somebody who is signed in.

    Attributes:
        hive: The hive.
        tokens: Its tokens.
        viewer: Who asks.
        query: The fields of the address.
        form: The fields of the form; empty for a page that is only looked at.
    """

    hive: Hivemind
    tokens: Tokens
    viewer: Viewer
    query: Fields
    form: Fields = field(default_factory=lambda: Fields({}))

    def workspace(self) -> Scope:
        """Return the workspace that the address names; without one, that of the token.

        Raises:
            ScopeNotFound: It is not theirs to see.
            InvalidOption: The address names none, and there is no own one.
        """
        name = self.query.text("workspace")
        if not name and self.viewer.own is not None:
            return self.viewer.own
        if not name:
            raise InvalidOption("the address names no workspace; choose one on the page of workspaces")
        return self.viewer.workspace(name)


@dataclass(frozen=True)
class Page:
    """A page.

    Attributes:
        template: Name of its template, without the ending.
        values: What the template shows.
        status: Status of the response.
    """

    template: str
    values: Mapping[str, Any]
    status: int = 200


@dataclass(frozen=True)
class See:
    """Another page to go to, as after a form.

    Attributes:
        address: Its address in the console, from `address`.
    """

    address: str


@dataclass(frozen=True)
class Download:
    """A file to be stored by the browser.

    Attributes:
        name: Name of the file.
        data: Its bytes.
    """

    name: str
    data: bytes


Answer = Page | See | Download


def address(page: str, **fields: object) -> str:
    """Return the address of a page in the console, relative to its root; fields without a value are left out."""
    given = {name: value for name, value in fields.items() if value not in (None, "", False)}
    return f"{page}?{urlencode(given, doseq=True)}" if given else page
