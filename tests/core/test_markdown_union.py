"""A merge that keeps the additions of both sides: each in its place, and what is said twice there once."""

from __future__ import annotations

import re
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pydantic_hivemind.merging.three_way import merge

MEMORY = "/.deep/memory/main/MEMORY.md"


def united(base: str, ours: str, theirs: str) -> str:
    """The merge of three texts in the memory mount."""
    merged = merge(MEMORY, base.encode(), ours.encode(), theirs.encode(), union=True)
    assert not merged.conflict
    assert merged.data is not None
    return merged.data.decode()


def both(base: str, ours: str, theirs: str) -> str:
    """The merge of two additions at the end of a text."""
    return united(base, base + ours, base + theirs)


# -- the same line in another place ------------------------------------------------------------


def test_what_is_said_of_two_people_is_said_twice(user):
    user.write_text(MEMORY, "# People\n")
    one, two = user.spawn(), user.spawn()
    one.write_text(MEMORY, "# People\n## Ada\n- allergic to nuts\n- vegetarian\n")
    two.write_text(MEMORY, "# People\n## Bo\n- allergic to nuts\n- plays chess\n")
    one.promote()
    two.promote()
    assert user.read_text(MEMORY) == (
        "# People\n## Ada\n- allergic to nuts\n- vegetarian\n## Bo\n- allergic to nuts\n- plays chess\n"
    )


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("## Ada\n- nuts\n", "## Bo\n- nuts\n"),
        ("- Servers:\n  - port 80\n", "- Proxies:\n  - port 80\n"),
        ("1. Servers\n\n   port 80\n", "1. Proxies\n\n   port 80\n"),
        ("- Ada\nis away\n", "- Bo\nis away\n"),
        ("**Ada**\n- nuts\n", "**Bo**\n- nuts\n"),
        ("Ada:\n- nuts\n", "Bo:\n- nuts\n"),
        ("Ada:\nnuts\n", "Bo:\nnuts\n"),
        ("Ada\n---\nnuts\n", "Bo\n---\nnuts\n"),
        ("| Ada | |\n|---|---|\n| nuts | bad |\n", "| Bo | |\n|---|---|\n| nuts | bad |\n"),
        ("Of Ada\n- nuts\n", "Of Bo\n- nuts\n"),
        ("def a():\n    return run(1)\n", "def b():\n    return run(1)\n"),
        ("```py\ndef a():\n    return run(1)\n```\n", "```py\ndef b():\n    x = 2\n    return run(1)\n```\n"),
        ("~~~~\nx = 1\n```\na\n~~~~\n", "~~~~\nx = 1\n```\nb\n~~~~\n"),
        ("- ```\n  x = 1\n  a\n  ```\n", "- ```\n  x = 1\n  b\n  ```\n"),
        ("a {\n}\n", "b {\n}\n"),
    ],
)
@pytest.mark.parametrize("base", ["", "# Memory\n", "# Memory\n- one\n\n"])
def test_the_same_line_in_another_place(base, ours, theirs):
    """Nothing of either is missing, and each is as it was."""
    assert both(base, ours, theirs) == base + ours + theirs


@pytest.mark.parametrize(
    "block", ["same\n", "## Both\n- same\n", "Both:\n  - same\n", "**Both**\n- same\n", "~~~\nsame\n~~~\n"]
)
def test_what_both_say_in_one_place_is_said_once(block):
    start = "# Memory\n"
    assert both(start, block + "\nours\n", block + "\ntheirs\n").count(block) == 1
    assert both(start, block, block + "- theirs\n") == both(start, block + "- theirs\n", block)
    assert both(start, block, block) == start + block


def test_additions_go_where_they_belong():
    """What theirs adds to a section or an item that ours has too is added to that one."""
    ours = "\n## Ada\n- nuts\n\n## Bo\n- chess\n- Servers:\n  - port 80\n- away\n"
    theirs = "- general\n\n## Ada\n- tea\n\n## Bo\n- Servers:\n  - port 81\n- golf\n\n## Cy\n- nuts\n"
    assert both("# Memory\n", ours, theirs) == (
        "# Memory\n- general\n\n## Ada\n- nuts\n- tea\n\n## Bo\n- chess\n- Servers:\n  - port 80\n  - port 81\n"
        "- away\n- golf\n\n## Cy\n- nuts\n"
    )


def test_a_line_twice_on_one_side_stays_twice():
    assert both("", "- x\n", "- x\n- y\n- x\n") == "- x\n- y\n- x\n" or both("", "- x\n", "- x\n- y\n- x\n") == (
        "- x\n- x\n- y\n"
    )


# -- deletions -----------------------------------------------------------------------------------


def test_a_heading_that_one_side_reworded():
    """What was added or corrected under it stays under the name that it was written under."""
    base = "## Ada\n- nuts\n"
    assert united(base, "## Ada L.\n- nuts\n", "## Ada\n- nuts\n- tea\n") == "## Ada L.\n- nuts\n- tea\n"
    assert united(base, "## Ada L.\n- nuts\n- tea\n", "## Ada\n- nuts, badly\n") == (
        "## Ada L.\n- nuts\n- tea\n## Ada\n- nuts, badly\n"
    )


def test_lines_that_one_side_moved_and_the_other_deleted_stay_deleted():
    assert united("- a\n- b\n", "- b\n- a\n", "- c\n") == "- c\n"


def test_what_was_deleted_of_one_person_stays_with_another():
    base = "## Ada\n- nuts\n"
    ours = "## Ada\n- nuts\n## Bo\n- nuts\n"
    assert united(base, ours, "## Ada\n- vegetarian\n") == "## Ada\n- vegetarian\n## Bo\n- nuts\n"
    assert united(base, "## Ada\n- vegetarian\n", ours) == "## Ada\n- vegetarian\n## Bo\n- nuts\n"


@pytest.mark.parametrize("swapped", [False, True])
def test_a_deleted_heading_stays_over_what_was_added_under_it(swapped):
    """Or the addition would be said of somebody else; the rest of the section is gone."""
    base = "# Memory\n## Ada\n- nuts\n## Bo\n- away\n"
    sides = ["# Memory\n## Ada\n- nuts\n", base + "- chess\n"]
    ours, theirs = reversed(sides) if swapped else sides
    assert united(base, ours, theirs) == "# Memory\n## Ada\n- nuts\n## Bo\n- chess\n"


def test_both_changed_a_fence():
    """Line by line, as elsewhere."""
    base = "```\na = 1\nb = 1\nc = 1\n```\n"
    assert united(base, base.replace("a = 1", "a = 2"), base.replace("c = 1", "c = 2")) == (
        "```\na = 2\nb = 1\nc = 2\n```\n"
    )
    merged = united(base, base.replace("a = 1", "x\na = 2"), base.replace("a = 1", "x\na = 3"))
    assert Counter(merged.splitlines()) == Counter(["```", "x", "a = 2", "x", "a = 3", "b = 1", "c = 1", "```"])


def test_fences_before_a_fence():
    """Both are kept apart from the one that was there."""
    base = "# Memory\n```\na\n```\n"
    ours, theirs = "# Memory\n```\nb\n```\n```\na\n```\n", "# Memory\n```\nc\n```\n```\na\n```\n"
    assert united(base, ours, theirs) == "# Memory\n```\nb\n```\n```\nc\n```\n```\na\n```\n"


def test_a_last_line_without_an_end_is_the_same_line():
    assert united("# M", "# M\n- same", "# M\n- same\n- more") == "# M\n- same\n- more"
    assert united("# M\r\n", "# M\r\n- same\r\n- a", "# M\r\n- same\r\n- b") == "# M\r\n- same\r\n- a\n- b"


# -- any documents -------------------------------------------------------------------------------

# A document is what is under each heading: items, which have items of their own, and fences.
_LEAVES = st.sampled_from(["nuts", "tea", "chess", "port 80"])
_ITEMS = st.dictionaries(_LEAVES, st.lists(_LEAVES, unique=True, max_size=2), max_size=3)
_FENCES = st.lists(st.lists(_LEAVES, min_size=1, max_size=2).map(tuple), unique=True, max_size=1)
_DOCUMENTS = st.dictionaries(st.sampled_from(["Ada", "Bo", "Cy"]), st.tuples(_ITEMS, _FENCES), max_size=3)


def _text(document) -> str:
    lines = []
    for name, (items, fences) in sorted(document.items()):
        lines += ["", f"## {name}"]
        for fence in fences:
            lines += ["```", *fence, "```"]
        for item, children in items.items():
            lines += [f"- {item}", *(f"  - {child}" for child in children)]
    return "".join(f"{line}\n" for line in ["# Memory", "- one", *lines])


def _places(text: str) -> Counter[tuple[str, ...]]:
    """How often each line is in each place: under its heading and the item above it; a fence is one line."""
    found: Counter[tuple[str, ...]] = Counter()
    heading = item = ""
    for part in re.findall(r"```\n[^`]*```\n|[^\n]*\n", text):
        for line in [part] if part.startswith("```") else part.splitlines():
            if line.startswith("#"):
                heading, item = line, ""
            elif line.startswith("-"):
                item = line
            place = (heading, item) if line.startswith("  ") else (heading,) if not line.startswith("#") else ()
            if line:
                found[(*place, line)] += 1
    return found


@given(ours=_DOCUMENTS, theirs=_DOCUMENTS, fenced=st.booleans())
@settings(max_examples=300, deadline=None)
def test_no_addition_is_lost_and_the_order_does_not_matter(ours, theirs, fenced):
    """Of each line in each place there are as many as on the side that has more."""
    base = "# Memory\n- one\n" + "```\nz\n```\n" * fenced
    one, two = (base + _text(side).removeprefix("# Memory\n- one\n") for side in (ours, theirs))
    merged = united(base, one, two)
    assert _places(merged) == _places(one) | _places(two)
    assert _places(united(base, two, one)) == _places(merged)
    assert united(base, merged, two) == united(base, merged, one) == merged


@given(base=_DOCUMENTS, data=st.data())
@settings(max_examples=300, deadline=None)
def test_what_one_side_deleted_stays_deleted_and_no_addition_is_lost(base, data):
    """What is added may be under what the other side deleted; only then is that there."""
    sides = []
    for name in ("ours", "theirs"):
        keeps = data.draw(st.sets(st.sampled_from(sorted(base)))) if base else set()
        side = {
            heading: ({item: [] if data.draw(st.booleans()) else under for item, under in items.items()}, fences)
            for heading, (items, fences) in base.items()
            if heading in keeps
        }
        for heading, (items, _) in data.draw(_DOCUMENTS, label=name).items():
            old, fences = side.get(heading, ({}, []))
            new = {f"new {item}": [f"new {under}" for under in below] for item, below in items.items()}
            side[heading] = ({**old, **new}, fences)
        sides.append(_text(side))
    start = _text(base)
    before, (one, two) = _places(start), map(_places, sides)
    merged = _places(united(start, *sides))
    added = (one - before) | (two - before)
    assert added <= merged
    needed = {(*place[:at], place[at]) for place in added for at in range(len(place))}
    needed |= {(place[0],) for place in added}
    assert not [place for place in (merged & before) - (one & two) if place not in needed]
    assert merged <= before + added
