"""Statements about images that pass under an exception: they say so, and end with it."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from preverify.attest.envelope import parse
from preverify.model.errors import BadInput
from preverify.model.strict_json import parse as parse_json
from support.signing import POLICY, Desk, activate, open_desk, policies

# The image is signed by `release`; nobody signed it as `other`.
MORE = POLICY.replace("[{name: signed, ", "[{name: more, signature: {by: {any: [other]}}}, {name: signed, ")
EXCEPTION = """
---
apiVersion: preverify/v1
kind: Exception
metadata: {name: hotfix}
spec:
  policies: [signed]
  rules: [more]
  images: ["**"]
  owner: dana@acme.test
  reason: the second signature is late
  notBefore: "2026-01-01T00:00:00Z"
  expires: "%s"
"""
SOON, LATE = EXCEPTION % "2026-01-03T00:00:00Z", EXCEPTION % "2026-03-01T00:00:00Z"


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    opened = open_desk(tmp_path, text=MORE + LATE)
    yield opened
    opened.store.close()


def predicate(envelope: bytes) -> dict[str, object]:
    document = parse_json(parse(envelope).payload, max_bytes=1 << 20)
    assert isinstance(document, dict)
    found: dict[str, object] = document["predicate"]
    return found


def test_the_statement_names_the_exception(desk: Desk) -> None:
    signed = desk.signatory.sign(desk.statement)
    assert predicate(signed.envelope)["urn:preverify:exceptions"] == ["hotfix"]
    assert signed.valid_until == desk.clock.now() + timedelta(days=7)


def test_the_statement_ends_with_the_exception(tmp_path: Path) -> None:
    desk = open_desk(tmp_path, text=MORE + SOON)
    try:
        signed = desk.signatory.sign(desk.statement)
        assert signed.valid_until.isoformat() == "2026-01-03T00:00:00+00:00"
        assert predicate(signed.envelope)["urn:preverify:validUntil"] == "2026-01-03T00:00:00Z"
    finally:
        desk.store.close()


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE verdict SET rules = replace(rules, 'hotfix\"]', 'other\"]')",
        "UPDATE verdict SET rules = replace(rules, '[\"hotfix\"]', '[]')",
        'UPDATE verdict SET rules = replace(rules, \'"rule":"more"\', \'"rule":"less"\')',
        "DELETE FROM finding",
    ],
)
def test_rows_that_say_otherwise_are_refused(desk: Desk, sql: str) -> None:
    before = desk.query("SELECT rules FROM verdict"), desk.query("SELECT count(*) FROM finding")
    desk.sql(sql)
    assert before != (desk.query("SELECT rules FROM verdict"), desk.query("SELECT count(*) FROM finding"))
    with pytest.raises(BadInput):
        desk.signatory.sign(desk.statement)


def test_an_exception_that_was_withdrawn_signs_nothing(desk: Desk) -> None:
    activate(desk.store, policies(MORE), desk.clock)
    with pytest.raises(BadInput, match="is not current any more"):
        desk.signatory.sign(desk.statement)
