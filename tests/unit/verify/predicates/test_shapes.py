"""Predicates that have not the shape of their kind: each is refused, and nothing is read of it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preverify.model.errors import MalformedEvidence
from preverify.model.reasons import Reason
from preverify.verify.predicates import READERS, read_predicate
from support.predicates import GONE, MINIMAL, changed, compact, document, facts, minimal

V1 = "github-attestation"
LONG = "x" * 4097


def refusal(whole: dict[str, Any]) -> str:
    with pytest.raises(MalformedEvidence) as caught:
        facts(whole)
    assert caught.value.reason is Reason.STATEMENT_MALFORMED
    return caught.value.detail


@pytest.mark.parametrize("predicate", [None, [], 1, True, 1.5])
@pytest.mark.parametrize("kind", sorted(MINIMAL))
def test_a_predicate_is_an_object(kind: str, predicate: object) -> None:
    assert "expected an object" in refusal({"predicateType": kind, "predicate": predicate})
    assert "expected an object" in refusal({"predicateType": kind})


@pytest.mark.parametrize(
    ("name", "path", "value", "detail"),
    [
        # provenance v1
        (V1, "buildDefinition", GONE, "buildType is missing"),
        (V1, "buildDefinition/buildType", "", "buildType is missing"),
        (V1, "buildDefinition/buildType", 1, "is a number, expected text"),
        (V1, "runDetails/builder", [], "builder is a list, expected an object"),
        (V1, "runDetails/builder/id", ["x"], "id is a list, expected text"),
        (V1, "runDetails/builder/id", LONG, "builder.id has 4097 characters"),
        (V1, "runDetails/builder/id", "a\x00b", "zero character"),
        (V1, "runDetails/builder/ID", "https://other.test", "a member 'ID', expected 'id'"),
        (V1, "buildDefinition/externalparameters", {}, "a member 'externalparameters', expected"),
        (V1, "buildDefinition/externalParameters", "x", "expected an object"),
        (V1, "buildDefinition/externalParameters/workflow/Ref", "refs/heads/x", "a member 'Ref', expected 'ref'"),
        (V1, "buildDefinition/externalParameters/workflow/ref", False, "is a truth value, expected text"),
        (V1, "buildDefinition/externalParameters/n", 2**53, "cannot be written canonically"),
        (V1, "buildDefinition/resolvedDependencies", {}, "is an object, expected a list"),
        (V1, "buildDefinition/resolvedDependencies/0", None, "[0] is null, expected an object"),
        (V1, "buildDefinition/resolvedDependencies/0/digest", {"sha1": 1}, "holds 'sha1' with no digest"),
        (V1, "buildDefinition/resolvedDependencies/0/digest", {"a,b": "c"}, "holds 'a,b' with no digest"),
        (V1, "buildDefinition/internalParameters", [], "is a list, expected an object"),
        (V1, "buildDefinition/internalParameters/github/event_name", 5, "is a number, expected text"),
        (V1, "runDetails/metadata", "x", "is text, expected an object"),
        (V1, "runDetails/metadata/startedOn", "yesterday", "expected a time like"),
        (V1, "runDetails/metadata/startedOn", "2026-02-30T10:00:00Z", "expected a time like"),
        (V1, "runDetails/metadata/startedOn", "0001-01-01T00:00:00+05:00", "expected a time like"),
        # provenance v0.2
        ("cosign-provenance-v0.2", "buildType", GONE, "buildType is missing"),
        ("cosign-provenance-v0.2", "materials", "x", "expected a list"),
        (
            "slsa-generator-v0.2",
            "invocation/environment/GITHUB_EVENT_NAME",
            "pull_request",
            "'push' and 'pull_request'",
        ),
        ("slsa-generator-v0.2", "invocation/environment/Github_Event_Name", "x", "a member 'Github_Event_Name'"),
        # provenance v0.1
        ("cloud-build-v0.1", "builder/id", "https://other.test", "slsaProvenance says something else"),
        ("cloud-build-v0.1", "materials/0/uri", "git+https://github.com/evil/x", "slsaProvenance says something else"),
        # bills of materials
        ("cosign-spdx", "spdxVersion", GONE, "spdxVersion is missing"),
        ("cosign-spdx", "packages", {}, "expected a list"),
        ("cosign-spdx", "packages/0", "x", "something else than objects"),
        ("cosign-spdx", "creationInfo/created", "2026", "expected a time like"),
        ("cosign-cyclonedx", "bomFormat", "SPDX", "expected 'CycloneDX'"),
        ("cosign-cyclonedx", "bomFormat", GONE, "bomFormat is missing"),
        ("cosign-cyclonedx", "specVersion", GONE, "specVersion is missing"),
        ("cosign-cyclonedx", "components", [1], "something else than objects"),
        # vulnerability reports
        ("cosign-vuln", "scanner", GONE, "predicate.scanner is missing"),
        ("cosign-vuln", "metadata", None, "predicate.metadata is missing"),
        ("cosign-vuln", "scanner/uri", "", "uri is missing"),
        ("cosign-vuln", "scanner/result/Results", {}, "expected a list"),
        ("cosign-vuln", "scanner/result/Results/0/Vulnerabilities", "x", "expected a list"),
        ("cosign-vuln", "scanner/result/Results/0/vulnerabilities", [], "a member 'vulnerabilities'"),
        ("cosign-vuln", "scanner/result/Results/0/Vulnerabilities/0/Severity", 9, "expected text"),
        # VEX
        ("cosign-openvex", "author", GONE, "author is missing"),
        ("cosign-openvex", "statements", {}, "expected a list"),
        ("cosign-openvex", "statements/0/status", GONE, "status is missing"),
        ("cosign-openvex", "statements/0/status", "fine", "is 'fine', expected one of"),
        ("cosign-openvex", "statements/0/justification", GONE, "without justification or impact_statement"),
        ("cosign-openvex", "statements/0/vulnerability", {}, "names no vulnerability"),
        # summaries
        ("cosign-vsa", "verifier/id", GONE, "id is missing"),
        ("cosign-vsa", "resourceUri", "", "resourceUri is missing"),
        ("cosign-vsa", "verificationResult", "MAYBE", "expected PASSED or FAILED"),
        ("cosign-vsa", "verificationResult", GONE, "verificationResult is missing"),
        ("cosign-vsa", "verifiedLevels", GONE, "verifiedLevels is missing"),
        ("cosign-vsa", "verifiedLevels", ["SLSA_ACME_3"], "only SLSA defines names in SLSA_"),
        ("cosign-vsa", "verifiedLevels", ["SLSA_BUILD_LEVEL_2", "SLSA_BUILD_LEVEL_3"], "two levels of SLSA_BUILD"),
        ("cosign-vsa", "verifiedLevels", ["A,SLSA_BUILD_LEVEL_3"], "which is no level's name"),
        ("cosign-vsa", "verifiedLevels", [None], "expected only texts"),
        ("cosign-vsa", "timeVerified", "2026-03-01 10:05:00Z", "expected a time like"),
        ("cosign-vsa", "policy/digest", {"sha256": None}, "with no digest"),
        ("cosign-vsa", "inputAttestations", ["x"], "[0] is text, expected an object"),
        ("cosign-custom", "Data", GONE, "Data is missing"),
        ("cosign-custom", "Timestamp", "now", "expected a time like"),
    ],
)
def test_one_member_that_is_not_as_it_should_be_voids_it_all(name: str, path: str, value: object, detail: str) -> None:
    assert detail in refusal(changed(document(name), path, value))


def of(kind: str, **members: Any) -> dict[str, Any]:
    return {"predicateType": kind, "predicate": {**minimal(kind), **members}}


@pytest.mark.parametrize(
    ("whole", "detail"),
    [
        (of("https://slsa.dev/provenance/v0.1", builder={}), "id is missing"),
        (of("https://slsa.dev/provenance/v0.1", recipe={"definedInMaterial": 1}, materials=[{}]), "are 1 materials"),
        (of("https://slsa.dev/provenance/v0.1", recipe={"definedInMaterial": -1}, materials=[{}]), "expected a number"),
        (of("https://in-toto.io/attestation/vulns/v0.1", scanner={"uri": "x"}), "expected a list"),
        (
            of("https://in-toto.io/attestation/vulns/v0.2", scanner={"uri": "x", "result": [{"severity": []}]}),
            "id is missing",
        ),
        (of("https://in-toto.io/attestation/svr/v0.2", timeCreated=None), "timeCreated is missing"),
        (of("https://in-toto.io/attestation/svr/v0.2", properties=[1]), "expected only texts"),
        (of("https://in-toto.io/attestation/test-result/v0.1", result="OK"), "expected one of: PASSED"),
        (of("https://in-toto.io/attestation/scai/v0.3", attributes=[]), "expected at least one"),
        (of("https://in-toto.io/attestation/scai/v0.3", attributes=[{}]), "attribute is missing"),
        (of("https://in-toto.io/attestation/release/v0.1", purl="https://x@1"), "expected a package URL"),
        (of("https://in-toto.io/attestation/release/v0.1", purl="pkg:x"), "expected a package URL"),
        (of("https://in-toto.io/attestation/link/v0.3", name=""), "name is missing"),
        (of("https://in-toto.io/attestation/link/v0.3", materials="x"), "expected a list"),
        (of("https://apko.dev/image-configuration", accounts={"run-as": []}), "run-as is no text"),
        (of("https://apko.dev/image-configuration", archs="amd64"), "expected a list"),
        ({"predicateType": "https://spdx.dev/Document", "predicate": "no tags"}, "SPDXVersion is missing"),
        ({"predicateType": "https://spdx.dev/Document", "predicate": '{"a":1,"a":2}'}, "stands twice"),
        ({"predicateType": "https://spdx.dev/Document/v3", "predicate": {"@graph": []}}, "no CreationInfo"),
        ({"predicateType": "https://spdx.dev/Document/v3", "predicate": {"@graph": [{"type": "x"}]}}, "no id"),
        ({"predicateType": "https://spdx.dev/Document/v3", "predicate": {"@graph": [{"@id": "x"}]}}, "no type"),
        (
            {
                "predicateType": "https://spdx.dev/Document/v3",
                "predicate": {"@graph": [{"type": "CreationInfo", "@id": "_:c"}]},
            },
            "specVersion is missing",
        ),
        ({"predicateType": "https://cyclonedx.org/bom", "predicate": "<bom/>"}, "not JSON"),
    ],
)
def test_other_kinds_have_their_shapes_too(whole: dict[str, Any], detail: str) -> None:
    assert detail in refusal(whole)


def test_the_payload_is_a_statement() -> None:
    for payload in (b"[]", b"null", b"\xff", b"{}x", b'{"predicate":1,"predicate":2}'):
        with pytest.raises(MalformedEvidence) as caught:
            read_predicate("https://spdx.dev/Document", payload)
        assert caught.value.reason is Reason.STATEMENT_MALFORMED


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=12), inner, max_size=4)
    ),
    max_leaves=20,
)


@st.composite
def mangled(draw: st.DrawFn) -> dict[str, Any]:
    """A recorded or least predicate of some type, with any member anywhere replaced by anything."""
    kind = draw(st.sampled_from(sorted(MINIMAL)))
    whole: Any = {"predicateType": kind, "predicate": minimal(kind)}
    if draw(st.booleans()):
        name = draw(st.sampled_from(["github-attestation", "slsa-generator-v0.2", "cosign-vsa", "cosign-openvex"]))
        whole = document(name)
    for _ in range(draw(st.integers(1, 4))):
        at: Any = whole["predicate"]
        while isinstance(at, dict) and at and draw(st.booleans()):
            key = draw(st.sampled_from(sorted(at)))
            if not isinstance(at[key], dict):
                break
            at = at[key]
        if isinstance(at, dict):
            known = sorted({*at, "id", "uri", "digest", "workflow", "result", "Data", "@graph", "severity"})
            at[draw(st.sampled_from(known))] = draw(json_values)
        else:
            whole["predicate"] = draw(json_values)
    return dict(whole)


@given(whole=mangled())
def test_whatever_a_predicate_holds_it_is_read_or_refused(whole: dict[str, Any]) -> None:
    """Nothing else is ever raised, and facts keep to their bounds."""
    try:
        read = read_predicate(whole["predicateType"], compact(whole))
    except MalformedEvidence:
        return
    assert read == tuple(sorted(read))
    assert len({name for name, _ in read}) == len(read)
    assert all(isinstance(value, str) and 0 < len(value) <= 4096 and "\x00" not in value for _, value in read)


@given(value=json_values, kind=st.sampled_from(sorted({kind for reader in READERS for kind in reader.TYPES})))
def test_any_value_as_a_predicate_is_read_or_refused(value: Any, kind: str) -> None:
    kind = kind.replace("/v*", "/v9")
    try:
        read_predicate(kind, compact({"predicateType": kind, "predicate": value}))
    except MalformedEvidence as error:
        refused = error
    else:
        return
    assert refused.reason is Reason.STATEMENT_MALFORMED
    assert len(refused.detail) < 600
