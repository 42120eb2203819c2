"""Writes `vectors.json`: signatures that must hold and signatures that must not, for every kind of key we accept.

    python make.py            writes the file (deterministic: running it again changes nothing)

Our own work, in the spirit of the public suites: each refusal is one way in which a verifier has been fooled before.
Keys come from fixed numbers and protect nothing; the RSA key is the throwaway one of the fixtures.
"""

import hashlib
import json
from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

HERE = Path(__file__).resolve().parent
MESSAGES = (b"", b"message", bytes(range(256)) * 5)
CURVES = {
    "p256": (ec.SECP256R1(), hashes.SHA256(), 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551),
    "p384": (ec.SECP384R1(), hashes.SHA384(), int("F" * 48 + "C7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973", 16)),
    "p521": (
        ec.SECP521R1(),
        hashes.SHA512(),
        int("1" + "F" * 64 + "FA51868783BF2F966B7FCC0148F709A5D03BB5C9B8899C47AEBB6FB71E91386409", 16),
    ),
}
SECRET = 0x1F2E3D4C5B6A79880123456789ABCDEF0FEDCBA987654321
ED_ORDER = 2**252 + 27742317777372353535851937790883648493

vectors = []


def add(name, key, message, signature, valid, why=""):
    spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    vectors.append(
        {
            "id": name,
            "key": spki.hex(),
            "message": message.hex(),
            "signature": signature.hex(),
            "valid": valid,
            "why": why,
        }
    )


def length(n):
    if n < 0x80:
        return bytes([n])
    body = n.to_bytes((n.bit_length() + 7) // 8, "big")
    return bytes([0x80 | len(body)]) + body


def integer(value, pad=0):
    body = value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True)
    return b"\x02" + length(len(body) + pad) + bytes(pad) + body


def sequence(*parts, tag=0x30):
    body = b"".join(parts)
    return bytes([tag]) + length(len(body)) + body


def ecdsa():
    for name, (curve, own_hash, order) in CURVES.items():
        private = ec.derive_private_key(SECRET, curve)
        public = private.public_key()
        for i, message in enumerate(MESSAGES):
            good = private.sign(message, ec.ECDSA(own_hash, deterministic_signing=True))
            add(f"{name}-good-{i}", public, message, good, True)
        message = b"message"
        good = private.sign(message, ec.ECDSA(own_hash, deterministic_signing=True))
        r, s = decode_dss_signature(good)
        add(f"{name}-high-s-twin", public, message, sequence(integer(r), integer(order - s)), True,
            "(r, n-s) holds wherever (r, s) does: signatures are no identifiers")
        if name != "p256":
            add(f"{name}-sha256", public, message,
                private.sign(message, ec.ECDSA(hashes.SHA256(), deterministic_signing=True)), True,
                "older tools hash with SHA-256 for every curve")

        def no(what, signature, why, message=message):
            add(f"{name}-{what}", public, message, signature, False, why)

        no("other-message", good, "one letter of the message differs", b"messagf")
        no("empty", b"", "no signature at all")
        no("cut-short", good[:-1], "the last byte is missing")
        no("trailing-byte", good + b"\0", "a byte after the signature")
        no("r-zero", sequence(integer(0), integer(s)), "r must be in 1..n-1")
        no("s-zero", sequence(integer(r), integer(0)), "s must be in 1..n-1")
        no("both-zero", sequence(integer(0), integer(0)), "the classic that verified everything (CVE-2022-21449)")
        no("both-one", sequence(integer(1), integer(1)), "small numbers that a sloppy reduction may accept")
        no("r-order", sequence(integer(order), integer(s)), "r = n")
        no("s-order", sequence(integer(r), integer(order)), "s = n")
        no("r-plus-order", sequence(integer(r + order), integer(s)), "r reduced modulo n would hold")
        no("s-plus-order", sequence(integer(r), integer(s + order)), "s reduced modulo n would hold")
        no("r-negative", sequence(integer(r - order), integer(s)), "r as a negative number of the same residue")
        no("swapped", sequence(integer(s), integer(r)), "r and s exchanged")
        no("padded-integer", sequence(integer(r, pad=1), integer(s)), "an integer with a superfluous zero: BER, not DER")
        no("long-form-length", b"\x30\x84" + (len(good) - 2).to_bytes(4, "big") + good[2:],
           "length in more bytes than needed: BER, not DER")
        no("indefinite-length", b"\x30\x80" + good[2:] + b"\0\0", "indefinite length: BER, not DER")
        no("three-integers", sequence(integer(r), integer(s), integer(1)), "something after s")
        no("only-r", sequence(integer(r)), "s is missing")
        no("set-instead-of-sequence", sequence(integer(r), integer(s), tag=0x31), "another tag outside")
        no("octet-strings", sequence(b"\x04" + integer(r)[1:], b"\x04" + integer(s)[1:]), "another tag inside")
        size = (order.bit_length() + 7) // 8
        no("raw", r.to_bytes(size, "big") + s.to_bytes(size, "big"), "r and s side by side, without DER")
        no("sha1", private.sign(message, ec.ECDSA(hashes.SHA1(), deterministic_signing=True)), "hashed with SHA-1")
        no("sha512-224", private.sign(message, ec.ECDSA(hashes.SHA512_224(), deterministic_signing=True)),
           "hashed with an algorithm that nobody chose")
        other = ec.derive_private_key(SECRET + 1, curve)
        no("other-key", other.sign(message, ec.ECDSA(own_hash, deterministic_signing=True)), "by another key")


def ed25519_vectors():
    private = ed25519.Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"preverify vectors").digest())
    public = private.public_key()
    for i, message in enumerate(MESSAGES):
        add(f"ed25519-good-{i}", public, message, private.sign(message), True)
    message = b"message"
    good = private.sign(message)
    s = int.from_bytes(good[32:], "little")

    def no(what, signature, why, message=message):
        add(f"ed25519-{what}", public, message, signature, False, why)

    no("other-message", good, "one letter of the message differs", b"messagf")
    no("empty", b"", "no signature at all")
    no("cut-short", good[:-1], "the last byte is missing")
    no("trailing-byte", good + b"\0", "a byte after the signature")
    no("s-plus-order", good[:32] + (s + ED_ORDER).to_bytes(32, "little"), "S reduced modulo L would hold")
    no("s-order", good[:32] + ED_ORDER.to_bytes(32, "little"), "S = L")
    no("all-zero", bytes(64), "zeros")
    no("r-not-a-point", b"\x02" + bytes(31) + good[32:], "R decodes to no point")
    no("r-not-reduced", b"\xff" * 32 + good[32:], "R is written with a number beyond the field")
    no("r-sign-flipped", good[:31] + bytes([good[31] ^ 0x80]) + good[32:], "R with the other sign")
    no("halves-swapped", good[32:] + good[:32], "S and R exchanged")
    no("der", sequence(integer(int.from_bytes(good[:32], "big")), integer(s)), "packed as if it were ECDSA")
    no("over-the-hash", private.sign(hashlib.sha512(message).digest()), "over the SHA-512 of the message, plainly")
    other = ed25519.Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"stranger").digest())
    no("other-key", other.sign(message), "by another key")


def rsa_vectors():
    pem = (HERE.parent / "fixtures" / "keys" / "rsa2048.pem").read_bytes()
    private = load_pem_private_key(pem, None)
    public, numbers = private.public_key(), private.private_numbers()
    n, d, size = numbers.public_numbers.n, numbers.d, 256
    for i, message in enumerate(MESSAGES):
        good = private.sign(message, padding.PKCS1v15(), hashes.SHA256())
        add(f"rsa-good-{i}", public, message, good, True)
    message = b"message"
    good = private.sign(message, padding.PKCS1v15(), hashes.SHA256())
    prefix = bytes.fromhex("3031300d060960864801650304020105000420")
    without_null = bytes.fromhex("302f300b0609608648016503040201" + "0420")
    digest = hashlib.sha256(message).digest()

    def raw(block):
        return pow(int.from_bytes(block, "big"), d, n).to_bytes(size, "big")

    def block(info, start=b"\0\x01", fill=b"\xff", end=b"", shorter=0):
        filling = fill * (size - len(start) - 1 - len(info) - len(end) - shorter)
        return start + filling + b"\0" + info + end

    assert raw(block(prefix + digest)) == good

    def no(what, signature, why, message=message):
        add(f"rsa-{what}", public, message, signature, False, why)

    no("other-message", good, "one letter of the message differs", b"messagf")
    no("empty", b"", "no signature at all")
    no("cut-short", good[:-1], "the last byte is missing")
    no("leading-zero", b"\0" + good, "a superfluous zero in front")
    no("trailing-byte", good + b"\0", "a byte after the signature")
    no("zero", bytes(size), "the number 0")
    no("one", (1).to_bytes(size, "big"), "the number 1")
    no("modulus", n.to_bytes(size, "big"), "the modulus itself")
    no("modulus-minus-one", (n - 1).to_bytes(size, "big"), "the number -1")
    no("garbage-after-digest", raw(block(prefix + digest, end=b"\xff" * 100)), "short padding, garbage behind (CVE-2006-4339)")
    no("short-padding", raw(block(prefix + digest, fill=b"", end=b"") .ljust(size, b"\0")), "no padding, zeros behind")
    no("zero-padding", raw(block(prefix + digest, fill=b"\0")), "padded with zeros")
    no("block-type-2", raw(block(prefix + digest, start=b"\0\x02")), "padding of encryption")
    no("block-type-0", raw(block(prefix + digest, start=b"\0\0")), "padding of another type")
    no("no-digest-info", raw(block(digest)), "the bare digest")
    no("sha1-named", raw(block(bytes.fromhex("3021300906052b0e03021a05000414") + digest[:20])), "SHA-1 is named")
    no("sha1", private.sign(message, padding.PKCS1v15(), hashes.SHA1()), "hashed with SHA-1")
    no("sha512", private.sign(message, padding.PKCS1v15(), hashes.SHA512()), "hashed with SHA-512")
    no("sha256-named-sha512-inside", raw(block(prefix + hashlib.sha512(message).digest()[:32])), "another hash inside")
    no("parameters-missing", raw(block(without_null + digest)), "DigestInfo without its NULL")
    # PSS draws its salt from the system; with an empty salt the signature is the same each time.
    no("pss", private.sign(message, padding.PSS(padding.MGF1(hashes.SHA256()), 0), hashes.SHA256()), "PSS padding")


ecdsa()
ed25519_vectors()
rsa_vectors()
(HERE / "vectors.json").write_text(json.dumps({"vectors": vectors}, indent=1) + "\n")
print(sum(v["valid"] for v in vectors), "accepted,", sum(not v["valid"] for v in vectors), "refused")
