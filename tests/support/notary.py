"""Notation signatures of every form, and trust policies for them: what the tool writes, and what it never would."""

import base64
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import cbor2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from preverify.model.anchors import NotationAnchor, NotationStatement
from preverify.model.digest import Digest
from preverify.model.evidence import Evidence, Format, Image, Place
from preverify.model.findings import Finding
from preverify.model.reference import Repository, Subject
from preverify.model.trust import Store, Trust
from preverify.verify.formats import notation_cose, notation_jws
from preverify.verify.trusting import Trusting
from support import pki

NOW = pki.SIGNED_AT + timedelta(days=1)
PAYLOAD_TYPE = "application/vnd.cncf.notary.payload.v1+json"
PREFIX = "io.cncf.notary."
SIGNER_MARKS: tuple[pki.Marked, ...] = (
    (pki.usage("digital_signature"), True),
    (x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.CODE_SIGNING]), False),
)
YEARS = (datetime(2025, 1, 1, tzinfo=NOW.tzinfo), datetime(2035, 1, 1, tzinfo=NOW.tzinfo))
_COSE = {"PS256": -37, "PS384": -38, "PS512": -39, "ES256": -7, "ES384": -35, "ES512": -36}
_ALGORITHMS = {2048: "PS256", 3072: "PS384", 4096: "PS512", 256: "ES256", 384: "ES384", 521: "ES512"}

ROOT = pki.certificate(pki.name("acme root", c="US", st="WA", o="acme"), pki.ca_marks())
BETWEEN = ROOT.issue(pki.name("acme intermediate", c="US", st="WA", o="acme"), pki.ca_marks(0))


def signer(
    common: str = "acme signer",
    *,
    by: pki.Party = BETWEEN,
    marks: Iterable[pki.Marked] = SIGNER_MARKS,
    more: Iterable[pki.Marked] = (),
    valid: tuple[datetime, datetime] = YEARS,
    **how: Any,
) -> pki.Party:
    """Return a signing certificate below `by`."""
    return by.issue(pki.name(common, c="US", st="WA", o="acme"), (*marks, *more), valid=valid, **how)


SIGNER = signer()


def image(content: bytes = b'{"schemaVersion":2}', repository: str = "registry.test/shop/api") -> Image:
    """Return a subject."""
    subject = Subject(Repository.parse(repository), Digest.of(content))
    return Image(subject=subject, manifest=content, media_type="application/vnd.oci.image.manifest.v1+json")


IMAGE = image()


def payload(of: Image = IMAGE, **changes: Any) -> bytes:
    """Return what notation signs; `changes` replace members of the descriptor, None takes one away."""
    target = {"mediaType": of.media_type, "digest": str(of.subject.digest), "size": len(of.manifest), **changes}
    return json.dumps({"targetArtifact": {k: v for k, v in target.items() if v is not None}}).encode()


def algorithm_of(party: pki.Party) -> str:
    """Return the algorithm that a key dictates."""
    return _ALGORITHMS.get(party.key.key_size, "ES256")


def sign_raw(party: pki.Party, message: bytes, algorithm: str) -> bytes:
    """Sign as JWS and COSE do."""
    used = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}[algorithm[2:]]
    if isinstance(party.key, rsa.RSAPrivateKey):
        pss = padding.PSS(padding.MGF1(used), salt_length=used.digest_size)
        return party.key.sign(message, pss, used)
    size = (party.key.key_size + 7) // 8
    numbers = decode_dss_signature(pki.sign(party.key, message, used))
    return b"".join(number.to_bytes(size, "big") for number in numbers)


def attributes(at: datetime = pki.SIGNED_AT, **changes: Any) -> dict[str, Any]:
    """Return the signed attributes by their short names; `changes` replace, None takes away."""
    found: dict[str, Any] = {"signingScheme": "notary.x509", "signingTime": at, **changes}
    return {f"{PREFIX}{name}": value for name, value in found.items() if value is not None}


def critical_of(headers: Mapping[str, Any]) -> list[str]:
    """Return which attributes have to be marked critical."""
    names = ("signingScheme", "expiry", "authenticSigningTime")
    return [f"{PREFIX}{name}" for name in names if f"{PREFIX}{name}" in headers]


def url64(data: bytes) -> str:
    """Return base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def text_time(value: Any) -> Any:
    """Return a time as JWS has it."""
    return value.isoformat().replace("+00:00", "Z") if isinstance(value, datetime) else value


def jws(
    body: bytes | None = None,
    *,
    by: pki.Party = SIGNER,
    headers: Mapping[str, Any] | None = None,
    protected: Mapping[str, Any] | None = None,
    algorithm: str = "",
    chain: Sequence[bytes] | None = None,
    tsa: pki.Tsa | None = None,
    stamp: Mapping[str, Any] | None = None,
    unprotected: Mapping[str, Any] | None = None,
) -> bytes:
    """Return a JWS envelope.

    Args:
        body: The payload; None: `payload()`.
        by: Who signs.
        headers: Signed attributes; None: `attributes()`.
        protected: More protected headers, or other values for them.
        algorithm: What the signer says it is, and signs with.
        chain: Certificates; None: the signer's.
        tsa: Stamps the signature.
        stamp: Arguments of `Tsa.token`.
        unprotected: More unprotected headers, or other values for them.
    """
    signed_headers = dict(attributes() if headers is None else headers)
    says = algorithm or algorithm_of(by)
    whole = {"alg": says, "cty": PAYLOAD_TYPE, "crit": critical_of(signed_headers), **signed_headers}
    whole |= dict(protected or {})
    first = url64(json.dumps({k: text_time(v) for k, v in whole.items() if v is not None}).encode())
    second = url64(payload() if body is None else body)
    signature = sign_raw(by, f"{first}.{second}".encode(), says if says in _COSE else algorithm_of(by))
    header: dict[str, Any] = {"x5c": [base64.b64encode(each).decode() for each in by.chain if chain is None]}
    if chain is not None:
        header["x5c"] = [base64.b64encode(each).decode() for each in chain]
    if tsa is not None:
        token = tsa.token(signature, **(stamp or {}))
        header[f"{PREFIX}timestampSignature"] = base64.b64encode(token).decode()
    header |= dict(unprotected or {})
    return json.dumps({"payload": second, "protected": first, "header": header, "signature": url64(signature)}).encode()


def cbor_time(value: Any) -> Any:
    """Return a time as COSE has it."""
    return cbor2.CBORTag(1, int(value.timestamp())) if isinstance(value, datetime) else value


def cose(
    body: bytes | None = None,
    *,
    by: pki.Party = SIGNER,
    headers: Mapping[str, Any] | None = None,
    protected: Mapping[Any, Any] | None = None,
    chain: Sequence[bytes] | None = None,
    tsa: pki.Tsa | None = None,
    stamp: Mapping[str, Any] | None = None,
    unprotected: Mapping[Any, Any] | None = None,
    raw: bytes | None = None,
    tag: int | None = 18,
) -> bytes:
    """Return a COSE envelope; arguments as for `jws`. `raw` is the protected header; `tag` None: without one."""
    signed_headers = dict(attributes() if headers is None else headers)
    whole: dict[Any, Any] = {
        1: _COSE[algorithm_of(by)],
        2: critical_of(signed_headers),
        3: PAYLOAD_TYPE,
        **signed_headers,
        **dict(protected or {}),
    }
    encoded = cbor2.dumps({k: cbor_time(v) for k, v in whole.items() if v is not None}) if raw is None else raw
    content = payload() if body is None else body
    message = cbor2.dumps(["Signature1", encoded, b"", content])
    signature = sign_raw(by, message, algorithm_of(by))
    header: dict[Any, Any] = {33: list(by.chain if chain is None else chain)}
    if tsa is not None:
        header[f"{PREFIX}timestampSignature"] = tsa.token(signature, **(stamp or {}))
    header |= dict(unprotected or {})
    parts = [encoded, header, content, signature]
    return cbor2.dumps(parts if tag is None else cbor2.CBORTag(tag, parts))


def evidence(body: bytes, form: Format = Format.NOTATION_JWS) -> Evidence:
    """Return an envelope as it is found beside an image."""
    digest = Digest.of(body)
    media_type = "application/cose" if form is Format.NOTATION_COSE else "application/jose+json"
    return Evidence(
        format=form,
        manifest=digest,
        index=0,
        body=body,
        digest=digest,
        media_type=media_type,
        place=Place.REFERRERS_API,
    )


@pytest.fixture(params=["jws", "cose"])
def sign(request: pytest.FixtureRequest) -> Any:
    """Return a function that makes evidence in one of the two forms."""
    make = jws if request.param == "jws" else cose
    form = Format.NOTATION_JWS if request.param == "jws" else Format.NOTATION_COSE
    return lambda *args, **how: evidence(make(*args, **how), form)


def store(*certificates: bytes, kind: str = "ca", name: str = "main") -> Store:
    """Return a trust store."""
    return Store(kind=kind, name=name, certificates=certificates)


MAIN = store(ROOT.der)


def anchor(*stores: Store, **statement: Any) -> NotationAnchor:
    """Return a trust policy of one statement."""
    ids = tuple(each.id for each in stores or (MAIN,))
    return NotationAnchor(statements=(NotationStatement(name="p", stores=ids, **statement),))


def trusting(
    *anchors: NotationAnchor,
    stores: Sequence[Store] = (MAIN,),
    now: datetime = NOW,
    revocation: Sequence[Evidence] = (),
) -> Trusting:
    """Return what one verification trusts; without anchors, the one of `anchor(*stores)`."""
    return Trusting(anchors or (anchor(*stores),), trust=Trust(stores=tuple(stores)), now=now, revocation=revocation)


def verify(found: Evidence, under: Trusting | None = None, of: Image = IMAGE) -> tuple[Finding, ...]:
    """Verify one envelope."""
    module = notation_cose if found.format is Format.NOTATION_COSE else notation_jws
    return module.verify_evidence(found, of, under or trusting())


def only(found: tuple[Finding, ...]) -> Finding:
    """Return the one finding."""
    (finding,) = found
    return finding
