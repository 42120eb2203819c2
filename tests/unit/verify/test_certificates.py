"""Certificates: what is read, which authority a leaf is anchored in, and at which times."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.x509.oid import ExtendedKeyUsageOID as Eku
from hypothesis import given, settings
from hypothesis import strategies as st

from preverify.model.reasons import Reason
from preverify.model.trust import Authority, Period
from preverify.verify.certificates import paths as certificates
from preverify.verify.certificates.certificate import (
    MAX_CERTIFICATE_BYTES,
    authority_certificate,
    leaf_verifies,
    parse_certificate,
    parse_pem_chain,
    shown_name,
)
from preverify.verify.certificates.paths import Purpose, chains_of, check_leaf, check_path
from preverify.verify.refusal import Refused
from support import pki
from support.real_certificates import recorded

ROOT = pki.root()
ISSUING = pki.intermediate(ROOT)
LEAF = pki.leaf(ISSUING)
AT = pki.SIGNED_AT
LEAF_TAIL = b"\0" + LEAF.x509.signature
HOUR = timedelta(hours=1)
DIGITAL = (pki.usage("digital_signature"), True)
CODE = (x509.ExtendedKeyUsage([Eku.CODE_SIGNING]), False)


def refused(reason: Reason, detail: str, call: Callable[[], object]) -> None:
    with pytest.raises(Refused) as caught:
        call()
    assert caught.value.reason is reason, caught.value.detail
    assert detail in caught.value.detail
    assert len(caught.value.detail) <= 400


def path(leaf: pki.Party, *above: pki.Party, at: datetime = AT, times: tuple[datetime, ...] = ()) -> Any:
    authorities = [each.authority() for each in above or (ISSUING,)]
    return check_path(parse_certificate(leaf.der), authorities, times or (at,))


# --- reading ---


def test_everything_that_is_used_is_read() -> None:
    read = parse_certificate(LEAF.der)
    assert read.der == LEAF.der
    assert read.fingerprint == LEAF.x509.fingerprint(hashes.SHA256()).hex()
    assert read.spki == pki.spki(LEAF.key)
    assert (read.not_before, read.not_after) == (AT - timedelta(minutes=5), AT + timedelta(minutes=5))
    assert read.not_after.tzinfo is UTC
    assert parse_certificate(ISSUING.der).name == "CN=test intermediate,O=test"
    assert read == parse_certificate(LEAF.der) != parse_certificate(ISSUING.der)
    assert "der=" not in repr(read)


@pytest.mark.parametrize("kind", ["p256", "p384", "p521", "rsa2048", "ed25519"])
def test_every_kind_of_key_issues_and_signs(kind: str) -> None:
    root = pki.root(f"root {kind}", kind=kind)
    issuing = pki.intermediate(root, kind=kind)
    leaf = pki.leaf(issuing, kind=kind)
    assert path(leaf, issuing).issuer.der == issuing.der
    signature = leaf.signs(b"message")
    assert leaf_verifies(parse_certificate(leaf.der), signature, b"message")
    assert not leaf_verifies(parse_certificate(leaf.der), signature, b"massage")
    assert not leaf_verifies(parse_certificate(issuing.der), signature, b"message")
    assert not leaf_verifies(parse_certificate(leaf.der), b"", b"message")


def test_pss_signatures_of_authorities_are_read() -> None:
    root = pki.root("pss root", kind="rsa2048")

    def below(algorithm: hashes.HashAlgorithm) -> bytes:
        made = x509.CertificateBuilder(
            issuer_name=root.x509.subject,
            subject_name=pki.name(""),
            public_key=pki.key(name="pss leaf").public_key(),
            serial_number=9,
            not_valid_before=AT - HOUR,
            not_valid_after=AT + HOUR,
            extensions=[x509.Extension(value.oid, critical, value) for value, critical in (*pki.CODE_LEAF,)],
        ).sign(root.key, algorithm, rsa_padding=padding.PSS(padding.MGF1(algorithm), algorithm.digest_size))
        return made.public_bytes(pki.Encoding.DER)

    assert check_path(parse_certificate(below(hashes.SHA384())), [root.authority()], [AT])
    other = pki.root("pss root", kind="rsa2048", secret=pki.key("rsa2048", "another"))
    with pytest.raises(Refused, match="did not sign it"):
        check_path(parse_certificate(below(hashes.SHA384())), [other.authority()], [AT])
    with pytest.raises(Refused, match="signed with sha224"):
        parse_certificate(below(hashes.SHA224()))


def forms() -> dict[str, tuple[bytes, str]]:
    rsa_root = pki.root("old root", kind="rsa2048")

    def body(change: Callable[[Any], None]) -> bytes:
        return pki.resigned(LEAF, ISSUING.key, change).der

    def twice(tbs: Any) -> None:
        tbs["extensions"] = type(tbs["extensions"])([*tbs["extensions"], tbs["extensions"][0]])

    garbled = pki.leaf(ISSUING, "https://x.test", (pki.raw("2.5.29.19", b"\x30\x05\x01"), True))

    def two_algorithms() -> bytes:
        old, new = bytes.fromhex("300a06082a8648ce3d040302"), bytes.fromhex("300a06082a8648ce3d040303")
        head, _, tail = LEAF.der.rpartition(old)
        return head + new + tail

    weak = pki.certificate("weak", pki.CODE_LEAF, secret=pki.key("rsa1024"), by=ISSUING)
    curve = pki.certificate("curve", pki.CODE_LEAF, kind="secp256k1", by=ISSUING)
    return {
        "empty": (b"", "tag missing"),
        "text": (b"-----BEGIN CERTIFICATE-----", "tag 2d, expected 30"),
        "cut short": (LEAF.der[:-1], "are there"),
        "trailing byte": (LEAF.der + b"\0", "1 bytes after"),
        "not three parts": (b"\x30\x02\x05\x00", "not enough values"),
        "version 1": (body(lambda tbs: tbs.__setitem__("version", "v1")), "not version 3"),
        "serial zero": (body(lambda tbs: tbs.__setitem__("serial_number", 0)), "not positive"),
        "serial negative": (body(lambda tbs: tbs.__setitem__("serial_number", -5)), "not positive"),
        "two algorithms": (two_algorithms(), "two signature algorithms"),
        "sha1 rsa": (pki.resigned(rsa_root, rsa_root.key, algorithm="sha1_rsa").der, "1.2.840.113549.1.1.5, expected"),
        "sha1 ecdsa": (pki.resigned(LEAF, ISSUING.key, algorithm="sha1_ecdsa").der, "1.2.840.10045.4.1, expected"),
        "extension twice": (body(twice), "uplicate"),
        "extension garbled": (garbled.der, "error parsing"),
        "signature of bits": (LEAF.der.replace(LEAF_TAIL, b"\x01" + LEAF_TAIL[1:]), "does not consist of bytes"),
        "weak key": (weak.der, "RSA key of 1024 bits"),
        "other curve": (curve.der, "1.3.132.0.10, expected"),
        "key of no kind": (
            LEAF.der.replace(bytes.fromhex("06072a8648ce3d0201"), bytes.fromhex("05072a8648ce3d0201")),
            "a key of kind 1.2.840.10045.3.1.7, expected",
        ),
        "point not on curve": (
            LEAF.der.replace(pki.spki(LEAF.key)[-65:], b"\x04" + b"\x01" * 64),
            "the key of the certificate",
        ),
    }


FORMS = forms()


@pytest.mark.parametrize("name", sorted(FORMS))
def test_what_is_no_certificate_is_refused(name: str) -> None:
    data, detail = FORMS[name]
    refused(Reason.CERTIFICATE_INVALID, detail, lambda: parse_certificate(data))


def test_size_is_bounded() -> None:
    refused(Reason.TOO_LARGE, "at most", lambda: parse_certificate(b"0" * (MAX_CERTIFICATE_BYTES + 1)))


@settings(max_examples=300, deadline=None)
@given(at=st.integers(0, len(LEAF.der) - 1), flip=st.integers(1, 255), cut=st.booleans())
def test_mutants_are_refused_or_anchored_nowhere(at: int, flip: int, cut: bool) -> None:
    """Every byte of a certificate is signed, or the signature: no mutant is below the authority."""
    data = LEAF.der[:at] if cut else LEAF.der[:at] + bytes((LEAF.der[at] ^ flip,)) + LEAF.der[at + 1 :]
    with pytest.raises(Refused):
        check_path(parse_certificate(data), [ISSUING.authority()], [AT])


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(Refused):
        parse_certificate(data)


# --- PEM ---


def test_texts_with_certificates() -> None:
    both = LEAF.pem + b"subject=whoever\n" + ISSUING.pem.replace(b"\n", b"\r\n")
    assert parse_pem_chain(both) == parse_pem_chain(both.decode()) == (LEAF.der, ISSUING.der)
    assert parse_pem_chain(LEAF.pem.strip(), limit=1) == (LEAF.der,)


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        ("", "0 PEM blocks"),
        ("no certificate", "0 PEM blocks"),
        (LEAF.pem.replace(b"CERTIFICATE", b"PUBLIC KEY").decode(), "0 PEM blocks that are certificates, 1 blocks"),
        ((LEAF.pem + b"-----BEGIN PRIVATE KEY-----\n").decode(), "1 PEM blocks that are certificates, 2 blocks"),
        (LEAF.pem.decode()[:-30], "0 PEM blocks that are certificates, 1 blocks"),
        ("-----BEGIN CERTIFICATE-----\nAAA\n-----END CERTIFICATE-----", "not base64"),
        ("-----BEGIN CERTIFICATE-----\nProc-Type: 4\n-----END CERTIFICATE-----", "0 PEM blocks"),
        ("\u2028\ud800", "0 PEM blocks"),
    ],
)
def test_other_texts_are_refused(text: str, detail: str) -> None:
    refused(Reason.CERTIFICATE_INVALID, detail, lambda: parse_pem_chain(text))


def test_texts_are_bounded() -> None:
    refused(Reason.TOO_LARGE, "3 certificates, at most 2", lambda: parse_pem_chain(LEAF.pem * 3, limit=2))
    refused(Reason.TOO_LARGE, "as a text of", lambda: parse_pem_chain(b" " * 500_000))


# --- paths ---


def test_a_leaf_below_an_intermediate() -> None:
    found = path(LEAF)
    assert [each.der for each in found.chain] == [ISSUING.der, ROOT.der]
    assert found.issuer.der == ISSUING.der
    assert found.authority_id == f"ca:{authority_certificate(ROOT.der).fingerprint}"
    assert found.until == AT + timedelta(minutes=5)


def test_a_leaf_below_a_root() -> None:
    assert [each.der for each in path(pki.leaf(ROOT), ROOT).chain] == [ROOT.der]


@pytest.mark.parametrize("name", ["public-good", "static-ct", "rekor2-staging", "custom-root"])
def test_real_leaves_are_anchored(name: str) -> None:
    real = recorded(name)
    leaf = parse_certificate(real.leaf)
    found = check_path(leaf, real.authorities, [leaf.not_before, leaf.not_after])
    assert found.chain[-1].subject == found.chain[-1].issuer
    late = leaf.not_after + timedelta(seconds=1)
    refused(Reason.CERTIFICATE_EXPIRED, late.isoformat(), lambda: check_path(leaf, real.authorities, [late]))


def test_instances_do_not_vouch_for_each_other() -> None:
    real, other = recorded("public-good"), recorded("rekor2-staging")
    leaf = parse_certificate(real.leaf)
    refused(Reason.CERTIFICATE_UNTRUSTED, "", lambda: check_path(leaf, other.authorities, [leaf.not_before]))


def test_intermediates_of_own_authorities_stand_in_any_order() -> None:
    upper = pki.intermediate(ROOT, "upper", path_length=1)
    lower, beside = pki.intermediate(upper, "lower"), pki.intermediate(ROOT, "beside")
    for order in ((ROOT, lower, upper, beside), (upper, beside, ROOT, lower), (lower, upper, beside, ROOT, ROOT)):
        authority = Authority(certificates=tuple(each.der for each in order))
        for issuing, length in ((lower, 3), (upper, 2), (beside, 2), (ROOT, 1)):
            leaf = parse_certificate(pki.leaf(issuing).der)
            assert len(check_path(leaf, [authority], [AT]).chain) == length


def test_a_root_that_somebody_else_signed_is_trusted_as_it_is() -> None:
    """Whoever names an intermediate as the root means it."""
    authority = Authority(certificates=(ISSUING.der,))
    found = check_path(parse_certificate(LEAF.der), [authority], [AT])
    assert found.authority_id == f"ca:{authority_certificate(ISSUING.der).fingerprint}"


def test_authorities_that_changed_their_key_are_all_tried() -> None:
    old, new, newest = (pki.root("rotated", secret=pki.key(name=each)) for each in ("old", "new", "newest"))
    leaf = pki.leaf(new)
    assert path(leaf, old, new, newest).chain[0].der == new.der
    refused(Reason.CERTIFICATE_UNTRUSTED, "is trusted, but did not sign it", lambda: path(leaf, old, newest))


def test_authorities_that_were_renewed_hold_each_in_its_time() -> None:
    secret = pki.key(name="renewed")
    year = timedelta(days=365)
    old = pki.root("renewed", secret=secret, valid=(AT - 4 * year, AT - year))
    new = pki.root("renewed", secret=secret, valid=(AT - year, AT + year))
    assert path(pki.leaf(old), old, new).chain[0].der == new.der
    both = Authority(certificates=(ISSUING.der, ROOT.der))
    renewed = pki.certificate(
        ISSUING.x509.subject, pki.ca_marks(0), by=ROOT, secret=ISSUING.key, valid=(AT - HOUR, AT + HOUR)
    )
    lasting = replace(both, certificates=(renewed.der, *both.certificates))
    leaf = parse_certificate(LEAF.der)
    assert check_path(leaf, [lasting], [AT]).chain[0].der == renewed.der
    assert check_path(leaf, [lasting], [AT]).until == AT + timedelta(minutes=5)


def test_several_roots_in_one_authority_are_refused() -> None:
    both = Authority(certificates=(ISSUING.der, ROOT.der, pki.root("second").der))
    leaf = parse_certificate(LEAF.der)
    refused(Reason.CERTIFICATE_UNTRUSTED, "2 roots, expected one", lambda: check_path(leaf, [both], [AT]))
    assert check_path(leaf, [both, ISSUING.authority()], [AT])  # the other one is not harmed


# --- times ---


@pytest.mark.parametrize(
    ("seconds", "detail"),
    [(-300, ""), (300, ""), (-301, "the certificate of '' is valid"), (301, "the certificate of '' is valid")],
)
def test_a_leaf_holds_in_its_window_ends_included(seconds: int, detail: str) -> None:
    moment = AT + timedelta(seconds=seconds)
    if not detail:
        assert path(LEAF, at=moment)
        return
    refused(Reason.CERTIFICATE_EXPIRED, detail, lambda: path(LEAF, at=moment))
    refused(Reason.CERTIFICATE_EXPIRED, moment.isoformat(), lambda: path(LEAF, times=(AT, moment)))


def test_every_authority_has_to_be_valid() -> None:
    past = (AT - 10 * HOUR, AT - HOUR)
    old_root = pki.root("expired root", valid=past)
    below = pki.intermediate(old_root)
    expired = pki.intermediate(ROOT, "expired intermediate", valid=past)
    refused(Reason.CERTIFICATE_EXPIRED, "CN=expired root", lambda: path(pki.leaf(below), below))
    refused(Reason.CERTIFICATE_EXPIRED, "CN=expired intermediate", lambda: path(pki.leaf(expired), expired))


def test_trust_in_an_authority_has_its_own_time() -> None:
    leaf = parse_certificate(LEAF.der)

    def at(start: timedelta | None, end: timedelta | None) -> Any:
        valid = Period(start=None if start is None else AT + start, end=None if end is None else AT + end)
        return check_path(leaf, [ISSUING.authority(valid)], [AT])

    second = timedelta(seconds=1)
    assert at(timedelta(), timedelta()).until == AT
    assert at(None, None)
    refused(Reason.CERTIFICATE_EXPIRED, "is trusted ever to", lambda: at(None, -second))
    refused(Reason.CERTIFICATE_EXPIRED, "to ever, signed at", lambda: at(second, None))


def test_without_any_time_nothing_holds() -> None:
    refused(
        Reason.NO_TRUSTED_TIME, "no moment", lambda: check_path(parse_certificate(LEAF.der), [ISSUING.authority()], [])
    )


# --- who is no authority ---


def marks(*changes: pki.Marked, ca: bool = True, sign: bool = True) -> tuple[pki.Marked, ...]:
    constraints = (x509.BasicConstraints(ca=ca, path_length=None), True)
    return (constraints, (pki.usage("key_cert_sign" if sign else "digital_signature"), True), *changes)


POLICY = x509.ObjectIdentifier("1.2.3")
NAMES = x509.NameConstraints([x509.RFC822Name("example.test")], None)
BAD_AUTHORITIES: dict[str, tuple[tuple[pki.Marked, ...], str]] = {
    "none": (((pki.usage("key_cert_sign"), True),), "is no authority"),
    "not": (marks(ca=False), "is no authority"),
    "usage": (marks(sign=False), "is not for signing certificates"),
    "purpose": (marks((x509.ExtendedKeyUsage([Eku.SERVER_AUTH]), False)), "is not for code signing"),
    "names": (marks((NAMES, True)), "name constraints"),
    "critical": (marks((pki.raw("1.2.3.4.5", b"\x05\x00"), True)), "critical extension 1.2.3.4.5"),
}


@pytest.mark.parametrize("name", sorted(BAD_AUTHORITIES))
def test_what_is_no_authority_issues_nothing(name: str) -> None:
    extensions, detail = BAD_AUTHORITIES[name]
    root = pki.certificate(pki.name(f"bad root {name}"), extensions)
    below = ROOT.issue(pki.name(f"bad intermediate {name}"), extensions)
    refused(Reason.CERTIFICATE_UNTRUSTED, detail, lambda: chains_of(root.authority(), Purpose.CODE_SIGNING))
    refused(Reason.CERTIFICATE_UNTRUSTED, detail, lambda: path(pki.leaf(root), root))
    refused(Reason.CERTIFICATE_UNTRUSTED, "is no trusted authority", lambda: path(pki.leaf(below), below))


@pytest.mark.parametrize(
    "extra",
    [
        (x509.ExtendedKeyUsage([Eku.CODE_SIGNING]), True),
        (x509.ExtendedKeyUsage([Eku.ANY_EXTENDED_KEY_USAGE]), False),
        (x509.CertificatePolicies([x509.PolicyInformation(POLICY, None)]), True),
        (pki.raw("1.2.3.4.5", b"\x05\x00"), False),
    ],
)
def test_authorities_may_carry_what_is_understood(extra: pki.Marked) -> None:
    root = pki.certificate(pki.name(f"marked {extra[0].oid.dotted_string}"), marks(extra))
    assert path(pki.leaf(root), root)


def test_lengths_of_paths_are_kept() -> None:
    narrow = pki.certificate("narrow root", pki.ca_marks(0))
    below = pki.intermediate(narrow)
    refused(Reason.CERTIFICATE_UNTRUSTED, "is no trusted authority", lambda: path(pki.leaf(below), below))
    assert path(pki.leaf(narrow), narrow)
    too_deep = pki.intermediate(ISSUING, "below zero")
    refused(Reason.CERTIFICATE_UNTRUSTED, "is no trusted authority", lambda: path(pki.leaf(too_deep), too_deep))


def test_depth_is_bounded() -> None:
    level = pki.root("deep root")
    for number in range(4):
        level = pki.intermediate(level, f"level {number}", path_length=None)
    assert len(path(pki.leaf(level), level).chain) == 5
    deeper = pki.intermediate(level, "level 4", path_length=None)
    refused(Reason.CERTIFICATE_UNTRUSTED, "is no trusted authority", lambda: path(pki.leaf(deeper), deeper))


def test_chains_within_an_authority_are_bounded() -> None:
    """Authorities that all carry one name and one key sign each other: the number of chains grows without limit."""
    root = pki.root("one name", secret=pki.key(name="one key"))
    others = [
        pki.certificate(root.x509.subject, pki.ca_marks(), by=root, secret=root.key, serial=n + 1) for n in range(8)
    ]
    ends = [pki.intermediate(pki.root("loop root"), "loop", path_length=None, secret=pki.key(name="loop"), serial=7)]
    ends += [ends[0].issue(ends[0].x509.subject, pki.ca_marks(), secret=ends[0].key, serial=n + 10) for n in range(7)]
    wide = Authority(certificates=(*(each.der for each in ends), ends[0].chain[-1]))
    # Self-issued ones count as roots: such an authority is refused for that already.
    for authority in (wide, Authority(certificates=(*(each.der for each in others), root.der))):
        refused(
            Reason.CERTIFICATE_UNTRUSTED, "roots, expected one", lambda a=authority: chains_of(a, Purpose.CODE_SIGNING)
        )
    up = pki.root("fan root")
    secrets = [pki.key(name=f"fan {n}") for n in range(3)]
    layers = [
        pki.certificate(pki.name(f"fan {n}"), pki.ca_marks(), by=above, secret=secrets[n], serial=n * 10 + k + 1)
        for n, above in enumerate((up, None, None))
        for k in range(3)
        if above
    ]
    second = [layers[0].issue(pki.name("fan 1"), pki.ca_marks(), secret=secrets[1], serial=20 + k) for k in range(3)]
    third = [second[0].issue(pki.name("fan 2"), pki.ca_marks(), secret=secrets[2], serial=30 + k) for k in range(3)]
    fan = Authority(certificates=tuple(each.der for each in (*layers, *second, *third, up)))
    assert len(chains_of(fan, Purpose.CODE_SIGNING)) == 1 + 3 + 9 + 27


def test_more_chains_than_the_bound_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(certificates, "_MAX_CHAINS", 2)
    pair = Authority(certificates=(pki.intermediate(ROOT, "pair").der, *ISSUING.chain))
    refused(Reason.CERTIFICATE_UNTRUSTED, "more than 2 chains", lambda: chains_of(pair, Purpose.CODE_SIGNING))


@pytest.mark.parametrize(
    ("certificates_", "detail"),
    [
        ((), "an authority of 0 certificates"),
        (tuple(bytes((n,)) for n in range(11)), "an authority of 11 certificates"),
        ((b"garbage",), "a certificate of an authority: not a certificate"),
        ((LEAF.der,), "is no authority"),
    ],
)
def test_authorities_that_cannot_be_used_say_why(certificates_: tuple[bytes, ...], detail: str) -> None:
    authority = Authority(certificates=certificates_)
    refused(Reason.CERTIFICATE_UNTRUSTED, detail, lambda: chains_of(authority, Purpose.CODE_SIGNING))
    leaf = parse_certificate(LEAF.der)
    refused(Reason.CERTIFICATE_UNTRUSTED, detail, lambda: check_path(leaf, [authority], [AT]))


def test_a_root_that_did_not_sign_itself_is_refused() -> None:
    forged = pki.resigned(ROOT, pki.key(name="stranger"))
    refused(
        Reason.CERTIFICATE_UNTRUSTED,
        "is not signed by itself",
        lambda: chains_of(Authority(certificates=(forged.der,)), Purpose.CODE_SIGNING),
    )


# --- whose leaf is no leaf ---


BAD_LEAVES: dict[str, tuple[tuple[pki.Marked, ...], str]] = {
    "authority": ((*pki.CODE_LEAF, (x509.BasicConstraints(ca=True, path_length=None), True)), "is an authority"),
    "no usage": ((CODE,), "key usage"),
    "other usage": (((pki.usage("key_encipherment"), True), CODE), "key usage"),
    "signs certificates": (((pki.usage("digital_signature", "key_cert_sign"), True), CODE), "key usage"),
    "no purpose": ((DIGITAL,), "extended key usage"),
    "other purpose": ((DIGITAL, (x509.ExtendedKeyUsage([Eku.SERVER_AUTH, Eku.TIME_STAMPING]), False)), "extended key"),
    "any purpose": ((DIGITAL, (x509.ExtendedKeyUsage([Eku.ANY_EXTENDED_KEY_USAGE]), False)), "extended key usage"),
    "critical": ((*pki.CODE_LEAF, (pki.raw("1.2.3.4.5", b"\x05\x00"), True)), "1.2.3.4.5"),
    "precertificate": ((*pki.CODE_LEAF, (x509.PrecertPoison(), True)), "1.3.6.1.4.1.11129.2.4.3"),
}


@pytest.mark.parametrize("name", sorted(BAD_LEAVES))
def test_leaves_that_are_not_made_for_code(name: str) -> None:
    extensions, detail = BAD_LEAVES[name]
    leaf = ISSUING.issue("leaf", extensions)
    refused(Reason.CERTIFICATE_INVALID, detail, lambda: path(leaf))


def test_leaves_may_say_that_they_are_no_authority() -> None:
    marked = (*pki.CODE_LEAF, (x509.BasicConstraints(ca=False, path_length=None), True))
    assert path(ISSUING.issue("leaf", marked))


BAD_STAMPERS: dict[str, tuple[tuple[pki.Marked, ...], str]] = {
    "not critical": ((DIGITAL, (x509.ExtendedKeyUsage([Eku.TIME_STAMPING]), False)), "critically"),
    "two purposes": ((DIGITAL, (x509.ExtendedKeyUsage([Eku.TIME_STAMPING, Eku.CODE_SIGNING]), True)), "alone"),
    "usage": (((pki.usage("key_encipherment"), True), pki.TSA_LEAF[1]), "key usage"),
    "code": (pki.CODE_LEAF, "time stamping"),
}


@pytest.mark.parametrize("name", sorted(BAD_STAMPERS))
def test_leaves_that_are_not_made_for_time_stamps(name: str) -> None:
    extensions, detail = BAD_STAMPERS[name]
    leaf = parse_certificate(ISSUING.issue("stamper", extensions).der)
    refused(Reason.CERTIFICATE_INVALID, detail, lambda: check_leaf(leaf, Purpose.TIME_STAMPING))


@pytest.mark.parametrize("usage", [None, "digital_signature", "content_commitment"])
def test_leaves_that_are_made_for_time_stamps(usage: str | None) -> None:
    marked = ((pki.usage(usage), True),) if usage else ()
    check_leaf(parse_certificate(ISSUING.issue("stamper", (*marked, pki.TSA_LEAF[1])).der), Purpose.TIME_STAMPING)


# --- attacks ---


def test_certificates_of_strangers_are_untrusted() -> None:
    stranger = pki.root("stranger")
    refused(Reason.CERTIFICATE_UNTRUSTED, "'CN=stranger,O=test' is no trusted", lambda: path(pki.leaf(stranger)))
    copied = pki.leaf(stranger, issuer=ISSUING.x509.subject)
    refused(Reason.CERTIFICATE_UNTRUSTED, "is trusted, but did not sign it", lambda: path(copied))
    refused(Reason.CERTIFICATE_UNTRUSTED, "is no trusted", lambda: check_path(parse_certificate(LEAF.der), [], [AT]))


def test_certificates_signed_by_themselves_are_untrusted() -> None:
    own = pki.certificate("me", (*pki.CODE_LEAF, pki.uri_san("https://github.test/o/r")))
    refused(Reason.CERTIFICATE_UNTRUSTED, "is signed by itself", lambda: path(own))
    refused(Reason.CERTIFICATE_UNTRUSTED, "is signed by itself", lambda: path(own, own))


def test_authorities_are_no_leaves() -> None:
    for each in (ROOT, ISSUING):
        refused(Reason.CERTIFICATE_INVALID, "is an authority", lambda e=each: path(e))


def test_names_are_compared_as_they_are_written() -> None:
    """`printableString` and `utf8String` of one text are two names to most readers: so they are here."""
    written = x509.Name(
        [x509.NameAttribute(x509.NameOID.COMMON_NAME, "same", _type=x509.name._ASN1Type.PrintableString)]
    )
    other = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "same", _type=x509.name._ASN1Type.UTF8String)])
    root = pki.certificate(written, pki.ca_marks())
    refused(Reason.CERTIFICATE_UNTRUSTED, "no trusted", lambda: path(pki.leaf(root, issuer=other), root))


def test_details_of_hostile_names_are_plain_and_short() -> None:
    hostile = pki.root("a\nb\u202e" + "c" * 40, secret=pki.key())
    with pytest.raises(Refused) as caught:
        path(pki.leaf(hostile))
    assert caught.value.detail.isascii()
    assert caught.value.detail.isprintable()


def test_names_are_shown_however_they_are_formed() -> None:
    assert shown_name(pki.name("x", o="y", c="DE").public_bytes()) == "CN=x,C=DE,O=y"
    assert shown_name(x509.Name([x509.NameAttribute(x509.NameOID.EMAIL_ADDRESS, "a@b")]).public_bytes()).endswith(
        "=a@b"
    )
    for unreadable in (b"", b"\x30\x01", bytes.fromhex("30043102300030"), bytes.fromhex("300431023000")):
        assert shown_name(unreadable) == "an unreadable name"


def test_a_chain_is_verified_once(monkeypatch: pytest.MonkeyPatch) -> None:
    root = pki.root("counted")
    issuing = pki.intermediate(root)
    first, second = (parse_certificate(pki.leaf(issuing).der) for _ in range(2))
    counted: list[str] = []
    real = certificates.is_issued

    def counting(child: Any, parent: Any) -> bool:
        counted.append(child.name)
        return real(child, parent)

    monkeypatch.setattr(certificates, "is_issued", counting)
    check_path(first, [issuing.authority()], [AT])
    above = len(counted)
    check_path(second, [issuing.authority()], [AT])
    assert len(counted) == above + 1
