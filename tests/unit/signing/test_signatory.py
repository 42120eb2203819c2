"""The signing oracle: nothing but rows that say so, each for itself and all together, leads to a signature."""

import json
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from preverify.attest.check import Wanted, check
from preverify.attest.envelope import parse
from preverify.attest.ours import is_ours
from preverify.model.digest import Digest
from preverify.model.errors import BadConfiguration, BadInput, PreverifyError
from preverify.model.evidence import Evidence, Format, Image, Place
from preverify.store import open_store
from support.signed import verify
from support.signing import FURTHER, POLICY, Desk, activate, open_desk, policies, record, signatory


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the database once; every test gets a copy."""
    directory = tmp_path_factory.mktemp("original")
    desk = open_desk(directory)
    desk.store.close()
    (directory / "statement").write_text(desk.statement)
    return directory


@pytest.fixture
def desk(original: Path, tmp_path: Path) -> Iterator[Desk]:
    from support.clock import Stopped
    from support.statements import new_key

    shutil.copytree(original, tmp_path, dirs_exist_ok=True)
    clock = Stopped()
    for _ in range(100):
        clock.new_id("x")  # ids go on after those of the original
    store = open_store(f"sqlite:///{tmp_path}/preverify.db", tmp_path, clock)
    key = new_key(tmp_path, seed=7)
    statement = (original / "statement").read_text()
    yield Desk(tmp_path / "preverify.db", store, clock, key, signatory(key, store, clock), statement)
    store.close()


def predicate(envelope: bytes) -> dict:
    return json.loads(parse(envelope).payload)["predicate"]


def test_a_passed_image_gets_its_statement(desk: Desk) -> None:
    signed = desk.signatory.sign(desk.statement)
    row = desk.store.statements.statement(desk.statement)
    assert row is not None
    found = check(
        signed.envelope,
        Wanted(
            subject=row.subject,
            keys=[desk.key.public],
            policy_digest=Digest.parse(policies().profile_digest),
        ),
        now=desk.clock.now(),
    )
    assert found.holds, found
    assert found.valid_until == signed.valid_until == desk.clock.now() + timedelta(days=7)
    assert signed.key_id == desk.key.public.id
    assert is_ours(signed.envelope, [desk.key.public])
    said = predicate(signed.envelope)
    assert said["urn:preverify:policies"] == {"signed": policies().policies[0].digest}
    assert said["urn:preverify:verdicts"] == list(row.verdicts)
    gathered = desk.store.history.gathered(row.subject)
    assert gathered is not None
    assert [i["digest"]["sha256"] for i in said["inputAttestations"]] == [gathered.evidence[0].manifest.hex]


def test_our_own_verifier_accepts_the_signature(desk: Desk) -> None:
    """The room that verifies other people's attestations finds ours sound, over the bytes as sent."""
    signed = desk.signatory.sign(desk.statement)
    row = desk.store.statements.statement(desk.statement)
    assert row is not None
    gathered = desk.store.history.gathered(row.subject)
    assert gathered is not None
    evidence = Evidence(
        format=Format.COSIGN_ATTESTATION,
        manifest=Digest.of(b"x"),
        index=0,
        body=signed.envelope,
        digest=Digest.of(signed.envelope),
        media_type="application/vnd.dsse.envelope.v1+json",
        annotations=(("dev.cosignproject.cosign/signature", ""),),
        place=Place.ATTESTATION_TAG,
    )
    (finding,) = verify(gathered.image, [evidence], [desk.key.public])
    assert finding.established, finding
    assert finding.predicate_type == "https://slsa.dev/verification_summary/v1"
    other = Image(subject=type(row.subject)(row.subject.repository, Digest.of(b"y")), manifest=b"y", media_type="x")
    (finding,) = verify(other, [evidence], [desk.key.public])
    assert not finding.established


def test_the_same_bytes_every_time(desk: Desk) -> None:
    first = desk.signatory.sign(desk.statement)
    desk.clock.forward(3600)
    assert signatory(desk.key, desk.store, desk.clock).sign(desk.statement) == first


INERT = {
    "statement": {"source", "generation", "key_id", "layouts", "manifests", "attempts", "valid_until", "detail"}
    | {"created_at", "changed_at", "envelope"},  # an empty envelope is none; any other is refused, see below
    "verdict": {"due_at", "gathering", "findings", "generation", "cause", "source"}
    | {"valid_until"},  # never for longer than the findings say; whether it still holds is for the current row
    "current_verdict": {"due_at", "policy", "policy_digest"},  # only point: what they point to names its own policy
    "subject": {"source", "media_type", "fingerprint", "first_seen_at", "looked_at"},
    "gathering": {"requests", "gathered_at", "registry", "repository", "digest"},
    "finding": {"registry", "repository", "digest", "detail", "place", "format", "statement", "position", "annotations"}
    | {"predicate_type", "predicate"}  # of attestations, which the policy here does not ask for
    | {"about"},  # empty text means what NULL means; any other is refused, see below
    "evidence": {"stored_at", "size"},
    "policy_generation": {"created_at", "activated_at"},
}
"""Columns that say nothing about what passed. Changed, they must leave the statement's bytes as they are."""

NAMES_ONLY = {("policy_generation", "number")}
"""Columns that are themselves stated, and say which, not what: only their own member may change."""


def columns() -> list[tuple[str, str]]:
    from preverify.store import tables as t

    wanted = ("statement", "statement_verdict", "verdict", "current_verdict", "subject", "gathering", "finding")
    wanted += ("evidence", "policy_generation")
    return [(name, column.name) for name in wanted for column in getattr(t, name).columns]


VALUES = ("NULL", "''", "'x'", "0", "4102444800000000", "'failed'", "'published'", "'sha256:" + "0" * 64 + "'", "'[]'")


@pytest.mark.parametrize(("table", "column"), columns())
def test_every_column_flipped(desk: Desk, table: str, column: str) -> None:
    """RT-33 of the record: a row changed behind our back is refused, or says nothing that is signed."""
    good = desk.signatory.sign(desk.statement)
    desk.sql(f"CREATE TABLE kept AS SELECT rowid AS r, * FROM {table}")
    refused = 0
    for value in VALUES:
        desk.sql(f"UPDATE OR IGNORE {table} SET {column} = {value}")
        if desk.query(
            f"SELECT count(*) FROM {table} a JOIN kept b ON a.rowid = b.r WHERE a.{column} IS NOT b.{column}"
        ) == [(0,)]:
            continue  # the value that stood there already, or one that the table itself refuses
        try:
            again = signatory(desk.key, desk.store, desk.clock).sign(desk.statement)
        except Exception:  # the process answers "not now" to whatever the store says of broken rows
            refused += 1
        else:
            if (table, column) in NAMES_ONLY:
                before, after = predicate(good.envelope), predicate(again.envelope)
                assert before.pop("urn:preverify:generation") != after.pop("urn:preverify:generation")
                assert before == after
            else:
                assert again.envelope == good.envelope, (table, column, value)
                assert column in INERT.get(table, set()), f"{table}.{column} = {value} was signed all the same"
        desk.sql(f"UPDATE {table} SET {column} = (SELECT {column} FROM kept WHERE r = {table}.rowid)")
    if column not in INERT.get(table, set()) and (table, column) not in NAMES_ONLY:
        assert refused > 0, f"no value of {table}.{column} was refused"


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("UPDATE statement SET state = 'withdrawn'", "only one that is wanted"),
        ("UPDATE statement SET envelope = x'00'", "only one that is wanted"),
        ("UPDATE statement SET profile = 'production'", "this key signs for"),
        ("UPDATE statement SET set_id = 'x'", "set id"),
        ("DELETE FROM statement_verdict", "no set of verdicts"),
        ("DELETE FROM current_verdict", "not current any more"),
        ("UPDATE current_verdict SET valid_until = valid_until - 86400000000", "decide anew"),
        ("UPDATE finding SET about = 'sha256:" + "0" * 64 + "'", "its findings say failed"),
        ("UPDATE verdict SET outcome = 'failed'", "says failed"),
        ("UPDATE verdict SET trust_epoch = 'other'", "trust"),
        ("UPDATE verdict SET decided_at = decided_at - 1000000", "valid for as long"),
        ("UPDATE verdict SET rules = '[]'", "findings say failed"),
        ("DELETE FROM finding", "findings say failed"),
        ("UPDATE finding SET signer = 'key:' || hex(zeroblob(32))", "findings say failed"),
        ("UPDATE evidence SET body = zeroblob(size)", "not stored any more|nothing is stored"),
        ("UPDATE policy_generation SET state = 'retired'", "no generation is active"),
        ("UPDATE policy_generation SET document = x'7b7d'", "does not have its digest"),
        ("UPDATE subject SET gathering = NULL", "nothing is stored"),
    ],
)
def test_refusals_say_why(desk: Desk, sql: str, said: str) -> None:
    desk.sql(sql)
    with pytest.raises(PreverifyError, match=said):
        desk.signatory.sign(desk.statement)


def test_no_such_statement(desk: Desk) -> None:
    with pytest.raises(BadInput, match="there is no statement"):
        desk.signatory.sign("s_none")


def test_a_verdict_of_another_image_does_not_serve(desk: Desk) -> None:
    """The row of one image names the verdict of another one that passed as well."""
    desk.sql("UPDATE statement SET digest = 'sha256:' || substr(hex(zeroblob(32)), 1, 64)")
    with pytest.raises(BadInput):
        desk.signatory.sign(desk.statement)


def test_a_clock_that_runs_behind(desk: Desk) -> None:
    """Case 60: skew beyond the limit on this host, nothing is signed."""
    desk.clock.forward(-301)
    with pytest.raises(BadInput, match="set the clock"):
        desk.signatory.sign(desk.statement)


def test_expired_verdicts_are_not_signed(desk: Desk) -> None:
    desk.clock.forward(86_400)
    with pytest.raises(BadInput, match="does not hold any more"):
        desk.signatory.sign(desk.statement)


def test_a_further_enforcing_policy_is_not_forgotten(desk: Desk) -> None:
    """One policy's statement must not make an image look verified that another policy has not passed."""
    activate(desk.store, policies(POLICY + FURTHER), desk.clock)
    with pytest.raises(BadInput, match="the profile wants exactly"):
        desk.signatory.sign(desk.statement)


def test_a_policy_that_is_gone_or_changed_does_not_count(desk: Desk) -> None:
    activate(desk.store, policies(POLICY.replace("validFor: 24h", "validFor: 12h")), desk.clock)
    with pytest.raises(BadInput, match=r"not current any more|no enforcing policy of the active profile"):
        desk.signatory.sign(desk.statement)


@pytest.mark.parametrize("change", ["mode: audit", "mode: warn", 'namespaces: ["prod"]'])
def test_policies_that_do_not_enforce_everywhere_are_not_published(desk: Desk, change: str) -> None:
    activate(desk.store, policies(POLICY.replace("validFor: 24h", f"validFor: 24h\n  {change}")), desk.clock)
    with pytest.raises(BadInput):
        desk.signatory.sign(desk.statement)


def test_a_document_of_another_form(desk: Desk) -> None:
    document = b'{"apiVersion":"preverify/v2"}'
    digest = Digest.of(document)
    desk.sql(f"UPDATE policy_generation SET document = x'{document.hex()}', digest = '{digest}'")
    with pytest.raises(BadConfiguration):
        desk.signatory.sign(desk.statement)


def test_one_statement_for_one_set_whatever_changes_in_between(desk: Desk, tmp_path: Path) -> None:
    """Killed between signing and storing, upgraded, and the generation moved on: still the same bytes."""
    journal = tmp_path / "state"
    before = signatory(desk.key, desk.store, desk.clock, journal)
    first = before.sign(desk.statement)
    text = POLICY + FURTHER.replace('"**"', '"registry.example/elsewhere/**"')
    activate(desk.store, policies(text), desk.clock)
    plain = signatory(desk.key, desk.store, desk.clock).sign(desk.statement)
    assert plain.envelope != first.envelope
    before.close()
    restarted = signatory(desk.key, desk.store, desk.clock, journal, version="9.9.9")
    later = restarted.sign(desk.statement)
    restarted.close()
    assert later.envelope == first.envelope
    assert later.valid_until == first.valid_until


def test_two_sets_get_two_statements(desk: Desk) -> None:
    first = desk.signatory.sign(desk.statement)
    assert desk.store.statements.signed(desk.statement, first.envelope, first.key_id, first.valid_until)
    desk.clock.forward(5 * 86_400)
    second_id = record(desk.store, policies(), desk.clock)
    assert second_id != desk.statement
    second = desk.signatory.sign(second_id)
    assert predicate(second.envelope)["urn:preverify:verdicts"] != predicate(first.envelope)["urn:preverify:verdicts"]
    with pytest.raises(BadInput, match="only one that is wanted"):
        desk.signatory.sign(desk.statement)
