"""Fixture images under several names: what imported policies conclude about them, beside the other tools' answers."""

import functools
import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from preverify import pipeline, wiring
from preverify.clock import SystemClock
from preverify.commands.verify import source_of
from preverify.model.errors import MalformedEvidence
from preverify.model.reference import Reference
from preverify.policy.importers import Imported
from preverify.policy.policies import PolicySet
from preverify.ports import Registry
from preverify.registry.layout import LayoutRegistry
from preverify.settings import Settings, Source

FIXTURES = Path(__file__).resolve().parents[1] / "vectors" / "fixtures"
SIGNED_AS = "registry.fixtures.test"
SIGNED_AS_TOO = "127.0.0.1:5951"
"""The registries that payloads of the fixtures name: those of signatures by key, and by certificate."""
MIRROR = "mirror.fixtures.test:5000"
"""A registry to which signed images were copied."""
HOSTS = (SIGNED_AS, SIGNED_AS_TOO, MIRROR)


@functools.cache
def images() -> tuple[str, ...]:
    """Return every image of the fixtures that stands beside signatures of cosign's older format: repository@digest."""
    document = json.loads((FIXTURES / "cases.json").read_bytes())
    lazy = {each["case"] for each in document["lazy"]}
    found = [
        f"{case['repo']}@{case['digest']}"
        for case in document["cases"]
        if case["format"] == "cosign-legacy" and case["id"] not in lazy and not case.get("served_by")
    ]
    return tuple(dict.fromkeys(found))


def references() -> tuple[str, ...]:
    """Return all images under the first two names, and some under a third."""
    there = [f"{host}/{name}" for host in (SIGNED_AS, SIGNED_AS_TOO) for name in images()]
    return (*there, *(f"{MIRROR}/{name}" for name in images() if name.startswith("acme/legacy@")))


def loaded(imported: Imported, directory: Path) -> PolicySet:
    """Write what was imported, and load it as the daemon does."""
    for name, data in {**imported.documents, **imported.files}.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return wiring.read_policies((directory,))


@functools.cache
def _registry() -> LayoutRegistry:
    source = Source(registry=f"oci:{FIXTURES / 'layouts'}", aliases=HOSTS, repositories=("**",))
    return LayoutRegistry(source, clock=SystemClock())


def passes(policies: PolicySet, names: Iterable[str], *, namespace: str | None = None) -> Mapping[str, str]:
    """Return what stands against an image by its name; empty where every policy about it passes, and there is one."""
    return {name: _against(_registry(), policies, name, namespace) for name in names}


def passes_there(policies: PolicySet, names: Iterable[str]) -> Mapping[str, str]:
    """Return the same of images in registries on this machine."""
    found: dict[str, str] = {}
    for name in names:
        _, source = source_of(Settings(), name, plain_http=True, private=True)
        found[name] = _against(source.registry, policies, name)
    return found


def _against(registry: Registry, policies: PolicySet, name: str, namespace: str | None = None) -> str:
    reference = Reference.parse(name)
    revocations = wiring.open_revocations(Settings(), private=True)
    try:
        seen = pipeline.verify_reference(registry, policies, reference, clock=SystemClock(), revocations=revocations)
    except MalformedEvidence as error:
        return str(error)
    applying = {policy.name for policy in policies.applying(reference.repository, namespace)}
    verdicts = [verdict for verdict in seen.verdicts if verdict.policy in applying]
    bad = [f"{v.policy}: {r.reason}: {r.detail}" for v in verdicts if v.outcome != "passed" for r in v.reasons]
    return "; ".join(bad) if verdicts else "no policy"
