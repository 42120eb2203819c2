"""Images that crane makes, in a real registry: what is configured is what rules see."""

import json
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from preverify.model.digest import Digest
from preverify.model.evidence import Gathered
from preverify.model.platforms import EACH_CHILD
from preverify.model.reasons import Reason
from preverify.model.reference import Repository, Subject
from preverify.model.verdicts import Outcome, Verdict
from preverify.policy.decide import decide
from preverify.policy.demands.images import ImageFacts, image_facts
from support import registries
from support.policies import NOW, new_id, policy_set, policy_text
from support.registry_clients import remote

pytestmark = pytest.mark.tools

Tool = Callable[[str], Path]
CONFIGURED = (
    *(
        "--user",
        "65532:65532",
        "--env",
        "APP_MODE=production",
        "--label",
        "vendor=acme",
        "--entrypoint",
        "/app,--serve",
    ),
    *("--exposed-ports", "8080/tcp,53/udp", "--workdir", "/srv", "--cmd", "now"),
    *("--annotation", "org.opencontainers.image.base.name=docker.io/library/alpine:3.23"),
)
GOOD = (
    "nonRoot: true, users: ['65532'], labels: {vendor: acme}, secrets: deny, entrypoints: [[/app, --serve]], "
    "exposedPorts: ['8080', '53/udp'], volumes: none, maxLayers: 1, maxSize: 1MiB"
)


class Images(NamedTuple):
    """A registry with images made by crane."""

    host: str
    crane: Callable[..., str]

    def seen(self, name: str) -> Gathered:
        """Return what is gathered of an image for policies about configurations."""
        repository, _, tag = name.partition(":")
        digest = self.crane("digest", f"{self.host}/{repository}:{tag}").strip()
        ours = remote(self.host)
        image = ours.fetch(Subject(Repository(self.host, repository), Digest.parse(digest)))
        (policy,) = policy_set(policy_text("[{name: x, config: {volumes: none}}]", images="['**']")).policies
        return ours.gather(image, platforms=EACH_CHILD, needs=policy.needs)

    def verdict(self, name: str, demand: str) -> Verdict:
        (policy,) = policy_set(policy_text(f"[{{name: x, {demand}}}]", images="['**']")).policies
        return decide(policy, self.seen(name), (), now=NOW, trust_epoch="keys-only", new_id=new_id)


@pytest.fixture(scope="module")
def images(tool: Tool, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Images]:
    directory = tmp_path_factory.mktemp("images")
    (directory / "app").write_text("#!/bin/sh\n")
    with tarfile.open(directory / "layer.tar", "w") as layer:
        layer.add(directory / "app", "app")
    program = tool("crane")

    def crane(*arguments: str) -> str:
        call = [str(program), *arguments, "--insecure"]
        return subprocess.run(call, capture_output=True, text=True, check=True, timeout=60).stdout

    with registries.regserve(tool) as host:
        made = Images(host, crane)
        crane("append", "--new_layer", str(directory / "layer.tar"), "--new_tag", f"{host}/shop/bare:v1")
        crane("mutate", f"{host}/shop/bare:v1", "--tag", f"{host}/shop/api:v1", *CONFIGURED)
        leak = ("--env", "DATABASE_URL=postgres://app:hunter2@db/app")
        crane("mutate", f"{host}/shop/api:v1", "--tag", f"{host}/shop/leak:v1", *leak)
        for platform, source in (("amd64", "api"), ("arm64", "bare")):
            target = f"{host}/shop/both:{platform}"
            crane("mutate", f"{host}/shop/{source}:v1", "--tag", target, "--set-platform", f"linux/{platform}")
        crane(
            *("index", "append", "--tag", f"{host}/shop/both:v1"),
            *("-m", f"{host}/shop/both:amd64", "-m", f"{host}/shop/both:arm64"),
        )
        yield made


def test_every_fact_is_the_one_that_was_configured(images: Images) -> None:
    found = image_facts(images.seen("shop/api:v1"))
    assert isinstance(found, ImageFacts)
    said = json.loads(images.crane("config", f"{images.host}/shop/api:v1"))
    config = found.config
    assert (config.user, config.workdir, config.cmd, config.entrypoint) == (
        *(said["config"][name] for name in ("User", "WorkingDir")),
        *(tuple(said["config"][name]) for name in ("Cmd", "Entrypoint")),
    )
    assert [f"{name}={value}" for name, value in config.env] == said["config"]["Env"]
    assert (dict(config.labels), set(config.ports)) == (said["config"]["Labels"], set(said["config"]["ExposedPorts"]))
    assert (list(config.diff_ids), config.history) == (said["rootfs"]["diff_ids"], len(said["history"]))
    assert config.created is None  # crane writes the year 1
    manifest = json.loads(images.crane("manifest", f"{images.host}/shop/api:v1"))
    assert found.manifest.size == sum(layer["size"] for layer in manifest["layers"])


@pytest.mark.parametrize(
    ("name", "demand", "reason"),
    [
        ("shop/api:v1", f"config: {{{GOOD}}}", Reason.OK),
        ("shop/bare:v1", "config: {nonRoot: true}", Reason.CONFIG_DENIED),
        ("shop/leak:v1", "config: {secrets: deny}", Reason.CONFIG_DENIED),
        ("shop/api:v1", "config: {exposedPorts: ['8080']}", Reason.CONFIG_DENIED),
        ("shop/api:v1", "baseImage: {repositories: ['docker.io/library/*']}", Reason.OK),
        ("shop/bare:v1", "baseImage: {repositories: ['docker.io/library/*']}", Reason.ATTESTATION_MISSING),
        ("shop/api:v1", "imageAge: {maxAge: 30d}", Reason.NO_TRUSTED_TIME),
        ("shop/api:v1", "cel: \"image.config.labels.vendor == 'acme'\"", Reason.OK),
        ("shop/both:v1", "config: {nonRoot: true}", Reason.CONFIG_DENIED),
    ],
)
def test_rules_say_what_they_say_of_real_images(images: Images, name: str, demand: str, reason: Reason) -> None:
    verdict = images.verdict(name, demand)
    (row,) = verdict.rules
    assert (verdict.outcome is Outcome.PASSED, row.reason) == (reason is Reason.OK, reason)
    assert "hunter2" not in row.detail


def test_the_child_of_an_index_that_fails_is_named(images: Images) -> None:
    (row,) = images.verdict("shop/both:v1", "config: {nonRoot: true}").rules
    assert row.detail == "linux/arm64: runs as root, because no user is set"
