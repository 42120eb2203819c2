"""RT-14: a threshold that anybody meets, or that nobody can, is refused when it is read (CVE-2026-23992)."""

import pytest

from preverify.model.errors import BadConfiguration
from preverify.policy.policies import PolicySet
from support.fixtures import FIXTURES
from support.policies import pem, policy_set, policy_text

RULES = ["signature: {by: %s}", "attestation: {type: vuln, by: %s}"]


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize(
    "by",
    [
        "{atLeast: 0, of: [release, vendor]}",
        "{atLeast: -1, of: [release, vendor]}",
        "{atLeast: 3, of: [release, vendor]}",
        "{atLeast: 2, of: [release, release-again]}",
        "{atLeast: 2, of: [release, release]}",
        "{all: [release, release-again]}",
        "{atLeast: 1, of: []}",
        "{any: []}",
        "{all: []}",
        "{atLeast: 1}",
        "{of: [release]}",
        "{}",
        "{atLeast: 1.0, of: [release]}",
        "{atLeast: '1', of: [release]}",
        "{atLeast: true, of: [release]}",
        "{atLeast: null, of: [release]}",
        "{any: [release], atLeast: 0, of: [release]}",
        "null",
        "release",
    ],
)
def test_the_policy_does_not_load(rule: str, by: str) -> None:
    with pytest.raises(BadConfiguration):
        policy_set(policy_text(f"[{{name: a, {rule % by}}}]"))


@pytest.mark.parametrize("rule", RULES)
def test_the_least_and_the_most_that_make_sense_load(rule: str) -> None:
    for by in (
        "{atLeast: 1, of: [release, vendor]}",
        "{atLeast: 2, of: [release, vendor]}",
        "{all: [release, vendor]}",
    ):
        assert len(policy_set(policy_text(f"[{{name: a, {rule % by}}}]")).policies) == 1


CERTIFIED = """
apiVersion: preverify/v1
kind: Trust
metadata: {name: t}
spec:
  roots: {stack: {file: trusted_root.json}, own: {authorities: [{files: [ca-root.pem, ca-intermediate.pem]}]}}
  stores: {"ca:vendor": {files: [notation-root.pem]}}
---
apiVersion: preverify/v1
kind: Signers
metadata: {name: s}
spec:
  key: {key: {file: release.pub}, tlog: none}
  logged: {key: {file: release.pub}, tlog: required, trust: stack}
  stamped: {key: {file: release.pub}, tlog: none, timestamps: required, trust: stack}
  dated: {key: {file: release.pub, validUntil: "2027-01-01T00:00:00Z"}, tlog: none}
  alice: {keyless: {issuer: "https://i.test", subject: alice@acme.test, trust: stack}}
  alice-again: {keyless: {issuer: "https://i.test", subject: alice@acme.test, trust: stack}}
  bob: {keyless: {issuer: "https://i.test", subject: bob@acme.test, trust: stack}}
  vendor: {notation: {stores: ["ca:vendor"], identities: ["*"]}}
  vendor-again: {notation: {stores: ["ca:vendor"], identities: ["*"]}}
"""


def certified(by: str) -> int:
    """Load a policy over signers of every kind."""

    def read(name: str) -> bytes:
        return pem("release") if name == "release.pub" else (FIXTURES / "trust" / name).read_bytes()

    return len(
        policy_set(policy_text(f"[{{name: a, signature: {{by: {by}}}}}]"), signers=CERTIFIED, reader=read).policies
    )


@pytest.mark.parametrize(
    "by",
    [
        "{all: [key, logged]}",
        "{all: [key, stamped]}",
        "{all: [logged, stamped]}",
        "{all: [key, dated]}",
        "{atLeast: 2, of: [key, logged, stamped, dated]}",
        "{all: [alice, alice-again]}",
        "{all: [vendor, vendor-again]}",
        "{atLeast: 3, of: [alice, alice-again, bob]}",
        "{atLeast: 5, of: [key, logged, alice, alice-again, bob, vendor, vendor-again]}",
    ],
)
def test_one_key_or_identity_under_several_names_or_demands_is_one(by: str) -> None:
    with pytest.raises(BadConfiguration, match="are one"):
        certified(by)


@pytest.mark.parametrize(
    "by",
    [
        "{all: [key, alice]}",
        "{all: [alice, bob, vendor, key]}",
        "{atLeast: 4, of: [key, logged, alice, alice-again, bob, vendor, vendor-again]}",
    ],
)
def test_distinct_ones_of_all_kinds_load(by: str) -> None:
    assert certified(by) == 1


@pytest.mark.parametrize("needed", [b"0", b"-1", b"3", b"1.5", b'"1"', b"true", b"null"])
def test_a_stored_policy_set_is_held_to_the_same(needed: bytes) -> None:
    document = policy_set(policy_text("[{name: a, signature: {by: {all: [release, vendor]}}}]")).document
    assert b'"atLeast":2' in document
    with pytest.raises(BadConfiguration):
        PolicySet.from_document(document.replace(b'"atLeast":2', b'"atLeast":' + needed))
