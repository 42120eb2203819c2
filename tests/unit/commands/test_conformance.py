"""`preverify conformance verify-bundle` on the public suite's cases. What must pass and what must not, apart."""

import shutil
from pathlib import Path

import pytest

from preverify.commands.app import run
from preverify.model.digest import Digest
from preverify.model.reasons import Reason
from preverify.trust.embedded import embedded
from support.trust_material import private_key_file

SUITE = Path(__file__).resolve().parents[2] / "vectors" / "conformance" / "sigstore"
CASES = sorted(path.name for path in SUITE.iterdir() if path.is_dir())
ACCEPTED = [name for name in CASES if not name.endswith("_fail")]
REFUSED = [name for name in CASES if name.endswith("_fail")]
GOOD = "happy-path-v0.3"
WORKFLOW = (
    "https://github.com/sigstore-conformance/extremely-dangerous-public-oidc-beacon"
    "/.github/workflows/extremely-dangerous-oidc-beacon.yml@refs/heads/main"
)
ISSUER = "https://token.actions.githubusercontent.com"
HANDED = ("artifact", "digest")


def arguments(name: str, handed: str, **other: object) -> list[str]:
    """Return the command line of a case; `other` takes the place of single options, None leaves one out."""
    case = SUITE / name
    artifact = next(path for path in (case / "artifact", SUITE / "a.txt") if path.exists())
    options: dict[str, object] = {"bundle": case / "bundle.sigstore.json"}
    if (case / "key.pub").exists():
        options["key"] = case / "key.pub"
    else:
        options["certificate-identity"] = _text(case / "identity", WORKFLOW)
        options["certificate-oidc-issuer"] = _text(case / "issuer", ISSUER)
    if (case / "trusted_root.json").exists():
        options["trusted-root"] = case / "trusted_root.json"
    options |= {key.replace("_", "-"): value for key, value in other.items()}
    line = [f"--{key}={value}" for key, value in options.items() if value is not None]
    return [*line, str(artifact) if handed == "artifact" else str(Digest.of(artifact.read_bytes()))]


def _text(path: Path, default: str) -> str:
    return path.read_text().strip() if path.exists() else default


def verify(line: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    code = run(["conformance", "verify-bundle", *line])
    output = capsys.readouterr()
    assert bool(output.out) == (code == 0)
    return int(code), output.err


def test_the_suite_has_both() -> None:
    assert (len(ACCEPTED), len(REFUSED)) == (11, 31)


@pytest.mark.parametrize("handed", HANDED)
@pytest.mark.parametrize("name", ACCEPTED)
def test_what_holds_is_accepted(name: str, handed: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert verify(arguments(name, handed), capsys) == (0, "")


@pytest.mark.parametrize("handed", HANDED)
@pytest.mark.parametrize("name", REFUSED)
def test_what_does_not_hold_is_refused_in_one_line(name: str, handed: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, err = verify(arguments(name, handed), capsys)
    assert code in {1, 2}
    assert err.startswith("preverify: ")
    assert err.count("\n") == 1
    if code == 1:
        Reason(err.split(":")[1].strip())


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        ({"certificate_identity": WORKFLOW + "x"}, "identity-mismatch"),
        ({"certificate_identity": WORKFLOW[:-1]}, "identity-mismatch"),
        ({"certificate_identity": ".*"}, "identity-mismatch"),
        ({"certificate_oidc_issuer": ISSUER + "/"}, "issuer-mismatch"),
        ({"trusted_root": SUITE / "intoto-with-custom-trust-root" / "trusted_root.json"}, "log-untrusted"),
    ],
)
def test_a_good_bundle_of_another_is_refused(
    other: dict[str, object], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, err = verify(arguments(GOOD, "artifact", **other), capsys)
    assert (code, err.split(": ")[1]) == (1, reason)


def test_a_good_bundle_about_something_else_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = tmp_path / "other"
    other.write_bytes(b"something else")
    for handed in (str(other), str(Digest.of(other.read_bytes()))):
        assert verify([*arguments(GOOD, "artifact")[:-1], handed], capsys)[0] == 1


def test_the_instance_decides(capsys: pytest.CaptureFixture[str]) -> None:
    assert verify(["--staging", *arguments(GOOD, "artifact")], capsys)[0] == 1
    staging = arguments("rekor2-happy-path", "artifact", trusted_root=None)
    assert {verify(staging, capsys)[0], verify(["--staging", *staging], capsys)[0]} == {0, 1}


@pytest.mark.parametrize(
    ("other", "why"),
    [
        ({"certificate_identity": None}, "expected either --key, or --certificate-identity together with"),
        ({"certificate_oidc_issuer": None}, "expected either --key"),
        ({"certificate_identity": ""}, "expected either --key"),
        ({"key": SUITE / "managed-key-happy-path" / "key.pub"}, "expected either --key"),
        ({"bundle": SUITE / "gone"}, "cannot be read"),
        ({"trusted_root": SUITE / "a.txt"}, "not JSON"),
        ({"trusted_root": SUITE / "gone"}, "cannot be read"),
    ],
)
def test_a_command_line_that_cannot_be_used(
    other: dict[str, object], why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, err = verify(arguments(GOOD, "artifact", **other), capsys)
    assert (code, why in err) == (2, True), err


def test_a_private_key_is_no_key_to_verify_with(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    secret = tmp_path / "key.pem"
    secret.write_bytes(private_key_file("k"))
    code, err = verify(arguments("managed-key-happy-path", "artifact", key=secret), capsys)
    assert (code, "treat this one as leaked" in err) == (2, True)


def test_a_name_that_looks_like_a_digest_but_is_none_is_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(SUITE / "a.txt", tmp_path / "sha256:abc")
    assert verify([*arguments(GOOD, "artifact")[:-1], "sha256:abc"], capsys) == (0, "")


@pytest.mark.parametrize(
    ("options", "code", "why"),
    [
        (["--identity-token", "not.a.token", "--trusted-root", "ROOT", "--signing-config", "CONFIG"], 3, "not signed:"),
        (["--identity-token", "x", "--trusted-root", "ROOT"], 2, "--trusted-root and --signing-config together"),
        (["--identity-token", "x", "--signing-config", "CONFIG"], 2, "together, or neither"),
    ],
)
def test_signing_that_is_impossible_ends_before_anything_is_written(
    tmp_path: Path, options: list[str], code: int, why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without an identity nothing is asked of anybody. Signing itself is tested against a private instance."""
    from importlib import resources

    kept = resources.files("sigstore._store") / "https%3A%2F%2Ftuf-repo-cdn.sigstore.dev"
    (tmp_path / "root.json").write_bytes(embedded("public-good").target)
    (tmp_path / "config.json").write_bytes((kept / "signing_config.v0.2.json").read_bytes())
    names = {"ROOT": str(tmp_path / "root.json"), "CONFIG": str(tmp_path / "config.json")}
    made = tmp_path / "bundle.json"
    line = ["--bundle", str(made), *(names.get(each, each) for each in options), str(SUITE / "a.txt")]
    assert run(["conformance", "sign-bundle", *line]) == code
    output = capsys.readouterr()
    assert why in output.err
    assert output.err.count("\n") == 1
    assert not made.exists()
