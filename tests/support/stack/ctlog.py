"""A stand-in for a certificate transparency log: `ctlog.py DIR PORT`.

It answers add-pre-chain of RFC 6962 with a properly signed certificate timestamp, so that certificates carry one that
verifies under pki/ct.pub. It builds no tree: verifiers of signatures look only at the time stamp.
"""

import base64
import hashlib
import struct
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from answering import Handler, serve
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

POISON = bytes.fromhex("060a2b06010401d679020403")  # 1.3.6.1.4.1.11129.2.4.3
SPKI = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def span(data: bytes, at: int) -> tuple[int, int, int]:
    """Return tag, start and end of the value at a place."""
    tag, length, start = data[at], data[at + 1], at + 2
    if length & 0x80:
        count = length & 0x7F
        length = int.from_bytes(data[start : start + count], "big")
        start += count
    return tag, start, start + length


def encode(tag: int, body: bytes) -> bytes:
    size = len(body)
    if size < 128:
        return bytes([tag, size]) + body
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + body


def children(data: bytes, at: int, end: int) -> Iterator[tuple[int, bytes, bytes]]:
    while at < end:
        tag, start, stop = span(data, at)
        yield tag, data[at:stop], data[start:stop]
        at = stop


def without_poison(tbs: bytes) -> bytes:
    _, start, end = span(tbs, 0)
    out = b""
    for tag, raw, value in children(tbs, start, end):
        if tag != 0xA3:
            out += raw
            continue
        _, first, last = span(value, 0)
        kept = b"".join(each for _, each, inner in children(value, first, last) if not inner.startswith(POISON))
        out += encode(0xA3, encode(0x30, kept))
    return encode(0x30, out)


class Stamps:
    def __init__(self, directory: Path) -> None:
        key = serialization.load_pem_private_key((directory / "pki" / "ct.key").read_bytes(), None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        self.key = key
        self.id = hashlib.sha256(key.public_key().public_bytes(*SPKI)).digest()

    def stamp(self, leaf: bytes, issuer: bytes) -> dict[str, Any]:
        milliseconds = int(time.time() * 1000)
        issuer_key = x509.load_der_x509_certificate(issuer).public_key().public_bytes(*SPKI)
        tbs = without_poison(x509.load_der_x509_certificate(leaf).tbs_certificate_bytes)
        entry = struct.pack(">H", 1) + hashlib.sha256(issuer_key).digest() + len(tbs).to_bytes(3, "big") + tbs
        signed = bytes([0, 0]) + struct.pack(">Q", milliseconds) + entry + struct.pack(">H", 0)
        signature = self.key.sign(signed, ec.ECDSA(hashes.SHA256()))
        return {
            "sct_version": 0,
            "id": base64.b64encode(self.id).decode(),
            "timestamp": milliseconds,
            "extensions": "",
            "signature": base64.b64encode(bytes([4, 3]) + struct.pack(">H", len(signature)) + signature).decode(),
        }


def handler(stamps: Stamps) -> type[Handler]:
    class Log(Handler):
        def do_GET(self) -> None:  # noqa: N802 - the library's name
            self.answer({"ok": True})

        def do_POST(self) -> None:  # noqa: N802
            chain = [base64.b64decode(each) for each in self.body()["chain"]]
            if self.path.endswith("/ct/v1/add-pre-chain"):
                self.answer(stamps.stamp(chain[0], chain[1]))
            else:
                self.answer({"error": "not found"}, 404)

    return Log


if __name__ == "__main__":
    serve(handler(Stamps(Path(sys.argv[1]))), int(sys.argv[2]))
