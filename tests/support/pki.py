"""A small certificate authority, certificate log and time stamp authority: tests can make what tools never would.

Everything is real: keys, signatures, DER. `Party.issue` makes any certificate below a party; `resigned` changes the
body of one and signs it anew, for forms that the builder refuses to write; `Tsa` answers RFC 3161 requests.
"""

import hashlib
import struct
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from asn1crypto import algos, cms, core, tsp
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID as Purpose

from preverify.model.trust import Authority, Log, Period

SIGNED_AT = datetime(2026, 3, 1, 12, 5, tzinfo=UTC)
"""The moment at which things are signed unless a test says otherwise; leaves are valid for minutes around it."""

FULCIO = "1.3.6.1.4.1.57264.1."
_ALWAYS = (datetime(2024, 1, 1, tzinfo=UTC), datetime(2049, 1, 1, tzinfo=UTC))
_LEAF = (SIGNED_AT - timedelta(minutes=5), SIGNED_AT + timedelta(minutes=5))
_SCT_LIST = x509.ObjectIdentifier("1.3.6.1.4.1.11129.2.4.2")

_USAGES = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)

Key = CertificateIssuerPrivateKeyTypes
Marked = tuple[x509.ExtensionType, bool]


@cache
def key(kind: str = "p256", name: str = "") -> Any:
    """Return a private key: `p256`, `p384`, `p521`, `ed25519`, `rsa2048`. One per kind and name in a test run."""
    curves = {"p256": ec.SECP256R1, "p384": ec.SECP384R1, "p521": ec.SECP521R1, "secp256k1": ec.SECP256K1}
    if kind in curves:
        return ec.generate_private_key(curves[kind]())
    return ed25519.Ed25519PrivateKey.generate() if kind == "ed25519" else rsa.generate_private_key(65537, int(kind[3:]))


def sign(secret: Any, message: bytes, algorithm: hashes.HashAlgorithm | None = None) -> bytes:
    """Sign as certificates and logs do: ECDSA by the curve unless told, PKCS#1 v1.5, Ed25519."""
    if isinstance(secret, ed25519.Ed25519PrivateKey):
        return secret.sign(message)
    chosen = algorithm or _hash_of(secret)
    if isinstance(secret, rsa.RSAPrivateKey):
        return secret.sign(message, padding.PKCS1v15(), chosen)
    return secret.sign(message, ec.ECDSA(chosen))


def _hash_of(secret: Any) -> hashes.HashAlgorithm:
    curve = getattr(getattr(secret, "curve", None), "name", "")
    return {"secp384r1": hashes.SHA384(), "secp521r1": hashes.SHA512()}.get(curve, hashes.SHA256())


def spki(secret: Any) -> bytes:
    """Return the public half as SubjectPublicKeyInfo."""
    return secret.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def name(common: str, **more: str) -> x509.Name:
    """Return a distinguished name; the empty one for an empty common name."""
    known = {
        "o": x509.NameOID.ORGANIZATION_NAME,
        "c": x509.NameOID.COUNTRY_NAME,
        "st": x509.NameOID.STATE_OR_PROVINCE_NAME,
    }
    parts = [x509.NameAttribute(known[each], value) for each, value in more.items()]
    return x509.Name([*parts, *([x509.NameAttribute(x509.NameOID.COMMON_NAME, common)] if common else [])])


def usage(*names: str) -> x509.KeyUsage:
    """Return a key usage with exactly these bits set."""
    return x509.KeyUsage(**{each: each in names for each in _USAGES})


def raw(oid: str, value: bytes) -> x509.UnrecognizedExtension:
    """Return an extension with these bytes as its value."""
    return x509.UnrecognizedExtension(x509.ObjectIdentifier(oid), value)


def utf8(text: str) -> bytes:
    """Return a DER UTF8String."""
    return core.UTF8String(text).dump()


def fulcio(issuer: str = "https://issuer.test", **facts: str) -> tuple[Marked, ...]:
    """Return the extensions of a Fulcio certificate: `.8`, and others by number (`_1="..."`, `_12="..."`)."""
    told = {"_8": issuer, **facts} if issuer else facts
    numbers = {int(each[1:]): value for each, value in told.items()}
    return tuple((raw(f"{FULCIO}{n}", utf8(v) if n > 7 else v.encode()), False) for n, v in sorted(numbers.items()))


CODE_LEAF: tuple[Marked, ...] = (
    (usage("digital_signature"), True),
    (x509.ExtendedKeyUsage([Purpose.CODE_SIGNING]), False),
)
TSA_LEAF: tuple[Marked, ...] = (
    (usage("digital_signature"), True),
    (x509.ExtendedKeyUsage([Purpose.TIME_STAMPING]), True),
)


def ca_marks(path_length: int | None = None) -> tuple[Marked, ...]:
    """Return the extensions of a certificate authority."""
    return ((x509.BasicConstraints(ca=True, path_length=path_length), True), (usage("key_cert_sign", "crl_sign"), True))


def uri_san(text: str) -> Marked:
    """Return the alternative name of a workflow."""
    return (x509.SubjectAlternativeName([x509.UniformResourceIdentifier(text)]), True)


def email_san(text: str) -> Marked:
    """Return the alternative name of a person."""
    return (x509.SubjectAlternativeName([x509.RFC822Name(text)]), True)


def username_san(value: bytes) -> Marked:
    """Return the alternative name that Fulcio gives user names; `value` is DER."""
    return (x509.SubjectAlternativeName([x509.OtherName(x509.ObjectIdentifier(f"{FULCIO}7"), value)]), True)


@dataclass(frozen=True, kw_only=True)
class Party:
    """A certificate and the key that belongs to it; `above` leads to the root."""

    x509: x509.Certificate
    key: Any
    above: "Party | None" = None

    @property
    def der(self) -> bytes:
        """Return the certificate."""
        return self.x509.public_bytes(Encoding.DER)

    @property
    def pem(self) -> bytes:
        """Return the certificate as text."""
        return self.x509.public_bytes(Encoding.PEM)

    @property
    def chain(self) -> tuple[bytes, ...]:
        """Return this certificate and those above, root last."""
        return (self.der, *(self.above.chain if self.above else ()))

    def authority(self, valid: Period | None = None) -> Authority:
        """Return what trusts this party."""
        return Authority(certificates=self.chain, valid=valid or Period())

    def issue(self, subject: x509.Name | str, extensions: Iterable[Marked], **how: Any) -> "Party":
        """Return a certificate below this one; `how` as in `certificate`."""
        return certificate(subject, extensions, by=self, **how)

    def signs(self, message: bytes) -> bytes:
        """Return a signature by this party's key."""
        return sign(self.key, message)


def certificate(
    subject: x509.Name | str,
    extensions: Iterable[Marked],
    *,
    by: Party | None = None,
    kind: str = "p256",
    secret: Any = None,
    valid: tuple[datetime, datetime] = _ALWAYS,
    serial: int | None = None,
    issuer: x509.Name | None = None,
    algorithm: hashes.HashAlgorithm | None = None,
) -> Party:
    """Return a certificate signed by `by`, by itself where there is none. `issuer` names somebody else on it.

    Without `secret` the key goes by the names of subject and issuer: two certificates with the same names share it.
    """
    own_name = name(subject) if isinstance(subject, str) else subject
    own_key = secret or key(kind, f"{own_name.rfc4514_string()} below {by.x509.subject.rfc4514_string() if by else ''}")
    signer = by.key if by else own_key
    builder = (
        x509.CertificateBuilder()
        .subject_name(own_name)
        .issuer_name(issuer or (by.x509.subject if by else own_name))
        .public_key(own_key.public_key())
        .serial_number(serial or x509.random_serial_number())
        .not_valid_before(valid[0])
        .not_valid_after(valid[1])
    )
    for value, critical in extensions:
        builder = builder.add_extension(value, critical)
    plain = isinstance(signer, ed25519.Ed25519PrivateKey)
    return Party(x509=builder.sign(signer, None if plain else algorithm or _hash_of(signer)), key=own_key, above=by)


def root(common: str = "test root", **how: Any) -> Party:
    """Return a self-signed authority."""
    return certificate(name(common, o="test"), ca_marks(), **how)


def intermediate(above: Party, common: str = "test intermediate", *, path_length: int | None = 0, **how: Any) -> Party:
    """Return an authority below another."""
    return above.issue(name(common, o="test"), ca_marks(path_length), **how)


def leaf(
    above: Party,
    subject: str = "https://github.test/o/r/.github/workflows/x.yml@refs/heads/main",
    *more: Marked,
    valid: tuple[datetime, datetime] = _LEAF,
    **how: Any,
) -> Party:
    """Return a certificate as Fulcio issues them: empty subject, one name, minutes of life. `more` are extensions."""
    return above.issue("", (*CODE_LEAF, uri_san(subject), *(more or fulcio())), valid=valid, **how)


_HASH_NAMES = {"sha1": hashes.SHA1(), "sha256": hashes.SHA256(), "md5": hashes.MD5()}


def resigned(
    party: Party,
    signer: Any,
    change: Callable[[Any], None] = lambda body: None,
    *,
    algorithm: str = "",
    alter: bytes = b"",
) -> Party:
    """Change the body of a certificate (an `asn1crypto` TbsCertificate) and sign it anew.

    Args:
        party: Whose certificate; the key stays.
        signer: Private key of who signs.
        change: What to do to the body.
        algorithm: An `asn1crypto` name such as `sha1_rsa` or `sha1_ecdsa`; empty: as it was.
        alter: Unused bytes to append to the signature.
    """
    old = asn1_x509.Certificate.load(party.der)
    body = old["tbs_certificate"].copy()
    if algorithm:
        body["signature"] = algos.SignedDigestAlgorithm({"algorithm": algorithm})
    change(body)
    used = _HASH_NAMES.get(algorithm.partition("_")[0])
    new = asn1_x509.Certificate(
        {
            "tbs_certificate": body,
            "signature_algorithm": body["signature"],
            "signature_value": sign(signer, body.dump(), used) + alter,
        }
    )
    with warnings.catch_warnings():  # the library says so of forms that tests are about
        warnings.simplefilter("ignore")
        loaded = x509.load_der_x509_certificate(new.dump(force=True))
    return Party(x509=loaded, key=party.key, above=party.above)


# --- certificate transparency ---


@dataclass(frozen=True, kw_only=True)
class CtLog:
    """A certificate log that signs whatever it is given."""

    key: Any
    valid: Period = field(default_factory=Period)

    @property
    def log(self) -> Log:
        """Return what trusts this log."""
        return Log(key=spki(self.key), id=self.id, valid=self.valid)

    @property
    def id(self) -> bytes:
        """Return the log's id."""
        return hashlib.sha256(spki(self.key)).digest()

    def sct(self, precertificate: bytes, issuer: Party, at: datetime = SIGNED_AT, extensions: bytes = b"") -> bytes:
        """Return a signed certificate timestamp over a TBSCertificate without the list of them."""
        millis = int(at.timestamp() * 1000)
        issuer_hash = hashlib.sha256(spki(issuer.key)).digest()
        length = len(precertificate).to_bytes(3, "big")
        tail = len(extensions).to_bytes(2, "big") + extensions
        signed = struct.pack(">BBQH", 0, 0, millis, 1) + issuer_hash + length + precertificate + tail
        signature = sign(self.key, signed, hashes.SHA256())
        kind = 1 if isinstance(self.key, rsa.RSAPrivateKey) else 3
        algorithm = b"\x08\x07" if isinstance(self.key, ed25519.Ed25519PrivateKey) else bytes((4, kind))
        return (
            b"\x00"
            + self.id
            + struct.pack(">Q", millis)
            + tail
            + algorithm
            + struct.pack(">H", len(signature))
            + signature
        )


def logged(party: Party, issuer: Party, *makers: Callable[[bytes], bytes]) -> Party:
    """Return the certificate with the SCTs that `makers` make of its precertificate; with no maker, an empty list."""

    def embed(scts: list[bytes]) -> Party:
        listed = b"".join(struct.pack(">H", len(each)) + each for each in scts)
        value = core.OctetString(struct.pack(">H", len(listed)) + listed).dump()

        def change(body: Any) -> None:
            kept = [each for each in body["extensions"] if each["extn_id"].dotted != _SCT_LIST.dotted_string]
            added = asn1_x509.Extension(
                {"extn_id": _SCT_LIST.dotted_string, "extn_value": core.ParsableOctetString(value)}
            )
            body["extensions"] = asn1_x509.Extensions([*kept, added])

        return resigned(party, issuer.key, change)

    blank = embed([])
    precertificate = party.x509.tbs_certificate_bytes
    return embed([each(precertificate) for each in makers]) if makers else blank


# --- time stamps ---

_TST = "1.2.840.113549.1.9.16.1.4"


@dataclass(frozen=True, kw_only=True)
class Tsa:
    """A time stamp authority. Everything it writes can be bent by `stamp`'s arguments."""

    party: Party

    @property
    def authority(self) -> Authority:
        """Return what trusts this authority."""
        return self.party.authority()

    def response(self, signed: bytes, **how: Any) -> bytes:
        """Return a granted TimeStampResp; `how` as in `token`."""
        return granted(self.token(signed, **how))

    def token(
        self,
        signed: bytes,
        *,
        at: datetime = SIGNED_AT,
        imprint: str = "sha256",
        digest: bytes | None = None,
        accuracy: tsp.Accuracy | None = None,
        embed: Iterable[bytes] | None = None,
        ess: str = "v2",
        ess_of: bytes | None = None,
        hash_name: str = "sha256",
        content_type: str = _TST,
        sid: x509.Certificate | None = None,
        secret: Any = None,
        change: Callable[[Any], None] = lambda signed_data: None,
    ) -> bytes:
        """Return a bare TimeStampToken.

        Args:
            signed: What is stamped.
            at: The time in it.
            imprint: Name of the hash that stands in it.
            digest: The hash value, where it is to be wrong.
            accuracy: As it is to be written.
            embed: Certificates (DER) to put in; None: the signer's chain without the root.
            ess: `v1`, `v2`, or empty for no signing-certificate attribute.
            ess_of: Certificate that the attribute names.
            hash_name: Hash of content and attributes.
            content_type: What the content is said to be.
            sid: Certificate that the signer is named by.
            secret: Key that signs in place of the party's.
            change: Applied to the `asn1crypto` SignedData before it is written, to bend what no argument bends.
        """
        stamped = hashlib.new(imprint, signed).digest() if digest is None else digest
        info: dict[str, Any] = {
            "version": "v1",
            "policy": "1.2.3.4",
            "message_imprint": {"hash_algorithm": {"algorithm": imprint}, "hashed_message": stamped},
            "serial_number": 7,
            "gen_time": at,
        }
        if accuracy is not None:
            info["accuracy"] = accuracy
        content = tsp.TSTInfo(info).dump()
        named = ess_of or self.party.der
        attributes = [
            {"type": "content_type", "values": [content_type]},
            {"type": "message_digest", "values": [hashlib.new(hash_name, content).digest()]},
            *_ess(ess, named),
        ]
        signed_attributes = cms.CMSAttributes([cms.CMSAttribute(each) for each in attributes])
        secret = secret or self.party.key
        names = {"sha1": hashes.SHA1(), "sha256": hashes.SHA256(), "sha384": hashes.SHA384(), "sha512": hashes.SHA512()}
        subject = sid or self.party.x509
        named_issuer = asn1_x509.Certificate.load(subject.public_bytes(Encoding.DER)).issuer
        kind = f"{hash_name}_rsa" if isinstance(secret, rsa.RSAPrivateKey) else f"{hash_name}_ecdsa"
        signer = cms.SignerInfo(
            {
                "version": "v1",
                "sid": {"issuer_and_serial_number": {"issuer": named_issuer, "serial_number": subject.serial_number}},
                "digest_algorithm": {"algorithm": hash_name},
                "signed_attrs": signed_attributes,
                "signature_algorithm": {"algorithm": kind},
                "signature": sign(secret, signed_attributes.dump(), names[hash_name]),
            }
        )
        inside = self.party.chain[:-1] or self.party.chain if embed is None else tuple(embed)
        data: dict[str, Any] = {
            "version": "v3",
            "digest_algorithms": [{"algorithm": hash_name}],
            "encap_content_info": {"content_type": content_type, "content": core.ParsableOctetString(content)},
            "signer_infos": [signer],
        }
        if inside:
            data["certificates"] = [cms.CertificateChoices("certificate", _load(each)) for each in inside]
        signed_data = cms.SignedData(data)
        change(signed_data)
        return cms.ContentInfo({"content_type": "signed_data", "content": signed_data}).dump(force=True)


def _load(der: bytes) -> Any:
    return asn1_x509.Certificate.load(der)


def _ess(kind: str, der: bytes) -> list[dict[str, Any]]:
    if not kind:
        return []
    if kind == "v1":
        value = tsp.SigningCertificate({"certs": [{"cert_hash": hashlib.sha1(der).digest()}]})
        return [{"type": "signing_certificate", "values": [value]}]
    algorithm = kind.partition("-")[2] or "sha256"
    named: dict[str, Any] = {"cert_hash": hashlib.new(algorithm, der).digest()}
    if algorithm != "sha256":
        named["hash_algorithm"] = {"algorithm": algorithm}
    return [{"type": "signing_certificate_v2", "values": [tsp.SigningCertificateV2({"certs": [named]})]}]


def granted(token: bytes, status: int = 0) -> bytes:
    """Return a TimeStampResp with this status around a token."""
    answer = {"status": {"status": tsp.PKIStatus(status)}, "time_stamp_token": cms.ContentInfo.load(token)}
    return tsp.TimeStampResp(answer).dump()


def tsa(above: Party | None = None, *, marks: Iterable[Marked] = TSA_LEAF, **how: Any) -> Tsa:
    """Return a time stamp authority below `above`, else below a root of its own."""
    return Tsa(party=(above or root("tsa root")).issue(name("test tsa", o="test"), marks, **how))
