"""Signers: which findings are by whom, until when, and in which form policies keep them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from preverify.model.anchors import (
    Action,
    Anchor,
    KeyAnchor,
    KeylessAnchor,
    Log,
    NotationAnchor,
    NotationStatement,
    Stamps,
)
from preverify.model.findings import Claim, Finding, Signing, Step, TrustedTime
from preverify.model.reasons import Reason
from preverify.model.trust import SigstoreRoot, Store, Trust
from preverify.policy.signers import KeyIdentity, KeylessIdentity, NotationIdentity, Signer, rebuilt
from support.policies import key

NOW = datetime(2026, 1, 2, 10, 0, tzinfo=UTC)
DAY = timedelta(days=1)
ROOT, STORE = SigstoreRoot(name="stack"), Store(kind="ca", name="vendor", certificates=(b"c",))
TRUST = Trust(roots=(ROOT,), stores=(STORE,))
BARE = KeyAnchor(key=key("release"))
LOGGED = KeyAnchor(key=key("release"), log=Log.REQUIRED, stamps=Stamps.ACCEPTED, root=ROOT.id)
KEYLESS = KeylessAnchor(root=ROOT.id)
WORKFLOW = "https://github.com/acme/api/.github/workflows/release.yml@refs/heads/main"
GITHUB = "https://token.actions.githubusercontent.com"


def finding(anchor: Anchor = KEYLESS, *times: datetime, **signing: Any) -> Finding:
    facts = {"issuer": GITHUB, "identity": WORKFLOW, **signing}
    bare = anchor is BARE
    return Finding(
        evidence="e",
        format="sigstore-bundle",
        claim=Claim.SIGNATURE,
        step=Step.ESTABLISHED,
        reason=Reason.OK,
        detail="",
        signer=key("release").id if isinstance(anchor, KeyAnchor) else "keyless:1",
        signing=None
        if bare
        else Signing(anchor=anchor.id, times=tuple(TrustedTime(at=at, by="tsa:1") for at in times), **facts),
    )


def reason(identity: KeyIdentity | KeylessIdentity, seen: Finding) -> Reason | None:
    short = identity.shortfall(seen, NOW)
    return None if short is None else short.reason


# --- keys ---


@pytest.mark.parametrize(
    ("window", "expected"),
    [
        (KeyIdentity(), None),
        (KeyIdentity(valid_from=NOW - DAY, valid_until=NOW + DAY), None),
        (KeyIdentity(valid_from=NOW, valid_until=NOW), None),  # both ends belong to it
        (KeyIdentity(valid_from=NOW + DAY), Reason.KEY_EXPIRED),
        (KeyIdentity(valid_until=NOW - DAY), Reason.KEY_EXPIRED),
        (KeyIdentity(revoked_at=NOW + DAY), None),
        (KeyIdentity(revoked_at=NOW), Reason.KEY_REVOKED),
        (KeyIdentity(revoked_at=NOW - DAY), Reason.KEY_REVOKED),
    ],
)
def test_a_key_without_trusted_times_has_to_hold_now(window: KeyIdentity, expected: Reason | None) -> None:
    """RT-15. A signature of which nobody says when it was made may be of any age."""
    assert reason(window, finding(BARE)) is expected
    assert reason(window, finding(LOGGED)) is expected


@pytest.mark.parametrize(
    ("window", "times", "expected"),
    [
        (KeyIdentity(valid_until=NOW - DAY), (NOW - 2 * DAY,), None),
        (KeyIdentity(valid_until=NOW - DAY), (NOW - 2 * DAY, NOW), Reason.KEY_EXPIRED),
        (KeyIdentity(valid_from=NOW - DAY), (NOW - 2 * DAY,), Reason.KEY_EXPIRED),
        (KeyIdentity(revoked_at=NOW - DAY), (NOW - 2 * DAY,), None),
        (KeyIdentity(revoked_at=NOW - DAY), (NOW - DAY,), Reason.KEY_REVOKED),
    ],
)
def test_every_trusted_time_has_to_lie_in_the_keys_window(
    window: KeyIdentity, times: tuple[datetime, ...], expected: Reason | None
) -> None:
    """RT-15: a retired key's old signatures count on, where somebody trusted says that they are old."""
    assert reason(window, finding(LOGGED, *times)) is expected


def test_what_is_trusted_now_ends_with_the_key() -> None:
    window = KeyIdentity(valid_until=NOW + 2 * DAY, revoked_at=NOW + DAY)
    assert window.until(finding(BARE)) == NOW + DAY
    assert window.until(finding(LOGGED, NOW)) is None
    assert KeyIdentity().until(finding(BARE)) is None


# --- certificates ---


@pytest.mark.parametrize(
    ("identity", "expected"),
    [
        (KeylessIdentity(issuer=GITHUB, subject=WORKFLOW), None),
        (KeylessIdentity(issuer_pattern="https://token[.].*", subject_pattern="https://github.com/acme/.*"), None),
        (KeylessIdentity(issuer=GITHUB, subject=WORKFLOW[:-1]), Reason.IDENTITY_MISMATCH),
        (KeylessIdentity(issuer=GITHUB, subject=WORKFLOW + "x"), Reason.IDENTITY_MISMATCH),
        (KeylessIdentity(issuer=GITHUB, subject_pattern="github.com/acme"), Reason.IDENTITY_MISMATCH),
        (KeylessIdentity(issuer=GITHUB + "/", subject=WORKFLOW), Reason.ISSUER_MISMATCH),
        (KeylessIdentity(issuer_pattern="https://token", subject=WORKFLOW), Reason.ISSUER_MISMATCH),
        (KeylessIdentity(issuer=GITHUB), Reason.IDENTITY_MISMATCH),  # nobody is not everybody
        (KeylessIdentity(subject=WORKFLOW), Reason.ISSUER_MISMATCH),
    ],
)
def test_identity_and_issuer_have_to_be_the_wanted_ones(identity: KeylessIdentity, expected: Reason | None) -> None:
    """RT-18, RT-19, formats of peers: an unanchored pattern would take `evil.example/?https://github.com/acme`."""
    assert reason(identity, finding()) is expected
    assert identity.until(finding()) is None


def test_every_demanded_extension_has_to_be_stated() -> None:
    seen = finding(extensions=(("buildTrigger", "push"), ("sourceRepositoryURI", "https://github.com/acme/api")))

    def demanding(**extensions: str) -> KeylessIdentity:
        return KeylessIdentity(issuer=GITHUB, subject=WORKFLOW, extensions=tuple(sorted(extensions.items())))

    assert reason(demanding(buildTrigger="push"), seen) is None
    assert reason(demanding(buildTrigger="pull_request"), seen) is Reason.EXTENSION_MISMATCH
    assert reason(demanding(buildTrigger="push", runnerEnvironment="github-hosted"), seen) is Reason.EXTENSION_MISMATCH


def test_evidence_without_an_identity_is_nobodys() -> None:
    assert reason(KeylessIdentity(issuer=GITHUB, subject=WORKFLOW), finding(BARE)) is Reason.IDENTITY_MISMATCH
    assert reason(KeylessIdentity(issuer_pattern="a?", subject=""), finding(identity="")) is Reason.IDENTITY_MISMATCH


# --- signers ---


def test_a_finding_under_another_anchor_is_by_somebody_else() -> None:
    signer = Signer(name="ci", anchor=KEYLESS, identity=KeylessIdentity(issuer=GITHUB, subject=WORKFLOW))
    assert signer.shortfall(finding(), NOW) is None
    other = signer.shortfall(finding(KeylessAnchor(root=ROOT.id, sct=False)), NOW)
    assert other is not None
    assert other.reason is Reason.WRONG_KEY


def notation(**changes: Any) -> Signer:
    statement = NotationStatement(name="p", stores=(STORE.id,), **changes)
    return Signer(name="vendor", anchor=NotationAnchor(statements=(statement,)), identity=NotationIdentity())


def test_notation_identities_are_the_anchors_matter() -> None:
    signer = notation()
    assert signer.shortfall(finding(signer.anchor), NOW) is None
    assert signer.identity.until(finding(signer.anchor)) is None


def test_only_a_trust_policy_of_level_skip_skips() -> None:
    assert notation(skip=True, scopes=("registry.test/a",)).skips("registry.test/a")
    assert not notation(skip=True, scopes=("registry.test/a",)).skips("registry.test/b")
    assert not notation().skips("registry.test/a")
    assert not Signer(name="release", anchor=BARE).skips("registry.test/a")


SIGNERS = [
    Signer(name="bare", anchor=BARE),
    Signer(name="window", anchor=BARE, identity=KeyIdentity(valid_from=NOW, valid_until=NOW + DAY, revoked_at=NOW)),
    Signer(name="logged", anchor=LOGGED),
    Signer(name="exact", anchor=KEYLESS, identity=KeylessIdentity(issuer=GITHUB, subject=WORKFLOW)),
    Signer(
        name="patterns",
        anchor=KeylessAnchor(root=ROOT.id, log=Log.NONE, stamps=Stamps.REQUIRED, sct=False),
        identity=KeylessIdentity(
            issuer_pattern="https://a.*", subject_pattern="b.*", extensions=(("buildTrigger", "push"),)
        ),
    ),
    notation(expiry=Action.LOG, identities=((("C", "US"), ("ST", "WA"), ("O", "acme")),)),
]


@pytest.mark.parametrize("signer", SIGNERS, ids=lambda signer: signer.name)
def test_a_signer_comes_back_from_its_canonical_form(signer: Signer) -> None:
    form = signer.canonical(TRUST.names())
    assert rebuilt(signer.name, form, TRUST) == signer
    assert rebuilt(signer.name, form, TRUST).canonical(TRUST.names()) == form


def test_a_bare_key_keeps_the_form_that_it_always_had() -> None:
    """Policies that only name keys keep their digests."""
    assert set(SIGNERS[0].canonical({})) == {"key", "tlog"}


@pytest.mark.parametrize("signer", SIGNERS[2:], ids=lambda signer: signer.name)
def test_a_form_that_names_unknown_trust_is_refused(signer: Signer) -> None:
    with pytest.raises(KeyError):
        rebuilt(signer.name, signer.canonical(TRUST.names()), Trust())
