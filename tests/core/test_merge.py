"""How a file is merged line by line, how much of it, and for how long others wait."""

import pytest

from pydantic_hivemind.errors import MergeConflict, PromotionConflict
from pydantic_hivemind.ledger.engine import database
from pydantic_hivemind.merging import line_matching
from pydantic_hivemind.merging import three_way as merging
from pydantic_hivemind.merging.three_way import merge

MEMORY = "/.deep/memory/main/MEMORY.md"
BASE = "".join(f"{number}\n" for number in range(3000))
EVEN = "".join(f"{number}\n" if number % 2 else f"even {number}\n" for number in range(3000))
ODD = "".join(f"odd {number}\n" if number % 2 else f"{number}\n" for number in range(3000))


@pytest.mark.parametrize("union", [False, True])
@pytest.mark.parametrize("on_conflict", ["fail", "keep_target", "take_source"])
@pytest.mark.parametrize("data", [b"1\n", b"\xff"])
def test_what_both_made_and_one_left_empty_is_that_of_the_other(data, on_conflict, union):
    for ours, theirs in ((data, b""), (b"", data)):
        merged = merge(MEMORY, None, ours, theirs, union=union, on_conflict=on_conflict)
        assert (merged.data, merged.conflict) == (data, False)


@pytest.mark.parametrize("union", [False, True])
def test_versions_that_differ_in_many_places_are_a_conflict(union):
    """Every second line of many is more than a merge looks at; some of as many lines are not."""
    merged = merge(MEMORY, BASE.encode(), EVEN.encode(), ODD.encode(), union=union)
    assert (merged.data, merged.conflict, merged.compared) == (EVEN.encode(), True, False)
    base = BASE * 5
    ours, theirs = base.replace("\n12\n", "\ntwelve\n"), base.replace("\n1412\n", "\nmany\n")
    merged = merge(MEMORY, base.encode(), ours.encode(), theirs.encode(), union=union)
    assert merged.data == ours.replace("\n1412\n", "\nmany\n").encode()


@pytest.mark.parametrize("union", [False, True])
def test_what_is_appended_is_all_that_is_compared(monkeypatch, union):
    monkeypatch.setattr(line_matching, "MAX_MERGE_STEPS", 10)
    same = "\n".join(["- same"] * 1000) + "\n"
    merged = merge(MEMORY, same.encode(), (same + "- ours\n").encode(), same.encode() + b"- theirs\n", union=union)
    assert merged.compared
    if union:
        assert merged.data == (same + "- ours\n- theirs\n").encode()


def test_additions_of_too_many_lines_are_a_conflict(monkeypatch):
    monkeypatch.setattr(merging, "MAX_UNITED_LINES", 3)
    assert merge(MEMORY, b"", b"a\nb\n", b"c\n", union=True).data == b"a\nb\nc\n"
    assert not merge(MEMORY, b"", b"a\nb\n", b"c\nd\n", union=True).compared


def test_the_error_says_that_it_was_too_much(hive):
    project = hive.scope("project")
    project.write_text("/f", BASE)
    run, base = project.spawn(), project.read("/f")
    run.write_text("/f", ODD)
    project.write_text("/f", EVEN)
    with pytest.raises(MergeConflict, match="too many lines to merge"):
        project.merge("/f", ODD.encode(), base=base)
    with pytest.raises(PromotionConflict, match="'/f' differs in too many places"):
        run.promote()
    assert project.read_text("/f") == EVEN
    run.promote(on_conflict="take_source")
    assert project.read_text("/f") == ODD


@pytest.mark.parametrize("meanwhile", [None, "first\nbase\n"])
def test_a_merge_does_its_work_before_others_have_to_wait(hive, monkeypatch, meanwhile):
    """And again only if somebody wrote in between, whose change is in it then."""
    scope = hive.scope("a")
    scope.write_text("/f", "base\n")
    base = scope.read("/f")
    scope.write_text("/f", "base\nmiddle\nend\n" if meanwhile is None else "base\n")
    writing: list[bool] = []
    where: list[bool] = []

    class Write(database._Write):
        def __enter__(self):
            writing.append(True)
            return super().__enter__()

        def __exit__(self, *error):
            writing.pop()
            return super().__exit__(*error)

    def watched(*arguments, **named):
        where.append(bool(writing))
        outcome = merge(*arguments, **named)
        if meanwhile is not None and len(where) == 1:
            scope.write_text("/f", meanwhile)
        return outcome

    monkeypatch.setattr(database, "_Write", Write)
    monkeypatch.setattr("pydantic_hivemind.hive.writer.merge", watched)
    scope.merge("/f", b"mine\nbase\n" if meanwhile is None else b"base\nlast\n", base=base, operation_id="1")
    assert where == ([False] if meanwhile is None else [False, True])
    after = "mine\nbase\nmiddle\nend\n" if meanwhile is None else "first\nbase\nlast\n"
    assert scope.read_text("/f") == after
    scope.write_text("/f", "other\n")
    scope.merge("/f", b"mine\nbase\n" if meanwhile is None else b"base\nlast\n", base=base, operation_id="1")
    assert scope.read_text("/f") == "other\n"
