"""Imported policy.json files beside containers/image and Skopeo: about the same images they say the same."""

import json
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import pytest

import corpus
from preverify.model.digest import Digest
from preverify.policy.importers import Imported, translate
from preverify.verify.formats.cosign_legacy import SIGNATURE_ANNOTATION, SIMPLE_SIGNING
from support import import_oracles, registries, signed
from support.import_oracles import FIXTURES

VECTORS = Path(__file__).resolve().parents[1] / "vectors" / "import" / "containers-policy"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
OPENSHIFT = VECTORS.parent / "openshift"
OBJECTS = sorted(path.stem for path in OPENSHIFT.glob("*.yaml"))
NO_OBJECT_PASSES = {
    "public-key-of-another",
    "logged-elsewhere",
    "fulcio-issuer",
    "fulcio-mail",
    "fulcio-authority",
    "fulcio-log",
    "exact-repository-of-another",
}
POLICIES = sorted(path.stem for path in VECTORS.glob("*.json"))

NONE_PASSES = {
    "log-of-another",
    "fulcio-issuer",
    "fulcio-mail",
    "fulcio-authority",
    "fulcio-log",
    "exact-repository-of-another",
    "exact-reference",
    "reject-and-key",
}
"""Policies that violate one field each; every other one lets some images pass, and none lets all."""

Tool = Callable[[str], Path]
Asking = Callable[[Path, Sequence[str]], Mapping[str, str]]


def imported(policy: Path, *, by_digest: bool = False) -> Imported:
    """Import a policy; the files that it names are those of the fixtures."""
    dialect = "containers-policy-by-digest" if by_digest else ""
    files = [(policy.name, policy.read_bytes())]
    return translate(files, lambda name: (FIXTURES / name).read_bytes(), dialect=dialect)


@pytest.fixture(scope="module")
def configured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Serve the fixtures, and write the other tools' settings: where registries are, and that they have signatures."""
    directory = tmp_path_factory.mktemp("containers")
    with corpus.own_registry(FIXTURES, referrers=True) as host:
        where = f'location = "{host}"\ninsecure = true\n'
        entries = [f'[[registry]]\nprefix = "{name}"\n{where}' for name in import_oracles.HOSTS]
        (directory / "registries.conf").write_text("\n".join(entries))
        (directory / "registries.d").mkdir()
        (directory / "registries.d" / "default.yaml").write_text("default-docker: {use-sigstore-attachments: true}\n")
        yield directory


@pytest.fixture(scope="module")
def ask(tool: Tool, configured: Path) -> Asking:
    """Return the function that asks containers/image: what it has against images, by their names."""

    return partial(asked, tool, configured / "registries.conf", configured / "registries.d")


def asked(tool: Tool, conf: Path, directory: Path, policy: Path, names: Sequence[str]) -> Mapping[str, str]:
    """Ask containers/image what it has against images."""
    done = subprocess.run(
        [str(tool("policyjson")), str(policy), str(conf), str(directory)],
        cwd=FIXTURES,
        input="\n".join(names),
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    lines = done.stdout.splitlines()
    assert len(lines) == len(names)
    return {name: "" if line == "allowed" else line for name, line in zip(names, lines, strict=True)}


def push_signed(host: str, repository: str, name: str) -> None:
    """Push one image of the fixtures, signed by a key of theirs under a name of one's own."""
    store = registries.fixtures()
    case = signed.cases()["legacy-key-ec1"]
    registries.push(host, store, case["repo"], repository, subject=case["digest"], beside=())
    digest = Digest.parse(case["digest"])
    body = signed.compact(signed.payload(digest, identity={"docker-reference": name}))
    config = b"{}"
    for blob in (body, config):
        registries.put_blob(host, repository, str(Digest.of(blob)), blob)
    layer = {
        "mediaType": SIMPLE_SIGNING,
        "digest": str(Digest.of(body)),
        "size": len(body),
        "annotations": {SIGNATURE_ANNOTATION: signed.b64(signed.sign("ec1", body))},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {"mediaType": CONFIG, "digest": str(Digest.of(config)), "size": len(config)},
        "layers": [layer],
    }
    registries.put_manifest(host, repository, f"sha256-{digest.hex}.sig", signed.compact(manifest), MANIFEST)


@pytest.mark.tools
@pytest.mark.timeout(300)
@pytest.mark.parametrize("policy", POLICIES)
def test_images_pass_where_they_pass_there(policy: str, ask: Asking, tmp_path: Path) -> None:
    """Never wider; and as none of these images is signed for some of its platforms only, never narrower either."""
    path = VECTORS / f"{policy}.json"
    names = import_oracles.references()
    theirs = ask(path, names)
    ours = import_oracles.passes(import_oracles.loaded(imported(path), tmp_path), names)
    assert {name: theirs[name] for name in names if theirs[name] and not ours[name]} == {}
    assert {name: ours[name] for name in names if ours[name] and not theirs[name]} == {}
    assert any(theirs.values())
    assert all(theirs.values()) == (policy in NONE_PASSES)


@pytest.mark.tools
@pytest.mark.timeout(300)
@pytest.mark.parametrize("policy", ["scopes-only", "accept", "accept-by-default"])
def test_skopeo_copies_what_passes(policy: str, tool: Tool, configured: Path, tmp_path: Path) -> None:
    """Scopes only: Debian's build of Skopeo looks at no signatures of this kind."""
    path = VECTORS / f"{policy}.json"
    unsigned = next(name for name in import_oracles.images() if name.startswith("acme/keyless@"))
    names = [f"{host}/{name}" for host in import_oracles.HOSTS for name in (import_oracles.images()[0], unsigned)]
    ours = import_oracles.passes(import_oracles.loaded(imported(path), tmp_path / "ours"), names)
    settings = ["--registries-conf", configured / "registries.conf", "--registries.d", configured / "registries.d"]
    for i, name in enumerate(names):
        copy = ["copy", f"docker://{name}", f"dir:{tmp_path / str(i)}"]
        command = [tool("skopeo"), *settings, "--policy", path, "--override-arch", "amd64", *copy]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        assert (done.returncode == 0) == (not ours[name]), (name, ours[name], done.stderr)
        assert done.returncode == 0 or "rejected" in done.stderr, done.stderr


@pytest.mark.tools
@pytest.mark.timeout(300)
def test_names_in_payloads_count_as_there(tool: Tool, tmp_path: Path, configured: Path) -> None:
    """Each kind of name that is signed, under each demand that is imported."""
    with registries.regserve(tool) as host:
        digest = signed.image("legacy-key-ec1").subject.digest
        fixed, names = f"{host}/acme/fixed", []
        stated = ("{own}", "{own}:v1", f"{{own}}@{digest}", fixed, f"{fixed}:v1", f"{fixed}:v2", f"{fixed}@{digest}")
        for number, name in enumerate((*stated, "bogus name", "")):
            own = f"{host}/acme/image{number}"
            push_signed(host, f"acme/image{number}", name.format(own=own))
            names.append(f"{own}@{digest}")
        demands = {
            "matchRepoDigestOrExact": {},
            "matchRepository": {},
            "exactRepository": {"dockerRepository": fixed},
            "exactReference": {"dockerReference": f"{fixed}:v1"},
            "exactReference ": {"dockerReference": f"{fixed}@{digest}"},
        }
        (configured / "plain.conf").write_text(f'[[registry]]\nlocation = "{host}"\ninsecure = true\n')
        for number, (kind, more) in enumerate(demands.items()):
            demand = {"type": kind.strip(), **more}
            requirement = {"type": "sigstoreSigned", "keyPath": "keys/ec1.pub", "signedIdentity": demand}
            policy = tmp_path / f"{number}.json"
            policy.write_text(json.dumps({"default": [requirement]}))
            theirs = asked(tool, configured / "plain.conf", configured / "registries.d", policy, names)
            made = imported(policy, by_digest=kind == "matchRepoDigestOrExact")
            policies = import_oracles.loaded(made, tmp_path / str(number))
            ours = import_oracles.passes_there(policies, names)
            assert {n: bool(why) for n, why in ours.items()} == {n: bool(why) for n, why in theirs.items()}, kind
            assert not all(theirs.values()), kind
            assert any(theirs.values()), kind


@pytest.mark.tools
@pytest.mark.timeout(300)
@pytest.mark.parametrize("objects", OBJECTS)
def test_objects_of_openshift_mean_what_nodes_are_told(objects: str, ask: Asking, tmp_path: Path) -> None:
    """Each beside the policy.json that nodes get for it, in the namespace `shop`."""
    names = import_oracles.references()
    theirs = ask(OPENSHIFT / f"{objects}.json", names)
    found = translate([("objects.yaml", (OPENSHIFT / f"{objects}.yaml").read_bytes())], {}.__getitem__)
    ours = import_oracles.passes(import_oracles.loaded(found, tmp_path), names, namespace="shop")
    assert {n for n, why in ours.items() if not why} == {n for n, why in theirs.items() if not why}
    assert all(theirs.values()) == (objects in NO_OBJECT_PASSES)
