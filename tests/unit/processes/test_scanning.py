"""An image without any bill of materials: the real Syft makes one, shut in, and it is matched; over a real registry."""

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from preverify import changing
from preverify.demo.content import Manifest, digest_of
from preverify.model.evidence import Format
from preverify.model.reasons import Reason
from preverify.model.verdicts import Outcome
from preverify.policy.documents import load
from preverify.policy.policies import PolicySet
from preverify.scanners import SCANNERS
from preverify.scanners.database.building import build
from preverify.scanners.database.holding import Holding
from preverify.scanners.external import ExternalScanner
from preverify.scanners.offline import OfflineVulnerabilities
from preverify.scanners.remembering import RememberingScanner
from preverify.scanners.sandbox.running import ScannerSpec
from support.scanning import SYFT
from support.working import REPO, Bench, working

pytestmark = pytest.mark.usefixtures("shut_in")

OCI = "application/vnd.oci.image."
METADATA = b"Metadata-Version: 2.1\nName: requests\nVersion: 2.19.0\n"
RECORD = {
    "id": "GHSA-x84v-xcm2-53pg",
    "modified": "2026-01-01T00:00:00Z",
    "published": "2018-10-29T19:06:46Z",
    "aliases": ["CVE-2018-18074"],
    "severity": [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H"}],
    "affected": [
        {
            "package": {"ecosystem": "PyPI", "name": "requests"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "2.20.0"}]}],
        }
    ],
}


def policies(scanner: str) -> PolicySet:
    text = (
        "apiVersion: preverify/v1\nkind: Policy\nmetadata: {name: clean}\nspec: {images: ['**'], require: ["
        f"{{name: clean, vulnerabilities: {{scanner: {scanner}, maxSeverity: high, maxDatabaseAge: 3650d}}}}]}}\n"
    )
    return load([("policy.yaml", text.encode())], lambda _: b"")


def activate(bench: Bench, wanted: PolicySet) -> None:
    store, registry = bench.store, bench.worker.sources["shop"].registry
    staged = store.generations.stage(wanted.document, wanted.digest, now=bench.clock.now())
    changing.activate(
        store.history,
        store.statements,
        store.generations,
        staged,
        clock=bench.clock,
        publishing=lambda _: False,
        more=changing.completing(lambda _: registry, revocations=None, clock=bench.clock, scanner=bench.worker.scanner),
        database=bench.worker.database,
    )


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with working(tmp_path) as found:
        spec = ScannerSpec(tool=SCANNERS["syft"], path=SYFT, sha256=hashlib.sha256(SYFT.read_bytes()).hexdigest())
        found.worker.scanner = RememberingScanner(
            ExternalScanner(spec), identity=spec.sha256, directory=tmp_path / "scans"
        )
        (tmp_path / "record.json").write_text(json.dumps(RECORD))
        now = datetime(2026, 1, 2, tzinfo=UTC)
        build([tmp_path / "record.json"], out=tmp_path / "built.db", kev=None, epss=None, now=now)
        holding = Holding(tmp_path / "vulnerabilities")
        with holding.room("database") as room:
            room.write((tmp_path / "built.db").read_bytes())
            holding.take_in(room, reference="r", image="i", now=now, allow_older=False)
        found.worker.database = OfflineVulnerabilities(holding)
        yield found


def push(bench: Bench, tag: str) -> str:
    """Push an image with one Python package in its only layer."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        entry = tarfile.TarInfo("usr/lib/python3.12/site-packages/requests-2.19.0.dist-info/METADATA")
        entry.size = len(METADATA)
        archive.addfile(entry, io.BytesIO(METADATA))
    layer = gzip.compress(packed.getvalue(), mtime=0)
    diff = "sha256:" + hashlib.sha256(packed.getvalue()).hexdigest()
    config = json.dumps(
        {"os": "linux", "architecture": "amd64", "config": {}, "rootfs": {"type": "layers", "diff_ids": [diff]}}
    ).encode()
    parts = []
    for data, kind in ((config, "config.v1+json"), (layer, "layer.v1.tar+gzip")):
        bench.content.blobs[digest_of(data)] = data
        parts.append({"mediaType": OCI + kind, "digest": digest_of(data), "size": len(data)})
    manifest = json.dumps(
        {"schemaVersion": 2, "mediaType": f"{OCI}manifest.v1+json", "config": parts[0], "layers": parts[1:]}
    ).encode()
    digest = digest_of(manifest)
    bench.content.put_manifest(REPO, digest, Manifest(media_type=f"{OCI}manifest.v1+json", content=manifest), tag)
    return digest


def test_what_nobody_attested_is_scanned_matched_and_denied(bench: Bench, tmp_path: Path) -> None:
    activate(bench, policies("true"))
    digest = push(bench, "v1")
    bench.sweep()
    verdict = bench.verdict(digest)
    assert verdict is not None
    assert (verdict.outcome, verdict.reasons[0].reason) == (Outcome.FAILED, Reason.VULNERABILITY_FOUND)
    assert "CVE-2018-18074 in requests 2.19.0" in verdict.reasons[0].detail
    gathered = bench.store.history.gathered(bench.subject(digest))
    assert gathered is not None
    assert [e.format for e in gathered.evidence] == [Format.SCANNER_SBOM, Format.MATCHES]
    replays = list(changing.replay(bench.store.history, bench.store.generations, [verdict.id]))
    assert [each.same for each in replays] == [True]
    assert len(list((tmp_path / "scans").iterdir())) == 1


def test_a_scanner_that_is_another_file_leaves_the_image_undecided(bench: Bench, tmp_path: Path) -> None:
    activate(bench, policies("true"))
    spec = ScannerSpec(tool=SCANNERS["syft"], path=SYFT, sha256="0" * 64)
    bench.worker.scanner = RememberingScanner(ExternalScanner(spec), identity=spec.sha256, directory=tmp_path / "none")
    digest = push(bench, "v1")
    bench.sweep()
    verdict = bench.verdict(digest)
    assert verdict is not None
    assert (verdict.outcome, verdict.reasons[0].reason) == (Outcome.UNDECIDED, Reason.DIGEST_MISMATCH)


def test_without_a_scanner_the_rule_says_what_to_configure(bench: Bench) -> None:
    activate(bench, policies("true"))
    bench.worker.scanner = None
    digest = push(bench, "v1")
    bench.sweep()
    verdict = bench.verdict(digest)
    assert verdict is not None
    assert verdict.outcome is Outcome.UNDECIDED
    assert "vulnerabilities.scanner" in verdict.reasons[0].detail


def test_a_new_policy_has_known_images_scanned_first(bench: Bench) -> None:
    text = "apiVersion: preverify/v1\nkind: Policy\nmetadata: {name: c}\nspec: {images: ['**'], require: ["
    unasked = load([("p.yaml", f"{text}{{name: c, config: {{nonRoot: true}}}}]}}\n".encode())], lambda _: b"")
    activate(bench, unasked)
    digest = push(bench, "v1")
    bench.sweep()
    activate(bench, policies("true"))
    verdict = bench.verdict(digest)
    assert verdict is not None
    assert verdict.reasons[0].reason is Reason.VULNERABILITY_FOUND
