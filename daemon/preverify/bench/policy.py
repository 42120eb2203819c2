"""`preverify bench policy`: what a change of policies costs over everything that is known."""

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from preverify import changing
from preverify.bench.figures import figure, median
from preverify.clock import SystemClock
from preverify.model.contents import Scan, Severity, Vulnerability
from preverify.model.digest import Digest
from preverify.model.evidence import Gathered, Image
from preverify.model.findings import Claim, Finding, Step
from preverify.model.keys import TrustedKey
from preverify.model.reasons import Reason
from preverify.model.reference import Repository, Subject
from preverify.policy.documents import load
from preverify.policy.policies import PolicySet
from preverify.policy.simulate import Known, compare
from preverify.ports import Recording
from preverify.store import Store, open_store, upgrade

POSTGRES = "PREVERIFY_BENCH_POSTGRES"
"""Environment variable with the URL of an empty Postgres database; without it only SQLite is measured."""
NOW = datetime(2026, 12, 1, tzinfo=UTC)
_PROVENANCE = "https://slsa.dev/provenance/v1"
_VULN = "https://cosign.sigstore.dev/attestation/vuln/v1"
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_BATCH = 500
_PLAIN_BUDGET, _SCAN_BUDGET, _GROWTH_BUDGET = 30_000, 2_000, 1.25

_SIGNERS = "apiVersion: preverify/v1\nkind: Signers\nmetadata: {name: bench}\nspec:\n" + "".join(
    f"  {name}: {{key: {{file: {name}.pub}}, tlog: none}}\n" for name in ("release", "security", "builder")
)
_RULES = (
    "{name: signed, signature: {by: {any: [release]}}}",
    "{name: approved, signature: {by: {any: [security]}}}",
    "{name: built, attestation: {type: slsa-provenance, by: {any: [builder]}}}",
)
_MORE = "{name: twice, signature: {by: {all: [release, security]}}}"
_SCANNED = "{name: no-critical, vulnerabilities: {scans: {by: {any: [builder]}}, maxSeverity: high, maxScanAge: 30d}}"
_CEL = (
    "{name: asked, cel: {by: {any: [release, builder]}, expression: \"signatures.exists(s, 'release' in s.signers)\"}}"
)
_CEL_SCANNED = (
    "{name: asked, cel: {by: {any: [builder]}, maxScanAge: 30d, expression: "
    "\"vulnerabilities.all(v, v.severity != 'critical')\"}}"
)


def run(quick: bool) -> Iterator[dict[str, object]]:
    """Yield subjects a second for decisions in memory, then for simulations over databases of two sizes."""
    subjects, rounds = (2_000, 1) if quick else (20_000, 5)
    bench = _Bench()
    bare = _bare(subjects)
    cases = [
        ("4 findings, 3 rules", _RULES, False, _PLAIN_BUDGET),
        ("4 findings, 3 rules, with a 200-finding scan", (*_RULES, _SCANNED), True, _SCAN_BUDGET),
        *bench.with_cel(),
    ]
    for name, rules, scanned, budget in cases:
        policies, known = (
            bench.policies(*rules),
            bench.known(max(subjects // (20 if scanned else 1), 100), scanned=scanned),
        )
        yield figure(
            "policy",
            f"decided in memory: {name}",
            median([_rate(policies, known) for _ in range(rounds)]),
            "subjects/s/core",
            reference="frozen values built, 1 a subject",
            reference_value=bare,
            budget=budget,
        )
    sizes = (500, 5_000) if quick else (10_000, 100_000)
    for database in ("SQLite", "Postgres"):
        yield from _simulated(bench, database, sizes)


def _simulated(bench: "_Bench", database: str, sizes: tuple[int, int]) -> Iterator[dict[str, object]]:
    with _opened(database) as store:
        if store is None:
            return
        current, new = bench.policies(*_RULES), bench.policies(*_RULES, _MORE)
        rates, filled = [], 0
        for size in sizes:
            bench.fill(store, filled, size)
            filled = size
            start = time.process_time()
            report = changing.simulate(store.history, current, new, clock=SystemClock())
            rates.append(report.considered / (time.process_time() - start))
            if report.considered != size:
                raise RuntimeError(f"{report.considered} subjects were simulated, expected {size}")
        small, large = rates
        yield figure(
            "policy",
            f"simulated over {sizes[1]} subjects in {database}",
            large,
            "subjects/s/core",
            reference=f"over {sizes[0]} subjects",
            reference_value=small,
        )
        yield figure(
            "policy",
            f"cost a subject in {database}, {sizes[1]} against {sizes[0]}",
            1e6 / large,
            "µs",
            reference=f"over {sizes[0]} subjects",
            reference_value=1e6 / small,
            budget=_GROWTH_BUDGET,
            at_most=True,
            of_ratio=True,
        )


def _rate(policies: PolicySet, known: list[Known]) -> float:
    """Return decisions a second of processor time: one policy, every subject, against the same set."""
    start = time.process_time()
    report = compare(policies, policies, known, now=NOW)
    if report.unchanged != len(known):
        raise RuntimeError(f"{report.unchanged} of {len(known)} answers stay, expected all")
    return len(known) / (time.process_time() - start)


def _bare(count: int) -> float:
    """Return how often one small frozen value is built a second: the machine's own pace, in this run."""
    subject = Subject(Repository("registry.example", "a"), Digest.of(b"x"))
    start = time.process_time()
    for _ in range(count):
        Image(subject=subject, manifest=b"", media_type=_MANIFEST)
    return count / (time.process_time() - start)


@contextmanager
def _opened(database: str) -> Iterator[Store | None]:
    url = os.environ.get(POSTGRES, "")
    if database == "Postgres" and not url:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="preverify-bench-") as name:
        url = url if database == "Postgres" else f"sqlite:///{name}/preverify.db"
        upgrade.upgrade(url)
        store = open_store(url, Path(name), SystemClock())
        try:
            yield store
        finally:
            store.close()


class _Bench:
    """Keys, policies and subjects, all made here."""

    def __init__(self) -> None:
        keys = {
            name: ec.generate_private_key(ec.SECP256R1()).public_key() for name in ("release", "security", "builder")
        }
        self._pems = {
            f"{name}.pub": key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
            for name, key in keys.items()
        }
        self._ids = {
            name: TrustedKey(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).id
            for name, key in keys.items()
        }
        self._scan = Scan(
            scanner="bench",
            finished=NOW - timedelta(hours=1),
            database_at=NOW - timedelta(hours=2),
            vulnerabilities=tuple(
                Vulnerability(
                    id=f"CVE-2026-{n}",
                    purl=f"pkg:deb/debian/package{n}@1.{n}",
                    package=f"package{n} 1.{n}",
                    severity=(Severity.LOW, Severity.MEDIUM, Severity.HIGH)[n % 3],
                    score=3.0 + n % 6,
                    published=NOW - timedelta(days=n),
                )
                for n in range(200)
            ),
        )

    def policies(self, *rules: str) -> PolicySet:
        """Return one policy with these rules."""
        text = (
            f"{_SIGNERS}---\napiVersion: preverify/v1\nkind: Policy\nmetadata: {{name: bench}}\n"
            f"spec: {{images: ['registry.example/**'], require: [{', '.join(rules)}]}}\n"
        )
        return load([("bench.yaml", text.encode())], self._pems.__getitem__)

    def with_cel(self) -> list[tuple[str, tuple[str, ...], bool, float | None]]:
        """Return the cases with CEL; none where it is not installed."""
        try:
            import cel_expr_python  # noqa: F401
        except ImportError:
            return []
        return [
            ("4 findings, 3 rules and CEL", (*_RULES, _CEL), False, None),
            ("4 findings, 3 rules, CEL over a 200-finding scan", (*_RULES, _SCANNED, _CEL_SCANNED), True, None),
        ]

    def known(self, count: int, *, scanned: bool) -> list[Known]:
        """Return subjects as history keeps them."""
        return [
            Known(
                gathered=self._gathered(n),
                findings=self._findings(n),
                contents={"5" * 64: self._scan} if scanned else {},
            )
            for n in range(count)
        ]

    def fill(self, store: Store, first: int, last: int) -> None:
        """Record subjects `first` to `last`, 4 findings each, as looks do."""
        anchors = tuple(self._ids.values())
        for start in range(first, last, _BATCH):
            recordings = [
                Recording(
                    source="bench",
                    subject=self._gathered(n).image.subject,
                    gathered=self._gathered(n),
                    findings=self._findings(n),
                    verdicts=(),
                    anchors=anchors,
                    cause="push",
                    generation=1,
                )
                for n in range(start, min(start + _BATCH, last))
            ]
            store.history.record(recordings, now=NOW)

    def _gathered(self, n: int) -> Gathered:
        manifest = b'{"schemaVersion":2,"n":%d}' % n
        subject = Subject(Repository("registry.example", f"team{n % 50}/app{n % 500}"), Digest.of(manifest))
        return Gathered(image=Image(subject=subject, manifest=manifest, media_type=_MANIFEST), fingerprint=str(n))

    def _findings(self, n: int) -> tuple[Finding, ...]:
        signed = Finding(
            evidence=f"sha256:{n:064x}",
            format="cosign-signature",
            claim=Claim.SIGNATURE,
            step=Step.ESTABLISHED,
            reason=Reason.OK,
            detail="",
            signer=self._ids["release"],
            place="sig-tag",
        )
        attested = replace(
            signed,
            format="sigstore-bundle",
            claim=Claim.ATTESTATION,
            signer=self._ids["builder"],
            predicate_type=_PROVENANCE,
            predicate=(("builder.id", "https://ci.example/builder"), ("source.uri", f"https://example/{n}")),
        )
        return (
            signed,
            replace(signed, evidence=f"sha256:1{n:063x}", signer=self._ids["security"]),
            replace(attested, evidence=f"sha256:2{n:063x}", statement=f"{n:064x}"),
            replace(attested, evidence=f"sha256:3{n:063x}", predicate_type=_VULN, statement="5" * 64),
        )
