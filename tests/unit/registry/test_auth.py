"""Challenges and tokens: what is asked for, kept, renewed and refused."""

import json
from pathlib import Path

import pytest

from preverify.model.digest import Digest
from preverify.model.errors import BadConfiguration, Unavailable
from preverify.model.reasons import Reason
from preverify.registry import credentials as reading
from preverify.registry.auth import parse_challenges
from preverify.registry.client import Client
from preverify.settings import Credentials
from support.clock import Stopped
from support.hostile import Hostile, Tokens, status
from support.registry_clients import client, source


@pytest.fixture
def secret(tmp_path: Path) -> dict[str, Path]:
    (tmp_path / "user").write_text("robot\n")
    (tmp_path / "password").write_text("correct horse\n")
    return {"usernameFile": tmp_path / "user", "passwordFile": tmp_path / "password"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('Bearer realm="https://a/t"', {"bearer": {"realm": "https://a/t"}}),
        ("Bearer realm=https://a/t, service=s", {"bearer": {"realm": "https://a/t", "service": "s"}}),
        (
            'Basic realm="x", Bearer realm="y",scope="a,b"',
            {"basic": {"realm": "x"}, "bearer": {"realm": "y", "scope": "a,b"}},
        ),
        ('Basic, Bearer realm="y"', {"basic": {}, "bearer": {"realm": "y"}}),
        ('Negotiate, Basic realm="x"', {"negotiate": {}, "basic": {"realm": "x"}}),
        (r'Bearer realm="a\"b"', {"bearer": {"realm": 'a"b'}}),
        ('Bearer realm="first",realm="second"', {"bearer": {"realm": "first"}}),
        ("", {}),
        ("garbage", {}),
        ('realm="x"', {}),
        ('Bearer realm="open', {}),
    ],
)
def test_challenges(text: str, expected: dict[str, dict[str, str]]) -> None:
    assert parse_challenges(text) == expected


def test_token_is_renewed_before_it_expires(secret: dict[str, Path]) -> None:
    tokens, clock = Tokens(expires_in=100), Stopped()
    with Hostile(tokens=tokens) as registry:
        registry.image("a/b", "t")
        ours = Client("test", source(registry.host, credentials=secret), clock=clock)
        for seconds, requests in ((0, 1), (79, 1), (2, 2)):
            clock.forward(seconds)
            ours.get_manifest("a/b", "t")
            assert len(tokens.requests) == requests


@pytest.mark.parametrize("life", [None, 0, -1, "soon", True])
def test_tokens_without_a_life_live_a_minute(secret: dict[str, Path], life: object) -> None:
    tokens, clock = Tokens(), Stopped()
    with Hostile(tokens=tokens) as registry:
        registry.image("a/b", "t")

        def change(_seen, reply):
            document = {**json.loads(reply.body), "expires_in": life}
            return type(reply)(body=json.dumps({k: v for k, v in document.items() if v is not None}).encode())

        registry.fault("GET", "^/token", change)
        ours = Client("test", source(registry.host, credentials=secret), clock=clock)
        for seconds, requests in ((0, 1), (47, 1), (2, 2)):
            clock.forward(seconds)
            ours.get_manifest("a/b", "t")
            assert len(tokens.requests) == requests


def test_scopes_are_ours_and_not_what_the_challenge_says(secret: dict[str, Path]) -> None:
    tokens = Tokens()
    with Hostile(tokens=tokens) as registry:
        registry.image("a/b", "t")
        registry.fault(
            "GET",
            "/v2/",
            lambda _seen, reply: (
                reply
                if reply.status == 200
                else status(
                    401, {"WWW-Authenticate": f'Bearer realm="{registry.url}/token",scope="repository:other:*"'}
                )(_seen, reply)
            ),
        )
        ours = client(registry.host, credentials=secret)
        ours.get_manifest("a/b", "t")
        ours.put_blob("a/b", b"data")
        ours.delete_manifest("a/b", Digest.of(b"x"))
        ours.catalog()
        assert [s.query["scope"] for s in tokens.requests] == [
            "repository:a/b:pull",
            "repository:a/b:pull,push",
            "repository:a/b:delete",
            "registry:catalog:*",
        ]


def test_basic_credentials_are_sent_after_a_challenge_only(secret: dict[str, Path]) -> None:
    with Hostile(basic=("robot", "correct horse")) as registry:
        registry.image("a/b", "t")
        ours = client(registry.host, credentials=secret)
        ours.get_manifest("a/b", "t")
        ours.get_manifest("a/b", "t")
        assert ["authorization" in s.headers for s in registry.seen] == [False, True, True]


def test_wrong_password_is_a_refusal_and_not_a_loop(secret: dict[str, Path]) -> None:
    with Hostile(basic=("robot", "another")) as registry:
        registry.image("a/b", "t")
        ours = client(registry.host, credentials=secret)
        with pytest.raises(Unavailable) as caught:
            ours.get_manifest("a/b", "t")
        assert caught.value.reason is Reason.REGISTRY_REFUSED
        assert len(registry.seen) == 2
        assert "horse" not in str(caught.value)


def test_password_that_was_changed_on_disk_is_read_again(secret: dict[str, Path]) -> None:
    with Hostile(basic=("robot", "correct horse")) as registry:
        registry.image("a/b", "t")
        ours = client(registry.host, credentials=secret)
        ours.get_manifest("a/b", "t")
        registry.basic = ("robot", "battery staple")
        secret["passwordFile"].write_text("battery staple\n")
        ours.get_manifest("a/b", "t")


def test_password_file_that_is_just_being_replaced_changes_nothing(secret: dict[str, Path]) -> None:
    with Hostile(basic=("robot", "correct horse")) as registry:
        registry.image("a/b", "t")
        ours = client(registry.host, credentials=secret)
        ours.get_manifest("a/b", "t")
        secret["passwordFile"].unlink()
        registry.basic = ("robot", "battery staple")
        with pytest.raises(Unavailable):
            ours.get_manifest("a/b", "t")
        registry.basic = ("robot", "correct horse")
        ours.get_manifest("a/b", "t")


def test_bearer_token_from_a_file_is_sent_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("abc.def\n")
    with Hostile() as registry:
        registry.image("a/b", "t")
        client(registry.host, credentials={"tokenFile": tmp_path / "token"}).get_manifest("a/b", "t")
        assert registry.seen[0].headers["authorization"] == "Bearer abc.def"


def test_refresh_token_is_posted_to_the_service(tmp_path: Path) -> None:
    with Hostile(tokens=Tokens(anonymous=True)) as registry:
        registry.image("a/b", "t")
        config = tmp_path / "config.json"
        config.write_text(json.dumps({"auths": {registry.host: {"identitytoken": "refresh me"}}}))
        client(registry.host, credentials={"dockerConfig": config}).get_manifest("a/b", "t")
        asked = registry.sent("POST", "^/token")[0]
        assert b"grant_type=refresh_token" in asked.body
        assert b"refresh_token=refresh+me" in asked.body
        assert "authorization" not in asked.headers


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (status(401), Reason.REGISTRY_REFUSED),
        (status(403), Reason.REGISTRY_REFUSED),
        (status(500), Reason.REGISTRY_UNAVAILABLE),
        (status(302, {"Location": "/token2"}), Reason.REGISTRY_UNAVAILABLE),
        (status(200, data=b"not json"), Reason.REGISTRY_UNAVAILABLE),
        (status(200, data=b"[]"), Reason.REGISTRY_UNAVAILABLE),
        (status(200, data=b"{}"), Reason.REGISTRY_UNAVAILABLE),
        (status(200, data=b'{"token": 7}'), Reason.REGISTRY_UNAVAILABLE),
        (status(200, data=b'{"token": "a b"}'), Reason.REGISTRY_UNAVAILABLE),
        (status(200, data=b'{"token": "a\\r\\nX-Evil: 1"}'), Reason.REGISTRY_UNAVAILABLE),
        (status(200, data=b"[" * 60_000), Reason.REGISTRY_UNAVAILABLE),
    ],
)
def test_token_service_that_gives_no_token(secret: dict[str, Path], fault, reason: Reason) -> None:
    with Hostile(tokens=Tokens()) as registry:
        registry.image("a/b", "t")
        registry.fault("GET", "^/token", fault)
        with pytest.raises(Unavailable) as caught:
            client(registry.host, credentials=secret).get_manifest("a/b", "t")
        assert caught.value.reason is reason


def test_challenge_of_no_known_scheme_is_a_refusal(secret: dict[str, Path]) -> None:
    with Hostile() as registry:
        registry.fault("GET", "", status(401, {"WWW-Authenticate": "Digest realm=x"}))
        with pytest.raises(Unavailable) as caught:
            client(registry.host, credentials=secret).get_manifest("a/b", "t")
        assert caught.value.reason is Reason.REGISTRY_REFUSED


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"usernameFile": "user"}, "go together"),
        ({"passwordFile": "user"}, "go together"),
        ({"usernameFile": "user", "passwordFile": "user", "tokenFile": "user"}, "give one of"),
        ({"tokenFile": "absent"}, "cannot be read"),
        ({"tokenFile": "empty"}, "one line"),
        ({"tokenFile": "two"}, "one line"),
        ({"tokenFile": "binary"}, "UTF-8"),
        ({"tokenFile": "large"}, "larger"),
        ({"tokenFile": "spaced"}, "without spaces"),
        ({"dockerConfig": "user"}, "JSON"),
        ({"dockerConfig": "list"}, "object"),
        ({"dockerConfig": "badauth"}, "base64"),
    ],
)
def test_credential_files_that_cannot_be_used(tmp_path: Path, files: dict[str, str], message: str) -> None:
    (tmp_path / "user").write_text("robot")
    (tmp_path / "empty").write_text("")
    (tmp_path / "spaced").write_text("a b")
    (tmp_path / "two").write_text("a\nb")
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    (tmp_path / "large").write_bytes(b"x" * ((1 << 20) + 1))
    (tmp_path / "list").write_text("[]")
    (tmp_path / "badauth").write_text('{"auths":{"registry.example":{"auth":"%%%"}}}')
    settings = Credentials.model_construct(**{_FIELDS[name]: tmp_path / file for name, file in files.items()})
    with pytest.raises(BadConfiguration, match=message):
        reading.load(settings, "registry.example")


_FIELDS = {
    "usernameFile": "username_file",
    "passwordFile": "password_file",
    "tokenFile": "token_file",
    "dockerConfig": "docker_config",
}


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"auth": "cm9ib3Q6YTpi"}, reading.Secret(username="robot", password="a:b")),
        ({"username": "robot", "password": "x"}, reading.Secret(username="robot", password="x")),
        ({"registrytoken": "tok"}, reading.Secret(bearer="tok")),
        ({"identitytoken": "ref"}, reading.Secret(refresh="ref")),
        ({}, reading.Secret()),
        ("nonsense", reading.Secret()),
    ],
)
def test_docker_entries(tmp_path: Path, entry: object, expected: reading.Secret) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"auths": {"registry.example": entry}}))
    assert reading.load(Credentials(dockerConfig=tmp_path / "config.json"), "registry.example") == expected


@pytest.mark.parametrize("answer", ["echo nonsense", "exit 1", "echo '{}'", 'echo \'{"Username":1,"Secret":2}\''])
def test_credential_helper_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: str) -> None:
    program = tmp_path / "docker-credential-x"
    program.write_text(f"#!/bin/sh\ncat >/dev/null\n{answer}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    (tmp_path / "config.json").write_text('{"credsStore":"x"}')
    with pytest.raises(BadConfiguration, match="gave no credentials"):
        reading.load(Credentials(dockerConfig=tmp_path / "config.json", helpers=True), "registry.example")


@pytest.mark.parametrize("name", ["../x", "x;y", "x y", "é"])
def test_credential_helper_names_are_names(tmp_path: Path, name: str) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"credsStore": name}))
    with pytest.raises(BadConfiguration, match="not the name"):
        reading.load(Credentials(dockerConfig=tmp_path / "config.json", helpers=True), "registry.example")
