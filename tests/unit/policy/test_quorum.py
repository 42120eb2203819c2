"""Quorums count keys, not names."""

import pytest

from preverify.policy.quorum import Quorum, Signer
from support.policies import key


def signers(*names: str) -> list[Signer]:
    return [Signer(name=name, key=key(name)) for name in names]


def test_names_are_found_by_key() -> None:
    quorum = Quorum.of(1, signers("vendor", "release"))
    assert dict(quorum.names) == {key("release").id: "release", key("vendor").id: "vendor"}
    assert quorum.canonical() == {"atLeast": 1, "of": ["release", "vendor"]}


def test_two_names_of_one_key_are_one_signer() -> None:
    quorum = Quorum.of(1, signers("release", "release-again"))
    assert dict(quorum.names) == {key("release").id: "release/release-again"}
    with pytest.raises(ValueError, match=r"needs 2 distinct keys, .* hold 1 \(release and release-again are one key\)"):
        Quorum.of(2, signers("release", "release-again"))


@pytest.mark.parametrize("needed", [0, -1])
def test_nobody_is_not_enough(needed: int) -> None:
    with pytest.raises(ValueError, match="expected a number of at least 1"):
        Quorum.of(needed, signers("release"))


def test_more_than_there_are_is_refused() -> None:
    with pytest.raises(ValueError, match=r"needs 3 distinct keys, but its signers hold 2$"):
        Quorum.of(3, signers("release", "vendor"))
