"""The benchmark of matching measures what it says, on whatever it is given."""

import json

import pytest

from preverify.bench import BENCHES, scan
from preverify.commands.app import run


def test_every_figure_is_printed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(scan, "_QUICK_RECORDS", 700)
    monkeypatch.setattr(scan, "_QUICK_IMAGES", 2)
    assert run(["bench", "scan", "--quick"]) == 0
    figures = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {figure["bench"] for figure in figures} == {"scan"}
    assert [figure["unit"] for figure in figures] == [
        "records/s",
        "MiB",
        "ms",
        "components/s",
        "components/s",
        "ms",
        "MiB",
        "MiB",
    ]
    assert all(figure["value"] > 0 for figure in figures[:6])
    (matching,) = [figure for figure in figures if figure["reference"]]
    findings = int(matching["case"].rpartition(", ")[2].split()[0])
    assert findings > 0, "bills that match nothing measure nothing"


def test_the_same_bill_is_made_each_time() -> None:
    assert scan._inventory(3, 1_000) == scan._inventory(3, 1_000) != scan._inventory(4, 1_000)
    assert "scan" in BENCHES
