"""`preverify trust`, on real files and a real TUF repository: show, check, export, import."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from preverify import wiring
from preverify.commands.app import run
from preverify.policy.trust_documents import RootRequest
from preverify.settings import load
from preverify.trust import Result
from preverify.trust.embedded import embedded
from support.trust_material import certificate, key_file, later, pem
from support.tuf_repository import TufRepository

VENDOR = pem(certificate("Vendor root"))
SIGNERS = """
apiVersion: preverify/v1
kind: Signers
metadata: {name: all}
spec:
  ci: {keyless: {issuer: "https://issuer.example", subject: "ci@example.com", trust: public-good}}
  corp-ci: {keyless: {issuer: "https://issuer.example", subject: "ci@example.com", trust: corp}}
  vendor: {notation: {stores: ["ca:vendor"], identities: ["x509.subject: C=US, ST=WA, O=Vendor"]}}
  release: {key: {file: release.pub, validUntil: "2049-01-01T00:00:00Z"}, tlog: none}
"""
POLICY = """
apiVersion: preverify/v1
kind: Policy
metadata: {name: all}
spec:
  images: ["registry.example/**"]
  require: [{name: signed, signature: {by: {any: [ci, corp-ci, vendor, release]}}}]
"""
TRUST = """
apiVersion: preverify/v1
kind: Trust
metadata: {name: all}
spec:
  roots:
    corp: {tuf: {url: "%s", root: tuf-root.json}}
    idle: {file: gone.json}
    away: {tuf: {url: "https://tuf.example", root: tuf-root.json}}
  stores:
    "ca:vendor": {files: [vendor.pem]}
    "tsa:idle": {files: [vendor.pem]}
"""


@pytest.fixture
def repository() -> TufRepository:
    return TufRepository(embedded("staging").target)


@pytest.fixture
def url(repository: TufRepository) -> Iterator[str]:
    with repository.serving() as address:
        yield address


def machine(directory: Path, repository: TufRepository, url: str, *, trust: str = "") -> Path:
    """Return the configuration of a machine with a policy directory."""
    policies = directory / "policies"
    policies.mkdir(parents=True)
    (policies / "signers.yaml").write_text(SIGNERS)
    (policies / "policy.yaml").write_text(POLICY)
    (policies / "trust.yaml").write_text(TRUST % url)
    (policies / "tuf-root.json").write_bytes(repository.first_root)
    (policies / "vendor.pem").write_bytes(VENDOR)
    (policies / "release.pub").write_bytes(key_file("release"))
    config = directory / "preverify.yaml"
    config.write_text(f"state: {directory / 'state'}\ntrust: {{{trust}}}\n")
    return config


@pytest.fixture
def config(tmp_path: Path, repository: TufRepository, url: str) -> Path:
    return machine(tmp_path / "here", repository, url)


def preverify(*arguments: object, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    code = run([str(argument) for argument in arguments])
    output = capsys.readouterr()
    return int(code), output.out, output.err


def refreshed(config: Path) -> None:
    """Note every root as just refreshed, without asking the public repositories."""
    settings = load(config, {}, {})
    roots = wiring.open_roots(settings)
    _, asked = wiring.policies_and_roots(settings)
    assert {each.result for each in roots.refresh(r for r in asked if r.url)} <= {Result.CHANGED, Result.UNCHANGED}


def test_show_names_everything_in_use_and_who_rests_on_it(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = preverify("trust", "show", "-c", config, "-o", "json", capsys=capsys)
    document = json.loads(out)
    assert (code, document["kind"], document["epoch"][:6]) == (0, "Trust", "trust:")
    by_root = {each["of"]: each["usedBy"] for each in document["parts"]}
    assert by_root == {"public-good": ["ci"], "corp": ["corp-ci"], "ca:vendor": ["vendor"], "release": ["release"]}
    (key,) = [each for each in document["parts"] if each["kind"] == "key"]
    assert (key["id"][:4], key["validUntil"]) == ("key:", "2049-01-01T00:00:00+00:00")
    fetched = {each["root"]: each for each in document["fetched"]}
    assert fetched["public-good"]["fetchedAt"] is None
    assert fetched["corp"]["versions"] == {"root": 1, "timestamp": 1, "snapshot": 1, "targets": 1}
    code, out, _ = preverify("trust", "show", "-c", config, capsys=capsys)
    assert code == 0
    assert "root public-good: the copy that is built in, never refreshed" in out
    assert "CN=Vendor root" in out
    assert "trust epoch trust:" in out


def _remarks(config: Path, capsys: pytest.CaptureFixture[str], *more: str) -> tuple[int, dict[str, tuple[str, str]]]:
    code, out, _ = preverify("trust", "check", "-c", config, "-o", "json", *more, capsys=capsys)
    found = json.loads(out)["remarks"]
    return code, {each["about"] + "/" + each["state"]: (each["seen"], each["todo"]) for each in found}


def test_check_tells_what_ends_what_is_unused_and_what_cannot_be_read(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, found = _remarks(config, capsys)
    assert code == 1, "the built-in root was never refreshed, and an unused root cannot be read"
    assert found["ca:vendor: certificate/ok"][0] == f"until {later(0).replace(year=2035).isoformat()}"
    assert found["signer release: key/ok"]
    assert found["root corp/ok"][0].startswith("verified ")
    assert found["root public-good/weak"] == ("the copy that is built in, never refreshed", "is the timer running?")
    assert found["root idle/note"] == ("no policy rests on it", "")
    assert "cannot be read" in found["root idle/weak"][0]
    assert found["root away/note"]
    assert found["store tsa:idle/note"]
    assert not any(about.startswith("root away/weak") for about in found), "what nobody uses is not fetched to look at"


def test_check_warns_in_time_and_says_what_is_over(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, found = _remarks(config, capsys, "--within", "20000d")
    assert "ends 2035" in found["ca:vendor: certificate/weak"][0]
    assert "ends 2049" in found["signer release: key/weak"][0]
    (config.parent / "policies" / "vendor.pem").write_bytes(pem(certificate("Vendor root", until=later(10))))
    code, found = _remarks(config, capsys)
    assert (code, "ended 2025-01-11" in found["ca:vendor: certificate/broken"][0]) == (1, True)
    assert preverify("trust", "check", "-c", config, "--within", "soon", capsys=capsys)[0] == 2


def test_check_is_content_where_all_is_well(
    tmp_path: Path, repository: TufRepository, url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    refreshed(machine(tmp_path / "m", repository, url))
    offline = tmp_path / "m" / "preverify.yaml"
    offline.write_text(f"state: {tmp_path / 'm' / 'state'}\ntrust: {{offline: true}}\n")
    trust = tmp_path / "m" / "policies" / "trust.yaml"
    trust.write_text(trust.read_text().replace("    idle: {file: gone.json}\n", ""))
    code, found = _remarks(offline, capsys)
    assert code == 0, found
    assert found["root public-good/note"] == ("the copy that is built in, never refreshed", "")


def test_check_notices_stale_roots_and_clocks_that_went_back(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    refreshed(config)
    settings = load(config, {}, {})
    roots = wiring.open_roots(settings)
    corp = next(each for each in wiring.policies_and_roots(settings)[1] if each.name == "corp")
    path = roots.place(corp) / "current.json"
    record = json.loads(path.read_text())
    path.write_text(json.dumps(record | {"fetchedAt": "2020-01-01T00:00:00+00:00"}))
    assert _remarks(config, capsys)[1]["root corp/weak"][1] == "look for trust.refreshed in the log"
    path.write_text(json.dumps(record | {"fetchedAt": "2099-01-01T00:00:00+00:00"}))
    code, found = _remarks(config, capsys)
    assert (code, found["clock/broken"][1]) == (1, "set this machine's clock")
    config.write_text(config.read_text().replace("trust: {}", "trust: {offline: true}"))
    past = {"fetchedAt": "2020-01-01T00:00:00+00:00", "expires": "2020-02-01T00:00:00+00:00"}
    path.write_text(json.dumps(record | past))
    assert _remarks(config, capsys)[1]["root corp/note"][1] == "export and import it anew now and then"


def test_trust_that_cannot_be_used_or_had_has_exit_codes_of_its_own(
    tmp_path: Path, repository: TufRepository, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = repository.files.pop("timestamp.json")
    code, _, err = preverify("trust", "check", "-c", config, capsys=capsys)
    assert (code, "root 'corp'" in err) == (3, True)
    repository.files["timestamp.json"] = good
    (config.parent / "policies" / "vendor.pem").write_bytes(b"nonsense")
    code, _, err = preverify("trust", "show", "-c", config, capsys=capsys)
    assert (code, "trust.yaml:11: spec.stores.ca:vendor.files[0]: 'vendor.pem'" in err) == (2, True), err


def test_trust_crosses_an_air_gap_in_one_file(
    tmp_path: Path, repository: TufRepository, url: str, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    away = machine(tmp_path / "away", repository, url, trust="offline: true")
    code, _, err = preverify("trust", "show", "-c", away, capsys=capsys)
    assert (code, "preverify trust import" in err) == (3, True)
    file = tmp_path / "trust.json"
    code, digest, _ = preverify("trust", "export", file, "-c", config, capsys=capsys)
    assert (code, digest[:7]) == (0, "sha256:")
    other = "sha256:" + "0" * 64
    assert preverify("trust", "import", file, "--digest", other, "-c", away, capsys=capsys)[0] == 2
    asked = len(repository.asked)
    code, out, err = preverify("trust", "import", file, "--digest", digest.strip(), "-c", away, capsys=capsys)
    assert (code, err) == (0, "")
    assert "taken in: corp" in out
    assert "another here" not in out
    code, out, _ = preverify("trust", "show", "-c", away, "-o", "json", capsys=capsys)
    here = preverify("trust", "show", "-c", config, "-o", "json", capsys=capsys)[1]
    assert json.loads(out)["epoch"] == json.loads(here)["epoch"]
    assert len(repository.asked) == asked, "the machine behind the gap asked nobody"


def test_an_import_that_does_not_verify_changes_nothing(
    tmp_path: Path, repository: TufRepository, url: str, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old, new = tmp_path / "old.json", tmp_path / "new.json"
    preverify("trust", "export", old, "-c", config, capsys=capsys)
    repository.publish(embedded("public-good").target)
    settings = load(config, {}, {})
    wiring.open_roots(settings).refresh([RootRequest(name="corp", url=url, root=repository.first_root)])
    preverify("trust", "export", new, "-c", config, capsys=capsys)
    away = machine(tmp_path / "away", repository, url, trust="offline: true")
    (away.parent / "policies" / "vendor.pem").write_bytes(pem(certificate("Another root")))
    code, out, _ = preverify("trust", "import", new, "-c", away, capsys=capsys)
    assert code == 0
    assert "store ca:vendor is another here than in the file: it comes with the policy directory" in out
    code, _, err = preverify("trust", "import", old, "-c", away, capsys=capsys)
    assert (code, "root 'corp' is refused: BadVersionNumberError" in err) == (1, True)
    old.write_bytes(old.read_bytes()[:-100])
    assert preverify("trust", "import", old, "-c", away, capsys=capsys)[0] == 2
    assert preverify("trust", "import", tmp_path / "gone", "-c", away, capsys=capsys)[0] == 2


def test_export_can_refresh_first_and_says_where_it_cannot(
    tmp_path: Path, repository: TufRepository, url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    config = machine(tmp_path / "m", repository, url)
    signers = config.parent / "policies" / "signers.yaml"
    signers.write_text(signers.read_text().replace("trust: public-good", "trust: corp"))
    preverify("trust", "show", "-c", config, capsys=capsys)
    repository.publish(embedded("public-good").target)
    file = tmp_path / "trust.json"
    assert preverify("trust", "export", file, "--refresh", "-c", config, capsys=capsys)[0] == 0
    assert json.loads(file.read_text())["roots"]["corp"]["files"].keys() >= {"timestamp.json", "1.root.json"}
    repository.files["timestamp.json"] = b"{}"
    code, _, err = preverify("trust", "export", file, "--refresh", "-c", config, capsys=capsys)
    assert (code, "root 'corp'" in err) == (3, True)
    code, _, err = preverify("trust", "export", tmp_path / "no" / "file", "-c", config, capsys=capsys)
    assert (code, "cannot be written" in err) == (2, True)
    assert not [path for path in tmp_path.iterdir() if path.suffix == ".new"]


def test_keys_alone_ask_for_nothing(
    tmp_path: Path, repository: TufRepository, url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Key-only policies never touch a TUF repository, whatever else is declared."""
    config = machine(tmp_path / "m", repository, url)
    policies = config.parent / "policies"
    lines = [line for line in SIGNERS.splitlines() if "keyless" not in line and "notation" not in line]
    (policies / "signers.yaml").write_text("\n".join(lines) + "\n")
    (policies / "policy.yaml").write_text(POLICY.replace("ci, corp-ci, vendor, release", "release"))
    code, out, _ = preverify("trust", "show", "-c", config, "-o", "json", capsys=capsys)
    assert (code, json.loads(out)["epoch"], json.loads(out)["fetched"]) == (0, "keys-only", [])
    assert repository.asked == []
    assert not (config.parent / "state").exists()
