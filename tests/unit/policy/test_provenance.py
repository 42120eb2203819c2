"""Demands on provenance: each builder's own checks, and that violating each demand denies."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preverify.model.findings import Signing
from preverify.policy.builders import BUILDERS, Accepted
from preverify.policy.demands.provenance import ProvenanceDemand, is_version, written
from support.predicates import GONE, certified, changed, document, found, workflow

GENERATOR = "https://github.com/slsa-framework/slsa-github-generator/.github/workflows/"
PACKAGE = "https://github.com/slsa-framework/example-package"
CLOUD = "https://cloudbuild.googleapis.com/GoogleHostedWorker@v0.3"
COMMIT = "4d329c75e7ec1725f7c9ce917a8799d408d06be3"

ANY = ProvenanceDemand(min_level=1)


def say(demand: ProvenanceDemand, whole: dict[str, Any] | str, signing: Signing | None = None) -> tuple[str, str]:
    """Return reason and detail; `ok` where the demand is met."""
    short = demand.shortfall(found(whole, signing))
    return ("ok", "") if short is None else (short.reason.value, short.detail)


def reason(demand: ProvenanceDemand, whole: dict[str, Any] | str, signing: Signing | None = None) -> str:
    return say(demand, whole, signing)[0]


def with_extensions(signing: Signing, **changes: str) -> Signing:
    """Return a signer whose certificate says other things; an empty text takes one out."""
    extensions = {**dict(signing.extensions), **changes}
    return Signing(
        anchor=signing.anchor,
        issuer=signing.issuer,
        identity=signing.identity,
        extensions=tuple(sorted((name, value) for name, value in extensions.items() if value)),
    )


# --- GitHub artifact attestations ---

NPM = certified("github-npm")
SIGSTORE_JS = "https://github.com/sigstore/sigstore-js"


def test_a_real_attestation_under_its_real_certificate() -> None:
    demand = ProvenanceDemand(source=SIGSTORE_JS, ref="refs/heads/main", trigger=("push",), min_level=2)
    assert say(demand, "github-npm", NPM) == ("ok", "")
    assert reason(ProvenanceDemand(min_level=3), "github-npm", NPM) == "level-too-low"


def test_an_attestation_of_a_private_instance_is_level_1_until_the_rule_says_more() -> None:
    """What an issuer's claims are worth is for the rule to say: only GitHub's own are known."""
    signing = certified("github-private")
    run = dict(signing.extensions)["runInvocationURI"]
    assert reason(ANY, "github-private", signing) == "extension-mismatch", "made by hand: it names another run"
    whole = changed(document("github-private"), "runDetails/metadata/invocationId", run)
    runner = "https://github.com/actions/runner/github-hosted"
    source = "https://github.com/acme/widgets"
    assert say(ProvenanceDemand(source=source, min_level=1), whole, signing) == ("ok", "")
    assert reason(ProvenanceDemand(min_level=2), whole, signing) == "level-too-low"
    bound = ProvenanceDemand(builders=(Accepted(id=runner, level=2),), min_level=2)
    assert say(bound, whole, signing) == ("ok", "")


def test_one_enterprise_of_github_is_github() -> None:
    signing = Signing(
        anchor="keyless:test",
        issuer="https://token.actions.githubusercontent.com/acme",
        identity=NPM.identity,
        extensions=NPM.extensions,
    )
    assert reason(ProvenanceDemand(min_level=2), "github-npm", signing) == "ok"


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("runDetails/builder/id", CLOUD, "builder-mismatch"),
        ("runDetails/builder/id", "https://github.com/actions/runner/self-hosted", "builder-mismatch"),
        ("runDetails/builder/id", "", "builder-mismatch"),
        ("runDetails/builder/id", GENERATOR + "generator_container_slsa3.yml@refs/tags/v2.1.0", "builder-mismatch"),
        ("buildDefinition/externalParameters/workflow/repository", "https://github.com/evil/fork", "source-mismatch"),
        ("buildDefinition/externalParameters/workflow/ref", "refs/heads/dev", "source-mismatch"),
        ("buildDefinition/externalParameters/workflow/repository", SIGSTORE_JS + "@refs/heads/main", "source-mismatch"),
        ("buildDefinition/externalParameters/workflow/path", ".github/workflows/x.yml", "source-mismatch"),
        ("buildDefinition/externalParameters/workflow/path", GONE, "statement-malformed"),
        ("buildDefinition/externalParameters/workflow/inputs", {"a": "b"}, "statement-malformed"),
        ("buildDefinition/externalParameters/workflow", {}, "statement-malformed"),
        ("buildDefinition/externalParameters/inputs", {"target": "evil"}, "content-mismatch"),
        ("buildDefinition/externalParameters/inputs", {}, "ok"),
        (
            "buildDefinition/resolvedDependencies/0/uri",
            "git+https://github.com/evil/x@refs/heads/main",
            "source-mismatch",
        ),
        ("buildDefinition/resolvedDependencies/0/digest/gitCommit", "0" * 40, "source-mismatch"),
        ("buildDefinition/resolvedDependencies/0/digest/sha1", "0" * 40, "source-mismatch"),
        ("buildDefinition/resolvedDependencies/0/digest/sha256", "0" * 64, "ok"),
        ("buildDefinition/resolvedDependencies", [], "ok"),
        ("buildDefinition/internalParameters/github/event_name", "workflow_dispatch", "extension-mismatch"),
        ("buildDefinition/internalParameters/github/repository_id", "1", "extension-mismatch"),
        ("buildDefinition/internalParameters/github/repository_owner_id", "1", "extension-mismatch"),
        ("buildDefinition/internalParameters/github/runner_environment", "self-hosted", "extension-mismatch"),
        (
            "runDetails/metadata/invocationId",
            "https://github.com/evil/x/actions/runs/1/attempts/1",
            "extension-mismatch",
        ),
        ("buildDefinition/internalParameters", GONE, "ok"),
    ],
)
def test_what_a_job_writes_has_to_be_what_its_certificate_says(path: str, value: object, expected: str) -> None:
    assert reason(ANY, changed(document("github-npm"), path, value), NPM) == expected


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"buildSignerURI": ""}, "builder-mismatch"),
        ({"runnerEnvironment": ""}, "builder-mismatch"),
        ({"sourceRepositoryURI": "https://github.com/evil/fork", "githubWorkflowRepository": ""}, "source-mismatch"),
        ({"sourceRepositoryRef": "refs/heads/dev"}, "source-mismatch"),
        ({"sourceRepositoryDigest": "0" * 40}, "source-mismatch"),
        (
            {"buildConfigURI": "https://github.com/evil/fork/.github/workflows/release.yml@refs/heads/main"},
            "source-mismatch",
        ),
        ({"buildConfigURI": ""}, "source-mismatch"),
        ({"buildTrigger": "schedule"}, "extension-mismatch"),
        ({"runInvocationURI": ""}, "extension-mismatch"),
    ],
)
def test_a_certificate_of_another_run_does_not_vouch(changes: dict[str, str], expected: str) -> None:
    assert reason(ANY, "github-npm", with_extensions(NPM, **changes)) == expected


def reusable(level: int | None = None) -> tuple[dict[str, Any], Signing, ProvenanceDemand]:
    """Return an attestation by a reusable workflow, its signer, and a demand that names the workflow."""
    builder = "https://github.com/acme/ci/.github/workflows/build.yml@refs/tags/v2.0.0"
    whole = changed(document("github-attestation"), "runDetails/builder/id", builder)
    signing = workflow(
        "https://github.com/loosebazooka/aa-test",
        ".github/workflows/provenance.yaml",
        "refs/heads/main",
        buildSignerURI=builder,
        buildTrigger="workflow_dispatch",
        sourceRepositoryDigest="ebff8dfbd609b7b22237c7719ce07f2dc7934f5f",
        sourceRepositoryIdentifier="891715444",
        sourceRepositoryOwnerIdentifier="1304826",
        runInvocationURI="https://github.com/loosebazooka/aa-test/actions/runs/11941425487/attempts/1",
    )
    named = Accepted(id="https://github.com/acme/ci/.github/workflows/build.yml@refs/tags/v2.*", level=level)
    return whole, signing, ProvenanceDemand(builders=(named,), min_level=3)


def test_level_3_is_for_reusable_workflows_that_the_rule_names_with_it() -> None:
    whole, signing, demand = reusable(3)
    assert say(demand, whole, signing) == ("ok", "")
    whole, signing, demand = reusable()
    assert reason(demand, whole, signing) == "level-too-low"
    assert reason(ProvenanceDemand(min_level=3), whole, signing) == "level-too-low"
    assert reason(ProvenanceDemand(min_level=2), whole, signing) == "ok"
    own = ProvenanceDemand(builders=(Accepted(id=signing.identity, level=3),), min_level=3)
    assert reason(own, "github-attestation", with_extensions(signing, buildSignerURI="")) == "builder-mismatch"
    direct = document("github-attestation")["predicate"]["runDetails"]["builder"]["id"]
    own = ProvenanceDemand(builders=(Accepted(id=direct, level=3),), min_level=3)
    direct_signing = with_extensions(signing, buildSignerURI=direct)
    assert reason(own, "github-attestation", direct_signing) == "level-too-low", "nothing keeps its callers out of it"


def test_runners_of_whoever_starts_builds_are_level_1_and_have_to_be_allowed() -> None:
    whole, signing, _ = reusable()
    whole = changed(whole, "buildDefinition/internalParameters/github/runner_environment", "self-hosted")
    signing = with_extensions(signing, runnerEnvironment="self-hosted")
    assert reason(ANY, whole, signing) == "builder-mismatch"
    assert reason(ProvenanceDemand(min_level=1, allow=("self-hosted",)), whole, signing) == "ok"
    assert reason(ProvenanceDemand(min_level=2, allow=("self-hosted",)), whole, signing) == "level-too-low"
    other = with_extensions(signing, runnerEnvironment="somewhere")
    whole = changed(whole, "buildDefinition/internalParameters/github/runner_environment", "somewhere")
    assert reason(ANY, whole, other) == "builder-mismatch"


@pytest.mark.parametrize(
    ("trigger", "ref"),
    [("pull_request", "refs/heads/main"), ("pull_request_target", "refs/heads/main"), ("push", "refs/pull/7/merge")],
)
def test_builds_for_pull_requests_have_to_be_allowed(trigger: str, ref: str) -> None:
    whole, signing, _ = reusable()
    whole = changed(whole, "buildDefinition/internalParameters/github/event_name", trigger)
    whole = changed(whole, "buildDefinition/externalParameters/workflow/ref", ref)
    source = dict(signing.extensions)["sourceRepositoryURI"]
    config = f"{source}/.github/workflows/provenance.yaml@{ref}"
    signing = with_extensions(signing, buildTrigger=trigger, sourceRepositoryRef=ref, buildConfigURI=config)
    assert say(ANY, whole, signing)[0] == "source-mismatch"
    assert "pull request" in say(ANY, whole, signing)[1]
    assert reason(ProvenanceDemand(min_level=1, allow=("pull-request",)), whole, signing) == "ok"


def test_the_form_of_github_by_a_key_is_a_claim_that_the_rule_has_to_bind() -> None:
    assert reason(ANY, "github-npm") == "builder-mismatch"
    bound = ProvenanceDemand(builders=(Accepted(id="https://github.com/actions/runner/github-hosted", level=1),))
    assert reason(bound, "github-npm") == "ok"


# --- slsa-github-generator ---


def generator(file: str = "generator_generic_slsa3.yml", tag: str = "refs/tags/v2.1.0", **more: str) -> Signing:
    return workflow(
        PACKAGE,
        ".github/workflows/verifier-e2e.all.workflow_dispatch.main.all.slsa3.yml",
        "refs/tags/v14.2",
        **{
            "identity": f"{GENERATOR}{file}@{tag}",
            "sourceRepositoryDigest": COMMIT,
            "sourceRepositoryIdentifier": "486325809",
            "sourceRepositoryOwnerIdentifier": "80431187",
            **more,
        },
    )


def claims(file: str, tag: str = "refs/tags/v2.1.0") -> dict[str, Any]:
    return changed(document("slsa-generator-v0.2"), "builder/id", f"{GENERATOR}{file}@{tag}")


@pytest.mark.parametrize("file", ["generator_generic_slsa3.yml", "generator_container_slsa3.yml"])
def test_generators_are_level_3(file: str) -> None:
    demand = ProvenanceDemand(source=PACKAGE, ref="refs/tags/v14.2", trigger=("push",), min_level=3)
    assert say(demand, claims(file), generator(file)) == ("ok", "")


def test_an_old_certificate_says_enough_for_a_generator() -> None:
    old = Signing(
        anchor="keyless:test",
        issuer="https://token.actions.githubusercontent.com",
        identity=GENERATOR + "generator_generic_slsa3.yml@refs/tags/v2.1.0",
        extensions=(
            ("githubWorkflowRef", "refs/tags/v14.2"),
            ("githubWorkflowRepository", "slsa-framework/example-package"),
            ("githubWorkflowSHA", COMMIT),
            ("githubWorkflowTrigger", "push"),
        ),
    )
    assert say(ProvenanceDemand(source=PACKAGE, min_level=3), "slsa-generator-v0.2", old) == ("ok", "")


@pytest.mark.parametrize(
    ("signing", "expected"),
    [
        (generator(issuer="https://gitlab.com"), "builder-mismatch"),
        (generator(issuer="https://token.actions.githubusercontent.com/acme"), "builder-mismatch"),
        (generator("generator_container_slsa3.yml"), "builder-mismatch"),  # another workflow than it claims to be
        (generator(tag="refs/tags/v2.0.0"), "builder-mismatch"),
        (generator(tag="refs/tags/v2"), "builder-mismatch"),
        (generator(tag="refs/tags/v2.1.0-rc.0"), "builder-mismatch"),
        (generator(tag="refs/heads/main"), "builder-mismatch"),
        (generator("evil.yml"), "builder-mismatch"),
        (generator(sourceRepositoryURI="https://github.com/evil/fork"), "source-mismatch"),
        (generator(sourceRepositoryURI=""), "source-mismatch"),
        (generator(sourceRepositoryRef=""), "source-mismatch"),
        (generator(sourceRepositoryRef="refs/heads/main"), "source-mismatch"),
        (generator(sourceRepositoryDigest="0" * 40), "source-mismatch"),
        (generator(buildTrigger="schedule"), "extension-mismatch"),
        (generator(sourceRepositoryIdentifier="1"), "extension-mismatch"),
        (generator(sourceRepositoryOwnerIdentifier="1"), "extension-mismatch"),
        (generator(sourceRepositoryIdentifier="", sourceRepositoryOwnerIdentifier=""), "ok"),
        (generator(runnerEnvironment="self-hosted"), "builder-mismatch"),
    ],
)
def test_signers_that_are_not_quite_the_generator(signing: Signing, expected: str) -> None:
    assert reason(ANY, "slsa-generator-v0.2", signing) == expected


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("builder/id", "https://github.com/acme/ci@refs/tags/v1.0.0", "builder-mismatch"),
        ("invocation/configSource/uri", "git+https://github.com/evil/fork@refs/tags/v14.2", "source-mismatch"),
        ("invocation/configSource/uri", f"git+{PACKAGE}@refs/tags/v14", "source-mismatch"),
        ("invocation/configSource/uri", f"git+{PACKAGE}", "source-mismatch"),
        ("materials/0/uri", "git+https://github.com/evil/fork@refs/tags/v14.2", "source-mismatch"),
        ("materials/0/uri", f"git+{PACKAGE}", "source-mismatch"),
        ("materials", [], "source-mismatch"),
        ("materials/0/digest/sha1", "0" * 40, "source-mismatch"),
        ("invocation/environment/github_event_name", "pull_request", "extension-mismatch"),
        ("invocation/parameters", {"evil": "yes"}, "content-mismatch"),
        ("invocation/parameters", {"evil": None}, "ok"),
    ],
)
def test_what_a_generator_writes_has_to_be_what_its_certificate_says(path: str, value: object, expected: str) -> None:
    assert reason(ANY, changed(document("slsa-generator-v0.2"), path, value), generator()) == expected


BAZEL = "https://github.com/enteraga6/slsa-github-generator/.github/workflows/builder_bazel_slsa3.yml"


def delegator(file: str = "delegator_generic_slsa3.yml", **more: str) -> Signing:
    return workflow(
        "https://github.com/enteraga6/slsa-lvl3-generic-provenance-with-bazel-example",
        ".github/workflows/test-verifier-2.yaml",
        "refs/heads/main",
        **{
            "identity": f"{GENERATOR}{file}@refs/tags/v1.8.0",
            "sourceRepositoryDigest": "7f23ac4783cb702a68c55f7955cc296fdd425dbb",
            "buildTrigger": "workflow_dispatch",
            **more,
        },
    )


def test_a_delegated_build_is_by_the_builder_that_the_rule_names() -> None:
    named = ProvenanceDemand(builders=(Accepted(id=f"{BAZEL}@refs/tags/*"),), min_level=3)
    assert say(named, "slsa-delegator-v1", delegator()) == ("ok", "")
    assert say(named, "slsa-delegator-v1", delegator("delegator_lowperms-generic_slsa3.yml")) == ("ok", "")
    assert reason(ANY, "slsa-delegator-v1", delegator()) == "builder-mismatch"
    lower = ProvenanceDemand(builders=(Accepted(id=f"{BAZEL}@refs/tags/v1.0.1", level=2),), min_level=3)
    assert reason(lower, "slsa-delegator-v1", delegator()) == "level-too-low"


@pytest.mark.parametrize(
    "builder", [f"{BAZEL}@refs/heads/main", f"{BAZEL}@refs/tags/v1", "https://evil.test/b@refs/tags/v1.0.0"]
)
def test_a_delegate_is_a_workflow_at_a_full_version(builder: str) -> None:
    named = ProvenanceDemand(builders=(Accepted(id=builder),))
    whole = changed(document("slsa-delegator-v1"), "runDetails/builder/id", builder)
    assert reason(named, whole, delegator()) == "builder-mismatch"


def test_a_delegated_build_names_the_workflow_that_asked_for_it() -> None:
    named = ProvenanceDemand(builders=(Accepted(id=f"{BAZEL}@refs/tags/*"),))
    path = "buildDefinition/internalParameters/GITHUB_WORKFLOW_REF"
    whole = changed(document("slsa-delegator-v1"), path, "evil/fork/.github/workflows/x.yml@refs/heads/main")
    assert reason(named, whole, delegator()) == "extension-mismatch"
    assert reason(named, whole, delegator(buildConfigURI="")) == "ok", "an old certificate does not say it"
    assert reason(named, changed(document("slsa-delegator-v1"), path, GONE), delegator()) == "ok"


# --- BuildKit ---


@pytest.mark.parametrize("name", ["buildkit-v0.2", "buildkit-v1"])
def test_buildkit_is_level_1_whatever_a_rule_says(name: str) -> None:
    source = "https://github.com/moby/buildkit.git"
    assert say(ProvenanceDemand(source=source, ref="refs/tags/v0.11.0", min_level=1), name) == ("ok", "")
    assert reason(ProvenanceDemand(min_level=2), name) == "level-too-low"
    claimed = Accepted(id="https://github.com/docker/buildx/actions/runs/3709599520", level=3)
    if name == "buildkit-v1":
        assert reason(ProvenanceDemand(builders=(claimed,), min_level=2), name) == "level-too-low"
        none = ProvenanceDemand(builders=(Accepted(id=claimed.id, level=0),), min_level=1)
        assert reason(none, name) == "level-too-low"
    else:
        assert reason(ProvenanceDemand(builders=(claimed,)), name) == "builder-mismatch"


def test_a_workflow_signs_buildkits_word_only_for_its_own_repository() -> None:
    own = workflow("https://github.com/moby/buildkit", ".github/workflows/b.yml", "refs/heads/main")
    evil = workflow("https://github.com/evil/fork", ".github/workflows/b.yml", "refs/heads/main")
    assert say(ProvenanceDemand(source="https://github.com/moby/buildkit"), "buildkit-v1", own) == ("ok", "")
    assert reason(ANY, "buildkit-v1", evil) == "source-mismatch"
    assert reason(ANY, "buildkit-v1", with_extensions(own, runnerEnvironment="self-hosted")) == "builder-mismatch"


@pytest.mark.parametrize("name", ["evil", "workflow"])
def test_buildkit_with_parameters_that_it_does_not_have(name: str) -> None:
    whole = changed(document("buildkit-v1"), f"buildDefinition/externalParameters/{name}", {"a": "b"})
    assert reason(ANY, whole) == "content-mismatch"


# --- Google Cloud Build ---

BOUND = ProvenanceDemand(builders=(Accepted(id=CLOUD, level=3),), min_level=3)


def cloud(path: str, value: object) -> dict[str, Any]:
    whole = changed(document("cloud-build-v0.1"), path, value)
    return {**whole, "slsaProvenance": whole["predicate"]}


def test_cloud_build_is_what_the_rule_says_of_its_keys() -> None:
    demand = ProvenanceDemand(
        builders=(Accepted(id=CLOUD, level=3),),
        source="https://github.com/khalkie/gcb-repo-staging",
        ref="refs/heads/main",
        min_level=3,
    )
    assert say(demand, "cloud-build-v0.1") == ("ok", "")
    assert reason(ANY, "cloud-build-v0.1") == "builder-mismatch", "any key could claim that"
    unleveled = ProvenanceDemand(builders=(Accepted(id=CLOUD),), min_level=1)
    assert reason(unleveled, "cloud-build-v0.1") == "level-too-low"


def test_cloud_build_signs_with_keys() -> None:
    assert reason(BOUND, "cloud-build-v0.1", NPM) == "builder-mismatch"


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("recipe/type", "https://cloudbuild.googleapis.com/CloudBuildSteps@v0.1", "ok"),
        ("recipe/type", "https://cloudbuild.googleapis.com/CloudBuildYaml@v0.1.evil/x", "builder-mismatch"),
        ("recipe/type", CLOUD, "builder-mismatch"),
        ("recipe/arguments/@type", "type.googleapis.com/evil", "builder-mismatch"),
        ("recipe/arguments", GONE, "builder-mismatch"),
        ("recipe/arguments/substitutions/TAG_NAME", "v1.0.0", "source-mismatch"),
        ("recipe/arguments/substitutions", {"TAG_NAME": "v1.0.0"}, "ok"),
        ("recipe/arguments/substitutions", {}, "ok"),
        ("materials/0/uri", "git+https://github.com/khalkie/gcb-repo-staging@refs/heads/dev", "source-mismatch"),
    ],
)
def test_the_form_of_cloud_builds_word(path: str, value: object, expected: str) -> None:
    assert reason(BOUND, cloud(path, value)) == expected


def test_older_and_newer_cloud_builds() -> None:
    old = "https://cloudbuild.googleapis.com/GoogleHostedWorker@v0.2"
    whole = cloud("builder/id", old)
    whole["predicate"]["recipe"]["type"] = old
    whole["predicate"]["materials"][0]["uri"] = f"https://github.com/acme/api/commit/{'a' * 40}"
    demand = ProvenanceDemand(builders=(Accepted(id=old, level=3),), source="https://github.com/acme/api")
    assert say(demand, whole) == ("ok", "")
    unknown = "https://cloudbuild.googleapis.com/GoogleHostedWorker@v0.9"
    assert (
        reason(ProvenanceDemand(builders=(Accepted(id=unknown),)), cloud("builder/id", unknown)) == "builder-mismatch"
    )
    new = "https://cloudbuild.googleapis.com/GoogleHostedWorker"
    v1: dict[str, Any] = {
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {
            "buildDefinition": {
                "buildType": "https://cloud.google.com/build/gcb-buildtypes/google-worker/v1",
                "externalParameters": {
                    "buildConfigSource": {
                        "path": "cloudbuild.yaml",
                        "ref": "refs/tags/v1.0.0",
                        "repository": "git+https://github.com/acme/api",
                    },
                    "substitutions": {"_A": "b"},
                },
                "internalParameters": {"systemSubstitutions": {"TAG_NAME": "v1.0.0"}},
            },
            "runDetails": {"builder": {"id": new}},
        },
    }
    demand = ProvenanceDemand(
        builders=(Accepted(id=new, level=3),),
        source="https://github.com/acme/api",
        ref="refs/tags/v1.0.0",
        min_level=3,
    )
    assert say(demand, v1) == ("ok", "")
    other = changed(v1, "buildDefinition/internalParameters/systemSubstitutions/TAG_NAME", "v9.9.9")
    assert reason(demand, other) == "source-mismatch"
    assert reason(demand, changed(v1, "buildDefinition/buildType", "https://evil.test")) == "builder-mismatch"
    assert reason(demand, changed(v1, "buildDefinition/externalParameters/evil", "x")) == "content-mismatch"


# --- any other builder ---

ACME = "https://ci.acme.test/builder@v1"
WIDGETS = "https://github.com/acme/widgets"


def test_any_other_builder_is_what_the_rule_says_of_it() -> None:
    named = Accepted(id=ACME, level=2)
    assert say(ProvenanceDemand(builders=(named,), source=WIDGETS, min_level=2), "cosign-provenance-v0.2") == ("ok", "")
    assert reason(ProvenanceDemand(builders=(named,), min_level=3), "cosign-provenance-v0.2") == "level-too-low"
    assert reason(ProvenanceDemand(source=WIDGETS), "cosign-provenance-v0.2") == "builder-mismatch"
    other = ProvenanceDemand(builders=(Accepted(id="https://ci.acme.test/builder@v2"),))
    assert reason(other, "cosign-provenance-v0.2") == "builder-mismatch"
    starred = ProvenanceDemand(builders=(Accepted(id="https://ci.acme.test/builder@v*"),))
    assert reason(starred, "cosign-provenance-v0.2") == "ok"


def test_what_any_other_builder_says_of_its_run_counts() -> None:
    named = (Accepted(id=ACME),)
    path = "invocation/environment"
    pulled = changed(document("cosign-provenance-v0.2"), path, {"GITHUB_EVENT_NAME": "pull_request"})
    assert reason(ProvenanceDemand(builders=named), pulled) == "source-mismatch"
    own = workflow(WIDGETS, ".github/workflows/x.yml", "refs/heads/main", runnerEnvironment="self-hosted")
    assert reason(ProvenanceDemand(builders=named), "cosign-provenance-v0.2", own) == "builder-mismatch"


@pytest.mark.parametrize(
    ("pattern", "seen", "matches"),
    [
        ("https://b.test/x@v1", "https://b.test/x@v1", True),
        ("https://b.test/x@v1", "https://b.test/x@v1.0", False),
        ("https://b.test/x@refs/tags/v*", "https://b.test/x@refs/tags/v1.2.3", True),
        ("https://b.test/x@refs/tags/v*", "https://b.test/x@refs/tags/v", False),
        ("https://b.test/x@refs/tags/v*", "https://b.test/x@refs/tags/v1/evil", False),
        ("https://b.test/x@refs/tags/v*", "https://b.test/x@refs/tags/v1@evil", False),
        ("https://b.test/x@refs/tags/v*", "https://evil.test/https://b.test/x@refs/tags/v1", False),
        ("https://b.test/x@*", "https://b.test/x@refs/heads/evil", False),
    ],
)
def test_a_star_stands_for_one_version(pattern: str, seen: str, matches: bool) -> None:
    assert Accepted(id=pattern).matches(seen) is matches


def test_every_builder_has_a_name_of_its_own() -> None:
    assert len({builder.NAME for builder in BUILDERS}) == len(BUILDERS)


# --- demands, one by one ---

NAMED = (Accepted(id=ACME, level=2),)
TAGGED = changed(document("cosign-provenance-v0.2"), "invocation/configSource/uri", f"git+{WIDGETS}@refs/tags/v1.2.3")
ASKED = changed(TAGGED, "invocation/parameters", {"target": "release", "count": 2})
TYPED = changed(
    TAGGED,
    "invocation/environment",
    {"github_event_name": "workflow_dispatch", "github_event_payload": {"inputs": {"version": "1", "dry": False}}},
)
DEMANDS: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any], str]] = {
    # demand: (statement, demand that holds, demand that it violates, reason)
    "builders": (TAGGED, {}, {"builders": (Accepted(id="https://x.test"),)}, "builder-mismatch"),
    "source": (TAGGED, {"source": WIDGETS}, {"source": WIDGETS + "x"}, "source-mismatch"),
    "ref": (TAGGED, {"ref": "refs/tags/v1.2.3"}, {"ref": "refs/tags/v1.2"}, "source-mismatch"),
    "versioned_tag": (TAGGED, {"versioned_tag": "v1.2"}, {"versioned_tag": "v1.3"}, "source-mismatch"),
    "trigger": (TYPED, {"trigger": ("push", "workflow_dispatch")}, {"trigger": ("push",)}, "extension-mismatch"),
    "build_type": (
        TAGGED,
        {"build_type": "https://ci.acme.test/make/v1"},
        {"build_type": "https://ci.acme.test/make"},
        "builder-mismatch",
    ),
    "parameters": (
        ASKED,
        {"parameters": (("count", "2"), ("target", '"release"'))},
        {"parameters": (("count", "2"), ("target", '"debug"'))},
        "content-mismatch",
    ),
    "inputs": (TYPED, {"inputs": (("version", "1"),)}, {"inputs": (("version", "2"),)}, "content-mismatch"),
    "min_level": (TAGGED, {"min_level": 2}, {"min_level": 3}, "level-too-low"),
}


@pytest.mark.parametrize("name", list(DEMANDS))
def test_violating_each_demand_denies(name: str) -> None:
    whole, kept, violated, expected = DEMANDS[name]
    assert say(ProvenanceDemand(**{"builders": NAMED, **kept}), whole) == ("ok", "")
    assert reason(ProvenanceDemand(**{"builders": NAMED, **violated}), whole) == expected


def test_every_demand_is_among_them() -> None:
    assert {*DEMANDS, "allow"} == set(ProvenanceDemand.__dataclass_fields__)


def test_parameters_are_exactly_those_demanded() -> None:
    exact = ProvenanceDemand(builders=NAMED, parameters=(("target", '"release"'),))
    assert reason(exact, ASKED) == "content-mismatch", "count is not expected"
    assert reason(ProvenanceDemand(builders=NAMED, parameters=()), ASKED) == "content-mismatch"
    assert reason(ProvenanceDemand(builders=NAMED, parameters=()), TAGGED) == "ok"
    assert reason(exact, TAGGED) == "content-mismatch", "target is missing"
    assert reason(ProvenanceDemand(builders=NAMED), ASKED) == "ok", "of this builder no parameters are known"
    long = changed(ASKED, "invocation/parameters", {"target": "x" * 5000})
    wanted = ProvenanceDemand(builders=NAMED, parameters=(("target", written("x" * 5000)),))
    assert reason(wanted, long) == "content-mismatch", "too long to be kept: nothing is known of it"


def test_inputs_are_text() -> None:
    assert reason(ProvenanceDemand(builders=NAMED, inputs=(("dry", "false"),)), TYPED) == "content-mismatch"
    assert reason(ProvenanceDemand(builders=NAMED, inputs=(("absent", ""),)), TYPED) == "content-mismatch"


def test_an_attestation_of_which_nothing_was_kept_meets_no_demand() -> None:
    """Findings of older versions carry no facts."""
    empty = {"predicateType": "https://acme.test/unread", "predicate": {}}
    for demand in (ANY, ProvenanceDemand(source=WIDGETS), ProvenanceDemand(builders=NAMED)):
        assert reason(demand, empty) == "builder-mismatch"
        assert reason(demand, empty, NPM) == "builder-mismatch"


@pytest.mark.parametrize(
    ("tag", "wanted", "holds"),
    [
        ("v1.2.3", "v1", True),
        ("v1.2.3", "v1.2", True),
        ("v1.2.3", "v1.2.3", True),
        ("v1.2.3+build7", "v1.2.3", True),
        ("v1.2.3", "v1.2.4", False),
        ("v1.2.3", "v1.3", False),
        ("v2.2.3", "v1", False),
        ("v1", "v1.0", False),
        ("v1.2.3-rc1", "v1.2.3", False),
        ("v1.2.3-rc1", "v1.2.3-rc1", True),
        ("1.2.3", "v1", False),
        ("refs/heads/v1.2.3", "v1", False),
        ("main", "v1", False),
        ("v1.2.3", "one", False),
    ],
)
def test_versions(tag: str, wanted: str, holds: bool) -> None:
    assert is_version(tag, wanted) is holds


texts = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=12)
demands = st.builds(
    ProvenanceDemand,
    builders=st.lists(st.builds(Accepted, id=texts, level=st.none() | st.integers(0, 3)), max_size=2).map(tuple),
    source=texts,
    ref=texts,
    versioned_tag=texts,
    trigger=st.lists(texts, max_size=2).map(tuple),
    build_type=texts,
    parameters=st.none() | st.dictionaries(texts, texts, max_size=2).map(lambda each: tuple(sorted(each.items()))),
    inputs=st.dictionaries(texts, texts, max_size=2).map(lambda each: tuple(sorted(each.items()))),
    min_level=st.integers(0, 3),
    allow=st.lists(st.sampled_from(["pull-request", "self-hosted"]), unique=True).map(tuple),
)


@given(demand=demands)
def test_the_canonical_form_says_it_all(demand: ProvenanceDemand) -> None:
    assert ProvenanceDemand.from_canonical(demand.canonical()) == demand
    assert bool(demand) is (demand != ProvenanceDemand())
    assert (demand.canonical() == {}) is not bool(demand)
