"""Policies of other tools as tests write them: plain values around the keys of the fixtures."""

import base64
from pathlib import Path
from typing import Any

import yaml

FIXTURES = Path(__file__).resolve().parent.parent / "vectors" / "fixtures"
EC1 = (FIXTURES / "keys" / "ec1.pub").read_text()
EC2 = (FIXTURES / "keys" / "ec2.pub").read_text()
EC384 = (FIXTURES / "keys" / "ec384.pub").read_text()
WHO = {"issuer": "https://issuer.example", "subject": "ci@acme.example"}


OWN_LOG = {"url": "https://rekor.example", "trustRootRef": "own"}


def key(data: str = EC1, *, algorithm: str = "", **more: object) -> dict[str, Any]:
    return {"name": "release", "key": {"data": data, **({"hashAlgorithm": algorithm} if algorithm else {})}, **more}


def keyless(*identities: dict[str, str], **more: Any) -> dict[str, Any]:
    inside = more.pop("keyless", {})
    return {"name": "ci", "keyless": {"identities": list(identities or (WHO,)), **inside}, **more}


def policy(*authorities: dict[str, Any], version: str = "v1beta1", **spec: Any) -> str:
    whole = {"images": [{"glob": "registry.example/**"}], "authorities": list(authorities), **spec}
    form = {
        "apiVersion": f"policy.sigstore.dev/{version}",
        "kind": "ClusterImagePolicy",
        "metadata": {"name": "shop", "labels": {"a": "b"}},
        "spec": whole,
        "status": {},
    }
    return yaml.safe_dump(form)


def trust_root(name: str = "own", **spec: Any) -> str:
    form = {"apiVersion": "policy.sigstore.dev/v1alpha1", "kind": "TrustRoot", "metadata": {"name": name}}
    return "---\n" + yaml.safe_dump({**form, "spec": spec or {"sigstoreKeys": KEYS}})


def encoded(name: str) -> str:
    return base64.b64encode((FIXTURES / "trust" / name).read_bytes()).decode()


KEYS = {
    "certificateAuthorities": [
        {
            "subject": {"organization": "acme", "commonName": "root"},
            "uri": "https://fulcio.example",
            "certChain": encoded("ca-chain.pem"),
        }
    ],
    "tLogs": [{"baseURL": "https://rekor.example", "hashAlgorithm": "sha-256", "publicKey": encoded("rekor1.pub")}],
    "ctLogs": [{"baseURL": "https://ct.example", "hashAlgorithm": "sha-256", "publicKey": encoded("ct.pub")}],
    "timestampAuthorities": [
        {"subject": {}, "uri": "https://tsa.example", "certChain": encoded("tsa-chain.pem")},
    ],
}
