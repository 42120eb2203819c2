"""References as people and Kubernetes write them, and what is none."""

import pytest

from preverify.model.digest import Digest
from preverify.model.errors import BadInput
from preverify.model.reference import Reference, Repository, Subject, is_repository_path, is_tag, registry_host

DIGEST = "sha256:" + "ab" * 32


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("nginx", "docker.io/library/nginx:latest"),
        ("nginx:1.27", "docker.io/library/nginx:1.27"),
        ("bitnami/redis", "docker.io/bitnami/redis:latest"),
        ("index.docker.io/library/nginx", "docker.io/library/nginx:latest"),
        ("registry-1.docker.io/nginx", "docker.io/library/nginx:latest"),
        ("localhost/a/b:1", "localhost/a/b:1"),
        ("127.0.0.1:5000/shop/api:1.4", "127.0.0.1:5000/shop/api:1.4"),
        ("[::1]:5000/shop/api", "[::1]:5000/shop/api:latest"),
        ("Registry.Example/shop/api", "registry.example/shop/api:latest"),
        (f"registry.example/shop/api@{DIGEST}", f"registry.example/shop/api@{DIGEST}"),
        (f"registry.example/shop/api:1.4@{DIGEST}", f"registry.example/shop/api:1.4@{DIGEST}"),
        ("registry.example/a__b/c-d.e", "registry.example/a__b/c-d.e:latest"),
    ],
)
def test_one_internal_form_for_each_way_of_writing(written: str, read: str) -> None:
    reference = Reference.parse(written)
    assert str(reference) == read
    assert Reference.parse(read) == reference


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("", "is not an image reference"),
        ("a" * 600, "is not an image reference"),
        ("registry.example/é", "is not an image reference"),
        ("registry.example/a\nb", "is not an image reference"),
        ("ab" * 32, "image id"),
        ("registry.example/a:", "is not a tag"),
        ("registry.example/a:-1", "is not a tag"),
        ("registry.example/a:" + "t" * 129, "is not a tag"),
        ("registry.example/A", "is not a repository name"),
        ("registry.example/a//b", "is not a repository name"),
        ("registry.example/../b", "is not a repository name"),
        ("registry.example/" + "a" * 250, "is not a repository name"),
        ("registry_.example/a", "is not a registry host"),
        ("registry.example:port/a", "is not a registry host"),
        ("registry.example/a@sha256:ab", "sha256"),
    ],
)
def test_what_is_no_reference_is_refused_with_the_part_that_is_wrong(written: str, why: str) -> None:
    with pytest.raises(BadInput, match=why):
        Reference.parse(written)


def test_a_repository_has_neither_tag_nor_digest() -> None:
    assert str(Repository.parse("registry.example/shop/api")) == "registry.example/shop/api"
    for written in ("registry.example/shop/api:1", f"registry.example/shop/api@{DIGEST}"):
        with pytest.raises(BadInput, match="expected only registry/repository"):
            Repository.parse(written)


def test_a_subject_is_written_with_its_digest() -> None:
    subject = Subject(Repository("registry.example", "shop/api"), Digest.parse(DIGEST))
    assert str(subject) == f"registry.example/shop/api@{DIGEST}"


def test_the_grammars_by_themselves() -> None:
    assert is_tag("v1.0_x-y")
    assert not is_tag(".v1")
    assert is_repository_path("a/b")
    assert not is_repository_path("/a")
    assert registry_host("INDEX.docker.io") == "docker.io"
    with pytest.raises(BadInput, match="is not a registry host"):
        registry_host("a/b")


def test_a_host_that_reads_as_a_path_in_lower_case_is_refused() -> None:
    """`HOST/shop/api` was a registry `host` whose text read as a repository of Docker Hub."""
    with pytest.raises(BadInput, match="no host"):
        Reference.parse("HOST/shop/api")
    assert Reference.parse("HOST.example/shop/api").repository.registry == "host.example"
    for text in ("nginx", "HOST:5000/a", "localhost/a:1", "a/b@sha256:" + "0" * 64):
        assert Reference.parse(str(Reference.parse(text))) == Reference.parse(text)
