"""Scopes of containers/image: what they match, and which of them is within which."""

import pytest

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
