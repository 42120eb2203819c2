"""RT-29: whatever is raised inside a verifier, nothing is established and nothing passes (CVE-2026-44310)."""

import importlib.util
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from preverify import concluding
from preverify.commands.app import run
from preverify.model.errors import MalformedEvidence
from preverify.model.evidence import Evidence, Format
from preverify.model.reasons import Reason
from preverify.model.verdicts import Outcome
from preverify.verify.certificates import certificate as certificate_der
from preverify.verify.formats import sigstore_bundle
from preverify.verify.formats.cosign_legacy import CERTIFICATE_ANNOTATION, LOG_ANNOTATION, STAMP_ANNOTATION
from preverify.verify.keys import keyring
from preverify.verify.refusal import Refused
from support import notary, signed
from support.deciding import decide, decide_policies
from support.failing import ERRORS, called, failing, title
from support.fixtures import Seed, seed

CASES = {
    "signature": ("legacy-key-ec1", {"signature": {"by": {"any": ["release"]}}}),
    "attestation": ("legacy-att-vuln", {"attestation": {"type": "vuln", "by": {"any": ["release"]}}}),
    "bundle": ("bundle-key-ec1", {"signature": {"by": {"any": ["release"]}}}),
}
# Cases in which nothing is for choice: each call that is made is needed. What a call has to be among those that are
# found, so that a search that finds little is noticed.
NEEDED: dict[str, tuple[str, ...]] = {
    "legacy-key-ec1": (
        "formats.cosign_legacy: read_payload",
        "formats.cosign_legacy: conclude_bare",
        "keys.keyring: Keyring.holders",
        "keys.public_keys: _holds",
    ),
    "legacy-key-timestamp": (
        "sigstore.steps: check_response",
        "formats.cosign_legacy: exact_members",
        "stamps.responses: _check",
    ),
    "bundle-key-logged-rekor1": (
        "sigstore.steps: check_entry",
        "sigstore.steps: check_body",
        "sigstore.bundle_document: entry_from_bundle",
    ),
    "legacy-keyless-email": (
        "formats.cosign_legacy: parse_pem_chain",
        "formats.cosign_legacy: entry_from_annotation",
        "sigstore.steps: check_sct",
        "sigstore.steps: check_path",
        "sigstore.steps: identity_of",
        "sigstore.steps: leaf_verifies",
        "logs.witness: _check_promise",
    ),
    "bundle-keyless-email": (
        "formats.sigstore_bundle: read_bundle",
        "formats.sigstore_bundle: check_chain",
        "sigstore.bundle_document: read_envelope",
        "sigstore.signed_statement: read_statement",
        "logs.witness: open_checkpoint",
        "logs.witness: root_of",
        "stamps.responses: check_leaf",
        "certificates.scts: _verifies",
    ),
    "bundle-keyless-rekor1": ("logs.witness: _check_promise", "sigstore.steps: check_body"),
    "legacy-cert-expired-timestamped": ("sigstore.steps: check_path", "sigstore.steps: check_response"),
    "bundle-gh-good": ("sigstore.signed_statement: facts_of", "predicates.provenance_v1: read"),
    "legacy-att-vuln": (
        "formats.cosign_legacy: parse_envelope",
        "formats.cosign_legacy: verify_statement",
        "predicates.vulnerabilities: read",
    ),
    "notation-jws-timestamped": ("formats.notation_jws: verify_envelope", "notation.steps: check_token"),
    "notation-cose-crl-good": ("formats.notation_cose: decode", "notation.steps: check_chain", "revoked.crls: _read"),
    "notation-jws-identity-right": ("notation.steps: check_chain",),
}

DECIDES_NOTHING = ("verify.certificates.certificate: _label", "verify.revocation: ")
"""What only names a certificate for people, or says what to ask: a question that is not asked leaves something unknown,
and what is unknown denies. Here all that is known stands beside the evidence already."""


def ask(one: Seed) -> Outcome:
    """Decide a case; what leaves `verify` is what the worker records as `undecided` with `internal-error`."""
    try:
        return decide_policies(one.policies, one.image, (*_one_piece(one), *one.revocation)).outcome
    except tuple({type(error) for error in ERRORS}):
        return Outcome.UNDECIDED


def _one_piece(one: Seed) -> tuple[Evidence, ...]:
    """Return the first piece of evidence that is enough, so that no other can stand in for it."""
    for each in one.evidence:
        verdict = decide_policies(one.policies, one.image, (each, *one.revocation))
        if verdict.outcome is Outcome.PASSED:
            return (each,)
    raise AssertionError(f"{one.case} does not pass")


def campaign(case: str, errors: Callable[[int], Sequence[Exception]]) -> None:
    one = seed(case)
    assert one is not None
    assert ask(one) is Outcome.PASSED
    one = replace(one, evidence=_one_piece(one))
    places = called(lambda: ask(one))
    assert set(NEEDED[case]) <= {title(*place).removeprefix("verify.") for place in places}
    passed = []
    for number, place in enumerate(places):
        for error in errors(number):
            with failing(*place, error) as calls:
                outcome = ask(one)
            assert calls, f"{title(*place)} was never called: this would prove nothing"
            if outcome is Outcome.PASSED and not title(*place).startswith(DECIDES_NOTHING):
                passed.append((title(*place), repr(error)))
    assert not passed, passed


@pytest.mark.parametrize("case", NEEDED)
def test_an_error_in_any_call_never_passes(case: str) -> None:
    """It is a failed finding, or it leaves `verify` and the worker records `undecided` with `internal-error`.

    Each call gets one error of those that libraries raise and one of our own; the slow tier has all of them.
    """
    theirs = [error for error in ERRORS if not isinstance(error, Refused | MalformedEvidence)]
    ours = [error for error in ERRORS if error not in theirs]
    campaign(case, lambda n: (theirs[n % len(theirs)], ours[n % len(ours)]))


@pytest.mark.slow
@pytest.mark.parametrize("case", NEEDED)
def test_no_error_in_any_call_ever_passes(case: str) -> None:
    campaign(case, lambda n: ERRORS)


_UNREADABLE = (ValueError("bad"), TypeError("bad"), OverflowError("bad"))
LIBRARY: list[tuple[str, Any, str, tuple[Exception, ...], Reason]] = [
    ("bundle-keyless-email", certificate_der, "_read_body", _UNREADABLE, Reason.CERTIFICATE_INVALID),
    ("legacy-keyless-email", certificate_der, "_read_body", _UNREADABLE, Reason.CERTIFICATE_INVALID),
    ("notation-jws-rsa2048", certificate_der, "_read_body", _UNREADABLE, Reason.CERTIFICATE_INVALID),
]


@pytest.mark.parametrize(("case", "owner", "name", "errors", "reason"), LIBRARY, ids=[each[0] for each in LIBRARY])
def test_what_libraries_raise_for_bad_bytes_is_a_finding_and_no_error(
    case: str, owner: Any, name: str, errors: tuple[Exception, ...], reason: Reason
) -> None:
    one = seed(case)
    assert one is not None
    for error in errors:
        with failing(owner, name, error) as calls:
            verdict = decide_policies(one.policies, one.image, one.evidence)
        assert calls
        assert (verdict.outcome, verdict.reasons[0].reason) == (Outcome.FAILED, reason), repr(error)


def hostile() -> list[Evidence]:
    """Return evidence that has crashed other verifiers (CVE-2023-33199, CVE-2026-23831 and kin)."""
    documents: list[bytes] = [
        b"", b"null", b"[]", b"{}", b"0", b'""', b"[" * 100_000, b'{"a":' * 100_000, b"\xff" * 100,
        b'{"mediaType":null}', b'{"signatures":null,"payload":null,"payloadType":null}',
        b'{"payloadType":"x","payload":"","signatures":[null]}',
        b'{"payloadType":"x","payload":{},"signatures":{}}',
        b'{"critical":[]}', b'{"critical":{"image":[]}}', b'{"critical":{"image":{"docker-manifest-digest":[]}}}',
        b'{"_type":[],"subject":{},"predicateType":{}}', b"1e999", b"9" * 10_000,
        b'{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","verificationMaterial":[]}',
        b'{"payload":[],"protected":{},"header":null,"signature":0}', b'{"header":{"x5c":[null]}}',
        b"\x30\x84\xff\xff\xff\xff", b"\x30\x80" * 1000, b"\xd2\x84\x40\xa0\xf6\x40",
        b"\x9f" * 10_000, b"\xd2" * 10_000,
    ]  # fmt: skip
    makers = (signed.legacy, signed.attestation, signed.bundled, notary.evidence, _cose)
    made = [make(document) for document in documents for make in makers]
    made += _with_annotations(documents)
    wrapped = [signed.envelope(d) for d in documents]
    made += [signed.attestation(e) for e in wrapped]
    made += [signed.bundled(signed.bundle({"dsseEnvelope": e})) for e in wrapped]
    return made


def _cose(body: bytes) -> Evidence:
    return notary.evidence(body, Format.NOTATION_COSE)


def _with_annotations(documents: Sequence[bytes]) -> list[Evidence]:
    """Return good signatures whose annotations are hostile: what came with them is looked at by some anchors only."""
    (good,) = signed.evidence("legacy-keyless-email")
    names = (CERTIFICATE_ANNOTATION, LOG_ANNOTATION, STAMP_ANNOTATION)
    texts = [document.decode("latin-1") for document in documents if len(document) < 20_000]
    return [
        replace(good, annotations=(*(each for each in good.annotations if each[0] != name), (name, text)))
        for name in names[:2]
        for text in texts
    ] + [replace(good, annotations=(*good.annotations, (STAMP_ANNOTATION, text))) for text in texts]


@pytest.mark.parametrize("case", NEEDED)
def test_hostile_evidence_denies_alone_and_harms_nothing_beside_under_any_anchor(case: str) -> None:
    one = seed(case)
    assert one is not None
    for evidence, expected in ((hostile(), Outcome.FAILED), ([*hostile(), *one.evidence], Outcome.PASSED)):
        verdict = decide_policies(one.policies, one.image, (*evidence, *one.revocation))
        assert verdict.outcome is expected


@pytest.mark.parametrize("which", CASES)
def test_hostile_evidence_denies_alone_and_harms_nothing_beside(which: str) -> None:
    case, rule = CASES[which]
    image = signed.image(case)
    assert decide(image, hostile(), rule, signers={"release": "ec1"}).outcome is Outcome.FAILED
    beside = [*hostile(), *signed.evidence(case)]
    assert decide(image, beside, rule, signers={"release": "ec1"}).outcome is Outcome.PASSED


# --- the command line ---


@pytest.fixture(scope="module")
def registry() -> Iterator[str]:
    """Serve the fixtures on loopback."""
    spec = importlib.util.spec_from_file_location("corpus", signed.FIXTURES.parents[1] / "corpus.py")
    assert spec is not None
    assert spec.loader is not None
    corpus = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(corpus)
    with corpus.own_registry(signed.FIXTURES, referrers=True) as host:
        yield host


def raising(error: Exception) -> Callable[..., Any]:
    def fail(*_: object, **__: object) -> None:
        raise error

    return fail


@pytest.fixture
def arguments(registry: str, tmp_path: Path) -> list[str]:
    """Return a command line that ends well."""
    shutil.copyfile(signed.FIXTURES / "keys" / "ec1.pub", tmp_path / "ec1.pub")
    (tmp_path / "policy.yaml").write_text(
        "apiVersion: preverify/v1\nkind: Signers\nmetadata: {name: t}\n"
        "spec:\n  release: {key: {file: ec1.pub}, tlog: none}\n---\n"
        "apiVersion: preverify/v1\nkind: Policy\nmetadata: {name: t}\n"
        f'spec: {{images: ["{registry}/**"], require: [{{name: s, signature: {{by: {{any: [release]}}}}}}]}}\n'
    )
    case = signed.cases()["bundle-key-ec1"]
    reference = f"{registry}/{case['repo']}@{case['digest']}"
    return ["verify", reference, "--policy", str(tmp_path), "--plain-http", "--private", "--output", "json"]


def test_the_command_exits_zero_only_where_nothing_was_raised(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == 0
    for owner, name in ((keyring.Keyring, "holders"), (sigstore_bundle, "read_bundle"), (concluding, "verify")):
        for error in (RuntimeError("x"), TypeError("x"), ERRORS[-1]):
            with monkeypatch.context() as patch:
                patch.setattr(owner, name, raising(error))
                assert run(arguments) != 0
    capsys.readouterr()
    assert run(arguments) == 0
