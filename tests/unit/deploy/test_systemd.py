"""The systemd unit: verified and scored where systemd's own tool is there."""

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
UNIT = ROOT / "deploy" / "systemd" / "preverify.service"
_OPEN_ON_PURPOSE = frozenset(
    {"PrivateNetwork", "IPAddressDeny", "RestrictAddressFamilies", "DeviceAllow", "RootDirectory", "SystemCallFilter"}
)
_MOST_EXPOSED = 1.5  # of 10; the unit's own score is the record that it must not fall behind


def _settings() -> list[tuple[str, str]]:
    return [tuple(line.split("=", 1)) for line in UNIT.read_text().splitlines() if re.match(r"[A-Z]\w+=", line)]


@pytest.mark.tools
def test_systemd_finds_nothing_wrong(tool: Callable[[str], Path], tmp_path: Path) -> None:
    """The program is not installed at its place here: the unit is verified with one that exists."""
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text().replace("/opt/preverify/bin/preverify", "/bin/true"))
    done = subprocess.run(
        [tool("systemd-analyze"), "verify", "--man=no", unit], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.strip() == ""


@pytest.mark.tools
def test_systemd_finds_nothing_wrong_with_pulling_the_database(tool: Callable[[str], Path], tmp_path: Path) -> None:
    units = [UNIT.with_name(f"preverify-vulnerabilities.{kind}") for kind in ("service", "timer")]
    for unit in units:
        (tmp_path / unit.name).write_text(unit.read_text().replace("/opt/preverify/bin/preverify", "/bin/true"))
    done = subprocess.run(
        [tool("systemd-analyze"), "verify", "--man=no", *(tmp_path / unit.name for unit in units)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.strip() == ""


@pytest.mark.tools
def test_systemd_finds_nothing_wrong_where_a_scanner_runs(tool: Callable[[str], Path], tmp_path: Path) -> None:
    """What scanning needs more than the unit allows lies in a file of its own."""
    unit = tmp_path / UNIT.name
    more = (UNIT.parent / "scanning.conf").read_text()
    unit.write_text(UNIT.read_text().replace("/opt/preverify/bin/preverify", "/bin/true") + "\n" + more)
    done = subprocess.run(
        [tool("systemd-analyze"), "verify", "--man=no", unit], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.strip() == ""


@pytest.mark.tools
def test_its_exposure_does_not_grow(tool: Callable[[str], Path]) -> None:
    done = subprocess.run(
        [tool("systemd-analyze"), "security", "--offline=true", "--json=short", UNIT],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    exposed = {str(row["name"]) for row in json.loads(done.stdout) if row.get("exposure")}
    assert {name.partition("=")[0] for name in exposed} <= _OPEN_ON_PURPOSE
    text = subprocess.run(
        [tool("systemd-analyze"), "security", "--offline=true", "--no-pager", UNIT],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout
    (score,) = re.findall(r"exposure level for preverify\.service: ([0-9.]+)", text)
    assert float(score) <= _MOST_EXPOSED


def test_secrets_come_as_credentials_and_one_directory_is_writable() -> None:
    settings = _settings()
    named = dict(settings)
    assert named["Type"] == "notify"
    assert named["DynamicUser"] == "yes"
    assert named["ProtectSystem"] == "strict"
    assert named["StateDirectory"] == "preverify"
    assert [value for key, value in settings if key in {"ReadWritePaths", "Environment", "EnvironmentFile"}] == []
    assert all(":/etc/preverify/secrets/" in value for key, value in settings if key == "LoadCredential")
    assert re.fullmatch(r"/opt/preverify/bin/preverify serve --config /\S+", named["ExecStart"])
