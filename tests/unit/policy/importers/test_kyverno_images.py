"""Kyverno's wildcards become globs that leave out no image that they match, and skip none that they do not."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preverify.model import globs
from preverify.model.reference import Repository
from preverify.policy.importers.kyverno_images import demanded, skipped

DEMANDED = [
    ("*", ("**",)),
    ("**", ("**",)),
    ("*:*", ("**",)),
    ("ghcr.io/*", ("ghcr.io/**",)),
    ("ghcr.io*", ("ghcr.io**",)),
    ("ghcr.io/acme/app:*", ("ghcr.io/acme/app",)),
    ("ghcr.io/acme/app@*", ("ghcr.io/acme/app",)),
    ("ghcr.io/acme/app@sha256:*", ("ghcr.io/acme/app",)),
    ("ghcr.io/acme/app*", ("ghcr.io/acme/app**",)),
    ("*/acme/*", ("**/acme/**",)),
    ("*.pkg.dev/acme/*", ("**.pkg.dev/acme/**",)),
    ("docker.io/*", ("docker.io/**",)),
    ("docker.io/acme/*", ("docker.io/acme/**",)),
    ("docker.io/nginx:*", ("docker.io/nginx", "docker.io/library/nginx")),
    ("docker.io/nginx*", ("docker.io/nginx**", "docker.io/library/nginx**")),
    ("docker.io/*/nginx:*", ("docker.io/**/nginx", "docker.io/library/**/nginx")),
    ("localhost:5000/x:*", ("localhost:5000/x",)),
]

REFUSED = [
    ("ghcr.io/acme/app", "one tag or digest"),
    ("ghcr.io/acme/app:v1", "one tag or digest"),
    ("ghcr.io/acme/app:v1*", "tags or digests"),
    ("ghcr.io/acme/*-app*", "tags or digests"),
    ("ghcr.io/acme/ap?:*", "more than a name"),
    ("ghcr.io/{{ x }}/*", "more than a name"),
    ("", "more than a name"),
    ("acme/app:*", "starts with no registry"),
    ("nginx:*", "starts with no registry"),
    ("nginx*:*", "starts with no registry"),
    ("*.io/nginx:*", "name registries whole"),
    ("ghcr.io/*256:*", "by digest and not others"),
    ("ghcr.io/Acme/*", "capitals"),
    ("ghcr.io/" + "a" * 300 + "*", "characters"),
]

SKIPPED = [
    ("*", "**"),
    ("ghcr.io/*", "ghcr.io/**"),
    ("ghcr.io/acme/debug*", "ghcr.io/acme/debug**"),
    ("docker.io/*", "docker.io/**"),
    ("docker.io/acme/*", "docker.io/acme/**"),
    ("*/acme/*", "**/acme/**"),
]

NOT_SKIPPED = [
    ("ghcr.io/acme/debug:*", "tags or digests"),
    ("ghcr.io/acme/debug@*", "tags or digests"),
    ("ghcr.io/acme/debug", "one tag or digest"),
    ("docker.io/nginx*", "without library/"),
    ("docker.io/library/*", "without library/"),
    ("*/library/*", "without library/"),
    ("docker.io/*/x*", "without library/"),
]


@pytest.mark.parametrize(("theirs", "ours"), DEMANDED)
def test_what_is_demanded(theirs: str, ours: tuple[str, ...]) -> None:
    assert demanded(theirs) == ours


@pytest.mark.parametrize(("theirs", "said"), REFUSED)
def test_what_cannot_be_demanded(theirs: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        demanded(theirs)


@pytest.mark.parametrize(("theirs", "ours"), SKIPPED)
def test_what_is_skipped(theirs: str, ours: str) -> None:
    assert skipped(theirs) == ours


@pytest.mark.parametrize(("theirs", "said"), NOT_SKIPPED)
def test_what_cannot_be_skipped(theirs: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        skipped(theirs)


PIECES = st.sampled_from(
    ["*", "*", "/", "ghcr.io", "docker.io", "acme", "a", ":", "@", ":*", "nginx", "library", "256", "."]
)
NAMES = st.sampled_from(
    ["ghcr.io/acme/a", "ghcr.io/nginx", "docker.io/nginx", "docker.io/library/nginx", "docker.io/acme/a"]
)
ENDS = st.sampled_from([":a", ":v1", ":nginx", "@sha256:" + "0a" * 32, "@sha256:" + "b6" * 32])


@given(pieces=st.lists(PIECES, max_size=7), name=NAMES, end=ENDS)
def test_no_image_is_left_out_and_none_skipped_that_is_not(pieces: list[str], name: str, end: str) -> None:
    """`docker.io/nginx` is how Kyverno calls an image that is written as `nginx`: here the one in library/."""
    glob = "".join(pieces)
    matched = re.fullmatch(re.escape(glob).replace(r"\*", ".*"), name + end) is not None
    ours = str(Repository.parse(name))
    try:
        found = demanded(glob)
    except ValueError:
        pass
    else:
        assert not matched or any(globs.matches(each, ours) for each in found), found
    try:
        skip = skipped(glob)
    except ValueError:
        return
    assert matched or not globs.matches(skip, ours), skip
