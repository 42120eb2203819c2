"""Who a certificate speaks for: the name that its authority vouched for, by whose word, and the facts beside it.

Own certificate authorities are read the same way; they may name no issuer, which then is the empty text.
"""

import re
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from cryptography import x509

from preverify.model import fulcio
from preverify.model.reasons import Reason
from preverify.verify.certificates.certificate import Certificate
from preverify.verify.encodings import der
from preverify.verify.refusal import Refused

MAX_TEXT = 4096
_NAMES = {**fulcio.LEGACY, **fulcio.EXTENSIONS}
_LEGACY = {f"{fulcio.PREFIX}{number}": number for number in fulcio.LEGACY}
_EXTENSIONS = {f"{fulcio.PREFIX}{number}": number for number in fulcio.EXTENSIONS}
_ISSUER, _LEGACY_ISSUER = (f"{fulcio.PREFIX}{number}" for number in (fulcio.ISSUER, fulcio.LEGACY_ISSUER))
_SUBJECT = 0
"""Stands for the alternative name where the others have the number of an extension."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Whom a certificate names.

    Attributes:
        subject: The alternative name, exactly as it stands there; e-mail addresses keep their case.
        issuer: Who told the authority so (OIDC issuer); empty where an own authority names none.
        extensions: Further facts by their names (`model.fulcio`), sorted.
    """

    subject: str
    issuer: str
    extensions: tuple[tuple[str, str], ...]

    @property
    def id(self) -> str:
        """Return what this identity counts as in a quorum."""
        return signer_id(self.issuer, self.subject)


def signer_id(issuer: str, subject: str) -> str:
    """Return `keyless:` and a digest over both. The length of the first keeps two pairs from reading alike.

    >>> signer_id("https://a.test", "b") == signer_id("https://a.testb", "")
    False
    """
    framed = f"{len(issuer.encode())}:{issuer}{subject}"
    return f"keyless:{sha256(framed.encode()).hexdigest()}"


def identity_of(leaf: Certificate) -> Identity:
    """Read the identity that a certificate carries. Whether to believe it is a matter of who issued the certificate.

    Raises:
        Refused: `certificate-invalid`: not exactly one alternative name, or one of a kind that names no signer; an
            extension of Fulcio's that is not the text that it should be, or that contradicts another.

    Spec:
        Fulcio, docs/oid-info.md and docs/certificate-specification.md.
    """
    found = leaf.extensions
    facts = {number: _raw(found[oid], number) for oid, number in _LEGACY.items() if oid in found}
    facts |= {number: _text(found[oid].value.value, number) for oid, number in _EXTENSIONS.items() if oid in found}
    for old, new in fulcio.SAME.items():
        if old in facts and new in facts and facts[old] != facts[new]:
            raise _invalid(f"extensions .{old} and .{new} differ: {facts[old][:60]!r} and {facts[new][:60]!r}")
    _check_repository(facts)
    extensions = tuple(sorted((_NAMES[number], value) for number, value in facts.items()))
    return Identity(subject=_subject(leaf), issuer=_issuer(leaf), extensions=extensions)


def _subject(leaf: Certificate) -> str:
    names = list(leaf.value(x509.SubjectAlternativeName) or ())
    if len(names) != 1:
        raise _invalid(f"{len(names)} subject alternative names, expected one")
    (name,) = names
    if isinstance(name, x509.RFC822Name | x509.UniformResourceIdentifier):
        return _clean(name.value, _SUBJECT)
    if isinstance(name, x509.OtherName) and name.type_id.dotted_string == fulcio.USERNAME:
        return _text(name.value, _SUBJECT)
    kind = type(name).__name__
    raise _invalid(f"a subject alternative name of kind {kind}, expected an e-mail address, URI or Fulcio user name")


def _issuer(leaf: Certificate) -> str:
    """Return the issuer; both forms have to agree where both are there."""
    named, before = leaf.extensions.get(_ISSUER), leaf.extensions.get(_LEGACY_ISSUER)
    new = None if named is None else _text(named.value.value, fulcio.ISSUER)
    old = None if before is None else _raw(before, fulcio.LEGACY_ISSUER)
    if new is not None and old is not None and new != old:
        raise _invalid(f"extensions .1 and .8 name two issuers: {old[:60]!r} and {new[:60]!r}")
    return new or old or ""


def _check_repository(facts: dict[int, str]) -> None:
    """Compare `owner/repo` with the address of the repository: the same, but for the host before it."""
    old, new = facts.get(fulcio.LEGACY_REPOSITORY), facts.get(fulcio.REPOSITORY_URI)
    if old is not None and new is not None and new.partition("://")[2].partition("/")[2] != old:
        raise _invalid(f"extensions .5 and .12 name two repositories: {old[:60]!r} and {new[:60]!r}")


def _raw(extension: x509.Extension[Any], number: int) -> str:
    """Read an extension whose value is the text itself, without a wrapping."""
    return _decoded(extension.value.value, number)


def _text(value: bytes, number: int) -> str:
    """Read a DER UTF8String: of no other type, and with nothing after it."""
    try:
        content = der.only(value, der.UTF8)
    except ValueError as error:
        raise _invalid(f"{_called(number)} is no UTF8String: {error}") from error
    return _decoded(content, number)


def _decoded(content: bytes, number: int) -> str:
    try:
        return _clean(content.decode(), number)
    except UnicodeDecodeError as error:
        raise _invalid(f"{_called(number)} is no UTF-8: {error.reason}") from error


def _clean(text: str, number: int) -> str:
    """Refuse what would read as something else where people or other programs see it."""
    # Text that is printable throughout has no control characters.
    if not text or len(text) > MAX_TEXT or (not text.isprintable() and _CONTROL.search(text)):
        what = _called(number)
        raise _invalid(f"{what} is empty, longer than {MAX_TEXT} or has control characters: {text[:60]!a}")
    return text


def _called(number: int) -> str:
    return f".{number}" if number else "the subject alternative name"


def _invalid(detail: str) -> Refused:
    return Refused(Reason.CERTIFICATE_INVALID, detail[:250])
