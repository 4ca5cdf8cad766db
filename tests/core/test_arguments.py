"""What the arguments of a scope's operations may be, and when two calls are the same."""

import pytest

from pydantic_hivemind import Hivemind
from pydantic_hivemind.errors import InvalidOption, OperationConflict


def test_one_tag_may_be_given_as_text(hive):
    parent = hive.scope("parent")
    run = parent.spawn()
    assert run.write_text("/a", "x", tags="deploy").tags == ("deploy",)
    assert run.tag("/a", "ship").tags == ("ship",)
    run.write_text("/b", "y")
    assert run.promote(tags="ship").applied == ("/a",)


def test_bytes_come_in_any_form(hive):
    scope = hive.scope("a")
    for path, data in (("/a", bytearray(b"x")), ("/b", memoryview(b"xyz")[:1])):
        scope.write_bytes(path, data)
        assert type(scope.read_bytes(path)) is bytes
        assert scope.read_bytes(path) == b"x"


def test_the_order_of_tags_makes_no_other_operation(hive):
    scope = hive.scope("a")
    first = scope.write_text("/a", "x", tags=["b", "a"], operation_id="1")
    assert scope.write_text("/a", "x", tags=("a", "b", "b"), operation_id="1") == first
    with pytest.raises(OperationConflict):
        scope.write_text("/a", "x", tags=["a"], operation_id="1")


def test_a_merge_with_another_base_is_another_operation(hive):
    scope = hive.scope("a")
    scope.write_text("/a", "one\n")
    base = scope.read("/a")
    merged = scope.merge("/a", b"one\ntwo\n", base=base, operation_id="1")
    assert scope.merge("/a", b"one\ntwo\n", base=base, operation_id="1") == merged
    with pytest.raises(OperationConflict):
        scope.merge("/a", b"one\ntwo\n", base=scope.read("/a"), operation_id="1")


def test_a_revert_is_done_once(hive):
    parent = hive.scope("parent")
    run = parent.spawn()
    run.write_text("/a", "x")
    report = run.promote()
    assert parent.revert(report.id, operation_id="1") == ["/a"]
    assert parent.revert(report.id, operation_id="1") == ["/a"]
    assert not parent.exists("/a")


def test_a_misspelt_durability_is_refused(tmp_path):
    with pytest.raises(InvalidOption, match="full, normal"):
        Hivemind.open(tmp_path / "hive", durability="ful")
    assert not (tmp_path / "hive").exists()
