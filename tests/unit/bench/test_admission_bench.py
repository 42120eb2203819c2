"""The admission benchmark runs, gives every figure of its table, and leaves no process behind."""

import pytest

from preverify.bench.admission import run

FIELDS = {"bench", "case", "value", "unit", "reference", "reference_value", "ratio", "peer_value", "budget", "holds"}


@pytest.mark.slow
def test_the_quick_run_gives_every_figure() -> None:
    figures = list(run(quick=True))
    assert all(set(one) == FIELDS and one["bench"] == "admission" for one in figures)
    cases = " | ".join(str(one["case"]) for one in figures)
    for words in ("start of", "lookup, 1 digest", "AdmissionReview, 1 image", "p99, idle", "64 MiB SBOM", "resident"):
        assert words in cases
    compared = [one for one in figures if one["unit"] == "requests/s"]
    assert all(isinstance(one["ratio"], float) and one["ratio"] > 0 for one in compared)
