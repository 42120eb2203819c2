"""An imported configuration of Connaisseur beside what cosign and notation concluded about the fixtures."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

import corpus
from preverify.policy.importers import translate
from preverify.policy.policies import PolicySet
from support import import_oracles, signed
from support.import_oracles import FIXTURES, MIRROR, SIGNED_AS, SIGNED_AS_TOO

VALUES = Path(__file__).resolve().parents[1] / "vectors" / "import" / "connaisseur" / "values.yaml"
EC1 = {"type": "key", "key": "keys/ec1.pub"}
ALICE = {"type": "keyless", "identity": "alice@acme.test", "issuer": "http://127.0.0.1:5500/email", "tlog": "rekor1"}


@pytest.fixture(scope="module")
def policies(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PolicySet]:
    made = translate([(VALUES.name, VALUES.read_bytes())], {}.__getitem__)
    with corpus.revocation_lists(FIXTURES):
        yield import_oracles.loaded(made, tmp_path_factory.mktemp("imported"))


def answered(repository: str, **trust: Any) -> Mapping[str, bool]:
    """Return what tools concluded under some trust about a repository's images, by digest."""
    found: dict[str, bool] = {}
    for case in signed.cases().values():
        asked = case["trust"]
        wanted = all(asked.get(key) == value for key, value in trust.items())
        more = {"annotations", "extensions", "timestamps", "user_metadata", "identity_regexp"} & asked.keys()
        if (
            case["repo"] == repository
            and case["kind"] == "signature"
            and wanted
            and not more
            and case["by"] == "digest"
        ):
            found[case["digest"]] = case["expected"] == "verified"
    assert set(found.values()) == {True, False}
    return found


def compare(policies: PolicySet, prefix: str, expected: Mapping[str, bool]) -> None:
    names = {f"{prefix}@{digest}": passes for digest, passes in expected.items()}
    ours = import_oracles.passes(policies, names)
    assert {name: not why for name, why in ours.items()} == names, ours


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("host", "repository", "trust"),
    [
        (SIGNED_AS, "acme/legacy", {**EC1, "tlog": "none"}),
        (SIGNED_AS_TOO, "acme/legacy", {**EC1, "tlog": "rekor1"}),
        (SIGNED_AS, "acme/keyless", ALICE),
        (SIGNED_AS, "acme/notation-algs", {"config": "notation/strict"}),
    ],
)
def test_images_pass_where_the_tools_verified_them(
    policies: PolicySet, host: str, repository: str, trust: dict[str, str]
) -> None:
    compare(policies, f"{host}/{repository}", answered(repository, **trust))


@pytest.mark.timeout(300)
def test_the_other_rules_hold(policies: PolicySet) -> None:
    digests = {name: signed.cases()[name]["digest"] for name in ("legacy-three-signatures-ec1", "legacy-key-ec1")}
    three, one = digests.values()
    compare(policies, f"{MIRROR}/acme/legacy", {three: True, one: False})
    workflow, mail = (signed.cases()[f"legacy-keyless-{name}"]["digest"] for name in ("workflow", "email"))
    compare(policies, f"{SIGNED_AS_TOO}/acme/keyless", {workflow: True, mail: False})
    unsigned = signed.cases()["legacy-cert-good"]["digest"]
    compare(policies, f"{SIGNED_AS}/acme/certs", {unsigned: True})
    compare(policies, f"{SIGNED_AS_TOO}/acme/certs", {unsigned: False})
