"""Policy documents: what loads, and the sentence with which everything else is refused."""

from pathlib import Path

import pytest

from preverify.model.anchors import KeyAnchor
from preverify.model.errors import BadConfiguration
from preverify.model.reference import Repository
from preverify.policy import documents
from preverify.policy.documents import load
from preverify.policy.policies import PolicySet
from support.policies import ATTESTED, SIGNED, SIGNERS, key, policy_set, policy_text, read_file

ROOT = Path(__file__).resolve().parents[3]


def refusal(*texts: str, signers: str = SIGNERS) -> str:
    with pytest.raises(BadConfiguration) as caught:
        policy_set(*texts, signers=signers)
    return str(caught.value)


def test_a_policy_is_compiled_with_its_signers_resolved() -> None:
    loaded = policy_set(policy_text(SIGNED, validFor="90m", mode="warn", namespaces='[prod, "prod-*"]'))
    (policy,) = loaded.policies
    assert policy.canonical() == {
        "name": "shop-release",
        "images": ["registry.example/shop/**"],
        "namespaces": ["prod", "prod-*"],
        "mode": "warn",
        "platforms": "index",
        "validForSeconds": 5400,
        "signers": {"release": {"key": policy.signers[0].canonical({})["key"], "tlog": "none"}},
        "require": [
            {
                "name": "signed",
                "mode": "enforce",
                "signature": {"by": {"atLeast": 1, "of": ["release"]}, "annotations": {}},
            }
        ],
    }
    assert loaded.anchors == (KeyAnchor(key=key("release")),)


def test_several_documents_stand_in_one_file() -> None:
    text = "\n---\n".join([policy_text(SIGNED, name="a"), SIGNERS, policy_text(ATTESTED, name="b"), ""])
    assert [p.name for p in load([("all.yaml", text.encode())], read_file).policies] == ["a", "b"]


def test_the_shipped_examples_load() -> None:
    directory = ROOT / "config" / "policies"
    files = [(path.name, path.read_bytes()) for path in sorted(directory.glob("*.yaml"))]
    loaded = load(files, lambda name: (directory / name).read_bytes())
    names = ["base-images", "payment-in-production", "shop-contents", "shop-release"]
    assert [p.name for p in loaded.policies] == names
    assert loaded.profile(Repository("registry.example", "shop/api")) == (loaded.policies[3],)


def test_the_exception_in_the_comments_of_the_shipped_examples_loads() -> None:
    directory = ROOT / "config" / "policies"
    files = [(path.name, path.read_bytes()) for path in sorted(directory.glob("*.yaml"))]
    _, _, commented = (directory / "contents.yaml").read_text().partition("# ---\n")
    exception = "".join(line.removeprefix("# ") for line in commented.splitlines(keepends=True))
    loaded = load([*files, ("exception.yaml", exception.encode())], lambda name: (directory / name).read_bytes())
    (policy,) = (each for each in loaded.policies if each.name == "shop-contents")
    assert [each.name for each in policy.exceptions] == ["parser-until-rewritten"]


def test_nothing_at_all_is_a_set_without_policies() -> None:
    assert load([], read_file).policies == ()
    assert load([("empty.yaml", b"# nothing\n---\n")], read_file).policies == ()


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        ("[1, 2]", "policy-0.yaml:1: expected a mapping with apiVersion, kind, metadata and spec"),
        ("kind: Policy", "policy-0.yaml:1: apiVersion: is 'None', expected 'preverify/v1'"),
        ("apiVersion: preverify/v2\nkind: Policy", "policy-0.yaml:1: apiVersion: is 'preverify/v2', expected"),
        ("apiVersion: preverify/v1\nkind: Polcy", "policy-0.yaml:2: kind: is 'Polcy', did you mean 'Policy'?"),
        (
            "apiVersion: preverify/v1\nkind: 7",
            "policy-0.yaml:2: kind: is '7', expected one of: Exception, Policy, Signers",
        ),
        ("apiVersion: preverify/v1", "policy-0.yaml:1: kind: is 'None', expected one of: Exception, Policy, Signers"),
        (
            "apiVersion: preverify/v1\nkind: Policy",
            "metadata: is required and missing; policy-0.yaml:1: spec: is required",
        ),
    ],
)
def test_what_is_no_policy_document_is_refused(document: str, sentence: str) -> None:
    assert sentence in refusal(document)


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        ({"vaildFor": "24h"}, "spec.vaildFor: unknown key 'vaildFor', did you mean 'validFor'?"),
        ({"valid_for": "24h"}, "spec.valid_for: unknown key 'valid_for', did you mean 'validFor'?"),
        ({"validFor": "0s"}, "spec.validFor: 0s is out of range, expected whole seconds from 1s to 90d"),
        ({"validFor": "91d"}, "out of range"),
        ({"validFor": "1500ms"}, "out of range"),
        ({"validFor": "24"}, "spec.validFor: 24 is not a duration"),
        ({"validFor": "'24'"}, "spec.validFor: '24' is not a duration"),
        ({"mode": "enforced"}, "spec.mode: input should be 'enforce', 'warn' or 'audit'"),
        ({"platforms": "any"}, "'any' is none of: index, each, a list of platforms like linux/amd64"),
        ({"platforms": "[linux]"}, "'linux' is no platform, expected os/architecture or os/architecture/variant"),
        ({"platforms": "null"}, "'None' is none of: index, each"),
        ({"exceptions": "[]"}, "'exceptions' is not in this version of preverify"),
        ({"images": "[]"}, "spec.images: "),
        ({"images": "registry.example/**"}, "spec.images: input should be a list"),
        ({"images": "[7]"}, "spec.images[0]: input should be a valid string"),
        ({"images": "['shop/**']"}, "spec.images[0]: 'shop/**' starts with no registry"),
        ({"images": "['registry.example/shop:1.0']"}, "'registry.example/shop:1.0' names a tag"),
        ({"images": "['registry.example/Shop/**']"}, "'registry.example/Shop/**' matches nothing"),
        ({"images": "['registry.example/']"}, "matches nothing"),
        ({"images": "['registry.example']"}, "names only a registry; write registry.example/** for all of it"),
        ({"images": "['*']"}, "names only a registry; write */** for all of it"),
        ({"images": "['bad_host.example/**']"}, "'bad_host.example' is not a registry host"),
        ({"images": "['registry.example/{a,b}']"}, "holds '{', but globs know only"),
        ({"images": "['registry.example/***']"}, "three stars in a row"),
        ({"images": "['']"}, "a glob has 1 to 300 characters, not 0"),
        ({"namespaces": "['**']"}, "spec.namespaces[0]: '**' is not a namespace glob"),
        ({"namespaces": "['Prod']"}, "'Prod' is not a namespace glob"),
        ({"namespaces": "['']"}, "'' is not a namespace glob"),
        ({"namespaces": f"['{'a' * 64}']"}, "is not a namespace glob"),
    ],
)
def test_a_policy_with_a_mistake_is_refused(spec: dict[str, str], sentence: str) -> None:
    assert sentence in refusal(policy_text(SIGNED, **spec))


@pytest.mark.parametrize(
    ("require", "sentence"),
    [
        ("[]", "spec.require: "),
        ("[{}]", "spec.require[0].name: is required and missing"),
        ("[{name: a}]", "demands nothing, expected exactly one of: allOf, anyOf"),
        ("[{name: a, signature: null}]", "demands nothing"),
        ("[{name: -a, signature: {by: {any: [release]}}}]", "'-a' is not a name"),
        (
            "[{name: a, signature: {by: {any: [release]}}, attestation: {type: spdx, by: {any: [release]}}}]",
            "demands signature, attestation, expected exactly one",
        ),
        ("[{name: a, signatur: {by: {any: [release]}}}]", "unknown key 'signatur', did you mean 'signature'?"),
        ("[{name: a, signature: {}}]", "spec.require[0].signature.by: is required and missing"),
        ("[{name: a, signature: {by: {}}}]", "says who may sign in no single way"),
        ("[{name: a, signature: {by: {any: []}}}]", "spec.require[0].signature.by.any: "),
        ("[{name: a, signature: {by: {any: [release], all: [vendor]}}}]", "in no single way"),
        (
            "[{name: a, signature: {by: {all: [release, release-again]}}}]",
            "signature.by: needs 2 distinct signers, but names 1 (release and release-again are one)",
        ),
        ("[{name: a, signature: {by: {atLeast: 1}}}]", "in no single way"),
        ("[{name: a, signature: {by: {of: [release]}}}]", "in no single way"),
        ("[{name: a, signature: {by: {any: [release, release]}}}]", "names a signer twice"),
        ("[{name: a, signature: {by: {any: [relase]}}}]", "there is no signer 'relase', did you mean 'release'?"),
        ("[{name: a, signature: {by: {any: [nobody]}}}]", "there is no signer 'nobody', known signers: release, "),
        ("[{name: a, signature: {by: {any: [release]}, annotations: {a: 1}}}]", "annotations.a: input should be"),
        ("[{name: a, signature: {by: {any: [release]}, annotation: {}}}]", "did you mean 'annotations'?"),
        ("[{name: a, attestation: {by: {any: [release]}}}]", "attestation.type: is required and missing"),
        ("[{name: a, attestation: {type: spdx2, by: {any: [release]}}}]", "did you mean 'spdx'?"),
        (
            "[{name: a, attestation: {type: 'q', by: {any: [release]}}}]",
            "expected a predicate type URI or o",
        ),
        ("[{name: a, attestation: {type: 'https://a.example/*', by: {any: [release]}}}]", "is not an attestation type"),
        ("[{name: a, attestation: {type: spdx, by: {any: [release]}, source: x}}]", "'x' is not a repository"),
        (
            "[{name: a, signature: {by: {any: [release]}}}, {name: a, signature: {by: {any: [vendor]}}}]",
            "spec.require[1].name: there is another rule named 'a' in this policy",
        ),
        ("[{name: a, mode: audit, signature: {by: {any: [release]}}}]", "every rule is audit or warn"),
        (
            "[{name: a, platforms: index, config: {nonRoot: true}}]",
            "require[0].platforms: looks at what only images have",
        ),
    ],
)
def test_a_rule_with_a_mistake_is_refused(require: str, sentence: str) -> None:
    assert sentence in refusal(policy_text(require))


def signers(spec: str) -> str:
    return f"apiVersion: preverify/v1\nkind: Signers\nmetadata: {{name: x}}\nspec: {spec}\n"


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        ("{}", "signers.yaml:4: spec: "),
        ("{A: {key: {file: keys/release.pub}, tlog: none}}", "'A' is not a name"),
        ("{a: {key: {file: keys/release.pub}}}", "spec.a: 'tlog' is missing: say 'none' or 'required'"),
        ("{a: {key: {file: keys/release.pub}, tlog: rekor1}}", "spec.a.tlog: input should be 'none' or 'required'"),
        ("{a: {key: {file: keys/release.pub}, tlog: null}}", "spec.a: 'tlog' is missing"),
        ("{a: {key: {file: keys/release.pub}, tlog: required}}", "spec.a: 'trust' is missing: which root's"),
        ("{a: {key: {file: keys/release.pub}, tlog: none, timestamps: required}}", "'trust' is missing"),
        ("{a: {key: {file: keys/release.pub}, tlog: none, trust: stack}}", "'trust' without 'tlog: required'"),
        (
            "{a: {key: {file: keys/release.pub}, tlog: required, trust: stack}}",
            "spec.a.trust: there is no root 'stack'",
        ),
        ("{a: {key: {file: keys/release.pub, validFrom: '2026-01-02'}, tlog: none}}", "'2026-01-02' is no moment"),
        ("{a: {key: {file: keys/release.pub, validFrom: 7}, tlog: none}}", "'7' is no moment"),
        ("{a: {key: {file: keys/release.pub, revokedAt: 'soon'}, tlog: none}}", "'soon' is no moment"),
        (
            "{a: {tlog: none, key: {file: keys/release.pub, "  # noqa: ISC004 - one text
            "validFrom: '2026-01-02T00:00:00Z', validUntil: '2026-01-02T00:00:00Z'}}}",
            "'validFrom' is not before 'validUntil'",
        ),
        ("{a: {}}", "spec.a: is nobody, expected exactly one of: key, keyless, notation"),
        ("{a: {tlog: none}}", "spec.a: is nobody"),
        (
            "{a: {key: {file: keys/release.pub}, tlog: none, keyless: {issuer: x, subject: y, trust: staging}}}",
            "spec.a: is key and keyless, expected exactly one",
        ),
        ("{a: {keyless: {issuer: x, subject: y}}}", "spec.a.keyless.trust: is required and missing"),
        ("{a: {keyless: {issuer: x, subject: y, trust: stack}}}", "spec.a.keyless.trust: there is no root 'stack'"),
        ("{a: {keyless: {issuer: x, subject: y, trust: github}}}", "there is no root 'github': save what"),
        ("{a: {keyless: {issuer: x, subject: y, trust: staging}}}", "nothing to read built-in and TUF roots"),
        (
            "{a: {keyless: {issuer: x, subject: y, trust: staging}, tlog: none}}",
            "tlog beside 'keyless': for keyless they",
        ),
        ("{a: {keyless: {subject: y, trust: staging}}}", "exactly one of 'issuer' and 'issuerPattern'"),
        ("{a: {keyless: {issuer: x, trust: staging}}}", "exactly one of 'subject' and 'subjectPattern'"),
        ("{a: {keyless: {issuer: x, issuerPattern: y, subject: z, trust: staging}}}", "exactly one of 'issuer'"),
        ("{a: {keyless: {issuer: '', subject: z, trust: staging}}}", "spec.a.keyless.issuer: "),
        ("{a: {keyless: {issuer: x, subjectPattern: '.*', trust: staging}}}", "'.*' matches everybody"),
        ("{a: {keyless: {issuer: x, subjectPattern: '(', trust: staging}}}", "'(' cannot be used"),
        (
            "{a: {keyless: {issuer: x, subject: y, trust: staging, extensions: {buildTriger: push}}}}",
            "extension 'buildTriger' is not known, did you mean 'buildTrigger'?",
        ),
        (
            "{a: {keyless: {issuer: x, subject: y, trust: staging, extensions: {zzzzzzzzzzzz: push}}}}",
            "extension 'zzzzzzzzzzzz' is not known",
        ),
        ("{a: {keyless: {issuer: x, subject: y, trust: staging, sct: maybe}}}", "spec.a.keyless.sct: "),
        ("{a: {notation: {}}}", "expected either 'trustPolicy' or 'stores' with 'identities'"),
        (
            "{a: {notation: {trustPolicy: {file: keys/release.pub}, level: strict}}}",
            "expected either 'trustPolicy' or 'stores' with 'identities'",
        ),
        ("{a: {notation: {stores: []}}}", "stores: expected at least one ca or signingAuthority store"),
        ("{a: {notation: {stores: ['ca:vendor'], identities: ['*']}}}", "spec.a.notation: "),
        ("{a: {notation: {trustPolicy: {file: keys/release.pub}}}}", "spec.a.notation.trustPolicy.file: "),
        ("{a: {notation: {trustPolicy: {file: ../x.json}}}}", "leaves the policy directory"),
        ("{a: {notation: {trustPolicy: {file: gone.json}}}}", "file 'gone.json': No such file or directory"),
        ("{a: {key: {kms: 'gcpkms://x'}, tlog: none}}", "'kms' is not in this version of preverify"),
        ("{a: {key: {file: ''}, tlog: none}}", "spec.a.key.file: "),
        ("{a: {key: {file: /etc/key.pub}, tlog: none}}", "leaves the policy directory"),
        ("{a: {key: {file: keys/../../key.pub}, tlog: none}}", "leaves the policy directory"),
        ("{a: {key: {file: keys/gone.pub}, tlog: none}}", "key file 'keys/gone.pub': No such file or directory"),
        ("[a]", "spec: input should be a mapping"),
    ],
)
def test_signers_with_a_mistake_are_refused(spec: str, sentence: str) -> None:
    assert sentence in refusal(signers=signers(spec))


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (OSError("odd"), "key file 'keys/release.pub': odd"),
        (
            BadConfiguration("is over 65536 bytes", where="/p/keys/release.pub"),
            "/p/keys/release.pub: is over 65536 bytes",
        ),
    ],
)
def test_a_key_file_that_cannot_be_read_is_named(error: Exception, sentence: str) -> None:
    def fail(name: str) -> bytes:
        raise error

    with pytest.raises(BadConfiguration, match=r"spec\.release\.key\.file") as caught:
        policy_set(reader=fail)
    assert sentence in str(caught.value)


def test_names_are_unique_across_files() -> None:
    assert "policy-1.yaml:3: metadata.name: there is another policy named 'a'" in refusal(
        policy_text(SIGNED, name="a"), policy_text(ATTESTED, name="a")
    )
    assert "spec.release: there is another signer named 'release'" in refusal(SIGNERS)


def test_the_number_of_policies_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "MAX_POLICIES", 1)
    assert "2 policies, at most 1 are loaded" in refusal(policy_text(SIGNED, name="a"), policy_text(SIGNED, name="b"))


@pytest.mark.parametrize(
    ("written", "compiled"),
    [
        ("Registry.Example/shop/*", "registry.example/shop/*"),
        ("index.docker.io/library/nginx", "docker.io/library/nginx"),
        ("localhost/shop/**", "localhost/shop/**"),
        ("registry.example:5000/**", "registry.example:5000/**"),
        ("[::1]:5000/**", "[::1]:5000/**"),
        ("**", "**"),
        ("*/shop/**", "*/shop/**"),
        ("*.Example/shop/**", "*.example/shop/**"),
        ("oci:/srv/Layouts/**", "oci:/srv/Layouts/**"),
    ],
)
def test_image_globs_are_brought_to_the_internal_form(written: str, compiled: str) -> None:
    (policy,) = policy_set(policy_text(SIGNED, images=f"['{written}']")).policies
    assert policy.images == (compiled,)


def test_a_problem_in_one_document_loads_nothing() -> None:
    with pytest.raises(BadConfiguration):
        policy_set(policy_text(SIGNED, name="good"), policy_text("[]", name="bad"))
    assert isinstance(policy_set(policy_text(SIGNED, name="good")), PolicySet)
