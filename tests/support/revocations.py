"""Revocation lists and OCSP answers of every form, and a server for them on loopback."""

import base64
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

from asn1crypto import ocsp as asn1_ocsp
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID

from support import pki
from support.notary import NOW

HOUR = timedelta(hours=1)


def crl_marks(*points: Sequence[str], **more: Any) -> tuple[pki.Marked, ...]:
    """Return the extension that names lists: each argument one list with its addresses."""
    return ((x509.CRLDistributionPoints([_point(each, **more) for each in points]), False),)


def freshest_marks(*points: Sequence[str]) -> tuple[pki.Marked, ...]:
    """Return the extension that names lists of changes."""
    return ((x509.FreshestCRL([_point(each) for each in points]), False),)


def ocsp_marks(*urls: str) -> tuple[pki.Marked, ...]:
    """Return the extension that names OCSP responders."""
    return (
        (
            x509.AuthorityInformationAccess(
                [
                    x509.AccessDescription(AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier(each))
                    for each in urls
                ]
            ),
            False,
        ),
    )


def _point(urls: Sequence[str], **more: Any) -> x509.DistributionPoint:
    names = [x509.UniformResourceIdentifier(each) for each in urls]
    return x509.DistributionPoint(names, None, more.get("reasons"), more.get("crl_issuer"))


@dataclass(frozen=True, kw_only=True)
class Gone:
    """An entry of a list."""

    serial: int
    reason: x509.ReasonFlags | None = None
    invalid_since: datetime | None = None
    at: datetime = NOW - 10 * HOUR
    more: tuple[pki.Marked, ...] = ()


def crl(
    by: pki.Party,
    *gone: Gone,
    until: datetime = NOW + HOUR,
    since: datetime = NOW - HOUR,
    number: int | None = 5,
    base: int | None = None,
    marks: Iterable[pki.Marked] = (),
    issuer: x509.Name | None = None,
    algorithm: hashes.HashAlgorithm | None = None,
) -> bytes:
    """Return a revocation list (DER). With `base` it is one of changes."""
    builder = x509.CertificateRevocationListBuilder().issuer_name(issuer or by.x509.subject)
    builder = builder.last_update(since).next_update(until)
    extensions = [*marks]
    if number is not None:
        extensions.append((x509.CRLNumber(number), False))
    if base is not None:
        extensions.append((x509.DeltaCRLIndicator(base), True))
    for value, critical in extensions:
        builder = builder.add_extension(value, critical)
    for each in gone:
        entry = x509.RevokedCertificateBuilder().serial_number(each.serial).revocation_date(each.at)
        if each.reason is not None:
            entry = entry.add_extension(x509.CRLReason(each.reason), critical=False)
        if each.invalid_since is not None:
            entry = entry.add_extension(x509.InvalidityDate(each.invalid_since), critical=False)
        for value, critical in each.more:
            entry = entry.add_extension(value, critical)
        builder = builder.add_revoked_certificate(entry.build())
    return builder.sign(by.key, algorithm or hashes.SHA256()).public_bytes(Encoding.DER)


def scope(**how: Any) -> tuple[pki.Marked, ...]:
    """Return the extension that narrows a list."""
    values: dict[str, Any] = {
        "full_name": None,
        "relative_name": None,
        "only_contains_user_certs": False,
        "only_contains_ca_certs": False,
        "only_some_reasons": None,
        "indirect_crl": False,
        "only_contains_attribute_certs": False,
    } | how
    return ((x509.IssuingDistributionPoint(**values), True),)


def responder(by: pki.Party, *, nocheck: bool = True, marks: Iterable[pki.Marked] = (), **how: Any) -> pki.Party:
    """Return a certificate that answers in the place of `by`."""
    exempt: tuple[pki.Marked, ...] = ((x509.OCSPNoCheck(), False),) if nocheck else ()
    purpose = (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.OCSP_SIGNING]), False)
    return by.issue(
        pki.name("responder", o="acme"), ((pki.usage("digital_signature"), True), purpose, *exempt, *marks), **how
    )


def answer(
    about: pki.Party,
    *,
    by: pki.Party | None = None,
    status: ocsp.OCSPCertStatus = ocsp.OCSPCertStatus.GOOD,
    until: datetime | None = NOW + HOUR,
    since: datetime = NOW - HOUR,
    issuer: pki.Party | None = None,
    certificate: pki.Party | None = None,
    embed: Sequence[pki.Party] | None = None,
    invalid_since: datetime | None = None,
    algorithm: hashes.HashAlgorithm | None = None,
    marks: Iterable[pki.Marked] = (),
    hashed: hashes.HashAlgorithm | None = None,
) -> bytes:
    """Return an OCSP answer (DER).

    Args:
        about: Whose standing is asked.
        by: Who answers; None: the issuer.
        status: What is said.
        until: nextUpdate.
        since: thisUpdate.
        issuer: Whom the certificate is said to be from.
        certificate: Another certificate than was asked about.
        embed: Certificates that come along; None: the responder's where it is not the issuer.
        invalid_since: An invalidity date on a revocation.
        algorithm: Hash of the signature.
        marks: Extensions of the answer.
        hashed: Hash in the certificate's id.
    """
    above = about.above
    assert above is not None
    who = by or above
    revoked = status is ocsp.OCSPCertStatus.REVOKED
    builder = ocsp.OCSPResponseBuilder().add_response(
        (certificate or about).x509,
        (issuer or above).x509,
        hashed or hashes.SHA1(),
        status,
        since,
        until,
        NOW - 10 * HOUR if revoked else None,
        x509.ReasonFlags.key_compromise if revoked else None,
    )
    builder = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, who.x509)
    along = ([] if who is above else [who]) if embed is None else embed
    if along:
        builder = builder.certificates([each.x509 for each in along])
    for value, critical in marks:
        builder = builder.add_extension(value, critical)
    used = algorithm or hashes.SHA256()
    made = builder.sign(who.key, used).public_bytes(Encoding.DER)
    return made if invalid_since is None else _dated(made, who, invalid_since, used)


def _dated(made: bytes, who: pki.Party, moment: datetime, used: hashes.HashAlgorithm) -> bytes:
    """Add an invalidity date, which the builder does not offer, and sign anew."""
    whole = asn1_ocsp.OCSPResponse.load(made)
    basic = whole["response_bytes"]["response"].parsed
    body = basic["tbs_response_data"]
    body["responses"][0]["single_extensions"] = [{"extn_id": "invalidity_date", "extn_value": moment}]
    basic["signature"] = pki.sign(who.key, body.dump(force=True), used)
    new = asn1_ocsp.OCSPResponse(
        {
            "response_status": "successful",
            "response_bytes": {"response_type": "basic_ocsp_response", "response": basic.untag()},
        }
    )
    return new.dump(force=True)


@dataclass(kw_only=True)
class Publisher:
    """What is served at a path, and what was asked. `url(path)` is where."""

    port: int = 0
    answers: dict[str, Callable[[bytes], tuple[int, bytes]]] = field(default_factory=dict)
    asked: list[tuple[str, str, bytes]] = field(default_factory=list)
    """Method, path without an OCSP request, and that request."""

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}/{path}"

    def put(self, path: str, body: bytes, status: int = 200) -> str:
        """Serve these bytes; returns the address."""
        self.answers[f"/{path}"] = lambda _request: (status, body)
        return self.url(path)


@contextmanager
def publisher() -> Iterator[Publisher]:
    """Run a server for lists and answers."""
    state = Publisher()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            path, request = self.path, b""
            if self.headers.get("Accept") == "application/ocsp-response":
                path, _, encoded = self.path.rpartition("/")
                request = base64.b64decode(unquote(encoded), validate=True)
            state.asked.append((self.command, path, request))
            status, body = state.answers.get(path, lambda _request: (404, b""))(request)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = handle_any  # noqa: N815  # the name that the base class calls

        def log_message(self, *args: object) -> None:
            """Stay silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    state.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
