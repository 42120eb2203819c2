"""Checkpoints: only the log's own signature over exactly this text opens one."""

from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric import ed448, rsa
from hypothesis import given
from hypothesis import strategies as st

from preverify.model.trust import Log
from preverify.verify.logs.checkpoints import Checkpoint, log_key, open_checkpoint
from preverify.verify.refusal import Refused
from support import logged
from support.logged import Ledger

OLD, NEW = Ledger(old=True), Ledger()
WITNESS = Ledger(name="witness.test")
ROOT = bytes(range(32))
BOTH = pytest.mark.parametrize("ledger", [OLD, NEW], ids=["v1", "v2"])


def refused(text: str, log: Log) -> str:
    with pytest.raises(Refused) as error:
        open_checkpoint(text, log)
    assert error.value.reason.value == "log-proof-invalid"
    assert len(error.value.detail) < 240
    return error.value.detail


def signed(ledger: Ledger, note: str) -> str:
    """Return a note that the log itself signed, whatever it says."""
    return f"{note}\n{ledger.line(note)}"


@BOTH
def test_a_checkpoint_of_the_log(ledger: Ledger) -> None:
    origin = "log.test - 1234" if ledger.old else "log.test"
    assert open_checkpoint(ledger.checkpoint(9, ROOT), ledger.log) == Checkpoint(origin=origin, size=9, root=ROOT)


@BOTH
def test_lines_after_the_root_are_part_of_what_is_signed(ledger: Ledger) -> None:
    note = ledger.note(9, ROOT, "Timestamp: 1689177396617352539\n")
    text = signed(ledger, note)
    assert open_checkpoint(text, ledger.log).size == 9
    refused(text.replace("Timestamp: 1", "Timestamp: 2"), ledger.log)
    refused(text.replace("Timestamp: 1689177396617352539\n", ""), ledger.log)


@BOTH
def test_witnesses_neither_help_nor_harm(ledger: Ledger) -> None:
    note = ledger.note(9, ROOT)
    by_witness, garbled = WITNESS.line(note), f"— witness.test {logged.b64(bytes(40))}\n"
    for lines in ((by_witness, ledger.line(note)), (ledger.line(note), by_witness), (garbled, ledger.line(note))):
        assert open_checkpoint(f"{note}\n{''.join(lines)}", ledger.log).root == ROOT
    assert "signatures is by the log" in refused(f"{note}\n{by_witness}", ledger.log)


@BOTH
def test_another_key_signs_in_vain(ledger: Ledger) -> None:
    """Also where it takes the log's name and key hint."""
    note = ledger.note(9, ROOT)
    stranger = Ledger(old=ledger.old)
    refused(f"{note}\n{stranger.line(note)}", ledger.log)
    forged = f"— {ledger.name} {logged.b64(ledger.id[:4] + stranger.sign(note.encode()))}\n"
    assert "does not verify" in refused(f"{note}\n{forged}", ledger.log)
    # The first line by the log's key decides: a flood of them costs one verification.
    assert "does not verify" in refused(f"{note}\n{forged}{ledger.line(note)}", ledger.log)


@BOTH
def test_the_key_hint_has_to_be_the_key_s(ledger: Ledger) -> None:
    note = ledger.note(9, ROOT)
    line = f"— {ledger.name} {logged.b64(bytes(4) + ledger.sign(note.encode()))}\n"
    assert "none of the checkpoint's 1 signatures" in refused(f"{note}\n{line}", ledger.log)


@BOTH
@pytest.mark.parametrize(
    ("old", "new"),
    [("9", "10"), ("log.test", "log.tesr"), ("AAEC", "AAED"), ("\n\n", "\n \n"), ("\n\n", "\nx\n\n"), ("log", "LOG")],
)
def test_every_byte_of_the_text_is_signed(ledger: Ledger, old: str, new: str) -> None:
    text = ledger.checkpoint(9, ROOT)
    refused(text.replace(old, new, 1), ledger.log)


@BOTH
def test_one_flipped_bit_of_the_signature(ledger: Ledger) -> None:
    note = ledger.note(9, ROOT)
    signature = bytearray(ledger.sign(note.encode()))
    signature[-1] ^= 1
    refused(f"{note}\n— {ledger.name} {logged.b64(ledger.id[:4] + bytes(signature))}\n", ledger.log)
    refused(f"{note}\n— {ledger.name} {logged.b64(ledger.id[:4] + bytes(signature[:-1]))}\n", ledger.log)


def test_the_origin_is_compared_where_it_is_part_of_the_id() -> None:
    """The key is asked to sign for another name: another log of the same operator, say."""
    other = replace_origin(NEW.note(9, ROOT), "other.test")
    assert "expected 'log.test'" in refused(signed(NEW, other), NEW.log)
    assert "signatures is by the log" in refused(
        f"{NEW.note(9, ROOT)}\n{NEW.line(NEW.note(9, ROOT), 'other.test')}", NEW.log
    )
    # Rekor v1 writes its host name and a tree's number; the address in the trusted root may be another.
    elsewhere = replace_origin(OLD.note(9, ROOT), "other.test - 77")
    assert open_checkpoint(signed(OLD, elsewhere), OLD.log).origin == "other.test - 77"


def test_an_older_log_s_origin_as_its_checkpoints_write_it() -> None:
    """Rekor v1 writes a tree's number behind the name there, and none beside its signature."""
    known = replace(OLD.log, origin="log.test - 1234")
    assert open_checkpoint(OLD.checkpoint(9, ROOT), known).size == 9
    for origin in ("log.test - 123", "log.test", "other.test - 1234", "log.test -"):
        with pytest.raises(Refused) as error:
            open_checkpoint(OLD.checkpoint(9, ROOT), replace(OLD.log, origin=origin))
        assert error.value.reason.value == "log-proof-invalid"


def replace_origin(note: str, origin: str) -> str:
    return origin + note[note.index("\n") :]


def test_a_new_log_whose_id_is_its_key_s_digest() -> None:
    """Its checkpoints still name the key by the signed note's rules."""
    log = Log(key=NEW.log.key, id=logged.sha256(NEW.log.key).digest())
    assert open_checkpoint(NEW.checkpoint(9, ROOT), log).size == 9
    assert open_checkpoint(NEW.checkpoint(9, ROOT), replace(log, origin="log.test")).size == 9


@pytest.mark.parametrize(
    "note",
    [
        "",
        "\n",
        "log.test\n",
        "log.test\n9\n",
        f"\n9\n{logged.b64(ROOT)}\n",
        f"log.test\n-9\n{logged.b64(ROOT)}\n",
        f"log.test\n09\n{logged.b64(ROOT)}\n",
        f"log.test\n٩\n{logged.b64(ROOT)}\n",
        f"log.test\n9 \n{logged.b64(ROOT)}\n",
        f"log.test\n{10**19}\n{logged.b64(ROOT)}\n",
        "log.test\n9\nroot\n",
        f"log.test\n9\n{logged.b64(ROOT[:31])}\n",
        f"log.test\n9\n{logged.b64(ROOT)}=\n",
        f"log.test\n9\n{'é' * 44}\n",
    ],
)
def test_what_begins_otherwise_is_no_checkpoint(note: str) -> None:
    """Even signed by the log: its key may sign other things, too."""
    refused(signed(OLD, note), OLD.log)
    refused(signed(NEW, note), NEW.log)


def test_what_is_no_signed_note() -> None:
    text = NEW.checkpoint(9, ROOT)
    note, _, lines = text.partition("\n\n")
    for wrong in (
        "",
        note,
        note + "\n",
        note + "\n\n",
        text[:-1],
        text + "\n",
        f"{text}\n{lines}",
        text.replace("\n", "\r\n"),
        text.replace("log.test", "log\ttest"),
        text.replace("log.test", "log\x00test"),
        text.replace("log.test", "log\ud800test"),
        text.replace("— ", "- "),
        text.replace("— log.test ", "— log.test  "),
        text.replace("— log.test ", "— "),
        f"{note}\n\n— log.test !\n",
        f"{note}\n\n— log.test {logged.b64(NEW.id[:4])}\n",
        f"{note}\n\n— log.test {'é' * 8}\n",
        f"{note}\n\n{lines}not a line\n",
    ):
        refused(wrong, NEW.log)


@pytest.mark.parametrize("extra", ["a\tb\n", "a\x00\n", "a\x7f\n", "a\r\n"])
def test_control_characters_are_refused_even_when_signed(extra: str) -> None:
    assert "control characters" in refused(signed(OLD, OLD.note(9, ROOT, extra)), OLD.log)


def test_half_a_surrogate_pair_has_no_bytes_to_sign() -> None:
    text = OLD.checkpoint(9, ROOT)
    assert "control characters" in refused(text.replace("log.test - ", "log\ud800test - "), OLD.log)


def test_limits() -> None:
    note = NEW.note(9, ROOT)
    many = WITNESS.line(note) * 99 + NEW.line(note)
    assert open_checkpoint(f"{note}\n{many}", NEW.log).size == 9
    assert "at most 100" in refused(f"{note}\n{WITNESS.line(note)}{many}", NEW.log)
    long = NEW.note(9, ROOT, "x" * 70_000 + "\n")
    assert "at most 65536" in refused(signed(NEW, long), NEW.log)


@given(text=st.text() | st.text(alphabet="—log.test 9\nA=").map(lambda s: f"log.test\n9\n{s}"))
def test_nothing_but_a_refusal_escapes(text: str) -> None:
    for ledger in (OLD, NEW):
        refused(text, ledger.log)


def test_a_key_that_nothing_is_verified_with() -> None:
    weak = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    for key in (logged.spki(weak), logged.spki(ed448.Ed448PrivateKey.generate()), b"no key"):
        with pytest.raises(Refused) as error:
            log_key(Log(key=key, id=bytes(32)))
        assert error.value.reason.value == "log-untrusted"
