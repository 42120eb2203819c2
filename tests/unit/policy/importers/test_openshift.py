"""OpenShift's image policies: each field becomes something of the same meaning, or is refused by its name."""

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from preverify.model.errors import BadConfiguration

FIXTURES = Path(__file__).resolve().parents[3] / "vectors" / "fixtures"
SAME = {"matchPolicy": "MatchRepository"}

Plain = Callable[..., dict[str, Any]]


def data(name: str) -> str:
    return base64.b64encode((FIXTURES / name).read_bytes()).decode()


KEY = {"policyType": "PublicKey", "publicKey": {"keyData": data("keys/ec1.pub")}}
SUBJECT = {"oidcIssuer": "https://issuer.test", "signedEmail": "a@acme.test"}
FULCIO = {
    "fulcioCAData": data("trust/fulcio-chain.pem"),
    "rekorKeyData": data("trust/rekor1.pub"),
    "fulcioSubject": SUBJECT,
}


def keyed(**changes: Any) -> dict[str, Any]:
    return {"policyType": "PublicKey", "publicKey": {**KEY["publicKey"], **changes}}  # type: ignore[dict-item]


def keyless(*leave_out: str, **changes: Any) -> dict[str, Any]:
    inside = {key: value for key, value in {**FULCIO, **changes}.items() if key not in leave_out}
    return {"policyType": "FulcioCAWithRekor", "fulcioCAWithRekor": inside}


def made(
    root: object = KEY,
    *,
    name: str = "shop",
    scopes: object = ("r.example/shop",),
    identity: object = SAME,
    **more: Any,
) -> dict[str, Any]:
    policy = {"rootOfTrust": root, "signedIdentity": identity}
    return {
        "apiVersion": "config.openshift.io/v1",
        "kind": "ClusterImagePolicy",
        "metadata": {"name": name},
        "spec": {"scopes": list(scopes) if isinstance(scopes, tuple) else scopes, "policy": policy},
        **more,
    }


def of_namespace(namespace: str = "dev", **changes: Any) -> dict[str, Any]:
    name = changes.pop("name", "mine")
    return made(**changes) | {"kind": "ImagePolicy", "metadata": {"name": name, "namespace": namespace}}


def text(*objects: dict[str, Any]) -> str:
    return yaml.safe_dump_all(json.loads(json.dumps(objects)), explicit_start=True)


def denied(plain: Plain, written: str, message: str) -> None:
    """Expect a refusal that names the place; where losses are allowed, a denial that says the same."""
    with pytest.raises(BadConfiguration, match=message):
        plain(written)
    found = plain(written, lossy=True)
    (policy,) = [spec for spec in found.values() if isinstance(spec, dict) and "require" in spec]
    assert [each["name"] for each in policy["require"]] == ["denied"]
    assert len(found["losses"]) == 1


def refused(plain: Plain, written: str, message: str) -> None:
    for lossy in (False, True):
        with pytest.raises(BadConfiguration, match=message):
            plain(written, lossy=lossy)


def test_a_key_becomes_a_signer(plain: Plain) -> None:
    found = plain(text(made()))
    assert found["shop-r.example-shop"] == {
        "images": ["r.example/shop", "r.example/shop/**"],
        "require": [
            {
                "name": "signed",
                "platforms": "each",
                "signature": {"by": {"any": ["shop"]}, "dockerReference": "same-repository"},
            }
        ],
    }
    assert found["signers"] == {"shop": {"key": {"file": "keys/shop.pub"}, "tlog": "none"}}


def test_a_log_and_an_authority_become_roots(plain: Plain) -> None:
    found = plain(text(made(keyed(rekorKeyData=data("trust/rekor1.pub")))))
    assert found["signers"]["shop"]["tlog"] == "required"
    assert found["trust"]["roots"]["shop"] == {"logs": [{"key": "trust/shop-log.pub"}]}
    found = plain(text(made(keyless())))
    assert found["signers"]["shop"]["keyless"]["subject"] == "a@acme.test"
    assert set(found["trust"]["roots"]["shop"]) == {"authorities", "logs"}


def test_names_of_another_repository_may_be_demanded(plain: Plain) -> None:
    identity = {"matchPolicy": "ExactRepository", "exactRepository": {"repository": "r.example/other"}}
    (rule,) = plain(text(made(identity=identity)))["shop-r.example-shop"]["require"]
    assert rule["signature"]["dockerReference"] == "r.example/other"


@pytest.mark.parametrize(
    ("identity", "message"),
    [
        (None, r"spec\.policy\.signedIdentity: is missing, which means MatchRepoDigestOrExact"),
        (
            {"matchPolicy": "MatchRepoDigestOrExact"},
            r"signedIdentity\.matchPolicy: MatchRepoDigestOrExact: for an image",
        ),
        ({"matchPolicy": "RemapIdentity", "remapIdentity": {}}, r"signedIdentity\.matchPolicy: RemapIdentity"),
        ({"matchPolicy": "x"}, r"signedIdentity\.matchPolicy: is 'x'"),
        ({"matchPolicy": "ExactRepository"}, r"signedIdentity\.exactRepository: is missing"),
        ({"matchPolicy": "ExactRepository", "exactRepository": {"repository": "r.example/a:1"}}, r"repository: .* tag"),
        ({"matchPolicy": "MatchRepository", "exactRepository": {}}, r"exactRepository: is not understood"),
    ],
)
def test_names_that_compare_tags_are_refused(plain: Plain, identity: object, message: str) -> None:
    denied(plain, text(made(identity=identity)), message)


@pytest.mark.parametrize("identity", [None, {"matchPolicy": "MatchRepoDigestOrExact"}])
def test_of_images_by_digest_the_repository_is_compared(
    plain: Plain, imported: Callable[..., Any], identity: object
) -> None:
    written = text(made(identity=identity))
    (rule,) = plain(written, dialect="openshift-by-digest")["shop-r.example-shop"]["require"]
    assert rule["signature"]["dockerReference"] == "same-repository:*"
    assert any("deploy them by digest" in note for note in imported(written, dialect="openshift-by-digest").notes)
    with pytest.raises(BadConfiguration, match="matchPolicy: RemapIdentity: for an image by tag"):
        plain(text(made(identity={"matchPolicy": "RemapIdentity"})), dialect="openshift-by-digest")


@pytest.mark.parametrize(
    ("root", "message"),
    [
        (None, r"spec\.policy\.rootOfTrust: is missing"),
        ({}, r"rootOfTrust\.policyType: is ''"),
        ({"policyType": "PublicKey"}, r"rootOfTrust\.publicKey: is missing"),
        ({**KEY, "pki": {}}, r"rootOfTrust\.pki: is not understood"),
        ({"policyType": "PKI", "pki": {"caRootsData": ""}}, r"rootOfTrust\.pki: names no OIDC issuer"),
        (keyed(keyData="?"), r"publicKey\.keyData: is no base64"),
        (keyed(keyData=""), r"publicKey\.keyData: 'shop': holds 0 PEM blocks"),
        (keyed(keyData=data("keys/ec384.pub")), r"publicKey\.keyData: 'shop': holds a key on secp384r1"),
        (keyed(rekorKeyData=data("keys/rsa2048.pub")), r"publicKey\.rekorKeyData: 'shop': .* ECDSA"),
        (keyed(more=1), r"publicKey\.more: is not understood"),
        (keyless("fulcioCAData"), r"fulcioCAWithRekor\.fulcioCAData: 'shop': holds no readable certificates"),
        (keyless("rekorKeyData"), r"fulcioCAWithRekor\.rekorKeyData: 'shop': holds 0 PEM blocks"),
        (keyless("fulcioSubject"), r"fulcioCAWithRekor\.fulcioSubject: is missing"),
        (keyless(fulcioSubject={"oidcIssuer": "x"}), r"fulcioSubject: expected oidcIssuer and signedEmail"),
        (keyless(fulcioSubject={"signedEmail": "x"}), r"fulcioSubject: expected oidcIssuer and signedEmail"),
        (keyless(fulcioSubject={**SUBJECT, "more": 1}), r"fulcioSubject\.more: is not understood"),
    ],
)
def test_roots_of_trust_that_cannot_be_said_are_refused(plain: Plain, root: object, message: str) -> None:
    denied(plain, text(made(root)), message)


def test_without_a_policy_nothing_is_demanded(plain: Plain) -> None:
    denied(plain, text(made(spec={"scopes": ["r.example"]})), r"spec\.policy: is missing")


def test_a_scope_of_one_image_is_refused_or_its_repository_denied(plain: Plain) -> None:
    denied(plain, text(made(scopes=("r.example/shop:v1",))), r"spec\.scopes\[0\]: .* names a tag or digest")


@pytest.mark.parametrize(
    ("written", "message"),
    [
        (made(apiVersion="config.openshift.io/v2"), "apiVersion: is another one than config.openshift.io/v1 and"),
        (made(metadata={}), r"metadata: has no name"),
        (made() | {"kind": "ImagePolicy"}, r"metadata: has no namespace"),
        (made() | {"kind": "ImagePolicy", "metadata": "x"}, r"metadata: has no namespace"),
        ({key: value for key, value in made().items() if key != "spec"}, r"spec: is missing"),
        (made(scopes=()), r"spec\.scopes: has 0, expected 1 to 256"),
        (made(scopes=("r.example",) * 257), r"spec\.scopes: has 257"),
        (made(scopes=("",)), r"spec\.scopes\[0\]: is empty"),
        (made(scopes=("nginx",)), r"spec\.scopes\[0\]: 'nginx' matches nothing"),
        (made(more=1), r"more: is not understood"),
    ],
)
def test_objects_that_are_not_understood_are_refused(plain: Plain, written: dict[str, Any], message: str) -> None:
    refused(plain, text(written), message)


def specs(found: dict[str, Any]) -> dict[str, Any]:
    return {name: spec for name, spec in found.items() if isinstance(spec, dict) and "require" in spec}


def test_only_the_most_specific_scope_counts(plain: Plain) -> None:
    objects = (made(name="all", scopes=("r.example", "s.example/a")), made(scopes=("r.example/shop",)))
    assert {name: spec.get("exclude") for name, spec in specs(plain(text(*objects))).items()} == {
        "all-r.example": ["r.example/shop", "r.example/shop/**"],
        "all-s.example-a": None,
        "shop-r.example-shop": None,
    }


def test_policies_of_the_cluster_go_before_those_of_namespaces(plain: Plain, imported: Callable[..., Any]) -> None:
    scopes = ("r.example", "r.example/shop", "r.example/shop/web", "r.example/other")
    written = text(made(), of_namespace(scopes=scopes), of_namespace("prod", scopes=("r.example",)))
    found = {name: (spec.get("exclude"), spec.get("namespaces")) for name, spec in specs(plain(written)).items()}
    shop = ["r.example/shop", "r.example/shop/**"]
    assert found == {
        "shop-r.example-shop": (None, None),
        "mine-r.example": ([*shop, "r.example/other", "r.example/other/**"], ["dev"]),
        "mine-r.example-other": (None, ["dev"]),
        "mine-r.example-2": (shop, ["prod"]),
    }
    left_out = [note for note in imported(written).notes if "is left out for" in note]
    assert [note.partition(" for ")[2].partition(":")[0] for note in left_out] == list(scopes[1:3])


def test_the_same_scope_twice_demands_both(plain: Plain) -> None:
    found = specs(plain(text(made(), made(name="too"))))
    assert [spec["images"] for spec in found.values()] == [["r.example/shop", "r.example/shop/**"]] * 2
