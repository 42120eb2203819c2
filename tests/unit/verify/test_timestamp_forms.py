"""Forms of tokens that no authority writes, each signed by one: OpenSSL is asked too, and never overruled."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509
from hypothesis import given, settings
from hypothesis import strategies as st

from preverify.model.reasons import Reason
from preverify.model.trust import Authority
from preverify.model.trusted_root import parse_trusted_root
from preverify.verify.encodings import der
from preverify.verify.refusal import Refused
from preverify.verify.sigstore.bundle_document import read_bundle
from preverify.verify.stamps.responses import Stamp, check_response, check_token
from preverify.verify.stamps.tokens import read_token, token_of
from preverify.verify.statements.envelope import Envelope
from support import pki, signed
from support.real_certificates import recorded
from support.stamp_oracle import contradicts, objection
from support.stamps import info_of, signed_anew

SIGNED = b"the bytes of a signature"
TSA = pki.tsa()
ROOT = TSA.party.chain[-1]
PLAIN = TSA.token(SIGNED)
TIME = b"\x18\x0f20260301120500Z"
AT = pki.SIGNED_AT
Bent = dict[str, Any]


def digest_of(token: bytes, data: bytes = SIGNED) -> bytes:
    digest: bytes = read_token(token).info.hash(data).digest()
    return digest


def behind_time(text: str) -> Bent:
    return {"info": lambda info: info + bytes.fromhex(text)}


def timed(text: bytes) -> Bent:
    return {"info": lambda info: info.replace(TIME, der.element(0x18, text))}


def replacing(old: str, new: str) -> Bent:
    return {"info": lambda info: info.replace(bytes.fromhex(old), bytes.fromhex(new))}


def version(data: str) -> Bent:
    return {"before": lambda old: bytes.fromhex(data) + old[3:]}


def hashes(*announced: str) -> Bent:
    return {"before": lambda old: old[:3] + der.element(der.SET, *map(bytes.fromhex, announced))}


def between(data: str) -> Bent:
    return {"after": lambda old: old + bytes.fromhex(data)}


def told(change: Callable[[list[bytes]], list[bytes]]) -> Bent:
    return {"attributes": lambda old: b"".join(change([each.whole for each in der.elements(old)]))}


POLICY = "06032a0304"
SHA256_NULL = "300d06096086480165030402010500"
SHA512_NULL = "300d06096086480165030402030500"
MORE = "300706032a03043100"
ACCEPTED: dict[str, tuple[Bent, timedelta | None]] = {
    "nothing bent": ({}, None),
    "empty accuracy": (behind_time("3000"), timedelta()),
    "accuracy in full": (behind_time("300b0201028002008081020085"), timedelta(seconds=2, microseconds=128_133)),
    "no seconds": (behind_time("3003020100"), timedelta()),
    "ordering": (behind_time("0101ff"), None),
    "nonce": (behind_time("0209008000000000000000"), None),
    "nonce of nothing": (behind_time("020100"), None),
    "named authority": (behind_time("a004a4023000"), None),
    "named by a host": (behind_time("a00482026162"), None),
    "no extensions": (behind_time("a100"), None),
    "extension": (behind_time("a109300706032a03040400"), None),
    "critical extension": (behind_time("a10c300a06032a03040101ff0400"), None),
    "everything": (behind_time("30030201010101ff020105a004a4023000a109300706032a03040400"), timedelta(seconds=1)),
    "negative serial": (replacing("02010718", "0201f718"), None),
    "version 1": (version("020101"), None),
    "hashes with NULL": (hashes(SHA256_NULL), None),
    "two hashes": (hashes(SHA256_NULL, SHA512_NULL), None),
    "revocation lists": (between("a100"), None),
    "no unsigned attributes": ({"tail": bytes.fromhex("a100")}, None),
    "unsigned attribute": ({"tail": bytes.fromhex("a10b300906032a030431023000")}, None),
}
REFUSED: dict[str, tuple[Bent, str]] = {
    "unknown accuracy": (behind_time("3003040101"), "accuracy that DER does not allow"),
    "seconds after milliseconds": (behind_time("3006800105020105"), "accuracy that DER does not allow"),
    "seconds twice": (behind_time("3006020105020105"), "accuracy that DER does not allow"),
    "padded seconds": (behind_time("300402020005"), "an integer 0005 that DER does not allow"),
    "negative padded seconds": (behind_time("30040202ff85"), "an integer ff85 that DER does not allow"),
    "no digits": (behind_time("30020200"), "an integer  that DER does not allow"),
    "no milliseconds": (behind_time("3003800100"), "accuracy that cannot be"),
    "no microseconds": (behind_time("3003810100"), "accuracy that cannot be"),
    "a second of milliseconds": (behind_time("3004800203e8"), "accuracy that cannot be"),
    "ordering said to be false": (behind_time("010100"), "an ordering that DER"),
    "ordering of another truth": (behind_time("010101"), "an ordering that DER"),
    "negative nonce": (behind_time("0201f5"), "a negative nonce"),
    "padded nonce": (behind_time("02020005"), "an integer 0005"),
    "nobody as authority": (behind_time("a000"), "not enough values"),
    "no name as authority": (behind_time("a0020500"), "tag 05, expected a general name"),
    "nonce behind the name": (behind_time("a00482026162020105"), "tag 02 behind the time"),
    "garbage": (behind_time("0500"), "tag 05 behind the time"),
    "garbage as extension": (behind_time("a1020500"), "tag 05, expected 30"),
    "extension said to be uncritical": (behind_time("a10c300a06032a03040101000400"), "an extension that DER"),
    "extension of another kind": (behind_time("a109300706032a03040500"), "tag 05, expected 04"),
    "fraction with a zero": (timed(b"20260301120500.50Z"), "a time"),
    "no fraction": (timed(b"20260301120500.Z"), "a time"),
    "fraction of nothing": (timed(b"20260301120500.0Z"), "a time"),
    "second 60": (timed(b"20260301120560Z"), "second must be"),
    "policy that is a number": (replacing(POLICY, "02032a0304"), "tag 02, expected 06"),
    "policy that is no name": (replacing(POLICY, "06032a8004"), "no object identifier"),
    "serial that is text": (replacing("02010718", "04010718"), "tag 04, expected 02"),
    "padded serial": (replacing("02010718", "0202000718"), "an integer 0007"),
    "version -1": (version("0201ff"), "no version"),
    "padded version": (version("02020003"), "an integer 0003"),
    "version that is text": (version("040103"), "tag 04, expected 02"),
    "no hash": (hashes(), "does not announce"),
    "another hash": (hashes(SHA512_NULL), "does not announce"),
    "unknown hash beside": (hashes("300506032a0304", SHA256_NULL), "hashed with 1.2.3.4, expected"),
    "hash with parameters": (hashes("300e0609608648016503040201020105"), "hashed with 2.16.840"),
    "unsorted hashes": (hashes(SHA512_NULL, SHA256_NULL), "order of DER"),
    "garbage before the signer": (between("0500"), "comes along"),
    "lists before certificates": ({"after": lambda old: b"\xa1\x00" + old}, "comes along"),
    "lists twice": (between("a100a100"), "comes along"),
    "unsorted attributes": (told(lambda all_: all_[::-1]), "order of DER"),
    "attribute of nothing": (told(lambda all_: sorted([*all_, bytes.fromhex(MORE)])), "not enough values"),
    "attribute that is a number": (told(lambda all_: [b"\x02\x01\x05", *all_]), "tag 02, expected 30"),
    "no digest": (
        told(lambda all_: [each for each in all_ if each[4:13] != bytes.fromhex("2a864886f70d010904")]),
        "04",
    ),
    "digest of something else": ({"digest": bytes(32)}, "another content"),
    "digest cut short": ({"digest": bytes(31)}, "another content"),
    "garbage behind": ({"tail": b"\x05\x00"}, "tag 05, expected a1"),
    "unsigned twice": ({"tail": bytes.fromhex("a100a100")}, "too many values"),
    "unsigned garbage": ({"tail": bytes.fromhex("a103020105")}, "tag 02, expected 30"),
    "unsigned number": ({"tail": bytes.fromhex("a10c300a06032a03043103020105")}, "tag 02, expected 30"),
    "unsigned without a name": ({"tail": bytes.fromhex("a106300402000500")}, "tag 02, expected 06"),
}


@pytest.mark.parametrize("name", sorted(ACCEPTED))
def test_forms_that_are_right(name: str) -> None:
    bent, accuracy = ACCEPTED[name]
    token = signed_anew(PLAIN, TSA.party.key, **bent)
    found = check_token(token, SIGNED, [ROOT])
    assert (found.at, found.accuracy) == (AT, accuracy)
    assert contradicts(token, digest_of(token), found) == ""


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_forms_that_are_wrong(name: str) -> None:
    bent, detail = REFUSED[name]
    token = signed_anew(PLAIN, TSA.party.key, **bent)
    assert token != signed_anew(PLAIN, TSA.party.key), "nothing was bent"
    with pytest.raises(Refused) as caught:
        check_token(token, SIGNED, [ROOT])
    assert caught.value.reason is Reason.TIMESTAMP_INVALID
    assert detail in caught.value.detail


@pytest.mark.parametrize("name", ["sha384_ecdsa", "sha512_rsa", "sha256_rsa", "rsassa_pkcs1v15"])
def test_only_the_named_algorithm_counts(name: str) -> None:
    """OpenSSL takes whatever the key and the hash allow: a token that says otherwise is refused here."""

    def change(data: Any) -> None:
        data["signer_infos"][0]["signature_algorithm"] = {"algorithm": name}

    with pytest.raises(Refused, match=r"another hash than|does not hold"):
        check_token(TSA.token(SIGNED, change=change), SIGNED, [ROOT])


# --- chains ---


def usage(**used: bool) -> pki.Marked:
    names = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement")
    more = ("key_cert_sign", "crl_sign", "encipher_only", "decipher_only")
    return x509.KeyUsage(**{**dict.fromkeys((*names, *more), False), **used}), True


PURPOSE = pki.TSA_LEAF[1]
KNOWN = pki.certificate("known root", (*pki.ca_marks(), (x509.SubjectKeyIdentifier(b"2" * 20), False)))
HERE, ELSEWHERE = (x509.DirectoryName(each) for each in (KNOWN.x509.subject, TSA.party.x509.subject))
NUMBER = KNOWN.x509.serial_number
MARKS: dict[str, tuple[tuple[pki.Marked, ...], str]] = {
    "signs": ((usage(digital_signature=True), PURPOSE), ""),
    "commits": ((usage(content_commitment=True), PURPOSE), ""),
    "does not say": ((PURPOSE,), ""),
    **{
        f"{each} too": ((usage(digital_signature=True, **{each: True}), PURPOSE), "for more than signatures")
        for each in ("key_encipherment", "data_encipherment", "key_agreement", "key_cert_sign", "crl_sign")
    },
    "its issuer": ((PURPOSE, (x509.AuthorityKeyIdentifier(b"2" * 20, [HERE], NUMBER), False)), ""),
    "nobody": ((PURPOSE, (x509.AuthorityKeyIdentifier(None, None, None), False)), ""),
    "another key": ((PURPOSE, (x509.AuthorityKeyIdentifier(b"1" * 20, None, None), False)), "another issuer"),
    "another number": ((PURPOSE, (x509.AuthorityKeyIdentifier(None, [HERE], 5), False)), "another issuer"),
    "another name": ((PURPOSE, (x509.AuthorityKeyIdentifier(None, [ELSEWHERE], NUMBER), False)), "another issuer"),
}


@pytest.mark.parametrize("name", sorted(MARKS))
def test_chains_that_openssl_refuses_are_refused(name: str) -> None:
    marks, detail = MARKS[name]
    tsa = pki.tsa(KNOWN, marks=marks)
    token = tsa.token(SIGNED)
    assert bool(objection(token, digest_of(token), tsa.party.chain)) is bool(detail)
    if not detail:
        assert check_token(token, SIGNED, [KNOWN.der]).chain == tsa.party.chain
        return
    for check in (
        lambda: check_token(token, SIGNED, [KNOWN.der]),
        lambda: check_response(pki.granted(token), SIGNED, [tsa.authority]),
    ):
        with pytest.raises(Refused, match=detail) as caught:
            check()
        assert caught.value.reason is Reason.TIMESTAMP_INVALID


def test_a_key_identifier_of_an_issuer_that_has_none_says_nothing() -> None:
    tsa = pki.tsa(pki.root("plain"), marks=(PURPOSE, (x509.AuthorityKeyIdentifier(b"1" * 20, None, None), False)))
    token = tsa.token(SIGNED)
    assert contradicts(token, digest_of(token), check_token(token, SIGNED, [tsa.party.chain[-1]])) == ""


def test_chains_end_at_a_root() -> None:
    above = pki.intermediate(pki.root("top"), "not the top")
    token = pki.tsa(above).token(SIGNED)
    with pytest.raises(Refused, match="signed by itself"):
        check_token(token, SIGNED, [above.der])


# --- all others: whoever holds against OpenSSL is wrong ---


def real_stamps() -> list[tuple[bytes, bytes, tuple[Authority, ...]]]:
    found = [
        (each, real.signature, real.timestamp_authorities)
        for real in map(recorded, ("static-ct", "rekor2-staging", "custom-root"))
        for each in real.stamps
    ]
    trusted = parse_trusted_root((signed.FIXTURES / "trust" / "trusted_root.json").read_bytes(), "stack")
    bundle = read_bundle(signed.evidence("bundle-keyless-email")[0].body)
    assert isinstance(bundle.content, Envelope)
    (signature,) = bundle.content.signatures
    return [*found, *((each, signature, trusted.timestamp_authorities) for each in bundle.stamps)]


def made_stamps() -> list[tuple[bytes, bytes, tuple[Authority, ...]]]:
    kinds = {kind: pki.tsa(pki.root(f"root {kind}", kind=kind), kind=kind) for kind in ("p384", "rsa2048")}
    answers = [
        *((tsa, tsa.response(SIGNED, hash_name="sha512")) for tsa in kinds.values()),
        (TSA, TSA.response(SIGNED, ess="v1")),
        (TSA, pki.granted(signed_anew(PLAIN, TSA.party.key, **ACCEPTED["everything"][0]))),
        (TSA, pki.granted(signed_anew(PLAIN, TSA.party.key, **ACCEPTED["unsigned attribute"][0]))),
    ]
    return [(answer, SIGNED, (tsa.authority,)) for tsa, answer in answers]


STAMPS = [*real_stamps(), *made_stamps()]


def outcome(response: bytes, data: bytes, authorities: tuple[Authority, ...]) -> Stamp | None:
    try:
        return check_response(response, data, authorities)
    except Refused:
        return None


def test_every_stamp_holds_by_both() -> None:
    assert len(STAMPS) >= 9
    for response, data, authorities in STAMPS:
        found = outcome(response, data, authorities)
        token = token_of(response)
        assert found is not None
        assert contradicts(token, digest_of(token, data), found) == ""


@settings(max_examples=400, deadline=None)
@given(which=st.sampled_from(STAMPS), at=st.integers(0, 8000), bit=st.integers(0, 7))
def test_what_holds_with_a_bit_flipped_holds_by_openssl(
    which: tuple[bytes, bytes, tuple[Authority, ...]], at: int, bit: int
) -> None:
    response, data, authorities = which
    mutant = bytearray(response)
    mutant[at % len(mutant)] ^= 1 << bit
    found = outcome(bytes(mutant), data, authorities)
    if found is not None:
        token = token_of(bytes(mutant))
        assert contradicts(token, digest_of(token, data), found) == ""


def test_no_bit_before_the_certificates_or_behind_them_holds_against_openssl() -> None:
    """All of them, for one token: what is neither signed nor a certificate is where two readers could differ."""
    token = PLAIN
    digest = digest_of(token)
    start = token.index(info_of(token)) + len(info_of(token))
    skipped = range(start + 8, token.rindex(TSA.party.der[-40:]))
    for at in set(range(len(token))) - set(skipped):
        for bit in range(8):
            mutant = bytearray(token)
            mutant[at] ^= 1 << bit
            try:
                found = check_token(bytes(mutant), SIGNED, [ROOT])
            except Refused:
                continue
            assert contradicts(bytes(mutant), digest, found) == "", (at, bit)
