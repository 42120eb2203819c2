"""Connaisseur's configuration: each field becomes something of the same meaning, or is refused by its name."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from preverify.model.errors import BadConfiguration

FIXTURES = Path(__file__).resolve().parents[3] / "vectors" / "fixtures"
EVERYTHING = "*:*"

Plain = Callable[..., dict[str, Any]]


def file(name: str) -> str:
    return (FIXTURES / name).read_text()


ROOTS = [
    {"name": "default", "key": file("keys/ec1.pub")},
    {"name": "two", "key": file("keys/ec2.pub")},
    {"name": "three", "key": file("keys/rsa2048.pub")},
]
IDENTITY = {"issuer": "https://issuer.test", "subject": "a@acme.test"}
HOST = {
    "rekorPubkey": file("trust/rekor1.pub"),
    "fulcioCert": file("trust/fulcio-chain.pem"),
    "ctLogPubkey": file("trust/ct.pub"),
}
STATIC = {"type": "static", "approve": False}
NOTATION = {
    "type": "notation",
    "trustRoots": [
        {"name": "default", "cert": file("trust/notation-root.pem")},
        {"name": "stamped", "cert": file("trust/notation-selfsigned.pem"), "tsCert": file("trust/tsa-root.pem")},
    ],
}


def cosign(*roots: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "cosign", "trustRoots": list(roots or ROOTS), **more}


def keyless(**changes: Any) -> dict[str, Any]:
    return {"name": "default", "keyless": {**IDENTITY, **changes}}


def values(*rules: dict[str, Any], features: object = None, **validators: Any) -> str:
    named = [{"name": name, **each} for name, each in validators.items()]
    application = {"validators": named, "policy": list(rules), "logLevel": "info"}
    if features is not None:
        application["features"] = features
    written = {"kubernetes": {"deployment": {"replicasCount": 3}}, "application": application, "alerting": {}}
    return yaml.safe_dump(json.loads(json.dumps(written)))


def ruled(validator: dict[str, Any], options: object = None) -> str:
    rule = {"pattern": EVERYTHING, "validator": "v"}
    return values(rule if options is None else {**rule, "with": options}, v=validator)


def demands(plain: Plain, validator: dict[str, Any], options: object = None) -> list[dict[str, Any]]:
    found = plain(ruled(validator, options))
    return [rule["signature"]["by"] for rule in found["v"]["require"]]


def signer(plain: Plain, validator: dict[str, Any], options: object = None) -> dict[str, Any]:
    found = plain(ruled(validator, options))
    return dict(found["signers"]["v-default"])


def denied(plain: Plain, text: str, message: str) -> None:
    """Expect a refusal that names the place; where losses are allowed, a denial that says the same."""
    with pytest.raises(BadConfiguration, match=message):
        plain(text)
    found = plain(text, lossy=True)
    assert [each["name"] for each in found["v"]["require"]] == ["denied"]
    assert len(found["losses"]) == 1


def refused(plain: Plain, text: str, message: str) -> None:
    for lossy in (False, True):
        with pytest.raises(BadConfiguration, match=message):
            plain(text, lossy=lossy)


# --- static ---


@pytest.mark.parametrize(("approve", "rule"), [(True, "unchecked"), (False, "denied")])
def test_static_validators_pass_or_deny(plain: Plain, approve: bool, rule: str) -> None:
    found = plain(ruled({"type": "static", "approve": approve}, {"mode": "insecureValidateOnly"}))
    assert found["v"]["images"] == ["**"]
    assert found["v"]["exclude"] == ["oci:/**"]
    assert [each["name"] for each in found["v"]["require"]] == [rule]


# --- cosign ---


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, [{"all": ["v-default"]}]),
        ({"trustRoot": "two"}, [{"all": ["v-two"]}]),
        ({"trustRoot": "*"}, [{"all": ["v-default", "v-two", "v-three"]}]),
        ({"trustRoot": "*", "threshold": 1}, [{"atLeast": 1, "of": ["v-default", "v-two", "v-three"]}]),
        ({"trustRoot": "*", "threshold": 3}, [{"all": ["v-default", "v-two", "v-three"]}]),
        ({"trustRoot": "*", "required": ["two"]}, [{"all": ["v-two"]}]),
        ({"trustRoot": "*", "required": ["two", "three"], "threshold": 2}, [{"all": ["v-two", "v-three"]}]),
        (
            {"trustRoot": "*", "required": ["two"], "threshold": 2},
            [{"all": ["v-two"]}, {"atLeast": 2, "of": ["v-default", "v-two", "v-three"]}],
        ),
    ],
)
def test_who_has_to_have_signed(plain: Plain, options: dict[str, Any], expected: list[object]) -> None:
    assert demands(plain, cosign(), {**options, "verifyInTransparencyLog": False}) == expected


def test_the_log_is_looked_at_unless_told_otherwise(plain: Plain) -> None:
    key = {"key": {"file": "keys/v-default.pub"}}
    assert signer(plain, cosign()) == {**key, "tlog": "required", "trust": "public-good"}
    assert signer(plain, cosign(), {"verifyInTransparencyLog": False}) == {**key, "tlog": "none"}
    own = cosign(host={"rekor": "https://rekor.test", "rekorPubkey": HOST["rekorPubkey"]})
    assert signer(plain, own) == {**key, "tlog": "required", "trust": "v"}
    assert plain(ruled(own))["trust"]["roots"] == {"v": {"logs": [{"key": "trust/v-log.pub"}]}}


@pytest.mark.parametrize(
    ("options", "host", "expected", "parts"),
    [
        ({}, {}, {"trust": "public-good", "tlog": "required", "sct": "required"}, set()),
        ({"verifySCT": False}, {}, {"trust": "public-good", "tlog": "required", "sct": "none"}, set()),
        ({}, HOST, {"trust": "v", "tlog": "required", "sct": "required"}, {"authorities", "logs", "ctLogs"}),
        (
            {"verifySCT": False, "verifyInTransparencyLog": False},
            HOST,
            {"trust": "v", "tlog": "none", "sct": "none"},
            {"authorities"},
        ),
        (
            {"verifySCT": False, "verifyInTransparencyLog": False},
            {"rekorPubkey": HOST["rekorPubkey"]},
            {"trust": "public-good", "tlog": "none", "sct": "none"},
            set(),
        ),
    ],
)
def test_identities_are_of_one_instance(
    plain: Plain, options: dict[str, bool], host: dict[str, str], expected: dict[str, str], parts: set[str]
) -> None:
    validator = cosign(keyless(), **({"host": host} if host else {}))
    assert signer(plain, validator, options) == {"keyless": {**IDENTITY, **expected, "timestamps": "none"}}
    roots = plain(ruled(validator, options)).get("trust", {"roots": {"v": {}}})["roots"]
    assert set(roots["v"]) == parts


def test_identities_may_be_expressions(plain: Plain) -> None:
    identity = {"issuerRegex": r"^https://issuer\.test$", "subjectRegex": "@acme[.]test$"}
    found = signer(plain, cosign({"name": "default", "keyless": identity}))["keyless"]
    assert found["issuerPattern"] == r"^https://issuer\.test$"
    assert found["subjectPattern"].endswith("@acme[.]test$")
    assert found["subjectPattern"] != "@acme[.]test$"  # it may match anywhere there, and whole values only here


@pytest.mark.parametrize(
    ("validator", "options", "message"),
    [
        (cosign(), {"trustRoot": "four"}, r"policy\[0\]\.with\.trustRoot: 'four' is not among"),
        (cosign({"name": "other", "key": file("keys/ec1.pub")}), {}, r"with\.trustRoot: 'default' is not among"),
        (cosign(), {"threshold": 1}, r"policy\[0\]\.with: threshold and required are looked at"),
        (cosign(), {"trustRoot": "two", "required": ["two"]}, r"with: threshold and required"),
        (cosign(), {"trustRoot": "*", "required": ["four"]}, r"with\.required\[0\]: is not among"),
        (cosign(), {"trustRoot": "*", "required": ["two", "two"], "threshold": 2}, r"with\.required\[1\]: .* or twice"),
        (cosign(), {"trustRoot": "*", "threshold": 4}, r"with\.threshold: is 4, which 3 trust roots never reach"),
        (cosign(), {"trustRoot": "*", "threshold": -1}, r"with\.threshold: is -1"),
        (cosign(), {"delegations": ["a"]}, r"with\.delegations: is not understood"),
        (cosign(), {"mode": "x"}, r"with\.mode: is 'x'"),
        (cosign({"name": "default"}), {}, r"trustRoots\[0\]: expected exactly one of key and keyless"),
        (cosign({**ROOTS[0], **keyless()}), {}, r"trustRoots\[0\]: expected exactly one of key and keyless"),
        (cosign({**ROOTS[0], "cert": "x"}), {}, r"trustRoots\[0\]\.cert: is not understood"),
        (
            cosign({"name": "default", "key": "awskms://x"}),
            {},
            r"trustRoots\[0\]\.key: 'v-default': holds 0 PEM blocks",
        ),
        (cosign({"name": "default", "key": file("keys/ec384.pub")}), {}, r"key: 'v-default': holds a key on secp384r1"),
        (cosign(keyless(issuerRegex="x")), {}, r"keyless: expected exactly one of issuer and issuerRegex"),
        (cosign(keyless(subject="")), {}, r"keyless: expected exactly one of subject and subjectRegex"),
        (cosign(keyless(subject="", subjectRegex=".*")), {}, r"keyless\.subjectRegex: .*matches everybody"),
        (cosign(host={"rekorPubkey": "x"}), {}, r"host\.rekorPubkey: 'v': holds 0 PEM blocks"),
        (cosign(keyless(), host={"fulcioCert": HOST["fulcioCert"]}), {}, r"host: has fulcioCert and no rekorPubkey"),
        (cosign(keyless(), host={**HOST, "fulcioCert": "x"}), {}, r"host\.fulcioCert: 'v': holds no readable"),
        (cosign(keyless(), host={**HOST, "more": "x"}), {}, r"host\.more: is not understood"),
        (cosign(more=1), {}, r"validators\[0\]\.more: is not understood"),
        ({"type": "static"}, {}, r"validators\[0\]: has no 'approve'"),
        ({"type": "static", "approve": True}, {"trustRoot": "x"}, r"with\.trustRoot: is not understood"),
        ({"type": "notaryv1", "trustRoots": ROOTS}, {}, r"validators\[0\]\.type: notaryv1: signatures of Docker"),
        ({"type": "x"}, {}, r"validators\[0\]\.type: is 'x'"),
        ({**NOTATION, "trustRoots": [{"name": "default"}]}, {}, r"trustRoots\[0\]\.cert: is missing"),
        (
            {**NOTATION, "trustRoots": [{"name": "default", "cert": HOST["fulcioCert"]}]},
            {},
            r"trustRoots\[0\]\.cert: 'v-default': holds several certificates",
        ),
        (NOTATION, {"threshold": 1}, r"with\.threshold: is not understood"),
        (NOTATION, {"verificationLevel": "skip"}, r"with\.verificationLevel: is 'skip'"),
    ],
)
def test_what_cannot_be_said_is_refused(
    plain: Plain, validator: dict[str, Any], options: dict[str, Any], message: str
) -> None:
    denied(plain, ruled(validator, options), message)


def test_how_registries_are_spoken_to_is_left_out(imported: Callable[..., Any], plain: Plain) -> None:
    validator = cosign(auth={"secretName": "x"}, cert="x")
    assert any("auth and cert" in note for note in imported(ruled(validator)).notes)
    assert not any("auth and cert" in note for note in imported(ruled(cosign())).notes)
    assert plain(ruled(validator))["v"] == plain(ruled(cosign()))["v"]


# --- notation ---


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, {"stores": ["ca:v-default"], "level": "strict", "verifyTimestamp": "always"}),
        (
            {"trustRoot": "stamped", "verificationLevel": "permissive", "verifyTimestamp": "afterCertExpiry"},
            {"stores": ["ca:v-stamped", "tsa:v-stamped"], "level": "permissive", "verifyTimestamp": "afterCertExpiry"},
        ),
        (
            {"trustRoot": "*", "verificationLevel": "audit"},
            {
                "stores": ["ca:v-default", "ca:v-stamped", "tsa:v-stamped"],
                "level": "audit",
                "verifyTimestamp": "always",
            },
        ),
    ],
)
def test_a_validator_of_notation_is_one_signer(plain: Plain, options: dict[str, str], expected: dict[str, Any]) -> None:
    found = plain(ruled(NOTATION, options))
    assert found["signers"] == {"v": {"notation": {"identities": ["*"], **expected}}}
    assert found["v"]["require"] == [{"name": "signed", "signature": {"by": {"any": ["v"]}}}]


# --- the image policy ---


def test_more_specific_patterns_are_taken_out_of_the_others(plain: Plain) -> None:
    rules = [{"pattern": each, "validator": "v"} for each in ("*:*", "r.example/*:*", "r.example/app*", "s.example/*")]
    found = plain(values(*rules, v=STATIC))
    assert {
        spec["images"][0]: spec.get("exclude") for spec in found.values() if isinstance(spec, dict) and "images" in spec
    } == {
        "**": ["r.example/**", "r.example/app**", "s.example/**", "oci:/**"],
        "r.example/**": ["r.example/app**"],
        "**r.example/**": ["r.example/**"],
        "r.example/app**": None,
        "**r.example/app**": ["r.example/app**"],
        "s.example/**": None,
        "**s.example/**": ["s.example/**"],
    }


def test_what_no_rule_is_about_is_denied(plain: Plain) -> None:
    found = plain(values({"pattern": "r.example/*:*"}, default={"type": "static", "approve": True}))
    assert found["no-rule"]["exclude"] == ["r.example/**"]
    assert [each["name"] for each in found["no-rule"]["require"]] == ["denied"]
    (elsewhere,) = [
        spec for spec in found.values() if isinstance(spec, dict) and spec.get("images") == ["**r.example/**"]
    ]
    assert [each["name"] for each in elsewhere["require"]] == ["denied"]


def test_a_validator_that_no_rule_names_demands_nothing(plain: Plain) -> None:
    text = values({"pattern": EVERYTHING, "validator": "v"}, v=STATIC, dockerhub={"type": "notaryv1"})
    assert set(plain(text)) == {"files", "losses", "v", "signers"}


def test_two_rules_may_share_a_validator(plain: Plain) -> None:
    rules = [
        {"pattern": EVERYTHING, "validator": "v"},
        {"pattern": "r.example/*:*", "validator": "v", "with": {"trustRoot": "two"}},
    ]
    found = plain(values(*rules, v=cosign()))
    assert set(found["signers"]) == {"v-default", "v-two", "nobody"}


def test_detection_only_warns(plain: Plain, imported: Callable[..., Any]) -> None:
    features = {"detectionMode": True, "automaticChildApproval": True, "cache": {"expirySeconds": 30}}
    rule = {"pattern": "r.example/*:*", "validator": "v"}
    found = plain(values(rule, features=features, v=STATIC))
    assert [spec["mode"] for spec in found.values() if isinstance(spec, dict) and "require" in spec] == ["warn"] * 3
    notes = imported(values(rule, features=features, v=STATIC)).notes
    assert [note.partition(":")[0] for note in notes] == ["features.automaticChildApproval", "features.cache"]
    assert "mode" not in plain(values(rule, features={"detectionMode": False}, v=STATIC))["no-rule"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (values({"pattern": "nginx"}, default=STATIC), r"policy\[0\]\.pattern: 'nginx' names no registry"),
        (values({"validator": "default"}, default=STATIC), r"policy\[0\]\.pattern: '' holds other characters"),
        (values({"pattern": "*"}, v=STATIC), r"policy\[0\]\.validator: 'default' is not among the validators"),
        (values({"pattern": "*", "more": 1}, default=STATIC), r"policy\[0\]\.more: is not understood"),
        (
            values({"pattern": "r.example/*/b*"}, {"pattern": "r.example/a*/*"}, default=STATIC),
            r"policy\[0\]\.pattern: and 'r.example/a\*/\*' are about the same images: .* depends on the image",
        ),
        (values(v=STATIC), r"application\.policy: is missing"),
        (values({"pattern": "*"}, features={"more": 1}, default=STATIC), r"features\.more: is not understood"),
        (
            yaml.safe_dump({"application": {"validators": [{"type": "x"}], "policy": [{}]}}),
            r"validators\[0\]: has no name",
        ),
        (
            yaml.safe_dump({"application": {"validators": [{"name": "x"}, {"name": "x"}], "policy": [{}]}}),
            r"validators\[1\]: has no name of its own",
        ),
        (
            yaml.safe_dump({"application": {"validators": [], "policy": [], "more": 1}, "other": 1}),
            r"application\.policy: is missing",
        ),
    ],
)
def test_configurations_that_are_not_understood_are_refused(plain: Plain, text: str, message: str) -> None:
    refused(plain, text, message)


def test_other_documents_are_refused(plain: Plain) -> None:
    text = values({"pattern": "*"}, default=STATIC)
    with pytest.raises(BadConfiguration, match="is a second configuration"):
        plain(f"{text}\n---\n{text}")
    with pytest.raises(BadConfiguration, match="application: is missing"):
        plain("kubernetes: {}", dialect="connaisseur")
    with pytest.raises(BadConfiguration, match="other: is not understood"):
        plain(f"{text}\nother: 1")
