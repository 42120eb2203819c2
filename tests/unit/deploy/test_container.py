"""The Containerfile: its form in every run, its steps in a Debian root where mmdebstrap can make one."""

import json
import os
import re
import shutil
import subprocess
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from support.containerfile import Build, Step, host_network_settings, parse, substitute

ROOT = Path(__file__).resolve().parents[3]
CONTAINERFILE = ROOT / "deploy" / "container" / "Containerfile"
IGNORED = CONTAINERFILE.with_name("Containerfile.dockerignore")
"""Beside the Containerfile and of its name: podman, buildah and BuildKit look there before the root of the context."""
STEPS = parse(CONTAINERFILE.read_text())


def _last_stage() -> tuple[Step, ...]:
    start = max(number for number, step in enumerate(STEPS) if step.keyword == "FROM")
    return STEPS[start:]


def _one(keyword: str) -> str:
    (found,) = (step.arguments for step in _last_stage() if step.keyword == keyword)
    return found


def test_it_runs_as_nobody_in_particular_and_without_a_shell() -> None:
    assert _one("USER") == "65532:65532"
    assert json.loads(_one("ENTRYPOINT")) == ["/opt/preverify/bin/preverify"]
    assert json.loads(_one("CMD"))[0] == "serve"


def test_labels_say_what_it_is() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    labels = _one("LABEL")
    assert f'org.opencontainers.image.version="{project["version"]}"' in labels
    assert f'org.opencontainers.image.licenses="{project["license"]}"' in labels


def test_every_package_is_checked_against_the_lock_and_later_steps_take_no_others() -> None:
    runs = [step.arguments for step in STEPS if step.keyword == "RUN"]
    pip = [
        command
        for run in runs
        for command in run.split("&&")
        if re.search(r"bin/pip (install|download|wheel)", command)
    ]
    assert len(pip) >= 4
    fetching = [command for command in pip if "--no-index" not in command]
    assert len(fetching) == 1
    assert "--require-hashes" in fetching[0]
    assert "-r requirements.lock" in fetching[0]


def test_what_it_copies_is_there_and_not_ignored() -> None:
    kept = {line[1:] for line in IGNORED.read_text().splitlines() if line.startswith("!")}
    for step in STEPS:
        if step.keyword == "COPY" and not step.arguments.startswith("--from"):
            for source in step.arguments.split()[:-1]:
                assert (ROOT / source).exists(), source
                assert source in kept, f"{source} is left out by {IGNORED.name}"


def test_the_reader_joins_lines_and_drops_comments() -> None:
    assert parse("# c\nRUN a && \\\n    b\n\nUSER 1\n") == (Step("RUN", "a &&      b"), Step("USER", "1"))
    assert substitute("${A}-$B-$C", {"A": "1", "B": "2"}) == "1-2-"


def test_the_runner_refuses_instructions_that_it_does_not_know(tmp_path: Path) -> None:
    build = Build(context=tmp_path, base=tmp_path, work=tmp_path, arguments={}, environment={})
    with pytest.raises(ValueError, match="does not know"):
        build.run((Step("HEALTHCHECK", "NONE"),))


@pytest.mark.tools_all
@pytest.mark.timeout(3600)
def test_its_steps_work_in_a_debian_root(tool: Callable[[str], Path], tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("chroot needs root; run the suite as root for this test")
    base = tmp_path / "base"
    subprocess.run(
        [tool("mmdebstrap"), "--variant=minbase", "--include=ca-certificates", "bookworm", base],
        check=True,
        timeout=1200,
    )
    sources = Path("/etc/apt/sources.list")
    if sources.exists():
        shutil.copyfile(sources, base / "etc/apt/sources.list")
    for extra in Path("/etc/apt/apt.conf.d").glob("*proxy*"):
        shutil.copy2(extra, base / "etc/apt/apt.conf.d" / extra.name)
    pip_conf = Path("/etc/pip.conf")
    if pip_conf.exists():
        shutil.copyfile(pip_conf, base / "etc/pip.conf")
    work = tmp_path / "stages"
    work.mkdir()
    build = Build(
        context=ROOT, base=base, work=work, arguments=dict(os.environ), environment=dict(host_network_settings())
    )
    final = build.run(STEPS)

    program = "/opt/preverify/bin/preverify"
    version = build.chroot(final, [program, "version"], seconds=60)
    assert version.returncode == 0, version.stderr
    assert version.stdout.strip() == tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    who = build.chroot(final, ["/usr/bin/python3", "-c", "import os; print(os.getuid(), os.getgid(), os.getgroups())"])
    assert who.stdout.strip() == "65532 65532 []"
    denied = build.chroot(final, ["/usr/bin/python3", "-c", "open('/opt/preverify/x', 'w')"])
    assert "Permission denied" in denied.stderr
    allowed = build.chroot(final, ["/usr/bin/python3", "-c", "open('/var/lib/preverify/x', 'w')"])
    assert allowed.returncode == 0, allowed.stderr
    config = final.root / "etc/preverify/preverify.yaml"
    config.write_text("apiVersion: preverify/v1\nkind: Config\n")
    upgraded = build.chroot(final, [program, "db", "upgrade", "--config", "/etc/preverify/preverify.yaml"], seconds=120)
    assert upgraded.returncode == 0, upgraded.stderr
    assert (final.root / "var/lib/preverify/preverify.db").exists()
    installed = {path.name for path in (final.root / "opt/preverify/lib").glob("python3*/site-packages/*")}
    assert not {"pytest", "pip", "mypy", "ruff"} & installed, "nothing of development is in the image"
    for directory in (base, work):  # whole systems: not kept among pytest's last runs
        shutil.rmtree(directory)
