"""Credentials of one source, read from files. They belong to exactly one host."""

import base64
import binascii
import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

from preverify.model.errors import BadConfiguration
from preverify.settings import Credentials

_MAX_FILE = 1 << 20
_HELPER_SECONDS = 10
_HUB = "docker.io"
_HUB_KEY = "https://index.docker.io/v1/"


@dataclass(frozen=True, slots=True)
class Secret:
    """What we know about ourselves: a user and password, a bearer token, or a refresh token. Never printed."""

    username: str = ""
    password: str = ""
    bearer: str = ""
    refresh: str = ""

    def __repr__(self) -> str:
        return "Secret(…)"

    def basic(self) -> str | None:
        """Return the value of a Basic `Authorization` header; None without a user name."""
        if not self.username:
            return None
        return "Basic " + base64.b64encode(f"{self.username}:{self.password}".encode()).decode()


def load(settings: Credentials | None, host: str) -> Secret:
    """Read the credentials for exactly `host`.

    Raises:
        BadConfiguration: a file is missing, unreadable or not of its form, or two ways are configured at once.
    """
    if settings is None:
        return Secret()
    ways = [settings.username_file or settings.password_file, settings.token_file, settings.docker_config]
    if sum(way is not None for way in ways) > 1:
        raise BadConfiguration("give one of usernameFile and passwordFile, tokenFile or dockerConfig", where=host)
    if settings.token_file is not None:
        return Secret(bearer=_bearer(_line(settings.token_file), settings.token_file))
    if settings.docker_config is not None:
        return _from_docker(settings.docker_config, host, helpers=settings.helpers)
    if settings.username_file is None and settings.password_file is None:
        return Secret()
    if settings.username_file is None or settings.password_file is None:
        raise BadConfiguration("usernameFile and passwordFile go together", where=host)
    return Secret(username=_line(settings.username_file), password=_line(settings.password_file))


def _line(path: Path) -> str:
    text = _read(path).strip("\r\n")
    if not text or not text.isprintable():
        raise BadConfiguration("expected one line of printable text", where=str(path))
    return text


def _bearer(token: str, path: Path) -> str:
    """Check that a token can stand in a header as it is."""
    if not token.isascii() or not token.isprintable() or " " in token:
        raise BadConfiguration("a bearer token is printable ASCII without spaces", where=str(path))
    return token


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_FILE + 1)
        if len(data) > _MAX_FILE:
            raise BadConfiguration(f"larger than {_MAX_FILE} bytes", where=str(path))
        return data.decode()
    except OSError as error:
        raise BadConfiguration(f"cannot be read: {error.strerror}", where=str(path)) from error
    except UnicodeDecodeError as error:
        raise BadConfiguration("is not UTF-8 text", where=str(path)) from error


def _from_docker(path: Path, host: str, *, helpers: bool) -> Secret:
    """Take the entry whose key is exactly our host. No suffix, prefix or wildcard ever matches."""
    try:
        document = json.loads(_read(path))
    except ValueError as error:
        raise BadConfiguration("is not JSON", where=str(path)) from error
    if not isinstance(document, dict):
        raise BadConfiguration("expected an object with `auths`", where=str(path))
    names = (host, f"https://{host}", f"https://{host}/", f"https://{host}/v2/", f"https://{host}/v1/")
    keys = (*names, _HUB_KEY) if host == _HUB else names
    if helpers:
        program = _first(document.get("credHelpers"), keys) or document.get("credsStore")
        if isinstance(program, str) and program:
            return _from_helper(program, _HUB_KEY if host == _HUB else host, path)
    entry = _first(document.get("auths"), keys)
    return _entry(entry, path) if isinstance(entry, dict) else Secret()


def _first(table: object, keys: tuple[str, ...]) -> object:
    return next((table[key] for key in keys if key in table), None) if isinstance(table, dict) else None


def _entry(entry: dict[str, object], path: Path) -> Secret:
    token, refresh, packed = entry.get("registrytoken"), entry.get("identitytoken"), entry.get("auth")
    if isinstance(token, str) and token:
        return Secret(bearer=_bearer(token, path))
    username, password = entry.get("username"), entry.get("password")
    if isinstance(packed, str) and packed:
        try:
            username, _, password = base64.b64decode(packed, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError) as error:
            raise BadConfiguration("an `auth` is not base64 of user:password", where=str(path)) from error
    return Secret(
        username=username if isinstance(username, str) else "",
        password=password if isinstance(password, str) else "",
        refresh=refresh if isinstance(refresh, str) else "",
    )


def _from_helper(program: str, server: str, path: Path) -> Secret:
    """Run `docker-credential-PROGRAM get`. Only where the configuration allows helpers."""
    if not program.replace("-", "").replace("_", "").replace(".", "").isalnum() or not program.isascii():
        raise BadConfiguration(f"{program[:40]!r} is not the name of a credential helper", where=str(path))
    try:
        done = subprocess.run(  # noqa: S603  # no shell; helpers run only where the operator allowed them
            [f"docker-credential-{program}", "get"],
            input=server.encode(),
            capture_output=True,
            timeout=_HELPER_SECONDS,
            check=True,
        )
        answer = json.loads(done.stdout[:_MAX_FILE])
        username, password = answer["Username"], answer["Secret"]
    except (OSError, subprocess.SubprocessError, ValueError, KeyError, TypeError) as error:
        raise BadConfiguration(
            f"docker-credential-{program} gave no credentials for {server}", where=str(path)
        ) from error
    if not isinstance(username, str) or not isinstance(password, str):
        raise BadConfiguration(f"docker-credential-{program} gave no credentials for {server}", where=str(path))
    return Secret(refresh=password) if username == "<token>" else Secret(username=username, password=password)
