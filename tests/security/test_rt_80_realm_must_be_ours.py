"""RT-80: credentials go to a token service on the registry's own host or an exact listed one; else nothing leaves."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from preverify.model.errors import Unavailable
from preverify.model.reasons import Reason
from preverify.registry.auth import _KNOWN_REALMS
from support.hostile import Hostile, Tokens, status
from support.registry_clients import client, eavesdropper, source
from support.tls import authority


@pytest.fixture
def credentials(tmp_path: Path) -> dict[str, Path]:
    (tmp_path / "user").write_text("robot")
    (tmp_path / "password").write_text("correct horse")
    return {"usernameFile": tmp_path / "user", "passwordFile": tmp_path / "password"}


@pytest.mark.parametrize("with_credentials", [True, False])
@pytest.mark.parametrize(
    "realm",
    [
        "http://{elsewhere}/token",
        "https://{elsewhere}/token",
        "http://{host}@{elsewhere}/token",
        "http://{host}\\@{elsewhere}/token",
        "http://{host}#@{elsewhere}/token",
        "http://{host}.{elsewhere}/token",
        "//{elsewhere}/token",
        "ftp://{host}/token",
        "file:///etc/passwd",
        "http://{host} {elsewhere}/token",
        "",
        "http://",
    ],
)
def test_no_credential_leaves_for_a_foreign_realm(
    realm: str, with_credentials: bool, credentials: dict[str, Path]
) -> None:
    with Hostile() as registry, eavesdropper() as (elsewhere, heard):
        named = realm.format(host=registry.host, elsewhere=elsewhere)
        registry.fault("GET", "/v2/", status(401, {"WWW-Authenticate": f'Bearer realm="{named}",service="s"'}))
        ours = client(registry.host, credentials=credentials if with_credentials else None)
        with pytest.raises(Unavailable) as caught:
            ours.get_manifest("a/b", "t")
        assert caught.value.reason is Reason.REGISTRY_REFUSED
        assert heard == []
        assert not any("authorization" in seen.headers for seen in registry.seen)


@pytest.mark.parametrize("entry", ["{name}", "evil.example", "127.0.0.1:1"])
def test_extra_hosts_are_exact(entry: str, credentials: dict[str, Path]) -> None:
    with Hostile() as registry, eavesdropper() as (elsewhere, heard):
        named = entry.format(name=elsewhere.partition(":")[0])
        registry.fault("GET", "/v2/", status(401, {"WWW-Authenticate": f'Bearer realm="https://{elsewhere}/token"'}))
        with pytest.raises(Unavailable, match="extraHosts"):
            client(registry.host, credentials=credentials, extraHosts=[named]).get_manifest("a/b", "t")
        assert heard == []


@pytest.mark.parametrize("entry", ["*", ".0.0.1", "*.example", "https://evil.example", "evil.example/x"])
def test_patterns_are_no_hosts(entry: str) -> None:
    with pytest.raises(ValidationError):
        source("registry.example", extraHosts=[entry])


def test_listed_host_over_tls_is_used(credentials: dict[str, Path], tmp_path: Path) -> None:
    ca_file, context = authority(tmp_path)
    tokens = Tokens()
    with (
        Hostile(tls=context, tokens=tokens) as service,
        Hostile(tls=context, tokens=Tokens(issued=tokens.issued)) as registry,
    ):
        assert registry.tokens is not None
        registry.tokens.realm = f"{service.url}/token"
        digest = registry.image("a/b", "t")
        settings = {"credentials": credentials, "tls": {"caFile": ca_file}}
        with pytest.raises(Unavailable):
            client(registry.host, **settings).get_manifest("a/b", "t")
        assert service.seen == []
        ours = client(registry.host, extraHosts=[service.host], **settings)
        assert str(ours.get_manifest("a/b", "t").digest) == digest
        assert len(tokens.requests) == 1


def test_listed_host_without_tls_is_refused(credentials: dict[str, Path]) -> None:
    with Hostile() as registry, eavesdropper() as (elsewhere, heard):
        registry.fault("GET", "/v2/", status(401, {"WWW-Authenticate": f'Bearer realm="http://{elsewhere}/token"'}))
        with pytest.raises(Unavailable, match="no credentials go"):
            client(registry.host, credentials=credentials, extraHosts=[elsewhere]).get_manifest("a/b", "t")
        assert heard == []


def test_built_in_pairs_are_whole_host_names() -> None:
    for registry, realms in _KNOWN_REALMS.items():
        for host in (registry, *realms):
            assert "*" not in host
            assert not host.startswith(".")
            assert host.count(".") >= 1


@pytest.mark.parametrize(
    "where", ["auth.docker.io.evil.example", "evilauth.docker.io", "docker.io", "auth.docker.io:8443"]
)
def test_hub_trusts_exactly_its_own_service(where: str) -> None:
    from preverify.registry.auth import Authorizer
    from preverify.registry.credentials import Secret
    from preverify.registry.urls import Url
    from support.clock import Stopped

    made = Authorizer(
        Url.parse("https://registry-1.docker.io/v2/"),
        lambda: Secret(username="u", password="p"),
        clock=Stopped(),
        extra_hosts=(),
        ask=lambda *_: pytest.fail("asked"),
    )
    with pytest.raises(Unavailable):
        made._checked_realm(f"https://{where}/token")
    assert str(made._checked_realm("https://auth.docker.io/token")) == "https://auth.docker.io/token"
