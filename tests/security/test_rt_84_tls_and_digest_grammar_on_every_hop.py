"""RT-84: TLS is verified towards registry, token service and redirect targets; digests are grammar before any path."""

import subprocess
import sys
from pathlib import Path

import pytest

from preverify.model.digest import Digest
from preverify.model.errors import BadInput, MalformedEvidence, Unavailable
from preverify.model.reasons import Reason
from preverify.registry.manifests import parse_descriptor
from support.hostile import Hostile, Tokens, redirect
from support.registry_clients import client, eavesdropper
from support.tls import authority


@pytest.fixture
def two(tmp_path: Path):
    for name in ("ours", "theirs"):
        (tmp_path / name).mkdir()
    return authority(tmp_path / "ours"), authority(tmp_path / "theirs")


def test_registry_with_another_authority_is_refused(two) -> None:
    (ours, context), (theirs, _) = two
    with Hostile(tls=context) as registry:
        digest = registry.image("a/b", "t")
        assert str(client(registry.host, tls={"caFile": ours}).get_manifest("a/b", "t").digest) == digest
        before = len(registry.seen)
        for tls in ({"caFile": theirs}, {}):
            with pytest.raises(Unavailable, match="TLS"):
                client(registry.host, tls=tls).get_manifest("a/b", "t")
        assert len(registry.seen) == before


def test_certificate_of_another_name_is_refused(tmp_path: Path) -> None:
    ca_file, context = authority(tmp_path, names=("other.example",))
    with Hostile(tls=context) as registry:
        registry.image("a/b", "t")
        host = registry.host.replace("127.0.0.1", "localhost")
        with pytest.raises(Unavailable, match="TLS"):
            client(host, tls={"caFile": ca_file}).get_manifest("a/b", "t")


def test_token_service_with_another_authority_sees_no_credentials(two, tmp_path: Path) -> None:
    (ours, context), (_, other) = two
    (tmp_path / "user").write_text("robot")
    (tmp_path / "password").write_text("correct horse")
    tokens = Tokens()
    with Hostile(tls=other, tokens=Tokens()) as service, Hostile(tls=context, tokens=tokens) as registry:
        tokens.realm = f"{service.url}/token"
        credentials = {"usernameFile": tmp_path / "user", "passwordFile": tmp_path / "password"}
        made = client(registry.host, tls={"caFile": ours}, credentials=credentials, extraHosts=[service.host])
        with pytest.raises(Unavailable, match="TLS"):
            made.get_manifest("a/b", "t")
        assert service.seen == []


def test_redirect_target_with_another_authority_is_refused(two) -> None:
    (ours, context), (_, other) = two
    with Hostile(tls=context) as registry, Hostile(tls=other) as store:
        digest = Digest.parse(str(registry.blob("a/b", b"x")["digest"]))
        registry.fault("GET", "/blobs/", redirect(f"{store.url}/x"))
        made = client(registry.host, tls={"caFile": ours}, extraHosts=[store.host])
        with pytest.raises(Unavailable, match="TLS"):
            made.get_blob("a/b", digest, size=1, max_bytes=1)
        assert store.seen == []


@pytest.mark.parametrize(
    "text",
    [
        "sha256:../../../etc/passwd",
        "sha256:" + "a" * 63,
        "sha256:" + "A" * 64,
        "sha256:" + "a" * 64 + "/../x",
        "sha256:" + "a" * 64 + "\n",
        "sha256:" + "a" * 64 + "?x=1",
        "sha1:" + "a" * 40,
        "md5:" + "a" * 32,
        "blake3:" + "a" * 64,
        "SHA256:" + "a" * 64,
        "sha256",
        "",
        "sha512:" + "a" * 64,
        "sha256:" + "٣" * 64,
    ],
)
def test_digests_outside_the_grammar_never_name_anything(text: str) -> None:
    with pytest.raises(BadInput):
        Digest.parse(text)
    with pytest.raises(MalformedEvidence) as caught:
        parse_descriptor({"mediaType": "x/y", "digest": text, "size": 1})
    assert caught.value.reason is Reason.PAYLOAD_MALFORMED


def test_environment_sends_nothing_through_a_proxy(tmp_path: Path) -> None:
    """Proxy variables and a netrc of whoever started us must not see our requests or add credentials."""
    with Hostile() as registry, eavesdropper() as (elsewhere, heard):
        registry.image("a/b", "t")
        (tmp_path / ".netrc").write_text("machine 127.0.0.1 login robot password horse\n")
        (tmp_path / ".docker").mkdir()
        (tmp_path / ".docker" / "config.json").write_text(f'{{"auths":{{"{registry.host}":{{"auth":"cjpw"}}}}}}')
        script = (
            "from preverify.clock import SystemClock; from preverify.settings import Source\n"
            "from preverify.registry.client import Client\n"
            "tls = dict(plainHttp=True)\n"
            f"s = Source.model_validate(dict(registry='{registry.host}', network='private', tls=tls))\n"
            "print(Client('x', s, clock=SystemClock()).get_manifest('a/b', 't').digest)\n"
        )
        names = ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")
        environment = dict.fromkeys(names, f"http://{elsewhere}") | {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
        done = subprocess.run(
            [sys.executable, "-c", script], env=environment, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr
        assert heard == []
        assert [seen.headers.get("authorization") for seen in registry.seen] == [None]
