"""Trust documents: what they compile to, and that nothing unclear ever becomes trust."""

import json
from base64 import b64encode
from datetime import UTC, datetime
from hashlib import sha256
from importlib import resources
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from preverify.model.errors import BadConfiguration, Unavailable
from preverify.model.reasons import Reason
from preverify.model.trust import Period, Trust
from preverify.policy.certificates import MAX_BYTES, MAX_CERTIFICATES
from preverify.policy.trust_documents import (
    MAX_ROOT_BYTES,
    RootRequest,
    builtin,
    compile_trust,
    names_of_roots,
    requests,
    unknown_root,
)
from support.trust_material import (
    certificate,
    der,
    documents,
    key_file,
    pem,
    private_key_file,
    reading,
    secret,
    stamping,
)

ROOT, MIDDLE, ISSUING = certificate("root"), certificate("middle", "root"), certificate("issuing", "middle")
STAMPER = stamping("stamper", "root")
PUBLIC_GOOD = (
    resources.files("sigstore._store")
    .joinpath("https%3A%2F%2Ftuf-repo-cdn.sigstore.dev", "trusted_root.json")
    .read_bytes()
)
FILES = {
    "root.pem": pem(ROOT),
    "middle.pem": pem(MIDDLE),
    "issuing.pem": pem(ISSUING),
    "tsa.pem": pem(ROOT, STAMPER),
    "leaf.pem": pem(certificate("leaf", "issuing", ca=False)),
    "self.pem": pem(certificate("alone", ca=False)),
    "root.der": der(ROOT),
    "rekor.pub": key_file("rekor"),
    "ed.pub": key_file("ed", "ed25519"),
    "secret.pem": private_key_file("rekor"),
    "trusted_root.json": PUBLIC_GOOD,
    "tuf-root.json": b'{"signed": {}}',
    "broken.json": b'{"mediaType": 7}',
    "big.json": b" " * (MAX_ROOT_BYTES + 1),
}


def never(request: RootRequest) -> bytes:
    raise AssertionError(f"{request.name} must not be asked for")


def compiled(*specs: str, wanted: tuple[str, ...] = (), files: dict[str, bytes] | None = None, **more: Any) -> Trust:
    read_file = reading(FILES if files is None else FILES | files)
    return compile_trust(documents(*specs), wanted=wanted, read_file=read_file, **({"read_root": never} | more))


def refusal(*specs: str, wanted: tuple[str, ...] = (), files: dict[str, bytes] | None = None, **more: Any) -> str:
    with pytest.raises(BadConfiguration) as caught:
        compiled(*specs, wanted=wanted, files=files, **more)
    return str(caught.value)


def own(part: str) -> str:
    return f"roots:\n  own:\n    {part}"


# --- roots ------------------------------------------------------------------------------------------------------------


def test_a_root_from_a_file_is_what_the_file_says() -> None:
    trust = compiled("roots: {stack: {file: trusted_root.json}}", wanted=("stack",))
    (root,) = trust.roots
    written = json.loads(PUBLIC_GOOD)
    assert root.name == "stack"
    assert [b64encode(each.id).decode() for each in root.logs] == [t["logId"]["keyId"] for t in written["tlogs"]]
    assert len(root.authorities) == len(written["certificateAuthorities"])


def test_roots_that_no_signer_names_are_not_even_read() -> None:
    """A key signer must not make the daemon fetch anything, nor a broken root that nobody uses stop it."""
    spec = 'roots: {a: {file: gone.json}, b: {tuf: {url: "https://tuf.example", root: gone.json}}}'
    assert compiled(spec) == Trust()
    assert "a" in names_of_roots(documents(spec))
    assert requests(documents(spec), wanted=("a",), read_file=reading({})) == ()


def test_a_root_by_tuf_is_asked_for_with_where_trust_in_it_starts() -> None:
    asked: list[RootRequest] = []

    def read_root(request: RootRequest) -> bytes:
        asked.append(request)
        return PUBLIC_GOOD

    spec = 'roots: {corp: {tuf: {url: "https://tuf.example/x", root: tuf-root.json}}}'
    trust = compiled(spec, wanted=("corp", "public-good"), read_root=read_root)
    assert [root.name for root in trust.roots] == ["corp", "public-good"]
    assert trust.roots[0].id == trust.roots[1].id, "a name takes no part in what is trusted"
    wanted = (
        RootRequest(name="corp", url="https://tuf.example/x", root=FILES["tuf-root.json"]),
        RootRequest(name="public-good"),
    )
    assert tuple(asked) == wanted
    assert requests(documents(spec), wanted={"public-good", "corp"}, read_file=reading(FILES)) == wanted


def test_built_in_roots_are_few() -> None:
    assert builtin("public-good") == RootRequest(name="public-good")
    assert builtin("staging") == RootRequest(name="staging")
    assert builtin("github") is None


def test_a_root_that_cannot_be_had_now_is_said_to_be_so() -> None:
    def away(request: RootRequest) -> bytes:
        raise Unavailable(request.name, reason=Reason.TRUST_UNAVAILABLE)

    spec = "roots: {corp: {tuf: {url: 'http://127.0.0.1:9/', root: tuf-root.json}}}"
    with pytest.raises(Unavailable):
        compiled(spec, wanted=("corp",), read_root=away)


def test_own_parts_make_a_root() -> None:
    trust = compiled(
        """
roots:
  own:
    authorities: [{files: [root.pem, issuing.pem, middle.pem], validFrom: "2026-01-01T00:00:00Z"}]
    logs: [{key: rekor.pub, origin: rekor.example - 17}, {key: ed.pub, origin: log.example}]
    ctLogs: [{key: rekor.pub, validUntil: 2027-01-01T00:00:00+02:00}]
    timestampAuthorities: [{files: [tsa.pem]}]
""",
        wanted=("own",),
    )
    (root,) = trust.roots
    (authority,) = root.authorities
    assert authority.certificates == (der(ISSUING), der(MIDDLE), der(ROOT)), "from the issuing one to the root"
    assert authority.valid == Period(start=datetime(2026, 1, 1, tzinfo=UTC))
    rekor, ed = root.logs
    assert (rekor.id, rekor.origin) == (sha256(rekor.key).digest(), "rekor.example - 17")
    raw = secret("ed", "ed25519").public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    assert ed.id == sha256(b"log.example\n\x01" + raw).digest()
    assert (root.ct_logs[0].id, root.ct_logs[0].origin) == (rekor.id, "")
    assert root.ct_logs[0].valid.end == datetime(2026, 12, 31, 22, tzinfo=UTC)
    assert root.timestamp_authorities[0].certificates == (der(STAMPER), der(ROOT))


@pytest.mark.parametrize(
    ("part", "why"),
    [
        ("{}", "trusts nothing, expected file, tuf, or some of"),
        ("{authorities: []}", "trusts nothing"),
        ("{file: a, logs: [{key: rekor.pub}]}", "says in several ways what it trusts"),
        ("{file: a, tuf: {url: 'https://a.example', root: b}}", "says in several ways"),
        ("{file: ../a}", "leaves the policy directory"),
        ("{file: /a}", "leaves the policy directory"),
        ("{authorities: [{files: []}]}", "at least 1 item"),
        ("{authorities: [{files: [root.pem], validFrom: 2026-01-01}]}", "is no moment"),
        ("{authorities: [{files: [root.pem], validFrom: 2026-01-01T00:00:00}]}", "is no moment"),
        ("{authorities: [{files: [root.pem], validFrom: soon}]}", "is no moment"),
        ("{authorities: [{files: [root.pem], validFrom: 7}]}", "is no moment"),
        (
            "{logs: [{key: rekor.pub, validFrom: 2026-01-02T00:00:00Z, validUntil: 2026-01-01T00:00:00Z}]}",
            "lies before 'validFrom'",
        ),
        ('{logs: [{key: rekor.pub, origin: "a\\nb"}]}', "is no origin"),
        ("{logs: [{key: rekor.pub, orgin: a}]}", "did you mean 'origin'?"),
        ("{tuf: {url: 'http://tuf.example', root: a}}", "is not https"),
        ("{tuf: {url: 'http://10.0.0.1', root: a}}", "is not https"),
        ("{tuf: {url: 'ftp://tuf.example', root: a}}", "is no address of a repository"),
        ("{tuf: {url: 'https://', root: a}}", "is no address of a repository"),
        ("{tuf: {url: 'https://me:pw@tuf.example', root: a}}", "is no address of a repository"),
        ("{tuf: {url: 'https://tuf.example/?a=b', root: a}}", "is no address of a repository"),
        ("{tuf: {url: 'https://[::1', root: a}}", "is no address of a repository"),
        ("{tuf: {url: 'https://tuf.example'}}", "is required and missing"),
    ],
)
def test_what_is_written_wrongly_is_refused_with_its_place(part: str, why: str) -> None:
    said = refusal(own(part.replace("\n", " ")), wanted=())
    assert why in said
    assert said.startswith("t0.yaml:")


@pytest.mark.parametrize("url", ["https://tuf.example:8443/a/b/", "http://localhost:1", "http://[::1]:1/x"])
def test_addresses_of_repositories(url: str) -> None:
    assert documents(own(f"{{tuf: {{url: '{url}', root: a}}}}"))


@pytest.mark.parametrize(
    ("part", "why"),
    [
        ("{file: gone.json}", "spec.roots.own.file: 'gone.json': gone.json: cannot be read"),
        ("{file: broken.json}", "spec.roots.own.file: 'broken.json': own: mediaType: '7' is no trusted root"),
        ("{file: big.json}", "own: not JSON"),
        (
            "{tuf: {url: 'https://tuf.example', root: big.json}}",
            "spec.roots.own.tuf.root: 'big.json': is 512001 bytes long",
        ),
        ("{tuf: {url: 'https://tuf.example', root: tuf-root.json}}", "spec.roots.own.tuf: 'https://tuf.example'"),
        ("{logs: [{key: ed.pub}]}", "spec.roots.own.logs[0].key: 'ed.pub': holds an Ed25519 key"),
        ("{logs: [{key: root.pem}]}", "holds a certificate, expected a public key"),
        ("{ctLogs: [{key: secret.pem}]}", "treat this one as leaked"),
        ("{authorities: [{files: [secret.pem]}]}", "treat this key as leaked"),
        ("{authorities: [{files: [rekor.pub]}]}", "1 PEM blocks that are no certificates"),
        ("{authorities: [{files: [tuf-root.json]}]}", "holds no readable certificates"),
        ("{authorities: [{files: [root.pem, rekor.pub]}]}", "spec.roots.own.authorities[0].files[1]: 'rekor.pub'"),
        ("{authorities: [{files: [issuing.pem, middle.pem]}]}", "ends in 'CN=middle', which another authority issued"),
        ("{authorities: [{files: [root.pem, issuing.pem]}]}", "CN=root'; 'CN=issuing', expected exactly one"),
        ("{authorities: [{files: [leaf.pem, issuing.pem, middle.pem, root.pem]}]}", "'CN=leaf' is no authority"),
        ("{authorities: [{files: [tsa.pem]}]}", "'CN=stamper' is no authority"),
        (
            "{timestampAuthorities: [{files: [leaf.pem, issuing.pem, middle.pem, root.pem]}]}",
            "'CN=leaf' is neither an authority nor meant for time stamps",
        ),
        ("{timestampAuthorities: [{files: [self.pem]}]}", "'CN=alone' is neither an authority"),
    ],
)
def test_files_that_are_not_what_they_should_be(part: str, why: str) -> None:
    def nonsense(request: RootRequest) -> bytes:
        return b"[]"

    said = refusal(own(part), wanted=("own",), read_root=nonsense)
    assert why in said
    assert said.startswith("t0.yaml:")


def test_an_error_of_the_machine_keeps_its_words() -> None:
    def denied(name: str) -> bytes:
        raise PermissionError(13, "Permission denied")

    with pytest.raises(BadConfiguration, match=r"'a\.json': Permission denied"):
        compile_trust(documents(own("{file: a.json}")), wanted=("own",), read_file=denied, read_root=never)


def test_a_time_stamp_authority_may_be_named_without_its_leaf() -> None:
    (root,) = compiled(own("{timestampAuthorities: [{files: [middle.pem, root.pem]}]}"), wanted=("own",)).roots
    assert root.timestamp_authorities[0].certificates == (der(MIDDLE), der(ROOT))


def test_chains_that_are_none() -> None:
    crossed = {"crossed.pem": pem(certificate("middle", "other"), ISSUING, MIDDLE, ROOT)}
    assert "is not one chain" in refusal(own("{authorities: [{files: [crossed.pem]}]}"), wanted=("own",), files=crossed)
    twice = {"twice.pem": pem(ROOT, certificate("root"), MIDDLE)}
    assert "has no place in it" in refusal(own("{authorities: [{files: [twice.pem]}]}"), wanted=("own",), files=twice)
    ring = {"ring.pem": pem(certificate("a", "b"), certificate("b", "a"))}
    assert "issue no other are none" in refusal(
        own("{authorities: [{files: [ring.pem]}]}"), wanted=("own",), files=ring
    )
    weak = {"weak.pem": pem(certificate("w", ca=False), certificate("below", "w"))}
    assert "is no authority (basic" in refusal(own("{authorities: [{files: [weak.pem]}]}"), wanted=("own",), files=weak)
    bare = {"bare.pem": pem(certificate("w", ca=None), certificate("below", "w"))}
    assert "is no authority (basic" in refusal(own("{authorities: [{files: [bare.pem]}]}"), wanted=("own",), files=bare)
    many = {f"{n}.pem": pem(certificate(f"n{n}")) for n in range(MAX_CERTIFICATES)} | {"more.pem": pem(ROOT)}
    names = ", ".join(list(many)[:-1][:19])
    both = own(f"{{authorities: [{{files: [{names}, both.pem]}}]}}")
    assert "has 21 certificates" in refusal(both, wanted=("own",), files=many | {"both.pem": pem(ROOT, MIDDLE)})


def test_the_same_certificate_in_two_files_is_one() -> None:
    (root,) = compiled(own("{authorities: [{files: [root.pem, root.pem]}]}"), wanted=("own",)).roots
    assert root.authorities[0].certificates == (der(ROOT),)


def test_names_are_used_once() -> None:
    one = "roots: {own: {file: trusted_root.json}}"
    assert "t1.yaml:5: spec.roots.own: there is another root named 'own'" in refusal(one, one)
    assert "is built in; give this one another name" in refusal("roots: {public-good: {file: trusted_root.json}}")
    store = "stores: {'ca:a': {files: [root.pem]}}"
    assert "there is another store named 'ca:a'" in refusal(store, store)


def test_a_document_without_anything_is_refused() -> None:
    assert "holds neither roots nor stores" in refusal("roots: {}")


def test_unknown_roots_are_named_with_what_to_do() -> None:
    assert "did you mean 'public-good'?" in refusal(wanted=("public_good",))
    assert "known roots: corp, public-good, staging" in unknown_root("xyz", ["corp"])
    said = unknown_root("github", [])
    assert "gh attestation trusted-root" in said
    assert "https://tuf-repo.github.com" in said
    with pytest.raises(BadConfiguration, match="did you mean 'own'"):
        requests(documents(own("{file: a}")), wanted=("owm",), read_file=reading({}))


# --- stores -----------------------------------------------------------------------------------------------------------


def test_stores_hold_the_certificates_of_their_files() -> None:
    trust = compiled(
        "stores:\n  'tsa:stamps': {files: [root.pem]}\n"
        "  'ca:vendor': {files: [root.pem, root.der, self.pem, middle.pem]}"
    )
    vendor, stamps = trust.stores
    assert (vendor.kind, vendor.name, stamps.kind, stamps.name) == ("ca", "vendor", "tsa", "stamps")
    assert vendor.certificates[0] == der(ROOT)
    assert len(vendor.certificates) == 3, "one certificate in two forms is one"
    assert trust.store_named("tsa", "stamps") == stamps


def test_a_store_may_be_a_directory() -> None:
    listed: list[str] = []

    def list_files(name: str) -> tuple[str, ...]:
        listed.append(name)
        return ("b.crt", "a.pem", "README", ".hidden.pem", "c.cer")

    files = {"x509/ca/v/a.pem": pem(ROOT), "x509/ca/v/b.crt": der(MIDDLE), "x509/ca/v/c.cer": pem(ROOT)}
    trust = compiled("stores: {'ca:v': {directory: x509/ca/v/}}", files=files, list_files=list_files)
    assert trust.stores[0].certificates == (der(ROOT), der(MIDDLE))
    assert listed == ["x509/ca/v/"]


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ("{'ca:v': {files: [leaf.pem]}}", "'CN=leaf' is neither an authority nor self-signed"),
        ("{'signingAuthority:v': {files: [leaf.pem]}}", "neither an authority nor self-signed"),
        ("{'tsa:v': {files: [middle.pem]}}", "'CN=middle' is no root certificate"),
        ("{'tsa:v': {files: [self.pem]}}", "'CN=alone' is no root certificate"),
        ("{'ca:v': {files: [secret.pem]}}", "treat this key as leaked"),
        ("{'ca:v': {files: [many.pem]}}", "at most 20 are read"),
        ("{'ca:v': {files: [big.pem]}}", "at most 262144 are read"),
        ("{'ca:v': {directory: d}}", "directories cannot be listed here"),
        ("{'ca:v': {}}", "exactly one of files and directory"),
        ("{'ca:v': {files: [root.pem], directory: d}}", "exactly one of files and directory"),
        ("{'cb:v': {files: [root.pem]}}", "is no store, expected ca:, signingAuthority: or tsa:"),
        ("{'ca:a/b': {files: [root.pem]}}", "is no store"),
        ("{'ca:..': {files: [root.pem]}}", "is no store"),
    ],
)
def test_stores_that_cannot_be_used(spec: str, why: str) -> None:
    files = {
        "many.pem": pem(*[ROOT] * (MAX_CERTIFICATES + 1)),
        "big.pem": b"#" * (MAX_BYTES + 1),
    }
    assert why in refusal(f"stores: {spec}", files=files)


def test_a_directory_without_certificates_is_no_store() -> None:
    for names in ((), ("README",), tuple(f"{n}.pem" for n in range(101))):
        said = refusal("stores: {'ca:v': {directory: d}}", list_files=lambda _, names=names: names)
        assert "expected 1 to 100" in said
