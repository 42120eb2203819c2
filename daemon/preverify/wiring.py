"""The only place that constructs adapters: from settings to running parts."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from functools import cache, partial
from hashlib import sha256
from pathlib import Path

from preverify import changing, rematching, schedule
from preverify.answering import child_metrics, lookup_path
from preverify.answering import open_answers as open_answers  # noqa: PLC0414 - for the commands
from preverify.attest.identity import MAX_NOTED_BYTES, Own, OwnIdentity
from preverify.clock import SystemClock
from preverify.lookup import Reader, Writer, tail
from preverify.model import strict_yaml
from preverify.model.errors import BadConfiguration, PreverifyError, Unavailable
from preverify.model.keys import TrustedKey
from preverify.model.strict_yaml import Document
from preverify.model.validation import validate
from preverify.observe import (
    CensusCollector,
    Metrics,
    Observing,
    Processes,
    fresh_directory,
    serve_metrics,
    setup_logging,
    share,
)
from preverify.observe.exceptions import exception_figures
from preverify.policy.documents import load
from preverify.policy.policies import PolicySet
from preverify.policy.policy_tests import SUFFIXES
from preverify.policy.trust_documents import ListFiles, ReadFile, ReadRoot, RootRequest, TrustDocument
from preverify.ports import Layout, Registry, Revocations, Scanner, Signing
from preverify.records import Records, make_ready
from preverify.records import open_records as open_records  # noqa: PLC0414 - for the commands too
from preverify.registry import open_layout as open_layout  # noqa: PLC0414 - for the commands
from preverify.registry import open_source
from preverify.registry.addresses import Reach
from preverify.registry.engine import Engine
from preverify.registry.revocation import RevocationFetcher
from preverify.scanners import SCANNERS
from preverify.scanners.database.changes import changed
from preverify.scanners.database.holding import Holding
from preverify.scanners.external import ExternalScanner
from preverify.scanners.offline import OfflineVulnerabilities
from preverify.scanners.remembering import RememberingScanner
from preverify.scanners.sandbox.running import Limits, ScannerSpec
from preverify.serve import check_answers
from preverify.settings import Settings, Source, read_bounded
from preverify.signing import SigningClient, SigningProcess, own_of
from preverify.store import open_store
from preverify.supervisor import ChildSpec, Supervisor, notify_ready
from preverify.trust import Roots, figures, list_files, read_built_in, refresh_due
from preverify.trust.parts import Figure
from preverify.verify import load_public_key
from preverify.work import SocketBell
from preverify.worker import Watched, Worker

_MAX_POLICY_BYTES = 4 * 1024 * 1024
_MAX_KEY_BYTES = 64 * 1024
_MAX_NAMED_BYTES = 4 * 1024 * 1024
_BACKLOG = 2048
_REMATCH = timedelta(minutes=1)


def load_policies(settings: Settings) -> PolicySet:
    """Load the configured policy directory.

    Raises:
        BadConfiguration: no directory, no document in it, or one that cannot be used.
    """
    return policies_and_roots(settings)[0]


def policies_and_roots(settings: Settings) -> tuple[PolicySet, tuple[RootRequest, ...]]:
    """Load the configured policy directory; say too which of its roots are built in or come by TUF.

    Raises:
        BadConfiguration: as `load_policies`.
        Unavailable: a root by TUF was never fetched and cannot be now.
    """
    roots, asked = open_roots(settings), dict[RootRequest, None]()

    def read_root(request: RootRequest) -> bytes:
        asked[request] = None
        return roots.read(request)

    return read_policies((settings.policies.directory,), read_root), tuple(asked)


def read_policies(places: tuple[Path, ...], read_root: ReadRoot = read_built_in) -> PolicySet:
    """Load policy documents from files and directories; other files are named relative to the first of them."""
    files, base = policy_files(places)
    documents = [(str(path), read_bounded(path, _MAX_POLICY_BYTES)) for path in files]
    return load(
        documents,
        lambda name: read_bounded(base / name, _MAX_NAMED_BYTES),
        read_root=read_root,
        list_files=partial(list_files, base),
    )


def _is_policy_file(path: Path) -> bool:
    return path.is_file() and not path.name.endswith(SUFFIXES)  # tests of policies lie beside them


def policy_files(places: tuple[Path, ...]) -> tuple[tuple[Path, ...], Path]:
    """Return the policy documents in files and directories, and what the files that they name are relative to."""
    files: list[Path] = []
    for place in places:
        if place.is_dir():
            files += sorted(p for p in place.iterdir() if p.suffix in {".yaml", ".yml"} and _is_policy_file(p))
        elif place.is_file():
            files.append(place)
        else:
            raise BadConfiguration("no such file or directory, expected policy documents", where=str(place))
    if not files:
        raise BadConfiguration("no *.yaml in it, expected policy documents", where=str(places[0]))
    return tuple(files), places[0] if places[0].is_dir() else places[0].parent


def declared_trust(settings: Settings) -> tuple[list[tuple[Document, TrustDocument]], ReadFile, ListFiles]:
    """Return the trust documents of the policy directory as written, and how the files that they name are read."""
    files, base = policy_files((settings.policies.directory,))
    documents = [
        each for path in files for each in strict_yaml.read(read_bounded(path, _MAX_POLICY_BYTES), name=str(path))
    ]
    found = [
        (document, validate(TrustDocument, document))
        for document in documents
        if isinstance(document.value, dict) and document.value.get("kind") == "Trust"
    ]
    return found, lambda name: read_bounded(base / name, _MAX_NAMED_BYTES), partial(list_files, base)


def open_roots(settings: Settings) -> Roots:
    """Construct the adapter of roots that are built in or come by TUF. Nothing is fetched before one is asked for."""
    engine = Engine(ca_file=settings.trust.ca_file)

    def get(url: str, max_bytes: int) -> tuple[int, bytes]:
        # Any address may be asked: it stands in the policy directory, redirects are not followed, and nothing secret
        # is sent.
        response = engine.request("GET", url, max_bytes=max_bytes, reach=Reach.PRIVATE)
        return response.status_code, response.content

    return Roots(settings.trust, settings.state / "trust", SystemClock(), get)


def open_revocations(settings: Settings, *, private: bool = False) -> Revocations | None:
    """Construct the adapter that asks for CRLs and OCSP responses; None where nothing is ever to be fetched."""
    if settings.trust.offline:
        return None
    reach = Reach.PRIVATE if private or settings.trust.network == "private" else Reach.PUBLIC
    directory = settings.state / "revocation" if settings.state.is_dir() else None
    return RevocationFetcher(clock=SystemClock(), directory=directory, reach=reach)


def open_holding(settings: Settings) -> Holding:
    """Construct the adapter of the vulnerability databases on this machine."""
    return Holding(settings.vulnerabilities.database.directory or settings.state / "vulnerabilities")


def newest_vulnerability(settings: Settings) -> datetime | None:
    """Return how recent the vulnerability database in use is; None where there is none."""
    database = open_holding(settings).open()
    if database is None:
        return None
    database.close()
    return database.facts.newest


def database_policies(settings: Settings) -> PolicySet:
    """Load the policies that the image of a vulnerability database has to pass.

    Raises:
        BadConfiguration: no place is configured, no document is there, or one cannot be used.
        Unavailable: a root by TUF was never fetched and cannot be now.
    """
    place = settings.vulnerabilities.database.policy
    if place is None:
        raise BadConfiguration(
            "null, expected the policy documents that the image has to pass: unsigned data is not taken in",
            where="vulnerabilities.database.policy",
        )
    return read_policies((place,), open_roots(settings).read)


def own_keys(settings: Settings) -> tuple[Own, ...]:
    """Return the keys and identities whose statements are ours: today's and those that signed before on this machine.

    Only public halves are read; the private key is opened by nobody but the signing process.
    """
    found = _own_keys(settings)
    keys = [load_public_key(read_bounded(path, _MAX_KEY_BYTES)) for path in sorted(found.glob("*.pub"))]
    identities = [OwnIdentity.read(read_bounded(path, MAX_NOTED_BYTES)) for path in sorted(found.glob("*.json"))]
    return (*keys, *identities)


def note_own_key(settings: Settings) -> None:
    """Leave what our statements are recognised by where every process finds it. Run in a process of its own."""
    own = own_of(settings.signing)
    if own is None:
        return
    directory = _own_keys(settings)
    directory.mkdir(parents=True, exist_ok=True)
    content, kind = (own.spki, "pub") if isinstance(own, TrustedKey) else (own.write(), "json")
    path = directory / f"{sha256(content).hexdigest()}.{kind}"
    if not path.exists():
        new = path.with_suffix(".new")
        new.write_bytes(content)
        new.replace(path)


def _own_keys(settings: Settings) -> Path:
    return settings.state / "own-keys"


def open_sources(settings: Settings, observer: Observing | None = None) -> Mapping[str, Watched]:
    """Construct an adapter for each configured source."""
    return {name: watch(name, source, settings, observer) for name, source in settings.sources.items()}


def watch(name: str, source: Source, settings: Settings, observer: Observing | None = None) -> Watched:
    """Construct the adapter of one source."""
    registry = open_source(name, source, clock=SystemClock(), own_keys=own_keys(settings), observer=observer)
    return Watched(name=name, settings=source, registry=registry)


def heartbeat(settings: Settings) -> datetime | None:
    """Return when this machine's lookup table last heard from the feed; None while there is no table."""
    try:
        with contextlib.closing(Reader(lookup_path(settings))) as reader:
            return reader.heartbeat()
    except Unavailable:
        return None


def instance(settings: Settings) -> str:
    """Return the name of this state directory's daemon: where it holds something, nobody else does under that name."""
    path = settings.state / "instance"
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        new = path.with_name(f"instance.{os.getpid()}")
        new.write_text(SystemClock().new_id("i") + "\n")
        with contextlib.suppress(FileExistsError):
            os.link(new, path)  # the first of two processes wins
        new.unlink()
        return path.read_text().strip()


# --- the children of `serve` ------------------------------------------------------------------------------------------


def run_worker(settings: Settings, name: str, signing_fd: int | None) -> None:
    """Run one worker process until told to stop."""
    observer = _child(settings, name)
    records = open_records(settings)
    signing: Signing | None = SigningClient(signing_fd) if signing_fd is not None else None
    Worker(
        name=f"{instance(settings)}/{name}",
        work=records.work,
        history=records.store.history,
        statements=records.store.statements,
        generations=records.store.generations,
        sources=open_sources(settings, observer),
        signing=signing,
        published_validity=settings.signing.published_validity,
        clock=records.clock,
        observer=observer,
        bell=SocketBell(settings.state, name),
        revocations=open_revocations(settings),
        scanner=open_scanner(settings),
        database=open_vulnerabilities(settings),
    ).run(_stopper())


def run_timer(settings: Settings) -> None:
    """Run the timer process until told to stop."""
    observer = _child(settings, "timer")
    records = open_records(settings)
    bell = SocketBell(settings.state, "timer")
    writer = Writer(lookup_path(settings))

    roots = open_roots(settings)
    one_at_a_time = threading.Lock()
    refused = threading.Event()

    def prepare() -> None:
        with one_at_a_time:
            if bring_into_force(settings, records, observer):
                refused.clear()
            else:
                refused.set()

    def refresh() -> None:
        try:
            # Reading the policies also fetches a root that never came: what was refused for want of it is tried again.
            _, requests = policies_and_roots(settings)
            changed = refresh_due(roots, requests, observer)
        except PreverifyError as error:
            observer.count("bad_input_total", where="policy")
            observer.event("trust.not_refreshed", level="error", why=str(error))
            return
        if changed or refused.is_set():
            prepare()
            bell.ring("timer")

    def follow() -> int:
        applied = tail(records.store.feed, writer, clock=records.clock)
        observer.count("feed_changes_total", applied)
        return applied

    schedule.Timer(
        holder=instance(settings),
        scheduler=lambda: schedule.build(
            settings.sources,
            records.work,
            bell,
            records.clock,
            chores=(
                schedule.Chore(name="trust", run=refresh, every=roots.pause),
                schedule.Chore(
                    name="vulnerabilities", run=lambda: rematch(settings, records, observer), every=_REMATCH
                ),
            ),
        ),
        lease=records.store.lease,
        work=records.work,
        sequence=lambda fence, now: records.store.feed.sequence(fence=fence, now=now),
        tail=follow,
        prepare=prepare,
        clock=records.clock,
        bell=bell,
        observer=observer,
    ).run(_stopper())


def trust_figures(settings: Settings, records: Records) -> Iterator[Figure]:
    """Return what metrics say of exceptions and trust in force: of the active generation, and of roots by TUF."""
    active, now = records.store.generations.active(), records.clock.now()
    policies = PolicySet.of({}, {}) if active is None else PolicySet.from_document(active.document)
    yield from exception_figures(policies, now)
    _, requests = policies_and_roots(settings)
    yield from figures(policies.trust, requests, open_roots(settings), settings.trust, now)


def bring_into_force(settings: Settings, records: Records, observer: Observing) -> bool:
    """Stage and activate the configured policies where another set is active; False where they could not be used.

    Errors keep the active set.
    """
    try:
        policies = load_policies(settings)
        activate(settings, records, policies)
    except PreverifyError as error:
        observer.count("bad_input_total", where="policy")
        observer.event("policies.refused", level="error", why=str(error))
        return False
    return True


def open_vulnerabilities(settings: Settings) -> OfflineVulnerabilities:
    """Construct the adapter that matches with the vulnerability database in use."""
    return OfflineVulnerabilities(open_holding(settings))


def open_scanner(settings: Settings) -> Scanner | None:
    """Construct the adapter of the configured scanner; None where none is."""
    configured, spec = settings.vulnerabilities.scanner, scanner_spec(settings)
    if configured is None or spec is None:
        return None
    return RememberingScanner(
        ExternalScanner(spec, limits=Limits(wall=configured.timeout)),
        identity=spec.sha256,
        directory=settings.state / "scans",
    )


def scanner_spec(settings: Settings) -> ScannerSpec | None:
    """Return which scanner is configured; None where none is."""
    configured = settings.vulnerabilities.scanner
    if configured is None:
        return None
    return ScannerSpec(tool=SCANNERS[configured.tool], path=configured.path, sha256=configured.sha256)


def rematch(settings: Settings, records: Records, observer: Observing) -> None:
    """Make due whatever a database that is new on this machine says something else about."""
    active, database = records.store.generations.active(), open_vulnerabilities(settings)
    if active is None:
        return
    count = rematching.rematch(
        records.store.history,
        records.store.marks,
        records.work,
        PolicySet.from_document(active.document),
        database.present(),
        before=database.former,
        changed=changed,
        clock=records.clock,
    )
    if count:
        observer.event("vulnerabilities.changed", subjects=count)


def activate(settings: Settings, records: Records, policies: PolicySet, *, at_once: bool = False) -> tuple[int, int]:
    """Bring `policies` into force; returns the generation's number and how many subjects were decided for it."""
    generations = records.store.generations
    active = generations.active()
    if active is not None and active.digest == policies.digest:
        return active.number, 0
    staged = generations.stage(policies.document, policies.digest, now=records.clock.now())
    if staged.state == "active":
        return staged.number, 0
    count = changing.activate(
        records.store.history,
        records.store.statements,
        generations,
        staged,
        clock=records.clock,
        publishing=lambda source: publishes(settings, source),
        more=changing.completing(
            cache(lambda name: _registry(settings, name)),
            revocations=open_revocations(settings),
            clock=records.clock,
            scanner=open_scanner(settings),
        ),
        database=open_vulnerabilities(settings),
        at_once=at_once,
    )
    return staged.number, count


def _registry(settings: Settings, name: str) -> Registry | None:
    """Return what reaches a source; None where it is not configured any more."""
    source = settings.sources.get(name)
    return None if source is None else watch(name, source, settings).registry


def publishes(settings: Settings, source: str) -> bool:
    """Say whether statements are published to a source."""
    configured = settings.sources.get(source)
    return configured is not None and settings.signing.signs and Layout(configured.publish.layout) is not Layout.NONE


def run_signing(settings: Settings, fds: tuple[int, ...]) -> None:
    """Run the signing process: the only one that can sign."""
    observer = _child(settings, "signing")
    make_ready(settings)
    store = open_store(settings.database.url, settings.state, SystemClock(), read_only=True)
    SigningProcess.open(settings.signing, fds, store, observer=observer, state=settings.state).run(_stopper())


def _child(settings: Settings, slot: str) -> Observing:
    return Observing(child_metrics(settings, slot))


def _stopper() -> Callable[[], bool]:
    """Return a function that says whether SIGTERM or SIGINT has come."""
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    return stopping.is_set


# --- serve ------------------------------------------------------------------------------------------------------------


def serve(settings: Settings, config: Path) -> int:
    """Supervise everything on this machine until SIGTERM or SIGINT."""
    setup_logging()
    records = open_records(settings)
    load_policies(settings)  # refuse to start on what the children could not use
    open_sources(settings)
    check_answers(settings)
    settings.state.mkdir(parents=True, exist_ok=True)
    if settings.signing.signs:
        command = (sys.executable, "-m", "preverify.commands.child", "public-key", "--config", str(config.resolve()))
        if subprocess.run(command, check=False, timeout=60).returncode != 0:  # noqa: S603 - our own interpreter
            raise BadConfiguration("what signs cannot be used, see above", where="signing")
    fresh_directory(settings.state / "metrics")
    share(settings.state / "metrics", "serve")
    observer = Observing(Metrics(sources=settings.sources))
    with _listener(settings) as listener, contextlib.ExitStack() as stack:
        collector = CensusCollector(
            records.store.census,
            lambda now: records.work.backlog(now=now),
            settings,
            records.clock,
            heartbeat=lambda: heartbeat(settings),
            trust=lambda: trust_figures(settings, records),
            vulnerabilities=lambda: newest_vulnerability(settings),
        )
        metrics = stack.enter_context(
            contextlib.closing(
                serve_metrics(settings.metrics.address, Processes(settings.state / "metrics"), collector)
            )
        )
        address = listener.getsockname()
        scheme = "https" if settings.listen.tls else "http"
        addresses = {"answers": f"{scheme}://{_host_port(address)}", "metrics": metrics.url}
        # Whoever waits for this file must never see half of it.
        (settings.state / "addresses.new").write_text(json.dumps(addresses) + "\n")
        (settings.state / "addresses.new").replace(settings.state / "addresses.json")
        supervisor = Supervisor(
            specs=list(_specs(settings, config.resolve(), listener.fileno(), stack)),
            on_event=lambda name, fields: _child_event(observer, name, fields),
        )
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: supervisor.stopping.set())
        observer.event(
            "serve.started", answers=_host_port(address), metrics=metrics.url, sources=sorted(settings.sources)
        )
        return supervisor.run(notify_ready)


def _child_event(observer: Observing, name: str, fields: Mapping[str, object]) -> None:
    ended = name == "child.ended"
    if ended:
        observer.count("process_restarts_total", process=str(fields.get("child")))
    observer.event(name, level="warning" if ended else "info", **fields)


def _specs(settings: Settings, config: Path, listener: int, stack: contextlib.ExitStack) -> Iterator[ChildSpec]:
    """Yield the children in order of start.

    Both ends of the signing sockets stay open here, so that a restarted child gets them again.
    """
    base = (sys.executable, "-m", "preverify.commands.child")
    tail_arguments = ("--config", str(config))
    pairs: list[tuple[socket.socket, socket.socket]] = []
    if settings.signing.signs:
        for _ in range(settings.workers):
            pair = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            pairs.append(pair)
            stack.enter_context(pair[0])
            stack.enter_context(pair[1])
        fds = tuple(theirs.fileno() for _, theirs in pairs)
        yield ChildSpec(
            name="signing", argv=(*base, "signing", *tail_arguments, "--fds", ",".join(map(str, fds))), fds=fds
        )
    yield ChildSpec(name="timer", argv=(*base, "timer", *tail_arguments))
    for number in range(settings.workers):
        ours = (pairs[number][0].fileno(),) if pairs else ()
        extra = ("--fds", str(ours[0])) if ours else ()
        name = f"worker-{number}"
        yield ChildSpec(name=name, argv=(*base, "worker", *tail_arguments, "--name", name, *extra), fds=ours)
    yield ChildSpec(name="answers", argv=(*base, "answers", *tail_arguments, "--fds", str(listener)), fds=(listener,))


def _listener(settings: Settings) -> socket.socket:
    """Bind the answers address once: a restarted child goes on listening, nobody is refused meanwhile."""
    host, _, port = settings.listen.address.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, int(port)))
    except OSError as error:
        listener.close()
        raise BadConfiguration(
            f"cannot listen on {settings.listen.address}: {error.strerror}", where="listen.address"
        ) from error
    listener.listen(_BACKLOG)
    return listener


def _host_port(address: tuple[str, int]) -> str:
    host, port = address[0], address[1]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
