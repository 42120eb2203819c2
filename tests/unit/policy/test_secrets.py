"""What looks like a secret, and what only sounds like one."""

import pytest

from preverify.policy.demands.secrets import FORMS, secret_in

BY_NAME = "a secret by its name"


@pytest.mark.parametrize(
    "name",
    [
        *("DB_PASSWORD", "MYSQLPASSWORD", "PGPASSWD", "KEY_PASSPHRASE", "dbPassword", "SMTP_PASS", "DB_PWD"),
        *("CLIENT_SECRET", "secret", "APP_SECRETS", "GITHUB_TOKEN", "token", "AWS_CREDENTIALS", "CREDENTIAL"),
        *("API_KEY", "APIKEY", "AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "PRIVATE_KEY", "signing-key", "SSH_KEYS"),
        *("SECRET_FILE_CONTENT", "TOKEN_VALUE"),
    ],
)
def test_names_of_secrets_are_known(name: str) -> None:
    assert secret_in(name, "x") == BY_NAME
    assert secret_in(name, "") == ""
    assert secret_in(name, "${OTHER}") == ""


@pytest.mark.parametrize(
    "name",
    [
        *("PATH", "PWD", "OLDPWD", "GPG_KEY", "KEY", "KEYS_DIR", "TOKENIZERS_PARALLELISM", "COMPASS", "PUBLIC_KEY"),
        *("DB_PASSWORD_FILE", "TOKEN_PATH", "SECRETS_DIR", "TOKEN_URL", "AUTH_TOKEN_URI", "KEYBOARD", "", "___"),
    ],
)
def test_names_that_only_sound_alike_are_none(name: str) -> None:
    assert secret_in(name, "x") == ""


# Put together here, so that scanners of repositories do not take them for lost secrets.
VALUES = {
    "an AWS access key": "AK" + "IAIOSFODNN7EXAMPLE",
    "a GitHub token": "gh" + "p_" + "a1" * 18,
    "a GitLab token": "gl" + "pat-" + "a" * 20,
    "a Slack token": "xo" + "xb-1234567890",
    "a Google API key": "AI" + "za" + "b" * 35,
    "a Stripe key": "sk" + "_live_" + "c" * 16,
    "an npm token": "np" + "m_" + "d" * 36,
    "a PyPI token": "py" + "pi-AgEIcHlwaS5vcmc" + "e" * 20,
    "a Docker Hub token": "dc" + "kr_pat_" + "f" * 20,
    "a Hugging Face token": "h" + "f_" + "g" * 34,
    "a private key": "-----BEGIN " + "PRIVATE KEY-----",
    "a JSON web token": "ey" + "JhbGciOiJIUzI1NiJ9.ey" + "JzdWIiOiIxIn0.sig",
    "a password in a URL": "postgres://app" + ":hunter2@db.internal/app",
}


@pytest.mark.parametrize("form", FORMS)
def test_values_of_known_forms_are_known_under_any_name(form: str) -> None:
    for text in (VALUES[form], f"prefix {VALUES[form]} suffix"):
        assert secret_in("HARMLESS_URL", text) == form


@pytest.mark.parametrize(
    "value",
    [
        *("-----BEGIN " + f"{kind}PRIVATE KEY-----" for kind in ("RSA ", "EC ", "OPENSSH ", "ENCRYPTED ")),
        "-----BEGIN " + "PGP PRIVATE KEY BLOCK-----",
    ],
)
def test_private_keys_come_in_several_forms(value: str) -> None:
    assert secret_in("X", f"a\n{value}\nMIIE") == "a private key"


@pytest.mark.parametrize(
    "value",
    [
        "sha256:" + "a" * 64,
        "https://registry.example/path:tag@sha256",
        "-----BEGIN CERTIFICATE-----",
        "-----BEGIN PUBLIC KEY-----",
        "user@host:/path",
        "eyJ" * 100_000,
        "://" * 100_000,
    ],
)
def test_values_that_only_look_alike_are_none(value: str) -> None:
    assert secret_in("X", value) == ""
