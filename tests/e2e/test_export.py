"""What is exported, with the real tools: they take our statements, and nothing that is not one.

A statement is published by the daemon's own code; the refused ones are made from it, signed with the same key.
"""

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import rfc8785

from preverify.attest.envelope import seal, signed_bytes
from preverify.clock import SystemClock
from preverify.commands.app import run
from preverify.model.digest import Digest
from preverify.model.reference import Repository, Subject
from preverify.ports import Layout, PublishState
from preverify.registry.client import Client
from preverify.registry.publishing import Publisher
from preverify.settings import Source
from preverify.signing.keyfile import KeyFile
from support import registries
from support.peers import Peers, peers
from support.policies import SIGNED, SIGNERS, pem, policy_text
from support.statements import VERIFIER, new_key, payload

Tool = Callable[[str], Path]
TOOLS = [
    pytest.param("cluster-image-policy", marks=pytest.mark.tools_all),
    pytest.param("kyverno", marks=pytest.mark.tools_all),
    pytest.param("cosign2", marks=pytest.mark.tools),
    pytest.param("cosign3", marks=pytest.mark.tools),
]
BUNDLE_TOOLS = [TOOLS[1], TOOLS[3]]
ISO = "%Y-%m-%dT%H:%M:%SZ"


@dataclass
class Room:
    """Tools and a registry, our policies and our keys."""

    peers: Peers
    policies: Path
    ours: KeyFile
    other: KeyFile
    count: int = 0

    def image(self, name: str = "legacy-key-ec1", below: str = "shop") -> Subject:
        """Push an image to a repository of its own, with nothing beside it."""
        self.count += 1
        case = next(c for c in registries.cases() if c["id"] == name)
        path = f"{below}/t{self.count}"
        registries.push(self.peers.host, self.peers.store, case["repo"], path, subject=case["digest"], beside=())
        return Subject(Repository(self.peers.host, path), Digest.parse(case["digest"]))

    def publish(
        self, subject: Subject, *, key: KeyFile | None = None, layout: Layout = Layout.ATT, **change: Any
    ) -> Subject:
        """Publish a statement, with members of its predicate changed before it is signed."""
        document = json.loads(payload(subject))
        document["predicate"].update(change)
        statement = rfc8785.dumps(document)
        signer = key or self.ours
        source = Source(registry=subject.repository.registry, network="private", tls={"plainHttp": True})
        clock = SystemClock()
        publisher = Publisher(
            client=Client("test", source, clock=clock), settings=source.publish, keys=(signer.public,), clock=clock
        )
        done = publisher.publish(subject, seal(statement, signer.sign(signed_bytes(statement))), layout, supersedes=())
        assert done.state is PublishState.PUBLISHED, done
        return subject

    def copy(self, published: Subject, other: Subject) -> None:
        """Put what is at the `.att` tag of an image to that of another one."""
        host, path = self.peers.host, f"/v2/{published.repository.path}"
        accept = {"Accept": "application/vnd.oci.image.manifest.v1+json"}
        tag = f"{path}/manifests/sha256-{published.digest.hex}.att"
        _, headers, manifest = registries.request(host, "GET", tag, headers=accept)
        content = json.loads(manifest)
        for blob in (content["config"], *content["layers"]):
            data = registries.request(host, "GET", f"{path}/blobs/{blob['digest']}")[2]
            registries.put_blob(host, other.repository.path, blob["digest"], data)
        target = f"sha256-{other.digest.hex}.att"
        registries.put_manifest(host, other.repository.path, target, manifest, headers["content-type"])

    def accepts(self, tool: str, subject: Subject, **options: str) -> bool:
        """Export to a tool and ask it."""
        place = self.peers.directory() / "exported"
        to = "cosign" if tool.startswith("cosign") else tool
        given = {"--key": str(self.peers.place / "ours.pub"), "--verifier": VERIFIER, "--out": str(place)}
        arguments = [part for pair in {**given, **options}.items() for part in pair if part]
        assert run(["policy", "export", "--to", to, str(self.policies), *arguments]) == 0
        if tool == "cluster-image-policy":
            return self.peers.policy_controller(str(subject), (place / "cluster-image-policy.yaml").read_text())
        if tool == "kyverno":
            return self.peers.kyverno(str(subject), (place / "kyverno.yaml").read_text())
        return self.cosign(tool, place, subject)

    def cosign(self, tool: str, place: Path, subject: Subject) -> bool:
        """Run the exported script."""
        home = self.peers.place / "home"
        environment = {
            **os.environ,
            "HOME": str(home),
            "TUF_ROOT": str(home / "tuf"),
            "COSIGN": str(self.peers.tool(tool)),
        }
        command = ["/bin/sh", str(place / "verify.sh"), "--allow-http-registry", str(subject)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=60)
        assert done.returncode == 0 or "attestation" in done.stderr or "rego" in done.stderr, done.stderr
        return done.returncode == 0


@pytest.fixture(scope="module")
def room(tool: Tool, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    place = tmp_path_factory.mktemp("export")
    policies = place / "policies"
    (policies / "keys").mkdir(parents=True)
    for name in ("release", "security", "vendor", "release-again"):
        (policies / "keys" / f"{name}.pub").write_bytes(pem(name))
    (policies / "signers.yaml").write_text(SIGNERS)
    (policies / "policy.yaml").write_text(policy_text(SIGNED, images="['127.0.0.1:*/shop/**']"))
    with peers(tool, place) as found:
        yield Room(found, policies, new_key(place, "ours"), new_key(place, "other"))


@pytest.mark.parametrize("tool_name", TOOLS)
def test_our_statement_is_taken(room: Room, tool: Tool, tool_name: str) -> None:
    assert room.accepts(tool_name, room.publish(room.image()))


@pytest.mark.parametrize("tool_name", TOOLS)
def test_without_a_statement_nothing_is(room: Room, tool_name: str) -> None:
    assert not room.accepts(tool_name, room.image())


@pytest.mark.parametrize("tool_name", TOOLS)
def test_a_statement_by_another_key_is_refused(room: Room, tool_name: str) -> None:
    assert not room.accepts(tool_name, room.publish(room.image(), key=room.other))


@pytest.mark.parametrize("tool_name", TOOLS)
def test_a_statement_about_another_image_is_refused(room: Room, tool_name: str) -> None:
    """It lies at the tag where a statement about this image would be."""
    other = room.image("legacy-key-rsa2048")
    room.copy(room.publish(room.image()), other)
    assert not room.accepts(tool_name, other)


@pytest.mark.parametrize("tool_name", TOOLS)
def test_a_statement_about_the_same_digest_elsewhere(room: Room, tool_name: str) -> None:
    """Kyverno knows the image's name. The others, as their files say, only that it is one of those of the policies."""
    inside, outside = room.image(), room.image()
    room.copy(room.publish(room.image()), inside)
    room.copy(room.publish(room.image(below="elsewhere")), outside)
    assert room.accepts(tool_name, inside) == (tool_name != "kyverno")
    assert not room.accepts(tool_name, outside)


@pytest.mark.parametrize("tool_name", TOOLS)
@pytest.mark.parametrize(
    "change",
    [
        {"verificationResult": "FAILED"},
        {"verifier": {"id": "https://other.example/preverify"}},
        {"urn:preverify:validUntil": (datetime.now(UTC) - timedelta(hours=1)).strftime(ISO)},
    ],
    ids=["failed", "verifier", "over"],
)
def test_a_statement_that_says_otherwise_is_refused(room: Room, tool_name: str, change: dict[str, Any]) -> None:
    assert not room.accepts(tool_name, room.publish(room.image(), **change))


@pytest.mark.parametrize("tool_name", TOOLS)
def test_another_verifier_is_another_verifier(room: Room, tool_name: str) -> None:
    options = {"--verifier": "https://other.example/preverify"}
    assert not room.accepts(tool_name, room.publish(room.image()), **options)


@pytest.mark.parametrize("tool_name", BUNDLE_TOOLS)
def test_statements_in_bundles(room: Room, tool_name: str) -> None:
    options = {"--bundles": ""}
    assert room.accepts(tool_name, room.publish(room.image(), layout=Layout.BUNDLE), **options)
    failed = room.publish(room.image(), layout=Layout.BUNDLE, verificationResult="FAILED")
    assert not room.accepts(tool_name, failed, **options)
