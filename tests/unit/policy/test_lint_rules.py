"""Remarks on rules: what never holds, what changes nothing, what somebody could get around."""

import pytest

from preverify.policy.documents import load
from preverify.policy.lint import Level, lint
from preverify.policy.lint.implications import contradicts, implies, needs_signed
from preverify.policy.policies import PolicySet
from preverify.policy.rules import Rule
from preverify.trust import read_built_in
from support.policies import NOW, SIGNERS, one_policy, policy_set, policy_text, read_file
from support.presets import preset_set

RELEASE = "signature: {by: {any: [release]}}"
EITHER = "signature: {by: {any: [release, vendor]}}"
BOTH = "signature: {by: {all: [release, vendor]}}"
STAGED = "signature: {by: {any: [release]}, annotations: {stage: prod}}"
NAMED = "signature: {by: {any: [release]}, dockerReference: same-repository}"
BUILT = "attestation: {type: slsa-provenance, by: {any: [release]}}"
LEVEL = "attestation: {type: slsa-provenance, by: {any: [release]}, minLevel: 2}"
SBOM = "attestation: {type: spdx, by: {any: [release]}}"
FACT = "attestation: {type: svr, by: {any: [release]}, predicate: {result: PASSED}}"
SVR = "attestation: {type: svr, by: {any: [release]}}"
VSA = "attestation: {type: vsa, by: {any: [release]}, maxAge: 1h}"
VSA_URI = "attestation: {type: 'https://slsa.dev/verification_summary/v1', by: {any: [release]}}"
USER = "config: {nonRoot: true}"
OURS = "vulnerabilities: {scanner: true, maxSeverity: high}"
SCANNED = "vulnerabilities: {scans: {by: {any: [release]}}, maxSeverity: high}"
CODES = {
    "nothing-signed",
    "can-never-pass",
    "rule-without-effect",
    "alternative-without-effect",
    "counted-twice",
    "not-over-signatures",
}


def codes(*demands: str, **spec: str) -> set[str]:
    """Return the codes that this file is about, of a policy with these demands as rules."""
    rules = ", ".join(f"{{name: r{i}, {demand}}}" for i, demand in enumerate(demands))
    return {each.code for each in lint(policy_set(policy_text(f"[{rules}]", **spec)), now=NOW)} & CODES


def rule(demand: str) -> Rule:
    return one_policy(f"[{{name: x, {demand}}}]").rules[0]


def any_of(*demands: str) -> str:
    return f"anyOf: [{', '.join(f'{{{demand}}}' for demand in demands)}]"


def all_of(*demands: str) -> str:
    return f"allOf: [{', '.join(f'{{{demand}}}' for demand in demands)}]"


def negated(demand: str) -> str:
    return f"not: {{{demand}}}"


@pytest.mark.parametrize(
    ("narrow", "wide", "expected"),
    [
        (RELEASE, RELEASE, True),
        (RELEASE, EITHER, True),
        (EITHER, RELEASE, False),
        (BOTH, EITHER, True),
        (EITHER, BOTH, False),
        (BOTH, RELEASE, False),  # would hold, but is not asked for: it takes thought
        (STAGED, RELEASE, True),
        (RELEASE, STAGED, False),
        (NAMED, RELEASE, True),
        (RELEASE, NAMED, False),
        (LEVEL, BUILT, True),
        (BUILT, LEVEL, False),
        (BUILT, SBOM, False),
        (FACT, SVR, True),
        (SVR, FACT, False),
        (VSA, VSA_URI, True),
        (VSA_URI, VSA, False),
        (RELEASE, BUILT, False),
        (USER, USER, True),
        (all_of(RELEASE, BUILT), EITHER, True),
        (any_of(RELEASE, BUILT), EITHER, False),
        (any_of(RELEASE, BOTH), EITHER, True),
        (RELEASE, any_of(BUILT, EITHER), True),
        (RELEASE, all_of(BUILT, EITHER), False),
        (all_of(RELEASE, LEVEL), all_of(EITHER, BUILT), True),
    ],
)
def test_what_implies_what(narrow: str, wide: str, expected: bool) -> None:
    assert implies(rule(narrow), rule(wide)) == expected


def test_contradictions() -> None:
    assert contradicts(rule(negated(EITHER)), rule(RELEASE))
    assert contradicts(rule(RELEASE), rule(negated(EITHER)))
    assert not contradicts(rule(negated(RELEASE)), rule(EITHER))
    assert not contradicts(rule(RELEASE), rule(BUILT))


@pytest.mark.parametrize(
    ("demand", "expected"),
    [
        (RELEASE, True),
        (BUILT, True),
        (USER, False),
        (SCANNED, True),
        (OURS, False),
        (negated(RELEASE), False),
        (any_of(RELEASE, USER), False),
        (any_of(RELEASE, BUILT), True),
        (all_of(RELEASE, USER), True),
        (f"atLeast: {{atLeast: 2, of: [{{{RELEASE}}}, {{{USER}}}, {{{BUILT}}}]}}", True),
    ],
)
def test_what_needs_something_signed(demand: str, expected: bool) -> None:
    assert needs_signed(rule(demand)) == expected


@pytest.mark.parametrize(
    ("demands", "expected"),
    [
        ([RELEASE, BUILT, USER], set()),
        ([USER], {"nothing-signed"}),
        ([USER, OURS], {"nothing-signed"}),
        ([any_of(RELEASE, USER)], {"nothing-signed"}),
        ([RELEASE, negated(USER)], set()),
        ([negated(LEVEL), RELEASE, LEVEL], {"can-never-pass", "not-over-signatures"}),
        ([LEVEL, negated(LEVEL)], {"can-never-pass", "not-over-signatures"}),
        ([all_of(STAGED, negated(STAGED))], {"can-never-pass", "not-over-signatures"}),
        ([any_of(STAGED, negated(STAGED)), BUILT], {"not-over-signatures"}),
        ([RELEASE, negated(FACT)], {"not-over-signatures"}),
        ([RELEASE, negated(SCANNED)], {"not-over-signatures"}),
        ([BUILT, negated(RELEASE)], {"can-never-pass"}),
        ([BUILT, negated(NAMED)], {"can-never-pass"}),
        ([RELEASE, negated(SBOM)], {"can-never-pass"}),
        ([RELEASE, EITHER], {"rule-without-effect"}),
        ([EITHER, RELEASE], {"rule-without-effect"}),
        ([RELEASE, f"mode: audit, {EITHER}"], set()),
        ([RELEASE, f"platforms: each, {EITHER}"], set()),
        ([any_of(RELEASE, EITHER)], {"alternative-without-effect"}),
        ([any_of(EITHER, RELEASE)], {"alternative-without-effect"}),
        ([all_of(EITHER, RELEASE)], {"counted-twice"}),
        ([f"atLeast: {{atLeast: 2, of: [{{{RELEASE}}}, {{{EITHER}}}, {{{BUILT}}}]}}"], {"counted-twice"}),
        ([RELEASE, "tags: {allow: [v1], deny: ['v*']}"], {"can-never-pass"}),
        ([RELEASE, "tags: {allow: [v1, w1], deny: ['v*']}"], set()),
        ([RELEASE, "tags: {deny: ['v*']}"], set()),
        ([RELEASE, "repositories: {deny: ['registry.example/**']}"], {"can-never-pass"}),
        ([RELEASE, "repositories: {deny: ['registry.example/other/**']}"], set()),
        ([RELEASE, "repositories: {allow: ['other.example/**']}"], {"can-never-pass"}),
        ([RELEASE, "repositories: {allow: ['registry.example/*/api']}"], set()),
        ([any_of(RELEASE, "repositories: {allow: ['other.example/**']}")], {"nothing-signed", "can-never-pass"}),
    ],
)
def test_remarks_on_rules(demands: list[str], expected: set[str]) -> None:
    assert codes(*demands) == expected


def test_a_policy_that_only_warns_need_not_demand_signatures() -> None:
    assert codes(USER, mode="warn") == set()


PATTERNS = {
    ("https://token\\.actions\\.githubusercontent\\.com", "https://github\\.com/acme/api/.+@refs/tags/v.*"): set(),
    ("https://token.actions.githubusercontent.com", "x@acme\\.test"): {("unescaped-dot", "note")},
    ("https://id\\.acme\\.test/.*", "x@acme\\.test"): {("open-pattern", "warning")},
    ("https://id\\.acme\\.test/(a|[^/]+)", "x@acme\\.test"): {("open-pattern", "warning")},
    ("https://id\\.acme\\.test", ".*@acme\\.test"): {("open-pattern", "warning")},
    ("https://id\\.acme\\.test", "(?:.+)@acme\\.test"): {("open-pattern", "warning")},
    ("https://id\\.acme\\.test", "https://github\\.com/acme/.*"): {("open-pattern", "note")},
    ("https://id\\.acme\\.test", "https://github.com/acme/[^/]+"): {
        ("open-pattern", "note"),
        ("unescaped-dot", "note"),
    },
    ("https://id\\.acme\\.test", "https://github\\.com/acme/a\\.b"): set(),
}


@pytest.mark.parametrize("patterns", PATTERNS)
def test_open_patterns(patterns: tuple[str, str]) -> None:
    issuer, subject = patterns
    spec = f"{{ci: {{keyless: {{issuerPattern: '{issuer}', subjectPattern: '{subject}', trust: public-good}}}}}}"
    signers = f"apiVersion: preverify/v1\nkind: Signers\nmetadata: {{name: s}}\nspec: {spec}\n"
    policy = policy_text("[{name: x, signature: {by: {any: [ci]}}}]")
    policies = load([("s.yaml", signers.encode()), ("p.yaml", policy.encode())], read_file, read_root=read_built_in)
    assert {(each.code, each.level.value) for each in lint(policies, now=NOW)} == PATTERNS[patterns]


@pytest.mark.parametrize("preset", ["chainguard-public: {}", "github-attestations: {repository: acme/api}"])
def test_presets_are_not_open(preset: str) -> None:
    codes = {each.code for each in lint(preset_set(f"{{{preset}}}"), now=NOW)}
    assert codes == {"unused-signer", "same-key"}  # of the other signers of these tests


def of_set(*documents: str) -> set[tuple[str, str]]:
    signers = SIGNERS.split("  security")[0]
    return {(each.code, each.about) for each in lint(policy_set(*documents, signers=signers), now=NOW)}


def test_what_is_excluded_and_where_that_leads() -> None:
    signed = f"[{{name: x, {RELEASE}}}]"
    whole = policy_text(signed, exclude="[registry.example/shop/**]")
    assert of_set(whole) == {("matches-nothing", "shop-release"), ("excluded-and-denied", "shop-release")}
    part = policy_text(signed, exclude="[registry.example/shop/dev/**]")
    assert of_set(part) == {("excluded-and-denied", "shop-release")}
    other = policy_text(f"[{{name: y, {BUILT}}}]", name="dev", images="[registry.example/shop/dev/api]")
    assert of_set(part, other) == set()
    assert of_set(policy_text(signed, exclude="[other.example/**]")) == {("exclude-without-effect", "shop-release")}


# --- exceptions -------------------------------------------------------------------------------------------------------


def exception(**spec: str) -> PolicySet:
    keys = {
        "policies": "[shop-release]",
        "rules": "[x]",
        "images": "[registry.example/shop/api]",
        "owner": "dana",
        "reason": "r",
        "notBefore": '"2026-01-01T00:00:00Z"',
        "expires": '"2026-02-01T00:00:00Z"',
    } | spec
    lines = "\n".join(f"  {key}: {value}" for key, value in keys.items() if value)
    text = f"apiVersion: preverify/v1\nkind: Exception\nmetadata: {{name: hotfix}}\nspec:\n{lines}\n"
    signers = SIGNERS.split("  security")[0]
    other = policy_text(f"[{{name: z, {BUILT}}}]", name="other", images="[registry.example/other/*]")
    return policy_set(policy_text(f"[{{name: x, {RELEASE}}}, {{name: v, {SCANNED}}}]"), other, text, signers=signers)


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({}, set()),
        ({"expires": '"2026-01-02T00:00:00Z"'}, {("exception-ended", Level.WARNING)}),
        ({"expires": '"2026-01-05T00:00:00Z"'}, {("exception-ending", Level.NOTE)}),
        ({"images": "['**']"}, {("exception-too-broad", Level.WARNING)}),
        ({"images": "['*.example/**']"}, {("exception-too-broad", Level.WARNING)}),
        ({"images": "['**']", "digests": f"['sha256:{'0' * 64}']"}, set()),
        ({"rules": ""}, {("exception-of-all-rules", Level.NOTE)}),
        ({"rules": "", "vulnerabilities": "[CVE-2026-1]"}, set()),
        ({"vulnerabilities": "[CVE-2026-1]"}, {("exception-without-effect", Level.WARNING)}),
        ({"rules": "[v]", "vulnerabilities": "[CVE-2026-1]"}, set()),
        ({"images": "[registry.example/other/api]"}, {("exception-without-effect", Level.WARNING)}),
        (
            {"policies": "[shop-release, other]", "images": "['registry.example/**']"},
            {("exception-without-effect", Level.WARNING)},  # `other` has no rule of that name
        ),
        ({"images": "", "digests": f"['sha256:{'0' * 64}']"}, set()),
    ],
)
def test_remarks_on_exceptions(spec: dict[str, str], expected: set[tuple[str, Level]]) -> None:
    found = lint(exception(**spec), now=NOW)
    assert {(each.code, each.level) for each in found if each.about == "hotfix"} == expected
    assert {each.about for each in found} <= {"hotfix"}
