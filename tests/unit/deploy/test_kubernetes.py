"""The manifests, as kustomize builds them."""

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from preverify.admission.pods import PLACES
from preverify.policy import documents
from preverify.settings import load
from support.pod_security import violations

ROOT = Path(__file__).resolve().parents[3]
KUBERNETES = ROOT / "deploy" / "kubernetes"
OVERLAYS = ("sqlite", "postgres")
Tool = Callable[[str], Path]


def _build(tool: Tool, overlay: str) -> str:
    done = subprocess.run(
        [tool("kustomize"), "build", KUBERNETES / "overlays" / overlay],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(params=OVERLAYS)
def built(request: pytest.FixtureRequest, tool: Tool) -> str:
    return _build(tool, request.param)


def _objects(text: str, kind: str) -> list[dict[str, Any]]:
    return [o for o in yaml.safe_load_all(text) if o["kind"] == kind]


def _pod(text: str) -> dict[str, Any]:
    (deployment,) = _objects(text, "Deployment")
    template: dict[str, Any] = deployment["spec"]["template"]["spec"]
    return template


@pytest.mark.tools
def test_every_document_decodes_strictly_with_the_types_of_kubernetes(built: str, tool: Tool) -> None:
    done = subprocess.run([tool("k8sdecode")], input=built, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == len(list(yaml.safe_load_all(built)))


@pytest.mark.tools
def test_the_strict_decoder_refuses_what_kubernetes_does_not_know(tool: Tool) -> None:
    """A decoder that lets misspelt fields pass would prove nothing."""
    for wrong in (
        "apiVersion: v1\nkind: Namespace\nmetadata: {nam: x}\n",
        "apiVersion: v1\nkind: Namespace\nmetadata: {name: x, name: y}\n",
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: x}\nspec: {replicas: two}\n",
        "apiVersion: apps/v9\nkind: Deployment\nmetadata: {name: x}\n",
        "",
    ):
        done = subprocess.run([tool("k8sdecode")], input=wrong, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 1, wrong


@pytest.mark.tools
def test_pods_satisfy_the_restricted_profile_and_more(built: str) -> None:
    spec = _pod(built)
    assert list(violations(spec)) == []
    assert spec["automountServiceAccountToken"] is False
    assert spec["securityContext"]["runAsUser"] == 65532
    for container in [*spec["containers"], *spec.get("initContainers", [])]:
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        assert container["resources"]["limits"]["memory"]
        writable = {m["name"] for m in container["volumeMounts"] if not m.get("readOnly")}
        assert writable <= {"state", "tmp"}
    (account,) = _objects(built, "ServiceAccount")
    assert account["automountServiceAccountToken"] is False
    (namespace,) = _objects(built, "Namespace")
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


@pytest.mark.tools
def test_mounts_and_volumes_belong_together(built: str) -> None:
    spec = _pod(built)
    volumes = {volume["name"] for volume in spec["volumes"]}
    mounted = {m["name"] for c in [*spec["containers"], *spec.get("initContainers", [])] for m in c["volumeMounts"]}
    assert volumes == mounted


@pytest.mark.tools
def test_the_webhook_fails_closed_and_sees_every_kind_that_the_front_end_reads(built: str) -> None:
    (configuration,) = _objects(built, "ValidatingWebhookConfiguration")
    (webhook,) = configuration["webhooks"]
    assert webhook["failurePolicy"] == "Fail"
    assert webhook["timeoutSeconds"] == 3
    assert webhook["sideEffects"] == "None"
    assert webhook["admissionReviewVersions"] == ["v1"]
    (excluded,) = webhook["namespaceSelector"]["matchExpressions"]
    assert excluded["key"] == "kubernetes.io/metadata.name"
    assert (excluded["operator"], excluded["values"]) == ("NotIn", ["preverify", "kube-system"])
    seen = {
        (group, version, resource)
        for rule in webhook["rules"]
        for group in rule["apiGroups"]
        for version in rule["apiVersions"]
        for resource in rule["resources"]
    }
    plural = {(group, version, kind.lower() + "s") for group, version, kind in PLACES}
    assert seen == plural | {("", "v1", "pods/ephemeralcontainers")}
    assert all(set(rule["operations"]) == {"CREATE", "UPDATE"} for rule in webhook["rules"])
    (service,) = _objects(built, "Service")
    target = webhook["clientConfig"]["service"]
    assert (target["name"], target["namespace"]) == (service["metadata"]["name"], service["metadata"]["namespace"])
    assert target["port"] == service["spec"]["ports"][0]["port"]
    assert target["path"] == "/k8s/validate"


@pytest.mark.tools
def test_selectors_find_the_pods(built: str) -> None:
    (deployment,) = _objects(built, "Deployment")
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    selectors = [
        deployment["spec"]["selector"]["matchLabels"],
        _objects(built, "Service")[0]["spec"]["selector"],
        _objects(built, "PodDisruptionBudget")[0]["spec"]["selector"]["matchLabels"],
        *(policy["spec"]["podSelector"].get("matchLabels", {}) for policy in _objects(built, "NetworkPolicy")),
    ]
    for selector in selectors:
        assert selector.items() <= labels.items()


@pytest.mark.tools
def test_nothing_flows_unless_a_policy_says_so(built: str) -> None:
    policies = {policy["metadata"]["name"]: policy["spec"] for policy in _objects(built, "NetworkPolicy")}
    assert policies["default-deny"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    blocks = [to["ipBlock"] for rule in policies["preverify"]["egress"] for to in rule["to"] if "ipBlock" in to]
    excepted = {cidr for block in blocks for cidr in block["except"]}
    assert "169.254.0.0/16" in excepted, "the metadata services of clouds give out credentials"


@pytest.mark.tools
def test_the_overlays_keep_state_where_they_say(tool: Tool) -> None:
    sqlite, postgres = _build(tool, "sqlite"), _build(tool, "postgres")
    state = {v["name"]: v for v in _pod(sqlite)["volumes"]}["state"]
    assert (
        state["persistentVolumeClaim"]["claimName"] == _objects(sqlite, "PersistentVolumeClaim")[0]["metadata"]["name"]
    )
    assert _objects(sqlite, "Deployment")[0]["spec"]["replicas"] == 1, "SQLite has one writer's machine"
    assert _objects(sqlite, "Deployment")[0]["spec"]["strategy"]["type"] == "Recreate"
    assert _objects(postgres, "Deployment")[0]["spec"]["replicas"] == 2
    (schema,) = _pod(postgres)["initContainers"]
    for container in (*_pod(postgres)["containers"], schema):
        assert "PREVERIFY__DATABASE__URL_FILE" in {e["name"] for e in container["env"]}


@pytest.mark.parametrize("database", [{}, {"PREVERIFY__DATABASE__URL_FILE": "url"}])
def test_the_example_configuration_loads_as_the_pod_would(tmp_path: Path, database: dict[str, str]) -> None:
    (tmp_path / "url").write_text("postgresql+psycopg://preverify:secret@db/preverify")
    environment = {
        "PREVERIFY__LISTEN__ADDRESS": "10.0.0.7:8787",
        "PREVERIFY__METRICS__ADDRESS": "10.0.0.7:8788",
        **{name: str(tmp_path / value) for name, value in database.items()},
    }
    settings = load(KUBERNETES / "base" / "config" / "preverify.yaml", environment, {})
    assert settings.listen.tls is not None
    assert settings.listen.address == "10.0.0.7:8787"
    assert settings.database.url.startswith("postgresql" if database else "sqlite")
    mounted = {
        mount["mountPath"]
        for mount in yaml.safe_load((KUBERNETES / "base" / "deployment.yaml").read_text())["spec"]["template"]["spec"][
            "containers"
        ][0]["volumeMounts"]
    }
    source = settings.sources["shop"]
    assert source.credentials is not None
    assert source.hooks is not None
    files = (
        settings.listen.tls.cert_file,
        settings.listen.tls.key_file,
        settings.listen.tokens_file,
        settings.signing.key_file,
        source.credentials.username_file,
        source.credentials.password_file,
        source.hooks.secret_file,
    )
    for file in files:
        assert file is not None
        assert str(file.parent) in mounted, f"{file} lies in no mounted secret"
    assert str(settings.policies.directory) in mounted
    assert str(settings.state) in mounted


def test_the_example_policies_compile() -> None:
    directory = KUBERNETES / "base" / "policies"
    files = [(file.name, file.read_bytes()) for file in sorted(directory.glob("*.yaml"))]
    policies = documents.load(files, lambda name: (directory / name).read_bytes())
    assert [policy.name for policy in policies.policies] == ["shop-release"]


def test_the_api_servers_credentials_are_for_our_service() -> None:
    directory = KUBERNETES / "apiserver"
    admission = yaml.safe_load((directory / "admission.yaml").read_text())
    (plugin,) = admission["plugins"]
    kubeconfig = yaml.safe_load((directory / "kubeconfig.yaml").read_text())
    service = yaml.safe_load((KUBERNETES / "base" / "service.yaml").read_text())
    assert plugin["name"] == "ValidatingAdmissionWebhook"
    assert kubeconfig["users"][0]["name"] == f"{service['metadata']['name']}.preverify.svc"
