"""Package URLs of components, and patterns that name some of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packageurl import PackageURL

from preverify.model.contents import Component
from preverify.policy.demands.purls import Pattern, Patterns, few, meant, patterns, read, same, versions


def names(pattern: str, purl: str, version: str = "") -> bool:
    """Say whether a pattern means a component, where that is against it."""
    named = read(purl)
    assert named is not None
    said = versions(Component(name="x", version=version, purl=purl), named)
    return any(same(each, said) for each in patterns((pattern,)).about(named.path))


@pytest.mark.parametrize(
    ("purl", "path", "version"),
    [
        ("pkg:npm/event-stream@3.3.6", "npm/event-stream", "3.3.6"),
        ("pkg:npm/%40babel/core@7.0.0", "npm/@babel/core", "7.0.0"),
        ("pkg:npm/@babel/core@7.0.0", "npm/@babel/core", "7.0.0"),
        ("pkg:npm/@babel/core", "npm/@babel/core", ""),
        ("pkg:npm/%40babel", "npm/@babel", ""),
        ("pkg:npm/a%40b@1", "npm/a@b", "1"),
        ("pkg:npm/JSONStream@1", "npm/jsonstream", "1"),
        ("PKG:NPM/a@1", "npm/a", "1"),
        ("pkg://npm/a@1", "npm/a", "1"),
        ("pkg:npm//a/", "npm/a", ""),
        ("pkg:pypi/Jaraco.Classes@1", "pypi/jaraco-classes", "1"),
        ("pkg:maven/Org.acme/A@1", "maven/Org.acme/A", "1"),
        ("pkg:golang/google.golang.org%2Fgrpc@v1.2.3#sub", "golang/google.golang.org/grpc", "v1.2.3"),
        ("pkg:deb/debian/zlib1g@1:1.2.13%2Bdfsg-1?arch=amd64&distro=debian-12", "deb/debian/zlib1g", "1:1.2.13+dfsg-1"),
        ("pkg:deb/debian/zlib1g@1%3A1.2?x=a@b", "deb/debian/zlib1g", "1:1.2"),
    ],
)
def test_takes_purls_apart(purl: str, path: str, version: str) -> None:
    assert read(purl) == (path, version)


@pytest.mark.parametrize(
    "purl",
    [
        "",
        "pkg:",
        "pkg:npm",
        "pkg:npm/",
        "npm/a@1",
        "http://npm/a",
        "pkg:n_m/a",
        "pkg:generic/a@1/2",
        "pkg:*/a",
        "pkg:/a/@",
        "pkg:npm/a/@1",
        "pkg:npm/@a",
        "pkg:npm/@@a/b",
        "pkg:npm/" + "a" * 4096,
    ],
)
def test_what_is_no_purl_names_nothing(purl: str) -> None:
    assert read(purl) is None


word = st.text(st.sampled_from("abcXYZ019._-@/+ %:~"), min_size=1, max_size=8)


@given(
    kind=st.sampled_from(["npm", "golang", "generic", "maven", "deb"]), names=st.lists(word, max_size=2), version=word
)
def test_reads_what_the_library_writes(kind: str, names: list[str], version: str) -> None:
    """Whatever is encoded, and however: the same name comes out, or none; never another one."""
    namespace = "/".join(names) or None
    try:
        written = PackageURL(type=kind, namespace=namespace, name="app", version=version).to_string()
    except ValueError:
        return
    found = read(written)
    back = PackageURL.from_string(written)
    expected = "/".join(part for part in (kind, back.namespace, back.name) if part)
    assert found is None or found.path.lower() == expected.lower()
    assert found is None or found.version == (back.version or "")


@pytest.mark.parametrize(
    ("pattern", "purl", "means"),
    [
        ("pkg:npm/event-stream@3.3.6", "pkg:npm/event-stream@3.3.6", True),
        ("pkg:npm/event-stream@3.3.6", "pkg:npm/event-stream@3.3.60", False),
        ("pkg:npm/event-stream", "pkg:npm/event-stream@3.3.6", True),
        ("pkg:npm/event-stream@*", "pkg:npm/event-stream", True),
        ("pkg:npm/event-stream", "pkg:npm/event-stream2@3.3.6", False),
        ("pkg:npm/event-stream", "pkg:pypi/event-stream@3.3.6", False),
        ("pkg:npm/@babel/core", "pkg:npm/%40Babel/Core@1", True),
        ("pkg:pypi/zope_interface", "pkg:pypi/Zope.Interface@1", True),
        ("pkg:golang/github.com/evil/**@*", "pkg:golang/github.com/evil/a/b@v1.0.0", True),
        ("pkg:golang/github.com/evil/*", "pkg:golang/github.com/evil/a/b@v1.0.0", False),
        ("pkg:golang/github.com/evil/a@1.0.0", "pkg:golang/github.com/Evil/a@v1.0.0", True),
        ("pkg:golang/github.com/evil/a@v1.0.0", "pkg:golang/github.com/evil/a@1.0.0", True),
        ("pkg:generic/a@version", "pkg:generic/a@ersion", False),
        ("pkg:deb/debian/xz-utils@5.6.1%2Breally5.4.5-1", "pkg:deb/debian/xz-utils@5.6.1+really5.4.5-1?arch=x", True),
        ("pkg:npm/**", "pkg:npm/@babel/core@1", True),
    ],
)
def test_what_a_pattern_means(pattern: str, purl: str, means: bool) -> None:
    assert names(pattern, purl) is means


def test_the_version_beside_the_purl_counts_where_it_is_against_the_component() -> None:
    assert names("pkg:npm/a@1", "pkg:npm/a@2", version="1")
    for purl, version, good in (("pkg:npm/a@2", "1", False), ("pkg:npm/a@1", "2", True), ("pkg:npm/a", "1", True)):
        named = read(purl)
        assert named is not None
        component = Component(name="a", version=version, purl=purl)
        assert meant(patterns(("pkg:npm/a@1",)), component, named) is good


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("event-stream", "is no package URL"),
        ("pkg:npm", "is no package URL"),
        ("pkg:*/a", "is no package URL"),
        ("pkg:npm/a@", "is no package URL"),
        (" pkg:npm/a", "is no package URL"),
        ("pkg:npm/a ", "is no package URL"),
        ("pkg:npm/a@1.*", "names a range"),
        ("pkg:npm/a@<2", "names a range"),
        ("pkg:npm/a@vers:npm/<2", "names a range"),
        ("pkg:npm/***", "three stars"),
        ("pkg:npm/a?arch=x", "qualifiers"),
        ("pkg:npm/a#sub", "qualifiers"),
        ("pkg:npm/" + "a" * 512, "at most 512"),
    ],
)
def test_refuses_patterns_that_would_not_mean_what_they_say(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Pattern.of(text)


@pytest.mark.parametrize(
    ("pattern", "name", "may"),
    [
        ("pkg:npm/@babel/core", "core", True),
        ("pkg:npm/@babel/core", "@Babel/Core", True),
        ("pkg:npm/@babel/core", "babel", False),
        ("pkg:npm/@babel/*", "core", True),
        ("pkg:golang/github.com/evil/**", "github.com/evil/a", True),
        ("pkg:npm/ev*", "event-stream", True),
        ("pkg:npm/ev*", "npm", False),
        ("pkg:pypi/zope.interface", "zope_interface", True),
        ("pkg:npm/a", "b", False),
    ],
)
def test_who_may_be_meant_by_a_bare_name(pattern: str, name: str, may: bool) -> None:
    assert bool(list(Patterns([Pattern.of(pattern)]).by_name(name))) is may


def test_names_few_components_for_people() -> None:
    some = [Component(name=f"a{i}", version="1") for i in range(7)]
    assert few(some) == "a0 1, a1 1, a2 1, a3 1, a4 1 and 2 more"
    assert few([Component(name="b", purl="pkg:npm/b@1")]) == "pkg:npm/b@1"
    assert few([Component(name="c" * 200)]) == "c" * 120


@given(st.text(st.characters() | st.sampled_from("pkg:npm/@%?#*"), max_size=40))
def test_any_text_is_a_purl_or_none(text: str) -> None:
    named = read(f"pkg:npm/{text}")
    assert named is None or named.path.startswith("npm/")
    assert read(text) is None or text[:4].lower() == "pkg:"
