"""`preverify policy`, on a real database: lint, show, simulate, activate."""

import json
from pathlib import Path

import pytest

from preverify import changing, pipeline, wiring
from preverify.commands.app import run
from preverify.commands.policy import exit_for
from preverify.policy.policies import PolicySet
from preverify.policy.simulate import Effect
from preverify.ports import Recording
from preverify.settings import load
from preverify.store import upgrade
from support import signed
from support.deciding import MemorySource
from support.policies import SIGNED, SIGNERS, policy_text, read_file

IMAGE = signed.image("legacy-unsigned")
SIGNERS_OF_FIXTURES = SIGNERS.replace("release.pub", "ec1.pub").replace("vendor.pub", "ec2.pub")


@pytest.fixture
def policies(tmp_path: Path) -> Path:
    """A directory with policies that the image of this test fulfils, the keys those of the fixtures."""
    directory = tmp_path / "policies"
    (directory / "keys").mkdir(parents=True)
    for name in ("ec1", "ec2"):
        (directory / "keys" / f"{name}.pub").write_bytes((signed.FIXTURES / "keys" / f"{name}.pub").read_bytes())
    for name in ("security", "release-again"):
        (directory / "keys" / f"{name}.pub").write_bytes(read_file(f"keys/{name}.pub"))
    (directory / "signers.yaml").write_text(SIGNERS_OF_FIXTURES)
    (directory / "policy.yaml").write_text(policy_text(SIGNED, images="['registry.test/**']"))
    return directory


@pytest.fixture
def config(tmp_path: Path, policies: Path) -> Path:
    path = tmp_path / "preverify.yaml"
    url = f"sqlite:///{tmp_path / 'preverify.db'}"
    upgrade.upgrade(url)
    path.write_text(f"state: {tmp_path}\ndatabase: {{url: '{url}'}}\n")
    return path


def preverify(*arguments: object, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    code = run([str(argument) for argument in arguments])
    output = capsys.readouterr()
    return int(code), output.out, output.err


def test_lint_says_what_looks_like_a_mistake(policies: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = preverify("policy", "lint", policies, "-o", "json", capsys=capsys)
    document = json.loads(out)
    assert (code, document["policies"]) == (0, 1)
    assert {remark["code"] for remark in document["remarks"]} == {"unused-signer"}
    (policies / "policy.yaml").write_text(policy_text(SIGNED, images="['**']"))
    code, out, _ = preverify("policy", "lint", policies, capsys=capsys)
    assert code == 1
    assert "catch-all-images" in out


def test_lint_without_remarks_says_so(policies: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (policies / "signers.yaml").write_text(SIGNERS_OF_FIXTURES[: SIGNERS_OF_FIXTURES.index("  security")])
    assert preverify("policy", "lint", policies, capsys=capsys)[:2] == (0, "1 policies, nothing to remark\n")


@pytest.mark.parametrize("command", ["lint", "show", "simulate", "activate"])
def test_policies_that_do_not_load_are_a_usage_error(
    command: str, policies: Path, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (policies / "policy.yaml").write_text(policy_text(SIGNED, vaildFor="1h"))
    code, out, err = preverify("policy", command, policies, "-c", config, capsys=capsys)
    assert (code, out) == (2, "")
    assert "policy.yaml:6: spec.vaildFor: unknown key 'vaildFor', did you mean 'validFor'?" in err


def test_show_gives_what_decides(policies: Path, config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = preverify("policy", "show", "-c", config, "-o", "json", capsys=capsys)
    document = json.loads(out)
    loaded = wiring.read_policies((policies,))
    assert (code, document["digest"], document["profileDigest"]) == (0, loaded.digest, loaded.profile_digest)
    assert document["policies"][0]["policyDigest"] == loaded.policies[0].digest
    code, out, _ = preverify("policy", "show", policies, capsys=capsys)
    assert code == 0
    assert "signed: signature by 1 of release" in out


def seed(config: Path, policies: PolicySet) -> None:
    """Let history know one image that `release` signed, as a look at it records it."""
    records = wiring.open_records(load(config, {}, {}))
    evidence = (signed.legacy(signed.compact(signed.payload(IMAGE.subject.digest))),)
    seen = pipeline.look(MemorySource(IMAGE, evidence), (policies,), IMAGE, clock=records.clock)
    recording = Recording(
        source="test",
        subject=seen.subject,
        gathered=seen.gathered,
        findings=seen.findings,
        verdicts=seen.verdicts,
        cause="push",
        generation=1,
    )
    records.store.history.record([recording], now=records.clock.now())
    records.store.close()


def test_simulate_and_activate(policies: Path, config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = preverify("policy", "activate", "-c", config, "-o", "json", capsys=capsys)
    first = json.loads(out)
    assert (code, first["generation"], first["decided"]) == (0, 1, 0)
    seed(config, wiring.read_policies((policies,)))
    code, out, _ = preverify("policy", "simulate", "-c", config, capsys=capsys)
    assert (code, out.splitlines()[0]) == (
        0,
        "1 images: 0 newly denied, 0 newly allowed, 1 answers unchanged, 0 undecided",
    )
    stricter = SIGNED.replace("any: [release]", "all: [release, vendor]")
    (policies / "policy.yaml").write_text(policy_text(stricter, images="['registry.test/**']"))
    code, out, _ = preverify("policy", "simulate", "-c", config, "-o", "json", capsys=capsys)
    (difference,) = json.loads(out)["differences"]
    assert (code, difference["effect"], difference["reason"]) == (1, "newly-denied", "threshold-not-met")
    assert difference["digest"] == str(IMAGE.subject.digest)
    code, out, _ = preverify("policy", "activate", "-c", config, capsys=capsys)
    assert code == 0
    assert out.startswith("generation 2 is active (")
    assert out.endswith(", 1 images decided for it\n")
    code, out, _ = preverify("policy", "simulate", "-c", config, "-o", "json", capsys=capsys)
    assert (code, json.loads(out)["differences"]) == (0, [])


def test_a_signer_that_only_the_new_set_names_is_verified_over_stored_evidence(policies: Path, config: Path) -> None:
    old = wiring.read_policies((policies,))
    (policies / "policy.yaml").write_text(
        policy_text(SIGNED.replace("release", "vendor"), images="['registry.test/**']")
    )
    vendor_only = wiring.read_policies((policies,))
    seed(config, vendor_only)
    records = wiring.open_records(load(config, {}, {}))
    report = changing.simulate(records.store.history, vendor_only, old, clock=records.clock)
    records.store.close()
    assert [d.effect for d in report.differences] == [Effect.NEWLY_ALLOWED]
    assert exit_for(report) == 0


def test_what_could_not_be_decided_has_an_exit_code_of_its_own() -> None:
    from preverify.policy.simulate import Report

    assert exit_for(Report(considered=1, unchanged=0, undecided=1, differences=())) == 3


def test_a_simulation_says_whose_images_it_is_about_and_compares_what_it_is_told_to(
    policies: Path, config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    loaded = wiring.read_policies((policies,))
    preverify("policy", "activate", "-c", config, capsys=capsys)
    seed(config, loaded)
    stricter = tmp_path / "stricter"
    stricter.mkdir()
    for path in (policies / "signers.yaml", policies / "keys"):
        (stricter / path.name).symlink_to(path)
    (stricter / "policy.yaml").write_text(
        policy_text(SIGNED.replace("any: [release]", "all: [release, vendor]"), images="['registry.test/**']")
    )
    owners = tmp_path / "OWNERS"
    owners.write_text("registry.test/**  team red\n")
    code, out, _ = preverify(
        "policy", "simulate", stricter, "--owners", owners, "-c", config, "-o", "json", capsys=capsys
    )
    document = json.loads(out)
    (difference,) = document["differences"]
    assert (code, difference["owner"]) == (1, "team red")
    assert document["byOwner"] == {"team red": {"newly-denied": 1, "newly-allowed": 0}}
    assert document["byReason"] == {"threshold-not-met": {"newly-denied": 1, "newly-allowed": 0}}
    assert document["byRepository"] == {str(IMAGE.subject.repository): {"newly-denied": 1, "newly-allowed": 0}}
    code, out, _ = preverify("policy", "simulate", "--against", stricter, "-c", config, "-o", "json", capsys=capsys)
    assert (code, [d["effect"] for d in json.loads(out)["differences"]]) == (0, ["newly-allowed"])


def test_a_simulation_of_the_past_and_what_is_no_moment(
    policies: Path, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    preverify("policy", "activate", "-c", config, capsys=capsys)
    seed(config, wiring.read_policies((policies,)))
    code, out, _ = preverify("policy", "simulate", "--at", "2020-01-01T00:00:00Z", "-c", config, capsys=capsys)
    assert (code, out.partition(":")[0]) == (0, "0 images")
    code, out, _ = preverify("policy", "simulate", "--at", "2999-01-01T00:00:00+00:00", "-c", config, capsys=capsys)
    assert (code, out.partition(":")[0]) == (0, "1 images")
    for bad in ("yesterday", "2026-01-01T00:00:00"):
        code, _, err = preverify("policy", "simulate", "--at", bad, "-c", config, capsys=capsys)
        assert code == 2
        assert f"--at: {bad!r} is no moment" in err


def test_stored_verdicts_are_replayed(policies: Path, config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    preverify("policy", "activate", "-c", config, capsys=capsys)
    seed(config, wiring.read_policies((policies,)))
    code, out, _ = preverify("policy", "replay", "-c", config, "-o", "json", capsys=capsys)
    assert (code, json.loads(out)) == (0, {"replayed": 1, "same": 1, "different": [], "unknown": []})
    code, out, _ = preverify("policy", "replay", "v_unknown", "-c", config, capsys=capsys)
    assert code == 3
    assert out.startswith("0 verdicts derived again, 0 differ; 1 rest on nothing stored")


def test_activating_now_says_the_same(policies: Path, config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = preverify("policy", "activate", "--now", "-c", config, capsys=capsys)
    assert code == 0
    assert out.startswith("generation 1 is active (")
