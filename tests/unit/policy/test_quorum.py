"""Quorums count authorities, not names: one key, or one person, is one signer however often it is named."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preverify.model.anchors import KeyAnchor, KeylessAnchor, Log
from preverify.model.findings import Claim, Finding, Signing, Step
from preverify.model.reasons import Reason
from preverify.policy.quorum import Quorum, Signer, matched
from preverify.policy.signers import KeyIdentity, KeylessIdentity
from support.policies import key

NOW = datetime(2026, 1, 2, 10, 0, tzinfo=UTC)
ANCHOR = KeylessAnchor(root="root:1")


def signers(*names: str) -> list[Signer]:
    return [Signer(name=name, anchor=KeyAnchor(key=key(name))) for name in names]


def person(name: str, *, subject: str = "", issuer: str = "https://issuer.test", pattern: str = "") -> Signer:
    identity = KeylessIdentity(issuer=issuer, subject=subject, subject_pattern=pattern)
    return Signer(name=name, anchor=ANCHOR, identity=identity)


def by(subject: str, issuer: str = "https://issuer.test") -> Finding:
    return Finding(
        evidence="e",
        format="sigstore-bundle",
        claim=Claim.SIGNATURE,
        step=Step.ESTABLISHED,
        reason=Reason.OK,
        detail="",
        signer=f"keyless:{subject}",
        signing=Signing(anchor=ANCHOR.id, issuer=issuer, identity=subject),
    )


def test_its_people_and_canonical_form_are_by_name() -> None:
    quorum = Quorum.of(1, signers("vendor", "release"))
    assert quorum.people == "release, vendor"
    assert quorum.canonical() == {"atLeast": 1, "of": ["release", "vendor"]}


def test_two_names_of_one_key_are_one_signer() -> None:
    quorum = Quorum.of(1, signers("release", "release-again"))
    assert quorum.people == "release/release-again"
    with pytest.raises(ValueError, match=r"needs 2 distinct signers, .* names 1 \(release and release-again are one\)"):
        Quorum.of(2, signers("release", "release-again"))


def test_one_key_with_and_without_a_log_is_one_signer() -> None:
    logged = Signer(name="logged", anchor=KeyAnchor(key=key("release"), log=Log.REQUIRED, root="root:1"))
    with pytest.raises(ValueError, match="names 1"):
        Quorum.of(2, [*signers("release"), logged])


def test_two_names_of_one_identity_are_one_signer() -> None:
    with pytest.raises(ValueError, match="names 1"):
        Quorum.of(2, [person("a", subject="x@test"), person("b", subject="x@test")])
    assert Quorum.of(2, [person("a", subject="x@test"), person("b", subject="y@test")]).needed == 2


@pytest.mark.parametrize("needed", [0, -1])
def test_nobody_is_not_enough(needed: int) -> None:
    with pytest.raises(ValueError, match="expected a number of at least 1"):
        Quorum.of(needed, signers("release"))


def test_more_than_there_are_is_refused() -> None:
    with pytest.raises(ValueError, match=r"needs 3 distinct signers, but names 2$"):
        Quorum.of(3, signers("release", "vendor"))


def test_a_finding_is_claimed_by_every_signer_that_it_may_be() -> None:
    quorum = Quorum.of(1, [person("exact", subject="x@test"), person("all", pattern=".*@test"), *signers("release")])
    found, nearest = quorum.claimants(by("x@test"), NOW)
    assert [signer.name for signer in found] == ["all", "exact"]
    assert nearest is None
    assert [signer.name for signer in quorum.claimants(by("y@test"), NOW)[0]] == ["all"]


def test_the_nearest_miss_names_the_reason() -> None:
    quorum = Quorum.of(1, [person("other", subject="z@test"), person("same", subject="x@test", issuer="https://b")])
    found, nearest = quorum.claimants(by("x@test"), NOW)
    assert found == ()
    assert nearest is not None
    assert nearest.reason is Reason.ISSUER_MISMATCH
    assert quorum.concerns(by("x@test"))


def test_a_finding_under_another_anchor_concerns_nobody() -> None:
    quorum = Quorum.of(1, signers("release"))
    assert quorum.claimants(by("x@test"), NOW) == ((), None)
    assert not quorum.concerns(by("x@test"))
    assert quorum.skipping("registry.example/shop/api") == ()


def test_one_person_who_matches_two_signers_stands_for_one() -> None:
    """RT-13: one authority counts once."""
    assert len(matched((("x", ("a", "b")),))) == 1
    assert matched((("x", ("a", "b")), ("y", ("a",)))) == {"a": "y", "b": "x"}
    assert len(matched((("x", ("a",)), ("y", ("a",))))) == 1


@given(st.lists(st.lists(st.sampled_from("abcd"), max_size=4, unique=True), max_size=5))
def test_as_many_signers_as_possible_get_an_authority_of_their_own(claims: list[list[str]]) -> None:
    """Held against trying every way."""
    options = [(str(n), tuple(names)) for n, names in enumerate(claims)]

    def most(rest: list[tuple[str, tuple[str, ...]]], used: frozenset[str]) -> int:
        if not rest:
            return 0
        (_, names), *others = rest
        placed = (1 + most(others, used | {name}) for name in names if name not in used)
        return max([most(others, used), *placed])

    taken = matched(options)
    assert len(taken) == most(options, frozenset())
    assert len(set(taken.values())) == len(taken)
    assert all(name in dict(options)[authority] for name, authority in taken.items())


def test_keys_without_a_window_always_count() -> None:
    assert KeyIdentity().shortfall(by("x"), NOW) is None
    assert KeyIdentity().until(by("x")) is None
