"""Our own statements, signed in the real signing process by a device and by certificates, read by the real cosign."""

import json
import socket
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from preverify import pipeline, wiring
from preverify.attest import bundle
from preverify.attest.envelope import parse
from preverify.attest.identity import Own, OwnIdentity
from preverify.attest.ours import is_ours, resource_of
from preverify.clock import SystemClock
from preverify.model.digest import Digest
from preverify.model.errors import Unavailable
from preverify.model.evidence import Format
from preverify.model.reasons import Reason
from preverify.model.reference import Reference, Repository, Subject
from preverify.model.verdicts import Outcome
from preverify.ports import Layout, PublishState
from preverify.registry.client import Client
from preverify.registry.publishing import Publisher
from preverify.settings import Signing, Source
from preverify.signing import own_of
from support import registries
from support.cosign import VSA, Cosign
from support.daemon import Daemon, running, until
from support.registries import FIXTURES
from support.registry_clients import gather, remote
from support.signing import Desk, open_desk
from support.signing_child import signing
from support.softhsm import Token, new_token
from support.stack import Stack
from support.stacked import Images

pytestmark = [pytest.mark.tools, pytest.mark.timeout(300)]
Tool = Callable[[str], Path]
VERIFIER = "https://platform.acme.example/preverify"


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    (tmp_path / "desk").mkdir()
    opened = open_desk(tmp_path / "desk")
    yield opened
    opened.store.close()


@pytest.fixture
def host(tool: Tool) -> Iterator[str]:
    with registries.regserve(tool) as running:
        yield running


def publisher(host: str, own: Own, **settings: object) -> Publisher:
    source = Source(registry=host, network="private", tls={"plainHttp": True}, publish=settings)
    clock = SystemClock()
    return Publisher(client=Client("test", source, clock=clock), settings=source.publish, keys=(own,), clock=clock)


# --- a key that stays in its device -----------------------------------------------------------------------------------


@pytest.fixture
def token(tool: Tool, tmp_path: Path) -> Token:
    return new_token(tool, tmp_path / "token")


def hsm(token: Token, number: int, public: Path) -> dict[str, str]:
    return {
        "uri": token.uri(number),
        "publicKeyFile": str(public),
        "pinFile": str(token.pin_file),
        "pkcs11Module": str(token.module),
        "verifierId": VERIFIER,
    }


def test_the_signing_process_signs_with_a_device(desk: Desk, token: Token, tmp_path: Path) -> None:
    settings = hsm(token, 2, token.key(2))
    own = own_of(Signing.model_validate(settings))
    assert own is not None
    with signing(desk, settings, token.environment, log=tmp_path / "log") as client:
        first = client.sign(desk.statement)
        again = client.sign(desk.statement)
    assert first == again, "one verdict set, one statement, also where signatures differ each time"
    assert first.key_id == own.id
    assert is_ours(first.envelope, [own])
    journal = (desk.database.parent / "state/signing.journal").read_text().splitlines()
    assert [json.loads(line)["key"] for line in journal] == [own.id]
    assert "mac" not in json.loads(journal[0])


def test_cosign_reads_what_a_device_has_signed(token: Token, host: str, tool: Tool, tmp_path: Path) -> None:
    public = token.key(3)
    settings = hsm(token, 3, public)
    subject, sealed, own = signed_at(host, settings, token.environment, tmp_path)
    done = publisher(host, own).publish(subject, sealed, Layout.AUTO, supersedes=())
    assert (done.state, done.layouts) == (PublishState.PUBLISHED, (Layout.ATT,))
    cosign = Cosign(tool, tmp_path / "home")
    assert cosign.attestation(2, str(subject), public).verified
    assert cosign.attestation(3, str(subject), public).verified
    assert not cosign.attestation(3, str(subject), token.key(4)).verified


@pytest.mark.parametrize("wrong", ["pin", "key", "token"])
def test_what_does_not_fit_is_said_at_start(desk: Desk, token: Token, tmp_path: Path, wrong: str) -> None:
    settings = hsm(token, 2, token.key(2))
    sentences = {"pin": "PinIncorrect", "key": "another one than signing.publicKeyFile", "token": "No PKCS#11 token"}
    if wrong == "pin":
        token.pin_file.write_text("0000-is-not-it")
    elif wrong == "key":
        settings["publicKeyFile"] = str(token.key(5))
    else:
        settings["uri"] = "hsm:2?label=elsewhere"
    log = tmp_path / "log"
    with signing(desk, settings, token.environment, log=log, seconds=8) as client, pytest.raises(Unavailable):
        client.sign(desk.statement)
    assert "signing.uri: does not sign: " in log.read_text()
    assert sentences[wrong] in log.read_text()
    assert "0000-is-not-it" not in log.read_text()


# --- a certificate for each statement ---------------------------------------------------------------------------------

WORKLOAD = "workload/preverify"


def keyless(stack: Stack, directory: Path, **change: str) -> dict[str, object]:
    """Return settings to sign as a workload, whose token lies in a file."""
    minted = stack.minted("uri", sub=f"http://127.0.0.1:{stack.port}/{WORKLOAD}")
    (directory / "token").write_text(minted["token"] + "\n")
    files = {
        "identityTokenFile": str(directory / "token"),
        "trustedRootFile": str(stack.trusted_root),
        "signingConfigFile": str(stack.signing_config()),
    }
    return {"keyless": {**files, "issuer": minted["issuer"], "identity": minted["identity"], **change}}


def verified_by_cosign(cosign: Cosign, stack: Stack, subject: Subject, issuer: str, identity: str) -> bool:
    arguments = [
        "verify-attestation",
        "--type",
        VSA,
        "--allow-http-registry",
        "--trusted-root",
        str(stack.trusted_root),
    ]
    arguments += ["--certificate-oidc-issuer", issuer, "--certificate-identity", identity, str(subject)]
    done = cosign.run(3, *arguments)
    return done.returncode == 0


@pytest.mark.parametrize("layout", [Layout.AUTO, Layout.BUNDLE])
def test_a_keyless_statement_is_read_by_cosign(
    stack: Stack, host: str, tool: Tool, tmp_path: Path, layout: Layout
) -> None:
    settings = keyless(stack, tmp_path)
    subject, sealed, own = signed_at(host, settings, {}, tmp_path, beside=())
    assert isinstance(own, OwnIdentity)
    client = publisher(host, own)
    done = client.publish(subject, sealed, layout, supersedes=())
    assert (done.state, done.layouts) == (PublishState.PUBLISHED, (Layout.BUNDLE,)), done
    again = client.publish(subject, sealed, layout, supersedes=done.manifests)
    assert again.manifests == done.manifests, "every retry pushes the bytes that were stored"
    cosign = Cosign(tool, tmp_path / "home")
    assert verified_by_cosign(cosign, stack, subject, own.issuer, own.identity)
    assert not verified_by_cosign(cosign, stack, subject, own.issuer, own.identity + "x")
    assert not verified_by_cosign(cosign, stack, subject, stack.issuer("email"), own.identity)
    assert client.withdraw(subject, done.manifests).state is PublishState.WITHDRAWN
    assert not verified_by_cosign(cosign, stack, subject, own.issuer, own.identity)


def test_a_keyless_statement_hides_nobodys_signature(stack: Stack, host: str, tmp_path: Path) -> None:
    """The image has a `.sig` of its vendor: a bundle would make cosign v3 stop reading it."""
    subject, sealed, own = signed_at(host, keyless(stack, tmp_path), {}, tmp_path)
    done = publisher(host, own).publish(subject, sealed, Layout.AUTO, supersedes=())
    assert (done.state, done.layouts) == (PublishState.WOULD_SHADOW, ())
    allowed = publisher(host, own, allowShadowing=True).publish(subject, sealed, Layout.AUTO, supersedes=())
    assert (allowed.state, allowed.layouts) == (PublishState.PUBLISHED, (Layout.BUNDLE,))
    # Now there is a bundle, ours: the next statement takes its place, whoever asks whether it would hide something.
    for layout in (Layout.ATT, Layout.BOTH, Layout.DETACHED):
        other = publisher(host, own, detachedRepository="preverify/statements", allowShadowing=True)
        refused = other.publish(subject, sealed, layout, supersedes=())
        assert refused.state is PublishState.UNPUBLISHED
        assert "goes only into a bundle" in refused.detail


def test_the_statement_beside_a_foreign_bundle(stack: Stack, host: str, tool: Tool, tmp_path: Path) -> None:
    subject, sealed, own = signed_at(host, keyless(stack, tmp_path), {}, tmp_path)
    Images(host, Cosign(tool, tmp_path / "home"), stack, tmp_path).sign(str(subject), "email", email="dev@acme.test")
    done = publisher(host, own).publish(subject, sealed, Layout.AUTO, supersedes=())
    assert (done.state, done.layouts) == (PublishState.PUBLISHED, (Layout.BUNDLE,))


def test_what_is_ours_is_no_evidence(stack: Stack, host: str, tmp_path: Path) -> None:
    settings = keyless(stack, tmp_path)
    subject, sealed, own = signed_at(host, settings, {}, tmp_path)
    publisher(host, own, allowShadowing=True).publish(subject, sealed, Layout.BUNDLE, supersedes=())
    seen = gather(remote(host, own_keys=(own,)), subject.repository.path, str(subject.digest))
    foreign = gather(remote(host), subject.repository.path, str(subject.digest))
    bundles = [e.body for e in foreign.evidence if e.format is Format.SIGSTORE_BUNDLE]
    assert bundles == [sealed]
    assert not [e for e in seen.evidence if e.format is Format.SIGSTORE_BUNDLE]
    assert "ours: 1" in seen.looked_at
    # Another verifier of the same house, with an identity of its own, is read like everybody else.
    other = replace(own, identity=own.identity + "-two")
    theirs = gather(remote(host, own_keys=(other,)), subject.repository.path, str(subject.digest))
    assert [e.body for e in theirs.evidence if e.format is Format.SIGSTORE_BUNDLE] == [sealed]


def test_the_token_is_read_anew_for_each_statement(stack: Stack, tmp_path: Path) -> None:
    desk = open_desk(tmp_path)
    settings = keyless(stack, tmp_path)
    right = (tmp_path / "token").read_text()
    log = tmp_path / "log"
    try:
        with signing(desk, settings, {}, log=log) as client:
            for wrong, sentence in (
                ("", "Identity token is malformed"),
                (right.strip()[:-8] + "AAAAAAAA", "HTTPError"),
                (stack.token("uri", sub=f"http://127.0.0.1:{stack.port}/workload/other"), "do not match"),
                (stack.token("uri", sub=f"http://127.0.0.1:{stack.port}/{WORKLOAD}", aud="other"), "malformed"),
            ):
                (tmp_path / "token").write_text(wrong)
                with pytest.raises(Unavailable, match="keyless signing: ") as caught:
                    client.sign(desk.statement)
                assert sentence in str(caught.value), caught.value
                assert not wrong or wrong[-40:] not in str(caught.value) + log.read_text(), "a token is a secret"
            (tmp_path / "token").write_text(right)
            signed = client.sign(desk.statement)
            assert client.sign(desk.statement) == signed
    finally:
        desk.store.close()
    own = own_of(Signing.model_validate(settings))
    assert own is not None
    assert signed.key_id == own.id
    document = json.loads(signed.envelope)
    assert document["mediaType"] == bundle.BUNDLE_MEDIA_TYPE
    assert len(document["verificationMaterial"]["tlogEntries"]) == 1
    assert len(document["verificationMaterial"]["timestampVerificationData"]["rfc3161Timestamps"]) == 1
    assert json.loads(parse(signed.envelope).payload)["predicateType"] == VSA


@pytest.mark.parametrize("service", ["caUrls", "rekorTlogUrls", "tsaUrls"])
def test_no_statement_without_all_of_the_services(stack: Stack, tmp_path: Path, service: str) -> None:
    """Without its time stamp a bundle could be verified by nobody: it is not given out."""
    desk = open_desk(tmp_path)
    config = json.loads(stack.signing_config().read_text())
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        config[service][0]["url"] = f"http://127.0.0.1:{free.getsockname()[1]}"
    (tmp_path / "config.json").write_text(json.dumps(config))
    settings = keyless(stack, tmp_path, signingConfigFile=str(tmp_path / "config.json"))
    try:
        with (
            signing(desk, settings, {}, log=tmp_path / "log") as client,
            pytest.raises(Unavailable, match="keyless signing"),
        ):
            client.sign(desk.statement)
    finally:
        desk.store.close()


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, (Outcome.PASSED, Reason.OK)),
        ({"identity": "x"}, (Outcome.FAILED, Reason.IDENTITY_MISMATCH)),
        ({"issuer": "x"}, (Outcome.FAILED, Reason.ISSUER_MISMATCH)),
    ],
)
def test_another_preverify_relies_on_it(
    stack: Stack, host: str, tmp_path: Path, change: dict[str, str], expected: tuple[Outcome, Reason]
) -> None:
    """A second verifier delegates to ours: its policy asks for our summary under our identity, and nothing else."""
    subject, sealed, own = signed_at(host, keyless(stack, tmp_path), {}, tmp_path)
    assert isinstance(own, OwnIdentity)
    publisher(host, own, allowShadowing=True).publish(subject, sealed, Layout.BUNDLE, supersedes=())
    wanted = {name: getattr(own, name) + change.get(name, "") for name in ("issuer", "identity")}
    place = tmp_path / "policies"
    place.mkdir()
    (place / "root.json").write_bytes(stack.trusted_root.read_bytes())
    signer = {"keyless": {"issuer": wanted["issuer"], "subject": wanted["identity"], "trust": "stack"}}
    rule = {"name": "verified", "attestation": {"type": VSA, "by": {"any": ["preverify"]}}}
    for kind, spec in (
        ("Trust", {"roots": {"stack": {"file": "root.json"}}}),
        ("Signers", {"preverify": signer}),
        ("Policy", {"images": ["**"], "require": [rule]}),
    ):
        document = {"apiVersion": "preverify/v1", "kind": kind, "metadata": {"name": "delegated"}, "spec": spec}
        (place / f"{kind}.yaml").write_text(json.dumps(document))
    reference = Reference(subject.repository, None, subject.digest)
    look = pipeline.verify_reference(remote(host), wiring.read_policies((place,)), reference, clock=SystemClock())
    assert [(v.outcome, v.rules[0].reason) for v in look.verdicts] == [expected]


def test_the_daemon_signs_keyless(stack: Stack, tool: Tool, tmp_path: Path) -> None:
    """The whole way: pushed, verified, signed as a workload, attached, read by cosign; a restart changes nothing."""
    with registries.regserve(tool) as host:
        store = registries.fixtures()
        digest = next(c["digest"] for c in registries.cases() if c["id"] == "legacy-key-ec1")
        registries.push(host, store, "acme/legacy", "shop/api", subject=digest, beside=(".sig",))
        media_type, data = store.manifests["acme/legacy"][digest]
        registries.put_manifest(host, "shop/api", "1", data, media_type)
        daemon = Daemon(
            tmp_path / "daemon", host, (FIXTURES / "keys/ec1.pub").read_bytes(), publish={"allowShadowing": True}
        )
        document = json.loads(daemon.config.read_text())
        document["signing"] = {**keyless(stack, tmp_path), "verifierId": VERIFIER}
        daemon.config.write_text(json.dumps(document))
        own = own_of(Signing.model_validate(document["signing"]))
        assert isinstance(own, OwnIdentity)
        cosign = Cosign(tool, tmp_path / "home")
        subject = Subject(Repository(host, "shop/api"), Digest.parse(digest))
        with running(daemon):
            assert daemon.notify("shop/api", "1", digest) == 202
            until(lambda: daemon.lookup(digest).get("answer") == "verified", 60, f"the answer: {daemon.log()[-3000:]}")
            until(lambda: ours_at(host, subject, own), 60, "the statement")
        assert verified_by_cosign(cosign, stack, subject, own.issuer, own.identity)
        before = ours_at(host, subject, own)
        with running(daemon):
            assert daemon.notify("shop/api", "1", digest) == 202
            until(lambda: daemon.lookup(digest).get("answer") == "verified", 60, "the answer after the restart")
        assert ours_at(host, subject, own) == before
        assert len(before) == 1


def ours_at(host: str, subject: Subject, own: Own) -> list[bytes]:
    """Return the bundles of ours beside an image."""
    seen = gather(remote(host), subject.repository.path, str(subject.digest))
    return [e.body for e in seen.evidence if e.format is Format.SIGSTORE_BUNDLE and is_ours(e.body, [own])]


def signed_at(
    host: str,
    settings: Mapping[str, Any],
    environment: Mapping[str, str],
    directory: Path,
    *,
    beside: tuple[str, ...] = (".sig",),
) -> tuple[Subject, bytes, Own]:
    """Push an image, decide on it and have the statement signed in the signing process.

    Args:
        beside: What stays beside the image once it was decided on.
    """
    store = registries.fixtures()
    digest = next(c["digest"] for c in registries.cases() if c["id"] == "legacy-key-ec1")
    registries.push(host, store, "acme/legacy", "shop/api", subject=digest, beside=(".sig",))
    subject = Subject(Repository(host, "shop/api"), Digest.parse(digest))
    place = directory / "desk"
    place.mkdir()
    desk = open_desk(place, at=(remote(host), Reference(subject.repository, None, subject.digest)))
    try:
        with signing(desk, settings, environment, log=directory / "log") as client:
            sealed = client.sign(desk.statement).envelope
    finally:
        desk.store.close()
    if ".sig" not in beside:
        tag = str(subject.digest).replace(":", "-") + ".sig"
        assert registries.request(host, "DELETE", f"/v2/shop/api/manifests/{tag}")[0] == 202
    own = own_of(Signing.model_validate(settings))
    assert own is not None
    assert resource_of(sealed, [own]) == str(subject)
    return subject, sealed, own
