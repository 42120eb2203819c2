"""Patterns of Connaisseur: which images they are meant for, which they match besides, and which of them counts."""

import pytest

from preverify.model import globs
from preverify.policy.importers.connaisseur_patterns import Pattern


@pytest.mark.parametrize(
    ("text", "name", "matches", "besides"),
    [
        ("*:*", "r.example/a", True, False),
        ("*", "r.example/a", True, False),
        ("**", "r.example/a", True, False),
        ("*/*:*", "r.example/a", True, False),
        ("*/*/*:*", "r.example/a", False, False),
        ("*/shop/*:*", "r.example/shop/a", True, False),
        ("docker.io/library/*:*", "docker.io/library/a", True, False),
        ("docker.io/library/*:*", "mydocker.io/library/a", False, True),
        ("docker.io/library/*:*", "r.example/docker.io/library/a", False, True),
        ("r.example/app", "r.example/app", True, False),
        ("r.example/app", "r.example/apple/pie", True, False),
        ("r.example/app", "r.example/other", False, False),
        ("r.example/*/app", "r.example/a/b/app", True, False),
        ("r.example/app*:*", "r.example/apple", True, False),
        ("r.example:5000/a/*", "r.example:5000/a/b", True, False),
        ("*.example/app*", "r.example/app", True, False),
        ("*.example/app*", "other.test/r.example/app", True, False),
        ("r.*/app*", "r.example/app", True, False),
        ("r.*/app*", "other.example/app", False, True),
    ],
)
def test_what_a_pattern_matches(text: str, name: str, matches: bool, besides: bool) -> None:
    pattern = Pattern.read(text)
    assert globs.matches(pattern.glob, name) is matches
    elsewhere = bool(pattern.elsewhere) and globs.matches(pattern.elsewhere, name)
    assert (elsewhere and not matches) is besides


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("r.example/a[b]", "holds other characters"),
        ("", "holds other characters"),
        ("nginx", "names no registry"),
        ("nginx:*", "names no registry"),
        ("library/nginx", "names no registry"),
        ("r.example/a:v1", "goes by tags"),
        ("r.example/a:v*", "goes by tags"),
        ("r.example/a:*", r"does not match images by their digest alone: .* write a\*:\*"),
        ("r.example/a*b", "matches by tags and digests too"),
        ("r.example/*-debug*:*", "matches by tags and digests too"),
        ("*/*a", "matches by tags and digests too"),
        ("r.example/A", "matches no image"),
        ("r.example/a:b/*", "matches no image"),
        ("R.example/a", "write r.example"),
        ("index.docker.io/library/*", "write docker.io"),
        ("index*/library/*", "takes index.docker.io for another registry"),
        ("-.example/a", "is not a registry host"),
    ],
)
def test_what_cannot_be_said_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Pattern.read(text)


@pytest.mark.parametrize(
    ("more", "less"),
    [
        ("r.example/a/b*", "r.example/a*"),
        ("*/*/*:*", "r.example/a*"),
        ("docker.io/library/*:*", "docker.io/*/*:*"),
        ("r.example/app*", "r.example/*:*"),
        ("r.example/team-a/*:*", "r.example/team*/*:*"),
        ("r.example/app", "r.example/ap"),
        ("r.example/**", "r.example/*"),
    ],
)
def test_which_pattern_counts(more: str, less: str) -> None:
    assert Pattern.read(more).beats(Pattern.read(less))
    assert not Pattern.read(less).beats(Pattern.read(more))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("r.example/a*/b*", "r.example/b*/a*"),
        ("r.example/a*", "r.example/*:*"),  # as long as the other one is, where the image begins with neither
        ("r.example/*/b*", "r.example/a*/*"),
        ("r.example/a*", "r.example/a*"),
    ],
)
def test_where_the_image_decides_nothing_is_said(one: str, other: str) -> None:
    for first, second in ((one, other), (other, one)):
        with pytest.raises(ValueError, match="depends on the image"):
            Pattern.read(first).beats(Pattern.read(second))


@pytest.mark.parametrize(
    ("one", "other", "apart"),
    [
        ("a.example/*", "b.example/*", True),
        ("a.example/x*", "a.example/y*", True),
        ("a.example/x*", "a.example/*", False),
        ("a.example/x*", "*:*", False),
        ("*.example/x*", "a.example/y*", False),
    ],
)
def test_which_patterns_never_meet(one: str, other: str, apart: bool) -> None:
    assert Pattern.read(one).apart_from(Pattern.read(other)) is apart
    assert Pattern.read(other).apart_from(Pattern.read(one)) is apart
