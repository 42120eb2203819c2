"""Logs: what a trusted one stands for, and every way in which an entry may only seem to be in it."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from preverify.model.errors import MalformedEvidence
from preverify.model.trust import Period
from preverify.verify.logs.entries import Entry, Proof
from preverify.verify.logs.witness import LogFact, check_entry
from preverify.verify.refusal import Refused
from support import logged
from support.logged import Ledger

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
TIME = int(NOW.timestamp())
OLD, NEW = Ledger(old=True), Ledger()
LOGS = (Ledger().log, OLD.log, NEW.log)
PROMISED, PROVEN = OLD.entry(time=TIME), NEW.entry()
PROMISE = {"promise": True, "proof": False}
PROOF = {"promise": False, "proof": True}
REAL = [each for each in logged.records() if each["expected"] != "bundle-malformed"]
HOLDING = [each for each in REAL if each["expected"] in ("ok", "log-entry-mismatch")]


def refused(check: Callable[[], LogFact], reason: str) -> str:
    with pytest.raises(Refused) as error:
        check()
    assert error.value.reason.value == reason, error.value.detail
    assert len(error.value.detail) < 240
    return error.value.detail


def proof_of(entry: Entry) -> Proof:
    assert entry.proof is not None
    return entry.proof


def with_proof(entry: Entry, **changes: Any) -> Entry:
    return replace(entry, proof=replace(proof_of(entry), **changes))


# --- real entries -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("each", REAL, ids=lambda r: r["id"])
def test_real_entries(each: logged.Record) -> None:
    if each["expected"] not in ("ok", "log-entry-mismatch"):
        refused(lambda: logged.check(each), each["expected"])
        return
    fact, entry = logged.check(each), logged.entry_of(each)
    assert fact.by == f"log:{entry.log_id.hex()}"
    assert fact.until is None
    promised = entry.promise is not None
    assert fact.integrated == (datetime.fromtimestamp(entry.integrated_time, UTC) if promised else None)


def test_real_entries_are_of_all_kinds() -> None:
    kinds = {(entry.kind, entry.version) for entry in map(logged.entry_of, HOLDING)}
    assert kinds == {("hashedrekord", "0.0.1"), ("hashedrekord", "0.0.2"), ("dsse", "0.0.1"), ("intoto", "0.0.2")}


@pytest.mark.parametrize("each", HOLDING, ids=lambda r: r["id"])
def test_a_real_entry_holds_only_as_it_is(each: logged.Record) -> None:
    entry = logged.entry_of(each)
    refused(lambda: logged.check(each, replace(entry, body=entry.body + b" ")), "log-proof-invalid")
    stranger = replace(entry, log_id=bytes(32))
    refused(lambda: logged.check(each, stranger), "log-untrusted")
    if entry.promise is not None:
        for change in ({"integrated_time": entry.integrated_time + 1}, {"log_index": entry.log_index + 1}):
            refused(lambda change=change: logged.check(each, replace(entry, **change)), "log-proof-invalid")
    if entry.proof is not None and entry.proof.checkpoint:
        for size in (entry.proof.tree_size + 1, entry.proof.log_index):
            refused(lambda size=size: logged.check(each, with_proof(entry, tree_size=size)), "log-proof-invalid")


# --- which log --------------------------------------------------------------------------------------------------------


def test_the_log_is_found_by_its_full_id() -> None:
    assert check_entry(PROVEN, LOGS, **PROOF) == LogFact(by=f"log:{NEW.id.hex()}", integrated=None)
    near = replace(PROVEN, log_id=NEW.id[:-1] + bytes([NEW.id[-1] ^ 1]))
    assert "none of the 3 trusted logs" in refused(lambda: check_entry(near, LOGS, **PROOF), "log-untrusted")
    refused(lambda: check_entry(PROVEN, (), **PROOF), "log-untrusted")


def test_no_other_log_is_asked() -> None:
    """An entry that one trusted log made, said to be of another."""
    other = Ledger(old=True)
    claimed = replace(PROMISED, log_id=other.id)
    refused(lambda: check_entry(claimed, (OLD.log, other.log), **PROMISE), "log-proof-invalid")
    claimed = replace(PROVEN, log_id=OLD.id)
    refused(lambda: check_entry(claimed, LOGS, **PROOF), "log-proof-invalid")


def test_a_key_under_another_id_is_another_log() -> None:
    swapped = replace(NEW.log, key=Ledger().log.key)
    refused(lambda: check_entry(PROVEN, (swapped,), **PROOF), "log-proof-invalid")


def test_a_key_that_nothing_is_verified_with() -> None:
    refused(lambda: check_entry(PROMISED, (replace(OLD.log, key=b"key"),), **PROMISE), "log-untrusted")


# --- when -------------------------------------------------------------------------------------------------------------

SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("period", "holds"),
    [
        (Period(start=NOW, end=NOW), True),
        (Period(start=NOW), True),
        (Period(end=NOW), True),
        (Period(start=NOW + SECOND), False),
        (Period(end=NOW - SECOND), False),
    ],
)
def test_the_log_s_period_holds_at_the_entry_s_time(period: Period, holds: bool) -> None:
    logs = (replace(OLD.log, valid=period),)
    late = (NOW + timedelta(days=999),)  # the log's own time counts where there is one
    if holds:
        assert check_entry(PROMISED, logs, **PROMISE, times=late).integrated == NOW
    else:
        assert "not trusted at 2026-11-01" in refused(lambda: check_entry(PROMISED, logs, **PROMISE), "log-untrusted")
    stamped = (replace(NEW.log, valid=period),)
    if holds:
        assert check_entry(PROVEN, stamped, **PROOF, times=(NOW,)).integrated is None
    else:
        refused(lambda: check_entry(PROVEN, stamped, **PROOF, times=(NOW,)), "log-untrusted")
        refused(lambda: check_entry(PROVEN, stamped, **PROOF, times=(NOW + 2 * SECOND, NOW)), "log-untrusted")
    assert check_entry(PROVEN, stamped, **PROOF).integrated is None  # no time, no comparison


def test_a_log_may_have_several_periods() -> None:
    logs = (
        replace(OLD.log, valid=Period(end=NOW - SECOND)),
        replace(OLD.log, valid=Period(start=NOW, end=NOW + SECOND)),
    )
    assert check_entry(PROMISED, logs, **PROMISE).integrated == NOW


def test_only_a_promise_makes_a_time() -> None:
    """CVE-2024-55655: an entry's time is believed only where the log signed it."""
    entry = OLD.entry(time=TIME)
    assert check_entry(entry, LOGS, promise=True, proof=True).integrated == NOW
    assert check_entry(replace(entry, promise=None), LOGS, **PROOF).integrated is None
    assert check_entry(OLD.entry(time=0), LOGS, **PROOF).integrated is None


def test_new_logs_sign_no_times() -> None:
    entry = replace(PROVEN, integrated_time=TIME)
    assert "vouches" in refused(lambda: check_entry(entry, LOGS, **PROOF), "log-proof-invalid")
    moved = replace(PROVEN, log_index=PROVEN.log_index + 1)
    assert "place is 3" in refused(lambda: check_entry(moved, LOGS, **PROOF), "log-proof-invalid")


def test_a_time_beyond_all_calendars() -> None:
    entry = OLD.entry(time=2**53 - 1)
    assert "calendars" in refused(lambda: check_entry(entry, LOGS, **PROMISE), "log-proof-invalid")


# --- what has to be there ---------------------------------------------------------------------------------------------


def test_what_is_demanded_has_to_be_there() -> None:
    bare = replace(PROMISED, proof=None)
    assert check_entry(bare, LOGS, **PROMISE).integrated == NOW
    assert "inclusion proof" in refused(lambda: check_entry(bare, LOGS, **PROOF), "not-in-log")
    no_note = with_proof(PROMISED, checkpoint="")
    assert check_entry(no_note, LOGS, **PROMISE).integrated == NOW
    assert "no checkpoint" in refused(lambda: check_entry(no_note, LOGS, **PROOF), "not-in-log")
    assert "time stamp" in refused(lambda: check_entry(PROVEN, LOGS, **PROMISE), "not-in-log")


@pytest.mark.parametrize("proof", [None, replace(proof_of(PROMISED), checkpoint="")])
def test_an_entry_that_nothing_vouches_for_is_in_no_log(proof: Proof | None) -> None:
    """Whatever is demanded: a self-made tree without a checkpoint proves nothing."""
    entry = replace(PROMISED, promise=None, proof=proof)
    assert "neither" in refused(lambda: check_entry(entry, LOGS, promise=False, proof=False), "not-in-log")


def test_what_is_there_has_to_hold_demanded_or_not() -> None:
    wrong = replace(PROMISED, promise=OLD.sign(b"something else"))
    refused(lambda: check_entry(wrong, LOGS, **PROOF), "log-proof-invalid")
    corrupted = with_proof(PROMISED, hashes=(bytes(32), *proof_of(PROMISED).hashes[1:]))
    refused(lambda: check_entry(corrupted, LOGS, **PROMISE), "log-proof-invalid")
    refused(lambda: check_entry(with_proof(corrupted, checkpoint=""), LOGS, **PROMISE), "log-proof-invalid")
    refused(lambda: check_entry(with_proof(PROMISED, checkpoint="note"), LOGS, **PROMISE), "log-proof-invalid")


# --- promises ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes", [{"body": b"{}"}, {"integrated_time": TIME + 1}, {"log_index": 3}, {"promise": b""}, {"promise": b"0"}]
)
def test_a_promise_is_over_all_four_members(changes: dict[str, Any]) -> None:
    entry = replace(PROMISED, proof=None, **changes)
    assert "time stamp" in refused(lambda: check_entry(entry, LOGS, **PROMISE), "log-proof-invalid")


def test_a_promise_names_its_log() -> None:
    promise = OLD.promise(PROMISED.body, TIME, 2, log_id=NEW.id)
    refused(lambda: check_entry(replace(PROMISED, promise=promise), LOGS, **PROMISE), "log-proof-invalid")


def test_one_flipped_bit_of_a_promise() -> None:
    assert PROMISED.promise is not None
    for position in (0, 5, len(PROMISED.promise) - 1):
        changed = bytearray(PROMISED.promise)
        changed[position] ^= 1
        entry = replace(PROMISED, promise=bytes(changed))
        refused(lambda entry=entry: check_entry(entry, LOGS, **PROMISE), "log-proof-invalid")


# --- proofs -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ledger", [OLD, NEW], ids=["v1", "v2"])
@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 9])
def test_a_proof_leads_from_every_place(ledger: Ledger, size: int) -> None:
    for index in range(size):
        assert check_entry(ledger.entry(index=index, size=size), LOGS, **PROOF).by == f"log:{ledger.id.hex()}"


def test_a_proof_has_exactly_its_hashes() -> None:
    hashes = proof_of(PROVEN).hashes
    for wrong in ((*hashes, bytes(32)), hashes[:-1], (), hashes[::-1]):
        entry = with_proof(PROVEN, hashes=wrong)
        refused(lambda entry=entry: check_entry(entry, LOGS, **PROOF), "log-proof-invalid")


def test_a_proof_s_place_lies_in_its_tree() -> None:
    outside = with_proof(replace(PROVEN, log_index=5), log_index=5)
    assert "entry 5 of 5" in refused(lambda: check_entry(outside, LOGS, **PROOF), "log-proof-invalid")
    refused(lambda: check_entry(with_proof(PROVEN, tree_size=0), LOGS, **PROOF), "log-proof-invalid")


def test_the_proof_s_root_is_that_of_its_path() -> None:
    assert check_entry(with_proof(PROVEN, root_hash=b""), LOGS, **PROOF).by  # need not be said
    entry = with_proof(PROVEN, root_hash=bytes(32))
    assert "its root hash" in refused(lambda: check_entry(entry, LOGS, **PROOF), "log-proof-invalid")


def test_the_checkpoint_is_of_the_proof_s_root() -> None:
    entry = NEW.entry(checkpoint=lambda size, _: NEW.checkpoint(size, bytes(32)))
    assert "checkpoint's root" in refused(lambda: check_entry(entry, LOGS, **PROOF), "log-proof-invalid")
    other = with_proof(PROVEN, checkpoint=proof_of(NEW.entry(index=0)).checkpoint)
    refused(lambda: check_entry(other, LOGS, **PROOF), "log-proof-invalid")


def test_the_checkpoint_is_of_the_proof_s_size() -> None:
    entry = NEW.entry(checkpoint=lambda size, top: NEW.checkpoint(size + 1, top))
    assert "over 6 entries" in refused(lambda: check_entry(entry, LOGS, **PROOF), "log-proof-invalid")


# --- whatever the bytes are -------------------------------------------------------------------------------------------


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(
    body=st.binary(),
    promise=st.none() | st.binary(max_size=80) | st.just(PROMISED.promise),
    time=st.integers(0, 2**63 - 1),
    index=st.integers(0, 2**63 - 1),
    size=st.integers(0, 2**63 - 1),
    hashes=st.lists(st.binary(min_size=32, max_size=32), max_size=64),
    checkpoint=st.text() | st.just(proof_of(PROMISED).checkpoint) | st.just(proof_of(PROVEN).checkpoint),
    log_id=st.sampled_from([OLD.id, NEW.id]) | st.binary(min_size=32, max_size=32),
    demands=st.tuples(st.booleans(), st.booleans()),
)
def test_nothing_but_a_refusal_escapes(
    body: bytes,
    promise: bytes | None,
    time: int,
    index: int,
    size: int,
    hashes: list[bytes],
    checkpoint: str,
    log_id: bytes,
    demands: tuple[bool, bool],
) -> None:
    proof = Proof(log_index=index, root_hash=b"", tree_size=size, hashes=tuple(hashes), checkpoint=checkpoint)
    entry = Entry(
        body=body,
        log_id=log_id,
        log_index=index,
        integrated_time=time,
        promise=promise,
        proof=proof,
        kind="hashedrekord",
        version="0.0.2",
    )
    with pytest.raises((Refused, MalformedEvidence)):
        check_entry(entry, LOGS, promise=demands[0], proof=demands[1])
