"""The fault-injecting registry is a registry: real clients push to it, pull from it and sign in it."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from support import registries
from support.cosign import Cosign
from support.hostile import Hostile, Tokens

pytestmark = pytest.mark.tools
Tool = Callable[[str], Path]
KEY = registries.FIXTURES / "keys" / "ec1"


def run(*arguments: object, home: Path, cwd: Path | None = None) -> str:
    environment = {**os.environ, "HOME": str(home), "DOCKER_CONFIG": str(home), "COSIGN_PASSWORD": "throwaway"}
    words = [str(argument) for argument in arguments]
    done = subprocess.run(words, env=environment, cwd=cwd, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, (words, done.stdout, done.stderr)
    return done.stdout


@pytest.mark.parametrize("referrers", [True, False])
def test_crane_pushes_copies_lists_and_deletes(tool: Tool, tmp_path: Path, referrers: bool) -> None:
    crane = tool("crane")
    (tmp_path / "file").write_bytes(os.urandom(200_000))
    subprocess.run(["tar", "cf", tmp_path / "layer.tar", "-C", tmp_path, "file"], check=True)
    with Hostile(referrers=referrers, page=2) as registry:
        first = f"{registry.host}/team/app:v1"
        run(crane, "append", "-f", tmp_path / "layer.tar", "-t", first, "--insecure", home=tmp_path)
        digest = run(crane, "digest", first, "--insecure", home=tmp_path).strip()
        assert digest == registry.tags["team/app"]["v1"]
        run(crane, "copy", first, f"{registry.host}/team/copy:v1", "--insecure", home=tmp_path)
        assert registry.tags["team/copy"]["v1"] == digest
        for name in ("v2", "v3", "v4"):
            run(crane, "tag", first, name, "--insecure", home=tmp_path)
        listed = run(crane, "ls", f"{registry.host}/team/app", "--insecure", home=tmp_path).split()
        assert listed == ["v1", "v2", "v3", "v4"]
        assert run(crane, "catalog", registry.host, "--insecure", home=tmp_path).split() == ["team/app", "team/copy"]
        run(crane, "pull", first, tmp_path / "pulled.tar", "--insecure", home=tmp_path)
        run(crane, "validate", "--remote", first, "--insecure", home=tmp_path)
        run(crane, "delete", f"{registry.host}/team/copy@{digest}", "--insecure", home=tmp_path)
        assert registry.manifests["team/copy"] == {}


@pytest.mark.parametrize("referrers", [True, False])
def test_oras_attaches_and_discovers(tool: Tool, tmp_path: Path, referrers: bool) -> None:
    oras = tool("oras")
    (tmp_path / "note.txt").write_text("note")
    with Hostile(referrers=referrers) as registry:
        name = f"{registry.host}/team/app:v1"
        run(oras, "push", name, "note.txt", "--plain-http", home=tmp_path, cwd=tmp_path)
        attach = ["attach", name, "--artifact-type", "text/x", "note.txt", "--plain-http"]
        run(oras, *attach, home=tmp_path, cwd=tmp_path)
        found = json.loads(run(oras, "discover", name, "--format", "json", "--plain-http", home=tmp_path))
        kinds = [entry["artifactType"] for entry in found.get("referrers", found.get("manifests", []))]
        assert kinds == ["text/x"]
        assert ("sha256-" in " ".join(registry.tags["team/app"])) is not referrers
        run(oras, "pull", name, "--output", tmp_path / "out", "--plain-http", home=tmp_path)
        assert (tmp_path / "out" / "note.txt").read_text() == "note"


@pytest.mark.parametrize("referrers", [True, False])
@pytest.mark.parametrize("version", [2, 3])
def test_cosign_signs_and_verifies(tool: Tool, tmp_path: Path, version: int, referrers: bool) -> None:
    with Hostile(referrers=referrers) as registry:
        digest = registry.image("team/app", "v1")
        name = f"{registry.host}/team/app@{digest}"
        cosign = tool(f"cosign{version}")
        common = ["--allow-insecure-registry", "--allow-http-registry"]
        if version == 2:
            options = ["--tlog-upload=false", "--yes"]
        else:
            signing = tmp_path / "signing.json"
            signing.write_text('{"mediaType":"application/vnd.dev.sigstore.signingconfig.v0.2+json"}')
            options = ["--yes", "--signing-config", signing]
        run(cosign, "sign", "--key", f"{KEY}.key", *options, *common, name, home=tmp_path)
        said = Cosign(tool, tmp_path / "home").verify(version, name, Path(f"{KEY}.pub"), bundles=version == 3)
        assert said.verified, said.error
        if version == 2:
            assert f"{digest.replace(':', '-')}.sig" in registry.tags["team/app"]
        else:
            assert any(json.loads(data).get("subject") for _, data in registry.manifests["team/app"].values())


def test_crane_gets_tokens(tool: Tool, tmp_path: Path) -> None:
    tokens = Tokens()
    with Hostile(tokens=tokens) as registry:
        digest = registry.image("team/app", "v1")
        login = ["auth", "login", registry.host, "-u", tokens.username, "-p", tokens.password]
        run(tool("crane"), *login, home=tmp_path)
        name = f"{registry.host}/team/app:v1"
        assert run(tool("crane"), "digest", name, "--insecure", home=tmp_path).strip() == digest
        run(tool("crane"), "copy", name, f"{registry.host}/team/copy:v1", "--insecure", home=tmp_path)
        assert registry.tags["team/copy"] == {"v1": digest}
        assert tokens.requests
