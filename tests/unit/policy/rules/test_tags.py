"""The rule `tags`: what an image is called, and whether a name moved to it."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preverify.model.errors import BadConfiguration
from preverify.model.needs import Need
from preverify.model.reasons import Reason
from preverify.model.tags import TagMove, Tags
from preverify.model.verdicts import Outcome, RuleResult
from preverify.policy.policies import PolicySet
from preverify.policy.rules.evidence import Look
from support.policies import NOW, SUBJECT, one_policy, policy_set, policy_text
from support.values import digest_of_number

HERE = SUBJECT.digest
PASSED = (Outcome.PASSED, Reason.OK)
DENIED = (Outcome.FAILED, Reason.TAG_DENIED)


def tags(*names: str, moved: tuple[tuple[str, int | None, int | None], ...] = ()) -> Tags:
    """Return tags that name the image now; moves are of a tag from one digest (0: the image's own) to another."""

    def at(number: int | None) -> object:
        return None if number is None else HERE if number == 0 else digest_of_number(number)

    moves = tuple(
        TagMove(tag=tag, before=at(before), after=at(after), at=NOW + timedelta(hours=i))  # type: ignore[arg-type]
        for i, (tag, before, after) in enumerate(moved)
    )
    return Tags(names=tuple(sorted(names)), moves=moves)


def check(demand: str, seen: Tags | None) -> RuleResult:
    (rule,) = one_policy(f"[{{name: x, tags: {{{demand}}}}}]").rules
    return rule.check(Look(findings=(), subject=SUBJECT, tags=seen))


def say(result: RuleResult) -> tuple[Outcome, Reason]:
    return result.outcome, result.reason


@pytest.mark.parametrize(
    ("demand", "names", "good"),
    [
        ("allow: ['v*', latest]", ["v1", "latest"], True),
        ("allow: ['v*']", ["v1", "latest"], False),
        ("deny: [latest]", ["v1"], True),
        ("deny: [latest]", ["v1", "latest"], False),
        ("deny: ['*-rc*']", ["v1-rc1"], False),
        ("allow: ['v*'], deny: ['*-rc*']", ["v1-rc1"], False),
    ],
)
def test_every_tag_is_compared(demand: str, names: list[str], *, good: bool) -> None:
    assert say(check(demand, tags(*names))) == (PASSED if good else DENIED)


@pytest.mark.parametrize(
    "tag", ["1.2.3", "v1.2.3", "0.0.0", "v1.0.0-rc.1", "1.0.0-alpha-1", "1.0.0-0a", "10.20.30", "1.0.0--"]
)
def test_whole_semantic_versions_are_ones(tag: str) -> None:
    assert say(check("semver: true", tags(tag))) == PASSED


@pytest.mark.parametrize(
    "tag",
    ["latest", "v1", "1.2", "v1.2.x", "01.2.3", "1.2.3.4", "1.2.3-", "1.2.3-01", "1.2.3_build", "vv1.2.3", "1.2.3-a."],
)
def test_other_tags_are_none(tag: str) -> None:
    result = check("semver: true", tags("v1.2.3", tag))
    assert say(result) == DENIED
    assert result.detail == f"has the tag {tag!r}, which is no semantic version"


@pytest.mark.parametrize(
    ("moved", "good"),
    [
        ((), True),
        ((("v1", None, 0),), True),
        ((("v1", None, 0), ("v1", 0, None), ("v1", None, 0)), True),
        ((("v1", None, 1), ("v1", 1, 0)), False),
        ((("v1", None, 1), ("v1", 1, None), ("v1", None, 0)), False),
        ((("v1", None, 0), ("v1", 0, 1), ("v1", 1, 0)), False),
        ((("other", None, 1), ("other", 1, 0)), True),
    ],
    ids=["unknown", "seen once", "back again", "moved", "deleted and pushed anew", "away and back", "another tag"],
)
def test_an_immutable_tag_named_nothing_else(
    moved: tuple[tuple[str, int | None, int | None], ...], *, good: bool
) -> None:
    result = check("immutable: ['v*']", tags("v1", "other", moved=moved))
    assert say(result) == (PASSED if good else DENIED)
    if not good:
        assert result.detail == f"the tag 'v1' also named {str(digest_of_number(1))[:19]}…, and may not move"


def test_no_tag_at_all_is_denied_unless_it_is_allowed() -> None:
    for demand in ("deny: [latest]", "semver: true", "immutable: ['**']", "untagged: deny"):
        assert say(check(demand, tags())) == DENIED
    assert check("untagged: deny", tags()).detail == "no tag names it"
    assert say(check("deny: [latest], untagged: allow", tags())) == PASSED
    assert say(check("untagged: deny", tags("latest"))) == PASSED


def test_what_nobody_looked_at_is_undecided() -> None:
    assert say(check("deny: [latest]", None)) == (Outcome.UNDECIDED, Reason.REGISTRY_UNAVAILABLE)


def test_the_tags_that_passed_are_said() -> None:
    assert check("deny: [latest]", tags("v1.2.3", "v1")).detail == "named by v1, v1.2.3"
    assert check("deny: [latest], untagged: allow", tags()).detail == "named by no tag"


def test_it_looks_at_the_tags_of_what_is_deployed() -> None:
    policy = one_policy("[{name: x, tags: {deny: [latest]}}]")
    assert (policy.needs, policy.signers, policy.own_platforms) == ({Need.TAGS}, (), ())


@given(st.lists(st.tuples(st.sampled_from(["v1", "v2"]), st.none() | st.integers(0, 2), st.none() | st.integers(0, 2))))
def test_more_moves_never_make_a_tag_immutable(moved: list[tuple[str, int | None, int | None]]) -> None:
    base = (("v1", None, 1), ("v1", 1, 0))
    assert say(check("immutable: ['*']", tags("v1", moved=(*base, *moved)))) == DENIED


@pytest.mark.parametrize(
    "demand", ["allow: [b, a], deny: [c], semver: true, immutable: [d], untagged: allow", "untagged: deny"]
)
def test_a_rule_is_rebuilt_from_its_canonical_form(demand: str) -> None:
    policies = policy_set(policy_text(f"[{{name: x, tags: {{{demand}}}}}]"))
    assert PolicySet.from_document(policies.document) == policies


@pytest.mark.parametrize(
    ("demand", "sentence"),
    [
        ("", "demands nothing"),
        ("untagged: allow", "alone demands nothing"),
        ("untagged: maybe", "untagged"),
        ("semver: false", "semver"),
        ("allow: ['v?']", "globs know only"),
        ("immutable: []", "immutable"),
        ("imutable: ['*']", "did you mean 'immutable'"),
    ],
)
def test_what_is_not_understood_does_not_load(demand: str, sentence: str) -> None:
    with pytest.raises(BadConfiguration) as refused:
        check(demand, None)
    assert sentence in str(refused.value)
