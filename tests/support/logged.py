"""Real log entries with what they describe, and transparency logs of our own, made with real keys."""

import base64
import functools
import importlib.resources
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import rfc8785
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from preverify.model.dsse import pre_authentication_encoding
from preverify.model.trust import Log, Period, SigstoreRoot
from preverify.model.trusted_root import parse_trusted_root
from preverify.verify.logs.bodies import Described, Enveloped, Message
from preverify.verify.logs.entries import Entry, Proof, entry_from_annotation, entry_from_bundle
from preverify.verify.logs.witness import LogFact, check_entry

VECTORS = Path(__file__).resolve().parent.parent / "vectors" / "logs"
Record = dict[str, Any]


@functools.cache
def records() -> tuple[Record, ...]:
    """Return all real entries."""
    return tuple(json.loads((VECTORS / "entries.json").read_bytes()))


def record(record_id: str) -> Record:
    """Return the first entry of this id."""
    return next(each for each in records() if each["id"] == record_id)


@functools.cache
def root(name: str) -> SigstoreRoot:
    """Return a trusted root by its name in the records."""
    if name == "public-good":
        return parse_trusted_root(embedded_root("sigstore.dev"), name)
    return parse_trusted_root((VECTORS / "roots" / f"{name}.json").read_bytes(), name)


def embedded_root(instance: str) -> bytes:
    """Return the trusted root that the sigstore package holds for an instance."""
    store = importlib.resources.files("sigstore") / "_store" / f"https%3A%2F%2Ftuf-repo-cdn.{instance}"
    return (store / "trusted_root.json").read_bytes()


def entry_of(each: Record) -> Entry:
    """Read a record's entry."""
    return entry_from_annotation(each["entry"]) if each["form"] == "annotation" else entry_from_bundle(each["entry"])


def described_by(each: Record, **changes: Any) -> Described:
    """Return what a record's entry has to describe."""
    values: dict[str, Any] = {
        "signature": un64(each["signature"]),
        "spki": un64(each["spki"]),
        "certificate": un64(each["certificate"]) if each["certificate"] else None,
        "content": Message(data=un64(each["message"])) if "message" in each else _enveloped(each["envelope"]),
        "tag_format": each["form"] == "annotation",
    }
    return Described(**(values | changes))


def check(each: Record, entry: Entry | None = None, **options: Any) -> LogFact:
    """Check a record's entry (or `entry` in its place) as its form demands."""
    promise = each["form"] in ("annotation", "0.1")
    demanded = {"promise": promise, "proof": not promise} | options
    return check_entry(entry or entry_of(each), root(each["root"]).logs, **demanded)


def _enveloped(envelope: dict[str, Any]) -> Enveloped:
    payload = un64(envelope["payload"])
    return Enveloped(
        payload_type=envelope["payloadType"],
        payload=payload,
        pae=pre_authentication_encoding(envelope["payloadType"], payload),
        envelope=un64(envelope["document"]) if envelope["document"] else None,
    )


def un64(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def spki(key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


# --- logs of our own --------------------------------------------------------------------------------------------------


@dataclass
class Ledger:
    """A log with a real key and a real tree: `old` is of Rekor v1 (ECDSA, signs times), else of v2 (Ed25519)."""

    old: bool = False
    name: str = "log.test"
    valid: Period = field(default_factory=Period)
    key: Any = None

    def __post_init__(self) -> None:
        if self.key is None:
            self.key = ec.generate_private_key(ec.SECP256R1()) if self.old else ed25519.Ed25519PrivateKey.generate()

    @property
    def id(self) -> bytes:
        if self.old:
            return sha256(spki(self.key)).digest()
        return sha256(self.name.encode() + b"\n\x01" + self.key.public_key().public_bytes_raw()).digest()

    @property
    def log(self) -> Log:
        return Log(key=spki(self.key), id=self.id, origin="" if self.old else self.name, valid=self.valid)

    def sign(self, data: bytes) -> bytes:
        signature: bytes = self.key.sign(data, ec.ECDSA(hashes.SHA256())) if self.old else self.key.sign(data)
        return signature

    def promise(self, body: bytes, time: int, index: int, log_id: bytes | None = None) -> bytes:
        """Sign an entry's time, over an independent implementation of RFC 8785."""
        members = {"body": b64(body), "integratedTime": time, "logID": (log_id or self.id).hex(), "logIndex": index}
        return self.sign(rfc8785.dumps(members))

    def note(self, size: int, root_hash: bytes, extra: str = "") -> str:
        origin = f"{self.name} - 1234" if self.old else self.name
        return f"{origin}\n{size}\n{b64(root_hash)}\n{extra}"

    def line(self, note: str, name: str = "") -> str:
        return f"— {name or self.name} {b64(self.id[:4] + self.sign(note.encode()))}\n"

    def checkpoint(self, size: int, root_hash: bytes) -> str:
        note = self.note(size, root_hash)
        return f"{note}\n{self.line(note)}"

    def entry(
        self,
        body: bytes = b'{"kind":"hashedrekord","apiVersion":"0.0.1","spec":{}}',
        *,
        index: int = 2,
        size: int = 5,
        time: int | None = None,
        kind: tuple[str, str] | None = None,
        checkpoint: Callable[[int, bytes], str] | None = None,
    ) -> Entry:
        """Return an entry that holds: with a promise where `time` is given, always with a proof."""
        leaves = [sha256(b"\x00other %d" % i).digest() for i in range(size)]
        leaves[index] = sha256(b"\x00" + body).digest()
        top = tree(leaves)
        proof = Proof(
            log_index=index,
            root_hash=top,
            tree_size=size,
            hashes=tuple(path(index, leaves)),
            checkpoint=(checkpoint or self.checkpoint)(size, top),
        )
        name, version = kind or ("hashedrekord", "0.0.1" if self.old else "0.0.2")
        return Entry(
            body=body,
            log_id=self.id,
            log_index=index,
            integrated_time=time or 0,
            promise=None if time is None else self.promise(body, time, index),
            proof=proof,
            kind=name,
            version=version,
        )


def tree(leaves: Sequence[bytes]) -> bytes:
    """Return the root over leaf hashes, as RFC 6962 section 2.1 defines it."""
    if len(leaves) == 1:
        return leaves[0]
    half = _half(len(leaves))
    return sha256(b"\x01" + tree(leaves[:half]) + tree(leaves[half:])).digest()


def path(index: int, leaves: Sequence[bytes]) -> list[bytes]:
    """Return the inclusion proof of a leaf, as RFC 6962 section 2.1.1 defines it."""
    if len(leaves) == 1:
        return []
    half = _half(len(leaves))
    if index < half:
        return [*path(index, leaves[:half]), tree(leaves[half:])]
    return [*path(index - half, leaves[half:]), tree(leaves[:half])]


def _half(count: int) -> int:
    """Return the largest power of two below `count`."""
    return 1 << ((count - 1).bit_length() - 1)
