"""RT-5: a log entry vouches for the one signature that it describes (CVE-2026-22703, CVE-2024-53267, CVE-2024-51746).

Every real entry is spliced onto every other real signature: bundles and tag format, keys and certificates, messages and
envelopes, all kinds of entries.
"""

from dataclasses import replace

import pytest

from preverify.verify.logs.bodies import check_body
from preverify.verify.logs.entries import Entry
from preverify.verify.refusal import Refused
from support import logged

GOOD = [each for each in logged.records() if each["expected"] == "ok"]
ENTRIES = [(each, logged.entry_of(each)) for each in GOOD]
SIGNATURES = [(each, logged.described_by(each)) for each in GOOD]


def test_there_is_much_to_splice() -> None:
    assert len({each["signature"] for each in GOOD}) >= 20
    assert len({(entry.kind, entry.version) for _, entry in ENTRIES}) >= 4


@pytest.mark.parametrize(("mine", "entry"), ENTRIES, ids=[each["id"] for each in GOOD])
def test_only_its_own_signature(mine: logged.Record, entry: Entry) -> None:
    for theirs, described in SIGNATURES:
        same = mine["signature"] == theirs["signature"] and mine["form"] == theirs["form"]
        if same or (mine["signature"], mine["certificate"]) == (theirs["signature"], theirs["certificate"]):
            check_body(entry, described)  # one signature in bundles of several versions
            continue
        with pytest.raises(Refused) as error:
            check_body(entry, described)
        assert error.value.reason.value == "log-entry-mismatch", theirs["id"]


@pytest.mark.parametrize(("mine", "entry"), ENTRIES, ids=[each["id"] for each in GOOD])
def test_no_part_of_another_entry(mine: logged.Record, entry: Entry) -> None:
    """The log's word (promise, proof, checkpoint, place) on one entry is no word on another's body."""
    for theirs, other in ENTRIES:
        if other.body == entry.body or theirs["root"] != mine["root"] or theirs["form"] != mine["form"]:
            continue
        for spliced in (
            replace(entry, body=other.body),
            replace(entry, promise=other.promise, proof=other.proof, log_index=other.log_index, log_id=other.log_id),
        ):
            with pytest.raises(Refused) as error:
                logged.check(mine, spliced)
            assert error.value.reason.value in ("log-proof-invalid", "not-in-log"), theirs["id"]


@pytest.mark.parametrize(("mine", "entry"), ENTRIES, ids=[each["id"] for each in GOOD])
def test_an_entry_in_the_log_is_not_enough(mine: logged.Record, entry: Entry) -> None:
    """Red where the log's word alone counts: each of these entries is truly logged, and about something else."""
    logged.check(mine)
    described = logged.described_by(mine)
    for changed in (replace(described, signature=bytes(70)), replace(described, spki=b"", certificate=b"other")):
        with pytest.raises(Refused):
            check_body(entry, changed)
