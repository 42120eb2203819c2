"""RT-3: swap evidence after verification: nobody reads bytes other than those whose hash was verified."""

from pathlib import Path

import pytest

from preverify.model.reasons import Reason
from preverify.store import Store
from support.stores import NOW, clock, gathered, piece, recording, sqlite_template, store, subject, url, verdict

__all__ = ["clock", "sqlite_template", "store", "url"]
LARGE = piece(1, body=b"payload " * 10_000)


def evidence_file(state: Path) -> Path:
    return state / "evidence" / LARGE.digest.hex[:2] / LARGE.digest.hex


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(b"swapped " * 10_000),
        lambda path: path.write_bytes(path.read_bytes()[:-1]),
        lambda path: path.write_bytes(path.read_bytes() + b"\n"),
        lambda path: path.write_bytes(b""),
        lambda path: path.unlink(),
    ],
    ids=["swapped", "cut short", "longer", "emptied", "removed"],
)
def test_a_swapped_file_is_evidence_that_could_not_be_obtained(store: Store, tmp_path: Path, damage: object) -> None:
    """Undecided, and gathered again: never taken for what was verified, never quietly missing."""
    everything = gathered(1, evidence=(piece(2), LARGE))
    store.history.record([recording(1, verdict("v_1"), gathered=everything)], now=NOW)
    assert store.history.gathered(subject(1)) == everything
    damage(evidence_file(tmp_path))
    back = store.history.gathered(subject(1))
    assert back is not None
    assert back.evidence == (piece(2),)
    assert [(u.what, u.reason) for u in back.unobtained] == [(f"stored evidence {LARGE.digest}", Reason.INTERNAL_ERROR)]


def test_gathering_again_mends_a_swapped_file(store: Store, tmp_path: Path) -> None:
    everything = gathered(1, evidence=(LARGE,))
    store.history.record([recording(1, gathered=everything)], now=NOW)
    evidence_file(tmp_path).write_bytes(b"swapped")
    store.history.record([recording(1, gathered=everything)], now=NOW)
    assert store.history.gathered(subject(1)) == everything


def test_a_link_put_in_place_of_a_file_is_read_by_its_hash_only(store: Store, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"credentials")
    store.history.record([recording(1, gathered=gathered(1, evidence=(LARGE,)))], now=NOW)
    evidence_file(tmp_path).unlink()
    evidence_file(tmp_path).symlink_to(secret)
    back = store.history.gathered(subject(1))
    assert back is not None
    assert back.evidence == ()
