"""Notation signatures: the steps that both envelopes share."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from preverify.model.anchors import Action, NotationAnchor, NotationStatement
from preverify.model.digest import Digest
from preverify.model.distinguished_names import covers
from preverify.model.errors import BadInput, MalformedEvidence
from preverify.model.evidence import Evidence, Image
from preverify.model.findings import Claim, Finding, Signing, Step, TrustedTime
from preverify.model.reasons import Reason
from preverify.model.strict_json import parse
from preverify.model.trust import Trust
from preverify.verify.certificates.certificate import Certificate, authority_certificate
from preverify.verify.encodings.text import exact_members
from preverify.verify.notation.attributes import AUTHORITY, MAX_ENVELOPE_BYTES, PAYLOAD_TYPE, PREFIX, Envelope
from preverify.verify.notation.chains import (
    Chain,
    check_signature,
    check_stamping_chain,
    signer_of,
    signing_chain,
    subject_of,
)
from preverify.verify.refusal import Refused
from preverify.verify.report import Report, Signed
from preverify.verify.revoked.chain import Answers, check_chain
from preverify.verify.stamps.responses import Stamp, check_token
from preverify.verify.statements.statement import text_members
from preverify.verify.trusting import Trusting

_STORE_OF = {AUTHORITY: "signingAuthority"}
_UNSAID_ACCURACY = timedelta(seconds=1)
_TARGET = frozenset({"mediaType", "digest", "size", "annotations", "artifactType"})


def verify_envelope(
    evidence: Evidence, image: Image, trusting: Trusting, read: Callable[[bytes], Envelope]
) -> tuple[Finding, ...]:
    """Verify one envelope under every trust policy: one finding for each that has something to say here.

    Args:
        evidence: The envelope.
        image: What has to be signed.
        trusting: Trust policies, stores, time, revocation data.
        read: Reads the envelope's format.

    Raises:
        MalformedEvidence: the bytes are not of the format.

    Spec:
        Notary Project, trust store and trust policy, "Signature Verification details", in its order. Step (1) takes no
        trust policy and is done once; (2) to (5) are logged or skipped as the statement for the repository says.
    """
    report = Report(evidence=evidence, claim=Claim.SIGNATURE)
    if not trusting.notation:
        return report.failed(Step.OBTAINED, Reason.CERTIFICATE_UNTRUSTED, "no policy trusts Notation signatures")
    if len(evidence.body) > MAX_ENVELOPE_BYTES:
        return report.failed(Step.OBTAINED, Reason.TOO_LARGE, f"envelope of {len(evidence.body)} bytes")
    try:
        envelope = read(evidence.body)
        chain = intact(envelope)
    except Refused as error:
        return report.failed(Step.PARSED, error.reason, error.detail)
    under = _Under(report, envelope, chain, image, trusting, Answers(trusting.revocation))
    found = tuple(finding for anchor in trusting.notation for finding in under.verify(anchor))
    if found:
        return found
    detail = f"every trust policy says to skip verification in {image.subject.repository}"
    return report.failed(Step.PARSED, Reason.CERTIFICATE_UNTRUSTED, detail)


def intact(envelope: Envelope) -> Chain:
    """Do step (1): certificates of the right form, an algorithm that is the key's, a signature that holds.

    Raises:
        Refused: `certificate-invalid`, `algorithm-not-allowed`, `signature-invalid`.
    """
    chain = signing_chain(envelope.chain)
    check_signature(chain[0], envelope.algorithm, envelope.signature, envelope.signed)
    return chain


def anchor_of(chain: Chain, scheme: str, statement: NotationStatement, trust: Trust) -> Certificate:
    """Return the certificate of the chain that a store of the right kind holds. The scheme says which kind.

    Raises:
        Refused: `certificate-untrusted`.
    """
    kind = _STORE_OF.get(scheme, "ca")
    held = frozenset(_held(kind, statement, trust))
    for each in reversed(chain):
        if each.der in held:
            return each
    raise Refused(
        Reason.CERTIFICATE_UNTRUSTED,
        f"no certificate of the chain below {chain[-1].name!r} is in a {kind} store of {statement.name[:80]!r}",
    )


def stamp_of(envelope: Envelope, chain: Chain, statement: NotationStatement, trusting: Trusting) -> Stamp | None:
    """Check the time stamp, where the statement wants one; None where it wants none.

    The revocation of the chain of `Stamp` is not checked yet.

    Raises:
        Refused: `no-trusted-time`, `timestamp-…` or `certificate-…`.

    Spec:
        Notary Project, trust store and trust policy, "Authentic Timestamp".
    """
    roots = _held("tsa", statement, trusting.trust)
    expired = any(trusting.now > each.not_after for each in chain)
    if envelope.attributes.scheme == AUTHORITY or not roots or (statement.after_expiry_only and not expired):
        return None
    if envelope.timestamp is None:
        raise Refused(Reason.NO_TRUSTED_TIME, f"no time stamp, {statement.name[:80]!r} wants one")
    stamp = check_token(envelope.timestamp, envelope.signature, roots)
    check_stamping_chain(stamping_chain(stamp))
    # A token that does not say how exact it is: notation takes one second under one policy, none under others.
    accuracy = _UNSAID_ACCURACY if stamp.accuracy is None else stamp.accuracy
    _check_valid(chain, stamp.at - accuracy, stamp.at + accuracy, "time stamped")
    return stamp


def stamping_chain(stamp: Stamp) -> Chain:
    """Return the certificates of a time stamp, leaf to root."""
    return tuple(map(authority_certificate, stamp.chain))


@dataclass(frozen=True, slots=True)
class _Under:
    """One intact envelope, to be held against trust policies."""

    report: Report
    envelope: Envelope
    chain: Chain
    image: Image
    trusting: Trusting
    answers: Answers

    def verify(self, anchor: NotationAnchor) -> tuple[Finding, ...]:
        repository = str(self.image.subject.repository)
        statement = anchor.statement_for(repository)
        if statement is None:
            detail = f"no trust policy statement for {repository}"
            return self.report.failed_under(anchor.id, Step.PARSED, Reason.CERTIFICATE_UNTRUSTED, detail)
        if statement.skip:
            return ()
        look = _Look(self, statement)
        try:
            annotations = look.run()
        except Refused as error:
            if look.step is Step.PARSED:
                return self.report.failed_under(anchor.id, look.step, error.reason, error.detail)
            return self.report.failed(look.step, error.reason, error.detail, by=look.signed(anchor))
        return self.report.established(look.signed(anchor), annotations)


@dataclass(slots=True)
class _Look:
    """One envelope under one statement: how far it got and what that rests on."""

    under: _Under
    statement: NotationStatement
    step: Step = Step.PARSED
    degraded: list[str] = field(default_factory=list)
    rests_on: set[str] = field(default_factory=set)
    ends: list[datetime] = field(default_factory=list)
    times: tuple[TrustedTime, ...] = ()
    anchored: bool = False

    def run(self) -> tuple[tuple[str, str], ...]:
        """Take all steps; return the signed annotations."""
        statement = self.statement
        # (2) Authenticity: the chain, then whose it is.
        self._apply(statement.authenticity, self._anchor)
        self.step = Step.SIGNED
        self._apply(statement.authenticity, self._identity)
        # What is signed. Nothing of it is read before a signature holds, and no level turns this off.
        annotations = self._payload()
        self.step = Step.SUBJECT
        # (3) Authentic time stamp, (4) expiry, (5) revocation.
        self._apply(statement.authentic_timestamp, self._time)
        self._apply(statement.expiry, self._expiry)
        self._apply(statement.revocation, self._revocation)
        return annotations

    def signed(self, anchor: NotationAnchor) -> Signed:
        """Return who signed, as far as it is known by now."""
        signing = Signing(
            anchor=anchor.id,
            identity=self.under.chain[0].x509.subject.rfc4514_string(),
            key=self.under.chain[0].key.id,
            times=self.times,
            rests_on=tuple(sorted(self.rests_on)),
            degraded=tuple(self.degraded),
            until=min(self.ends, default=None),
        )
        return Signed(signer=signer_of(self.under.chain), signing=signing)

    def _apply(self, action: Action, check: Callable[[], None]) -> None:
        if action is Action.SKIP:
            return
        try:
            check()
        except Refused as error:
            if action is Action.ENFORCE:
                raise
            self.degraded.append(f"{error.reason}: {error.detail}")

    def _anchor(self) -> None:
        under = self.under
        anchor = anchor_of(under.chain, under.envelope.attributes.scheme, self.statement, under.trusting.trust)
        self.anchored = True
        self.rests_on.add(f"ca:{anchor.fingerprint}")
        self._rest_on_stores(_STORE_OF.get(under.envelope.attributes.scheme, "ca"))

    def _identity(self) -> None:
        identities = self.statement.identities
        if identities is None:
            return
        subject = subject_of(self.under.chain[0])
        if not any(covers(each, subject) for each in identities):
            raise Refused(
                Reason.IDENTITY_MISMATCH, f"signed by {self.under.chain[0].name!r}, which is no trusted identity"
            )

    def _payload(self) -> tuple[tuple[str, str], ...]:
        envelope, image = self.under.envelope, self.under.image
        if envelope.content_type != PAYLOAD_TYPE:
            raise Refused(
                Reason.PAYLOAD_TYPE_MISMATCH,
                f"signed content of type {envelope.content_type!r}, expected {PAYLOAD_TYPE}",
            )
        try:
            target, annotations = read_payload(envelope.payload)
        except MalformedEvidence as error:
            raise Refused(error.reason, f"signed, but {error.detail}") from error
        self.step = Step.PAYLOAD
        seen = (str(target["mediaType"])[:120], target["digest"], target["size"])
        expected = (image.media_type, image.subject.digest, len(image.manifest))
        for what, found, wanted in zip(("mediaType", "digest", "size"), seen, expected, strict=True):
            if found != wanted:
                raise Refused(Reason.SUBJECT_MISMATCH, f"signed, but for {what} {found}, not {wanted}")
        return annotations

    def _time(self) -> None:
        under, attributes = self.under, self.under.envelope.attributes
        stamp = stamp_of(under.envelope, under.chain, self.statement, under.trusting)
        if stamp is not None:
            # Always enforced: a token of a revoked authority says nothing.
            standing = check_chain(stamping_chain(stamp), under.answers, now=under.trusting.now, signed_at=None)
            self.rests_on.update((stamp.by, *standing.rests_on))
            self.ends.extend(() if standing.until is None else (standing.until,))
            self._rest_on_stores("tsa")
            self.times = (TrustedTime(at=stamp.at, by=stamp.by),)
        elif attributes.scheme == AUTHORITY:
            at = attributes.signing_time
            _check_valid(under.chain, at, at, "signed")
            self.times = (TrustedTime(at=at, by=f"ca:{under.chain[-1].fingerprint}"),) if self.anchored else ()
        else:
            _check_valid_now(under.chain, under.trusting.now)
            self.ends.append(min(each.not_after for each in under.chain))

    def _expiry(self) -> None:
        expiry, now = self.under.envelope.attributes.expiry, self.under.trusting.now
        if expiry is None:
            return
        if now >= expiry:
            raise Refused(Reason.SIGNATURE_EXPIRED, f"the signature expired at {expiry.isoformat()}")
        self.ends.append(expiry)

    def _revocation(self) -> None:
        under = self.under
        if not self.anchored:  # nobody was asked: the addresses are the evidence's own
            raise Refused(Reason.REVOCATION_UNKNOWN, "not looked up, for the chain is not anchored")
        signed_at = self.times[0].at if self.times else None
        standing = check_chain(under.chain, under.answers, now=under.trusting.now, signed_at=signed_at)
        self.rests_on.update(standing.rests_on)
        self.ends.extend(() if standing.until is None else (standing.until,))

    def _rest_on_stores(self, kind: str) -> None:
        trust = self.under.trusting.trust
        self.rests_on.update(each for each in self.statement.stores if trust.store(each).kind == kind)


def read_payload(payload: bytes) -> tuple[Mapping[str, object], tuple[tuple[str, str], ...]]:
    """Return the descriptor of what is signed, its digest as a `Digest`, and the user's annotations, sorted.

    Annotations under the reserved prefix are the format's own and no user's word: they are left out.

    Raises:
        MalformedEvidence: `payload-malformed`.

    Spec:
        Notary Project, signature specification, "Payload".
    """
    wrong = Reason.PAYLOAD_MALFORMED
    document = parse(payload, max_bytes=MAX_ENVELOPE_BYTES)
    whole = exact_members(document, frozenset({"targetArtifact"}), "the payload", wrong)
    target = exact_members(whole.get("targetArtifact"), _TARGET, "targetArtifact", wrong)
    size, named, kind = target.get("size"), target.get("digest"), target.get("mediaType")
    if not isinstance(size, int) or isinstance(size, bool) or not isinstance(named, str) or not isinstance(kind, str):
        raise MalformedEvidence(wrong, "targetArtifact has no mediaType, digest and size as descriptors have them")
    annotations = target.get("annotations")
    if annotations is not None and (
        not isinstance(annotations, dict) or not all(isinstance(text, str) for text in annotations.values())
    ):
        raise MalformedEvidence(wrong, "the annotations of targetArtifact are not texts")
    try:
        digest = Digest.parse(named)
    except BadInput as error:
        raise MalformedEvidence(wrong, f"targetArtifact: {error}") from error
    user = tuple(pair for pair in text_members(annotations) if not pair[0].startswith(PREFIX))
    return {**target, "digest": digest}, user


def _held(kind: str, statement: NotationStatement, trust: Trust) -> tuple[bytes, ...]:
    stores = (trust.store(each) for each in statement.stores)
    return tuple(dict.fromkeys(der for store in stores if store.kind == kind for der in store.certificates))


def _check_valid(chain: Chain, start: datetime, end: datetime, what: str) -> None:
    for each in chain:
        if not each.not_before <= start <= end <= each.not_after:
            when = start.isoformat() if start == end else f"{start.isoformat()} to {end.isoformat()}"
            window = f"{each.not_before.isoformat()} to {each.not_after.isoformat()}"
            raise Refused(
                Reason.CERTIFICATE_EXPIRED, f"the certificate of {each.name!r} is valid {window}, {what} {when}"
            )


def _check_valid_now(chain: Chain, now: datetime) -> None:
    for each in chain:
        if now > each.not_after:
            detail = f"the certificate of {each.name!r} expired at {each.not_after.isoformat()}"
            raise Refused(Reason.CERTIFICATE_EXPIRED, f"{detail}, and no trusted time stamp says when it signed")
        if now < each.not_before:
            detail = f"the certificate of {each.name!r} is valid from {each.not_before.isoformat()} only"
            raise Refused(Reason.CERTIFICATE_INVALID, detail)
