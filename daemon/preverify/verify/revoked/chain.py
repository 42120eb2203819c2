"""Whether the certificates of an anchored chain are revoked, from data that was obtained; and what data that takes."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from itertools import pairwise

from preverify.model.evidence import Evidence
from preverify.model.reasons import Reason
from preverify.model.revocation import RevocationKind, Wanted
from preverify.verify.certificates.certificate import Certificate, authority_certificate
from preverify.verify.refusal import Refused
from preverify.verify.revoked.crls import (
    MAX_CRL_BYTES,
    Crl,
    Point,
    check_base,
    check_current,
    check_delta,
    check_listed,
    freshest_of,
    points_of,
    read_crl,
    unknown,
)
from preverify.verify.revoked.ocsp import MAX_OCSP_BYTES, read_answer, request_for, urls_of

MAX_WANTED = 10
"""Questions for one chain. What takes more stays unknown."""

_Pair = tuple[Certificate, Certificate]


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What not being revoked rests on: ids of lists and answers, and how long the first of them holds (None: none)."""

    rests_on: tuple[str, ...]
    until: datetime | None


class Answers:
    """Revocation data by what was asked. Of several answers to one question the last counts."""

    __slots__ = ("_by",)

    def __init__(self, revocation: Iterable[Evidence]) -> None:
        self._by: Mapping[tuple[str, str | None, str | None], bytes] = {
            (each.media_type, each.annotation("url"), each.annotation("asked")): each.body for each in revocation
        }

    def to(self, wanted: Wanted) -> bytes:
        """Return what was answered.

        Raises:
            Refused: `revocation-unknown`: nothing, or too much.
        """
        body = self._by.get((wanted.kind.value, wanted.url, wanted.asked))
        if body is None:
            raise unknown(f"no answer from {wanted.url[:160]}")
        if len(body) > (MAX_CRL_BYTES if wanted.kind is RevocationKind.CRL else MAX_OCSP_BYTES):
            raise unknown(f"an answer of {len(body)} bytes from {wanted.url[:120]}")
        return body


def check_chain(
    chain: Sequence[Certificate], answers: Answers, *, now: datetime, signed_at: datetime | None
) -> Standing:
    """Check that no certificate of a chain is revoked, root first.

    The root is trusted by hand and has no issuer to revoke it. A certificate that names neither OCSP nor lists cannot
    be revoked and counts as good.

    Args:
        chain: Leaf to root, anchored.
        answers: What was obtained.
        now: Time of the verification.
        signed_at: A trusted time of signing, where there is one.

    Raises:
        Refused: `certificate-revoked`, or `revocation-unknown` where nothing clear was obtained.

    Spec:
        Notary Project, trust store and trust policy, "Certificate Revocation Evaluation": OCSP first, lists where that
        says nothing.
    """
    check = _Check(answers, now, signed_at)
    for pair in _pairs(chain):
        check.certificate(pair)
    return Standing(rests_on=tuple(sorted(set(check.rests_on))), until=min(check.ends, default=None))


def names_any(chain: Sequence[Certificate]) -> bool:
    """Say whether some certificate below the root names anybody who could be asked about it."""
    return any(urls_of(each) or any(points_of(each)) for each in chain[:-1])


def wanted_of(
    chain: Sequence[Certificate], answers: Answers, *, asked: Collection[Wanted], now: datetime
) -> tuple[Wanted, ...]:
    """Return what to ask next about an anchored chain; at most `MAX_WANTED` over all rounds.

    OCSP comes first. Lists are wanted of certificates without it, or where everybody was `asked` and no answer is
    clear; then lists of changes that a list refers to, and lists about an OCSP responder's own certificate.
    """
    every = tuple(dict.fromkeys(each for pair in _pairs(chain) for each in _wanted(pair, answers, asked, now)))
    new = [each for each in every if each not in asked]
    return tuple(new[: max(0, MAX_WANTED - len(every) + len(new))])


def fresh_until(wanted: Wanted, body: bytes, now: datetime) -> datetime | None:
    """Return until when an answer may be kept; None for one that is not worth keeping.

    Only what the issuer signed is: anybody on the way can send something that says it holds for a century.
    """
    try:
        issuer = authority_certificate(wanted.issuer)
        if wanted.kind is RevocationKind.OCSP:
            return read_answer(body, wanted.request, issuer, now=now).until
        crl = read_crl(body, issuer)
        check_current(crl, now)
        return crl.next_update
    except Refused:
        return None


@dataclass(frozen=True, slots=True)
class _Check:
    """One check under way: what it rests on so far."""

    answers: Answers
    now: datetime
    signed_at: datetime | None
    rests_on: list[str] = field(default_factory=list)
    ends: list[datetime] = field(default_factory=list)

    def certificate(self, pair: _Pair) -> None:
        questions = _questions(pair)
        problems: list[Refused] = []
        for question in questions or ():
            try:
                self._ocsp(pair, question)
            except Refused as error:
                if error.reason is Reason.CERTIFICATE_REVOKED:
                    raise
                problems.append(error)
            else:
                return
        points = points_of(pair[0])
        if points:
            self._lists(pair, points)
        elif questions is not None:
            raise problems[-1] if problems else unknown(f"{pair[0].name!r} names no OCSP responder with plain HTTP")

    def _ocsp(self, pair: _Pair, question: Wanted) -> None:
        body = self.answers.to(question)
        good = read_answer(body, question.request, pair[1], now=self.now, signed_at=self.signed_at)
        if good.responder is not None:
            self._responder((good.responder, pair[1]))
        self._note("ocsp", body, good.until)

    def _responder(self, pair: _Pair) -> None:
        """Check who answered in the issuer's place, by the issuer's lists. One that names none cannot be revoked."""
        check = _Check(self.answers, self.now, None)  # it answers today: since when its key is bad does not matter
        try:
            check._lists(pair, points_of(pair[0]))
        except Refused as error:
            raise unknown(f"the OCSP responder cannot be relied on: {error.detail}") from error
        self.rests_on.extend(check.rests_on)
        self.ends.extend(check.ends)

    def _lists(self, pair: _Pair, points: Sequence[Point]) -> None:
        """Look the certificate up in every list that it names; of a list's addresses the first that serves."""
        for point in points:
            problem = unknown(f"a revocation list of {pair[0].name!r} cannot be had by plain HTTP, or is a part only")
            for url in point:
                try:
                    self._list(pair, url)
                except Refused as error:
                    if error.reason is Reason.CERTIFICATE_REVOKED:
                        raise
                    problem = error
                else:
                    break
            else:
                raise problem

    def _list(self, pair: _Pair, url: str) -> None:
        certificate, issuer = pair
        body, base = self._crl(url, issuer)
        check_base(base, certificate, url)
        used = [(body, base)]
        used += [self._changes(pair, base, point) for point in base.freshest or freshest_of(certificate)]
        check_listed((crl for _, crl in used), certificate, self.signed_at)
        for data, crl in used:
            self._note("crl", data, crl.next_update)

    def _changes(self, pair: _Pair, base: Crl, point: Point) -> tuple[bytes, Crl]:
        problem = unknown("a list of changes cannot be had by plain HTTP")
        for url in point:
            try:
                body, delta = self._crl(url, pair[1])
                check_delta(delta, base, pair[0], url)
            except Refused as error:
                problem = error
            else:
                return body, delta
        raise problem

    def _crl(self, url: str, issuer: Certificate) -> tuple[bytes, Crl]:
        body = self.answers.to(_list_at(url, issuer))
        crl = read_crl(body, issuer)
        check_current(crl, self.now)
        return body, crl

    def _note(self, kind: str, body: bytes, until: datetime) -> None:
        self.rests_on.append(f"{kind}:{sha256(body).hexdigest()}")
        self.ends.append(until)


def _pairs(chain: Sequence[Certificate]) -> list[_Pair]:
    """Return each certificate below the root with its issuer, nearest to the root first."""
    return list(pairwise(chain))[::-1]


def _questions(pair: _Pair) -> tuple[Wanted, ...] | None:
    urls = urls_of(pair[0])
    if urls is None:
        return None
    request = request_for(*pair)
    return tuple(
        Wanted(kind=RevocationKind.OCSP, url=url, request=request, issuer=pair[1].der) for url in dict.fromkeys(urls)
    )


def _list_at(url: str, issuer: Certificate) -> Wanted:
    return Wanted(kind=RevocationKind.CRL, url=url, issuer=issuer.der)


def _wanted(pair: _Pair, answers: Answers, asked: Collection[Wanted], now: datetime) -> Iterator[Wanted]:
    questions = _questions(pair) or ()
    yield from questions
    waiting = False
    for question in questions:
        try:
            good = read_answer(answers.to(question), question.request, pair[1], now=now)
        except Refused as error:
            if error.reason is Reason.CERTIFICATE_REVOKED:
                return
            waiting = waiting or question not in asked
        else:
            if good.responder is not None:
                yield from _wanted_lists((good.responder, pair[1]), answers)
            return
    if not waiting:
        yield from _wanted_lists(pair, answers)


def _wanted_lists(pair: _Pair, answers: Answers) -> Iterator[Wanted]:
    for url in dict.fromkeys(url for point in points_of(pair[0]) for url in point):
        question = _list_at(url, pair[1])
        yield question
        try:
            base = read_crl(answers.to(question), pair[1])
        except Refused:
            continue
        for point in base.freshest or freshest_of(pair[0]):
            yield from (_list_at(each, pair[1]) for each in point)
