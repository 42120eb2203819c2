"""`preverify doctor`: one line for each thing that has to work, and what to do where it does not."""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial

import typer

from preverify import wiring
from preverify.clock import SystemClock
from preverify.commands.common import ConfigOption, Exit, Output, OutputOption, emit, load_settings, table
from preverify.model.durations import format_duration
from preverify.model.errors import NotFound, PreverifyError, Unavailable
from preverify.model.evidence_tags import is_evidence_tag
from preverify.model.needs import Need
from preverify.model.reference import Subject
from preverify.registry.remote import RemoteRegistry
from preverify.scanners.external import tried
from preverify.scanners.sandbox.running import SandboxUnavailable
from preverify.settings import Settings
from preverify.store import upgrade as schema

NAME = "doctor"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that was looked at. `state` is ok, weak or broken."""

    check: str
    state: str
    seen: str
    todo: str = ""


def command(config: ConfigOption = None, output: OutputOption = Output.TABLE) -> None:
    """Check configuration, database, policies, signing key and every source; exit code 1 where something is broken."""
    checks = list(diagnose(load_settings(config)))
    emit(
        {"apiVersion": "preverify/v1", "kind": "Diagnosis", "checks": [asdict(c) for c in checks]},
        output,
        table("CHECK", "STATE", "SEEN", "DO", rows=[(c.check, c.state, c.seen, c.todo) for c in checks]),
    )
    raise typer.Exit(Exit.VERIFIED if all(c.state != "broken" for c in checks) else Exit.NOT_VERIFIED)


def diagnose(settings: Settings) -> Iterator[Check]:
    """Yield what was found, in the order in which a first run needs it."""
    yield _try("database", lambda: _database(settings))
    yield _try("policies", lambda: _policies(settings))
    yield _try("signing key", lambda: _key(settings))
    if _matches(settings):
        yield _try("vulnerability database", lambda: _vulnerabilities(settings))
    if settings.vulnerabilities.scanner is not None:
        yield _try("scanner", lambda: _scanner(settings))
    if not settings.sources:
        yield Check(check="sources", state="broken", seen="none configured", todo="name a registry under `sources`")
    for name in settings.sources:
        yield _try(f"source {name}", partial(_source, settings, name))
        if wiring.publishes(settings, name):
            yield _try(f"withdrawal at {name}", partial(_withdrawal, settings, name))


def _try(name: str, look: Callable[[], Check]) -> Check:
    try:
        return look()
    except Unavailable as error:
        return Check(
            check=name,
            state="broken",
            seen=f"{error.reason.value}: {error}",
            todo="check address, network, credentials",
        )
    except PreverifyError as error:
        return Check(check=name, state="broken", seen=str(error), todo="correct what it says")


def _database(settings: Settings) -> Check:
    state = str(schema.check(settings.database.url))
    todo = {"current": "", "newer": "install the newer preverify"}.get(state, "run `preverify db upgrade`")
    return Check(check="database", state="ok" if state == "current" else "broken", seen=f"schema {state}", todo=todo)


def _policies(settings: Settings) -> Check:
    policies = wiring.load_policies(settings)
    count = len(policies.policies)
    return Check(
        check="policies",
        state="ok" if count else "weak",
        seen=f"{count} policies, {len(policies.signers)} signers, {policies.digest[:19]}",
        todo="" if count else "without a policy every image is denied",
    )


def _key(settings: Settings) -> Check:
    keys = wiring.own_keys(settings)
    if not keys:
        return Check(check="signing key", state="weak", seen="none", todo="set signing.keyFile to publish statements")
    return Check(check="signing key", state="ok", seen=keys[0].id[:20])


def _matches(settings: Settings) -> bool:
    """Say whether a vulnerability database matters here: one is configured, or a policy asks for it."""
    if settings.vulnerabilities.database.reference is not None:
        return True
    try:
        policies = wiring.load_policies(settings).policies
    except PreverifyError:
        return False  # said elsewhere
    return any(Need.MATCHES in policy.needs for policy in policies)


def _vulnerabilities(settings: Settings) -> Check:
    name, newest = "vulnerability database", wiring.newest_vulnerability(settings)
    if newest is None:
        return Check(check=name, state="broken", seen="none on this machine", todo="run `preverify db pull`")
    most = settings.vulnerabilities.database.max_age
    stale = SystemClock().now() - newest > most
    todo = f"older than {format_duration(most)}: run `preverify db pull`" if stale else ""
    return Check(check=name, state="weak" if stale else "ok", seen=f"data up to {newest.isoformat()}", todo=todo)


def _scanner(settings: Settings) -> Check:
    spec = wiring.scanner_spec(settings)
    if spec is None:
        return Check(check="scanner", state="ok", seen="none configured")
    try:
        return Check(check="scanner", state="ok", seen=tried(spec))
    except SandboxUnavailable as error:
        todo = "allow user namespaces to the worker (see docs/vulnerabilities.md); nothing is scanned without"
        return Check(check="scanner", state="broken", seen=str(error), todo=todo)


def _source(settings: Settings, name: str) -> Check:
    registry = wiring.open_sources(settings)[name].registry
    try:
        repositories = registry.repositories()
        tags = sum(len(registry.tags(r, after=None).tags) for r in repositories[:3])
    except NotFound as error:
        return Check(check=f"source {name}", state="broken", seen=str(error), todo="check `repositories`")
    if not repositories:
        return Check(
            check=f"source {name}",
            state="weak",
            seen="answers, but no repository matches",
            todo="name repositories without wildcards where the registry has no catalogue",
        )
    return Check(
        check=f"source {name}",
        state="ok",
        seen=f"{len(repositories)} repositories, {tags} tags in the first {min(3, len(repositories))}",
    )


def _withdrawal(settings: Settings, name: str) -> Check:
    """Try whether what we attach could be taken away again: pushes and deletes a small probe."""
    check = f"withdrawal at {name}"
    registry = wiring.open_sources(settings)[name].registry
    if not isinstance(registry, RemoteRegistry):
        return Check(check=check, state="weak", seen="a directory of layouts", todo="nothing is published there")
    for repository in registry.repositories():
        for tag in registry.tags(repository, after=None).tags:
            digest = None if is_evidence_tag(tag) else registry.head(repository, tag)
            if digest is None:
                continue
            if registry.publisher.removal_works(Subject(repository, digest)):
                return Check(check=check, state="ok", seen="a probe could be removed")
            return Check(
                check=check,
                state="weak",
                seen="the registry refuses DELETE",
                todo="only `.att` is used; set publish.detachedRepository for images with foreign bundles",
            )
    return Check(check=check, state="weak", seen="no image to try it on", todo="run doctor again once there is one")
