"""How an app's ids become parts of scope names."""

from __future__ import annotations

from hashlib import sha256

from pydantic_hivemind.limits import MAX_SCOPE_NAME_CHARS


def escape(id: str) -> str:
    """Return an id as one part of a scope name. The mapping is injective, and the part contains neither `/` nor `#`."""
    return id.replace("%", "%25").replace("/", "%2F").replace("#", "%23")


def session_name(parent: str, id: str) -> str:
    """Return the name of a session under a scope; if it would be too long, it contains a digest instead.

    An id that is too long to be a name itself is left as it is, and rejected later.
    """
    name = f"{parent}#{escape(id)}"
    if len(name) <= MAX_SCOPE_NAME_CHARS or len(id) > MAX_SCOPE_NAME_CHARS:
        return name
    digest = sha256(name.encode(errors="surrogatepass")).hexdigest()
    return f"{parent[: MAX_SCOPE_NAME_CHARS - 1 - len(digest)]}#{digest}"
