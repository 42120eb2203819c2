"""`preverify bench verify`: evidence in memory to findings, beside bare operations and sigstore-python."""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from preverify.bench.figures import figure, median
from preverify.bench.operations import bare
from preverify.bench.samples import Sample, enveloped, new_key, read_vector, recorded, signed
from preverify.model.digest import Digest
from preverify.model.evidence import Image
from preverify.model.reference import Repository, Subject

_SBOM_BYTES = 50 << 20
_BUDGET_MIB = 256
_SHARE = 1 / 1.5
"""A verification may take one and a half times what its bare operations take."""
_BEYOND_BARE_SECONDS = 45e-6
"""What it may take beyond a single operation that is faster than P-256's."""
_TIMES_SIGSTORE = 1.2
_SPDX = "https://spdx.dev/Document"

Perform = Callable[[], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One row: what is verified, the operations that no verifier can do without, and how it is bounded.

    Operations whose inputs are trust alone (an authority's own chain) are not among them: they are the same every time.
    """

    name: str
    samples: Callable[[int], Sequence[Sample]]
    needed: Mapping[str, int]
    fast: bool = False
    """A single operation that is faster than P-256's: bounded by what is added to it, not by a share."""
    compared: bool = False
    """sigstore-python can verify it."""


def _by_key(form: str, kind: str) -> Callable[[int], Sequence[Sample]]:
    return lambda count: signed(form, kind, count)


def _recorded(name: str) -> Callable[[int], Sequence[Sample]]:
    return lambda count: recorded(name)[:count]


CASES: tuple[Case, ...] = (
    Case(name="cosign signature by key, P-256", samples=_by_key(".sig", "P-256"), needed={"P-256": 1}),
    Case(name="cosign signature by key, P-384", samples=_by_key(".sig", "P-384"), needed={"P-384": 1}),
    Case(name="cosign signature by key, Ed25519", samples=_by_key(".sig", "Ed25519"), needed={"Ed25519": 1}, fast=True),
    Case(
        name="cosign signature by key, RSA-2048", samples=_by_key(".sig", "RSA-2048"), needed={"RSA-2048": 1}, fast=True
    ),
    Case(name="cosign attestation by key, P-256", samples=_by_key(".att", "P-256"), needed={"P-256": 1}),
    Case(name="bundle by key, P-256", samples=_by_key("bundle", "P-256"), needed={"P-256": 1}),
    # The signature, the certificate's by its authority, the certificate timestamp, the signed entry time stamp.
    Case(name="cosign signature, keyless, Rekor v1", samples=_recorded("legacy-rekor1"), needed={"P-256": 4}),
    # The same and the checkpoint.
    Case(name="bundle, keyless, Rekor v1", samples=_recorded("bundle-rekor1"), needed={"P-256": 5}, compared=True),
    # The signature, the certificate's, the certificate timestamp, the time stamp's; the checkpoint by Ed25519.
    Case(
        name="bundle, keyless, Rekor v2",
        samples=_recorded("bundle-rekor2"),
        needed={"P-256": 4, "Ed25519": 1},
        compared=True,
    ),
    # The signature, and the chain that comes with it: two certificates by authorities with P-384 keys.
    Case(name="notation, JWS, P-256", samples=_recorded("notation-jws"), needed={"P-256": 1, "P-384": 2}),
    Case(name="notation, COSE, P-256", samples=_recorded("notation-cose"), needed={"P-256": 1, "P-384": 2}),
)


def run(quick: bool) -> Iterator[dict[str, object]]:
    """Yield the figures of design's table: rates by format, then the memory of a large attestation."""
    for case in CASES:
        yield from _rates(case, rounds=5, seconds=0.1 if quick else 0.5)
    yield from _memory(1 if quick else 3)


def _rates(case: Case, *, rounds: int, seconds: float) -> Iterator[dict[str, object]]:
    """Measure in turns, so that what else the machine does falls on all alike."""
    samples = case.samples(64)
    for sample in samples:
        _held(sample)
    ours, least, other = [], [], []
    mine, perform = [sample.findings for sample in samples], bare(case.needed)
    theirs = _sigstore(samples) if case.compared else None
    for _ in range(rounds):
        ours.append(_rate(mine, seconds))
        least.append(_rate([perform], seconds))
        if theirs is not None:
            other.append(_rate(theirs, seconds))
    value, reference = median(ours), median(least)
    operations = ", ".join(f"{count} {kind}" for kind, count in case.needed.items())
    yield figure(
        "verify",
        case.name,
        value,
        "verifications/s/core",
        reference=f"bare public-key operations: {operations}",
        reference_value=reference,
        budget=1 / (1 / reference + _BEYOND_BARE_SECONDS) if case.fast else _SHARE,
        of_ratio=not case.fast,
    )
    if other:
        yield figure(
            "verify",
            f"{case.name}, beside sigstore-python",
            value,
            "verifications/s/core",
            reference="sigstore-python",
            reference_value=median(other),
            budget=_TIMES_SIGSTORE,
            of_ratio=True,
        )


def _held(sample: Sample) -> None:
    """Make sure that what is measured is a verification that succeeds."""
    findings = sample.findings()
    if not any(finding.established for finding in findings):
        seen = "; ".join(f"{finding.reason.value}: {finding.detail}" for finding in findings)
        raise RuntimeError(f"a sample of the bench does not hold: {seen}")


def _rate(performs: Sequence[Perform], seconds: float) -> float:
    """Return calls a second of processor time: other work on the machine does not count."""
    turn = cycle(performs)
    count, batch = 0, max(8, len(performs))
    start = time.process_time()
    while (spent := time.process_time() - start) < seconds:
        for perform in islice(turn, batch):
            perform()
        count += batch
    return count / spent


def _sigstore(samples: Sequence[Sample]) -> list[Perform]:
    """Return the same verifications by sigstore-python, under the same trust and with the identity that was used."""
    from sigstore.models import Bundle, TrustedRoot
    from sigstore.verify import Verifier
    from sigstore.verify.policy import Identity

    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        file.write(read_vector("trusted_root.json"))
        file.flush()
        verifier = Verifier(trusted_root=TrustedRoot.from_file(file.name))

    def performing(sample: Sample) -> Perform:
        text = sample.evidence.body.decode()
        policy = Identity(identity=sample.raw["identity"], issuer=sample.raw["issuer"])
        return lambda: verifier.verify_dsse(Bundle.from_json(text), policy)

    return [performing(sample) for sample in samples]


# --- a large attestation ---


def _memory(rounds: int) -> Iterator[dict[str, object]]:
    """Sign an attestation over a 50 MiB SBOM and verify it in a child process."""
    key = new_key("P-256")
    image = _plain_image()
    with tempfile.TemporaryDirectory(prefix="preverify-bench-") as place:
        layer, public = Path(place, "layer"), Path(place, "key.pub")
        layer.write_bytes(enveloped(_sbom_statement(image), key).body)
        spki = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        public.write_bytes(spki)
        seen = [_in_child(layer, public, image) for _ in range(rounds)]
    yield figure(
        "verify",
        "peak memory above idle, attestation of a 50 MiB SBOM",
        median([each["peak"] - each["idle"] for each in seen]),
        "MiB",
        budget=_BUDGET_MIB,
        at_most=True,
    )
    yield figure("verify", "time of the same", median([each["seconds"] for each in seen]), "s")


def _plain_image() -> Image:
    manifest = b"{}"
    subject = Subject(Repository("registry.bench", "app"), Digest.of(manifest))
    return Image(subject=subject, manifest=manifest, media_type="application/vnd.oci.image.manifest.v1+json")


def _in_child(layer: Path, public: Path, image: Image) -> dict[str, Any]:
    command = [sys.executable, "-m", "preverify.bench.large", str(layer), str(public), str(image.subject.digest)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - our own interpreter
    seen: dict[str, Any] = json.loads(done.stdout)
    if seen["reasons"] != ["ok"]:
        raise RuntimeError(f"the large attestation does not hold: {', '.join(seen['reasons'])}")
    return seen


def _sbom_statement(image: Image) -> bytes:
    """Return a statement whose SPDX document has 50 MiB, as scanners write them: packages with a few members each."""
    digest = image.subject.digest
    subject = json.dumps([{"name": "app", "digest": {digest.algorithm: digest.hex}}])
    package = (
        '{"SPDXID":"SPDXRef-Package-%06d","name":"package-%06d","versionInfo":"1.%d.0","downloadLocation":"NOASSERTION",'
        '"licenseConcluded":"NOASSERTION","licenseDeclared":"Apache-2.0","copyrightText":"NOASSERTION","externalRefs":'
        '[{"referenceCategory":"PACKAGE-MANAGER","referenceType":"purl","referenceLocator":"pkg:npm/package-%06d@1.%d.0"}]}'
    )
    head = (
        '{"_type":"https://in-toto.io/Statement/v1","subject":' + subject + ',"predicateType":"' + _SPDX + '",'
        '"predicate":{"spdxVersion":"SPDX-2.3","dataLicense":"CC0-1.0","SPDXID":"SPDXRef-DOCUMENT","name":"app",'
        '"documentNamespace":"https://spdx.example/app","packages":['
    )
    count = _SBOM_BYTES // len(package % (0, 0, 0, 0, 0)) + 1
    packages = ",".join(package % (n, n, n, n, n) for n in range(count))
    return (head + packages + "]}}").encode()


__all__ = ["CASES", "run"]
