"""Policy sets: matching, digests, the canonical document and what is remembered."""

import json

import pytest

from preverify.model.anchors import KeyAnchor
from preverify.model.errors import BadConfiguration
from preverify.model.needs import Need
from preverify.model.reference import Repository
from preverify.model.verdicts import Mode
from preverify.policy import policies as module
from preverify.policy.policies import PolicySet
from support.policies import ATTESTED, REPOSITORY, SIGNED, SIGNERS, key, pem, policy_set, policy_text, read_file

OTHER = Repository("registry.example", "other/api")


def three() -> PolicySet:
    return policy_set(
        policy_text(SIGNED, name="everywhere"),
        policy_text(ATTESTED, name="in-prod", namespaces="['prod-*', prod]"),
        policy_text(ATTESTED, name="on-trial", mode="audit", images="['**']"),
    )


def names(policies: tuple[module.Policy, ...]) -> list[str]:
    return [p.name for p in policies]


def test_policies_match_by_repository() -> None:
    assert names(three().matching(REPOSITORY)) == ["everywhere", "in-prod", "on-trial"]
    assert names(three().matching(OTHER)) == ["on-trial"]


@pytest.mark.parametrize(
    ("namespace", "expected"),
    [
        (None, ["everywhere", "on-trial"]),
        ("dev", ["everywhere", "on-trial"]),
        ("prod", ["everywhere", "in-prod", "on-trial"]),
        ("prod-eu", ["everywhere", "in-prod", "on-trial"]),
        ("preprod", ["everywhere", "on-trial"]),
        ("", ["everywhere", "on-trial"]),
    ],
)
def test_namespace_bound_policies_apply_only_where_the_namespace_is_known_and_matches(
    namespace: str | None, expected: list[str]
) -> None:
    loaded = three()
    assert names(loaded.applying(REPOSITORY, namespace)) == expected
    assert names(loaded.applying(REPOSITORY, namespace)) == expected  # the second time from memory


def test_a_policy_is_not_about_what_it_excludes() -> None:
    loaded = policy_set(policy_text(SIGNED, images="['registry.example/**']", exclude="['registry.example/shop/*']"))
    assert names(loaded.matching(OTHER)) == ["shop-release"]
    assert loaded.matching(REPOSITORY) == ()
    assert PolicySet.from_document(loaded.document) == loaded
    assert loaded.digest != policy_set(policy_text(SIGNED, images="['registry.example/**']")).digest


def test_the_profile_holds_enforcing_policies_without_namespaces() -> None:
    assert names(three().profile(REPOSITORY)) == ["everywhere"]
    assert three().profile(OTHER) == ()


def test_policies_are_found_by_name() -> None:
    found = three().named("on-trial")
    assert found is not None
    assert found.mode is Mode.AUDIT
    assert three().named("gone") is None


def test_what_is_remembered_of_callers_names_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MEMO", 10)
    loaded = three()
    for n in range(100):
        repository = Repository("registry.example", f"shop/n{n}")
        assert names(loaded.applying(repository, f"prod-{n}")) == ["everywhere", "in-prod", "on-trial"]
        assert len(loaded._applying) <= 10
        assert len(loaded._matching) <= 10


def test_the_document_is_canonical_and_rebuilds_the_same_set() -> None:
    loaded = three()
    again = PolicySet.from_document(loaded.document)
    assert again == loaded
    assert (again.digest, again.profile_digest, again.anchors) == (loaded.digest, loaded.profile_digest, loaded.anchors)
    assert again.policies == loaded.policies
    assert json.dumps(json.loads(loaded.document), separators=(",", ":"), sort_keys=True).encode() == loaded.document


def test_a_set_without_policies_has_a_document_too() -> None:
    empty = policy_set()
    assert PolicySet.from_document(empty.document) == empty
    assert (empty.anchors, len(empty.signers)) == ((), 4)


def test_unused_signers_take_no_part_in_decisions() -> None:
    loaded = policy_set(policy_text(SIGNED))
    assert [s.name for s in loaded.signers] == ["release", "release-again", "security", "vendor"]
    assert loaded.anchors == (KeyAnchor(key=key("release")),)
    assert [s.name for s in PolicySet.from_document(loaded.document).signers] == ["release"]


@pytest.mark.parametrize(
    "edit",
    [
        lambda text: text.replace("signed,", "signed2,"),
        lambda text: text.replace("any: [release]", "any: [release, vendor]"),
        lambda text: text.replace("any: [release]", "any: [vendor]"),
        lambda text: text.replace("/shop/", "/shop2/"),
        lambda text: text.replace("shop-release", "shop-release2"),
        lambda text: text + "  mode: warn\n",
        lambda text: text + "  validFor: 23h\n",
        lambda text: text + "  namespaces: [prod]\n",
        lambda text: text.replace("{by:", "{annotations: {a: b}, by:"),
        lambda text: text.replace("{name: signed,", "{name: signed, mode: enforce,").replace(
            "}]", "}, {name: x, mode: audit, signature: {by: {any: [release]}}}]"
        ),
    ],
)
def test_every_edit_that_could_change_a_decision_changes_the_digest(edit: object) -> None:
    before, after = policy_set(policy_text(SIGNED)), policy_set(edit(policy_text(SIGNED)))
    assert before.policies[0].digest != after.policies[0].digest
    assert before.digest != after.digest
    assert before.profile_digest != after.profile_digest


def test_another_key_under_the_same_name_changes_the_digest() -> None:
    """The digest is over key bytes: swapping a file is a change of policy."""
    swapped = policy_set(policy_text(SIGNED), reader=lambda _: pem("vendor"))
    assert swapped.policies[0].digest != policy_set(policy_text(SIGNED)).policies[0].digest


@pytest.mark.parametrize(
    "edit",
    [
        lambda text: "# a comment\n" + text,
        lambda text: text.replace("any: [release]", "atLeast: 1, of: [release]"),
        lambda text: text.replace("any: [release]", "all: [release]"),
        lambda text: text.replace("/shop/**'", "/shop/**', 'registry.example/shop/**'"),
        lambda text: text + "  validFor: 1d\n  mode: enforce\n  platforms: index\n",
        lambda text: text.replace("registry.example", "Registry.EXAMPLE"),
    ],
)
def test_another_spelling_of_the_same_policy_has_the_same_digest(edit: object) -> None:
    text = policy_text(SIGNED, images="['registry.example/shop/**']")
    before, after = policy_set(text), policy_set(edit(text))
    assert before.document == after.document
    assert before.digest == after.digest


def test_the_profile_digest_is_that_of_policies_without_namespaces() -> None:
    bound = policy_text(ATTESTED, name="bound", namespaces="[prod]")
    assert policy_set(policy_text(SIGNED), bound).profile_digest == policy_set(policy_text(SIGNED)).profile_digest


@pytest.mark.parametrize(
    "damage",
    [
        lambda d: b"",
        lambda d: b"[]",
        lambda d: b"{}",
        lambda d: d[:-1],
        lambda d: d.replace(b'"kind":"PolicySet"', b'"kind":"Policies"'),
        lambda d: d.replace(b"preverify/v1", b"preverify/v9"),
        lambda d: d.replace(b'"mode":"enforce"', b'"mode":"off"', 1),
        lambda d: d.replace(b'"atLeast":1', b'"atLeast":0'),
        lambda d: d.replace(b'"atLeast":1', b'"atLeast":2'),
        lambda d: d.replace(b'"of":["release"]', b'"of":["vendor"]'),
        lambda d: d.replace(b'"signature"', b'"signatory"'),
        lambda d: d.replace(b'"key":"', b'"key":"!'),
        lambda d: d.replace(b'{"apiVersion"', b'{"a":1,"apiVersion"'),
        lambda d: d.replace(b'"platforms"', b'"later":[],"platforms"'),
        lambda d: b" " + d,
        lambda d: d.replace(b'"images":["', b'"images":[1,"'),
        lambda d: d.replace(b'"images":["', b'"images":["?","'),
        lambda d: d.replace(b'"require":[', b'"require":[1,'),
        lambda d: d.replace(b'"validForSeconds":86400', b'"validForSeconds":"86400"'),
    ],
)
def test_a_stored_document_that_is_not_exactly_ours_is_refused(damage: object) -> None:
    document = policy_set(policy_text(SIGNED), signers=SIGNERS).document
    damaged = damage(document)
    assert damaged != document
    with pytest.raises(BadConfiguration, match="stored policy set"):
        PolicySet.from_document(damaged)


def test_reading_the_keys_twice_gives_one_value() -> None:
    assert policy_set(reader=read_file) == policy_set()


def test_what_policies_have_to_see_is_that_of_their_rules() -> None:
    looking = policy_text("[{name: a, config: {nonRoot: true}}, {name: b, tags: {semver: true}}]", name="b")
    assert policy_set(policy_text(SIGNED), looking).needs(REPOSITORY) == {Need.CONFIG, Need.TAGS}
    assert policy_set(policy_text(SIGNED)).needs(REPOSITORY) == set()
