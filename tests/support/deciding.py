"""From evidence in memory to a verdict, by policy documents, through the pipeline's own code."""

from collections.abc import Sequence
from typing import Any

import yaml

from preverify import pipeline
from preverify.clock import SystemClock
from preverify.model.evidence import Evidence, Gathered, Image
from preverify.model.verdicts import Verdict
from preverify.policy.documents import load
from support import signed


class MemorySource:
    """A source that holds one image; only gathering is asked of it."""

    def __init__(self, image: Image, evidence: Sequence[Evidence]) -> None:
        self._gathered = Gathered(image=image, evidence=tuple(evidence))

    def gather(self, image: Image, **_: object) -> Gathered:
        assert image == self._gathered.image
        return self._gathered


def decide(image: Image, evidence: Sequence[Evidence], rule: dict[str, Any], *, signers: dict[str, str]) -> Verdict:
    """Return the verdict of a policy with one rule.

    `signers` maps the names that the rule uses to fixture keys.
    """
    documents = [
        {
            "apiVersion": "preverify/v1",
            "kind": "Signers",
            "metadata": {"name": "test"},
            "spec": {name: {"key": {"file": f"{key}.pub"}, "tlog": "none"} for name, key in signers.items()},
        },
        {
            "apiVersion": "preverify/v1",
            "kind": "Policy",
            "metadata": {"name": "test"},
            "spec": {"images": ["registry.test/**"], "require": [{"name": "demanded", **rule}]},
        },
    ]
    text = yaml.safe_dump_all(documents).encode()
    policies = load([("test.yaml", text)], lambda name: (signed.FIXTURES / "keys" / name).read_bytes())
    source: Any = MemorySource(image, evidence)
    (verdict,) = pipeline.look(source, (policies,), image, clock=SystemClock()).verdicts
    return verdict
