"""trustpolicy.json: each statement becomes a policy of the same meaning, its stores what is in their directories."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from preverify.model.errors import BadConfiguration
from preverify.policy.importers import Imported, translate

FIXTURES = Path(__file__).resolve().parents[3] / "vectors" / "fixtures"
ROOT = (FIXTURES / "trust" / "notation-root.pem").read_bytes()
STAMPS = (FIXTURES / "trust" / "tsa-root.pem").read_bytes()
STORES = {
    "/etc/notation/truststore/x509/ca/Acme_Corp": {"root.pem": ROOT, "notes.txt": b"x", ".hidden.pem": b"x"},
    "/etc/notation/truststore/x509/tsa/stamps": {"root.crt": STAMPS},
    "/etc/notation/truststore/x509/tsa/Acme_Corp": {"root.pem": ROOT},
    "/etc/notation/truststore/x509/ca/empty": {"README": b""},
}


def statement(**changes: Any) -> dict[str, Any]:
    return {
        "name": "all",
        "registryScopes": ["*"],
        "signatureVerification": {"level": "strict"},
        "trustStores": ["ca:Acme_Corp"],
        "trustedIdentities": ["*"],
        **changes,
    }


SKIPPED = {"name": "skipped", "registryScopes": ["r.example/skipped"], "signatureVerification": {"level": "skip"}}


def read(name: str) -> bytes:
    directory, _, last = name.rpartition("/")
    return STORES[directory][last]


def listed(directory: str) -> Sequence[str]:
    if directory not in STORES:
        raise FileNotFoundError(2, "No such file or directory", directory)
    return tuple(STORES[directory])


def imported(*statements: dict[str, Any], **options: Any) -> Imported:
    text = json.dumps({"version": "1.0", "trustPolicies": list(statements)}).encode()
    return translate([("/etc/notation/trustpolicy.json", text)], read, list_files=listed, **options)


def specs(made: Imported) -> dict[str, dict[str, Any]]:
    return {each["metadata"]["name"]: each["spec"] for each in yaml.safe_load_all(made.documents["policies.yaml"])}


def test_a_statement_becomes_a_policy_and_its_stores_hold_their_certificates() -> None:
    made = imported(statement())
    assert specs(made) == {
        "all": {
            "images": ["**"],
            "exclude": ["oci:/**"],
            "require": [{"name": "signed", "signature": {"by": {"any": ["all"]}}}],
        }
    }
    (signers,) = yaml.safe_load_all(made.documents["signers.yaml"])
    assert signers["spec"] == {
        "all": {"notation": {"stores": ["ca:acme-corp"], "identities": ["*"], "level": "strict"}}
    }
    (trust,) = yaml.safe_load_all(made.documents["trust.yaml"])
    assert trust["spec"] == {"stores": {"ca:acme-corp": {"files": ["trust/ca-acme-corp-root.pem"]}}}
    assert made.files == {"trust/ca-acme-corp-root.pem": ROOT}
    assert not made.notes


def test_stores_of_two_kinds_stay_two_though_they_hold_the_same() -> None:
    """Whoever stamps times is no one who may sign."""
    made = imported(statement(trustStores=["ca:Acme_Corp", "tsa:Acme_Corp"]))
    (signers,) = yaml.safe_load_all(made.documents["signers.yaml"])
    assert signers["spec"]["all"]["notation"]["stores"] == ["ca:acme-corp", "tsa:acme-corp"]


def test_everything_that_a_statement_says_is_kept() -> None:
    verification = {
        "level": "permissive",
        "override": {"revocation": "skip", "expiry": "enforce"},
        "verifyTimestamp": "afterCertExpiry",
    }
    subject = "x509.subject: C=DE, ST=BE, O=Acme"
    made = imported(
        statement(
            signatureVerification=verification,
            trustStores=["ca:Acme_Corp", "tsa:stamps"],
            trustedIdentities=[subject],
        )
    )
    (signers,) = yaml.safe_load_all(made.documents["signers.yaml"])
    assert signers["spec"]["all"]["notation"] == {
        "stores": ["ca:acme-corp", "tsa:stamps"],
        "identities": [subject],
        **verification,
    }


def test_an_images_own_statement_counts() -> None:
    own = statement(name="own", registryScopes=["r.example/a", "docker.io/busybox"])
    made = imported(own, statement(), SKIPPED)
    assert {name: (spec["images"], spec.get("exclude")) for name, spec in specs(made).items()} == {
        "own": (["r.example/a", "docker.io/library/busybox"], None),
        "all": (["**"], ["r.example/a", "docker.io/library/busybox", "r.example/skipped", "oci:/**"]),
        "skipped": (["r.example/skipped"], None),
    }
    assert [rule["name"] for rule in specs(made)["skipped"]["require"]] == ["unchecked"]
    assert any("statement skipped: verifies nothing" in note for note in made.notes)


def test_without_a_statement_for_all_the_others_are_denied() -> None:
    made = imported(statement(name="own", registryScopes=["r.example/a"]))
    assert specs(made)["no-statement"] == {
        "images": ["**"],
        "exclude": ["r.example/a", "oci:/**"],
        "require": [{"name": "denied", "signature": {"by": {"any": ["nobody"]}}}],
    }


@pytest.mark.parametrize(
    ("written", "message"),
    [
        (
            statement(trustStores=["ca:none"]),
            r"trustPolicies\[0\]\.trustStores\[0\]: directory '/etc/.*/ca/none': No such",
        ),
        (statement(trustStores=["ca:empty"]), r"trustStores\[0\]: directory '/etc/.*/ca/empty': holds no certificates"),
        (statement(trustStores=[]), r"trustpolicy.json:1: trustPolicies\[0\]\.trustStores: expected at least one"),
        (statement(registryScopes=["*", "r.example/a"]), r"trustPolicies\[0\]\.registryScopes: expected repositories"),
        (statement(trustedIdentities=["aws.arn:x"]), r"trustPolicies\[0\]\.trustedIdentities: none of the identities"),
        (statement(more=1), r"trustPolicies\[0\]: unknown key 'more'"),
        (statement(signatureVerification={"level": "x"}), r"trustPolicies\[0\]\.signatureVerification\.level: is 'x'"),
    ],
)
def test_what_is_wrong_is_refused_where_it_stands(written: dict[str, Any], message: str) -> None:
    for lossy in (False, True):
        with pytest.raises(BadConfiguration, match=message):
            imported(written, lossy=lossy)


def test_another_version_is_refused() -> None:
    text = json.dumps({"version": "1.1", "trustPolicies": [statement()]}).encode()
    with pytest.raises(BadConfiguration, match=r"trustpolicy.json:1: version: is '1.1', expected '1.0'"):
        translate([("trustpolicy.json", text)], read, list_files=listed)


def test_what_is_no_object_is_refused() -> None:
    with pytest.raises(BadConfiguration, match=r"a.yaml:1: is list, expected an object"):
        translate([("a.yaml", b"[]")], read, list_files=listed, dialect="notation")


def test_one_trust_policy_is_imported_at_a_time() -> None:
    text = json.dumps({"version": "1.0", "trustPolicies": [statement()]}).encode()
    with pytest.raises(BadConfiguration, match=r"b.json:1: is a second trust policy"):
        translate([("a.json", text), ("b.json", text)], read, list_files=listed)


def test_directories_have_to_be_listed() -> None:
    text = json.dumps({"version": "1.0", "trustPolicies": [statement()]}).encode()
    with pytest.raises(BadConfiguration, match=r"trustStores\[0\]: .* directories cannot be listed here"):
        translate([("/etc/notation/trustpolicy.json", text)], read)


def test_a_document_in_the_working_directory_has_its_stores_beside_it() -> None:
    asked: list[str] = []

    def listing(directory: str) -> Sequence[str]:
        asked.append(directory)
        return ("root.pem",)

    text = json.dumps({"version": "1.0", "trustPolicies": [statement()]}).encode()
    translate([("trustpolicy.json", text)], lambda name: ROOT, list_files=listing)
    assert asked == ["truststore/x509/ca/Acme_Corp"]
