"""Until when distributions get security fixes from whoever makes them, as far as that is known."""

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta

_DATES = """
almalinux-8 2029-03-01  almalinux-9 2032-05-31  almalinux-10 2035-05-31
alpine-3.12 2022-05-01  alpine-3.13 2022-11-01  alpine-3.14 2023-05-01  alpine-3.15 2023-11-01  alpine-3.16 2024-05-23
alpine-3.17 2024-11-22  alpine-3.18 2025-05-09  alpine-3.19 2025-11-01  alpine-3.20 2026-04-01  alpine-3.21 2026-11-01
alpine-3.22 2027-05-01  alpine-3.23 2027-11-01
amzn-2 2026-06-30       amzn-2018.03 2023-12-31 amzn-2023 2029-06-30
centos-6 2020-11-30     centos-7 2024-06-30     centos-8 2024-05-31     centos-9 2027-05-31     centos-10 2030-01-01
debian-8 2020-06-30     debian-9 2022-06-30     debian-10 2024-06-30    debian-11 2026-08-31    debian-12 2028-06-30
debian-13 2030-06-30
fedora-39 2024-11-26    fedora-40 2025-05-13    fedora-41 2025-12-15    fedora-42 2026-05-13    fedora-43 2026-12-09
ol-6 2021-03-01         ol-7 2024-12-01         ol-8 2029-07-01         ol-9 2032-06-30
opensuse-leap-15.3 2022-12-31  opensuse-leap-15.4 2023-12-07  opensuse-leap-15.5 2024-12-31
opensuse-leap-15.6 2026-04-30  opensuse-leap-16.0 2027-10-31
rhel-6 2020-11-30       rhel-7 2024-06-30       rhel-8 2029-05-31       rhel-9 2032-05-31       rhel-10 2035-05-31
rocky-8 2029-05-31      rocky-9 2032-05-31      rocky-10 2035-05-31
sles-12.5 2024-10-31    sles-15.3 2022-12-31    sles-15.4 2023-12-31    sles-15.5 2024-12-31
ubuntu-14.04 2019-04-02 ubuntu-16.04 2021-04-02 ubuntu-18.04 2023-05-31 ubuntu-20.04 2025-05-31 ubuntu-22.04 2027-04-01
ubuntu-22.10 2023-07-20 ubuntu-23.04 2024-01-20 ubuntu-23.10 2024-07-12 ubuntu-24.04 2029-05-31 ubuntu-24.10 2025-07-10
ubuntu-25.04 2026-01-17 ubuntu-25.10 2026-07-01 ubuntu-26.04 2031-04-30
"""
"""Distribution and the last day of its support, without what has to be paid for: facts from what the makers publish
about releases and life cycles (Debian with its LTS, Ubuntu, Alpine, Red Hat, AlmaLinux, Rocky, Oracle, SUSE, openSUSE,
Fedora, CentOS, Amazon), as endoflife.date had them collected in spring 2026. Of a month that a maker names, the first
day."""

_WITHOUT_END = ("arch", "chainguard", "opensuse-tumbleweed", "wolfi")
"""They have no releases: what they are today is supported today, and an old image of them is a matter of its age."""

_OTHER_NAMES = {
    "alma": "almalinux",
    "amazon": "amzn",
    "oracle": "ol",
    "opensuse.leap": "opensuse-leap",
    "redhat": "rhel",
}
"""What scanners write where `/etc/os-release` has another id."""

Table = Mapping[str, date | None]
"""Last day of support by distribution (`debian-12`); None: it has no end."""


def _read() -> Iterator[tuple[str, date | None]]:
    words = iter(_DATES.split())
    for name in words:
        yield name, date.fromisoformat(next(words))
    for name in _WITHOUT_END:
        yield name, None


BUILT_IN: Table = dict(_read())


def entry(distribution: str, table: Table) -> str | None:
    """Return under which name a table knows a distribution; None where it does not.

    A minor release is covered by the entry of its major one: `alpine-3.18.4` by `alpine-3.18`.

    >>> entry("debian-12.5", BUILT_IN)
    'debian-12'
    """
    name, dash, version = distribution.lower().rpartition("-")
    name = _OTHER_NAMES.get(name, name)
    while dash and version:
        if f"{name}-{version}" in table:
            return f"{name}-{version}"
        version = version.rpartition(".")[0]
    known = name if dash else distribution.lower()
    return known if known in table else None


def ends(day: date) -> datetime:
    """Return when support is over whose last day is `day`: that day is part of it."""
    return datetime.combine(day + timedelta(days=1), time(), UTC)
