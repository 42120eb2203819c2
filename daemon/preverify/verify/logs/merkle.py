"""Merkle trees of transparency logs: where an inclusion proof leads."""

from collections.abc import Sequence
from hashlib import sha256


def leaf_hash(body: bytes) -> bytes:
    """Return the hash of an entry as the tree holds it.

    Spec:
        RFC 6962 section 2.1. Leaves and nodes differ in their first byte, so that neither can stand for the other.
    """
    return sha256(b"\x00" + body).digest()


def root_of(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes | None:
    """Return the root that a proof leads to; None where no tree of that size has such a path.

    Args:
        leaf: `leaf_hash` of the entry.
        index: The entry's place in the tree.
        size: Leaves in the tree.
        path: The neighbours' hashes, from the leaf up: exactly as many as the place asks for.

    Spec:
        RFC 9162 section 2.1.3.2.
    """
    if not 0 <= index < size:
        return None
    place, last, node = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            return None
        if place & 1 or place == last:
            node = _node(sibling, node)
            # At the right edge there is no neighbour on some levels: the node moves up as it is.
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            node = _node(node, sibling)
        place, last = place >> 1, last >> 1
    return node if last == 0 else None


def _node(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()
