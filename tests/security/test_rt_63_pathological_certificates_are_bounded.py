"""RT-63: certificates made to exhaust memory or time end as a refusal, soon and within a bound on memory."""

import json
import random
import subprocess
import sys

import pytest
from cryptography import x509

from preverify.model.reasons import Reason
from preverify.verify.certificates.certificate import parse_certificate
from preverify.verify.refusal import Refused
from preverify.verify.stamps.responses import check_response
from support import pki

SEED = 63
MAX_MEGABYTES = 64
CHILD = """
import json, resource, socket, sys, warnings
from preverify.model.trust import Authority
from preverify.verify.certificates.certificate import parse_certificate
from preverify.verify.certificates.paths import check_path
from preverify.verify.certificates.fulcio import identity_of
from preverify.verify.refusal import Refused
from preverify.verify.stamps.responses import check_response
from datetime import datetime
def no_network(*args): raise AssertionError("a socket was asked for")
socket.socket.connect = no_network
warnings.simplefilter("ignore")
work = json.load(sys.stdin)
trusted = [Authority(certificates=tuple(map(bytes.fromhex, work["authority"])))]
at = datetime.fromisoformat(work["at"])
def one(data):
    for call in (
        lambda: check_response(data, b"x", trusted),
        lambda: identity_of(parse_certificate(data)),
        lambda: check_path(parse_certificate(data), trusted, [at]),
        lambda: check_path(parse_certificate(bytes.fromhex(work["leaf"])), [Authority(certificates=(data,))], [at]),
    ):
        try:
            call()
        except Refused:
            continue
for data in map(bytes.fromhex, work["certificates"]): one(data)
def used(): return resource.getrusage(resource.RUSAGE_SELF)
before = used()
for _ in range(work["rounds"]):
    for data in map(bytes.fromhex, work["certificates"]): one(data)
after = used()
print(json.dumps({"grown": (after.ru_maxrss - before.ru_maxrss) // 1024, "seconds": after.ru_utime - before.ru_utime}))
"""


def many_names() -> bytes:
    return pki.certificate(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a" * 64)] * 210), pki.CODE_LEAF).der


def one_wide_name() -> bytes:
    parts = [x509.NameAttribute(x509.ObjectIdentifier(f"1.2.3.{n}"), "b" * 20) for n in range(520)]
    return pki.certificate(x509.Name([x509.RelativeDistinguishedName(parts)]), pki.CODE_LEAF).der


def many_alternative_names() -> bytes:
    san = x509.SubjectAlternativeName([x509.RFC822Name(f"{n}@example.test") for n in range(1400)])
    return pki.certificate("names", (*pki.CODE_LEAF, (san, True))).der


def many_extensions() -> bytes:
    extra = [(pki.raw(f"1.2.3.4.{n}", b"\x05\x00"), False) for n in range(1700)]
    return pki.certificate("extensions", (*pki.CODE_LEAF, *extra)).der


def large_extension() -> bytes:
    return pki.certificate("large", (*pki.CODE_LEAF, (pki.raw("1.3.6.1.4.1.57264.1.9", b"\x30" * 30_000), False))).der


def deep() -> bytes:
    value = b"\x05\x00"
    while len(value) < 30_000:
        value = b"\x30\x83" + len(value).to_bytes(3, "big") + value if len(value) > 0xFFFF else _wrapped(value)
    return pki.certificate("deep", (*pki.CODE_LEAF, (pki.raw("2.5.29.17", value), True))).der


def _wrapped(value: bytes) -> bytes:
    size = len(value)
    if size < 0x80:
        return bytes((0x30, size)) + value
    digits = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((0x30, 0x80 | len(digits))) + digits + value


def many_policies() -> bytes:
    policies = [x509.PolicyInformation(x509.ObjectIdentifier(f"1.2.3.{n}"), None) for n in range(3500)]
    return pki.certificate("policies", (*pki.ca_marks(), (x509.CertificatePolicies(policies), False))).der


def many_constraints() -> bytes:
    names = x509.NameConstraints([x509.RFC822Name(f"{n}.example.test") for n in range(1000)], None)
    return pki.certificate("constraints", (*pki.ca_marks(), (names, True))).der


def huge_number() -> bytes:
    return pki.certificate("number", pki.CODE_LEAF, secret=pki.key("rsa2048"), serial=2**158 + 1).der


PATHOLOGICAL = {
    each.__name__: each()
    for each in (
        many_names,
        one_wide_name,
        many_alternative_names,
        many_extensions,
        large_extension,
        deep,
        many_policies,
        many_constraints,
        huge_number,
    )
}


def mutants(count: int) -> list[bytes]:
    """Return certificates with names, lengths and bytes bent, from a seed."""
    print(f"seed {SEED}")
    chance = random.Random(SEED)
    pool = [*PATHOLOGICAL.values(), pki.leaf(pki.root()).der, pki.tsa().response(b"x")]
    made = []
    for _ in range(count):
        data = bytearray(chance.choice(pool))
        for _ in range(chance.randrange(1, 6)):
            at = chance.randrange(min(len(data), 400)) if chance.random() < 0.7 else chance.randrange(len(data))
            data[at] = chance.choice((0, 1, 0x30, 0x7F, 0x80, 0x82, 0x84, 0xFF, chance.randrange(256)))
        made.append(bytes(data))
    return made


def run(certificates: list[bytes], rounds: int) -> dict[str, float]:
    root = pki.root("bounded")
    work = {
        "certificates": [each.hex() for each in certificates],
        "authority": [root.der.hex()],
        "leaf": pki.leaf(root).der.hex(),
        "at": pki.SIGNED_AT.isoformat(),
        "rounds": rounds,
    }
    done = subprocess.run(
        [sys.executable, "-c", CHILD], input=json.dumps(work).encode(), capture_output=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    return json.loads(done.stdout)


def test_they_are_as_large_as_they_may_be() -> None:
    assert all(len(each) <= 32 * 1024 for each in PATHOLOGICAL.values())
    assert sum(len(each) > 20_000 for each in PATHOLOGICAL.values()) >= 7


def test_larger_ones_are_not_read_at_all() -> None:
    for data in (bytes(33 * 1024), pki.certificate("l", [(pki.raw("1.2.3", bytes(40_000)), False)]).der):
        with pytest.raises(Refused) as caught:
            parse_certificate(data)
        assert caught.value.reason is Reason.TOO_LARGE
    with pytest.raises(Refused) as caught:
        check_response(bytes(70_000), b"x", [])
    assert caught.value.reason is Reason.TOO_LARGE


def test_pathological_certificates_cost_little() -> None:
    took = run(list(PATHOLOGICAL.values()), 10)
    assert took["grown"] < MAX_MEGABYTES, took
    assert took["seconds"] < 20, took


def test_a_thousand_bent_ones_are_refused_within_the_same_bound() -> None:
    took = run(mutants(1000), 1)
    assert took["grown"] < MAX_MEGABYTES, took
    assert took["seconds"] < 60, took
