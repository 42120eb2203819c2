"""RT-30: keys of logs come from a trusted root alone, never from a log or with the evidence (CVE-2023-47122)."""

import ast
import inspect
import json
from types import ModuleType

import pytest

from preverify.model import proto_json, trust, trusted_root
from preverify.model.errors import BadConfiguration
from preverify.model.trusted_root import MEDIA_TYPES, parse_trusted_root
from preverify.verify.logs import bodies as log_bodies
from preverify.verify.logs import checkpoints, merkle
from preverify.verify.logs import entries as log_entries
from preverify.verify.logs import fields as log_fields
from preverify.verify.logs import witness as logs
from preverify.verify.logs.witness import check_entry
from preverify.verify.refusal import Refused
from support.logged import Ledger, b64, entry_of, record, root

TRUSTED = Ledger()
MODULES = (proto_json, trust, trusted_root, checkpoints, log_bodies, log_entries, log_fields, logs, merkle)
REACHING_OUT = {"socket", "ssl", "urllib.request", "http", "requests", "pycurl", "os", "pathlib", "subprocess"}


def test_a_whole_log_that_nobody_trusts() -> None:
    """Its key, name, tree and signatures are all consistent: they are its own."""
    own = Ledger()
    entry = own.entry()
    assert check_entry(entry, (own.log,), promise=False, proof=True)
    for trusted in ((), (TRUSTED.log,), (Ledger(old=True).log, TRUSTED.log)):
        with pytest.raises(Refused) as error:
            check_entry(entry, trusted, promise=False, proof=True)
        assert error.value.reason.value == "log-untrusted"


def test_a_trusted_log_does_not_introduce_another() -> None:
    """The log's checkpoint over another's entry, or the other's under its id."""
    own = Ledger()
    for entry in (own.entry(checkpoint=TRUSTED.checkpoint), TRUSTED.entry(checkpoint=own.checkpoint)):
        with pytest.raises(Refused):
            check_entry(entry, (TRUSTED.log,), promise=False, proof=True)


def test_instances_do_not_vouch_for_each_other() -> None:
    """A true entry of one instance's log, under the roots of others."""
    entry = entry_of(record("bundle-keys/logged-ec1"))
    assert check_entry(entry, root("stack").logs, promise=False, proof=True)
    with pytest.raises(Refused) as error:
        check_entry(entry, root("public-good").logs, promise=False, proof=True)
    assert error.value.reason.value == "log-untrusted"


def test_an_id_belongs_to_a_key() -> None:
    """A root that gives a log's id to another key would let that key speak for it."""
    ledger, thief = Ledger(), Ledger()
    document = {
        "mediaType": MEDIA_TYPES[0],
        "tlogs": [
            {
                "baseUrl": "https://log.test",
                "hashAlgorithm": "SHA2_256",
                "publicKey": {
                    "rawBytes": b64(ledger.log.key),
                    "keyDetails": "PKIX_ED25519",
                    "validFor": {"start": "2024-01-01T00:00:00Z"},
                },
                "logId": {"keyId": b64(ledger.id)},
            }
        ],
    }
    assert parse_trusted_root(json.dumps(document).encode(), "root").logs[0].id == ledger.id
    document["tlogs"][0]["publicKey"]["rawBytes"] = b64(thief.log.key)
    with pytest.raises(BadConfiguration):
        parse_trusted_root(json.dumps(document).encode(), "root")


@pytest.mark.parametrize("module", MODULES, ids=lambda m: m.__name__)
def test_nothing_here_can_ask_a_log(module: ModuleType) -> None:
    imported = set()
    for node in ast.walk(ast.parse(inspect.getsource(module))):
        if isinstance(node, ast.Import):
            imported |= {each.name for each in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add(str(node.module))
    assert not imported & REACHING_OUT
