"""Imported trust policies beside what notation itself concluded under them about the fixtures."""

from collections.abc import Iterator
from pathlib import Path

import pytest

import corpus
from preverify.policy.importers import translate
from preverify.trust.files import list_files
from support import import_oracles, signed
from support.import_oracles import FIXTURES

CASES = [
    case
    for case in signed.cases().values()
    if case["format"] == "notation" and not case.get("served_by") and not case["trust"].get("user_metadata")
]
CONFIGURED = sorted({case["trust"]["config"] for case in CASES})


@pytest.fixture(scope="module", autouse=True)
def _revocation_lists() -> Iterator[None]:
    with corpus.revocation_lists(FIXTURES):
        yield


@pytest.mark.timeout(300)
@pytest.mark.parametrize("configured", CONFIGURED)
def test_images_pass_where_notation_verified_them(configured: str, tmp_path: Path) -> None:
    """The fixtures' answers were checked with notation, each under its configuration."""
    document = FIXTURES / configured / "notation" / "trustpolicy.json"
    made = translate(
        [(str(document), document.read_bytes())],
        lambda name: Path(name).read_bytes(),
        list_files=lambda directory: list_files(Path(directory), ""),
    )
    cases = {
        f"{import_oracles.SIGNED_AS}/{case['repo']}@{case['digest']}": case["expected"] == "verified"
        for case in CASES
        if case["trust"]["config"] == configured
    }
    ours = import_oracles.passes(import_oracles.loaded(made, tmp_path), cases)
    assert {name: not why for name, why in ours.items()} == cases
