"""Checkpoints: a log's signed word on how large its tree is and what its root."""

import binascii
import re
from dataclasses import dataclass
from hashlib import sha256

from preverify.model.errors import BadInput
from preverify.model.reasons import Reason
from preverify.model.trust import Log
from preverify.verify.keys.public_keys import PublicKey, prepared
from preverify.verify.refusal import Refused

MAX_CHECKPOINT = 64 * 1024
MAX_SIGNATURES = 100
_SIZE = re.compile(r"0|[1-9][0-9]{0,18}")
_NOT_TEXT = re.compile(r"[\x00-\x09\x0b-\x1f\x7f\ud800-\udfff]")
_SIGNATURE = re.compile(r"— (\S{1,512}) (\S+)")
_HINT_BYTES = 4
_ROOT_BYTES = 32
_ED25519_NOTE = b"\n\x01"


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A tree that its log stands for: `root` over `size` leaves."""

    origin: str
    size: int
    root: bytes


def log_key(log: Log) -> PublicKey:
    """Return a log's key made ready for use.

    Raises:
        Refused: `log-untrusted`, a key of a kind that nothing is verified with.
    """
    try:
        return prepared(log.key)
    except BadInput as error:
        raise Refused(Reason.LOG_UNTRUSTED, f"the log's key cannot be used: {error}") from error


def open_checkpoint(text: str, log: Log) -> Checkpoint:
    """Return what a checkpoint says, once `log` is found to have signed it.

    Signatures of others (witnesses) neither help nor harm, and their order is free.

    Raises:
        Refused: `log-proof-invalid`.

    Spec:
        C2SP tlog-checkpoint and signed-note. The origin is compared where the log's name is part of its id (Rekor v2);
        older logs write one name and a tree's number there, and are told by their key alone.
    """
    note, signatures = _split(text)
    checkpoint = _read(note)
    if log.origin and checkpoint.origin != log.origin:
        raise _invalid(f"checkpoint of {checkpoint.origin[:80]!r}, expected {log.origin[:80]!r}")
    key = log_key(log)
    for name, hint, signature in signatures:
        # The first line by this key decides, as in the reference implementation: more would only cost time.
        if hint in _hints(log, key, name) and name in _names(log, name):
            if key.verify(signature, note.encode()):
                return checkpoint
            raise _invalid("the checkpoint's signature by the log does not verify")
    raise _invalid(f"none of the checkpoint's {len(signatures)} signatures is by the log")


def _names(log: Log, name: str) -> tuple[str, ...]:
    """Return what a signature line by this log may call it: Rekor v1 leaves the tree's number out there."""
    return (log.origin, log.origin.partition(" - ")[0]) if log.origin else (name,)


def _hints(log: Log, key: PublicKey, name: str) -> tuple[bytes, ...]:
    """Return what a signature line by this log may call its key. What counts is that the key then verifies."""
    own = (log.id[:_HINT_BYTES], sha256(log.key).digest()[:_HINT_BYTES])
    if not key.ed25519:
        return own
    return (*own, sha256(name.encode() + _ED25519_NOTE + key.ed25519).digest()[:_HINT_BYTES])


def _split(text: str) -> tuple[str, tuple[tuple[str, bytes, bytes], ...]]:
    """Return the signed text, to the end of its last line, and each signature's name, key hint and bytes."""
    if len(text) > MAX_CHECKPOINT:
        raise _invalid(f"checkpoint of {len(text)} characters, at most {MAX_CHECKPOINT} are read")
    if _NOT_TEXT.search(text):
        raise _invalid("the checkpoint holds control characters")
    note, blank, rest = text.partition("\n\n")
    if not blank or not rest.endswith("\n") or "\n\n" in rest:
        raise _invalid("the checkpoint is not text, one blank line and signatures")
    lines = rest[:-1].split("\n")
    if len(lines) > MAX_SIGNATURES:
        raise _invalid(f"{len(lines)} signatures on a checkpoint, at most {MAX_SIGNATURES} are read")
    return note + "\n", tuple(map(_signature, lines))


def _signature(line: str) -> tuple[str, bytes, bytes]:
    match = _SIGNATURE.fullmatch(line)
    data = _base64(match[2]) if match else b""
    if match is None or len(data) <= _HINT_BYTES:
        raise _invalid(f"{line[:80]!r} is no signature line of a checkpoint")
    return match[1], data[:_HINT_BYTES], data[_HINT_BYTES:]


def _read(note: str) -> Checkpoint:
    lines = note.split("\n")
    if len(lines) < 4 or not lines[0] or not _SIZE.fullmatch(lines[1]):
        raise _invalid("the checkpoint does not begin with origin, size and root")
    root = _base64(lines[2])
    if len(root) != _ROOT_BYTES:
        raise _invalid(f"the checkpoint's root is {lines[2][:80]!r}, expected base64 of {_ROOT_BYTES} bytes")
    return Checkpoint(origin=lines[0], size=int(lines[1]), root=root)


def _base64(text: str) -> bytes:
    """Decode strict base64; empty for everything else."""
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except ValueError:  # binascii.Error is one; others come of non-ASCII text
        return b""


def _invalid(detail: str) -> Refused:
    return Refused(Reason.LOG_PROOF_INVALID, detail)
