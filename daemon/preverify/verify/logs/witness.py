"""Transparency logs: whether a trusted log stands for an entry, and when it says that it took it."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from preverify.model.reasons import Reason
from preverify.model.trust import Log
from preverify.verify.logs.checkpoints import log_key, open_checkpoint
from preverify.verify.logs.entries import Entry, Proof
from preverify.verify.logs.merkle import leaf_hash, root_of
from preverify.verify.refusal import Refused

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UNDATED = frozenset({("hashedrekord", "0.0.2"), ("dsse", "0.0.2")})
"""Entries of Rekor v2, which signs no times."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogFact:
    """What a trusted log stands for.

    Attributes:
        by: `log:` and the log's id in hex. Entries of one log are one witness.
        integrated: When the log took the entry: only where its signed entry time stamp says so.
        until: When this stops to hold by time alone: never.
    """

    by: str
    integrated: datetime | None
    until: datetime | None = None


def check_entry(
    entry: Entry,
    logs: Sequence[Log],
    *,
    promise: bool,
    proof: bool,
    times: Sequence[datetime] = (),
) -> LogFact:
    """Return which log stands for `entry`. That the entry is about anything in particular is for `check_body` to say.

    Whatever came with the entry has to hold, demanded or not.

    Args:
        entry: As read.
        logs: Those that are trusted. Only the one that the entry names by its full id is asked.
        promise: A signed entry time stamp has to be there.
        proof: An inclusion proof with a checkpoint has to be there.
        times: Other trusted times of the signature (time stamps). The log's period has to hold at each of them where
            the log itself signed no time. Without any time the period cannot be compared and is not.

    Raises:
        Refused: `log-untrusted` (an unknown log, or not at that time), `not-in-log` (a demanded part is missing) or
            `log-proof-invalid`.

    Spec:
        Sigstore client specification, "Transparency log entry".
    """
    _check_parts(entry, promise=promise, proof=proof)
    found = [log for log in logs if log.id == entry.log_id]
    if not found:
        raise Refused(Reason.LOG_UNTRUSTED, f"entry of log {entry.log_id.hex()}, none of the {len(logs)} trusted logs")
    integrated = _integrated(entry)
    # A root may list one log several times, with a period each: its key stays the same.
    log = _in_period(found, times if integrated is None else (integrated,))
    if entry.promise is not None:
        _check_promise(entry, entry.promise, log)
    if entry.proof is not None:
        _check_proof(entry, entry.proof, log)
    return LogFact(by=f"log:{log.id.hex()}", integrated=integrated)


def _check_parts(entry: Entry, *, promise: bool, proof: bool) -> None:
    """Refuse entries that lack what is demanded, or say what nothing vouches for."""
    if promise and entry.promise is None:
        raise Refused(Reason.NOT_IN_LOG, "the log entry has no signed entry time stamp")
    if proof and (entry.proof is None or not entry.proof.checkpoint):
        what = "inclusion proof" if entry.proof is None else "checkpoint"
        raise Refused(Reason.NOT_IN_LOG, f"the log entry has no {what}")
    if entry.promise is None and (entry.proof is None or not entry.proof.checkpoint):
        raise Refused(Reason.NOT_IN_LOG, "the log entry has neither a signed entry time stamp nor a checkpoint")
    if (entry.kind, entry.version) in _UNDATED and entry.promise is None:
        if entry.integrated_time:
            raise Refused(Reason.LOG_PROOF_INVALID, "an integrated time that no signed entry time stamp vouches for")
        if entry.proof is not None and entry.proof.log_index != entry.log_index:
            detail = f"the entry's place is {entry.log_index}, its proof's {entry.proof.log_index}"
            raise Refused(Reason.LOG_PROOF_INVALID, detail)


def _integrated(entry: Entry) -> datetime | None:
    """Return the time that the promise signs. It counts only once the promise has been checked."""
    if entry.promise is None or not entry.integrated_time:
        return None
    try:
        return _EPOCH + timedelta(seconds=entry.integrated_time)
    except OverflowError as error:
        detail = f"integrated time {entry.integrated_time} is beyond all calendars"
        raise Refused(Reason.LOG_PROOF_INVALID, detail) from error


def _in_period(logs: Sequence[Log], times: Sequence[datetime]) -> Log:
    for log in logs:
        if all(map(log.valid.holds, times)):
            return log
    at = ", ".join(each.isoformat() for each in times[:3])
    raise Refused(Reason.LOG_UNTRUSTED, f"log {logs[0].id.hex()} is not trusted at {at}")


def _check_promise(entry: Entry, promise: bytes, log: Log) -> None:
    """Check a signed entry time stamp.

    Spec:
        RFC 8785 form of the four members. Base64, hexadecimal digits and integers need no escapes, so that it is
        written out here; the members stand in its order.
    """
    body = base64.b64encode(entry.body).decode()
    signed = (
        f'{{"body":"{body}","integratedTime":{entry.integrated_time},'
        f'"logID":"{entry.log_id.hex()}","logIndex":{entry.log_index}}}'
    )
    if not log_key(log).verify(promise, signed.encode()):
        raise Refused(Reason.LOG_PROOF_INVALID, "the signed entry time stamp does not verify under the log's key")


def _check_proof(entry: Entry, proof: Proof, log: Log) -> None:
    """Check that the path leads from the entry to the root that the log signed.

    A proof without a checkpoint (bundles of v0.1 have such) proves nothing: it only must not be wrong in itself.
    """
    root = root_of(leaf_hash(entry.body), proof.log_index, proof.tree_size, proof.hashes)
    if root is None:
        place = f"{len(proof.hashes)} hashes for entry {proof.log_index} of {proof.tree_size}"
        raise Refused(Reason.LOG_PROOF_INVALID, f"no tree has this inclusion proof: {place}")
    if proof.root_hash and proof.root_hash != root:
        raise Refused(Reason.LOG_PROOF_INVALID, "the inclusion proof does not lead to its root hash")
    if not proof.checkpoint:
        return
    checkpoint = open_checkpoint(proof.checkpoint, log)
    if checkpoint.size != proof.tree_size:
        detail = f"a checkpoint over {checkpoint.size} entries, and a proof for a tree of {proof.tree_size}"
        raise Refused(Reason.LOG_PROOF_INVALID, detail)
    if checkpoint.root != root:
        raise Refused(Reason.LOG_PROOF_INVALID, "the inclusion proof does not lead to the checkpoint's root")
