"""RT-82: stored credentials are keyed by the exact host; suffixes, prefixes, ports and look-alikes get nothing."""

import base64
import json
import os
from pathlib import Path

import pytest

from preverify.model.errors import BadInput, Unavailable
from preverify.model.reference import registry_host
from preverify.registry import credentials
from preverify.settings import Credentials
from support.hostile import Hostile
from support.registry_clients import client

ENTRY = {"auth": base64.b64encode(b"robot:correct horse").decode()}


def _config(directory: Path, **document: object) -> Credentials:
    path = directory / "config.json"
    path.write_text(json.dumps(document))
    return Credentials(dockerConfig=path)


@pytest.mark.parametrize(
    "entry",
    [
        "registry.example.evil.example",
        "evilregistry.example",
        "example",
        ".example",
        "*.example",
        "registry.example:443",
        "registry.example:5000",
        "https://registry.example.evil/",
        "registry.example@evil",
        "regіstry.example",  # noqa: RUF001  # a Cyrillic letter on purpose
        "REGISTRY.EXAMPLE",
        "http://registry.example",
        "https://index.docker.io/v1/",
        "",
    ],
)
def test_entry_of_another_host_is_not_ours(tmp_path: Path, entry: str) -> None:
    found = credentials.load(_config(tmp_path, auths={entry: ENTRY}), "registry.example")
    assert found == credentials.Secret()


@pytest.mark.parametrize("entry", ["registry.example", "https://registry.example", "https://registry.example/v1/"])
def test_entry_of_exactly_this_host_is_ours(tmp_path: Path, entry: str) -> None:
    found = credentials.load(_config(tmp_path, auths={entry: ENTRY}), "registry.example")
    assert (found.username, found.password) == ("robot", "correct horse")
    assert "horse" not in repr(found)


def test_hub_has_its_historical_key(tmp_path: Path) -> None:
    config = _config(tmp_path, auths={"https://index.docker.io/v1/": ENTRY})
    assert credentials.load(config, "docker.io").username == "robot"


def test_registry_that_is_asked_gets_only_its_own(tmp_path: Path) -> None:
    with Hostile(basic=("robot", "correct horse")) as registry:
        digest = registry.image("a/b", "t")
        host, _, port = registry.host.partition(":")
        for wrong in (host, f"{host}:1{port}", f"{host}:{port}.evil", f"x{registry.host}"):
            config = _config(tmp_path, auths={wrong: ENTRY})
            with pytest.raises(Unavailable):
                client(registry.host, credentials=config).get_manifest("a/b", "t")
        assert not any("authorization" in seen.headers for seen in registry.seen)
        config = _config(tmp_path, auths={registry.host: ENTRY})
        assert str(client(registry.host, credentials=config).get_manifest("a/b", "t").digest) == digest


@pytest.fixture
def helper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A real credential helper on PATH that notes what it was asked for."""
    asked = tmp_path / "asked"
    program = tmp_path / "docker-credential-noting"
    program.write_text(
        f'#!/bin/sh\ncat >> {asked}\necho >> {asked}\necho \'{{"Username":"robot","Secret":"correct horse"}}\'\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return asked


def test_helpers_do_not_run_by_default(tmp_path: Path, helper: Path) -> None:
    config = _config(tmp_path, credsStore="noting", credHelpers={"registry.example": "noting"})
    assert credentials.load(config, "registry.example") == credentials.Secret()
    assert not helper.exists()


def test_allowed_helper_is_asked_for_exactly_our_host(tmp_path: Path, helper: Path) -> None:
    path = _config(tmp_path, credHelpers={"example": "absent", "registry.example": "noting"}).docker_config
    found = credentials.load(Credentials(dockerConfig=path, helpers=True), "registry.example")
    assert found.password == "correct horse"
    assert helper.read_text() == "registry.example\n"


# The letters are look-alikes on purpose.
@pytest.mark.parametrize("host", ["regіstry.example", "registry。example", "registry.example\u200b", "a_b"])  # noqa: RUF001
def test_look_alike_letters_are_no_registry_host(host: str) -> None:
    with pytest.raises(BadInput):
        registry_host(host)
