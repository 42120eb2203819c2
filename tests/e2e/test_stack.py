"""Keyless signatures of the real cosign, made by a private Sigstore, and what we say of them."""

import json
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from preverify import pipeline, wiring
from preverify.clock import SystemClock
from preverify.model.reasons import Reason
from preverify.model.reference import Reference
from preverify.model.verdicts import Outcome, Verdict
from support import registries
from support.cosign import Cosign
from support.registry_clients import remote
from support.stack import Stack
from support.stacked import Images, Index

pytestmark = [pytest.mark.tools, pytest.mark.timeout(600)]
Tool = Callable[[str], Path]

WORKFLOW = "chainguard-images/images/.github/workflows/release.yaml@refs/heads/main"
PUBLIC = {"repository": "chainguard-images/images", "job_workflow_ref": WORKFLOW, "workflow_ref": WORKFLOW}
UIDP = "b3afeb8ee1de8a24fe87ccf26faeda1c5a6d3c6e/4e29f1b2a3c4d5e6"
APKO = "https://apko.dev/image-configuration"
SPDX = "https://spdx.dev/Document"
SLSA = "https://slsa.dev/provenance/v1"
PREDICATES: dict[str, dict[str, Any]] = {
    APKO: {"contents": {"packages": ["busybox"]}, "archs": ["amd64", "arm64"], "entrypoint": {"command": "/bin/sh"}},
    SPDX: {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": "sbom",
        "documentNamespace": "https://example.test/spdx/1",
        "creationInfo": {"created": "2026-01-02T10:00:00Z", "creators": ["Tool: apko (v0.30.0)"]},
        "packages": [{"SPDXID": "SPDXRef-1", "name": "busybox", "downloadLocation": "NOASSERTION"}],
    },
    SLSA: {
        "buildDefinition": {
            "buildType": "https://apko.dev/slsa-build-type@v1",
            "externalParameters": {"config": "busybox.yaml"},
            "internalParameters": {},
            "resolvedDependencies": [],
        },
        "runDetails": {"builder": {"id": "https://github.com/chainguard-dev/terraform-provider-apko"}, "metadata": {}},
    },
}


def signed_by(name: str) -> dict[str, Any]:
    return {"name": "signed", "signature": {"by": {"any": [name]}}}


@dataclass
class Corpus:
    """Two images as Chainguard publishes them: an index that is signed, children that are attested."""

    stack: Stack
    images: Images
    public: Index
    organisation: Index
    directory: Path
    policies: int = field(default=0)

    @property
    def public_signer(self) -> dict[str, Any]:
        subject = f"https://github.com/{WORKFLOW}"
        return {"issuer": self.stack.issuer("github"), "subject": subject, "trust": "stack"}

    @property
    def organisation_signer(self) -> dict[str, Any]:
        issuer = self.stack.issuer("chainguard")
        return {"issuer": issuer, "subject": f"{issuer}/{UIDP}", "trust": "stack"}

    def documents(self, signers: dict[str, dict[str, Any]], rule: Callable[[str], dict[str, Any]]) -> Path:
        """Write one policy for each signer, of the signer's name."""
        self.policies += 1
        place = self.directory / f"policies{self.policies}"
        place.mkdir()
        (place / "root.json").write_bytes(self.stack.trusted_root.read_bytes())
        spec = {name: {"keyless": keyless} for name, keyless in signers.items()}
        write(place, "Trust", "trust", {"roots": {"stack": {"file": "root.json"}}})
        write(place, "Signers", "signers", spec)
        for name in signers:
            write(place, "Policy", name, {"images": ["**"], "require": [rule(name)]})
        return place

    def verdicts(
        self,
        reference: str,
        signers: dict[str, dict[str, Any]],
        rule: Callable[[str], dict[str, Any]] = signed_by,
    ) -> dict[str, Verdict]:
        """Decide on an image under one policy for each signer."""
        place = self.documents(signers, rule)
        registry = remote(reference.partition("/")[0])
        seen = pipeline.verify_reference(
            registry, wiring.read_policies((place,)), Reference.parse(reference), clock=SystemClock()
        )
        return {verdict.policy: verdict for verdict in seen.verdicts}


def write(place: Path, kind: str, name: str, spec: object) -> None:
    document = {"apiVersion": "preverify/v1", "kind": kind, "metadata": {"name": name}, "spec": spec}
    (place / f"{kind.lower()}-{name}.yaml").write_text(json.dumps(document))


def attestation(kind: str) -> Callable[[str], dict[str, Any]]:
    return lambda name: {"name": "attested", "attestation": {"type": kind, "by": {"any": [name]}}}


@pytest.fixture(scope="module")
def corpus(stack: Stack, tool: Tool, tmp_path_factory: pytest.TempPathFactory) -> Any:
    directory = tmp_path_factory.mktemp("corpus")
    with registries.regserve(tool) as host:
        images = Images(host, Cosign(tool, directory / "home"), stack, directory)
        public, organisation = images.index("chainguard/busybox"), images.index("acme.test/busybox")
        jobs: list[Callable[[], None]] = []
        for index, issuer, claims in ((public, "github", PUBLIC), (organisation, "chainguard", {"sub": UIDP})):
            jobs.append(lambda i=index, n=issuer, c=claims: images.sign(i.reference, n, **c))
            for child in index.children:
                jobs += [
                    lambda c=child, n=issuer, k=kind, p=predicate, m=claims: images.attest(c, k, p, n, **m)
                    for kind, predicate in PREDICATES.items()
                ]
        with ThreadPoolExecutor(4) as pool:
            for job in [pool.submit(each) for each in jobs]:
                job.result()
        yield Corpus(stack, images, public, organisation, directory)


# --- identities -------------------------------------------------------------------------------------------------------


def test_both_identity_forms_verify_and_neither_stands_for_the_other(corpus: Corpus) -> None:
    signers = {"public": corpus.public_signer, "organisation": corpus.organisation_signer}
    seen = corpus.verdicts(corpus.public.reference, signers)
    assert {name: v.outcome for name, v in seen.items()} == {"public": Outcome.PASSED, "organisation": Outcome.FAILED}
    seen = corpus.verdicts(corpus.organisation.reference, signers)
    assert {name: v.outcome for name, v in seen.items()} == {"public": Outcome.FAILED, "organisation": Outcome.PASSED}


def near_misses(corpus: Corpus) -> dict[str, tuple[dict[str, Any], Reason]]:
    right = corpus.public_signer
    subject, issuer = right["subject"], right["issuer"]
    wrong_subjects = {
        "other-branch": subject.replace("refs/heads/main", "refs/heads/mian"),
        "pull-request": subject.replace("refs/heads/main", "refs/pull/1/merge"),
        "other-file": subject.replace("release.yaml", "release.yml"),
        "other-repository": subject.replace("/images/.github", "/images-x/.github"),
        "other-owner": subject.replace("chainguard-images/", "chainguard-image/"),
        "longer": subject + "x",
        "shorter": subject[:-1],
        "upper-case": subject.replace("chainguard", "Chainguard"),
        "http": subject.replace("https://", "http://"),
        "slash": subject + "/",
    }
    wrong_issuers = {
        "issuer-slash": issuer + "/",
        "issuer-other": corpus.stack.issuer("email"),
        "issuer-shorter": issuer[:-1],
        "issuer-https": issuer.replace("http://", "https://"),
    }
    extensions = {
        "extension-repository": {"sourceRepositoryURI": "https://github.com/chainguard-images/image"},
        "extension-ref": {"sourceRepositoryRef": "refs/heads/mai"},
        "extension-runner": {"runnerEnvironment": "self-hosted"},
        "extension-trigger": {"buildTrigger": "pull_request"},
        "extension-signer": {"buildSignerURI": subject + "x"},
        "extension-owner-id": {"sourceRepositoryOwnerIdentifier": "2003"},
    }
    return {
        **{name: ({**right, "subject": each}, Reason.IDENTITY_MISMATCH) for name, each in wrong_subjects.items()},
        **{name: ({**right, "issuer": each}, Reason.ISSUER_MISMATCH) for name, each in wrong_issuers.items()},
        **{name: ({**right, "extensions": each}, Reason.EXTENSION_MISMATCH) for name, each in extensions.items()},
        "pattern-is-anchored": (
            {"issuer": issuer, "subjectPattern": "https://github.com/chainguard-images/images/", "trust": "stack"},
            Reason.IDENTITY_MISMATCH,
        ),
    }


def test_every_near_miss_of_subject_issuer_and_extension_is_refused(corpus: Corpus) -> None:
    misses = near_misses(corpus)
    seen = corpus.verdicts(corpus.public.reference, {name: signer for name, (signer, _) in misses.items()})
    said = {name: (verdict.outcome, verdict.rules[0].reason) for name, verdict in seen.items()}
    assert said == {name: (Outcome.FAILED, reason) for name, (_, reason) in misses.items()}


def test_right_extensions_and_patterns_hold(corpus: Corpus) -> None:
    right = corpus.public_signer
    facts = {
        "sourceRepositoryURI": "https://github.com/chainguard-images/images",
        "sourceRepositoryRef": "refs/heads/main",
        "runnerEnvironment": "github-hosted",
        "buildTrigger": "push",
        "buildSignerURI": right["subject"],
        "sourceRepositoryOwnerIdentifier": "2002",
    }
    pattern = "https://github\\.com/chainguard-images/images/\\.github/workflows/release\\.yaml@refs/heads/(main|next)"
    signers = {
        "facts": {**right, "extensions": facts},
        "pattern": {"issuer": right["issuer"], "subjectPattern": pattern, "trust": "stack"},
    }
    seen = corpus.verdicts(corpus.public.reference, signers)
    assert {name: v.outcome for name, v in seen.items()} == dict.fromkeys(signers, Outcome.PASSED)


def test_near_misses_of_the_organisation_are_refused(corpus: Corpus) -> None:
    right = corpus.organisation_signer
    group, _, identity = UIDP.partition("/")
    subjects = {
        "group": f"{right['issuer']}/{group}",
        "sibling": f"{right['issuer']}/{group}/{identity[:-1]}0",
        "other-group": f"{right['issuer']}/{group[:-1]}0/{identity}",
        "child": f"{right['subject']}/{identity}",
        "bare": UIDP,
    }
    signers = {name: {**right, "subject": subject} for name, subject in subjects.items()}
    seen = corpus.verdicts(corpus.organisation.reference, signers)
    assert {n: (v.outcome, v.rules[0].reason) for n, v in seen.items()} == dict.fromkeys(
        signers, (Outcome.FAILED, Reason.IDENTITY_MISMATCH)
    )


def test_what_cosign_says_is_what_we_say(corpus: Corpus) -> None:
    """Identity and issuer, right and nearly right, through the real cosign v3: no miss of ours is a hit of its."""
    misses = {
        name: signer
        for name, (signer, reason) in near_misses(corpus).items()
        if reason in {Reason.IDENTITY_MISMATCH, Reason.ISSUER_MISMATCH} and "subject" in signer
    }

    def verify(signer: dict[str, Any]) -> bool:
        return corpus.images.verifies(corpus.public.reference, signer["issuer"], signer["subject"])

    with ThreadPoolExecutor(4) as pool:
        said = dict(zip(misses, pool.map(verify, misses.values()), strict=True))
    assert said == dict.fromkeys(misses, False)
    right = corpus.public_signer
    assert corpus.images.verifies(corpus.public.reference, right["issuer"], right["subject"])


# --- attestations of the children -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", sorted(PREDICATES))
@pytest.mark.parametrize("form", ["public", "organisation"])
def test_children_are_attested(corpus: Corpus, form: str, kind: str) -> None:
    index: Index = getattr(corpus, form)
    right: dict[str, Any] = getattr(corpus, f"{form}_signer")
    signers = {
        "right": right,
        "other-subject": {**right, "subject": right["subject"] + "0"},
        "other-issuer": {**right, "issuer": right["issuer"] + "0"},
    }
    for child in index.children:
        seen = corpus.verdicts(child, signers, attestation(kind))
        assert {name: (v.outcome, v.rules[0].reason) for name, v in seen.items()} == {
            "right": (Outcome.PASSED, Reason.OK),
            "other-subject": (Outcome.FAILED, Reason.IDENTITY_MISMATCH),
            "other-issuer": (Outcome.FAILED, Reason.ISSUER_MISMATCH),
        }, child


def test_an_attestation_is_of_its_type_and_of_its_image_only(corpus: Corpus) -> None:
    signers = {"public": corpus.public_signer}
    cyclonedx = corpus.verdicts(corpus.public.children[0], signers, attestation("https://cyclonedx.org/bom"))
    assert cyclonedx["public"].outcome is Outcome.FAILED
    index = corpus.verdicts(corpus.public.reference, signers, attestation(SPDX))
    assert index["public"].outcome is Outcome.FAILED  # children are attested, the index is signed


# --- the command, and another root ------------------------------------------------------------------------------------


def test_the_command_verifies_and_refuses(corpus: Corpus) -> None:
    signers = {"right": corpus.public_signer}
    for expected, wanted in ((0, signers), (1, {"wrong": near_misses(corpus)["other-branch"][0]})):
        place = corpus.documents(wanted, signed_by)
        command = ["verify", corpus.public.reference, "--policy", str(place), "--plain-http", "--private"]
        done = subprocess.run(
            [sys.executable, "-m", "preverify", *command, "--output", "json"],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            cwd=corpus.directory,
        )
        assert done.returncode == expected, done.stdout + done.stderr


def test_roots_are_never_pooled(corpus: Corpus) -> None:
    """The same log and time stamps, but a certificate authority that is not this one's: nothing is established."""
    other = json.loads(corpus.stack.trusted_root.read_text())
    stranger = corpus.images.stranger_authority()
    other["certificateAuthorities"][0]["certChain"]["certificates"] = [{"rawBytes": stranger}]
    signers = {"right": corpus.public_signer}
    place = corpus.documents(signers, lambda name: {"name": "signed", "signature": {"by": {"any": [name]}}})
    (place / "root.json").write_text(json.dumps(other))
    seen = pipeline.verify_reference(
        remote(corpus.images.host),
        wiring.read_policies((place,)),
        Reference.parse(corpus.public.reference),
        clock=SystemClock(),
    )
    assert [(v.outcome, v.rules[0].reason) for v in seen.verdicts] == [(Outcome.FAILED, Reason.CERTIFICATE_UNTRUSTED)]


@pytest.mark.tools_all
def test_the_older_form_with_the_older_log(old_log_stack: Stack, tool: Tool, tmp_path: Path) -> None:
    """cosign v2, keyless: `.sig` with certificate, chain and the log's promise; and a bundle of v3 beside it."""
    with registries.regserve(tool) as host:
        images = Images(host, Cosign(tool, tmp_path / "home"), old_log_stack, tmp_path)
        legacy, _ = images.image("shop/legacy", "legacy")
        newer, _ = images.image("shop/newer", "newer")
        images.sign_legacy(legacy, "email", email="dev@acme.test")
        images.sign(newer, "email", config="rekor1", email="dev@acme.test")
        corpus = Corpus(old_log_stack, images, Index("", ()), Index("", ()), tmp_path)
        right = {"issuer": old_log_stack.issuer("email"), "subject": "dev@acme.test", "trust": "stack"}
        signers = {
            "right": right,
            "other-subject": {**right, "subject": "dev@acme.tes"},
            "other-issuer": {**right, "issuer": old_log_stack.issuer("github")},
        }
        for reference in (legacy, newer):
            seen = corpus.verdicts(reference, signers)
            assert {name: (v.outcome, v.rules[0].reason) for name, v in seen.items()} == {
                "right": (Outcome.PASSED, Reason.OK),
                "other-subject": (Outcome.FAILED, Reason.IDENTITY_MISMATCH),
                "other-issuer": (Outcome.FAILED, Reason.ISSUER_MISMATCH),
            }, reference
