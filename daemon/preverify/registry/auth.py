"""Authorization towards one registry: Basic, or bearer tokens by repository and action. Nothing goes elsewhere."""

import json
import re
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlencode

from preverify.model.errors import BadConfiguration, BadInput, Unavailable
from preverify.model.reasons import Reason
from preverify.ports import Clock
from preverify.registry.credentials import Secret
from preverify.registry.engine import Response
from preverify.registry.refusals import Refused
from preverify.registry.urls import Url

MAX_TOKEN_ANSWER = 64 * 1024
_DEFAULT_LIFE = 60.0
_LONGEST_LIFE = 3600.0
_USED_LIFE = 0.8
_MAX_CACHED = 4096

# Registries whose token service is on another host, as exact pairs. Suffixes never count: anybody can register a name.
_KNOWN_REALMS: Mapping[str, frozenset[str]] = {
    "registry-1.docker.io": frozenset({"auth.docker.io"}),
    "registry.gitlab.com": frozenset({"gitlab.com"}),
    "registry.digitalocean.com": frozenset({"api.digitalocean.com"}),
}

_CHALLENGE = re.compile(r'\s*,?\s*(?:([A-Za-z][A-Za-z0-9-]*)\s+)?([A-Za-z_]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))')
_SCHEME_ONLY = re.compile(r"\s*,?\s*(Basic|Bearer|Negotiate)\s*(?:,|$)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Scope:
    """What a request wants to do: one repository (or the catalogue) and its actions."""

    repository: str
    actions: str  # "pull", "pull,push", "delete"

    def __str__(self) -> str:
        return f"repository:{self.repository}:{self.actions}" if self.repository else f"registry:catalog:{self.actions}"


@dataclass(frozen=True, slots=True)
class _Token:
    header: str
    until: float


class Authorizer:
    """Gives the `Authorization` header for requests to exactly one registry."""

    def __init__(
        self,
        origin: Url,
        load: Callable[[], Secret],
        *,
        clock: Clock,
        extra_hosts: tuple[str, ...],
        ask: Callable[[str, Url, tuple[str, ...], bytes | None], Response],
    ) -> None:
        self._origin = origin
        self._load = load
        self._secret = load()
        self._clock = clock
        self._ask = ask
        self._realm_hosts = _KNOWN_REALMS.get(origin.authority, frozenset()) | frozenset(extra_hosts)
        self._lock = threading.Lock()
        self._basic = False
        self._tokens: dict[Scope, _Token] = {}

    def header(self, scope: Scope) -> str | None:
        """Return what is known to be accepted for `scope` already; None to ask without."""
        if self._secret.bearer:
            return f"Bearer {self._secret.bearer}"
        if self._basic:
            return self._secret.basic()
        token = self._tokens.get(scope)
        return token.header if token is not None and self._clock.monotonic() < token.until else None

    def answer(self, challenge: str, scope: Scope, *, refused: str | None) -> str | None:
        """Return a fresh header for a 401 with `challenge`; None where we have nothing (new) to show.

        Args:
            challenge: `WWW-Authenticate` of the answer.
            scope: What the request wanted.
            refused: The header that was just refused, if any.

        Raises:
            Unavailable: `registry-refused` where the realm is not a place that may see credentials, or the token
                service does not answer.
        """
        schemes = parse_challenges(challenge)
        if refused is not None:
            # It may have been changed on disk. A file that is just being replaced keeps the secret that we have.
            with suppress(BadConfiguration):
                self._secret = self._load()
        if self._secret.bearer:
            header: str | None = f"Bearer {self._secret.bearer}"
        elif "bearer" in schemes:
            header = self._fetch(schemes["bearer"], scope)
        elif "basic" in schemes:
            self._basic = True
            header = self._secret.basic()
        else:
            header = None
        return header if header != refused or "bearer" in schemes else None

    def _fetch(self, parameters: Mapping[str, str], scope: Scope) -> str:
        realm = self._checked_realm(parameters.get("realm", ""))
        query = {"service": parameters["service"]} if "service" in parameters else {}
        query["scope"] = str(scope)
        basic = self._secret.basic()
        if self._secret.refresh:
            form = {**query, "grant_type": "refresh_token", "refresh_token": self._secret.refresh}
            body = urlencode({**form, "client_id": "preverify"}).encode()
            answer = self._ask("POST", realm, ("Content-Type: application/x-www-form-urlencoded",), body)
        else:
            headers = () if basic is None else (f"Authorization: {basic}",)
            answer = self._ask("GET", realm.with_query(urlencode(query)), headers, None)
        token, life = _token(answer, realm)
        header = f"Bearer {token}"
        with self._lock:
            if len(self._tokens) >= _MAX_CACHED:
                self._tokens.clear()
            self._tokens[scope] = _Token(header, self._clock.monotonic() + life * _USED_LIFE)
        return header

    def _checked_realm(self, realm: str) -> Url:
        """Return the token service's URL where credentials may go there.

        The realm comes from the registry's answer, which anybody on the way or behind the registry may have written.
        """
        try:
            url = Url.parse(realm)
        except BadInput as error:
            raise Unavailable(
                f"{self._origin.authority} names an unusable token service: {error}", reason=Reason.REGISTRY_REFUSED
            ) from error
        same = url.origin == self._origin.origin
        if not same and not (url.scheme == "https" and url.authority in self._realm_hosts | {self._origin.authority}):
            raise Unavailable(
                f"{self._origin.authority} names the token service {url.scheme}://{url.authority}, to which no "
                "credentials go; if that is right, add the host to `extraHosts` of the source",
                reason=Reason.REGISTRY_REFUSED,
            )
        return url


def parse_challenges(text: str) -> dict[str, dict[str, str]]:
    """Return the parameters of each scheme in `WWW-Authenticate`, names in lower case. Garbage gives nothing.

    >>> parse_challenges('Bearer realm="https://a/t",service="s"')
    {'bearer': {'realm': 'https://a/t', 'service': 's'}}
    """
    found: dict[str, dict[str, str]] = {}
    text, position, scheme = text[:8192], 0, ""
    while position < len(text):
        alone = _SCHEME_ONLY.match(text, position)
        match = None if alone else _CHALLENGE.match(text, position)
        if alone is not None:
            found.setdefault(alone[1].lower(), {})
            position = alone.end()
        elif match is not None:
            scheme = match[1].lower() if match[1] else scheme
            quoted = match[3]
            value = re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else match[4]
            if scheme:
                found.setdefault(scheme, {}).setdefault(match[2].lower(), value)
            position = match.end()
        else:
            break
    return found


def _token(answer: Response, realm: Url) -> tuple[str, float]:
    where = f"token service {realm.authority}"
    if answer.status_code in (400, 401, 403, 404):
        raise Refused(f"{where} answered {answer.status_code}", status=answer.status_code, code="")
    if answer.status_code != 200:
        raise Unavailable(f"{where} answered {answer.status_code}")
    try:
        document = json.loads(answer.content)
    except (ValueError, RecursionError) as error:
        raise Unavailable(f"{where} answered something that is not JSON") from error
    if not isinstance(document, dict):
        raise Unavailable(f"{where} answered something that is not an object")
    token = document.get("token") or document.get("access_token")
    if not isinstance(token, str) or not token.isascii() or not token.isprintable() or " " in token:
        raise Unavailable(f"{where} answered without a usable token")
    life = document.get("expires_in")
    if not isinstance(life, int | float) or isinstance(life, bool) or life <= 0:
        life = _DEFAULT_LIFE
    return token, min(float(life), _LONGEST_LIFE)
