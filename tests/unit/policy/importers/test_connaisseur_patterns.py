"""Patterns of Connaisseur: which images they are meant for, which they match besides, and which of them counts."""

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from preverify.model import globs
from preverify.model.errors import BadConfiguration
from preverify.model.strict_yaml import Document
from preverify.policy.importers import connaisseur
from preverify.policy.importers.connaisseur_patterns import Pattern
from preverify.policy.importers.draft import PASS, Remarks
from preverify.policy.importers.fields import Files


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


# --- beside the algorithm as its documents tell it ---

ends = st.sampled_from(("*:*", "*", "app", "app-two", "app*", "shop*:*"))
inner = st.lists(st.sampled_from(("shop", "shop*", "*", "a.example")), max_size=2)
first = st.sampled_from(("a.example", "a.example", "b.example:5000", "docker.io", "*", "*.example", "a*"))
pattern = st.one_of(st.just("*:*"), st.builds(lambda a, b, c: "/".join((a, *b, c)), first, inner, ends))
patterns = st.lists(pattern, min_size=1, max_size=3).map(lambda found: list(dict.fromkeys(found)))
hosts = st.sampled_from(("a.example", "b.example:5000", "docker.io", "xa.example", "c.example"))
names = st.lists(
    st.sampled_from(("a.example", "shop", "shops", "app", "app-two", "docker.io", "x")), min_size=1, max_size=3
)
endings = st.sampled_from((":app", ":v1", "@sha256:" + "ab" * 32, ":shop@sha256:" + "cd" * 32))


def matches_there(pattern: str, image: str) -> bool:
    text = pattern if pattern.startswith("*") else f"*{pattern}"
    text = text if text.endswith("*") else f"{text}*"
    return re.fullmatch(".*".join(re.escape(each) for each in text.split("*")), image) is not None


def shared(one: str, other: str) -> str:
    return next(one[:n] for n in range(len(one), -1, -1) if other.startswith(one[:n]))


def counts_there(written: list[str], image: str) -> str | None:
    """Return the pattern that counts for an image."""
    parts = image.split("/")

    def rank(pattern: str) -> tuple[int, list[int], list[int]]:
        components = pattern.split("/")
        common = [len(shared(mine, its)) for mine, its in zip(components, parts, strict=False)]
        return len(components), common, [len(each) for each in components]

    return max((each for each in written if matches_there(each, image)), key=rank, default=None)


@example(written=["*:*", "a*/shop*:*"], host="a.example", path=["docker.io", "shop"], ending=":app")
@settings(max_examples=300)
@given(written=patterns, host=hosts, path=names, ending=endings)
def test_an_image_passes_by_the_rule_that_counts_there_or_is_denied(
    written: list[str], host: str, path: list[str], ending: str
) -> None:
    """Each rule is one that approves, so that what a policy is about says which rule it is."""
    application = {
        "validators": [{"name": f"v{i}", "type": "static", "approve": True} for i in range(len(written))],
        "policy": [{"pattern": pattern, "validator": f"v{i}"} for i, pattern in enumerate(written)],
    }
    document = Document(name="values.yaml", value={"application": application}, lines={})
    files = Files(lambda name: b"")
    try:
        drafts = connaisseur.translate([document], read_file=files, remarks=Remarks())
    except BadConfiguration:
        return
    path = ["library", *path] if host == "docker.io" and len(path) == 1 else path
    name = "/".join((host, *path))
    there = counts_there(written, name.replace("docker.io", "index.docker.io", host == "docker.io") + ending)
    about = [
        draft
        for draft in drafts
        if any(globs.matches(glob, name) for glob in draft.images)
        and not any(globs.matches(glob, name) for glob in draft.exclude)
    ]
    if all(draft.rules == (PASS,) for draft in about):
        assert there is not None
        assert [draft.name for draft in about] == [f"v{written.index(there)} {there}"]
    assert about  # images that no rule is about are denied by a policy, not by there being none
