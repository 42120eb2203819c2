"""The steps that every Sigstore signature has in common, however it was stored: who signed, vouched for by whom."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import TypeVar

from preverify.model.anchors import KeyAnchor, KeylessAnchor, Log, Stamps
from preverify.model.errors import MalformedEvidence
from preverify.model.findings import Finding, Signing, Step, TrustedTime
from preverify.model.reasons import Reason
from preverify.model.trust import SigstoreRoot
from preverify.verify.certificates.certificate import Certificate, leaf_verifies, parse_certificate
from preverify.verify.certificates.fulcio import Identity, identity_of, signer_id
from preverify.verify.certificates.paths import check_path
from preverify.verify.certificates.scts import check_sct
from preverify.verify.keys.public_keys import PublicKey
from preverify.verify.logs.bodies import Described, check_body
from preverify.verify.logs.entries import Entry
from preverify.verify.logs.witness import check_entry
from preverify.verify.refusal import Refused
from preverify.verify.report import Report, Signed
from preverify.verify.stamps.responses import check_response
from preverify.verify.trusting import Trusting

_T = TypeVar("_T")
_BY_CERTIFICATE = "signed with a certificate, expected one of the trusted keys"


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """One signature and what came with it. Nothing in it is believed.

    Attributes:
        signature: The raw bytes.
        message: The exact bytes that it should cover.
        digest: Their SHA-256 where the bytes themselves are not at hand; empty else.
        certificate: DER of the leaf that came with it, None where it was made with a bare key.
        keys: Whether a trusted key may verify it. Not where a bundle says that it was made with a certificate.
        entries: Returns the log entries. Asked only where an anchor looks at logs; may raise `MalformedEvidence`.
        promise: An entry has to carry a signed entry time stamp (tag format, bundle v0.1).
        proof: An entry has to carry an inclusion proof (bundle v0.2 and later).
        stamps: Returns DER TimeStampResp; as `entries`.
        stamped: What time stamps cover: the signature, or a whole envelope (attestations of the tag format).
        described: Returns what a log entry has to describe, given the verifying key's SubjectPublicKeyInfo.
    """

    signature: bytes
    message: bytes
    digest: bytes = b""
    certificate: bytes | None
    keys: bool
    entries: Callable[[], Sequence[Entry]]
    promise: bool
    proof: bool
    stamps: Callable[[], Sequence[bytes]]
    stamped: bytes
    described: Callable[[bytes], Described]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """Where a signature stopped, and under which anchor (`by`) as far as one was asked."""

    step: Step
    reason: Reason
    detail: str
    by: Signed | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Conclusion:
    """Who signed, under each anchor that holds; why not, under the others."""

    held: tuple[Signed, ...] = ()
    stopped: tuple[Stop, ...] = ()

    def __add__(self, other: "Conclusion") -> "Conclusion":
        """Return both, what held twice once."""
        held = tuple(dict.fromkeys((*self.held, *other.held)))
        return Conclusion(held=held, stopped=(*self.stopped, *other.stopped))

    def failures(self, report: Report) -> tuple[Finding, ...]:
        """Return the findings about anchors that do not hold."""
        if not self.stopped:
            return ()
        stops = (report.failed(stop.step, stop.reason, stop.detail, by=stop.by) for stop in self.stopped)
        return tuple(finding for findings in stops for finding in findings)


def conclude(material: Material, trusting: Trusting, *, hint: str = "") -> Conclusion:
    """Say under which anchors a signature holds.

    Args:
        material: The signature with what came with it.
        trusting: The anchors, and what they trust.
        hint: Which key the evidence says that it was made with; for wording only.
    """
    by_key = _by_key(material, trusting) if material.keys else Conclusion()
    if material.certificate is not None and trusting.keyless:
        by_certificate = _by_certificate(material, material.certificate, trusting)
        return by_key + by_certificate if by_key.held or by_key.stopped else by_certificate
    if by_key.held or by_key.stopped:
        return by_key
    return Conclusion(stopped=(_nobody(material, trusting, hint),))


def conclude_bare(
    signature: bytes,
    message: bytes,
    trusting: Trusting,
    *,
    certified: Callable[[], bool] | None = None,
    hint: str = "",
) -> Conclusion:
    """Say as `conclude` who signed, where nothing but keys counts (`Trusting.bare`): the short way of most evidence.

    Args:
        signature: The raw bytes.
        message: The exact bytes that it should cover.
        trusting: The anchors.
        certified: Says whether a certificate came with the signature, for wording only; None: there is none.
        hint: As there.
    """
    holders = trusting.keyring.holders(signature, message)
    if holders:
        return Conclusion(held=tuple([Signed(signer=key.id) for key in holders]))
    stop = _no_key(signature, message, trusting, hint, certified=certified is not None and certified())
    return Conclusion(stopped=(stop,))


def _nobody(material: Material, trusting: Trusting, hint: str) -> Stop:
    """Say why a signature that no anchor claims establishes nothing."""
    if not material.keys:
        return Stop(step=Step.PARSED, reason=Reason.WRONG_KEY, detail=_BY_CERTIFICATE)
    certified = material.certificate is not None
    return _no_key(material.signature, material.message, trusting, hint, certified=certified)


def _no_key(signature: bytes, message: bytes, trusting: Trusting, hint: str, *, certified: bool) -> Stop:
    reason, detail = trusting.keyring.explain(signature, message, hint)
    if reason is Reason.WRONG_KEY and certified:
        detail = _BY_CERTIFICATE
    return Stop(step=Step.PARSED, reason=reason, detail=detail)


# --- by key -----------------------------------------------------------------------------------------------------------


def _by_key(material: Material, trusting: Trusting) -> Conclusion:
    held: list[Signed] = []
    stopped: list[Stop] = []
    for key in _holders(material, trusting):
        for anchor in trusting.anchors_of(key.id):
            try:
                held.append(Signed(signer=key.id, signing=_key_signing(material, anchor, trusting)))
            except Refused as refused:
                by = Signed(signer=key.id, signing=Signing(anchor=anchor.id))
                stopped.append(Stop(step=Step.SIGNED, reason=refused.reason, detail=refused.detail, by=by))
    return Conclusion(held=tuple(held), stopped=tuple(stopped))


def _holders(material: Material, trusting: Trusting) -> tuple[PublicKey, ...]:
    if material.digest:
        return tuple(key for key in trusting.keyring.keys if key.verify_digest(material.signature, material.digest))
    return trusting.keyring.holders(material.signature, material.message)


def _key_signing(material: Material, anchor: KeyAnchor, trusting: Trusting) -> Signing | None:
    if anchor.log is Log.NONE and anchor.stamps is Stamps.NONE:
        return None
    root = trusting.root(anchor)
    stamps = _stamps(material, anchor.stamps, root)
    logged = _logged(material, anchor.log, root, stamps, anchor.key.spki)
    times = (*stamps, *logged.times)
    return Signing(anchor=anchor.id, times=times, rests_on=_ids(times, logged.by))


# --- by certificate ---------------------------------------------------------------------------------------------------


def _by_certificate(material: Material, der: bytes, trusting: Trusting) -> Conclusion:
    held: list[Signed] = []
    stopped: list[Stop] = []
    for anchor in trusting.keyless:
        unnamed = Signed(signer="", signing=Signing(anchor=anchor.id))
        try:
            held.append(_keyless(material, der, anchor, trusting))
        except _Stopped as stop:
            stopped.append(Stop(step=stop.step, reason=stop.reason, detail=stop.detail, by=unnamed))
    return Conclusion(held=tuple(held), stopped=tuple(stopped))


class _Stopped(Refused):
    """A refusal with the step that it stopped at."""

    def __init__(self, step: Step, refused: Refused) -> None:
        super().__init__(refused.reason, refused.detail)
        self.step = step


class _StoppingAt:
    """Turns refusals into stops at a step."""

    __slots__ = ("_step",)

    def __init__(self, step: Step) -> None:
        self._step = step

    def __enter__(self) -> None:
        """Begin the step."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Raise `_Stopped` in place of a refusal."""
        if isinstance(error, Refused):
            raise _Stopped(self._step, error) from error


_parsing, _signing = _StoppingAt(Step.PARSED), _StoppingAt(Step.SIGNED)


def _keyless(material: Material, der: bytes, anchor: KeylessAnchor, trusting: Trusting) -> Signed:
    """Verify a signature by certificate. Numbers are those of the client specification's steps.

    Raises:
        _Stopped: a step failed.

    Spec:
        Sigstore client specification, "Verification"; formats of cosign follow the same steps.
    """
    root = trusting.root(anchor)
    with _parsing:
        leaf = parse_certificate(der)
        # Step (8) before the others: a signature that its own certificate does not verify makes everything else moot.
        _check_signature(leaf, material)
        # Step (2): every time that somebody trusted vouches for. Steps (6) and (9): a log entry, and it is about this.
        stamps = _stamps(material, anchor.stamps, root)
        logged = _logged_of(leaf, material, anchor.log, root, stamps)
        times = (*stamps, *logged.times)
        _check_times(times, anchor)
        # Steps (3) and (7): the chain, at each of these times; without any, now is the time that counts.
        path = check_path(leaf, root.authorities, tuple(time.at for time in times) or (trusting.now,))
    with _signing:
        # Step (4): the certificate was logged itself.
        ct = (check_sct(leaf, path.issuer, root.ct_logs),) if anchor.sct else ()
        # Step (5): what the certificate says of its owner; whether that is the wanted one is for policies to say.
        who = identity_of(leaf)
    rests_on = tuple(sorted({*_ids(times, logged.by), *ct, path.authority_id}))
    return _signed(anchor, who, leaf.key.id, times, rests_on, None if times else path.until)


def _check_signature(leaf: Certificate, material: Material) -> None:
    if material.digest:
        holds = leaf.key.verify_digest(material.signature, material.digest)
    else:
        holds = leaf_verifies(leaf, material.signature, material.message)
    if not holds:
        raise Refused(Reason.SIGNATURE_INVALID, "does not verify under the certificate that came with it")


def _logged_of(
    leaf: Certificate, material: Material, demand: Log, root: SigstoreRoot, stamps: Sequence[TrustedTime]
) -> "_Logged":
    try:
        return _logged(material, demand, root, stamps, leaf.spki)
    except Refused as refused:
        if refused.reason is Reason.LOG_ENTRY_MISMATCH:
            # Logged with another certificate than this one: where nobody issued this one, that is what to say.
            check_path(leaf, root.authorities, (leaf.not_before,))
        raise


def _check_times(times: Sequence[TrustedTime], anchor: KeylessAnchor) -> None:
    if not times and anchor.log is Log.REQUIRED:
        detail = "nobody trusted says when this was signed: neither a log with signed times nor a time stamp"
        raise Refused(Reason.NO_TRUSTED_TIME, detail)


def _signed(
    anchor: KeylessAnchor,
    who: Identity,
    key: str,
    times: tuple[TrustedTime, ...],
    rests_on: tuple[str, ...],
    until: datetime | None,
) -> Signed:
    signing = Signing(
        anchor=anchor.id,
        issuer=who.issuer,
        identity=who.subject,
        key=key,
        extensions=who.extensions,
        times=times,
        rests_on=rests_on,
        until=until,
    )
    return Signed(signer=signer_id(who.issuer, who.subject), signing=signing)


# --- logs and time stamps ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Logged:
    by: tuple[str, ...] = ()
    times: tuple[TrustedTime, ...] = ()


def _stamps(material: Material, demand: Stamps, root: SigstoreRoot) -> tuple[TrustedTime, ...]:
    """Return the times of the stamps that hold, each authority once.

    A stamp of an authority that is not trusted is as good as none. One that is broken, or about something else, is not:
    whoever made this evidence put it there.
    """
    if demand is Stamps.NONE:
        return ()
    times: dict[str, TrustedTime] = {}
    untrusted: Refused | None = None
    for response in _readable(material.stamps):
        try:
            stamp = check_response(response, material.stamped, root.timestamp_authorities)
        except Refused as refused:
            if refused.reason is not Reason.TIMESTAMP_UNTRUSTED:
                raise
            untrusted = refused
        else:
            times.setdefault(stamp.by, TrustedTime(at=stamp.at, by=stamp.by))
    if not times and demand is Stamps.REQUIRED:
        raise untrusted or Refused(Reason.NO_TRUSTED_TIME, "no time stamp, expected one of a trusted authority")
    return tuple(times.values())


def _logged(material: Material, demand: Log, root: SigstoreRoot, stamps: Sequence[TrustedTime], spki: bytes) -> _Logged:
    """Return which trusted logs hold this signature. Entries of other logs are as good as none."""
    if demand is Log.NONE:
        return _Logged()
    by: dict[str, TrustedTime | None] = {}
    untrusted: Refused | None = None
    described = material.described(spki)
    known = [log.id for log in root.logs]
    at = tuple([stamp.at for stamp in stamps])
    for entry in _readable(material.entries):
        try:
            # First what it is about: that says more than a proof which then cannot hold either.
            if entry.log_id in known:
                check_body(entry, described)
            fact = check_entry(entry, root.logs, promise=material.promise, proof=material.proof, times=at)
        except Refused as refused:
            if refused.reason is not Reason.LOG_UNTRUSTED:
                raise
            untrusted = refused
        else:
            by.setdefault(fact.by, None if fact.integrated is None else TrustedTime(at=fact.integrated, by=fact.by))
    if not by:
        raise untrusted or Refused(Reason.NOT_IN_LOG, "no log entry, expected one of a trusted log")
    return _Logged(by=tuple(by), times=tuple(time for time in by.values() if time is not None))


def _readable(read: Callable[[], Sequence[_T]]) -> Sequence[_T]:
    try:
        return read()
    except MalformedEvidence as error:
        raise Refused(error.reason, error.detail) from error


def _ids(times: Sequence[TrustedTime], logs: Sequence[str]) -> tuple[str, ...]:
    return tuple(sorted({*(time.by for time in times), *logs}))
