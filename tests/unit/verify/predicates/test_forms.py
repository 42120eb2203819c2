"""Forms that predicates of a kind come in, long texts, and large statements."""

import json
import tracemalloc
from typing import Any

import pytest

from preverify.model.errors import MalformedEvidence
from preverify.model.reasons import Reason
from preverify.verify.predicates import MAX_WHOLE, facts_of, read_predicate
from preverify.verify.predicates.outline import LARGE
from preverify.verify.statements.statement import read_statement
from support.predicates import changed, compact, document, facts, minimal

SPDX = "https://spdx.dev/Document"
BOM = "https://cyclonedx.org/bom"
TAGS = """SPDXVersion: SPDX-2.3
DataLicense: CC0-1.0
DocumentName: acme-app
DocumentNamespace: https://acme.test/spdx/1
Created: 2026-03-01T10:00:00Z
DocumentComment: <text>a comment
PackageName: not-a-package
SPDXVersion: SPDX-9</text>

PackageName: openssl
PackageVersion: 3.0.1
PackageName: zlib
"""


def of(kind: str, predicate: Any) -> dict[str, Any]:
    return {"predicateType": kind, "predicate": predicate}


def test_spdx_in_its_text_form() -> None:
    expected = {
        "version": "SPDX-2.3",
        "name": "acme-app",
        "namespace": "https://acme.test/spdx/1",
        "created": "2026-03-01T10:00:00Z",
        "packages.count": "2",
    }
    assert facts(of(SPDX, TAGS)) == expected
    assert facts(of(SPDX, TAGS.replace("\n", "\r\n"))) == expected
    assert facts(of(SPDX, "SPDXVersion: SPDX-2.2\n")) == {"version": "SPDX-2.2", "packages.count": "0"}


@pytest.mark.parametrize(("kind", "name"), [(SPDX, "cosign-spdx"), (BOM, "cosign-cyclonedx")])
def test_documents_as_text_and_in_the_wrapping_of_old_cosign(kind: str, name: str) -> None:
    whole = document(name)["predicate"]
    expected = facts(name)
    assert facts(of(kind, " " + json.dumps(whole))) == expected
    assert facts(of(kind, {"Data": whole, "Timestamp": "2022-01-01T00:00:00Z"})) == expected
    assert facts(of(kind, {"Data": json.dumps(whole)})) == expected


def test_spdx_3() -> None:
    graph = [
        {"type": "CreationInfo", "@id": "_:c", "specVersion": "3.0.1", "created": "2026-03-01T10:00:00Z"},
        {"type": "SpdxDocument", "spdxId": "https://acme.test/doc", "name": "acme"},
        {"type": "software_Package", "spdxId": "https://acme.test/1", "name": "openssl"},
        {"@type": "software_Package", "@id": "https://acme.test/2"},
        {"type": "Relationship", "spdxId": "https://acme.test/3", "name": "none of the names"},
    ]
    whole = of(f"{SPDX}/v3", {"@context": "https://spdx.org/rdf/3.0/spdx-context.jsonld", "@graph": graph})
    expected = {
        "version": "SPDX-3.0.1",
        "created": "2026-03-01T10:00:00Z",
        "name": "acme",
        "packages.count": "2",
    }
    assert facts(whole) == expected
    whole["predicate"]["@graph"][4]["comment"] = "x" * LARGE
    assert facts(whole) == expected
    whole["predicate"]["@graph"][4]["Type"] = "software_Package"
    with pytest.raises(MalformedEvidence, match="has a member 'Type'"):
        facts(whole)


GRYPE = {"matches": [{"vulnerability": {"id": "CVE-1", "severity": "High"}}, {"vulnerability": {"id": "CVE-2"}}]}


@pytest.mark.parametrize(
    ("result", "counts"),
    [
        (GRYPE, {"findings.count": "2", "findings.high": "1", "findings.other": "1"}),
        ({"matches": []}, {"findings.count": "0"}),
        ({"Results": [{"Target": "os", "Vulnerabilities": None}]}, {"findings.count": "0"}),
        ({"Results": None}, {"findings.count": "0"}),
        ({"runs": []}, {}),
        ([], {}),
        (None, {}),
        ("text", {}),
    ],
)
def test_reports_of_scanners_in_cosigns_wrapping(result: Any, counts: dict[str, str]) -> None:
    read = facts(changed(document("cosign-vuln"), "scanner/result", result))
    zero = dict.fromkeys((f"findings.{word}" for word in ("critical", "high", "medium", "low")), "0") if counts else {}
    assert {name: value for name, value in read.items() if name.startswith("findings")} == zero | counts


@pytest.mark.parametrize("version", ["v0.1", "v0.2"])
def test_in_totos_own_reports(version: str) -> None:
    def entry(name: str, *scores: tuple[str, str]) -> dict[str, Any]:
        found = {"id": name, "severity": [{"method": method, "score": score} for method, score in scores]}
        return {"vulnerability": found} if version == "v0.1" else found

    result = [
        entry("CVE-1", ("cvss_score", "5.2"), ("nvd", "Moderate")),
        entry("CVE-2", ("cvss_score", "9.8")),
        entry("CVE-3"),
        entry("CVE-4", ("nvd", "critical")),
    ]
    scanner = {
        "uri": "pkg:github/aquasecurity/trivy@0.19.2",
        "db": {"uri": "pkg:db", "lastUpdate": "2021-08-06T19:45:50.52+02:00"},
        "result": result,
    }
    metadata = {"scanStartedOn": "2021-08-06T17:45:50.52Z"}
    kind = f"https://in-toto.io/attestation/vulns/{version}"
    assert facts(of(kind, {"scanner": scanner, "metadata": metadata})) == {
        "scanner.uri": "pkg:github/aquasecurity/trivy@0.19.2",
        "db.uri": "pkg:db",
        "db.lastUpdate": "2021-08-06T17:45:50.520000Z",
        "scan.startedOn": "2021-08-06T17:45:50.520000Z",
        "findings.count": "4",
        "findings.critical": "1",
        "findings.high": "0",
        "findings.medium": "1",
        "findings.low": "0",
        "findings.other": "2",
    }


@pytest.mark.parametrize(
    ("kind", "predicate", "expected"),
    [
        (
            "https://in-toto.io/attestation/svr/v0.2",
            {
                "verifier": {"id": "https://v.test", "policies": [{"uri": "p:"}]},
                "timeCreated": "2024-03-15T10:30:00Z",
                "properties": ["SLSA_BUILD_LEVEL_3", "ACME_SCANNED"],
            },
            {
                "verifier.id": "https://v.test",
                "policies.count": "1",
                "timeCreated": "2024-03-15T10:30:00Z",
                "properties": "SLSA_BUILD_LEVEL_3,ACME_SCANNED",
            },
        ),
        (
            "https://in-toto.io/attestation/test-result/v0.1",
            {"result": "WARNED", "url": "https://ci.test/1", "passedTests": ["a", "b"], "warnedTests": ["c"]},
            {
                "result": "WARNED",
                "url": "https://ci.test/1",
                "passed.count": "2",
                "warned.count": "1",
                "failed.count": "0",
            },
        ),
        (
            "https://in-toto.io/attestation/scai/v0.3",
            {"attributes": [{"attribute": "WITH_STACK_PROTECTION"}], "producer": {"uri": "file:///usr/bin/gcc"}},
            {"attributes": "WITH_STACK_PROTECTION", "attributes.count": "1", "producer": "file:///usr/bin/gcc"},
        ),
        (
            "https://in-toto.io/attestation/release/v0.1",
            {"purl": "pkg:oci/app@sha256:1", "packageId": "7"},
            {"purl": "pkg:oci/app@sha256:1", "packageId": "7"},
        ),
        (
            "https://in-toto.io/Link/v1",
            {"name": "build", "materials": {"src": {"sha256": "1"}}, "command": ["make"]},
            {"name": "build", "materials.count": "1"},
        ),
        (
            "https://in-toto.io/attestation/link/v0.3",
            {"name": "build", "materials": [{"name": "a"}, {"name": "b"}]},
            {"name": "build", "materials.count": "2"},
        ),
        ("https://cosign.sigstore.dev/attestation/v1", {"Data": {"a": 1}}, {}),
        (
            "https://apko.dev/image-configuration",
            {
                "accounts": {"run-as": 65532},
                "archs": ["amd64", "arm64"],
                "contents": {"packages": ["busybox"], "repositories": []},
                "annotations": {"a": "b"},
            },
            {
                "user": "65532",
                "architectures": "amd64,arm64",
                "packages.count": "1",
                "annotations.count": "1",
            },
        ),
        ("https://apko.dev/image-configuration", {}, {"packages.count": "0", "annotations.count": "0"}),
        (
            "https://chainguard.dev/end-of-life",
            {"eolDate": "2026-01-01", "gracePeriod": True, "nested": {"a": 1}, "odd name": "x"},
            {"eolDate": "2026-01-01", "gracePeriod": "true"},
        ),
    ],
)
def test_small_kinds(kind: str, predicate: Any, expected: dict[str, str]) -> None:
    assert facts(of(kind, predicate)) == expected


@pytest.mark.parametrize(
    ("external", "expected"),
    [
        ({"source": "git+https://gitlab.test/a/b@refs/heads/x"}, ("https://gitlab.test/a/b", "refs/heads/x", "")),
        (
            {"source": {"uri": "https://a.test/b#main:dir", "digest": {"sha1": "1"}}},
            ("https://a.test/b", "main", "sha1:1"),
        ),
        (
            {"buildConfigSource": {"repository": "git+https://a.test/b", "ref": "refs/tags/v1", "path": "x.yaml"}},
            ("https://a.test/b", "refs/tags/v1", ""),
        ),
        ({"workflow": "a name", "source": {}}, ("https://github.com/acme/api", "refs/heads/main", "")),
        ({}, ("https://github.com/acme/api", "refs/heads/main", "")),
    ],
)
def test_where_other_builders_write_their_source(external: Any, expected: tuple[str, str, str]) -> None:
    kind = "https://slsa.dev/provenance/v1"
    predicate = minimal(kind)
    predicate["buildDefinition"]["externalParameters"] = external
    predicate["buildDefinition"]["resolvedDependencies"] = [{"uri": "git+https://github.com/acme/api@refs/heads/main"}]
    read = facts(of(kind, predicate))
    assert (read.get("source.uri", ""), read.get("source.ref", ""), read.get("source.digest", "")) == expected


def test_a_source_that_is_no_repository_stays_whole() -> None:
    kind = "https://slsa.dev/provenance/v0.1"
    for uri in ("git@github.com:acme/api", "https://user@host.test/a", "gs//x", "https://host.test"):
        assert facts(of(kind, {**minimal(kind), "materials": [{"uri": uri}]}))["source.uri"] == uri
    for index in (0, "0", "", None):
        whole = {**minimal(kind), "materials": [{"uri": "https://a.test/b"}], "recipe": {"definedInMaterial": index}}
        assert facts(of(kind, whole))["source.uri"] == "https://a.test/b"
    assert "source.uri" not in facts(of(kind, minimal(kind)))


def test_what_somebody_typed_to_start_a_workflow() -> None:
    path = "invocation/environment/github_event_payload/inputs"
    read = facts(changed(document("slsa-generator-v0.2"), path, {"release_version": "v1.2.3", "some_bool": "true"}))
    assert read["inputs"] == '{"release_version":"v1.2.3","some_bool":"true"}'


def test_the_trigger_of_cloud_build_is_read_from_its_own_substitutions() -> None:
    kind = "https://slsa.dev/provenance/v1"
    predicate = minimal(kind)
    predicate["buildDefinition"]["internalParameters"] = {"systemSubstitutions": {"TAG_NAME": "v1.0.0"}}
    assert facts(of(kind, predicate))["tag"] == "v1.0.0"


def test_long_texts_are_left_out_and_named() -> None:
    whole = changed(document("github-attestation"), "buildDefinition/externalParameters/extra", "x" * 4096)
    read = facts(whole)
    assert "parameters" not in read
    assert read["parameters.names"] == '["extra","workflow"]'
    assert read["truncated"] == "parameters"


def padded(name: str, size: int) -> dict[str, Any]:
    """Return a recorded statement made larger by a member that nobody reads."""
    return changed(document(name), "padding", ["x" * 1000] * (size // 1000))


NAMES = [
    "github-attestation",
    "slsa-generator-v0.2",
    "slsa-delegator-v1",
    "buildkit-v0.2",
    "cosign-spdx",
    "cosign-cyclonedx",
    "cosign-vuln",
    "cosign-openvex",
    "cosign-vsa",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_large_statement_says_the_same_as_a_small_one(name: str) -> None:
    whole = padded(name, LARGE + 1000)
    data = compact(whole)
    assert len(data) > LARGE
    assert dict(read_predicate(whole["predicateType"], data)) == facts(name)
    statement, outline = read_statement(data)
    assert dict(facts_of(statement.predicate_type, outline, data)) == facts(name)


@pytest.mark.parametrize("path", ["scanner/result/Results/0/vulnerabilities", "SCANNER", "scanner/URI"])
def test_another_spelling_is_refused_in_large_reports_too(path: str) -> None:
    whole = changed(padded("cosign-vuln", LARGE + 1000), path, [])
    with pytest.raises(MalformedEvidence, match="has a member"):
        facts(whole)


def test_a_large_bill_of_materials_costs_little_more_than_its_text() -> None:
    """The whole tree would cost nine times the text."""
    component = {"type": "library", "name": "a", "version": "1", "hashes": [{"alg": "SHA-256", "content": "0" * 64}]}
    whole = changed(document("cosign-cyclonedx"), "components", [component] * 20_000)
    data = compact(whole)
    tracemalloc.start()
    statement, outline = read_statement(data)
    read = dict(facts_of(statement.predicate_type, outline, data))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert read["components.count"] == "20000"
    assert peak < 3 * len(data)


def test_only_reports_and_bills_of_materials_may_be_very_large() -> None:
    for name, readable in (("cosign-vuln", True), ("cosign-spdx", True), ("github-attestation", False)):
        whole = padded(name, MAX_WHOLE + 1000)
        if readable:
            assert facts(whole) == facts(name)
            continue
        with pytest.raises(MalformedEvidence) as caught:
            facts(whole)
        assert caught.value.reason is Reason.TOO_LARGE


def test_a_large_statement_of_an_unknown_type_is_read_once() -> None:
    whole = {**padded("cosign-custom", LARGE + 1000), "predicateType": "https://acme.test/x"}
    statement, outline = read_statement(compact(whole))
    assert facts_of(statement.predicate_type, outline, compact(whole)) == ()
