"""RT-8: an inclusion proof counts only to a root that the log itself signed (CVE-2024-54140)."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from preverify.verify.logs.entries import Entry
from preverify.verify.logs.witness import check_entry
from preverify.verify.refusal import Refused
from support.logged import Ledger, b64

LOGS = {"v1": Ledger(old=True), "v2": Ledger()}
WITNESS = Ledger(name="witness.test")
BOTH = pytest.mark.parametrize("log", LOGS.values(), ids=LOGS)


def refusal(log: Ledger, entry: Entry) -> str:
    with pytest.raises(Refused) as error:
        check_entry(entry, (log.log,), promise=False, proof=True)
    return error.value.reason.value


def with_checkpoint(log: Ledger, make: Callable[[str], str]) -> Entry:
    """Return an entry in a tree of the attacker's: a consistent proof, to a checkpoint that `make` signs."""
    return log.entry(checkpoint=lambda size, root: make(log.note(size, root)))


@BOTH
def test_the_log_s_own_tree(log: Ledger) -> None:
    assert check_entry(
        with_checkpoint(log, lambda note: f"{note}\n{log.line(note)}"), (log.log,), promise=False, proof=True
    )


@BOTH
def test_an_unsigned_checkpoint(log: Ledger) -> None:
    for text in ("{note}", "{note}\n", "{note}\n\n", "{note}\n— log.test\n"):
        entry = with_checkpoint(log, lambda note, text=text: text.format(note=note))
        assert refusal(log, entry) == "log-proof-invalid"


@BOTH
def test_a_checkpoint_that_the_attacker_signed(log: Ledger) -> None:
    """Under the log's name, with the log's key hint."""
    own = Ledger(old=log.old)
    for hint in (log.id[:4], own.id[:4]):

        def forged(note: str, hint: bytes = hint) -> str:
            return f"{note}\n— log.test {b64(hint + own.sign(note.encode()))}\n"

        assert refusal(log, with_checkpoint(log, forged)) == "log-proof-invalid"


@BOTH
def test_a_checkpoint_that_only_a_witness_signed(log: Ledger) -> None:
    entry = with_checkpoint(log, lambda note: f"{note}\n{WITNESS.line(note)}")
    assert refusal(log, entry) == "log-proof-invalid"


@BOTH
def test_a_true_checkpoint_over_another_tree(log: Ledger) -> None:
    """The log's latest checkpoint is public: it must not vouch for a tree that is not its own."""
    true = log.checkpoint(5, bytes(32))
    assert refusal(log, log.entry(checkpoint=lambda *_: true)) == "log-proof-invalid"
    entry = log.entry(checkpoint=lambda *_: true)
    assert entry.proof is not None
    for root in (bytes(32), b""):
        assert refusal(log, replace(entry, proof=replace(entry.proof, root_hash=root))) == "log-proof-invalid"


@BOTH
def test_no_checkpoint(log: Ledger) -> None:
    entry = log.entry(checkpoint=lambda *_: "")
    assert refusal(log, entry) == "not-in-log"
    with pytest.raises(Refused):  # nor where nothing is demanded
        check_entry(entry, (log.log,), promise=False, proof=False)
