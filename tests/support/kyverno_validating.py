"""ImageValidatingPolicies of Kyverno as tests write them."""

from typing import Any

import yaml

from support.foreign_policies import EC1

PODS = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "resources": ["pods"]}
SBOM = {"name": "sbom", "intoto": {"type": "https://spdx.dev/Document"}}


def key(name: str = "a", data: str = EC1, **more: Any) -> dict[str, Any]:
    """Return an attestor by key, without a log."""
    ctlog = {"insecureIgnoreTlog": True, "insecureIgnoreSCT": True}
    return {"name": name, "cosign": {"key": {"data": data}, "ctlog": ctlog, **more}}


def signed(*names: str, needed: str = "> 0") -> str:
    """Return the expression: so many of these attestors signed."""
    return f"images.containers.map(image, verifyImageSignatures(image, [{_list(names)}])).all(e, e {needed})"


def attested(*names: str, of: str = "attestations.sbom", needed: str = "> 0") -> str:
    """Return the expression: so many of these attestors attested."""
    call = f"verifyAttestationSignatures(image, {of} ,[{_list(names)}])"
    return f"images.containers.map(image, {call}).all(e, e {needed})"


def _list(names: tuple[str, ...]) -> str:
    return ", ".join(f"attestors.{name}" for name in names)


def policy(*expressions: str, attestors: list[dict[str, Any]] | None = None, **spec: Any) -> str:
    """Return a policy about all images."""
    kind, namespace = spec.pop("kind", "ImageValidatingPolicy"), spec.pop("namespace", None)
    whole = {
        "matchConstraints": {"resourceRules": [PODS]},
        "validationActions": ["Deny"],
        "validationConfigurations": {"mutateDigest": False, "verifyDigest": True, "required": True},
        "attestors": [key()] if attestors is None else attestors,
        "attestations": [SBOM],
        "validations": [{"expression": each, "message": "no"} for each in expressions],
        **spec,
    }
    metadata = {"name": "shop", **({"namespace": namespace} if namespace else {})}
    form = {"apiVersion": "policies.kyverno.io/v1beta1", "kind": kind, "metadata": metadata, "spec": whole}
    return yaml.safe_dump(form)
