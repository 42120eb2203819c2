"""Lists of owners: the last glob that matches names them; what is no such list is refused with its line."""

import pytest

from preverify.model.errors import BadConfiguration
from preverify.model.reference import Repository
from preverify.policy import owners
from preverify.policy.owners import Owners

LIST = b"""
# who is asked
registry.example/**         platform
registry.example/shop/**    team shop   # they moved

docker.io/library/*         base-images
"""


@pytest.mark.parametrize(
    ("repository", "owner"),
    [
        (Repository("registry.example", "shop/api"), "team shop"),
        (Repository("registry.example", "other/api"), "platform"),
        (Repository("docker.io", "library/nginx"), "base-images"),
        (Repository("docker.io", "somebody/nginx"), ""),
    ],
)
def test_the_last_glob_that_matches_names_the_owner(repository: Repository, owner: str) -> None:
    assert Owners.read(LIST, name="OWNERS").of(repository) == owner


def test_nobody_owns_anything_without_a_list() -> None:
    assert Owners().of(Repository("registry.example", "shop/api")) == ""


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"registry.example/**\n", "OWNERS:1: 'registry.example/\\*\\*' names nobody"),
        (b"\n***bad*** a\n", "OWNERS:2: "),
        (b"\xff a\n", "OWNERS: is not UTF-8"),
    ],
)
def test_what_is_no_list_is_refused_with_its_line(data: bytes, message: str) -> None:
    with pytest.raises(BadConfiguration, match=message):
        Owners.read(data, name="OWNERS")


def test_a_list_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(owners, "_MAX_LINES", 2)
    with pytest.raises(BadConfiguration, match="OWNERS:3: has more than 2 lines"):
        Owners.read(b"a/** x\n" * 3, name="OWNERS")
