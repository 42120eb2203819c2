"""RT-7: what the evidence claims of a log is nothing until the log's own key says so (CVE-2022-23649)."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from preverify.verify.logs.entries import Entry
from preverify.verify.logs.witness import check_entry
from preverify.verify.refusal import Refused
from support.logged import Ledger

TIME = 1_790_000_000
LOG = Ledger(old=True)
FORGER = Ledger(old=True)
BODY = b'{"kind":"hashedrekord","apiVersion":"0.0.1","spec":{}}'


def reason(entry: Entry) -> str:
    with pytest.raises(Refused) as error:
        check_entry(entry, (LOG.log,), promise=True, proof=False)
    return error.value.reason.value


def promised(promise: bytes) -> Entry:
    return replace(LOG.entry(BODY, time=TIME), promise=promise, proof=None)


def test_the_log_s_own_promise_holds() -> None:
    assert check_entry(promised(LOG.promise(BODY, TIME, 2)), (LOG.log,), promise=True, proof=False).integrated


@pytest.mark.parametrize(
    "forge",
    [
        lambda: FORGER.promise(BODY, TIME, 2, log_id=LOG.id),  # everything right but the key
        lambda: LOG.promise(BODY, TIME + 1, 2),
        lambda: LOG.promise(BODY, TIME, 3),
        lambda: LOG.promise(BODY + b" ", TIME, 2),
        lambda: LOG.promise(BODY, TIME, 2, log_id=FORGER.id),
        lambda: LOG.sign(BODY),
        lambda: LOG.sign(LOG.note(5, bytes(32)).encode()),  # the same key signs checkpoints
        lambda: b"",
        lambda: bytes(70),
    ],
    ids=["key", "time", "place", "body", "log", "bare", "checkpoint", "empty", "zeros"],
)
def test_a_forged_promise(forge: Callable[[], bytes]) -> None:
    assert reason(promised(forge())) == "log-proof-invalid"


def test_an_entry_of_the_forger_s_own_log() -> None:
    assert reason(FORGER.entry(BODY, time=TIME)) == "log-untrusted"


def test_no_word_of_the_log_at_all() -> None:
    assert reason(replace(LOG.entry(BODY, time=TIME), promise=None)) == "not-in-log"
    assert reason(replace(LOG.entry(BODY, time=TIME), promise=None, proof=None)) == "not-in-log"
