"""What is exported says everything that a statement has to say, and what the tool cannot check."""

import re

import pytest
import yaml

from preverify.attest import statement
from preverify.model import globs
from preverify.model.errors import BadConfiguration
from preverify.policy.exporters import EXPORTERS, Wanted
from preverify.policy.exporters.wanted import VALID_UNTIL
from support.policies import SIGNED, key, pem, policy_set, policy_text

VERIFIER = "https://platform.example/preverify"
PARTS = ("PASSED", VERIFIER, statement.VALID_UNTIL, "resourceUri", "https://slsa.dev/verification_summary/v1")


def wanted(*images: str, **more: object) -> Wanted:
    form = {"verifier": VERIFIER, "key": key("release"), "images": images or ("registry.example/shop/**",)}
    return Wanted(**{**form, **more})  # type: ignore[arg-type]


def text(name: str, *images: str, **more: object) -> str:
    return "".join(EXPORTERS[name].export(wanted(*images, **more)).values())


def test_names_are_those_of_the_modules() -> None:
    assert all(name == module.NAME for name, module in EXPORTERS.items())


def test_members_are_called_as_our_statements_call_them() -> None:
    assert VALID_UNTIL == statement.VALID_UNTIL


@pytest.mark.parametrize("name", EXPORTERS)
def test_every_part_of_a_statement_is_looked_at(name: str) -> None:
    said = text(name)
    assert [part for part in PARTS if part not in said] == []
    assert all(line in said for line in pem("release").decode().splitlines())


@pytest.mark.parametrize("name", EXPORTERS)
def test_what_is_not_checked_is_said(name: str) -> None:
    said = text(name, exclude=("registry.example/shop/debug",))
    assert "# Not checked: whether a newer statement was withdrawn" in said
    assert "# Policies leave out registry.example/shop/debug, this does not" in said
    assert ("# Not checked: which repository" in said) == (name != "kyverno")


def test_a_cluster_image_policy_names_docker_hub_as_it_does() -> None:
    said = yaml.safe_load(text("cluster-image-policy", "docker.io/library/nginx", "registry.example/*/x", "**"))
    assert [each["glob"] for each in said["spec"]["images"]] == [
        "index.docker.io/library/nginx@*",
        "registry.example/*/x@*",
        "**@*",
    ]
    with pytest.raises(BadConfiguration, match="reads no bundles that a key signed"):
        text("cluster-image-policy", bundles=True)


def test_kyverno_is_told_images_by_tag_and_by_digest() -> None:
    said = yaml.safe_load(text("kyverno", "docker.io/library/nginx", "registry.example/*/x"))
    (entry,) = said["spec"]["rules"][0]["verifyImages"]
    assert entry["type"] == "Cosign"
    assert entry["imageReferences"] == [
        *("docker.io/library/nginx:*", "docker.io/library/nginx@*", "docker.io/nginx:*", "docker.io/nginx@*"),
        *("registry.example/*/x:*", "registry.example/*/x@*"),
    ]
    (conditions,) = entry["attestations"][0]["conditions"]
    assert [each["value"] for each in conditions["any"]] == [
        "{{ image.registry }}/{{ image.path }}@*",
        "docker.io/library/{{ image.path }}@*",
    ]
    assert "# Not checked: '*' within a path segment" in text("kyverno", "registry.example/*/x")
    assert "within a path segment" not in text("kyverno")
    bundles = yaml.safe_load(text("kyverno", bundles=True))
    assert bundles["spec"]["rules"][0]["verifyImages"][0]["type"] == "SigstoreBundle"
    only = bundles["spec"]["rules"][0]["verifyImages"][0]["attestations"][0]["conditions"][0]["any"]
    assert [each["value"] for each in only] == ["{{ image.registry }}/{{ image.path }}@*"]


def test_cosign_reads_bundles_where_statements_are_there() -> None:
    assert "--new-bundle-format" in text("cosign", bundles=True)
    assert "--new-bundle-format" not in text("cosign")
    assert "in bundles beside" in text("cosign", bundles=True)


@pytest.mark.parametrize(
    ("glob", "name"),
    [
        ("registry.example/shop/**", "registry.example/shop/a/b"),
        ("registry.example/*/x", "registry.example/a/x"),
        ("registry.example/*/x", "registry.example/a/b/x"),
        ("**", "docker.io/library/nginx"),
        ("registry.example/a.b", "registry.example/a-b"),
    ],
)
def test_resources_are_those_of_the_images(glob: str, name: str) -> None:
    found = re.search(wanted(glob).resources, f"{name}@sha256:{'0' * 64}")
    assert (found is not None) == globs.matches(glob, name)


def test_statements_are_wanted_of_the_default_profile() -> None:
    enforcing = policy_set(
        policy_text(SIGNED, images="['registry.example/a/**', 'oci:/srv/**']", exclude="['registry.example/a/x']")
    )
    found = Wanted.of(enforcing, verifier=VERIFIER, key=key("release"))
    assert (found.images, found.exclude) == (("registry.example/a/**",), ("registry.example/a/x",))
    for spec in ({"mode": "warn"}, {"namespaces": "[shop]"}, {"images": "['oci:/srv/**']"}):
        with pytest.raises(BadConfiguration, match="nothing is published"):
            Wanted.of(policy_set(policy_text(SIGNED, **spec)), verifier=VERIFIER, key=key("release"))
