"""RT-12, threat 14: what we signed says that a policy passed; as evidence it would make a policy pass by itself."""

from pathlib import Path

import pytest

from preverify.attest.att import tag
from preverify.attest.bundle import build
from preverify.clock import SystemClock
from preverify.model.digest import Digest
from preverify.model.reference import Reference, Repository, Subject
from preverify.model.verdicts import Outcome
from preverify.pipeline import verify_reference
from preverify.policy.documents import load
from preverify.registry import open_source
from preverify.settings import Source
from support.hostile import DSSE, Hostile
from support.statements import new_key, sealed

POLICY = b"""
apiVersion: preverify/v1
kind: Signers
metadata: {name: s}
spec: {verifier: {key: {file: signing.pub}, tlog: none}}
---
apiVersion: preverify/v1
kind: Policy
metadata: {name: p}
spec:
  images: ["**"]
  require:
    - name: looped
      attestation: {type: "https://slsa.dev/verification_summary/v1", by: {any: [verifier]}}
"""


@pytest.mark.parametrize("ours", [True, False])
@pytest.mark.parametrize("layout", ["att", "bundle"])
def test_a_policy_that_trusts_our_key_is_not_satisfied_by_our_own_statement(
    tmp_path: Path, ours: bool, layout: str
) -> None:
    """Under another key the same thing is somebody's attestation and counts: only our own loop is cut."""
    key = new_key(tmp_path)
    policies = load([("p.yaml", POLICY)], lambda name: (tmp_path / name).read_bytes())
    own = (key.public,) if ours else (new_key(tmp_path, "other").public,)
    with Hostile() as registry:
        subject = Subject(Repository(registry.host, "shop/api"), Digest.parse(registry.image("shop/api", "v1")))
        envelope = sealed(subject, key)
        if layout == "att":
            registry.layers("shop/api", tag(subject.digest), DSSE, [envelope])
        else:
            registry.referrer("shop/api", str(subject.digest), build(envelope, key.public))
        clock = SystemClock()
        source = Source(registry=registry.host, network="private", tls={"plainHttp": True})
        adapter = open_source("s", source, clock=clock, own_keys=own)
        seen = verify_reference(adapter, policies, Reference(subject.repository, "v1"), clock=clock)
    (verdict,) = seen.verdicts
    assert verdict.outcome is (Outcome.FAILED if ours else Outcome.PASSED)
    assert len(seen.gathered.evidence) == (0 if ours else 1)
    assert not (ours and (seen.gathered.foreign_bundle or seen.gathered.foreign_legacy))
