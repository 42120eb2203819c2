"""Scopes of containers/image: what they match, and which of them is within which."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preverify.model import globs
from preverify.policy.importers.scopes import NamesOneImage, Scope


@pytest.mark.parametrize(
    ("scope", "name", "matches"),
    [
        ("", "registry.example/a", True),
        ("*.example", "registry.example/a", True),
        ("*.example", "deep.registry.example:5000/a/b", True),
        ("*.example", "registry.example.com/a", False),
        ("*.example", "elsewhere.test/registry.example/a", False),
        ("*.registry.example", "registry.example/a", False),
        ("registry.example", "registry.example/a/b", True),
        ("registry.example", "registry.example:5000/a", False),
        ("registry.example:5000", "registry.example:5000/a", True),
        ("registry.example/a", "registry.example/a", True),
        ("registry.example/a", "registry.example/a/b", True),
        ("registry.example/a", "registry.example/ab", False),
        ("localhost/a", "localhost/a", True),
    ],
)
def test_globs_match_what_the_scope_does(scope: str, name: str, matches: bool) -> None:
    assert any(globs.matches(glob, name) for glob in Scope.read(scope).globs) is matches


@pytest.mark.parametrize(
    ("inner", "outer", "within"),
    [
        ("a.example", "", True),
        ("", "", False),
        ("", "a.example", False),
        ("a.example/b", "a.example", True),
        ("a.example/b/c", "a.example/b", True),
        ("a.example/bc", "a.example/b", False),
        ("a.example", "a.example", False),
        ("a.example/b", "*.example", True),
        ("b.a.example:5000", "*.a.example", True),
        ("*.a.example", "*.example", True),
        ("*.example", "*.a.example", False),
        ("example", "*.example", False),
        ("other.test", "*.example", False),
    ],
)
def test_which_scope_is_within_which(inner: str, outer: str, within: bool) -> None:
    assert Scope(text=inner).within(Scope(text=outer)) is within


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a b", "is not a registry host"),
        ("*.example/a", r"'\*\.' takes a domain"),
        ("*.example:5000", r"'\*\.' takes a domain"),
        ("shop/a", "names no registry"),
        ("Registry.example", "is called registry.example"),
        ("index.docker.io/library", "is called docker.io"),
        ("registry.example/", "is no repository"),
        ("registry.example/A", "is no repository"),
    ],
)
def test_what_matches_nothing_there_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Scope.read(text)


@pytest.mark.parametrize("text", ["registry.example/a/b:v1", "registry.example/a/b@sha256:11"])
def test_a_scope_of_one_image_says_where_it_is(text: str) -> None:
    with pytest.raises(NamesOneImage, match="names a tag or digest") as caught:
        Scope.read(text)
    assert caught.value.repository == "registry.example/a/b"


def test_only_the_largest_scopes_are_taken_out() -> None:
    scopes = [Scope(text=text) for text in ("", "a.example", "a.example/b", "a.example/b/c", "*.test")]
    assert scopes[0].without(scopes) == ("a.example/**", "*.test/**", "*.test:*/**", "oci:/**")
    assert scopes[1].without(scopes) == ("a.example/b", "a.example/b/**")
    assert scopes[3].without(scopes) == ()


# --- beside the order in which the other tool looks for scopes ---

HOSTS = ("a.example", "a.example:5000", "deep.a.example", "b.test", "localhost")
paths = st.lists(st.sampled_from(("shop", "shops", "web")), min_size=1, max_size=3).map("/".join)
repositories = st.builds("{}/{}".format, st.sampled_from(HOSTS), paths)
scopes = st.one_of(st.sampled_from(("", *HOSTS, "*.example", "*.a.example", "*.test")), repositories)


def counts_there(written: list[str], name: str) -> str | None:
    """Return the scope that counts for an image by digest: its repository, what is above, then domains, then all."""
    host, *parts = name.split("/")
    order = ["/".join((host, *parts[:n])) for n in range(len(parts), -1, -1)]
    labels = host.partition(":")[0].split(".")
    order += ["*." + ".".join(labels[n:]) for n in range(1, len(labels))]
    return next((each for each in (*order, "") if each in written), None)


@given(written=st.lists(scopes, unique=True, max_size=6), name=repositories)
def test_an_image_is_in_the_one_scope_that_counts_there(written: list[str], name: str) -> None:
    known = [Scope.read(text) for text in written]
    about = [
        scope.text
        for scope in known
        if any(globs.matches(glob, name) for glob in scope.globs)
        and not any(globs.matches(glob, name) for glob in scope.without(known))
    ]
    there = counts_there(written, name)
    assert about == ([] if there is None else [there])
