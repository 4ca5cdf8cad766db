"""`Dense` against comparing everything by hand."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pydantic_hivemind.search.vectors.exact import Dense

DIMENSION = 4


def vector(hash):
    made = np.random.default_rng(int.from_bytes(hash, "big")).normal(size=DIMENSION)
    return (made / np.linalg.norm(made)).astype(np.float32)


HASHES = st.integers(0, 9).map(lambda number: bytes([number]))
FILES = st.sampled_from(["/a", "/b", "/c"])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("replace"), FILES, st.lists(HASHES, max_size=5)),
        st.tuples(st.just("add"), st.lists(HASHES, max_size=6)),
        st.tuples(st.just("release"), st.lists(HASHES, max_size=6)),
    ),
    max_size=20,
)


@given(STEPS, st.integers(1, 20), st.sets(FILES), st.floats(-1, 1, allow_subnormal=False))
def test_the_nearest_are_the_nearest(steps, limit, visible, floor):
    dense = Dense()
    files, held = {}, set()
    for kind, *rest in steps:
        if kind == "replace":
            path, hashes = rest
            before = {hash for chunks in files.values() for hash in chunks}
            gone = dense.replace(path, files.get(path, ()), hashes)
            files[path] = hashes
            now = {hash for chunks in files.values() for hash in chunks}
            assert gone == before - now
            held &= now
        elif kind == "add":
            (hashes,) = rest
            dense.add({hash: vector(hash) for hash in hashes})
            held |= {hash for hash in hashes if any(hash in chunks for chunks in files.values())}
        else:
            (hashes,) = rest
            dense.release(hashes)
            held -= set(hashes)
    places = [(path, place, hash) for path, chunks in files.items() for place, hash in enumerate(chunks)]
    assert len(dense) == len({hash for *_, hash in places})
    assert {hash for *_, hash in places if hash in dense} == held
    query = vector(b"query")
    near = {
        (path, place): float(vector(hash) @ query) for path, place, hash in places if hash in held and path in visible
    }
    found = dense.nearest(query, limit, visible.__contains__, floor)
    assert set(found) <= set(near)
    for place, similarity in found.items():
        assert abs(similarity - near[place]) < 1e-6
    wanted = sorted((value for value in near.values() if value >= floor + 1e-6), reverse=True)[:limit]
    assert len(found) >= len(wanted)
    assert all(
        abs(value - mine) < 1e-6 for value, mine in zip(wanted, sorted(found.values(), reverse=True), strict=False)
    )


def test_memory_is_let_go():
    dense = Dense()
    hashes = [number.to_bytes(2, "big") for number in range(1000)]
    dense.replace("/a", (), hashes)
    dense.add({hash: vector(hash) for hash in hashes})
    assert dense.held_bytes >= 1000 * DIMENSION * 4
    dense.release(hashes[1:])
    assert dense.held_bytes < 1000
    assert list(dense.nearest(vector(b"x"), 10, lambda _: True)) == [("/a", 0)]
    assert len(dense) == 1000
