"""Installing real tools: what is there stays, what cannot be had is said and stops nothing."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import tools

SH, CHMOD, ENV, MKDIR = (shutil.which(name) or name for name in ("sh", "chmod", "env", "mkdir"))


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("PREVERIFY_TOOLS", str(tmp_path / "cache"))
    return tmp_path / "cache"


def program(directory: Path, name: str, body: str) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / name
    path.write_text(f"#!{SH}\n{body}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def only(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A PATH with nothing on it but what the test puts there."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return tmp_path / "bin"


def go(only: Path) -> None:
    """A `go` that notes how it was called and makes a program where the real one would."""
    program(
        only,
        "go",
        f'echo "$@" >>{only}/calls\n'
        'case "$1" in install) out=$GOBIN/made;; build) for a; do [ "$p" = -o ] && out=$a; p=$a; done;;\n'
        "mod|get) exit 0;; *) exit 1;;\n"
        "esac\n"
        f"printf x >$out; {CHMOD} 755 $out",
    )


def calls(only: Path) -> list[str]:
    return (only / "calls").read_text().splitlines()


def test_a_module_is_built_once_for_each_version(only: Path, cache: Path) -> None:
    go(only)
    assert tools.go_module("crane", "example.com/cmd/crane@v1.0.0") == "built"
    assert tools.go_module("crane", "example.com/cmd/crane@v1.0.0") == "present"
    assert tools.go_module("crane", "example.com/cmd/crane@v1.1.0") == "built"
    assert calls(only) == [f"install -trimpath example.com/cmd/crane@v1.{minor}.0" for minor in (0, 1)]
    assert (cache / "crane").read_text() == "x"
    assert (cache / "crane.version").read_text() == "example.com/cmd/crane@v1.1.0\n"


def test_a_program_without_a_stamp_is_asked_what_it_was_built_from(only: Path, cache: Path) -> None:
    built = "path\texample.com/v2/cmd/crane\n\tmod\texample.com/v2\tv2.6.5\th1:xx="
    program(cache, "crane", "")
    program(only, "go", f'echo "{built}"')
    assert tools.go_module("crane", "example.com/v2/cmd/crane@v2.6.5") == "present"
    assert tools.installed_version(cache / "crane") == "example.com/v2/cmd/crane@v2.6.5"


@pytest.mark.parametrize("body", ["exit 1", "echo nonsense"])
def test_a_program_that_says_nothing_of_itself_has_no_version(only: Path, cache: Path, body: str) -> None:
    program(cache, "crane", "")
    program(only, "go", body)
    assert tools.installed_version(cache / "crane") == ""


def test_our_own_program_is_built_again_when_its_source_changed(
    only: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    go(only)
    source = tmp_path / "support" / "mine"
    source.mkdir(parents=True)
    monkeypatch.setattr(tools, "SUPPORT", tmp_path / "support")
    with pytest.raises(tools.Unavailable, match=r"has no main\.go"):
        tools.own_main("mine")
    (source / "main.go").write_text("package main")
    assert [tools.own_main("mine"), tools.own_main("mine")] == ["built", "present"]
    (source / "main.go").write_text("package main // changed")
    assert tools.own_main("mine") == "built"


def test_what_cannot_be_had_is_said_and_the_others_go_on(
    only: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tools, "find", lambda _name: False)
    monkeypatch.setattr(tools.sys, "executable", str(only / "python"))
    assert tools.main(["all"]) == 0
    printed = capsys.readouterr().out
    assert "there is no apt-get here; by other means: docker-registry prometheus skopeo softhsm2" in printed
    assert "there is no apt-get here; by other means: mmdebstrap postgresql" in printed
    everything = (*tools.OWN_MAINS, *tools.HEAVY_OWN_MAINS, *tools.GO_MODULES, *tools.HEAVY_GO_MODULES)
    for name in (*everything, *tools.HEAVY_WHEELS):
        assert f"  {name:<19} NOT AVAILABLE, its tests are skipped: " in printed


def test_apt_needs_root_or_a_sudo_that_asks_nothing(only: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(only, "apt-get", f'echo "$@" >>{only}/calls')
    monkeypatch.setattr(tools, "find", lambda _name: False)
    monkeypatch.setattr(tools.os, "geteuid", lambda: 1000)
    program(only, "sudo", "exit 1")
    wanted = "needs root: sudo apt-get install --yes --no-install-recommends docker-registry prometheus skopeo softhsm2"
    with pytest.raises(tools.Unavailable, match=wanted):
        tools.packages(tools.PACKAGES)
    monkeypatch.setattr(tools.os, "geteuid", lambda: 0)
    (only / "env").symlink_to(ENV)
    assert tools.packages(tools.PACKAGES) == "installed docker-registry prometheus skopeo softhsm2"
    assert calls(only) == ["update", "install --yes --no-install-recommends docker-registry prometheus skopeo softhsm2"]


def test_packages_that_are_there_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tools, "find", lambda _name: True)
    assert tools.packages(tools.PACKAGES) == "present"


def test_a_command_that_fails_is_named_with_its_last_words(only: Path) -> None:
    failing = program(only, "failing", "echo one; echo two >&2; exit 3")
    with pytest.raises(tools.Unavailable, match="failing: two"):
        tools.run([str(failing)])
    with pytest.raises(tools.Unavailable, match="nonesuch"):
        tools.run([str(only / "nonesuch")])


def test_a_module_that_replaces_others_is_built_from_one_that_needs_it(only: Path, cache: Path) -> None:
    go(only)
    assert tools.scratch("kyverno", "example.com/cli@v1.0.0", ("a.example/x=b.example/x@v1",)) == "built"
    assert tools.scratch("kyverno", "example.com/cli@v1.0.0", ()) == "present"
    assert [call.partition(" -o")[0] for call in calls(only)] == [
        "mod init scratch",
        "mod edit -replace=a.example/x=b.example/x@v1",
        "get example.com/cli@v1.0.0",
        "build -trimpath -mod=mod",
    ]
    assert (cache / "kyverno").read_text() == "x"


def test_a_program_in_a_wheel_is_taken_once_for_each_digest(
    only: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installs = f'for a; do [ "$p" = --target ] && t=$a; p=$a; done; echo $* >>{only}/calls; {MKDIR} -p $t/x; '
    installs += f"printf y >$t/x/p; {CHMOD} 755 $t/x/p"
    monkeypatch.setattr(tools.sys, "executable", str(program(only, "python", installs)))
    assert tools.wheel("scanner", "x==1", "sha256:aa", "x/p") == "installed"
    assert tools.wheel("scanner", "x==1", "sha256:aa", "x/p") == "present"
    assert tools.wheel("scanner", "x==1", "sha256:bb", "x/p") == "installed"
    assert (cache / "scanner").read_text() == "y"
    assert all("--require-hashes" in call for call in calls(only))
    assert len(calls(only)) == 2


def test_every_tool_that_a_test_asks_for_is_installed_by_somebody() -> None:
    """Else its tests would be skipped for ever, and nobody would see it."""
    import re

    known = {*tools.GO_MODULES, *tools.OWN_MAINS, *tools.PACKAGES, "systemd-analyze"}
    known |= {*tools.HEAVY_GO_MODULES, *tools.HEAVY_SCRATCH, *tools.HEAVY_OWN_MAINS, *tools.HEAVY_PACKAGES}
    known |= {*tools.HEAVY_WHEELS}
    here = Path(__file__).resolve().parent  # these tests ask for tools that do not exist
    for path in sorted(here.parents[1].rglob("*.py")):
        if here not in path.parents:
            asked = set(re.findall(r"""\btool\(["']([\w-]+)["']\)""", path.read_text(encoding="utf-8")))
            assert asked <= known, path


@pytest.mark.tools
def test_the_programs_that_are_installed_are_of_the_pinned_versions(
    tool: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PREVERIFY_TOOLS")
    for name, version in tools.GO_MODULES.items():
        assert tools.installed_version(tool(name)) == version


def test_it_runs_with_the_standard_library_alone() -> None:
    command = [
        sys.executable,
        "-I",
        "-S",
        "-c",
        f"import sys; sys.path.insert(0, {str(Path(tools.__file__).parent)!r}); import tools",
    ]
    subprocess.run(command, check=True, timeout=60)
