"""What an image says of itself: read strictly, or a sentence about why not."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preverify.model.evidence import Flaw
from preverify.model.reasons import Reason
from preverify.model.verdicts import Outcome
from preverify.policy.demands.images import ConfigFacts, ImageFacts, ManifestFacts, Unread, image_facts, manifest_facts
from support.configured import document, image, index
from support.policies import not_obtained


def facts(section: dict[str, Any] | None = None, **changes: Any) -> ConfigFacts:
    found = image_facts(image(document(section, **changes)))
    assert isinstance(found, ImageFacts)
    assert found.manifest == manifest_facts(image(document(section, **changes)))
    return found.config


def refused(config: dict[str, Any] | bytes) -> tuple[str, str, str]:
    found = image_facts(image(config))
    assert isinstance(found, Unread)
    return found.outcome.value, found.reason.value, found.detail


def test_every_fact_of_a_configuration_is_read() -> None:
    section = {
        "User": "1000:1000",
        "Env": ["PATH=/bin:/usr/bin", "EMPTY=", "BARE", "EQUAL=a=b"],
        "Labels": {"b": "2", "a": "1"},
        "Entrypoint": ["/app"],
        "Cmd": ["serve"],
        "ExposedPorts": {"8080/tcp": {}, "53/udp": {}},
        "Volumes": {"/data": {}},
        "WorkingDir": "/srv",
    }
    assert facts(section, variant="v8") == ConfigFacts(
        user="1000:1000",
        env=(("PATH", "/bin:/usr/bin"), ("EMPTY", ""), ("BARE", ""), ("EQUAL", "a=b")),
        labels=(("a", "1"), ("b", "2")),
        entrypoint=("/app",),
        cmd=("serve",),
        ports=("53/udp", "8080/tcp"),
        volumes=("/data",),
        workdir="/srv",
        created=datetime(2026, 1, 1, 10, tzinfo=UTC),
        os="linux",
        architecture="amd64",
        variant="v8",
        history=1,
        diff_ids=("sha256:" + "1" * 64,),
    )


@pytest.mark.parametrize("nothing", [{}, dict.fromkeys(("User", "Env", "Labels", "Cmd", "ExposedPorts", "Volumes"))])
def test_unset_and_null_are_one(nothing: dict[str, Any]) -> None:
    assert facts(nothing, history=None, created=None, config=nothing) == replace(
        ConfigFacts(), os="linux", architecture="amd64", diff_ids=("sha256:" + "1" * 64,)
    )
    assert facts(config=None, rootfs=None).diff_ids == ()


@pytest.mark.parametrize("nobody", ["", "0001-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "1980-01-01T00:00:01Z"])
def test_what_reproducible_builds_write_is_no_time(nobody: str) -> None:
    assert facts(created=nobody).created is None


def test_times_have_nanoseconds_and_zones() -> None:
    assert facts(created="2026-01-01T12:00:00.123456789+02:00").created == datetime(2026, 1, 1, 10, 0, 0, 123456, UTC)


@pytest.mark.parametrize(
    "created", ["yesterday", "2026-13-01T00:00:00Z", "2026-01-01T10:00:00", "2026-01-01", "0001-01-01T00:00:00+05:00"]
)
def test_what_is_no_time_is_malformed(created: str) -> None:
    outcome, reason, detail = refused(document(created=created))
    assert (outcome, reason) == ("failed", "payload-malformed")
    assert created[:40] in detail


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        (b"{", "not JSON"),
        (b"[]", "the configuration: it is a value of type list, expected an object"),
        (b'{"config": {"User": "1", "User": "0"}}', "key 'User' stands twice"),
        (document({"User": 1000}), "User is a value of type int, expected text"),
        (document({"Env": "A=1"}), "Env is a value of type str, expected a list"),
        (document({"Env": ["A=1", None]}), "Env holds nothing, expected only texts"),
        (document({"Labels": {"a": 1}}), "Labels holds a value of type int, expected only texts"),
        (document({"ExposedPorts": ["80/tcp"]}), "ExposedPorts is a value of type list, expected an object"),
        (document(config=["x"]), "config is a value of type list, expected an object"),
        (document(history={}), "history is a value of type dict, expected a list"),
        (document(rootfs={"diff_ids": [1]}), "diff_ids holds a value of type int"),
    ],
)
def test_another_shape_establishes_nothing(config: dict[str, Any] | bytes, sentence: str) -> None:
    outcome, reason, detail = refused(config)
    assert (outcome, reason) == ("failed", "payload-malformed")
    assert sentence in detail


@pytest.mark.parametrize("other", ["user", "USER", "u\u017fer"])
def test_another_spelling_of_a_member_is_refused(other: str) -> None:
    """Runtimes ignore case: `{"User": "1000", "user": "0"}` would run as root and read here as 1000."""
    assert other.casefold() == "user"
    outcome, _, detail = refused(document({"User": "1000", other: "0"}))
    assert (outcome, "expected 'User'" in detail) == ("failed", True)
    assert "expected 'config'" in refused({**document(), "Config": {"User": "0"}})[2]


def test_members_that_nobody_reads_may_be_of_any_form() -> None:
    assert facts({"Healthcheck": {"Test": ["CMD"]}, "ArgsEscaped": True}, container_config=[]) == facts()


def test_what_could_not_be_obtained_is_undecided_with_its_own_reason() -> None:
    config = not_obtained(Reason.REGISTRY_REFUSED, what="configuration")
    for unobtained in ((config,), (not_obtained(), config)):
        found = image_facts(image(unobtained=unobtained))
        assert isinstance(found, Unread)
        assert (found.outcome, found.reason) == (Outcome.UNDECIDED, Reason.REGISTRY_REFUSED)
    other = image_facts(image(unobtained=(not_obtained(Reason.DEADLINE),)))
    assert isinstance(other, Unread)
    assert (other.outcome, other.reason, other.detail) == (Outcome.UNDECIDED, Reason.DEADLINE, "sig-tag: status 503")


@pytest.mark.parametrize("seen", [None, replace(image(), config=None)])
def test_what_was_never_read_is_undecided(seen: Any) -> None:
    found = image_facts(seen)
    assert isinstance(found, Unread)
    assert (found.outcome, found.reason) == (Outcome.UNDECIDED, Reason.REGISTRY_UNAVAILABLE)


def test_the_manifest_of_nothing_is_undecided() -> None:
    found = manifest_facts(None)
    assert isinstance(found, Unread)
    assert found.outcome is Outcome.UNDECIDED


def test_a_void_configuration_says_why() -> None:
    found = image_facts(image(flaw=Flaw(reason=Reason.DIGEST_MISMATCH, detail="other bytes")))
    assert found == Unread(outcome=Outcome.FAILED, reason=Reason.DIGEST_MISMATCH, detail="other bytes")


@pytest.mark.parametrize("kind", ["application/vnd.cncf.helm.config.v1+json", "application/vnd.oci.empty.v1+json", ""])
def test_an_artifact_of_another_kind_has_no_facts(kind: str) -> None:
    found = image_facts(image(config_type=kind))
    assert isinstance(found, Unread)
    assert (found.outcome, found.reason) == (Outcome.FAILED, Reason.PAYLOAD_TYPE_MISMATCH)
    assert (kind or "nothing") in found.detail


def test_dockers_own_type_is_read_alike() -> None:
    found = image_facts(image(config_type="application/vnd.docker.container.image.v1+json"))
    assert isinstance(found, ImageFacts)
    assert found.config == facts()


def test_an_index_has_no_configuration() -> None:
    whole = index({"linux/amd64": image()})
    found = image_facts(whole)
    assert isinstance(found, Unread)
    assert (found.outcome, found.reason) == (Outcome.FAILED, Reason.PAYLOAD_TYPE_MISMATCH)
    assert manifest_facts(whole) == ManifestFacts()


def test_every_fact_of_a_manifest_is_read() -> None:
    found = manifest_facts(image(layers=(10, 20), annotations={"b": "2", "a": "1"}))
    assert isinstance(found, ManifestFacts)
    assert (found.size, len(found.layers), found.annotations) == (30, 2, (("a", "1"), ("b", "2")))
    assert (found.annotation("b"), found.annotation("c")) == ("2", "")


@pytest.mark.parametrize(
    "manifest",
    [
        {"layers": [1]},
        {"layers": [{"digest": "sha256:" + "1" * 64, "size": -1}]},
        {"layers": [{"digest": "sha256:" + "1" * 64, "size": True}]},
        {"layers": [{"digest": "sha256:" + "1" * 64}]},
        {"layers": [{"digest": "nothing", "size": 1}]},
        {"layers": [{"Digest": "nothing", "size": 1}]},
        {"annotations": {"a": None}},
        {"config": "x"},
    ],
)
def test_a_manifest_of_another_shape_establishes_nothing(manifest: dict[str, Any]) -> None:
    seen = image(manifest=json.dumps(manifest).encode())
    for found in (manifest_facts(seen), image_facts(seen)):
        assert isinstance(found, Unread)
        assert (found.outcome, found.reason) == (Outcome.FAILED, Reason.PAYLOAD_MALFORMED)


def test_large_documents_are_read_each_time_and_alike() -> None:
    long = facts({"Env": [f"A={'x' * (300 << 10)}"]})
    assert long == facts({"Env": [f"A={'x' * (300 << 10)}"]})
    assert len(long.env[0][1]) == 300 << 10
    assert refused(b" " * ((1 << 20) + 1))[1] == "too-large"


@given(st.binary(max_size=200) | st.recursive(st.none() | st.text() | st.integers(), st.lists).map(str).map(str.encode))
def test_no_bytes_do_more_than_establish_nothing(body: bytes) -> None:
    found = image_facts(image(body))
    assert isinstance(found, ImageFacts) or found.outcome is Outcome.FAILED
