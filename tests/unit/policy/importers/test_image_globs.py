"""Globs over references with digests become globs over repositories that match the same images."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preverify.model import globs
from preverify.model.reference import Repository
from preverify.policy.importers.image_globs import repository_glob

SAME = [
    ("**", "**"),
    ("***", "**"),
    ("*", "docker.io/library/*"),
    ("*/*", "docker.io/*/*"),
    ("index.docker.io/acme/**", "docker.io/acme/**"),
    ("ghcr.io/acme/*", "ghcr.io/acme/*"),
    ("ghcr.io/acme/app*", "ghcr.io/acme/app*"),
    ("ghcr.io/acme/app@*", "ghcr.io/acme/app"),
    ("ghcr.io/acme/app@**", "ghcr.io/acme/app"),
    ("ghcr.io/*/app@sha256:*", "ghcr.io/*/app"),
    ("ghcr.io/acme/*:*", "ghcr.io/acme/*"),
    ("ghcr.io/**:**", "ghcr.io/**"),
    ("**:**", "**"),
    ("localhost:5000/**", "localhost:5000/**"),
    ("*.pkg.dev/acme/**", "*.pkg.dev/acme/**"),
    ("gcr.io**", "gcr.io**"),
    ("*/acme/**", "*/acme/**"),
    ("**demo**", "**demo**"),
    ("**/acme/x*", "**/acme/x*"),
    ("**.io/acme/x*", "**.io/acme/x*"),
    ("*.io/acme/**", "*.io/acme/**"),
    ("ghcr.io/*-prod/x*", "ghcr.io/*-prod/x*"),
]

REFUSED = [
    ("ghcr.io/acme/app", "matches no image by its digest"),
    ("ghcr.io/acme/app:v1", "matches no image by its digest"),
    ("ghcr.io/acme/app:*", "there is no tag"),
    ("ghcr.io/acme/app:**", "there is no tag"),
    ("ghcr.io/acme/app@sha256:abc", "names a digest"),
    ("ghcr.io/acme/*a*", "some digests"),
    ("ghcr.io/**256*", "some digests"),
    ("reg*:**", "some digests"),
    ("ghcr.io*", "names only a registry"),
    ("acme/app*", "starts with no registry"),
    ("docker.io/acme/*", "Docker Hub is called index.docker.io"),
    ("registry-1.docker.io/acme/*", "Docker Hub is called index.docker.io"),
    ("*.docker.io/acme/*", "name registries whole"),
    ("index**", "name registries whole"),
    ("**index**", "name registries whole"),
    ("**x.docker.io/**", "name registries whole"),
    ("**x**", "name registries whole"),
    ("docker*/acme/*", "name registries whole"),
    ("ghcr.io/Acme/*", "lower-case"),
    ("GHCR.io/acme/*", "lower-case"),
    ("ghcr.io/{a,b}/*", "no glob of policy-controller"),
    ("", "no glob of policy-controller"),
    ("ghcr.io/" + "a" * 300 + "*", "characters"),
]


@pytest.mark.parametrize(("theirs", "ours"), SAME)
def test_globs_that_say_the_same(theirs: str, ours: str) -> None:
    assert repository_glob(theirs) == ours


@pytest.mark.parametrize(("theirs", "said"), REFUSED)
def test_globs_that_cannot_be_said(theirs: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        repository_glob(theirs)


def compiled(glob: str) -> re.Pattern[str]:
    """Return a glob as policy-controller compiles it."""
    glob = {"*/*": "index.docker.io/*/*", "*": "index.docker.io/library/*"}.get(glob, glob)
    return re.compile(glob.replace(".", r"\.").replace("**", "#").replace("*", "[^/]*").replace("#", ".*"))


PIECES = st.sampled_from(
    [
        "*",
        "**",
        "x.",
        "dex",
        "ndocker",
        "/",
        "ghcr.io",
        "index.docker.io",
        "acme",
        "a",
        ":",
        "@",
        "-x",
        "256",
        "app",
        ".",
    ]
)
NAMES = st.sampled_from(
    [
        "ghcr.io/acme/app",
        "ghcr.io/acme/app-x",
        "ghcr.io/a",
        "ghcr.io/app/a",
        "docker.io/library/app",
        "docker.io/acme/app",
        "localhost:5000/acme",
        "registry.example/a/b/c",
        "ghcr.io/x256/y",
    ]
)


@given(pieces=st.lists(PIECES, max_size=7), name=NAMES, digest=st.text("0123456789abcdef", min_size=64, max_size=64))
def test_what_is_translated_matches_the_same_digests(pieces: list[str], name: str, digest: str) -> None:
    glob = "".join(pieces)
    try:
        ours = repository_glob(glob)
    except ValueError:
        return
    theirs = name.replace("docker.io/", "index.docker.io/") + f"@sha256:{digest}"
    assert globs.matches(ours, str(Repository.parse(name))) == (compiled(glob).fullmatch(theirs) is not None), ours
