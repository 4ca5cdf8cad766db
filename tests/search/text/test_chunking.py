from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pydantic_hivemind.limits import MAX_CHUNK_CHARS
from pydantic_hivemind.search.text.chunking import headings, split

MARKDOWN = """# Acme

Acme builds rockets. The office is
in Turin, and the coffee is good.

## Deploys

- Run `make deploy` on Fridays only,
  never before noon.
- Ask Grace first.
1. Then tag it.

```python
def deploy():

    # not a heading
    return 1
```
| host | role |
|------|------|
| a    | web  |

Ada: Did it work?
Grace: It did, at noon,
and nobody noticed.
[2026-03-04 12:00] deployed
2026-03-05 ERROR none

Uses dark mode.
Likes tea.
"""

LINES = [
    "# Title\n", "## Part\n", "- item\n", "  - nested item\n", "  continued\n", "1. first\n", "prose that goes on\n",
    "A sentence.\n", "ends with a colon:\n", "Ada: hello\n", "2026-03-04 10:00 it ran\n", '{"a": 1}\n', "| a | b |\n",
    "|---|---|\n", "---\n", "\n", "  \n", "\r\n", "crlf line\r\n", "\f\n", "x" * 130 + "\n", "word " * 300 + "\n",
    "One. Two! " * 150 + "\n", "long prose line without an end " * 8 + "\n",
]  # fmt: skip
FENCES = ["```\n", "```python\n", "~~~~\n", "`````\n"]
documents = st.lists(st.sampled_from(LINES), max_size=40).map("".join)
fenced = st.lists(st.sampled_from([*LINES, *FENCES]), max_size=40).map("".join)
texts = st.one_of(documents, fenced, st.text(max_size=200), st.text("ab .!?:\n\r\t -#`|", max_size=3000))


@settings(deadline=None)
@given(texts)
@example("")
@example("no newline")
@example("a\r\nb\r\n\r\nc")
@example("\ufeff\f\x0b\x1c\u2028\x85 odd separators\n")
def test_chunks_join_back_to_the_text_and_know_their_lines(text):
    chunks = split(text)
    assert "".join(chunk.text for chunk in chunks) == text
    offset = 0
    for chunk in chunks:
        assert chunk.text
        assert chunk.first_line == text.count("\n", 0, offset) + 1
        offset += len(chunk.text)
        assert chunk.last_line == text.count("\n", 0, offset - 1) + 1


@settings(deadline=None)
@given(texts)
def test_no_chunk_is_too_long(text):
    assert all(len(chunk.text) <= MAX_CHUNK_CHARS for chunk in split(text))


@settings(deadline=None)
@given(st.one_of(texts, st.tuples(texts, texts).map("".join)), st.data())
def test_an_append_changes_the_last_chunk_only(text, data):
    before = split(text[: data.draw(st.integers(0, len(text)), label="length before")])
    kept = before[:-1]
    assert split(text)[: len(kept)] == kept


def test_a_text_that_grows_changes_its_last_chunk_only():
    """As when a model streams it: titles over a paragraph that outgrows a chunk, then a line that does."""
    text = (
        "# Log\n\nNotes:\n"
        + "".join(f"wrapped prose that goes on in line {n}, and on\n" for n in range(60))
        + MARKDOWN
        + "One. Two! " * 150
    )
    before = split("")
    for length in range(0, len(text), 5):
        chunks = split(text[:length])
        assert chunks[: len(before) - 1 if before else 0] == before[:-1]
        before = chunks


@settings(deadline=None)
@given(documents, documents)
def test_what_follows_an_edit_is_cut_as_before(head, tail):
    """Outside of code blocks, whatever precedes a paragraph that ends and a heading is of no consequence."""
    tail = "# Tail\n" + tail
    chunks = [chunk.text for chunk in split(tail)]
    paragraph = "\n# Next\n\nA sentence that stands by itself.\n\n"
    assert [chunk.text for chunk in split(head + paragraph + tail)][-len(chunks) :] == chunks


@pytest.mark.parametrize("line", ["row {}, with some values and more of them, {}\n", "{} words go on and on {} "])
def test_an_insertion_into_a_long_block_changes_a_few_of_its_chunks(line):
    text = "".join(line.format(number, number * 7919 % 1000) for number in range(2000))
    before = {chunk.text for chunk in split(text)}
    after = split("new words, " + text)
    assert len(before) > 60
    assert sum(chunk.text not in before for chunk in after) < len(before) / 5


def test_structure_is_followed():
    assert [chunk.text.strip("\n") for chunk in split(MARKDOWN)] == [
        "# Acme\n\nAcme builds rockets. The office is\nin Turin, and the coffee is good.",
        "## Deploys\n\n- Run `make deploy` on Fridays only,\n  never before noon.",
        "- Ask Grace first.",
        "1. Then tag it.",
        "```python\ndef deploy():\n\n    # not a heading\n    return 1\n```",
        "| host | role |\n|------|------|\n| a    | web  |",
        "Ada: Did it work?",
        "Grace: It did, at noon,\nand nobody noticed.",
        "[2026-03-04 12:00] deployed",
        "2026-03-05 ERROR none",
        "Uses dark mode.",
        "Likes tea.",
    ]


def test_blank_lines_belong_to_the_chunk_before():
    chunks = split("\n\n- one\n\n\n- two\n \n")
    assert [(chunk.text, chunk.first_line, chunk.last_line) for chunk in chunks] == [
        ("\n\n- one\n\n\n", 1, 5),
        ("- two\n \n", 6, 7),
    ]


def test_long_lines_are_cut_at_the_ends_of_sentences_or_words():
    sentences = split("This is a sentence of some length, and here it ends. " * 100)
    assert all(chunk.text.endswith("ends. ") for chunk in sentences)
    words = split("supercalifragilistic " * 200)
    assert all(chunk.text.endswith("listic ") for chunk in words)
    assert len(split("x" * 10 * MAX_CHUNK_CHARS)) <= 20


def test_headings_are_known_below_them_and_code_has_none():
    text = "intro text.\n\n# A\n\nfirst text.\n\n## B\n\nsecond text.\n\n```\n# code\n```\n\n# C\n\nthird text.\n"
    assert headings(split(text)) == ["", "A", "A\nB", "A\nB", "C"]


def test_hostile_texts_are_cut_in_time_that_follows_their_size():
    for text in (" ", "a", "\n", ". ", '."', "A (", "A: ", "| ", "* ", "# a\n", "```\n"):
        long = text * (2**18 // len(text))
        assert "".join(chunk.text for chunk in split(long)) == long
