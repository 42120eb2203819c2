"""A member that nobody knows, put into any mapping of a policy that is imported, is refused: it could be a demand.

What is left alone is listed: names for people, and what changes nothing about which images pass.
"""

from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any

import pytest
import yaml

from preverify.model.errors import BadConfiguration
from preverify.policy.importers import Imported
from support import foreign_policies as cip
from support import kyverno_policies as kyverno
from support import kyverno_validating as validating

Path = tuple[str | int, ...]
ATTESTED = {"attestations": [{"name": "x", "predicateType": "spdx"}]}
STAMPED = {"ignoreSCT": True, "tsaCertChain": kyverno.pem("tsa-chain.pem")}
OWN = {"trustRootRef": "own", "insecureIgnoreSCT": True}

POLICIES: dict[str, tuple[str, set[Path]]] = {
    # name -> documents, and the mappings in which anything may stand
    "ClusterImagePolicy": (
        cip.policy(
            cip.key(ctlog=cip.OWN_LOG, source=[{"signaturePullSecrets": [{"name": "x"}]}], **ATTESTED),
            cip.key(cip.EC2, rfc3161timestamp={"trustRootRef": "own"}, signatureFormat="legacy"),
            cip.keyless(cip.WHO, {"issuerRegExp": "acme", "subjectRegExp": "acme"}, keyless=OWN, ctlog=cip.OWN_LOG),
            {"name": "no", "static": {"action": "fail", "message": "no"}},
        )
        + cip.trust_root(),
        {
            ("metadata",),
            ("metadata", "labels"),
            ("status",),
            ("spec", "sigstoreKeys", "certificateAuthorities", 0, "subject"),
            ("spec", "sigstoreKeys", "timestampAuthorities", 0, "subject"),
            ("spec", "authorities", 0, "source", 0, "signaturePullSecrets", 0),
        },
    ),
    "ClusterPolicy": (
        kyverno.policy(
            kyverno.rule(
                kyverno.entry(
                    kyverno.key(ctlog=STAMPED),
                    {**kyverno.key(cip.EC2), "annotations": {"env": "prod"}},
                    kyverno.keyless(additionalExtensions={"githubWorkflowRef": "x"}, ctlog={"ignoreSCT": True}),
                    {"attestor": {"count": 1, "entries": [kyverno.key(), kyverno.key(cip.EC2)]}},
                    attestations=[{"type": "https://x.example/y", "attestors": [{"entries": [kyverno.key()]}]}],
                    validate={"message": "x"},
                    imageRegistryCredentials={"secrets": []},
                )
            ),
            webhookConfiguration={"timeoutSeconds": 3},
        ),
        {
            ("metadata",),
            ("spec", "rules", 0, "verifyImages", 0, "imageRegistryCredentials"),
            (
                "spec",
                "rules",
                0,
                "verifyImages",
                0,
                "attestors",
                0,
                "entries",
                1,
                "annotations",
            ),  # whatever stands there
        },
    ),
    "ImageValidatingPolicy": (
        validating.policy(
            validating.signed("a", "b", "vendor"),
            validating.attested("a"),
            attestors=[
                validating.key(source={"PullSecrets": [{"name": "x"}]}),
                {
                    "name": "b",
                    "cosign": {
                        "keyless": {"identities": [cip.WHO]},
                        "tuf": {"mirror": "https://t.example", "root": {"data": "e30="}},
                    },
                },
                {"name": "vendor", "notary": {"certs": {"value": kyverno.pem("notation-root.pem")}}},
            ],
            matchImageReferences=[{"glob": "ghcr.io/*"}],
            evaluation={"mode": "Kubernetes", "admission": {"enabled": True}, "background": {"enabled": True}},
            webhookConfiguration={"timeoutSeconds": 3},
        ),
        {
            ("metadata",),
            ("spec", "webhookConfiguration"),
            ("spec", "validationConfigurations"),
            ("spec", "evaluation", "background"),
            ("spec", "attestors", 0, "cosign", "source", "PullSecrets", 0),
        },
    ),
}


def mappings(value: object, path: Path = ()) -> Iterator[Path]:
    """Return the paths of all mappings."""
    if isinstance(value, dict):
        yield path
        for key, inner in value.items():
            yield from mappings(inner, (*path, key))
    elif isinstance(value, list):
        for i, inner in enumerate(value):
            yield from mappings(inner, (*path, i))


def changed(documents: list[Any], number: int, path: Path) -> str:
    """Return the documents with a member more in one mapping."""
    copy = deepcopy(documents)
    place = copy[number]
    for step in path:
        place = place[step]
    place["nobodyKnows"] = "x"
    return yaml.dump_all(copy, Dumper=_Plain)


class _Plain(yaml.SafeDumper):
    def ignore_aliases(self, data: object) -> bool:
        del data
        return True


CASES = [
    pytest.param(name, number, path, id=f"{name}-{number}-{'.'.join(map(str, path))}")
    for name, (text, _) in POLICIES.items()
    for number, document in enumerate(yaml.safe_load_all(text))
    for path in mappings(document)
]


@pytest.mark.parametrize("name", POLICIES)
def test_the_policies_are_imported_as_they_are(imported: Callable[..., Imported], name: str) -> None:
    assert imported(POLICIES[name][0]).losses == ()


@pytest.mark.parametrize(("name", "number", "path"), CASES)
def test_a_member_that_nobody_knows_is_refused(
    imported: Callable[..., Imported], name: str, number: int, path: Path
) -> None:
    text, free = POLICIES[name]
    more = changed(list(yaml.safe_load_all(text)), number, path)
    if path in free:
        imported(more)
        return
    with pytest.raises(BadConfiguration, match="nobodyKnows"):
        imported(more)
