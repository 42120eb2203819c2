"""RT-29: whatever is raised inside a verifier, nothing is established and nothing passes (CVE-2026-44310)."""

import importlib.util
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from preverify import pipeline
from preverify.commands.app import run
from preverify.model.errors import MalformedEvidence
from preverify.model.evidence import Evidence
from preverify.model.reasons import Reason
from preverify.model.verdicts import Outcome
from preverify.verify import cosign_legacy, keyring, keys, signed_statement, sigstore_bundle
from support import signed
from support.deciding import decide

CASES = {
    "signature": ("legacy-key-ec1", {"signature": {"by": {"any": ["release"]}}}),
    "attestation": ("legacy-att-vuln", {"attestation": {"type": "vuln", "by": {"any": ["release"]}}}),
    "bundle": ("bundle-key-ec1", {"signature": {"by": {"any": ["release"]}}}),
}
CALLS: list[tuple[str, Any, str]] = [
    ("signature", cosign_legacy, "from_base64"),
    ("signature", cosign_legacy, "read_payload"),
    ("signature", cosign_legacy, "parse"),
    ("signature", cosign_legacy, "text_members"),
    ("signature", keyring.Keyring, "holders"),
    ("signature", keys, "_holds"),
    ("attestation", cosign_legacy, "parse_envelope"),
    ("attestation", cosign_legacy, "verify_statement"),
    ("attestation", signed_statement, "parse_statement"),
    ("bundle", sigstore_bundle, "parse"),
    ("bundle", sigstore_bundle, "_check_limits"),
    ("bundle", sigstore_bundle.Bundle, "model_validate"),
    ("bundle", sigstore_bundle, "read_envelope"),
    ("bundle", sigstore_bundle, "verify_statement"),
]
ERRORS = [
    ValueError("x"),
    TypeError("x"),
    KeyError("x"),
    RuntimeError("x"),
    RecursionError("x"),
    MemoryError("x"),
    AssertionError("x"),
    UnicodeError("x"),
    MalformedEvidence(Reason.PAYLOAD_MALFORMED, "x"),
]


@pytest.fixture(autouse=True)
def _fresh_keys() -> Iterator[None]:
    """Keys are prepared once; a prepared key would hide a broken call."""
    keys.prepared.cache_clear()
    yield
    keys.prepared.cache_clear()


@pytest.mark.parametrize(("which", "owner", "name"), CALLS, ids=[f"{c}-{n}" for c, _, n in CALLS])
def test_an_error_in_any_call_never_passes(which: str, owner: Any, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is a failed finding, or it leaves `verify` and the worker records `undecided` with `internal-error`."""
    case, rule = CASES[which]
    image, evidence = signed.image(case), signed.evidence(case)
    assert decide(image, evidence, rule, signers={"release": "ec1"}).outcome is Outcome.PASSED
    for error in ERRORS:
        keys.prepared.cache_clear()
        with monkeypatch.context() as patch:
            called = []
            patch.setattr(owner, name, raising(error, called))
            try:
                outcome = decide(image, evidence, rule, signers={"release": "ec1"}).outcome
            except type(error):
                outcome = Outcome.UNDECIDED
            assert called, "the call was never made: this test would prove nothing"
            assert outcome is not Outcome.PASSED


def raising(error: Exception, called: list[int]) -> Callable[..., Any]:
    def fail(*_: object, **__: object) -> None:
        called.append(1)
        raise error

    return fail


def test_what_libraries_raise_for_bad_bytes_is_a_finding_and_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    case, rule = CASES["bundle"]
    for error in (ValueError("bad"), TypeError("bad")):
        with monkeypatch.context() as patch:
            patch.setattr(sigstore_bundle.Bundle, "model_validate", raising(error, []))
            verdict = decide(signed.image(case), signed.evidence(case), rule, signers={"release": "ec1"})
        assert (verdict.outcome, verdict.reasons[0].reason) == (Outcome.FAILED, Reason.BUNDLE_MALFORMED)


def hostile() -> list[Evidence]:
    """Return evidence that has crashed other verifiers (CVE-2023-33199, CVE-2026-23831 and kin)."""
    documents: list[bytes] = [
        b"", b"null", b"[]", b"{}", b"0", b'""', b"[" * 100_000, b'{"a":' * 100_000, b"\xff" * 100,
        b'{"mediaType":null}', b'{"signatures":null,"payload":null,"payloadType":null}',
        b'{"payloadType":"x","payload":"","signatures":[null]}',
        b'{"payloadType":"x","payload":{},"signatures":{}}',
        b'{"critical":[]}', b'{"critical":{"image":[]}}', b'{"critical":{"image":{"docker-manifest-digest":[]}}}',
        b'{"_type":[],"subject":{},"predicateType":{}}', b"1e999", b"9" * 10_000,
    ]  # fmt: skip
    made = [make(d) for d in documents for make in (signed.legacy, signed.attestation, signed.bundled)]
    wrapped = [signed.envelope(d) for d in documents]
    made += [signed.attestation(e) for e in wrapped]
    made += [signed.bundled(signed.bundle({"dsseEnvelope": e})) for e in wrapped]
    return made


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
    for owner, name in ((keyring.Keyring, "holders"), (sigstore_bundle, "read_bundle"), (pipeline, "verify")):
        for error in (RuntimeError("x"), TypeError("x"), ERRORS[-1]):
            with monkeypatch.context() as patch:
                patch.setattr(owner, name, raising(error, []))
                assert run(arguments) != 0
    capsys.readouterr()
    assert run(arguments) == 0
