"""Inclusion proofs: exactly the right path leads to the root, and no other does."""

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preverify.verify.logs.merkle import leaf_hash, root_of
from support import logged

LEAVES = [leaf_hash(b"entry %d" % i) for i in range(70)]


@pytest.mark.parametrize("size", range(1, 70))
def test_every_leaf_of_every_tree_leads_to_the_root(size: int) -> None:
    """The reference builds trees as RFC 6962 defines them; the check walks as RFC 9162 does."""
    leaves = LEAVES[:size]
    top = logged.tree(leaves)
    for index in range(size):
        assert root_of(leaves[index], index, size, logged.path(index, leaves)) == top


@given(size=st.integers(1, 70), data=st.data())
def test_no_other_path_place_or_size_leads_there(size: int, data: st.DataObject) -> None:
    leaves = LEAVES[:size]
    index = data.draw(st.integers(0, size - 1))
    top, path = logged.tree(leaves), logged.path(index, leaves)
    longer = [*path, data.draw(st.binary(min_size=32, max_size=32))]
    assert root_of(leaves[index], index, size, longer) is None
    if path:
        assert root_of(leaves[index], index, size, path[:-1]) is None
        changed = list(path)
        which = data.draw(st.integers(0, len(path) - 1))
        changed[which] = bytes([changed[which][0] ^ 1]) + changed[which][1:]
        assert root_of(leaves[index], index, size, changed) != top
    other = data.draw(st.integers(0, size - 1).filter(lambda i: i != index) if size > 1 else st.just(size))
    assert root_of(leaves[index], other, size, path) != top


@pytest.mark.parametrize(("index", "size"), [(0, 0), (5, 5), (6, 5), (-1, 5)])
def test_a_place_outside_the_tree_has_no_path(index: int, size: int) -> None:
    assert root_of(LEAVES[0], index, size, logged.path(0, LEAVES[:5])) is None


def test_huge_trees_are_walked_by_their_height() -> None:
    assert root_of(LEAVES[0], 2**63 - 2, 2**63 - 1, [LEAVES[1]] * 63) is None
    assert root_of(LEAVES[0], 0, 2**62, [LEAVES[1]] * 62) is not None


def test_a_node_is_no_leaf() -> None:
    """Without the first byte an inner node's content could be passed off as an entry."""
    left, right = LEAVES[:2]
    inner = sha256(b"\x01" + left + right).digest()
    assert leaf_hash(left + right) != inner
    assert root_of(inner, 0, 1, []) == inner
    assert leaf_hash(b"") == sha256(b"\x00").digest()
