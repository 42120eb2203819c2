"""Kyverno's verifyImages as tests write them: plain values around the keys and roots of the fixtures."""

from typing import Any

import yaml

from support.foreign_policies import EC1, FIXTURES

NO_LOG = {"rekor": {"ignoreTlog": True}}
REKOR = {"rekor": {"url": "https://rekor.sigstore.dev"}}
WHO = {"issuer": "https://issuer.example", "subject": "ci@acme.example"}


def pem(name: str) -> str:
    return (FIXTURES / "trust" / name).read_text()


OWN_LOG = {"rekor": {"url": "https://rekor.example", "pubkey": pem("rekor1.pub")}}


def key(data: str = EC1, **more: Any) -> dict[str, Any]:
    return {"keys": {"publicKeys": data, **NO_LOG, **more}}


def keyless(**more: Any) -> dict[str, Any]:
    return {"keyless": {**WHO, **REKOR, **more}}


def entry(*entries: dict[str, Any], **more: Any) -> dict[str, Any]:
    sets = [{"entries": list(entries)}] if entries else []
    return {"imageReferences": ["registry.example/*"], "mutateDigest": False, "attestors": sets, **more}


def rule(*entries: dict[str, Any], **more: Any) -> dict[str, Any]:
    match = {"any": [{"resources": {"kinds": ["Pod"]}}]}
    return {"name": "check", "match": match, "verifyImages": list(entries), **more}


def policy(*rules: dict[str, Any], kind: str = "ClusterPolicy", namespace: str = "", **spec: Any) -> str:
    metadata = {"name": "shop", **({"namespace": namespace} if namespace else {})}
    whole = {"validationFailureAction": "Enforce", "rules": list(rules), **spec}
    return yaml.safe_dump({"apiVersion": "kyverno.io/v1", "kind": kind, "metadata": metadata, "spec": whole})
