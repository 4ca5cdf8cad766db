"""How ids of an app become parts of scope names."""

from __future__ import annotations

from hashlib import sha256

from pydantic_hivemind.limits import MAX_SCOPE_NAME_CHARS


def escape(id: str) -> str:
    """An id as one part of a scope's name: no two ids are the same part, and none contains `/` or `#`."""
    return id.replace("%", "%25").replace("/", "%2F").replace("#", "%23")


def session_name(parent: str, id: str) -> str:
    """The name of a session under a scope; with a digest in it where it would be too long otherwise.

    An id that is too long to be a name by itself is left as it is, to be refused.
    """
    name = f"{parent}#{escape(id)}"
    if len(name) <= MAX_SCOPE_NAME_CHARS or len(id) > MAX_SCOPE_NAME_CHARS:
        return name
    digest = sha256(name.encode(errors="surrogatepass")).hexdigest()
    return f"{parent[: MAX_SCOPE_NAME_CHARS - 1 - len(digest)]}#{digest}"
