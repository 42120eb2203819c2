"""The daemon on a loopback registry: pushes, sweeps, policy changes, withdrawal, bad input, the commands."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from preverify.demo.content import Content
from preverify.demo.registry import Registry
from support.daemon import Daemon, image, new_key, public_pem, running, sign, until

KEY = new_key()


@pytest.fixture
def content() -> Content:
    return Content()


@pytest.fixture
def registry(content: Content) -> Iterator[Registry]:
    with Registry(content) as served:
        yield served


def command(daemon: Daemon, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command line against the daemon's configuration."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PREVERIFY_")}
    environment["PREVERIFY_CONFIG"] = str(daemon.config)
    return subprocess.run(
        [sys.executable, "-m", "preverify", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
        timeout=60,
    )


def published(content: Content, digest: str) -> list[str]:
    """Return the digests of the layers of the subject's `.att` manifest."""
    found = content.manifest("shop/app", digest.replace(":", "-") + ".att")
    return [layer["digest"] for layer in json.loads(found[1].content)["layers"]] if found else []


def test_the_sweep_finds_what_no_hook_told(tmp_path: Path, registry: Registry, content: Content) -> None:
    """Hooks are lost by design; the listing is the guarantee."""
    good = image(content, "shop/app", "good", "good")
    sign(content, "shop/app", good, KEY)
    bad = image(content, "shop/app", "bad", "bad")
    daemon = Daemon(tmp_path, registry.address, public_pem(KEY))
    with running(daemon):
        name = f"{registry.address}/shop/app"
        until(lambda: daemon.lookup(good, name).get("answer") == "verified", what="the verdict on the signed image")
        until(lambda: daemon.lookup(bad, name).get("answer") == "denied", what="the verdict on the unsigned image")
        until(lambda: len(published(content, good)) == 1, what="the statement")
        assert published(content, bad) == []
        policies = daemon.lookup(bad, name)["policies"]
        assert isinstance(policies, list)
        assert [reason["code"] for reason in policies[0]["reasons"]] == ["no-signature"]
        assert daemon.lookup(good, "elsewhere.example/shop/app")["answer"] in {"unknown", "denied"}

        listed = command(daemon, "tags", "--output", "json")
        assert listed.returncode == 0, listed.stderr
        rows = {row["image"]: row["answer"] for row in json.loads(listed.stdout)["tags"]}
        assert rows == {f"{name}:good": "verified", f"{name}:bad": "denied"}
        assert command(daemon, "tags", "--unverified").returncode == 1
        assert command(daemon, "lookup", good, "--image", name).returncode == 0
        assert command(daemon, "lookup", bad, "--image", name).returncode == 1
        assert command(daemon, "lookup", "sha256:" + "0" * 64, "--image", name).returncode == 3
        explained = command(daemon, "explain", f"{name}:good")
        assert explained.returncode == 0, explained.stderr
        assert "cosign-signature" in explained.stdout
        assert command(daemon, "explain", f"{name}:absent").returncode == 2
        assert command(daemon, "verify", f"{name}:good").returncode == 0
        assert command(daemon, "verify", f"{name}:bad").returncode == 1
        diagnosis = command(daemon, "doctor")
        assert diagnosis.returncode == 0, diagnosis.stdout + diagnosis.stderr
        assert "withdrawal at shop" in diagnosis.stdout
        assert command(daemon, "db", "check").stdout.strip() == "current"


def test_a_removed_signature_turns_the_answer_and_withdraws(
    tmp_path: Path, registry: Registry, content: Content
) -> None:
    digest = image(content, "shop/app", "v1", "v1")
    sign(content, "shop/app", digest, KEY)
    daemon = Daemon(tmp_path, registry.address, public_pem(KEY), sweep={"tags": "1s", "evidence": "1s"})
    with running(daemon):
        name = f"{registry.address}/shop/app"
        until(lambda: len(published(content, digest)) == 1, what="the statement")
        content.delete_manifest("shop/app", digest.replace(":", "-") + ".sig")
        until(lambda: daemon.lookup(digest, name).get("answer") == "denied", what="the turn of the answer")
        until(lambda: published(content, digest) == [], what="the withdrawal")
        sign(content, "shop/app", digest, KEY)
        until(lambda: daemon.lookup(digest, name).get("answer") == "verified", what="the return of the answer")
        until(lambda: len(published(content, digest)) == 1, what="the new statement")


def test_a_pushed_referrer_has_its_subject_looked_at(tmp_path: Path, registry: Registry, content: Content) -> None:
    """Registries announce a bundle by its own digest only; what is judged is the image that it is about."""
    from support.demo_bundle import attach_bundle

    digest = image(content, "shop/app", "v1", "v1")
    daemon = Daemon(tmp_path, registry.address, public_pem(KEY), sweep={"tags": "1h", "evidence": "1h"})
    with running(daemon):
        name = f"{registry.address}/shop/app"
        until(lambda: daemon.lookup(digest, name).get("answer") == "denied", what="the verdict on the unsigned image")
        referrer = attach_bundle(content, "shop/app", digest, KEY)
        assert daemon.notify("shop/app", None, referrer) == 202
        until(lambda: daemon.lookup(digest, name).get("answer") == "verified", what="the verdict on the bundle")
        assert daemon.lookup(referrer, name)["answer"] == "unknown"


def test_a_moved_tag_is_judged_by_what_it_names_now(tmp_path: Path, registry: Registry, content: Content) -> None:
    first = image(content, "shop/app", "v1", "first")
    sign(content, "shop/app", first, KEY)
    daemon = Daemon(tmp_path, registry.address, public_pem(KEY))
    with running(daemon):
        name = f"{registry.address}/shop/app"
        until(lambda: daemon.lookup(first, name).get("answer") == "verified", what="the first verdict")
        second = image(content, "shop/app", "v1", "second")
        assert daemon.lookup(second, name)["answer"] == "unknown"
        assert daemon.notify("shop/app", "v1", first) == 202  # the body lies; the registry is the truth
        until(lambda: daemon.lookup(second, name).get("answer") == "denied", what="the second verdict")
        assert daemon.lookup(first, name)["answer"] == "verified"


def test_a_policy_change_never_opens_a_window_of_unknown(tmp_path: Path, registry: Registry, content: Content) -> None:
    digests = []
    for number in range(5):
        digests.append(image(content, "shop/app", f"v{number}", str(number)))
        sign(content, "shop/app", digests[-1], KEY)
    daemon = Daemon(tmp_path, registry.address, public_pem(KEY))
    with running(daemon):
        name = f"{registry.address}/shop/app"
        until(lambda: all(daemon.lookup(d, name).get("answer") == "verified" for d in digests), what="the verdicts")
        seen: set[tuple[object, object]] = set()
        stop = threading.Event()

        def watch() -> None:
            while not stop.is_set():
                for digest in digests:
                    answer = daemon.lookup(digest, name)
                    seen.add((answer["answer"], answer["generation"]))

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            daemon.write_policy(name="renamed")
            changed = command(daemon, "policy", "activate")
            assert changed.returncode == 0, changed.stderr
            until(lambda: ("verified", 2) in seen, what="the new generation")
        finally:
            stop.set()
            watcher.join()
        assert seen == {("verified", 1), ("verified", 2)}
        bad = daemon.directory / "policies/bad.yaml"
        bad.write_text("apiVersion: preverify/v1\nkind: Policy\nmetadata: {name: x}\nspec: {image: []}\n")
        refused = command(daemon, "policy", "activate")
        assert refused.returncode == 2
        assert "images" in refused.stderr  # the nearest known key is named
        assert daemon.lookup(digests[0], name)["generation"] == 2


@pytest.mark.parametrize(
    ("body", "authorization", "status"),
    [
        (b'{"events": []}', "Bearer wrong", 401),
        (b'{"events": []}', None, 401),
        (b"{", "right", 400),
        (b'{"events": [{"action": "push", "target": {"repository": "../etc", "tag": "x"}}]}', "right", 400),
    ],
)
def test_bad_hooks_change_nothing_and_say_why(
    tmp_path: Path, registry: Registry, body: bytes, authorization: str | None, status: int
) -> None:
    from support.daemon import SECRET

    daemon = Daemon(tmp_path, registry.address, public_pem(KEY))
    with running(daemon):
        headers = {"Content-Type": "application/vnd.docker.distribution.events.v2+json"}
        if authorization is not None:
            headers["Authorization"] = f"Bearer {SECRET}" if authorization == "right" else authorization
        seen, problem = daemon.request("POST", "/hooks/shop", body, headers)
        assert seen == status
        assert problem["status"] == status
        assert problem["detail"]


def test_an_unreachable_registry_is_undecided_and_recovers(tmp_path: Path, content: Content) -> None:
    digest = image(content, "shop/app", "v1", "v1")
    sign(content, "shop/app", digest, KEY)
    with Registry(content) as served:
        address = served.address
    port = int(address.rpartition(":")[2])
    daemon = Daemon(tmp_path, address, public_pem(KEY), sweep={"tags": "1s", "evidence": "1h"})
    with running(daemon):
        name = f"{address}/shop/app"
        assert daemon.lookup(digest, name)["answer"] == "unknown"
        with Registry(content, port=port):
            until(lambda: daemon.lookup(digest, name).get("answer") == "verified", 60, "the recovery")
