"""RT-34: a signature over something that means the same is no signature over these bytes."""

import base64
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from preverify.attest.check import Wanted, check
from preverify.attest.envelope import parse
from preverify.attest.ours import is_ours
from preverify.model.digest import Digest
from preverify.model.reasons import Reason
from preverify.model.reference import Repository, Subject
from support.statements import new_key, sealed

SUBJECT = Subject(Repository("registry.example", "shop/api"), Digest("sha256", "3f" * 32))


@pytest.mark.parametrize("form", [{"indent": 1}, {"separators": (", ", ": ")}, {"sort_keys": False}, {}])
def test_the_same_document_in_other_bytes_is_foreign(tmp_path: Path, form) -> None:
    key = new_key(tmp_path)
    envelope = sealed(SUBJECT, key)
    document = json.loads(parse(envelope).payload)
    other = json.dumps(dict(reversed(document.items())), **form).encode()
    assert json.loads(other) == document
    body = json.dumps({**json.loads(envelope), "payload": base64.b64encode(other).decode()}).encode()
    assert not is_ours(body, [key.public])
    found = check(body, Wanted(subject=SUBJECT, keys=[key.public]), now=datetime.now(UTC))
    assert found.reason is Reason.WRONG_KEY
    assert check(envelope, Wanted(subject=SUBJECT, keys=[key.public]), now=datetime.now(UTC)).holds
