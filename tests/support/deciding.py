"""From evidence in memory to a verdict, by policy documents, through the pipeline's own code."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import yaml

from preverify import pipeline
from preverify.model.evidence import Evidence, Gathered, Image, Unobtained
from preverify.model.revocation import Wanted
from preverify.model.verdicts import Verdict
from preverify.policy.documents import load
from preverify.policy.policies import PolicySet
from preverify.policy.trust_documents import ReadRoot
from support import fixtures
from support.clock import Stopped
from support.fixtures import NOW


class MemorySource:
    """A source that holds one image; only gathering is asked of it."""

    def __init__(self, image: Image, evidence: Sequence[Evidence]) -> None:
        self._gathered = Gathered(image=image, evidence=tuple(evidence))

    def gather(self, image: Image, **_: object) -> Gathered:
        assert image == self._gathered.image
        return self._gathered


class NoAnswers:
    """Asks nobody about revocations; what is known of them stands among the evidence."""

    def fetch(self, _: Sequence[Wanted]) -> tuple[tuple[Evidence, ...], tuple[Unobtained, ...]]:
        return (), ()


def decide(image: Image, evidence: Sequence[Evidence], rule: dict[str, Any], *, signers: dict[str, str]) -> Verdict:
    """Return the verdict of a policy with one rule.

    `signers` maps the names that the rule uses to fixture keys.
    """
    keys = {name: {"key": {"file": f"keys/{key}.pub"}, "tlog": "none"} for name, key in signers.items()}
    demanded = {"name": "demanded", **rule}
    return decide_documents(image, evidence, demanded, signers=keys, images="registry.test/**", now=datetime.now(UTC))


def decide_policies(policies: PolicySet, image: Image, evidence: Sequence[Evidence], *, now: datetime = NOW) -> Verdict:
    """Return the verdict of the one policy of a set, as of `now`."""
    source: Any = MemorySource(image, evidence)
    seen = pipeline.look(source, (policies,), image, clock=Stopped(now), revocations=NoAnswers())
    (verdict,) = seen.verdicts
    return verdict


def decide_documents(
    image: Image,
    evidence: Sequence[Evidence],
    rule: Mapping[str, Any],
    *,
    signers: Mapping[str, Any],
    trust: Mapping[str, Any] | None = None,
    images: str = "**",
    files: Mapping[str, bytes] | None = None,
    read_root: ReadRoot | None = None,
    now: datetime = NOW,
) -> Verdict:
    """Return the verdict of a policy with one rule; `signers` and `trust` are the `spec` of those documents.

    Files are named as in the directory of the fixtures; `files` are others, or in their place.
    """

    def read_file(name: str) -> bytes:
        return files[name] if files and name in files else (fixtures.FIXTURES / name).read_bytes()

    def list_files(name: str) -> list[str]:
        return [path.name for path in sorted((fixtures.FIXTURES / name).iterdir())]

    specs: dict[str, Mapping[str, Any]] = {"Signers": signers, "Policy": {"images": [images], "require": [rule]}}
    if trust is not None:
        specs["Trust"] = trust
    text = yaml.safe_dump_all([_document(kind, spec) for kind, spec in specs.items()]).encode()
    policies = load([("test.yaml", text)], read_file, read_root=read_root, list_files=list_files)
    return decide_policies(policies, image, evidence, now=now)


def _document(kind: str, spec: Mapping[str, Any]) -> dict[str, Any]:
    return {"apiVersion": "preverify/v1", "kind": kind, "metadata": {"name": "test"}, "spec": dict(spec)}
