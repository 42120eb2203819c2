"""Recorded statements of real tools: what is read out of each."""

import pytest

from preverify.verify.predicates import READERS, read_predicate, reader_of
from support.predicates import MINIMAL, compact, document, facts, minimal, payload

SHA = "4d329c75e7ec1725f7c9ce917a8799d408d06be3"
RECORDED: dict[str, dict[str, str]] = {
    "cosign-provenance-v0.2": {
        "builder.id": "https://ci.acme.test/builder@v1",
        "buildType": "https://ci.acme.test/make/v1",
        "source.uri": "https://github.com/acme/widgets",
        "source.ref": "refs/heads/main",
        "source.digest": "sha1:" + "a1" * 20,
        "config.path": "build",
        "dependency.uri": "https://github.com/acme/widgets",
        "dependency.digest": "sha1:" + "a1" * 20,
        "dependencies.count": "1",
        "parameters": "{}",
        "parameters.names": "[]",
        "startedOn": "2026-03-01T10:00:00Z",
    },
    "github-attestation": {
        "builder.id": "https://github.com/loosebazooka/aa-test/.github/workflows/provenance.yaml@refs/heads/main",
        "buildType": "https://actions.github.io/buildtypes/workflow/v1",
        "source.uri": "https://github.com/loosebazooka/aa-test",
        "source.ref": "refs/heads/main",
        "config.path": ".github/workflows/provenance.yaml",
        "workflow.names": '["path","ref","repository"]',
        "dependency.uri": "https://github.com/loosebazooka/aa-test",
        "dependency.ref": "refs/heads/main",
        "dependency.digest": "gitCommit:ebff8dfbd609b7b22237c7719ce07f2dc7934f5f",
        "dependencies.count": "1",
        "invocation.id": "https://github.com/loosebazooka/aa-test/actions/runs/11941425487/attempts/1",
        "owner.id": "1304826",
        "repository.id": "891715444",
        "runner": "github-hosted",
        "trigger": "workflow_dispatch",
        "parameters.names": '["workflow"]',
        "parameters": (
            '{"workflow":{"path":".github/workflows/provenance.yaml","ref":"refs/heads/main",'
            '"repository":"https://github.com/loosebazooka/aa-test"}}'
        ),
    },
    "slsa-generator-v0.2": {
        "builder.id": (
            "https://github.com/slsa-framework/slsa-github-generator/"
            ".github/workflows/generator_generic_slsa3.yml@refs/tags/v2.1.0"
        ),
        "buildType": "https://github.com/slsa-framework/slsa-github-generator/generic@v1",
        "source.uri": "https://github.com/slsa-framework/example-package",
        "source.ref": "refs/tags/v14.2",
        "source.digest": f"sha1:{SHA}",
        "config.path": ".github/workflows/verifier-e2e.all.workflow_dispatch.main.all.slsa3.yml",
        "dependency.uri": "https://github.com/slsa-framework/example-package",
        "dependency.ref": "refs/tags/v14.2",
        "dependency.digest": f"sha1:{SHA}",
        "dependencies.count": "1",
        "invocation.id": "13530999644-1",
        "owner.id": "80431187",
        "repository.id": "486325809",
        "trigger": "push",
        "parameters": "{}",
        "parameters.names": "[]",
    },
    "slsa-delegator-v1": {
        "builder.id": (
            "https://github.com/enteraga6/slsa-github-generator/.github/workflows/builder_bazel_slsa3.yml@refs/tags/v1.0.1"
        ),
        "buildType": "https://github.com/slsa-framework/slsa-github-generator/delegator-generic@v0",
        "source.uri": "https://github.com/enteraga6/slsa-lvl3-generic-provenance-with-bazel-example",
        "source.ref": "refs/heads/main",
        "dependency.uri": "https://github.com/enteraga6/slsa-lvl3-generic-provenance-with-bazel-example",
        "dependency.ref": "refs/heads/main",
        "dependency.digest": "gitCommit:7f23ac4783cb702a68c55f7955cc296fdd425dbb",
        "dependencies.count": "1",
        "invocation.id": (
            "https://github.com/enteraga6/slsa-lvl3-generic-provenance-with-bazel-example/actions/runs/5792218163/attempts/1"
        ),
        "owner.id": "78953604",
        "repository.id": "642579511",
        "trigger": "workflow_dispatch",
        "workflow.ref": (
            "enteraga6/slsa-lvl3-generic-provenance-with-bazel-example/"
            ".github/workflows/test-verifier-2.yaml@refs/heads/main"
        ),
        "parameters.names": '["inputs"]',
        "parameters": (
            '{"inputs":{"flags":"","includes-java":false,"needs-runfiles":false,"rekor-log-public":false,'
            '"targets":"//src:fib","user-java-distribution":"oracle","user-java-version":"17"}}'
        ),
    },
    "buildkit-v0.2": {
        "buildType": "https://mobyproject.org/buildkit@v1",
        "source.uri": "https://github.com/moby/buildkit.git",
        "source.ref": "refs/tags/v0.11.0",
        "source.digest": "sha1:4b220de5058abfd01ff619c9d2ff6b09a049bea0",
        "config.path": "Dockerfile",
        "dependency.uri": "pkg:docker/docker/dockerfile@1",
        "dependency.digest": "sha256:9ba7531bd80fb0a858632727cf7a112fbfd19b17e94c4e84ced81e24ef1a0dbc",
        "dependencies.count": "2",
        "invocation.id": "c3l9xbbo5u5xg2fpfs8jyxy9b",
        "startedOn": "2022-12-09T14:39:53.319000Z",
        "finishedOn": "2022-12-09T14:40:01.100000Z",
        "parameters.names": '["args","frontend"]',
        "parameters": (
            '{"args":{"build-arg:BUILDKIT_CONTEXT_KEEP_GIT_DIR":"1","label:FOO":"bar",'
            '"source":"docker/dockerfile:master","target":"release"},"frontend":"gateway.v0"}'
        ),
    },
    "buildkit-v1": {
        "builder.id": "https://github.com/docker/buildx/actions/runs/3709599520",
        "buildType": "https://github.com/moby/buildkit/blob/master/docs/attestations/slsa-definitions.md",
        "source.uri": "https://github.com/moby/buildkit.git",
        "source.ref": "refs/tags/v0.11.0",
        "source.digest": "sha1:4b220de5058abfd01ff619c9d2ff6b09a049bea0",
        "config.path": "Dockerfile",
        "dependency.uri": "pkg:docker/docker/dockerfile@1",
        "dependency.digest": "sha256:9ba7531bd80fb0a858632727cf7a112fbfd19b17e94c4e84ced81e24ef1a0dbc",
        "dependencies.count": "1",
        "invocation.id": "c3l9xbbo5u5xg2fpfs8jyxy9b",
        "startedOn": "2022-12-09T14:39:53.319000Z",
        "finishedOn": "2022-12-09T14:40:01.100000Z",
        "parameters.names": '["configSource","request"]',
        "parameters": (
            '{"configSource":{"digest":{"sha1":"4b220de5058abfd01ff619c9d2ff6b09a049bea0"},"path":"Dockerfile",'
            '"uri":"https://github.com/moby/buildkit.git#refs/tags/v0.11.0"},'
            '"request":{"args":{"label:FOO":"bar"},"frontend":"gateway.v0","locals":[]}}'
        ),
    },
    "cosign-spdx": {
        "version": "SPDX-2.3",
        "name": "acme-app",
        "namespace": "https://acme.test/spdx/1",
        "created": "2026-03-01T10:00:00Z",
        "packages.count": "1",
    },
    "cosign-cyclonedx": {
        "version": "1.5",
        "serialNumber": "urn:uuid:00000000-0000-4000-8000-000000000001",
        "components.count": "1",
    },
    "cosign-vuln": {
        "scanner.uri": "pkg:github/example/scanner@1.0",
        "scanner.version": "1.0",
        "db.version": "2026030100",
        "scan.startedOn": "2026-03-01T10:00:00Z",
        "scan.finishedOn": "2026-03-01T10:01:00Z",
        "findings.count": "1",
        "findings.critical": "0",
        "findings.high": "0",
        "findings.medium": "0",
        "findings.low": "1",
    },
    "cosign-openvex": {
        "id": "https://acme.test/vex/1",
        "author": "acme",
        "timestamp": "2026-03-01T10:00:00Z",
        "statements.count": "1",
        "statements.not_affected": "1",
    },
    "cosign-custom": {"data": '{"approved": true, "by": "qa@acme.test"}', "timestamp": "2026-11-23T18:48:00Z"},
    "cosign-vsa": {
        "verifier.id": "https://verifier.acme.test",
        "timeVerified": "2026-03-01T10:05:00Z",
        "resourceUri": "pkg:oci/acme/app",
        "policy.uri": "https://acme.test/policy/1",
        "policy.digest": "sha256:" + "1" * 64,
        "result": "PASSED",
        "levels": "SLSA_BUILD_LEVEL_3",
        "inputs.count": "1",
        "slsaVersion": "1.0",
    },
    "google-vsa": {
        "verifier.id": "https://bcid.corp.google.com/verifier/bcid_package_enforcer/v0.1",
        "timeVerified": "2024-06-12T07:24:34.351608Z",
        "resourceUri": "gce_image://gke-node-images:gke-12615-gke1418000-cos-101-17162-463-29-c-cgpv1-pre",
        "policy.uri": (
            "googlefile:/google_src/files/642513192/depot/google3/production/security/bcid/software/"
            "gce_image/gke/vm_images.sw_policy.textproto"
        ),
        "result": "PASSED",
        "levels": "BCID_L1,SLSA_BUILD_LEVEL_2",
        "inputs.count": "0",
    },
}


@pytest.mark.parametrize("name", list(RECORDED))
def test_reads_what_the_tool_wrote(name: str) -> None:
    assert facts(name) == RECORDED[name]


def test_reads_what_cloud_build_wrote() -> None:
    read = facts("cloud-build-v0.1")
    arguments = read.pop("parameters")
    assert arguments.startswith('{"@type":"type.googleapis.com/google.devtools.cloudbuild.v1.Build"')
    assert read == {
        "builder.id": "https://cloudbuild.googleapis.com/GoogleHostedWorker@v0.3",
        "buildType": "https://cloudbuild.googleapis.com/CloudBuildYaml@v0.1",
        "branch": "main",
        "config.path": "cloudbuild.yaml",
        "dependencies.count": "1",
        "dependency.digest": "sha1:75c21a6224914056801d5be2316d89de3ff24811",
        "dependency.uri": "https://github.com/khalkie/gcb-repo-staging",
        "source.uri": "https://github.com/khalkie/gcb-repo-staging",
        "invocation.id": "964a2eba-62f0-4a53-87d3-4e6dddcc70b3",
        "startedOn": "2023-02-28T15:23:26.521812Z",
        "finishedOn": "2023-02-28T15:23:37.764882Z",
        "parameters.type": "type.googleapis.com/google.devtools.cloudbuild.v1.Build",
        "parameters.names": '["@type","id","name","options","steps","substitutions"]',
    }


def test_facts_are_sorted_texts_and_the_same_each_time() -> None:
    for name in RECORDED:
        kind = document(name)["predicateType"]
        read = read_predicate(kind, payload(name))
        assert read == tuple(sorted(read)) == read_predicate(kind, payload(name))
        assert all(isinstance(value, str) and 0 < len(value) <= 4096 for _, value in read)


@pytest.mark.parametrize("kind", ["https://sigstore.dev/cosign/sign/v1", "https://acme.test/x", "", "spdx"])
def test_nothing_is_read_of_unknown_types(kind: str) -> None:
    assert reader_of(kind) is None
    assert read_predicate(kind, b"\xff not even a statement") == ()


@pytest.mark.parametrize(
    ("kind", "known"),
    [
        ("https://spdx.dev/Document/v2.3", True),
        ("https://spdx.dev/Document/v3", True),
        ("https://spdx.dev/Document/v", False),
        ("https://spdx.dev/Document/vx", False),
        ("https://spdx.dev/Document/v*", False),
        ("https://spdx.dev/Documents", False),
        ("https://slsa.dev/provenance/v1.0", False),
        ("https://openvex.dev/ns/v0.2.0", True),
    ],
)
def test_versions_are_read_where_the_type_has_them(kind: str, known: bool) -> None:
    assert (reader_of(kind) is not None) is known


@pytest.mark.parametrize("kind", sorted({kind for reader in READERS for kind in reader.TYPES}))
def test_each_type_has_a_least_predicate_that_is_read(kind: str) -> None:
    assert kind.removesuffix("/v*") in MINIMAL
    kind = kind.replace("/v*", "/v2.3")
    read_predicate(kind, compact({"predicateType": kind, "predicate": minimal(kind)}))
