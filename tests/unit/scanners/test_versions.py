"""Orders of versions agree with those of the tools whose versions they are."""

import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preverify.scanners.packages.versions import MAX_VERSION, ORDERS, Unorderable, check, compare, family
from vectors.versions import record

VECTORS = Path(__file__).parents[2] / "vectors" / "versions"
SIGNS = {"<": -1, "=": 0, ">": 1}
ECOSYSTEMS = {
    "apk": ("Alpine:v3.20", "Chainguard", "Wolfi"),
    "debian": ("Debian:12", "Ubuntu:22.04:LTS"),
    "maven": ("Maven",),
    "npm": ("npm", "crates.io", "Hex", "Go"),
    "nuget": ("NuGet",),
    "packagist": ("Packagist",),
    "pypi": ("PyPI",),
    "rpm": ("Red Hat:enterprise_linux:9::baseos", "Rocky Linux:9", "AlmaLinux:9", "SUSE:x", "openSUSE:Leap 15.5"),
    "rubygems": ("RubyGems",),
}
CASES = [
    (ecosystem, line)
    for name, ecosystems in ECOSYSTEMS.items()
    for ecosystem in ecosystems
    for line in (VECTORS / f"{name}.txt").read_text().splitlines()
]


def test_every_order_has_answers_of_a_real_tool_to_hold_it_against() -> None:
    assert {family(ecosystem) for ecosystems in ECOSYSTEMS.values() for ecosystem in ecosystems} == set(ORDERS)
    assert len(CASES) > 6000


def test_versions_compare_as_the_real_tool_compares_them() -> None:
    wrong = []
    for ecosystem, line in CASES:
        one, sign, other = line.split()
        seen = compare(ecosystem, one, other), compare(ecosystem, other, one)
        if seen != (SIGNS[sign], -SIGNS[sign]):
            wrong.append(f"{ecosystem}: {line}, we say {seen}")
    assert wrong == []


@pytest.mark.parametrize("name", ["debian", "npm", "pypi"])
def test_what_was_recorded_is_what_the_tool_on_this_machine_says(name: str) -> None:
    """The recorded answers have not been edited: where the tool is here, it gives them again."""
    tool = {"debian": "dpkg", "npm": "node"}.get(name)
    if tool is not None and shutil.which(tool) is None:
        pytest.skip(f"{tool} is not on this machine")
    if name == "npm" and not Path("/usr/lib/node_modules/npm/node_modules/semver").is_dir():
        pytest.skip("npm is not on this machine")
    assert record.record(name) == (VECTORS / f"{name}.txt").read_text()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("v1.2.3", "1.2.3"),
        ("1.2", "1.2.0"),
        ("go1.20.3", "1.20.3"),
        ("1.21rc2", "1.21.0-rc.2"),
        ("1.21beta1", "1.21.0-beta.1"),
        ("2.0.0+incompatible", "2.0.0"),
    ],
)
def test_versions_of_go_are_one_however_they_are_written(one: str, other: str) -> None:
    assert compare("Go", one, other) == 0


def test_pseudo_versions_of_go_are_before_the_release_that_they_lead_to() -> None:
    assert compare("Go", "v0.0.0-20220314234659-1baeb1ce4c0b", "v0.0.0-20220622213112-05595931fe9d") < 0
    assert compare("Go", "v1.2.4-0.20220314234659-1baeb1ce4c0b", "1.2.4") < 0
    assert compare("Go", "v1.2.4-0.20220314234659-1baeb1ce4c0b", "1.2.3") > 0


@pytest.mark.parametrize(
    ("ecosystem", "version"),
    [
        ("Debian:12", ""),
        ("Debian:12", "1.0-"),
        ("Debian:12", "a1"),
        ("Debian:12", "1:"),
        ("Debian:12", "1.0 1"),
        ("Debian:12", "\uff11.0"),
        ("Rocky Linux:9", "x:1-1"),
        ("Rocky Linux:9", "1-1-1"),
        ("Rocky Linux:9", ":1"),
        ("Alpine:v3.18", "1.0-r"),
        ("Alpine:v3.18", "1.0_foo1-r0"),
        ("Alpine:v3.18", "1.0-r1-r2"),
        ("PyPI", "1.0-really"),
        ("npm", "latest"),
        ("npm", "1.2.3.4"),
        ("npm", "1-alpha"),
        ("npm", "01.2.3"),
        ("Go", "(devel)"),
        ("Maven", "x"),
        ("Maven", "${project.version}"),
        ("NuGet", "x"),
        ("NuGet", "1.2.3.4.5"),
        ("NuGet", "1.0.0-01"),
        ("RubyGems", "1.0-"),
        ("Packagist", "dev-main"),
        ("Packagist", "1.x-dev"),
        ("Pub", "1.0.0"),
        ("", "1.0.0"),
        ("PyPI", "1" * (MAX_VERSION + 1)),
    ],
)
def test_what_is_no_version_or_of_no_known_order_is_said_to_be_so(ecosystem: str, version: str) -> None:
    with pytest.raises(Unorderable):
        check(ecosystem, version)
    with pytest.raises(Unorderable):
        compare(ecosystem, version, "1.0")


_TEXTS = st.one_of(
    st.text(max_size=20), st.text("0123456789.-+~^_:abprcdevRx!", max_size=16), st.sampled_from(["1.0", "0"])
)


@given(st.sampled_from(sorted(ORDERS)), _TEXTS, _TEXTS)
def test_no_text_makes_anything_else_of_it_than_an_answer_or_a_refusal(name: str, one: str, other: str) -> None:
    try:
        seen = compare(name, one, other)
    except Unorderable:
        return
    assert seen == -compare(name, other, one)
    assert compare(name, one, one) == 0


@given(st.sampled_from(sorted(ORDERS)), st.lists(_TEXTS, min_size=3, max_size=3))
def test_an_order_has_no_circles(name: str, versions: list[str]) -> None:
    a, b, c = versions
    try:
        first, second, third = compare(name, a, b), compare(name, b, c), compare(name, a, c)
    except Unorderable:
        return
    if first <= 0 and second <= 0:
        assert third <= 0
