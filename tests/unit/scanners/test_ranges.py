"""Events of OSV ranges are judged as the specification's evaluation has it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preverify.scanners.packages.ranges import equal, fixes, in_ranges, sort
from preverify.scanners.packages.versions import Unorderable

Events = tuple[tuple[str, str], ...]


def ranges(*events: tuple[str, str], semver: bool = True) -> list[tuple[bool, Events]]:
    return [(semver, events)]


@pytest.mark.parametrize(
    ("version", "events", "expected"),
    [
        ("0.0.0-alpha", [("introduced", "0"), ("fixed", "1.0.0")], ("1.0.0",)),
        ("1.0.0-rc.1", [("introduced", "0"), ("fixed", "1.0.0")], ("1.0.0",)),
        ("1.0.0", [("introduced", "0"), ("fixed", "1.0.0")], None),
        ("1.0.0", [("introduced", "1.0.0"), ("fixed", "1.0.1")], ("1.0.1",)),
        ("0.9.9", [("introduced", "1.0.0"), ("fixed", "1.0.1")], None),
        ("1.0.0", [("introduced", "0"), ("last_affected", "1.0.0")], ()),
        ("1.0.1", [("introduced", "0"), ("last_affected", "1.0.0")], None),
        ("1.0.0", [("last_affected", "1.0.0"), ("introduced", "1.0.0")], ()),
        ("1.0.1", [("last_affected", "1.0.0"), ("introduced", "1.0.0")], None),
        ("9.0.0", [("introduced", "0")], ()),
        ("1.5.0", [("fixed", "2.1.0"), ("introduced", "2.0.0"), ("fixed", "1.4.0"), ("introduced", "0")], None),
        ("2.0.5", [("fixed", "2.1.0"), ("introduced", "2.0.0"), ("fixed", "1.4.0"), ("introduced", "0")], ("2.1.0",)),
        ("1.0.0", [("introduced", "0"), ("fixed", "1.4.0"), ("introduced", "2.0.0"), ("fixed", "2.1.0")], ("1.4.0",)),
        ("1.2.0", [("introduced", "0"), ("last_affected", "1.5.0"), ("introduced", "2.0.0"), ("fixed", "2.1.0")], ()),
        ("1.0.0", [("introduced", "0"), ("limit", "1.0.0")], None),
        ("0.9.0", [("introduced", "0"), ("limit", "1.0.0")], ()),
        ("1.5.0", [("introduced", "0"), ("limit", "1.0.0"), ("limit", "2.0.0")], ()),
        ("9.0.0", [("introduced", "0"), ("limit", "*")], ()),
        ("1.0.0", [("introduced", "1.0.0"), ("fixed", "1.0.0")], None),
        ("1.0.0", [("introduced", "0"), ("fixed", "0")], None),
    ],
)
def test_a_version_is_affected_from_where_it_was_introduced_to_where_it_was_fixed(
    version: str, events: list[tuple[str, str]], expected: tuple[str, ...] | None
) -> None:
    assert fixes("npm", version, ranges(*events)) == expected
    assert in_ranges("npm", version, ranges(*events)) == (expected is not None)


def test_each_range_that_holds_a_version_says_its_own_fix_in_the_order_of_versions() -> None:
    several = [(True, (("introduced", "0"), ("fixed", fixed))) for fixed in ("10.0.0", "9.0.0", "1.0.0")]
    assert fixes("npm", "2.0.0", several) == ("9.0.0", "10.0.0")


def test_semantic_ranges_of_other_ecosystems_go_by_semantic_versions() -> None:
    """`1.0.0-1` is a pre-release there; to PyPI it would be a post-release."""
    assert fixes("PyPI", "1.0.0-1", ranges(("introduced", "0"), ("fixed", "1.0.0"))) == ("1.0.0",)
    assert fixes("PyPI", "1.0.0-1", ranges(("introduced", "0"), ("fixed", "1.0.0"), semver=False)) is None


def test_one_range_that_cannot_be_judged_leaves_a_doubt_unless_another_holds_the_version() -> None:
    good, bad = ranges(("introduced", "0"), ("fixed", "2.0.0")), ranges(("introduced", "0"), ("fixed", "two"))
    assert fixes("npm", "1.0.0", [*bad, *good]) == ("2.0.0",)
    with pytest.raises(Unorderable):
        fixes("npm", "2.0.0", [*bad, *good])
    with pytest.raises(Unorderable):
        fixes("npm", "one", ranges(("introduced", "0")))
    with pytest.raises(Unorderable):
        fixes("Pub", "1.0.0", ranges(("introduced", "0"), semver=False))


def test_versions_are_equal_in_their_order_or_as_text() -> None:
    assert equal("PyPI", "1.0", "1.0.0")
    assert not equal("PyPI", "1.0", "1.0.1")
    assert equal("PyPI", "2004a-x", "2004a-x")
    assert not equal("PyPI", "2004a-x", "1.0")


def test_versions_without_an_order_are_sorted_as_text() -> None:
    assert sort("npm", ["10.0.0", "9.0.0", "x"]) == ["10.0.0", "9.0.0", "x"]


_VERSIONS = st.tuples(st.integers(0, 3), st.integers(0, 3)).map(lambda v: f"{v[0]}.{v[1]}.0")


@given(_VERSIONS, st.lists(_VERSIONS, min_size=2, max_size=6, unique=True))
def test_the_order_in_which_events_stand_does_not_matter(version: str, bounds: list[str]) -> None:
    """Alternating events over distinct versions: odd number of them at or before the version means affected."""
    ordered = sort("npm", bounds)
    events = [("introduced" if i % 2 == 0 else "fixed", at) for i, at in enumerate(ordered)]
    before = sum(1 for at in ordered if sort("npm", [at, version])[0] == at)
    expected = before % 2 == 1
    assert in_ranges("npm", version, ranges(*events)) is expected
    assert in_ranges("npm", version, ranges(*reversed(events))) is expected
