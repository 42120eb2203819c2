"""RT-24: an outdated signature fails under `strict`; `permissive` and `audit` give a finding that says so itself."""

from datetime import timedelta
from typing import Any

import pytest

from preverify.model.anchors import Action
from preverify.model.findings import Step
from preverify.model.reasons import Reason
from support import notary, pki
from support.notary import NOW, anchor, attributes, evidence, only, signer, trusting, verify

PERMISSIVE: dict[str, Any] = {"authentic_timestamp": Action.LOG, "expiry": Action.LOG, "revocation": Action.LOG}
AUDIT = {"authenticity": Action.LOG, **PERMISSIVE}
EXPIRED = evidence(notary.jws(headers=attributes(expiry=NOW - timedelta(hours=1))))
OLD_CERTIFICATE = evidence(notary.jws(by=signer("old", valid=(notary.YEARS[0], pki.SIGNED_AT + timedelta(hours=1)))))


@pytest.mark.parametrize(
    ("found", "reason"),
    [(EXPIRED, Reason.SIGNATURE_EXPIRED), (OLD_CERTIFICATE, Reason.CERTIFICATE_EXPIRED)],
    ids=["signature", "certificate"],
)
def test_outdated(found: Any, reason: Reason) -> None:
    strict = only(verify(found))
    assert (strict.step, strict.reason) == (Step.SUBJECT, reason)
    for level in (PERMISSIVE, AUDIT):
        finding = only(verify(found, trusting(anchor(**level))))
        assert finding.established
        assert finding.signing is not None
        assert [each.partition(":")[0] for each in finding.signing.degraded] == [reason.value]


def test_a_good_signature_is_not_degraded_by_a_lax_level() -> None:
    finding = only(verify(evidence(notary.jws()), trusting(anchor(**AUDIT))))
    assert finding.established
    assert finding.signing is not None
    assert finding.signing.degraded == ()
