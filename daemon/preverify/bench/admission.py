"""`preverify bench admission`: the shipped answering process beside a bare ASGI server, one process each, in turns.

Both speak TLS 1.3 to the same load generator, a process of its own on the same machine. The answering process is
started as `serve` starts it and reads a real lookup table. Figures are medians over interleaved rounds.
"""

import contextlib
import datetime as dt
import json
import os
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self
from urllib.parse import quote

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from preverify.bench.figures import figure, median
from preverify.bench.load import Measured, Plan
from preverify.clock import SystemClock
from preverify.lookup import Writer
from preverify.model.digest import Digest
from preverify.model.errors import PreverifyError
from preverify.model.reference import Repository, Subject
from preverify.model.verdicts import Mode, PolicyAnswer
from preverify.policy.documents import load
from preverify.policy.policies import PolicySet
from preverify.ports import Change, GenerationState, SubjectState

_REPOSITORY = Repository("registry.example", "bench/app")
_CONNECTIONS = 32
_PACED_CONNECTIONS, _PACED_RATE = 8, 200.0
_DISTINCT = 2_000  # digests asked for in turn, so that no answer is the last one again
_SBOM_BYTES = 64 * 1024 * 1024
_MIB = 1024.0 * 1024.0
_CONNAISSEUR_WARM, _RATIFY_WARM = 12_800.0, 34_500.0
_POLICY = b"""apiVersion: preverify/v1
kind: Signers
metadata: {name: bench}
spec: {release: {key: {file: release.pub}, tlog: none}}
---
apiVersion: preverify/v1
kind: Policy
metadata: {name: bench}
spec:
  images: ["registry.example/bench/**"]
  require: [{name: signed, signature: {by: {any: [release]}}}]
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scale:
    rounds: int
    seconds: float
    verdicts: int
    paced_seconds: float


def run(quick: bool) -> Iterator[dict[str, object]]:
    """Yield the figures; `quick` takes shorter rounds and a smaller table."""
    scale = (
        _Scale(rounds=5, seconds=0.7, verdicts=20_000, paced_seconds=3.0)
        if quick
        else _Scale(rounds=5, seconds=4.0, verdicts=1_000_000, paced_seconds=10.0)
    )
    with tempfile.TemporaryDirectory(prefix="preverify-bench-") as name, contextlib.ExitStack() as stack:
        place = Path(name)
        digests = _table(place, scale.verdicts)
        _certificate(place)
        life = stack.enter_context(_Life())
        ours = stack.enter_context(_ours(place, life))
        yield figure("admission", "start of the answering process", ours.start_seconds, "s", budget=1, at_most=True)
        yield from _saturated(place, life, ours, digests, scale)
        yield from _beside_a_reader(place, ours, digests, scale)
        yield figure(
            "admission",
            f"resident memory of the answering process, {scale.verdicts} verdicts on disk",
            _resident_bytes(ours.pid) / _MIB,
            "MiB",
            budget=120,
            at_most=True,
        )


def _saturated(
    place: Path, life: "_Life", ours: "_Server", digests: Sequence[Digest], scale: _Scale
) -> Iterator[dict[str, object]]:
    """Yield rates under 32 connections that wait for nothing but the reply."""
    cases = (
        ("lookup, 1 digest", [_lookup(digest) for digest in digests], 0.83, _RATIFY_WARM),
        ("AdmissionReview, 1 image", [_review(digest) for digest in digests], 0.75, _CONNAISSEUR_WARM),
    )
    for case, requests, budget, peer in cases:
        body = place / "body"
        body.write_bytes(_body_of(ours.port, requests[0]))
        with _bare(place, body, life) as bare:
            rounds = [
                tuple(_measure(place, server, requests, scale.seconds) for server in (bare, ours))
                for _ in range(scale.rounds)
            ]
        yield figure(
            "admission",
            f"{case}, TLS keep-alive, {_CONNECTIONS} connections",
            median([measured.rate for _, (measured, _) in rounds]),
            "requests/s",
            reference="bare ASGI server, one process",
            reference_value=median([measured.rate for (measured, _), _ in rounds]),
            peer_value=peer,
            budget=budget,
            of_ratio=True,
        )
        yield figure(
            "admission",
            f"{case}, p99 under that load",
            median([measured.p99_ms for _, (measured, _) in rounds]),
            "ms",
            reference="bare ASGI server, one process",
            reference_value=median([measured.p99_ms for (measured, _), _ in rounds]),
        )
        yield figure(
            "admission",
            f"{case}, processor time of the server, steadier than rates on a busy machine",
            median([micros for _, (_, micros) in rounds]),
            "us/request",
            reference="bare ASGI server, one process",
            reference_value=median([micros for (_, micros), _ in rounds]),
        )


def _beside_a_reader(
    place: Path, ours: "_Server", digests: Sequence[Digest], scale: _Scale
) -> Iterator[dict[str, object]]:
    """Yield the p99 of a steady trickle of lookups, idle and while another process reads a large SBOM."""
    requests = [_lookup(digest) for digest in digests]
    sbom = place / "sbom.json"
    _write_sbom(sbom)
    idle: list[float] = []
    busy: list[float] = []
    for _ in range(3):
        idle.append(_paced(place, ours.port, requests, scale.paced_seconds / 3).p99_ms)
        with _reading(sbom):
            busy.append(_paced(place, ours.port, requests, scale.paced_seconds / 3).p99_ms)
    yield figure("admission", "lookup p99, idle", median(idle), "ms")
    yield figure(
        "admission",
        "lookup p99 while another process reads a 64 MiB SBOM",
        median(busy),
        "ms",
        reference="the same, idle",
        reference_value=median(idle),
        budget=2,
        at_most=True,
        of_ratio=True,
    )


# --- what is asked ----------------------------------------------------------------------------------------------------


def _lookup(digest: Digest) -> str:
    return f"GET /v1/lookup/{digest}?image={quote(str(_REPOSITORY), safe='/')} HTTP/1.1\r\nhost: localhost\r\n\r\n"


def _review(digest: Digest) -> str:
    """Return the request of an API server about a small pod, in its spelling."""
    kind, resource = {"group": "", "version": "v1", "kind": "Pod"}, {"group": "", "version": "v1", "resource": "pods"}
    container = {
        "name": "app",
        "image": f"{_REPOSITORY}@{digest}",
        "ports": [{"containerPort": 8080, "protocol": "TCP"}],
        "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}},
        "volumeMounts": [
            {"name": "token", "readOnly": True, "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"}
        ],
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
        "imagePullPolicy": "IfNotPresent",
    }
    pod = {
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": {
            "name": "app-0",
            "namespace": "bench",
            "labels": {"app": "app", "pod-template-hash": "5f7d8c9b6d"},
        },
        "spec": {
            "volumes": [{"name": "token", "projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}}],
            "containers": [container],
            "restartPolicy": "Always",
            "terminationGracePeriodSeconds": 30,
            "serviceAccountName": "default",
            "securityContext": {},
            "schedulerName": "default-scheduler",
            "tolerations": [{"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute"}],
        },
        "status": {"phase": "Pending", "qosClass": "Burstable"},
    }
    user = {"username": "system:serviceaccount:kube-system:replicaset-controller", "groups": ["system:authenticated"]}
    request = {
        "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
        "kind": kind,
        "resource": resource,
        "requestKind": kind,
        "requestResource": resource,
        "name": "app-0",
        "namespace": "bench",
        "operation": "CREATE",
        "userInfo": user,
        "object": pod,
        "oldObject": None,
        "dryRun": False,
        "options": {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1"},
    }
    review = {"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "request": request}
    body = json.dumps(review, separators=(",", ":"))
    head = "POST /k8s/validate?timeout=3s HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
    return f"{head}content-length: {len(body)}\r\n\r\n{body}"


def _table(place: Path, verdicts: int) -> list[Digest]:
    """Write a lookup table of passed verdicts; returns digests spread over it."""
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    pem = key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    policies = load([("bench.yaml", _POLICY)], lambda _: pem)
    writer = Writer(place / "lookup.db")
    now = SystemClock().now()
    writer.reset(_changes(policies, verdicts, now), now=now)
    writer.close()
    step = max(1, verdicts // _DISTINCT)
    return [_digest(number) for number in range(0, verdicts, step)][:_DISTINCT]


def _changes(policies: PolicySet, verdicts: int, now: dt.datetime) -> Iterator[Change]:
    (policy,) = policies.policies
    yield Change(number=1, at=now, what=GenerationState(number=1, document=policies.document))
    for number in range(verdicts):
        answer = PolicyAnswer(
            policy=policy.name,
            policy_digest=policy.digest,
            mode=Mode.ENFORCE,
            verdict="passed",
            verdict_id=f"v_{number:026d}",
            decided_at=now,
            valid_until=now + dt.timedelta(days=1),
            reasons=(),
        )
        subject = Subject(_REPOSITORY, _digest(number))
        yield Change(number=1, at=now, what=SubjectState(subject=subject, policies=(answer,)))


def _digest(number: int) -> Digest:
    return Digest.of(number.to_bytes(8, "big"))


def _certificate(place: Path) -> None:
    """Write a certificate of this hour for loopback."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = SystemClock().now()
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now - dt.timedelta(hours=1))
    certificate = builder.not_valid_after(now + dt.timedelta(hours=6)).sign(key, hashes.SHA256())
    (place / "cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    pkcs8, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (place / "key.pem").write_bytes(key.private_bytes(serialization.Encoding.PEM, pkcs8, plain))


def _write_sbom(file: Path) -> None:
    """Write an SPDX document of 64 MiB."""
    package = {
        "SPDXID": "SPDXRef-Package-000000",
        "name": "libexample",
        "versionInfo": "1.2.3-4",
        "licenseConcluded": "MIT",
    }
    package |= {"externalRefs": [{"referenceType": "purl", "referenceLocator": "pkg:apk/wolfi/libexample@1.2.3-4"}]}  # type: ignore[dict-item]
    line = json.dumps(package).encode()
    with file.open("wb") as out:
        out.write(b'{"spdxVersion":"SPDX-2.3","packages":[' + line)
        out.writelines(b"," + line for _ in range(_SBOM_BYTES // (len(line) + 1)))
        out.write(b"]}")


# --- processes --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Server:
    port: int
    pid: int
    start_seconds: float


class _Life:
    """A pipe that only this process holds: children end when it closes, however we end."""

    def __enter__(self) -> Self:
        self.read_end, self._write_end = os.pipe()
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._write_end)
        os.close(self.read_end)


def _ours(place: Path, life: _Life) -> contextlib.AbstractContextManager[_Server]:
    """Start the answering process as the supervisor does."""
    config = place / "config.json"
    (place / "metrics").mkdir()
    listen = {
        "address": "127.0.0.1:0",
        "tls": {"certFile": str(place / "cert.pem"), "keyFile": str(place / "key.pem")},
    }
    config.write_text(
        json.dumps({"state": str(place), "database": {"url": f"sqlite:///{place}/history.db"}, "listen": listen})
    )
    argv = ["-m", "preverify.commands.child", "answers", "--config", str(config), "--fds"]
    return _started(argv, life, [])


def _bare(place: Path, body: Path, life: _Life) -> contextlib.AbstractContextManager[_Server]:
    tail = [str(place / "cert.pem"), str(place / "key.pem"), str(body)]
    return _started(["-m", "preverify.bench.bare"], life, tail)


@contextlib.contextmanager
def _started(argv: list[str], life: _Life, tail: list[str]) -> Iterator[_Server]:
    """Run a child on a bound socket; yields once it answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
        port: int = listener.getsockname()[1]
        begun = time.perf_counter()
        child = subprocess.Popen(  # noqa: S603 - our own interpreter
            [sys.executable, *argv, str(listener.fileno()), *tail],
            pass_fds=(listener.fileno(), life.read_end),
            env={**os.environ, "PREVERIFY_LIFE_FD": str(life.read_end)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            _await(port, child)
            yield _Server(port=port, pid=child.pid, start_seconds=time.perf_counter() - begun)
        finally:
            child.terminate()
            try:
                child.wait(20)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()


def _await(port: int, child: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and child.poll() is None:
        with contextlib.suppress(OSError):
            _body_of(port, "GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n")
            return
        time.sleep(0.005)
    raise PreverifyError("a server of the benchmark did not start")


def _body_of(port: int, request: str) -> bytes:
    """Return the body of one reply."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection(("127.0.0.1", port), timeout=10) as plain, context.wrap_socket(plain) as secure:
        secure.sendall(request.replace("\r\n", "\r\nconnection: close\r\n", 1).encode())
        received = b""
        while chunk := secure.recv(65_536):
            received += chunk
    head, _, body = received.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        raise PreverifyError(f"a server of the benchmark answered {head[:80]!r}")
    return body


def _measure(place: Path, server: _Server, requests: Sequence[str], seconds: float) -> tuple[Measured, float]:
    """Return what the load generator saw, and the processor time that the server took a request, in microseconds."""
    before = _processor_seconds(server.pid)
    plan = Plan(port=server.port, requests=tuple(requests), connections=_CONNECTIONS, seconds=seconds)
    measured = _loaded(place, plan)
    return measured, (_processor_seconds(server.pid) - before) / measured.total * 1e6


def _processor_seconds(pid: int) -> float:
    """Return the user and system time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _paced(place: Path, port: int, requests: Sequence[str], seconds: float) -> Measured:
    plan = Plan(
        port=port,
        requests=tuple(requests),
        connections=_PACED_CONNECTIONS,
        seconds=seconds,
        per_second=_PACED_RATE,
    )
    return _loaded(place, plan)


def _loaded(place: Path, plan: Plan) -> Measured:
    """Have the load generator carry out a plan; a single wrong reply spoils the figure."""
    file = place / "plan.json"
    file.write_text(json.dumps(asdict(plan)))
    done = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-m", "preverify.bench.load", str(file)], capture_output=True, check=True, timeout=120
    )
    measured = Measured(**json.loads(done.stdout))
    if measured.wrong or not measured.count:
        raise PreverifyError(f"{measured.wrong} wrong replies among {measured.count}: the figure would mean nothing")
    return measured


@contextlib.contextmanager
def _reading(sbom: Path) -> Iterator[None]:
    """Keep a process busy with reading the SBOM, again and again."""
    program = "import json,sys\nwhile True: json.load(open(sys.argv[1],'rb'))"
    child = subprocess.Popen([sys.executable, "-c", program, str(sbom)])  # noqa: S603 - our own interpreter
    try:
        time.sleep(0.3)
        yield
    finally:
        child.kill()
        child.wait()


def _resident_bytes(pid: int) -> float:
    """Return the resident size of a process."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return float(line.split()[1]) * 1024
    raise PreverifyError("the kernel does not tell how much memory a process has")
