"""The rule `config`: what the configuration of an image says is allowed."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Self

from preverify.model import globs
from preverify.model.needs import Need
from preverify.model.reasons import Reason
from preverify.model.verdicts import Mode, Outcome, RuleResult
from preverify.policy.demands.images import ConfigFacts, ManifestFacts, Unread, image_facts
from preverify.policy.demands.secrets import secret_in
from preverify.policy.patterns import pattern
from preverify.policy.quorum import Quorum, Signer
from preverify.policy.rules.config_spec import ConfigSpec, Ports, ports
from preverify.policy.rules.evidence import Look
from preverify.policy.rules.results import result

__all__ = ["ConfigSpec", "Configured"]

_MAX_DETAIL = 500
_NUMBER = re.compile(r"[+-]?\d+", re.ASCII)
_LARGEST_USER = 2**31 - 1  # above, runtimes refuse, or wrapped around to 0 (CVE-2024-40635)
_ADMINISTRATORS = frozenset({"root", "containeradministrator", "administrator"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Configured:
    """The configuration satisfies every demand. What is empty is not demanded.

    Attributes:
        exposed_ports: Every exposed port is among these; None where ports may be exposed freely.
        max_layers: 0 for any number.
        max_size: Bytes; 0 for any.
    """

    KIND: ClassVar[str] = "config"

    name: str
    mode: Mode
    non_root: bool = False
    user_names: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    labels: tuple[tuple[str, str], ...] = ()
    label_patterns: tuple[tuple[str, str], ...] = ()
    required_labels: tuple[str, ...] = ()
    forbidden_labels: tuple[str, ...] = ()
    no_secrets: bool = False
    allowed_env: tuple[str, ...] = ()
    forbidden_env: tuple[str, ...] = ()
    entrypoint: bool = False
    entrypoints: tuple[tuple[str, ...], ...] = ()
    exposed_ports: tuple[str, ...] | None = None
    forbidden_ports: tuple[str, ...] = ()
    no_volumes: bool = False
    max_layers: int = 0
    max_size: int = 0

    @property
    def quorums(self) -> tuple[Quorum, ...]:
        """Return nobody: the image speaks for itself."""
        return ()

    @property
    def needs(self) -> frozenset[Need]:
        """Return the configuration."""
        return frozenset({Need.CONFIG})

    def check(self, look: Look) -> RuleResult:
        """Return PASSED where everything that is demanded holds."""
        image = image_facts(look.gathered)
        if isinstance(image, Unread):
            return result(self, image.outcome, image.reason, image.detail)
        wrong = list(self._wrong(image.config, image.manifest))
        if wrong:
            return result(self, Outcome.FAILED, Reason.CONFIG_DENIED, "; ".join(wrong)[:_MAX_DETAIL])
        return result(self, Outcome.PASSED, Reason.OK, "the configuration has what is demanded")

    def _wrong(self, config: ConfigFacts, manifest: ManifestFacts) -> Iterator[str]:
        yield from self._user(config.user)
        yield from self._labels(dict(config.labels))
        yield from self._env(config.env)
        yield from self._entrypoint(config.entrypoint)
        yield from self._ports(config.ports)
        if self.no_volumes and config.volumes:
            yield f"declares the volume {config.volumes[0][:80]!r}, expected none"
        if self.max_layers and len(manifest.layers) > self.max_layers:
            yield f"has {len(manifest.layers)} layers, at most {self.max_layers} are allowed"
        if self.max_size and manifest.size > self.max_size:
            yield f"has {manifest.size} bytes of layers, at most {self.max_size} are allowed"

    def _user(self, user: str) -> Iterator[str]:
        who = user.partition(":")[0]
        if self.non_root and (root := _root(who, self.user_names)):
            yield root
        if self.users and user not in self.users and who not in self.users:
            yield f"runs as {user[:80] or 'nobody in particular'!r}, expected {_few(self.users)}"

    def _labels(self, labels: Mapping[str, str]) -> Iterator[str]:
        def compared(key: str, holds: Callable[[str], bool], expected: str) -> Iterator[str]:
            if key not in labels:
                yield f"has no label {key[:80]!r}, expected {expected}"
            elif not holds(labels[key]):
                yield f"has the label {key[:80]!r} with {labels[key][:80]!r}, expected {expected}"

        for key, value in self.labels:
            yield from compared(key, value.__eq__, repr(value[:80]))
        for key, text in self.label_patterns:
            yield from compared(key, pattern(text).matches, f"what {text[:80]!r} matches")
        for key in self.required_labels:
            yield from compared(key, bool, "a value")
        for key in sorted(labels):
            if globs.matches_any(self.forbidden_labels, key):
                yield f"has the label {key[:80]!r}, which is forbidden"

    def _env(self, env: tuple[tuple[str, str], ...]) -> Iterator[str]:
        for name, value in env:  # values never leave this function: they may be secrets
            if globs.matches_any(self.forbidden_env, name):
                yield f"sets the environment variable {name[:80]!r}, which is forbidden"
            if self.no_secrets and (seen := secret_in(name, value)) and not globs.matches_any(self.allowed_env, name):
                yield f"sets the environment variable {name[:80]!r}, which looks like {seen}"

    def _entrypoint(self, entrypoint: tuple[str, ...]) -> Iterator[str]:
        if self.entrypoint and not entrypoint:
            yield "has no entrypoint"
        if self.entrypoints and entrypoint not in self.entrypoints:
            seen = " ".join(entrypoint)[:120] or "nothing"
            yield f"has the entrypoint {seen!r}, expected {_few([' '.join(each) for each in self.entrypoints])}"

    def _ports(self, exposed: tuple[str, ...]) -> Iterator[str]:
        if self.exposed_ports is None and not self.forbidden_ports:
            return
        allowed = None if self.exposed_ports is None else [ports(text) for text in self.exposed_ports]
        for text in exposed:
            try:
                port = ports(text)
            except ValueError as error:
                yield f"exposes {error}"
                continue
            yield from self._port(port, allowed)

    def _port(self, port: Ports, allowed: list[Ports] | None) -> Iterator[str]:
        if allowed is not None and not any(each.holds(port) for each in allowed):
            yield f"exposes {port}, expected {_few(self.exposed_ports or ()) or 'no port'}"
        if any(ports(text).meets(port) for text in self.forbidden_ports):
            yield f"exposes {port}, which is forbidden"

    def canonical(self) -> dict[str, Any]:
        """Return the demands as the policy's digest sees them: what is not demanded does not stand."""
        form = {each.name: getattr(self, each.name) for each in fields(self) if each.name not in ("name", "mode")}
        return {name: _plain(value) for name, value in form.items() if value or (name, value) == ("exposed_ports", ())}

    @classmethod
    def from_canonical(cls, name: str, mode: Mode, body: Mapping[str, Any], signers: Mapping[str, Signer]) -> Self:
        """Rebuild a rule from its canonical form."""
        del signers
        return cls(name=name, mode=mode, **{key: _frozen(value) for key, value in body.items()})


def _root(who: str, trusted: tuple[str, ...]) -> str:
    """Return why a user may be root; empty where it is not.

    Spec:
        OCI image-spec, `User`; a number is what runtimes take for one, signs and leading zeros included.
    """
    if not who:
        return "runs as root, because no user is set"
    if _NUMBER.fullmatch(who):
        number = int(who[:20])
        if number == 0:
            return f"runs as root, user {who[:20]!r}"
        if len(who) > 20 or not 0 < number <= _LARGEST_USER:
            return f"runs as user {who[:20]!r}, expected a number from 1 to {_LARGEST_USER}"
        return ""
    if who.casefold() in _ADMINISTRATORS:
        return f"runs as {who!r}"
    if globs.matches_any(trusted, who):
        return ""
    return f"runs as {who[:80]!r}, whose number is not known here; set a number, or name it in userNames"


def _few(words: "tuple[str, ...] | list[str]") -> str:
    return " or ".join(words)[:200]


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    return value


def _frozen(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_frozen(each) for each in value)
    return value
