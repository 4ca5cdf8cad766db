"""Text as it comes: line ends, byte order marks, encodings."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pydantic_hivemind import Hivemind, Scope
from pydantic_hivemind.base.line_ends import rewritten, unified
from pydantic_hivemind.errors import EditError, NotText
from pydantic_hivemind.hive.text_edits import replaced

WINDOWS = b"\xef\xbb\xbf# Title\r\none\r\ntwo\r\nthree\r\n"
CP1252 = "# Caf\xe9\r\nthe word\r\n".encode("cp1252")


@pytest.mark.parametrize(
    ("data", "old", "new", "expected"),
    [
        (b"a\r\nb\r\nc\r\n", "a\nb\n", "x\ny\nz\n", b"x\r\ny\r\nz\r\nc\r\n"),
        (b"a\r\nb\r\n", "a\r\nb", "x\r\ny", b"x\r\ny\r\n"),
        (b"a\r\nb\r\n", "a", "a\nnew", b"a\r\nnew\r\nb\r\n"),
        (b"a\r\nb\r\n", "\nb", "\nnew\nb", b"a\r\nnew\r\nb\r\n"),
        (b"a\nb\n", "a\r\nb", "x\r\ny", b"x\ny\n"),
        (b"a\nb\n", "b", "b\r\nc", b"a\nb\nc\n"),
        (b"a\nb\r\nc\nd\r\n", "b", "b\nnew", b"a\nb\r\nnew\r\nc\nd\r\n"),
        (b"a\nb\r\nc\nd\r\n", "b\nc", "b\nc\nnew", b"a\nb\r\nc\r\nnew\nd\r\n"),
        (b"one", "one", "one\r\ntwo", b"one\r\ntwo"),
        (b"a\r\nend", "end", "end\nmore", b"a\r\nend\r\nmore"),
        (b"\xef\xbb\xbf# A\r\nb\r\n", "# A\nb", "# A\nc", b"\xef\xbb\xbf# A\r\nc\r\n"),
        (b"\r\na\r\n", "\na", "\nb", b"\r\nb\r\n"),
        (b"", "", "new\n", b"new\n"),
    ],
)
def test_an_edit_keeps_line_ends(scope: Scope, data: bytes, old: str, new: str, expected: bytes) -> None:
    scope.write_bytes("/f", data)
    assert scope.edit("/f", old, new).occurrences == 1
    assert scope.read_bytes("/f") == expected


def test_line_ends_can_be_changed(scope: Scope) -> None:
    scope.write_bytes("/f", b"a\r\nb\r\n")
    assert scope.edit("/f", "\r\n", "\n", replace_all=True).occurrences == 2
    assert scope.read_bytes("/f") == b"a\nb\n"
    scope.edit("/f", "\n", "\r\n", replace_all=True)
    assert scope.read_bytes("/f") == b"a\r\nb\r\n"
    scope.edit("/f", "\r", "", replace_all=True)
    assert scope.read_bytes("/f") == b"a\nb\n"


def test_text_is_matched_as_it_is_first(scope: Scope) -> None:
    scope.write_bytes("/f", b"a\nb\n--\r\na\r\nb\r\n")
    assert scope.edit("/f", "a\nb", "x\ny").occurrences == 1
    assert scope.read_bytes("/f") == b"x\ny\n--\r\na\r\nb\r\n"
    assert scope.edit("/f", "a\nb", "x\ny").occurrences == 1
    assert scope.read_bytes("/f") == b"x\ny\n--\r\nx\r\ny\r\n"


def test_nothing_occurs_in_a_file_that_is_not_empty(scope: Scope) -> None:
    scope.write_text("/f", "text")
    with pytest.raises(EditError) as caught:
        scope.edit("/f", "", "new")
    assert caught.value.occurrences == 0
    with pytest.raises(EditError):
        scope.edit("/f", "\ud800", "new")


lines = st.lists(st.sampled_from(["a", "b", "\n"]), max_size=8).map("".join)
mixed = st.lists(st.sampled_from(["a", "b", "\n", "\r\n"]), max_size=8).map("".join)


@given(text=lines, old=lines.filter(bool), new=lines)
def test_an_edit_is_a_replacement_whatever_the_line_ends(text: str, old: str, new: str) -> None:
    """What a reader sees is replaced as a reader would; nothing else changes, and no line ends become mixed."""
    windows = text.replace("\n", "\r\n").encode()
    count = text.count(old)
    if count == 0:
        with pytest.raises(EditError):
            replaced("/f", windows, old, new, everywhere=True)
        return
    expected = text.replace(old, new)
    changed, found = replaced("/f", windows, old, new, everywhere=True)
    assert found == count
    assert unified(changed).decode() == expected
    if "\n" in text:
        assert changed == expected.replace("\n", "\r\n").encode()
    assert replaced("/f", text.encode(), old, new, everywhere=True) == (expected.encode(), count)


@given(before=mixed, gone=mixed, new=lines, after=mixed, mark=st.sampled_from(["", "\ufeff"]))
def test_a_rewritten_text_keeps_the_rest(before: str, gone: str, new: str, after: str, mark: str) -> None:
    data = (mark + before + gone + after).encode()
    text = (before.replace("\r\n", "\n") + new + after.replace("\r\n", "\n")).encode()
    changed = rewritten(data, text)
    assert changed.startswith(mark.encode())
    assert unified(changed.removeprefix(mark.encode())) == text
    if "\n" in data.decode() and "\n" not in data.decode().replace("\r\n", ""):
        assert changed == mark.encode() + text.replace(b"\n", b"\r\n")
    kept = data.count(b"\r\n") - gone.count("\r\n")
    assert changed.count(b"\r\n") >= kept - 1


def test_what_is_not_utf8_is_not_edited(scope: Scope) -> None:
    for data, word in (
        (CP1252, "not UTF-8 text"),
        ("\ufeffthe word".encode("utf-16-le"), "UTF-16"),
        (b"the word\0\xff", "binary"),
    ):
        scope.write_bytes("/f", data)
        with pytest.raises(NotText, match=word):
            scope.edit("/f", "word", "x")
        with pytest.raises(NotText, match=word):
            scope.read_text("/f")
        assert scope.read_bytes("/f") == data


def test_what_is_not_utf8_is_found(hive: Hivemind, scope: Scope) -> None:
    scope.write_bytes("/cp1252.md", CP1252)
    scope.write_bytes("/utf16.md", "\ufeff# Caf\xe9\r\nthe word\r\n".encode("utf-16-be"))
    scope.write_bytes("/utf8.md", "\ufeff# Caf\xe9\r\nthe word\r\n".encode())
    scope.write_bytes("/binary", b"the word\0\xff")
    texts = {"/cp1252.md": "# Caf\ufffd", "/utf16.md": "# Caf\xe9", "/utf8.md": "# Caf\xe9"}
    assert {hit.path: hit.text for hit in scope.search("word")} == {
        path: f"{heading}\nthe word\n" for path, heading in texts.items()
    }
    assert [(match.path, match.line) for match in scope.grep("word$")] == [(path, "the word") for path in texts]
    assert {match.path: match.line for match in scope.grep("^# ")} == texts


def test_a_mark_does_not_hide_the_first_heading(scope: Scope) -> None:
    scope.write_bytes(
        "/a.md", b"\xef\xbb\xbf# Zebras\r\n\r\n" + b"They have stripes. " * 90 + b"\r\n\r\nAnd hooves.\r\n"
    )
    hits = scope.search("zebras hooves", limit=10)
    assert any("lexical" in hit.matched and "hooves" in hit.text for hit in hits)
    assert not any("\r" in hit.text or "\ufeff" in hit.text for hit in hits)
