"""The text of files: UTF-8, exactly."""

from __future__ import annotations

from pydantic_hivemind.base.text_content import Readable, encoding_of, readable
from pydantic_hivemind.errors import NotText


def decoded(path: str, data: bytes) -> str:
    """Return a file's content as text.

    Raises:
        NotText: The content is not UTF-8.
    """
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise _not_text(path, data, "read it with read_bytes") from None


def check_editable(path: str, data: bytes) -> None:
    """Check that a file's text can be edited without changing the rest of it.

    Raises:
        NotText: The content is not UTF-8.
    """
    try:
        data.decode()
    except UnicodeDecodeError:
        raise _not_text(path, data, "it cannot be edited; write it as a whole") from None


def read_for_models(path: str, data: bytes) -> Readable:
    """Return a file's content as a model reads it: decoded as far as that goes, with line feeds alone at line ends.

    Raises:
        NotText: The content is binary.
    """
    text = readable(data)
    if text is None:
        raise _not_text(path, data, "read it as bytes instead")
    return text


def _not_text(path: str, data: bytes, advice: str) -> NotText:
    encoding = encoding_of(data)
    kind = "binary" if encoding is None else "UTF-16 and not UTF-8 text" if encoding == "utf-16" else "not UTF-8 text"
    return NotText(f"{path!r} is {kind}; {advice}")


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
