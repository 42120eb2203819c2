"""RT-63: distinguished names made to exhaust memory or time, in policies and in certificates."""

import random
import subprocess
import sys
import time

import pytest
from asn1crypto import core
from cryptography import x509
from cryptography.x509.oid import NameOID

from preverify.model.distinguished_names import MAX_NAME, parse_name
from preverify.model.errors import BadInput
from preverify.model.reasons import Reason
from support import notary, pki
from support.notary import evidence, only, verify

PIECES = ["C=US", "ST=WA", "O=a", ",", "+", "=", "\\", "\\2c", "\\,", "#", '"', ";", " ", "\0", "é", "OU=", "2.5.4.3="]

CHILD = """
import resource, sys
from preverify.model.distinguished_names import parse_name
from preverify.model.errors import BadInput
from preverify.verify.certificates.certificate import parse_certificate
from preverify.verify.refusal import Refused
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
before = peak()
for piece in (",", "+", "=", "\\\\", "\\\\,", "C=", "C=US,", "C=US+", "\\\\c3", "#", " "):
    for count in (1000, 100_000, 3_000_000):
        try:
            parse_name("C=US,ST=WA,O=" + piece * count)
        except BadInput:
            pass
for count in range(3):
    try:
        parse_certificate(bytes.fromhex(sys.stdin.readline()))
    except Refused:
        pass
print((peak() - before) // 1024)
"""


def party(values: list[tuple[x509.ObjectIdentifier, str]]) -> pki.Party:
    return notary.BETWEEN.issue(
        x509.Name([x509.NameAttribute(*each) for each in values]), notary.SIGNER_MARKS, valid=notary.YEARS
    )


def nested(levels: int) -> bytes:
    """Return sequences within sequences."""
    data = b"\x05\x00"
    for _ in range(levels):
        data = core.Sequence(contents=data).dump() if len(data) < 30_000 else data
    return data


def test_memory_stays_bounded() -> None:
    many = party([(NameOID.ORGANIZATIONAL_UNIT_NAME, f"{i}") for i in range(1400)])
    long = party([(NameOID.ORGANIZATIONAL_UNIT_NAME, "x" * 60)] * 400)
    lines = "\n".join(each.hex() for each in (many.der, long.der, nested(5000)))
    done = subprocess.run(
        [sys.executable, "-c", CHILD], input=lines + "\n", capture_output=True, text=True, timeout=120, check=True
    )
    assert int(done.stdout) < 64, "MiB more than before"


@pytest.mark.parametrize("count", [100, 1400])
def test_certificates_with_endless_subjects_are_refused(count: int) -> None:
    found = evidence(notary.jws(by=party([(NameOID.ORGANIZATIONAL_UNIT_NAME, f"{i:040d}") for i in range(count)])))
    start = time.process_time()
    finding = only(verify(found))
    assert finding.reason in (Reason.CERTIFICATE_INVALID, Reason.TOO_LARGE)
    assert len(finding.detail) < 400
    assert time.process_time() - start < 2


def test_names_that_look_like_others_stay_what_they_are() -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    start = time.process_time()
    for _ in range(5000):
        text = "".join(rng.choices(PIECES, k=rng.randrange(40)))
        try:
            name = dict(parse_name(text))
        except BadInput:
            continue
        assert all(name[kind] for kind in ("C", "ST", "O"))
    assert time.process_time() - start < 10


def test_length_is_looked_at_first() -> None:
    with pytest.raises(BadInput, match="at most"):
        parse_name("\\" * (MAX_NAME + 1))
