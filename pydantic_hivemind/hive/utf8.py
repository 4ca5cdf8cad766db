"""The text of files: UTF-8, exactly."""

from __future__ import annotations

from pydantic_hivemind.errors import NotText


def decoded(path: str, data: bytes) -> str:
    """Return a file's content as text.

    Raises:
        NotText: The content is not UTF-8.
    """
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise NotText(f"{path!r} is not UTF-8 text; read it with read_bytes") from None


def encoded(text: str) -> bytes:
    """Return text as UTF-8 bytes.

    Raises:
        NotText: The text contains a lone surrogate, or is not a `str`.
    """
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise NotText(
            "the text contains a lone surrogate, which UTF-8 cannot encode; write bytes with write_bytes"
        ) from None
    except AttributeError:
        raise NotText(f"the text must be a str, not {type(text).__name__}; write bytes with write_bytes") from None
