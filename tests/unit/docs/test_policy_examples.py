"""Every example of a policy in the documents loads, and what the guide says of bad images is so."""

import hashlib
import json
import re
import textwrap
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from preverify import pipeline
from preverify.model.digest import Digest
from preverify.model.evidence import Evidence, Image
from preverify.model.reference import Repository, Subject
from preverify.model.verdicts import Answer
from preverify.policy import documents, policy_tests
from preverify.policy.answers import compose, policy_answer
from preverify.policy.policies import PolicySet
from preverify.policy.policy_tests import PolicyTestDocument
from preverify.policy.rules import SPECS
from preverify.policy.schema import KINDS
from preverify.ports import Vulnerabilities
from preverify.scanners.database.holding import Holding
from preverify.scanners.offline import OfflineVulnerabilities
from preverify.settings import load
from preverify.trust.embedded import embedded
from support import signed
from support.clock import Stopped
from support.deciding import MemorySource, NoAnswers
from support.predicates import changed, document
from support.reported import attested, moment, report, row

ROOT = Path(__file__).resolve().parents[3]
DOCS = ROOT / "docs"
TRUST = ROOT / "tests" / "vectors" / "fixtures" / "trust"
PAGES = [ROOT / "README.md", *sorted(DOCS.glob("*.md"))]
SIGNED_BY = {"release": "ec1", "ci": "ec1", "builder": "ec1", "ana": "ec1", "ben": "ec2"}
"""Whose keys in the examples are those of the fixtures, so that something can be signed with them."""
OTHERS = {"notifications", "volumes"}
"""Parts of documents of other programs, by their first key: a registry, Kubernetes."""
NOW = datetime.now(UTC).replace(microsecond=0)
IMAGE = signed.image("legacy-unsigned")


def _blocks(page: Path) -> list[str]:
    return re.findall(r"^```yaml\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)


def _kinds(block: str) -> set[str]:
    return {each["kind"] for each in yaml.safe_load_all(block) if isinstance(each, dict) and "kind" in each}


def _key(name: str) -> bytes:
    """Return the key of a name, always the same and different from all others."""
    if name in SIGNED_BY:
        return (ROOT / "tests" / "vectors" / "fixtures" / "keys" / f"{SIGNED_BY[name]}.pub").read_bytes()
    scalar = int.from_bytes(hashlib.sha256(name.encode()).digest()[:16])
    public = ec.derive_private_key(scalar, ec.SECP256R1()).public_key()
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def _file_of(name: str) -> bytes:
    """Return something of the kind that a name in an example stands for: key, certificates, Notation trust policy."""
    if name == "trust/rekor.pub":
        return (TRUST / "rekor1.pub").read_bytes()
    if name.endswith(".pub"):
        return _key(Path(name).stem)
    if name == "trustpolicy.json":
        policy = {"name": "v", "registryScopes": ["*"], "signatureVerification": {"level": "strict"}}
        policy |= {"trustStores": ["ca:vendor"], "trustedIdentities": ["*"]}
        return json.dumps({"version": "1.0", "trustPolicies": [policy]}).encode()
    known = {"certs/vendor-root.pem": "ca-root.pem", "certs/tsa-root.pem": "tsa-root.pem"}
    return (TRUST / known.get(name, Path(name).name)).read_bytes()


def _load(page: str, *blocks: str) -> PolicySet:
    return documents.load(
        [(page, block.encode()) for block in blocks],
        _file_of,
        read_root=lambda request: embedded(request.name).target,
        list_files=lambda name: ["tsa-root.pem"],
    )


def _examples() -> list[Any]:
    return [
        pytest.param(page, block, id=f"{page.name}-{n}")
        for page in PAGES
        for n, block in enumerate(_blocks(page), start=1)
        if not OTHERS & set(re.findall(r"^(\w+):", block, re.MULTILINE))
    ]


@pytest.mark.parametrize(("page", "block"), _examples())
def test_every_example_is_what_the_program_takes(page: Path, block: str, tmp_path: Path) -> None:
    """An example that is refused is worse than none.

    What names no kind is a part of a document: a list is entries of `require`, beside the first block of its page, and
    all else is of the configuration.
    """
    kinds = _kinds(block)
    if kinds == {"Config"} or not (kinds or block.startswith("- ")):
        file = tmp_path / "preverify.yaml"
        file.write_text(block if kinds else f"apiVersion: preverify/v1\nkind: Config\n{block}")
        load(file, {}, {})
    elif kinds == {"PolicyTest"}:
        assert all(each.spec.cases for each in policy_tests.read_tests(block.encode(), name=page.name))
    elif kinds:
        assert kinds <= set(KINDS)  # no block mixes them with others
        _load(page.name, block)
    else:
        assert _load(page.name, _blocks(page)[0], _requiring(block)).policies


def _requiring(rules: str) -> str:
    head = 'apiVersion: preverify/v1\nkind: Policy\nmetadata: {name: x}\nspec:\n  images: ["registry.example/**"]\n'
    return f"{head}  require:\n" + textwrap.indent(rules, "    ")


def test_every_kind_of_document_has_an_example() -> None:
    assert {kind for block in _blocks(DOCS / "policies.md") for kind in _kinds(block)} == set(KINDS)
    everywhere = {kind for page in PAGES for block in _blocks(page) for kind in _kinds(block)}
    assert everywhere == {*KINDS, policy_tests.KIND, "Config"}
    assert PolicyTestDocument.__name__.startswith(policy_tests.KIND)


def test_every_rule_has_its_part_in_the_manual_with_an_example() -> None:
    text = (DOCS / "rules.md").read_text()
    headings = {word for line in re.findall(r"^## (.+)$", text, re.MULTILINE) for word in line.split(", ")}
    assert set(SPECS) <= headings
    written = {key for block in _blocks(DOCS / "rules.md")[1:] for key in re.findall(r"[{ ](\w+):", block)}
    assert set(SPECS) <= written
    for kind in SPECS:
        assert f"`{kind}`" in (DOCS / "policies.md").read_text(), kind


def test_the_trust_in_the_documents_compiles() -> None:
    """Roots are read where a signer names them, so each is named."""
    (block,) = _blocks(DOCS / "trust.md")
    roots = list(yaml.safe_load(block)["spec"]["roots"])
    named = {name: {"keyless": {"issuer": "i:", "subject": "s", "trust": name}} for name in roots if name != "corp"}
    signers = {"apiVersion": "preverify/v1", "kind": "Signers", "metadata": {"name": "x"}, "spec": named}
    by = {"name": "a", "signature": {"by": {"any": list(named)}}}
    policy = {**signers, "kind": "Policy", "spec": {"images": ["a.test/**"], "require": [by]}}
    text = "---\n".join((block, yaml.safe_dump(signers), yaml.safe_dump(policy)))
    assert {root.name for root in _load("trust.md", text).trust.roots} == set(named)


# --- what the guide says of bad images ---


def _guide(policy: str) -> str:
    (block,) = (
        each for each in _blocks(DOCS / "policy-guide.md") if f"metadata: {{name: {policy}}}\nspec:\n  im" in each
    )
    return block


def _answer(
    block: str,
    *evidence: Evidence,
    name: str = "shop/api",
    at: datetime = NOW,
    namespace: str = "",
    database: Vulnerabilities | None = None,
) -> Answer:
    subject = Subject(Repository("registry.example", name), IMAGE.subject.digest)
    image = Image(subject=subject, manifest=IMAGE.manifest, media_type=IMAGE.media_type)
    policies = _load("policy-guide.md", block)
    source: Any = MemorySource(image, evidence)
    stopped = Stopped(at)
    seen = pipeline.look(source, (policies,), image, clock=stopped, revocations=NoAnswers(), database=database)
    return compose(
        policies,
        subject.repository,
        subject.digest,
        {verdict.policy: policy_answer(policies, verdict) for verdict in seen.verdicts},
        image="",
        generation=1,
        namespaces=namespace or None,
        now=at,
    )


def _said(answer: Answer) -> tuple[str, str]:
    return answer.state.value, answer.reason


def _signature(by: str, about: Digest = IMAGE.subject.digest, **annotations: str) -> Evidence:
    whole = signed.payload(about) | {"optional": annotations or None}
    return signed.legacy(signed.compact(whole), by)


def _sequence(*evidence: Evidence) -> Sequence[Evidence]:
    """Give each piece of evidence a place of its own."""
    return [replace(each, index=n) for n, each in enumerate(evidence)]


def test_signed_by_our_ci() -> None:
    block = _guide("signed-by-pipeline")
    assert _said(_answer(block, _signature("ec1"))) == ("verified", "ok")
    assert _said(_answer(block)) == ("denied", "no-signature")
    assert _said(_answer(block, _signature("ec2"))) == ("denied", "wrong-key")
    assert _said(_answer(block, _signature("ec1", Digest.of(b"another")))) == ("denied", "subject-mismatch")


def test_two_people_approve() -> None:
    block = _guide("payment")
    once = _signature("ec1", stage="production")
    twice = _sequence(once, _signature("ec2", stage="production"))
    paid: dict[str, Any] = {"name": "pay/api", "namespace": "prod-eu"}
    assert _said(_answer(block, *twice, **paid)) == ("verified", "ok")
    assert _said(_answer(block, once, **paid)) == ("denied", "threshold-not-met")
    again = _sequence(once, _signature("ec1", stage="production"))
    assert _said(_answer(block, *again, **paid)) == ("denied", "threshold-not-met")
    plain = _sequence(_signature("ec1"), _signature("ec2", stage="test"))
    assert _said(_answer(block, *plain, **paid)) == ("denied", "annotation-mismatch")
    assert _said(_answer(block, *twice, name="pay/api", namespace="test")) == ("denied", "no-policy")


def _provenance(builder: str, source: str, by: str = "ec1") -> Evidence:
    whole = changed(document("cosign-provenance-v0.2"), "builder/id", builder)
    whole = changed(whole, "invocation/configSource/uri", f"git+{source}@refs/heads/main")
    return attested(changed(whole, "materials/0/uri", f"git+{source}"), by)


def test_built_by_our_builder_from_our_repository() -> None:
    block = _guide("built-by-our-builder")
    ours, source = "https://builder.acme.example/v1", "https://github.com/acme/api"
    assert _said(_answer(block, _provenance(ours, source))) == ("verified", "ok")
    assert _said(_answer(block, _signature("ec1"))) == ("denied", "attestation-missing")
    assert _said(_answer(block, _provenance(ours, source, "ec2"))) == ("denied", "wrong-key")
    assert _said(_answer(block, _provenance("https://else.example/v1", source))) == ("denied", "builder-mismatch")
    assert _said(_answer(block, _provenance(ours, "https://github.com/fork/api"))) == ("denied", "source-mismatch")


def _scan(published: timedelta | None, fixed: str = "3.0.2-1", **more: Any) -> Evidence:
    known = {} if published is None else {"PublishedDate": moment(NOW - published)}
    return attested(report(row(FixedVersion=fixed, **known), **more))


def test_no_critical_vulnerability_older_than_two_weeks(tmp_path: Path) -> None:
    block = _guide("no-old-critical")
    found = _answer(block, _scan(timedelta(days=30)))
    assert _said(found) == ("denied", "vulnerability-found")
    assert "3.0.2-1" in found.detail
    yesterday = _answer(block, _scan(timedelta(days=1)))
    assert _said(yesterday) == ("verified", "ok")
    assert yesterday.valid_until is not None
    assert _said(_answer(block, _scan(None))) == ("denied", "vulnerability-found")
    assert _said(_answer(block, _scan(timedelta(days=30), fixed=""))) == ("verified", "ok")
    assert _said(_answer(block)) == ("denied", "scan-missing")
    assert _said(_answer(block, _scan(None, age=timedelta(days=7)))) == ("denied", "scan-stale")
    bill = attested(document("cosign-spdx"))
    nothing = OfflineVulnerabilities(Holding(tmp_path))
    assert _said(_answer(block, bill, database=nothing)) == ("unknown", "scan-missing")


def _bill(name: str, version: str, licence: str) -> Evidence:
    named = {"name": name, "version": version, "purl": f"pkg:npm/{name}@{version}", "type": "library"}
    component = {**named, "licenses": [{"expression": licence}]}
    predicate = {"bomFormat": "CycloneDX", "specVersion": "1.6", "components": [component]}
    return attested({"predicateType": "https://cyclonedx.org/bom", "predicate": predicate})


def test_nothing_in_it_that_we_do_not_want() -> None:
    block = _guide("contents")

    def told(*evidence: Evidence) -> dict[str, str]:
        (part,) = _answer(block, _signature("ec1"), *evidence).policies
        return {rule: code for rule, code, _ in part.reasons}

    fine = told(_bill("express", "4.18.2", "MIT"))
    assert {fine.get(rule, "ok") for rule in ("described", "no-bad-packages", "no-network-copyleft")} == {"ok"}
    assert told()["described"] == "sbom-missing"
    assert told(_bill("event-stream", "3.3.6", "MIT"))["no-bad-packages"] == "component-denied"
    assert told(_bill("express", "4.18.2", "AGPL-3.0-only"))["no-network-copyleft"] == "license-denied"


def test_break_glass() -> None:
    (whole,) = (each for each in _blocks(DOCS / "policy-guide.md") if "kind: Exception" in each)
    (named,) = re.findall(r"sha256:[0-9a-f]{64}", whole)
    block = whole.replace(named, str(IMAGE.subject.digest))
    start = datetime(2026, 1, 2, 9, tzinfo=UTC)
    minute, day = timedelta(minutes=1), timedelta(days=1)
    assert _said(_answer(block, at=start - minute)) == ("denied", "no-signature")
    during = _answer(block, at=start)
    assert _said(during) == ("verified", "ok")
    assert "incident-4711" in " ".join(during.warnings)
    assert during.valid_until is not None
    assert during.valid_until <= start + day
    assert _said(_answer(block, at=start + day)) == ("denied", "exception-expired")
    assert _said(_answer(whole, at=start)) == ("denied", "no-signature"), "another digest stays denied"


def test_base_images_are_admitted_with_a_warning() -> None:
    block = _guide("docker-hub").replace("docker.io/library/", "registry.example/")
    answer = _answer(block)
    assert (answer.state.value, answer.admit, answer.enforced) == ("unknown", True, False)
    assert answer.warnings
