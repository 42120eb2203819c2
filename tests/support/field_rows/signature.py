"""The rows of the rule `signature` that need a payload's name."""

from dataclasses import replace

from preverify.model.findings import Finding
from support.asking import ask
from support.field_rows import Rows
from support.policies import policy_set, policy_text, signature


def _naming(name: str) -> Finding:
    return replace(signature(), predicate=(("dockerReference", name),))


_OWN = policy_set(
    policy_text("[{name: signed, signature: {by: {any: [release]}, dockerReference: same-repository}}]"),
)
ROWS: Rows = {
    "SignatureSpec.docker_reference": (
        ask(_OWN, _naming("registry.example/shop/api:v1")),
        ask(_OWN, _naming("registry.example/shop/web:v1")),
    ),
}
