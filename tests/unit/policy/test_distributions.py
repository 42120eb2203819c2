"""Which distribution is meant by a name, and until when it is supported."""

from datetime import UTC, date, datetime

import pytest

from preverify.policy.demands.distributions import BUILT_IN, ends, entry


@pytest.mark.parametrize(
    ("said", "known"),
    [
        ("debian-12", "debian-12"),
        ("Debian-12.5", "debian-12"),
        ("alpine-3.18.4", "alpine-3.18"),
        ("alpine-3.18", "alpine-3.18"),
        ("ubuntu-22.04", "ubuntu-22.04"),
        ("rhel-9.4", "rhel-9"),
        ("redhat-9.4", "rhel-9"),
        ("alma-8.10", "almalinux-8"),
        ("amazon-2023", "amzn-2023"),
        ("amzn-2023.5.20240708", "amzn-2023"),
        ("oracle-8.9", "ol-8"),
        ("opensuse-leap-15.6", "opensuse-leap-15.6"),
        ("opensuse.leap-15.6", "opensuse-leap-15.6"),
        ("sles-15.5", "sles-15.5"),
        ("wolfi-20230201", "wolfi"),
        ("wolfi", "wolfi"),
        ("opensuse-tumbleweed-20260101", "opensuse-tumbleweed"),
    ],
)
def test_names_that_are_known(said: str, known: str) -> None:
    assert entry(said, BUILT_IN) == known


@pytest.mark.parametrize(
    "said",
    [
        *("", "-", "-12", "12", "debian", "debian-", "debian-1", "debian-120", "debian-99", "debian-testing"),
        *("notdebian-12", "alpine-3", "alpine-3.99.1", "sles-15", "sles-15.9", "ubuntu-22", "acmeos-1"),
        *("opensuse-leap-1", "wolfi2"),
    ],
)
def test_names_that_are_not(said: str) -> None:
    assert entry(said, BUILT_IN) is None


def test_the_day_itself_is_supported() -> None:
    assert ends(date(2026, 8, 31)) == datetime(2026, 9, 1, tzinfo=UTC)


def test_the_table_is_sound() -> None:
    days = [day for day in BUILT_IN.values() if day is not None]
    assert len(days) > 60
    assert all(date(2019, 1, 1) < day < date(2040, 1, 1) for day in days)
    assert {name for name, day in BUILT_IN.items() if day is None} == {
        *("arch", "chainguard", "opensuse-tumbleweed", "wolfi")
    }
    assert BUILT_IN["debian-11"] == date(2026, 8, 31)
