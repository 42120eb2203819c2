"""Platforms: one name for one platform, and which children a demand is about."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preverify.model.platforms import THE_INDEX, Platforms, platform_name

EACH = Platforms.of("each")


@pytest.mark.parametrize(
    ("parts", "name"),
    [
        (("linux", "amd64"), "linux/amd64"),
        (("linux", "amd64", "v1"), "linux/amd64"),
        (("linux", "amd64", "v3"), "linux/amd64/v3"),
        (("Linux", "X86_64"), "linux/amd64"),
        (("linux", "x86-64", "v2"), "linux/amd64/v2"),
        (("linux", "i386"), "linux/386"),
        (("linux", "aarch64"), "linux/arm64"),
        (("linux", "arm64", "v8"), "linux/arm64"),
        (("linux", "arm64", "8"), "linux/arm64"),
        (("linux", "arm64", "v9"), "linux/arm64/v9"),
        (("linux", "arm"), "linux/arm/v7"),
        (("linux", "arm", "6"), "linux/arm/v6"),
        (("linux", "armhf"), "linux/arm/v7"),
        (("linux", "armel", "v9"), "linux/arm/v6"),
        (("macOS", "arm64"), "darwin/arm64"),
        (("windows", "amd64"), "windows/amd64"),
        (("linux" * 100, "x"), ("linux" * 100)[:100]),
    ],
)
def test_one_platform_has_one_name(parts: tuple[str, ...], name: str) -> None:
    """A runtime takes `x86_64` for amd64: no manifest hides behind another spelling."""
    assert platform_name(*parts) == name


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("index", "index"),
        ("each", "each"),
        (["linux/arm64", "linux/amd64"], ["linux/amd64", "linux/arm64"]),
        (["linux/aarch64/v8"], ["linux/arm64"]),
        (["linux/arm"], ["linux/arm"]),
        (["linux/arm/v6"], ["linux/arm/v6"]),
    ],
)
def test_what_is_written_has_one_form(written: str | list[str], canonical: str | list[str]) -> None:
    platforms = Platforms.of(written)
    assert platforms.canonical() == canonical
    assert Platforms.of(platforms.canonical()) == platforms
    assert platforms.of_children == (written != "index")


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        ("any", "none of: index, each"),
        ("linux/amd64", "none of: index, each"),
        ([], "names 0 platforms"),
        ([f"linux/a{n}" for n in range(33)], "names 33 platforms"),
        (["linux/amd64", "linux/x86_64"], "names a platform twice"),
        (["linux"], "is no platform"),
        (["linux/amd64/v2/x"], "is no platform"),
        (["linux/*"], "is no platform"),
        (["linux//v2"], "is no platform"),
        (["/amd64"], "is no platform"),
        (["Linux/amd64"], "is no platform"),
        (["unknown/unknown"], "is what builders' statements stand under"),
    ],
)
def test_what_is_unclear_is_refused(written: str | list[str], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        Platforms.of(written)


def test_a_name_without_a_variant_is_every_variant() -> None:
    arm, six, amd = (Platforms.of([name]) for name in ("linux/arm", "linux/arm/v6", "linux/amd64"))
    assert [arm.covers(p) for p in ("linux/arm/v6", "linux/arm/v7", "linux/arm64", "linux/amd64")] == [
        True,
        True,
        False,
        False,
    ]
    assert [six.covers(p) for p in ("linux/arm/v6", "linux/arm/v7")] == [True, False]
    assert amd.covers("linux/amd64/v3")
    assert arm.missing(["linux/arm/v7"]) == ()
    assert six.missing(["linux/arm/v7", ""]) == ("linux/arm/v6",)


def test_a_child_without_a_platform_is_looked_at_whatever_is_named() -> None:
    """A runtime may run it anywhere; but it is no proof that a named platform is there."""
    named = Platforms.of(["linux/amd64"])
    assert named.covers("")
    assert named.missing([""]) == ("linux/amd64",)


def test_each_and_the_index_cover_everything() -> None:
    for platforms in (THE_INDEX, EACH):
        assert platforms.covers("linux/s390x")
        assert platforms.missing([]) == ()


def test_what_two_policies_want_is_gathered_for_both() -> None:
    amd, arm = Platforms.of(["linux/amd64"]), Platforms.of(["linux/arm64"])
    assert THE_INDEX | THE_INDEX == THE_INDEX
    assert THE_INDEX | amd == amd
    assert (amd | arm).canonical() == ["linux/amd64", "linux/arm64"]
    both = amd | EACH
    assert both.covers("linux/arm64")
    assert both.names == ("linux/amd64",), "a manifest by itself is still asked for its platform"


_PARTS = st.sampled_from(["linux", "windows", "amd64", "x86_64", "arm", "arm64", "v6", "v7", "v8", "8", "7", ""])


@given(os=_PARTS, architecture=_PARTS, variant=_PARTS)
def test_names_are_stable(os: str, architecture: str, variant: str) -> None:
    name = platform_name(os or "linux", architecture or "amd64", variant)
    assert platform_name(*name.split("/")) == name
