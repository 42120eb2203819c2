"""BuildKit's statements: read, shown, and never worth anything."""

from typing import Any

import pytest

from preverify.model.digest import Digest
from preverify.model.evidence import DESCRIBED_CHILD, Evidence, Image
from preverify.model.findings import Claim, Finding, Step
from preverify.model.reasons import Reason
from preverify.policy.rules.evidence import Look
from support import signed
from support.policies import SUBJECT, one_policy
from support.predicates import changed, compact, document

CHILD = Digest.parse("sha256:e8275b2b76280af67e26f068e5d585eb905f8dfd2f1918b3229db98133cb4862")
OTHER = Digest.of(b"another child")
INDEX = Image(
    subject=SUBJECT,
    manifest=b"{}",
    media_type="application/vnd.oci.image.index.v1+json",
    children=(OTHER, CHILD),
)


def statement(body: bytes, entry: Digest | None = CHILD) -> Evidence:
    return signed.buildkit(body, *(((DESCRIBED_CHILD, str(entry)),) if entry is not None else ()))


def read(body: bytes | dict[str, Any], image: Image = INDEX, entry: Digest | None = CHILD) -> Finding:
    data = body if isinstance(body, bytes) else compact(body)
    (finding,) = signed.verify(image, [statement(data, entry)], [signed.key("ec1")])
    assert not finding.established
    assert finding.claim is Claim.ATTESTATION
    return finding


@pytest.mark.parametrize("name", ["buildkit-v0.2", "buildkit-v1"])
@pytest.mark.parametrize("entry", [CHILD, None])
def test_what_it_says_is_shown_and_establishes_nothing(name: str, entry: Digest | None) -> None:
    finding = read(document(name), entry=entry)
    assert (finding.step, finding.reason, finding.signer) == (Step.PARSED, Reason.NO_SIGNATURE, "")
    assert "signed by nobody" in finding.detail
    assert dict(finding.predicate)["source.uri"] == "https://github.com/moby/buildkit.git"
    assert finding.about == str(CHILD)
    assert len(finding.statement) == 64


def test_no_rule_takes_it_for_provenance() -> None:
    finding = read(document("buildkit-v0.2"))
    (rule,) = one_policy("[{name: built, attestation: {type: slsa-provenance, by: {any: [release]}}}]").rules
    result = rule.check(Look(findings=[finding], subject=SUBJECT))
    assert (result.outcome.value, result.reason.value) == ("failed", "no-signature")


def test_a_statement_about_the_subject_itself_names_no_child() -> None:
    whole = {**document("buildkit-v1"), "subject": [{"digest": {"sha256": SUBJECT.digest.hex}}]}
    assert read(whole, entry=None).about == ""


@pytest.mark.parametrize("entry", [OTHER, Digest.of(b"elsewhere")])
def test_entry_statement_and_index_have_to_name_the_same_image(entry: Digest) -> None:
    finding = read(document("buildkit-v1"), entry=entry)
    assert (finding.reason, finding.about, finding.predicate) == (Reason.SUBJECT_MISMATCH, "", ())
    assert str(CHILD) in finding.detail


def test_a_statement_about_no_image_of_the_index() -> None:
    lonely = Image(subject=SUBJECT, manifest=b"{}", media_type=INDEX.media_type, children=(OTHER,))
    assert read(document("buildkit-v1"), lonely, CHILD).reason is Reason.SUBJECT_MISMATCH


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff",
        b"{}",
        compact(document("buildkit-v1"))[:-1],
        compact(changed(document("buildkit-v1"), "buildDefinition/buildType", "")),
        compact({**document("buildkit-v1"), "subject": []}),
    ],
)
def test_what_is_no_statement_is_said_to_be_none(body: bytes) -> None:
    finding = read(body)
    assert (finding.reason, finding.step) == (Reason.STATEMENT_MALFORMED, Step.OBTAINED)
    assert finding.predicate == ()
