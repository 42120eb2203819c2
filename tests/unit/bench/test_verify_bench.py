"""The verification benchmark measures verifications that succeed, and carries all that they need."""

import sys
from pathlib import Path

import pytest

from preverify.bench.operations import bare
from preverify.bench.samples import recorded, signed
from preverify.bench.verify import CASES, run
from support import bench_vectors

FIELDS = {"bench", "case", "value", "unit", "reference", "reference_value", "ratio", "peer_value", "budget", "holds"}
SHIPPED = Path(sys.modules["preverify.bench"].__path__[0]) / "vectors"


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_every_sample_holds_and_its_operations_can_be_performed(case: object) -> None:
    samples = case.samples(3)
    assert samples
    assert all([finding.reason.value for finding in sample.findings()] == ["ok"] for sample in samples)
    bare(case.needed)()


def test_samples_by_key_are_all_different() -> None:
    assert len({sample.evidence.id for sample in signed("bundle", "P-256", 8)}) == 8


@pytest.mark.parametrize("name", sorted(bench_vectors.VECTORS))
def test_recorded_evidence_is_of_the_cases_that_are_named(name: str) -> None:
    assert tuple(sample.raw["case"] for sample in recorded(name)) == bench_vectors.VECTORS[name]


def test_making_the_vectors_again_changes_nothing(tmp_path: Path) -> None:
    bench_vectors.main(tmp_path)
    made = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert made == {path.name: path.read_bytes() for path in SHIPPED.iterdir() if path.suffix != ".md"}


@pytest.mark.slow
def test_the_quick_run_gives_every_figure() -> None:
    figures = list(run(quick=True))
    assert all(set(one) == FIELDS and one["bench"] == "verify" for one in figures)
    cases = " | ".join(str(one["case"]) for one in figures)
    for words in (
        "P-384",
        "Ed25519",
        "RSA-2048",
        "attestation by key",
        "Rekor v1",
        "Rekor v2",
        "JWS",
        "COSE",
        "50 MiB",
    ):
        assert words in cases
    assert sum(one["reference"] == "sigstore-python" for one in figures) == 2
    compared = [one for one in figures if one["unit"] == "verifications/s/core"]
    assert all(isinstance(one["ratio"], float) and one["ratio"] > 0 for one in compared)
