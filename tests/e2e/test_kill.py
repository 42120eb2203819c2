"""kill -9 of every kind of process at chosen moments of the flow: nothing accepted is lost, nothing is said twice.

The moments are found from outside, by the requests that the registry sees and by the answers of the daemon: the code
under test has no switch for this.
"""

import base64
import contextlib
import json
import os
import random
import signal
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from preverify.demo.content import Content
from preverify.demo.registry import Registry, _Handler
from support.daemon import Daemon, image, new_key, public_pem, sign, until

MOMENTS = int(os.environ.get("PREVERIFY_KILLS", "50"))
STAGES = ("hint", "resolve", "gather", "record", "signed-not-put", "put-not-committed", "announce")
KINDS = ("worker-0", "signing", "timer", "answers", "supervisor")
NEEDS_PUBLICATION = {"signed-not-put", "put-not-committed", "announce"}


class Watch:
    """Calls back at requests of the registry, before they are answered or after."""

    def __init__(self) -> None:
        self.armed: Callable[[str, str, str], None] | None = None
        self.uploads: list[bytes] = []

    def see(self, when: str, method: str, path: str) -> None:
        if self.armed is not None:
            self.armed(when, method, path)


def watched_registry(content: Content, watch: Watch) -> Registry:
    class Handler(_Handler):
        def _serve(self, act):
            watch.see("before", self.command, self.path)
            super()._serve(act)
            watch.see("after", self.command, self.path)

        def _answer(self, status, body, headers):
            if self.command == "PUT":
                watch.see("stored", self.command, self.path)
            super()._answer(status, body, headers)

        def _body(self) -> bytes:
            data = super()._body()
            if self.command in {"PUT", "POST"} and data:
                watch.uploads.append(data)
            return data

        def handle(self) -> None:
            with contextlib.suppress(ConnectionError):
                super().handle()

        def finish(self) -> None:
            with contextlib.suppress(OSError):
                super().finish()

    registry = Registry(content, referrers=True)
    registry._server.RequestHandlerClass = Handler
    return registry


def is_at(stage: str, tag: str, signature: str, when: str, method: str, path: str) -> bool:
    if stage == "resolve":
        return when == "before" and method == "GET" and path.endswith(f"/manifests/{tag}")
    if stage == "gather":
        return when == "before" and path.endswith(f"/manifests/{signature}")
    if stage == "record":
        return when == "after" and path.endswith(f"/manifests/{signature}")
    if stage == "signed-not-put":
        return when == "before" and method == "POST"
    attestation = signature.removesuffix(".sig") + ".att"
    if stage == "put-not-committed":
        return when == "stored" and path.endswith(f"/manifests/{attestation}")
    return stage == "announce" and when == "after" and method == "PUT" and path.endswith(f"/manifests/{attestation}")


class Campaign:
    def __init__(self, directory: Path, seed: int) -> None:
        self.random = random.Random(seed)
        self.key, self.content, self.watch = new_key(), Content(), Watch()
        self.registry = watched_registry(self.content, self.watch)
        self.daemon = Daemon(directory, self.registry.address, public_pem(self.key))
        self.accepted: dict[str, tuple[str, bool]] = {}  # tag -> (digest, signed)
        self.hits: Counter[str] = Counter()
        self.kinds: Counter[str] = Counter()

    def moment(self, number: int, stage: str, kind: str) -> None:
        """Push an image, wait for `stage` of its flow, and kill a process of `kind` there."""
        tag = f"v{number}"
        signed = stage in NEEDS_PUBLICATION or self.random.random() < 0.6
        digest = image(self.content, "shop/app", tag, f"{number}")
        if signed:
            sign(self.content, "shop/app", digest, self.key)
        signature = digest.replace(":", "-") + ".sig"
        reached = threading.Event()
        pause = self.random.uniform(0, 0.02) if stage in {"record", "announce"} else 0.0

        def see(when: str, method: str, path: str) -> None:
            if not reached.is_set() and is_at(stage, tag, signature, when, method, path):
                reached.set()
                time.sleep(pause)
                self.kill(kind)

        self.watch.armed = see if stage != "hint" else None
        deadline, revived = time.monotonic() + 120, False
        while self.daemon_status(tag, digest) != 202:
            assert time.monotonic() < deadline, "no answering process came back"
            if self.daemon.process is not None and self.daemon.process.poll() is not None:
                self.revive(kind)  # a sweep had brought the flow to its stage before the notification was accepted
                revived = True
            time.sleep(0.05)
        self.accepted[tag] = (digest, signed)
        if stage == "hint":
            self.kill(kind)
            reached.set()
        assert reached.wait(120), f"stage {stage} of {tag} was not reached; {self.daemon.log()[-3000:]}"
        self.watch.armed = None
        self.hits[stage] += 1
        self.kinds[kind] += 1
        if not revived:
            self.revive(kind)

    def daemon_status(self, tag: str, digest: str) -> int:
        try:
            return self.daemon.notify("shop/app", tag, digest)
        except OSError:
            return 0

    def kill(self, kind: str) -> None:
        assert self.daemon.process is not None
        pid = self.daemon.process.pid if kind == "supervisor" else self.daemon.children()[kind]
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)

    def revive(self, kind: str) -> None:
        """A killed supervisor takes its children along and is started again, as systemd would; others come back."""
        if kind != "supervisor":
            return
        assert self.daemon.process is not None
        self.daemon.process.wait(10)
        children = self.daemon.children()
        until(lambda: not any(alive(pid) for pid in children.values()), 10, "the end of the children")
        self.daemon.start()

    def settled(self) -> bool:
        try:
            return all(self.is_settled(digest, signed=signed) for digest, signed in self.accepted.values())
        except OSError:  # the answering process may be on its way back
            return False

    def is_settled(self, digest: str, *, signed: bool) -> bool:
        wanted = "verified" if signed else "denied"
        answer = self.daemon.lookup(digest, f"{self.registry.address}/shop/app").get("answer")
        return answer == wanted and (not signed or self.published(digest) is not None)

    def published(self, digest: str) -> bytes | None:
        """Return our one statement about a digest, as the registry serves it."""
        found = self.content.manifest("shop/app", digest.replace(":", "-") + ".att")
        layers = json.loads(found[1].content)["layers"] if found else []
        assert len(layers) <= 1, "two statements of ours about one subject"
        return self.content.blobs[layers[0]["digest"]] if layers else None


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def plan(rng: random.Random, moments: int) -> list[tuple[str, str]]:
    """Return (stage, kind) for every moment: each stage in turn, each kind in turn, in a random pairing."""
    stages = [STAGES[n % len(STAGES)] for n in range(moments)]
    kinds = [KINDS[n % len(KINDS)] for n in range(moments)]
    rng.shuffle(stages)
    rng.shuffle(kinds)
    return list(zip(stages, kinds, strict=True))


@pytest.mark.timeout(900)
def test_kill_anywhere(tmp_path: Path) -> None:
    seed = int(os.environ.get("PREVERIFY_SEED", "0")) or random.SystemRandom().randrange(1, 2**31)
    campaign = Campaign(tmp_path, seed)
    with campaign.registry:
        try:
            campaign.daemon.start()
            for number, (stage, kind) in enumerate(plan(campaign.random, MOMENTS)):
                print(f"seed {seed} moment {number}: kill -9 {kind} at {stage}", flush=True)
                campaign.moment(number, stage, kind)
            until(campaign.settled, 180, "the settling of everything that was accepted")
            check(campaign, tmp_path / "state/preverify.db")
        finally:
            campaign.daemon.stop()
    print(f"seed {seed}: {MOMENTS} moments, stages {dict(campaign.hits)}, kinds {dict(campaign.kinds)}")
    if 3 * len(STAGES) <= MOMENTS:
        assert all(campaign.hits[stage] >= 3 for stage in STAGES)


def check(campaign: Campaign, path: Path) -> None:
    """Nothing accepted lost; no `verified` without its rows; one statement for each verdict set, and that one only."""
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        hints = {row[0] for row in database.execute("SELECT tag FROM hint")}
        assert set(campaign.accepted) <= hints
        passed = {row[0] for row in database.execute("SELECT digest FROM verdict WHERE outcome = 'passed'")}
        failed = {row[0] for row in database.execute("SELECT digest FROM verdict WHERE outcome = 'failed'")}
        sets = list(
            database.execute("SELECT set_id, count(*), count(DISTINCT envelope) FROM statement GROUP BY set_id")
        )
        assert all(rows == 1 and envelopes <= 1 for _, rows, envelopes in sets)
        stored = {
            bytes(row[0]) for row in database.execute("SELECT envelope FROM statement WHERE envelope IS NOT NULL")
        }
    for digest, signed in campaign.accepted.values():
        if signed:
            assert digest in passed
            envelope = campaign.published(digest)
            assert envelope in stored, "what the registry holds is not what we stored before the first PUT"
            subject = json.loads(base64.b64decode(json.loads(envelope)["payload"]))["subject"][0]["digest"]
            assert f"sha256:{subject['sha256']}" == digest
        else:
            assert digest in failed
            assert digest not in passed
            assert campaign.published(digest) is None
    envelopes = [data for data in campaign.watch.uploads if data.startswith(b"{") and b'"payloadType"' in data]
    assert set(envelopes) <= stored, "an envelope was pushed that is not the stored one"
