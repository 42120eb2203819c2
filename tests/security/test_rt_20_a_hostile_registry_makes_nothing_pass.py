"""RT-20: a registry that lies, stalls, swaps and breaks off makes no image pass (CVE-2022-47633).

Block R of the programme. For each kind of evidence there is an image that passes by it, and by nothing else. Then one
thing that the registry says is false, for each of its answers in turn; and evidence is served that is right elsewhere.
"""

import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
import yaml

from preverify import pipeline
from preverify.model.digest import Digest
from preverify.model.dsse import IN_TOTO_PAYLOAD
from preverify.model.errors import BadInput, MalformedEvidence, NotFound, Unavailable
from preverify.model.evidence import Image
from preverify.model.reference import Reference, Repository, Subject
from preverify.model.verdicts import Outcome, Verdict
from preverify.policy.documents import load
from preverify.policy.policies import PolicySet
from preverify.registry.client import Limits
from preverify.registry.engine import Timeouts
from support import notary, pki, signed
from support.clock import Stopped
from support.hostile import (
    DSSE,
    OCI_MANIFEST,
    SIMPLE_SIGNING,
    Fault,
    Hostile,
    Reply,
    body,
    header,
    redirect,
    status,
    with_reply,
)
from support.recorded import KEYLESS, Instance, as_pem
from support.registry_clients import QUICK as PATIENT
from support.registry_clients import eavesdropper, remote

NOTATION, IN_TOTO = "application/vnd.cncf.notary.signature", "application/vnd.in-toto+json"
OWN = Instance()
LEAF = OWN.leaf()
NOW = notary.NOW
QUICK = Timeouts(connect=timedelta(seconds=1), idle=timedelta(milliseconds=300), total=timedelta(milliseconds=600))
IDENTITY = "x509.subject: C=US, ST=WA, O=acme, CN=acme signer"


def policies(demand: dict[str, Any]) -> PolicySet:
    trust = {**OWN.trust, "stores": {"ca:vendor": {"files": ["vendor.pem"]}}}
    specs = {
        "Trust": trust,
        "Signers": {
            "ci": {"keyless": KEYLESS},
            "release": {"key": {"file": "keys/ec1.pub"}, "tlog": "none"},
            "vendor": {"notation": {"stores": ["ca:vendor"], "identities": [IDENTITY]}},
        },
        "Policy": {"images": ["**"], "require": [{"name": "demanded", **demand}]},
    }
    documents = [
        {"apiVersion": "preverify/v1", "kind": kind, "metadata": {"name": "t"}, "spec": spec}
        for kind, spec in specs.items()
    ]
    files = {**OWN.files, "vendor.pem": as_pem(notary.ROOT.der), "keys/ec1.pub": _EC1}
    return load([("t.yaml", yaml.safe_dump_all(documents).encode())], files.__getitem__)


_EC1 = (signed.FIXTURES / "keys" / "ec1.pub").read_bytes()


# --- evidence beside an image, one kind at a time


def image_of(registry: Hostile, digest: str) -> Image:
    kind, manifest = registry.manifests["a/b"][digest]
    return Image(
        subject=Subject(Repository(registry.host, "a/b"), Digest.parse(digest)), manifest=manifest, media_type=kind
    )


def tag_of(digest: str, end: str) -> str:
    return digest.replace(":", "-") + end


def layer(registry: Hostile, digest: str, at: str) -> None:
    found = OWN.layer(LEAF, body=signed.compact(signed.payload(Digest.parse(digest))))
    registry.layers("a/b", tag_of(at, ".sig"), SIMPLE_SIGNING, [found.body], **dict(found.annotations))


def bundle(registry: Hostile, digest: str, at: str) -> None:
    document = OWN.bundle(LEAF, content=image_of(registry, digest).manifest, stamped=pki.SIGNED_AT)
    registry.referrer("a/b", at, signed.compact(document))


def key_bundle(registry: Hostile, digest: str, at: str) -> None:
    envelope = signed.envelope(signed.statement(Digest.parse(digest), signed.COSIGN_SIGN))
    registry.referrer("a/b", at, signed.compact(signed.bundle({"dsseEnvelope": envelope})))


def attestation(registry: Hostile, digest: str, at: str) -> None:
    dsse = signed.envelope(signed.statement(Digest.parse(digest)))
    registry.layers("a/b", tag_of(at, ".att"), DSSE, [signed.compact(dsse)])


def envelope(make: Callable[..., bytes], kind: str) -> Callable[[Hostile, str, str], None]:
    def attach(registry: Hostile, digest: str, at: str) -> None:
        data = make(notary.payload(image_of(registry, digest)))
        document = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": {"mediaType": NOTATION, **registry.blob("a/b", b"{}")},
            "layers": [{"mediaType": kind, **registry.blob("a/b", data)}],
            "subject": {"mediaType": OCI_MANIFEST, "digest": at, "size": 1},
        }
        registry.put("a/b", document)

    return attach


Attach = Callable[[Hostile, str, str], None]
KEYED, CERTIFIED, VENDED = (policies({"signature": {"by": {"any": [name]}}}) for name in ("release", "ci", "vendor"))
ATTESTED = policies({"attestation": {"type": "vuln", "by": {"any": ["release"]}}})
KINDS: dict[str, tuple[Attach, PolicySet]] = {
    "tag by certificate": (layer, CERTIFIED),
    "bundle by certificate": (bundle, CERTIFIED),
    "bundle by key": (key_bundle, KEYED),
    "attestation by key": (attestation, ATTESTED),
    "notation jws": (envelope(notary.jws, "application/jose+json"), VENDED),
    "notation cose": (envelope(notary.cose, "application/cose"), VENDED),
}


@pytest.fixture
def registry() -> Iterator[Hostile]:
    with Hostile() as running:
        yield running


def decided(registry: Hostile, named: str, under: PolicySet, timeouts: Timeouts = PATIENT) -> Verdict | None:
    """Return the verdict on `a/b` with this tag or digest; None where the registry's answers end in no verdict."""
    separator = "@" if ":" in named else ":"
    ours = remote(registry.host, limits=Limits(timeouts=timeouts))
    reference = Reference.parse(f"{registry.host}/a/b{separator}{named}")
    try:
        return pipeline.verify_reference(ours, under, reference, clock=Stopped(NOW)).verdicts[0]
    except (Unavailable, MalformedEvidence, NotFound, BadInput):
        return None


def passes(registry: Hostile, named: str, under: PolicySet, timeouts: Timeouts = PATIENT) -> bool:
    verdict = decided(registry, named, under, timeouts)
    return verdict is not None and verdict.outcome is Outcome.PASSED


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_an_honest_registry_makes_it_pass(registry: Hostile, kind: str) -> None:
    attach, under = KINDS[kind]
    digest = registry.image("a/b", "t")
    assert not passes(registry, digest, under)
    attach(registry, digest, digest)
    assert passes(registry, digest, under)
    assert passes(registry, "t", under)


# --- R1: answers that are no answers, and answers that lie

LOGIN = b"<!doctype html><title>Sign in</title>"


def flipped(_seen: object, reply: Reply) -> Reply:
    """Turn one bit in the middle of the body; every header stays."""
    data = bytearray(reply.body)
    if data:
        data[len(data) // 2] ^= 1
    return with_reply(body=bytes(data))(_seen, reply)


FAULTS: dict[str, Fault] = {
    "404": status(404),
    "403": status(403),
    "429": status(429, {"Retry-After": "3600"}),
    "500": status(500),
    "503": status(503),
    "204": status(204),
    "login page": status(200, {"Content-Type": "text/html"}, LOGIN),
    "empty JSON": status(200, {"Content-Type": "application/json"}, b"{}"),
    "empty list": status(200, {"Content-Type": OCI_MANIFEST}, b"[]"),
    "null": status(200, {"Content-Type": OCI_MANIFEST}, b"null"),
    "nothing": body(b""),
    "one bit": flipped,
    "one byte more": lambda seen, reply: body(reply.body + b" ")(seen, reply),
    "broken off": with_reply(cut=20),
    "shorter than said": with_reply(length=1 << 30),
    "endless": with_reply(endless=True, body=b"x" * 65536),
    "no HTTP": with_reply(raw=b"hello\r\n\r\n"),
    "reset": with_reply(raw=b""),
    "stalled": with_reply(stall=5.0),
    "stops halfway": with_reply(stall=5.0, stall_after=10),
}


SLOW = ("stalled", "stops halfway")
HARMLESS = ("one bit", "one byte more")
"""In a list: nobody signs it, so that what it names has to hold by itself, and does."""
EVERYWHERE = [(kind, fault) for kind in sorted(KINDS) for fault in sorted(FAULTS) if fault not in SLOW]


@pytest.mark.parametrize(
    ("kind", "fault"),
    [*EVERYWHERE, *((kind, fault) for kind in ("tag by certificate", "bundle by key") for fault in SLOW)],
)
def test_no_answer_that_is_wrong_makes_anything_pass(registry: Hostile, kind: str, fault: str) -> None:
    """The image's manifest, the list of what stands beside it, its manifest, its bytes: each in turn."""
    attach, under = KINDS[kind]
    digest = registry.image("a/b", "t")
    attach(registry, digest, digest)
    listed, inner = "/referrers/|/manifests/sha256-", f"/manifests/sha256:(?!{digest[7:]})"
    places = [f"/manifests/{digest}$", "/blobs/"]
    places += [] if fault in HARMLESS else [listed]
    places += [inner] if registry.manifests["a/b"].keys() - set(registry.tags["a/b"].values()) else []
    begun = time.monotonic()
    for place in places:
        registry.heal()
        registry.fault("*", place, FAULTS[fault])
        assert not passes(registry, digest, under, QUICK), place
    assert time.monotonic() - begun < 20


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_answer_at_once(registry: Hostile, kind: str) -> None:
    attach, under = KINDS[kind]
    digest = registry.image("a/b", "t")
    attach(registry, digest, digest)
    for name, fault in FAULTS.items():
        if name in SLOW:
            continue
        registry.heal()
        registry.fault("*", "/v2/a/b/", fault)
        assert not passes(registry, digest, under, QUICK)
        assert not passes(registry, "t", under, QUICK)
    registry.heal()
    assert passes(registry, digest, under), "and nothing of it sticks"


# --- R2: elsewhere


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_evidence_from_elsewhere_is_not_even_asked_for(registry: Hostile, kind: str) -> None:
    attach, under = KINDS[kind]
    digest = registry.image("a/b", "t")
    attach(registry, digest, digest)
    with eavesdropper() as (host, heard):
        for where in (f"http://{host}/x", f"http://{host}@{registry.host}/x", "http://169.254.169.254/x", "file:///x"):
            registry.heal()
            registry.fault("GET", "/(referrers|blobs)/|/manifests/sha256-", redirect(where))
            assert not passes(registry, digest, under)
        registry.heal()
        registry.fault("GET", "/v2/a/b/", lambda seen, _reply: redirect(f"{registry.url}{seen.path}")(seen, _reply))
        assert not passes(registry, digest, under), "a redirect without end"
    assert not any("authorization" in each for each in heard)


# --- R3, R4: true evidence in the wrong place, and tags that move


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_true_evidence_of_another_image_does_not_count(registry: Hostile, kind: str) -> None:
    """The registry writes tags, lists and subjects; the signer wrote the digest."""
    attach, under = KINDS[kind]
    theirs, ours = registry.image("a/b", "theirs"), registry.image("a/b", "ours", content="2")
    attach(registry, theirs, ours)
    verdict = decided(registry, ours, under)
    assert verdict is not None
    assert verdict.outcome is Outcome.FAILED
    expected = {"bundle by certificate": "signature-invalid"}.get(kind, "subject-mismatch")
    assert verdict.rules[0].reason.value == expected
    assert not passes(registry, theirs, under)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_swapped_manifest_takes_no_evidence_with_it(registry: Hostile, kind: str) -> None:
    """By tag the hashed bytes are what is looked at; by digest other bytes are none."""
    attach, under = KINDS[kind]
    good, evil = registry.image("a/b", "t"), registry.image("a/b", "evil", content="evil")
    attach(registry, good, good)
    content = registry.manifests["a/b"][evil][1]
    for claimed in (good, evil, None):
        registry.heal()
        registry.fault("*", f"/manifests/(t|{good})$", body(content))
        registry.fault("*", f"/manifests/(t|{good})$", header("Docker-Content-Digest", claimed))
        assert not passes(registry, good, under)
        assert not passes(registry, "t", under)


@pytest.mark.parametrize("kind", sorted(KINDS))
@pytest.mark.parametrize("gap", range(5))
def test_a_tag_that_moves_meanwhile(registry: Hostile, kind: str, gap: int) -> None:
    """After so many requests the tag is another image: a verdict names what was hashed; only the good one passes."""
    attach, under = KINDS[kind]
    good, evil = registry.image("a/b", "t"), registry.image("a/b", "evil", content="evil")
    attach(registry, good, good)
    content, seen_so_far = registry.manifests["a/b"][evil][1], [0]

    def move(_seen: Any, reply: Reply) -> Reply:
        seen_so_far[0] += 1
        moved = seen_so_far[0] > gap and _seen.target.endswith("/manifests/t")
        return body(content)(_seen, header("Docker-Content-Digest", evil)(_seen, reply)) if moved else reply

    registry.fault("*", "", move)
    verdict = decided(registry, "t", under)
    if verdict is not None and verdict.outcome is Outcome.PASSED:
        assert str(verdict.subject.digest) == good


# --- what only looks like evidence


@pytest.mark.parametrize("listed", ["api", "fallback"])
@pytest.mark.parametrize("kind", [IN_TOTO, DSSE, "application/vnd.dev.sigstore.bundle.v0.3+json", "application/json"])
def test_an_artifact_type_signs_nothing(listed: str, kind: str) -> None:
    """An in-toto statement that nobody signed, under every type that signed ones have."""
    rule = policies({"attestation": {"type": "slsa-provenance", "by": {"any": ["release", "ci"]}}})
    with Hostile(referrers=listed == "api") as registry:
        digest = registry.image("a/b", "t")
        statement = signed.statement(Digest.parse(digest), "https://slsa.dev/provenance/v1")
        unsigned = {"payloadType": IN_TOTO_PAYLOAD, "payload": signed.b64(signed.compact(statement)), "signatures": []}
        forged = {**unsigned, "signatures": [{"keyid": "", "sig": signed.b64(bytes(70))}]}
        for data in (statement, unsigned, forged, signed.bundle({"dsseEnvelope": forged})):
            made = registry.referrer("a/b", digest, signed.compact(data), kind=kind, artifact_type=kind)
            if listed == "fallback":
                notes = {"dev.sigstore.bundle.predicateType": "https://slsa.dev/provenance/v1"}
                registry.fallback("a/b", digest, [registry.entry("a/b", made, artifactType=kind, annotations=notes)])
            verdict = decided(registry, digest, rule)
            assert verdict is not None
            assert verdict.outcome is Outcome.FAILED
