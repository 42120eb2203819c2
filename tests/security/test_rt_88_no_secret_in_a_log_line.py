"""RT-88: planted secrets are sent down every way into a log line, and none comes out."""

import base64
import io
import logging
from collections.abc import Iterator

import pytest
import structlog
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from preverify import observe
from preverify.observe import logs

PASSWORD = "planted-Registry-Passw0rd"
HOOK = "planted.hook/secret+value=="
TOKEN = "planted_answers_token_0123456789"


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level, raising = root.handlers[:], root.level, logging.raiseExceptions
    out = io.StringIO()
    observe.setup_logging(stream=out, level="debug")
    yield out
    root.handlers[:], logging.raiseExceptions = handlers, raising
    root.setLevel(level)
    logs._KNOWN.clear()
    structlog.reset_defaults()


def _pem() -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def test_secrets_that_were_read_never_come_out_whatever_carries_them(stream: io.StringIO) -> None:
    for secret in (PASSWORD, HOOK, TOKEN + "\n"):
        observe.hide(secret)
    observing = observe.Observing(observe.Metrics())
    for secret in (PASSWORD, HOOK, TOKEN):
        observing.event("x", detail=f"seen {secret} here", nested={"a": [secret, {"b": secret}]})
        observing.event(secret)
        observing.event("x", **{secret: 1})
        observing.event("x", error=ValueError(f"bad {secret}"))
        logging.getLogger("library").error("it said %s", secret)
        logging.getLogger("library").error("it said {}".format(secret), extra={"more": secret})  # noqa: UP032, G001 - as some do
        try:
            {}[secret]
        except KeyError:
            structlog.stdlib.get_logger("preverify").exception("failed")
    text = stream.getvalue()
    assert len(text.splitlines()) >= 21
    for secret in (PASSWORD, HOOK, TOKEN):
        assert secret not in text


@pytest.mark.parametrize(
    "carrier",
    [
        "Authorization: Bearer {}",
        "authorization: bearer {}",
        "GET https://user:{}@registry.example/v2/",
        "postgresql+psycopg://preverify:{}@db/preverify is down",
        "redirected to https://blobs.example/x?sig={}&se=1",
        "https://blobs.example/x?X-Amz-Signature={}",
        "https://auth.example/token?service=r&access_token={}",
    ],
)
def test_secrets_that_nobody_registered_are_known_by_their_form(stream: io.StringIO, carrier: str) -> None:
    secret = "abcDEF123456ghiJKL"
    observe.Observing(observe.Metrics()).event("x", detail=carrier.format(secret))
    logging.getLogger("urllib3").warning(carrier.format(secret))
    assert secret not in stream.getvalue()
    assert logs.HIDDEN in stream.getvalue()


def test_basic_credentials_tokens_and_keys_are_known_by_their_form(stream: io.StringIO) -> None:
    basic = base64.b64encode(f"user:{PASSWORD}".encode()).decode()
    web_token = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJtZSJ9.c2lnbmF0dXJl"
    pem = _pem()
    observing = observe.Observing(observe.Metrics())
    observing.event("x", detail=f"Authorization: Basic {basic}", other=web_token, third=f"key is\n{pem}")
    text = stream.getvalue()
    assert basic not in text
    assert "c2lnbmF0dXJl" not in text
    assert not any(line in text for line in pem.splitlines()[1:-1])


@pytest.mark.parametrize(
    "name", ["password", "hookSecret", "token", "Authorization", "set-cookie", "api_key", "private_key", "signingPem"]
)
def test_fields_named_like_secrets_are_not_shown(stream: io.StringIO, name: str) -> None:
    observing = observe.Observing(observe.Metrics())
    observing.event("x", **{name: "opaque"})
    observing.event("x", inner={name: ["opaque"]})
    assert "opaque" not in stream.getvalue()
