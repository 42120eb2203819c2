"""What each format's reader declares unsigned, and where two pieces of evidence differ.

A changed piece of evidence may hold only where every difference lies in such a place. Places are paths: `/a/0/b` in a
JSON body, `@key` an annotation and `@key/a` in it where it is JSON, `#2` an element of a COSE message and `#1/label` a
header of it; `~name` at the end of a path is a field of what the value encodes (a time stamp response, a signed note).
"""

import base64
import binascii
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from asn1crypto import cms, tsp
from cryptography import x509

from campaigns.parts import (
    CERTIFICATE,
    CERTIFICATE_KEY,
    CHAIN_KEY,
    ENTRY,
    LOG_KEY,
    NOTATION_STAMP,
    SIGNATURE_KEY,
    STAMP,
    STAMP_KEY,
    cose_of,
)
from preverify.model.evidence import Evidence, Format

Declared = Sequence[tuple[str, str, str]]
"""Pattern of places, when they are unsigned, and why.

When: empty for always; `added`, `gone` or `longer` for that kind of difference only; else the name of a part, which the
anchor must not look at.
"""

_KINDS = ("added", "gone", "longer")

_SPELLING: Declared = (
    ("spelling", "", "the same values spelled in another way: white space, escapes, unused bits of base64"),
)
_STAMP_FIELDS = "(status|version|certificates|crls|unsigned_attrs|digest_algorithms)"
_ANNOTATIONS: Declared = (
    (f"@{re.escape(CHAIN_KEY)}", "", "intermediates and roots come from the trusted root, never from the evidence"),
    ("@predicateType", "", "a hint for people; the statement itself says its type"),
    (f"@{re.escape(CERTIFICATE_KEY)}", CERTIFICATE, "with a key configured, certificates are not looked at"),
    (f"@{re.escape(LOG_KEY)}(/.*)?", ENTRY, "the policy demands no log entry"),
    (f"@{re.escape(STAMP_KEY)}(/.*)?", STAMP, "the policy does not look at time stamps"),
    (f"@{re.escape(STAMP_KEY)}.*~{_STAMP_FIELDS}", "", "a response's fields around what its authority signed"),
    (f"@({re.escape(LOG_KEY)}|{re.escape(STAMP_KEY)})(/Payload)?/[^/]*", "added", "members that nobody knows"),
    (f"@(?!{'|'.join(map(re.escape, (SIGNATURE_KEY, CERTIFICATE_KEY, LOG_KEY, STAMP_KEY)))}).*", "", "of other tools"),
)
_ENTRIES = r"/verificationMaterial/tlogEntries"
_STAMPS = r"/verificationMaterial/timestampVerificationData"

UNSIGNED: Mapping[Format, Declared] = {
    Format.COSIGN_SIGNATURE: (*_SPELLING, *_ANNOTATIONS),
    Format.COSIGN_ATTESTATION: (
        *_SPELLING,
        *_ANNOTATIONS,
        ("@" + re.escape(SIGNATURE_KEY), "", "empty for attestations; the envelope holds the signature"),
        (r"/signatures/\d+/keyid", "", "a hint: every configured key is tried"),
        (r"(/signatures/\d+)?/[^/]*", "added", "DSSE lets envelopes have members that nobody knows"),
        ("/signatures", "longer", "more signatures beside the one that holds"),
    ),
    Format.SIGSTORE_BUNDLE: (
        *_SPELLING,
        ("@.*", "", "the layer's annotations"),
        (r"/dsseEnvelope/signatures/0/keyid", "", "a hint"),
        (r"/verificationMaterial/publicKey(/hint)?", "", "a hint: every configured key is tried"),
        (rf"{_ENTRIES}(/.*)?", ENTRY, "the policy demands no log entry"),
        (rf"{_STAMPS}(/.*)?", STAMP, "the policy does not look at time stamps"),
        (rf"{_STAMPS}/.*~{_STAMP_FIELDS}", "", "a response's fields around what its authority signed"),
        (rf"{_ENTRIES}/\d+/inclusionProof/rootHash", "gone", "the checkpoint has it; where it stands, it must be that"),
        (rf"{_ENTRIES}/\d+/inclusionProof/checkpoint/envelope~names", "", "older logs are told by their key alone"),
        (_ENTRIES, "longer", "an entry said twice counts once"),
        (rf"{_STAMPS}/rfc3161Timestamps", "longer", "a time stamp said twice counts once"),
    ),
    Format.NOTATION_JWS: (
        *_SPELLING,
        ("@.*", "", "the layer's annotations"),
        ("/header/io.cncf.notary.signingAgent", "", "an unprotected header: who wrote the envelope"),
        ("/header/.*", "added", "unprotected headers that nobody knows"),
        (rf"/header/{re.escape(NOTATION_STAMP)}", STAMP, "the trust policy names no time stamp authority"),
        (rf"/header/{re.escape(NOTATION_STAMP)}~{_STAMP_FIELDS}", "", "a response's fields around what was signed"),
    ),
    Format.NOTATION_COSE: (
        *_SPELLING,
        ("@.*", "", "the layer's annotations"),
        ("#1/io.cncf.notary.signingAgent", "", "an unprotected header: who wrote the envelope"),
        ("#1/.*", "added", "unprotected headers that nobody knows"),
        (rf"#1/{re.escape(NOTATION_STAMP)}", STAMP, "the trust policy names no time stamp authority"),
        (rf"#1/{re.escape(NOTATION_STAMP)}~{_STAMP_FIELDS}", "", "a response's fields around what was signed"),
    ),
}


OPTIONAL: Mapping[Format, Declared] = {
    Format.COSIGN_SIGNATURE: ((f"@{re.escape(STAMP_KEY)}(/.*)?", "gone", "a time stamp beside a log entry"),),
    Format.SIGSTORE_BUNDLE: (
        (rf"{_STAMPS}(/.*)?", "gone", "a time stamp beside a log entry"),
        (rf"{_STAMPS}/.*~signer_sid", "", "a time stamp of somebody whom nobody trusts is as good as none"),
        (rf"{_ENTRIES}/\d+/inclusionPromise(/.*)?", "gone", "a promise beside a proof"),
    ),
}
"""What may be missing where an anchor accepts it and does not demand it: fewer times are trusted then, no others."""


def undeclared(original: Evidence, changed: Evidence, looked_at: frozenset[str], *, weaker: bool = False) -> list[str]:
    """Return the differing places that no declaration covers.

    Args:
        original: As signed.
        changed: As changed.
        looked_at: The parts that the anchor looks at.
        weaker: What is optional may be missing as well.
    """
    table = [*UNSIGNED[original.format], *(OPTIONAL.get(original.format, ()) if weaker else ())]
    return [
        place if how == "changed" else f"{place} ({how})"
        for place, how in differences(original, changed)
        if not any(
            re.fullmatch(pattern, place) and (how == when if when in _KINDS else when not in looked_at)
            for pattern, when, _ in table
        )
    ]


def differences(original: Evidence, changed: Evidence) -> list[tuple[str, str]]:
    """Return the places where two pieces of evidence differ, each with `changed`, `added`, `gone` or `longer`."""
    found = [*_body(original, changed), *_annotations(original, changed)]
    return list(dict.fromkeys(found)) or [("spelling", "changed")]


def _annotations(original: Evidence, changed: Evidence) -> Iterator[tuple[str, str]]:
    mine, theirs = dict(original.annotations), dict(changed.annotations)
    for key in mine.keys() | theirs.keys():
        old, new = mine.get(key), theirs.get(key)
        if old == new:
            continue
        if old is None or new is None:
            yield f"@{key}", "added" if old is None else "gone"
            continue
        if key == CERTIFICATE_KEY and _certificates(old) == _certificates(new) is not None:
            continue
        yield from _text(f"@{key}", old, new, within_json=key in (LOG_KEY, STAMP_KEY))


def _certificates(text: str) -> list[x509.Certificate] | None:
    """Return the certificates in PEM text: what stands around them says nothing."""
    try:
        return x509.load_pem_x509_certificates(text.encode())
    except ValueError:
        return None


def _body(original: Evidence, changed: Evidence) -> Iterator[tuple[str, str]]:
    old, new = original.body, changed.body
    if old == new:
        return
    if original.format is Format.COSIGN_SIGNATURE:
        yield "body", "changed"
    elif original.format is Format.NOTATION_COSE:
        yield from _cose(old, new)
    else:
        yield from _json("", old, new)


def _cose(old: bytes, new: bytes) -> Iterator[tuple[str, str]]:
    mine, theirs = cose_of(old), cose_of(new)
    if mine is None or theirs is None:
        yield "body", "changed"
        return
    for index in (0, 2, 3):
        if mine[index] != theirs[index]:
            yield f"#{index}", "changed"
    if not isinstance(theirs[1], Mapping):
        yield "#1", "changed"
        return
    for label in mine[1].keys() | theirs[1].keys():
        value, other = mine[1].get(label), theirs[1].get(label)
        if value is None or other is None:
            yield f"#1/{label}", "added" if value is None else "gone"
        elif value != other:
            whole = isinstance(value, bytes) and isinstance(other, bytes) and label == NOTATION_STAMP
            yield from _der(f"#1/{label}", value, other) if whole else [(f"#1/{label}", "changed")]


def _json(place: str, old: bytes | str, new: bytes | str) -> Iterator[tuple[str, str]]:
    try:
        mine, theirs = json.loads(old), json.loads(new)
    except (ValueError, RecursionError):
        yield place or "body", "changed"
        return
    yield from _values(place, mine, theirs)


def _values(place: str, old: Any, new: Any) -> Iterator[tuple[str, str]]:
    if isinstance(old, dict) and isinstance(new, dict):
        for key in old.keys() | new.keys():
            if key not in old or key not in new:
                yield f"{place}/{key}", "added" if key not in old else "gone"
            else:
                yield from _values(f"{place}/{key}", old[key], new[key])
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for i, (one, other) in enumerate(zip(old, new, strict=True)):
            yield from _values(f"{place}/{i}", one, other)
    elif isinstance(old, list) and isinstance(new, list) and all(each in new for each in old):
        yield place, "longer"
    elif isinstance(old, list) and isinstance(new, list) and all(each in old for each in new):
        yield place, "gone"
    elif isinstance(old, str) and isinstance(new, str):
        yield from _text(place, old, new, within_json=False)
    elif new is None:
        yield place, "gone"  # as proto3 JSON has it
    elif type(old) is not type(new) and str(old) == str(new):
        return  # a number as text: proto3 JSON spells 64-bit integers so
    elif old != new:
        yield place, "changed"


def _text(place: str, old: str, new: str, *, within_json: bool) -> Iterator[tuple[str, str]]:
    if old == new:
        return
    if within_json:
        yield from _json(place, old, new)
        return
    if place.endswith("/checkpoint/envelope"):
        yield from _note(place, old, new)
        return
    mine, theirs = _decoded(old), _decoded(new)
    if mine is not None and mine == theirs:
        return
    if mine is not None and theirs is not None:
        yield from _der(place, mine, theirs)
    else:
        yield place, "changed"


def _note(place: str, old: str, new: str) -> Iterator[tuple[str, str]]:
    """Name what differs of a signed note: its text, its signatures, or only what a signature line calls its key."""
    (text, _, lines), (other_text, _, other_lines) = old.partition("\n\n"), new.partition("\n\n")
    mine, theirs = ([line.split(" ") for line in each.splitlines()] for each in (lines, other_lines))
    if text != other_text or len(mine) != len(theirs) or any(len(line) != 3 for line in theirs):
        yield place, "changed"
    elif [(line[0], line[2]) for line in mine] != [(line[0], line[2]) for line in theirs]:
        yield f"{place}~signatures", "changed"
    else:
        yield f"{place}~names", "changed"


def _decoded(text: str) -> bytes | None:
    try:
        return base64.b64decode(text.replace("-", "+").replace("_", "/") + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None


def _der(place: str, old: bytes, new: bytes) -> Iterator[tuple[str, str]]:
    """Name the fields of a time stamp response that differ; the whole place where it is none."""
    mine, theirs = _fields(old), _fields(new)
    if mine is None or theirs is None:
        yield place, "changed"
        return
    differing = [name for name in mine if mine[name] != theirs[name]]
    yield from ((f"{place}~{name}", "changed") for name in differing or ["encoding"])


def _fields(der: bytes) -> dict[str, bytes] | None:
    """Return the fields of a time stamp response, or of a bare time stamp token; None for anything else."""
    try:
        response = tsp.TimeStampResp.load(der, strict=True)
        return {"status": response["status"].dump(), **_token_fields(response["time_stamp_token"])}
    except (ValueError, TypeError, KeyError, AttributeError):
        pass
    try:
        return _token_fields(cms.ContentInfo.load(der, strict=True))
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def _token_fields(token: Any) -> dict[str, bytes]:
    signed = token["content"]
    (signer,) = signed["signer_infos"]
    names = ("version", "digest_algorithms", "encap_content_info", "certificates", "crls")
    fields = {name: signed[name].dump() for name in names}
    names = ("version", "sid", "digest_algorithm", "signed_attrs", "signature_algorithm", "signature")
    fields |= {f"signer_{name}": signer[name].dump() for name in names}
    return {**fields, "unsigned_attrs": signer["unsigned_attrs"].dump(), "content_type": token["content_type"].dump()}
