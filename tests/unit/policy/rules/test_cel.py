"""The rule `cel`: what an expression gets to see, and that nothing unknown makes it true."""

import sys
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preverify.model.contents import Component, Content, Inventory, Scan, Severity, Vulnerability
from preverify.model.errors import BadConfiguration
from preverify.model.evidence import Flaw, Format, Unobtained
from preverify.model.findings import Claim, Finding, Signing, Step, TrustedTime
from preverify.model.needs import Need
from preverify.model.reasons import Reason
from preverify.model.tags import Tags
from preverify.model.verdicts import Outcome, RuleResult
from preverify.policy import cel
from preverify.policy.policies import PolicySet, canonical_json
from preverify.policy.rules.cel import Holds
from preverify.policy.rules.cel_facts import know
from preverify.policy.rules.evidence import Look
from preverify.policy.schema import json_schema
from support.configured import document, image
from support.policies import (
    NOW,
    SUBJECT,
    attestation,
    broken,
    not_obtained,
    one_policy,
    policy_set,
    policy_text,
    signature,
)

PASSED = (Outcome.PASSED, Reason.OK)
FALSE = (Outcome.FAILED, Reason.CONFIG_DENIED)
ERROR = (Outcome.UNDECIDED, Reason.INTERNAL_ERROR)
SPDX = "https://spdx.dev/Document"
VULNS = "https://cosign.sigstore.dev/attestation/vuln/v1"
SEEN = image(
    document({"User": "65532", "Env": ["PATH=/bin"], "Labels": {"team": "shop"}, "ExposedPorts": {"8080/tcp": {}}}),
    annotations={"source": "https://github.com/acme/api"},
)
OPENSSL = Component(name="openssl", version="3.0.1", purl="pkg:deb/debian/openssl@3.0.1", licenses=("Apache-2.0",))
BASH = Component(name="bash")
BILL = Inventory(format="spdx", components=(OPENSSL, BASH))
OLD = Vulnerability(
    id="CVE-2025-1",
    aliases=("GHSA-1",),
    severity=Severity.HIGH,
    score=7.5,
    fixed_in=("3.0.2",),
    published=NOW - timedelta(days=20),
    package="openssl 3.0.1",
)
NEW = Vulnerability(id="CVE-2026-2")
SCAN = Scan(scanner="trivy", finished=NOW - timedelta(hours=1), vulnerabilities=(OLD, NEW))


def rule(text: str, more: str = "") -> Holds:
    """Return the rule with an expression; `more` are other keys, in YAML flow text."""
    quoted = '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
    written = f"{{expression: {quoted}, {more}}}" if more else quoted
    (found,) = one_policy(f"[{{name: x, cel: {written}}}]").rules
    assert isinstance(found, Holds)
    return found


def check(text: str, *findings: Finding, by: str = "", **look: Any) -> RuleResult:
    """Ask about an image; `by` names signers whose evidence is shown."""
    seen = {"gathered": SEEN, "subject": SUBJECT, "tags": Tags(names=("latest", "v1.2.3")), **look}
    more = f"by: {{any: [{by}]}}" if by else ""
    return rule(text, more).check(Look(findings=findings, now=NOW, **seen))


def stated(
    content: Content, kind: str, signer: str = "release", *, n: int = 0
) -> tuple[Finding, Mapping[str, Content]]:
    """Return an attestation with a long document, and that."""
    statement = f"sha256:{n:064x}"
    return replace(attestation(signer, kind, n=n), statement=statement), {statement: content}


def say(result: RuleResult) -> tuple[Outcome, Reason]:
    return result.outcome, result.reason


@pytest.mark.parametrize(
    "text",
    [
        'image.registry == "registry.example" && image.repository == "shop/api"',
        f'image.digest == "{SUBJECT.digest}"',
        'image.annotations.source.startsWith("https://github.com/acme/")',
        'image.config.user == "65532" && image.config.env == ["PATH=/bin"]',
        'image.config.labels["team"] == "shop" && image.config.entrypoint == [] && image.config.cmd == []',
        'image.config.exposedPorts.all(p, p == "8080/tcp")',
        "timestamp(image.config.created) + duration('24h') == now",
        'image.config.os == "linux" && image.config.architecture == "amd64"',
        'tags == ["latest", "v1.2.3"]',
    ],
)
def test_facts_of_the_image_are_there(text: str) -> None:
    assert say(check(text)) == PASSED
    assert say(check(f"!({text})")) == FALSE


def test_what_the_image_does_not_say_is_no_value() -> None:
    bare = image(document(created="1970-01-01T00:00:00Z", os="", architecture=""))
    for name in ("created", "os", "architecture"):
        assert say(check(f"has(image.config.{name})", gathered=bare)) == FALSE
        assert say(check(f'image.config.{name} == ""', gathered=bare)) == ERROR
        assert say(check(f'image.config.{name} != ""', gathered=bare)) == ERROR


def test_an_error_never_passes_and_says_what_it_is() -> None:
    result = check('image.config.labels["missing"] == "x"')
    assert say(result) == ERROR
    assert "the expression cannot be evaluated" in result.detail
    assert say(check('image.config.labels["missing"] != "x"')) == ERROR


def signed(**changes: Any) -> Finding:
    """Return a signature by a key under which a log was looked at."""
    signing = Signing(
        anchor=signature().anchor,
        key="key:leaf",
        identity="ci@acme.example",
        issuer="https://issuer.example",
        times=(TrustedTime(at=datetime(2026, 1, 1, tzinfo=UTC), by="log:1"),),
        until=NOW + timedelta(hours=3),
    )
    return replace(signature(annotations={"stage": "production"}), signing=replace(signing, **changes))


def test_signatures_show_who_signed_and_when() -> None:
    for text in (
        'signatures[0].signers == ["release"] && signatures[0].format == "cosign-signature"',
        'signatures[0].identity == "ci@acme.example" && signatures[0].issuer == "https://issuer.example"',
        'signatures[0].key == "key:leaf" && signatures[0].annotations.stage == "production"',
        'signatures[0].times.exists(t, timestamp(t) < timestamp("2026-01-02T00:00:00Z"))',
    ):
        assert say(check(text, signed(), by="release")) == PASSED
    bare = f'!has(signatures[0].identity) && !has(signatures[0].issuer) && signatures[0].key == "{signature().signer}"'
    assert say(check(bare, signature(), by="release")) == PASSED
    assert say(check("!has(signatures[0].key)", signed(key=""), by="release")) == PASSED


def test_a_result_rests_on_what_was_shown() -> None:
    result = check("signatures.size() == 1", signed(degraded=("expiry: over",)), by="release")
    assert (result.evidence, result.degraded, result.until) == ((signed().evidence,), True, NOW + timedelta(hours=3))
    assert check("signatures.size() == 1", signature(), by="release").until is None


def test_only_what_is_established_by_the_named_signers_is_shown() -> None:
    hidden = (
        signature("vendor"),
        broken(Reason.SIGNATURE_INVALID, Step.PARSED, signer="release"),
        replace(signature(), step=Step.SIGNED),
        replace(signature(), reason=Reason.SUBJECT_MISMATCH),
        replace(signature(), claim=Claim.NONE),
        replace(signature(), signer=""),
        signed(until=NOW),
        attestation(),
    )
    assert say(check("signatures == []", *hidden, by="release")) == PASSED
    assert check("signatures == []", *hidden, by="release").evidence == ()
    both = check(
        'signatures.exists(s, s.signers == ["vendor"])', signature("vendor"), signature(), by="release, vendor"
    )
    assert say(both) == PASSED


def test_attestations_show_their_type_and_facts() -> None:
    provenance = replace(attestation(), predicate=(("builder.id", "https://ci.acme.test"),))
    other = attestation(predicate_type="https://acme.example/custom/v1", n=1)
    for text in (
        'attestations.exists(a, a.type == "slsa-provenance" && a.predicate["builder.id"] == "https://ci.acme.test")',
        'attestations.exists(a, a.type == "https://acme.example/custom/v1" && a.signers == ["release"])',
        "attestations.size() == 2",
    ):
        assert say(check(text, provenance, other, signature(), by="release")) == PASSED


@given(st.permutations([signature(), signature("vendor"), signature(n=1), broken(Reason.WRONG_KEY, Step.PARSED)]))
def test_the_order_of_evidence_means_nothing(findings: list[Finding]) -> None:
    first = min((signature(), signature("vendor"), signature(n=1)), key=lambda each: each.evidence)
    wanted = "release" if first != signature("vendor") else "vendor"
    assert say(check(f'signatures[0].signers == ["{wanted}"]', *findings, by="release, vendor")) == PASSED


def test_components_come_from_whole_bills() -> None:
    finding, contents = stated(BILL, SPDX)
    for text in (
        'components.map(c, c.name) == ["bash", "openssl"]',
        'components.exists(c, has(c.purl) && c.purl.startsWith("pkg:deb/") && c.version == "3.0.1")',
        'components.exists(c, c.licenses == ["Apache-2.0"]) && components.exists(c, !has(c.version))',
    ):
        result = check(text, finding, by="release", contents=contents)
        assert (say(result), result.evidence) == (PASSED, (finding.evidence,))


@pytest.mark.parametrize(
    ("bill", "reason"),
    [
        (None, Reason.SBOM_MISSING),
        (Inventory(format="spdx"), Reason.SBOM_MISSING),
        (replace(BILL, incomplete="partial"), Reason.SBOM_MISSING),
    ],
)
def test_without_a_whole_bill_nothing_is_absent(bill: Inventory | None, reason: Reason) -> None:
    finding, contents = stated(bill or BILL, SPDX)
    findings = () if bill is None else (finding,)
    result = check('!components.exists(c, c.name == "xz")', *findings, by="release", contents=contents)
    assert say(result) == (Outcome.FAILED, reason)


def test_vulnerabilities_come_from_recent_scans() -> None:
    finding, contents = stated(SCAN, VULNS)
    for text in (
        "vulnerabilities.size() == 2",
        'vulnerabilities.exists(v, v.id == "CVE-2025-1" && "GHSA-1" in v.aliases && v.severity == "high")',
        'vulnerabilities.exists(v, has(v.score) && v.score > 7.0 && v.fixed == ["3.0.2"])',
        "vulnerabilities.exists(v, has(v.published) && timestamp(v.published) + duration('168h') < now)",
        'vulnerabilities.exists(v, v.severity == "unknown" && !has(v.score) && !has(v.published) && !has(v.package))',
        "vulnerabilities.all(v, !has(v.epss) && !has(v.exploited) && !has(v.purl))",
    ):
        result = check(text, finding, by="release", contents=contents)
        assert (say(result), result.evidence) == (PASSED, (finding.evidence,)), text
        assert result.until == NOW + timedelta(hours=23)
    clean = stated(replace(SCAN, vulnerabilities=()), VULNS)
    assert say(check("vulnerabilities == []", clean[0], by="release", contents=clean[1])) == PASSED


def test_our_database_adds_what_it_knows_of_attested_scans() -> None:
    finding, contents = stated(SCAN, VULNS)
    known = Scan(
        scanner="preverify",
        database_at=NOW,
        vulnerabilities=(replace(OLD, epss=0.4, exploited=True),),
        of=finding.statement,
    )
    report = replace(
        attestation(n=1), claim=Claim.REPORT, format=Format.MATCHES, statement="sha256:" + "9" * 64, signer=""
    )
    text = 'vulnerabilities.exists(v, v.id == "CVE-2025-1" && v.epss > 0.3 && v.exploited)'
    result = check(text, finding, report, by="release", contents={**contents, report.statement: known})
    assert (say(result), result.evidence) == (PASSED, tuple(sorted((finding.evidence, report.evidence))))
    assert say(check(text, finding, by="release", contents=contents)) == ERROR


def test_without_a_recent_scan_nothing_is_clean() -> None:
    assert say(check("vulnerabilities == []", by="release")) == (Outcome.FAILED, Reason.SCAN_MISSING)
    finding, contents = stated(replace(SCAN, vulnerabilities=(), finished=NOW - timedelta(days=2)), VULNS)
    result = check("vulnerabilities == []", finding, by="release", contents=contents)
    assert say(result) == (Outcome.FAILED, Reason.SCAN_STALE)
    older = rule("vulnerabilities == []", "by: {any: [release]}, maxScanAge: 3d")
    look = Look(findings=(finding,), now=NOW, contents=contents)
    assert say(older.check(look)) == PASSED


def test_excepted_vulnerabilities_are_not_there_under_any_of_their_names() -> None:
    finding, contents = stated(SCAN, VULNS)
    for name in ("CVE-2025-1", "GHSA-1"):
        result = check(
            'vulnerabilities.map(v, v.id) == ["CVE-2026-2"]',
            finding,
            by="release",
            contents=contents,
            excepted=frozenset({name}),
        )
        assert say(result) == PASSED


def test_an_advisory_about_several_is_excepted_where_each_of_them_is() -> None:
    both = replace(OLD, id="DSA-1", aliases=("CVE-2025-1", "CVE-2025-2"))
    finding, contents = stated(replace(SCAN, vulnerabilities=(both,)), VULNS)
    for excepted, outcome in (({"CVE-2025-1"}, FALSE), ({"CVE-2025-1", "CVE-2025-2"}, PASSED)):
        result = check("vulnerabilities == []", finding, by="release", contents=contents, excepted=frozenset(excepted))
        assert say(result) == outcome


def test_a_pass_ends_where_a_scan_of_the_future_begins_to_count() -> None:
    clean = stated(replace(SCAN, vulnerabilities=()), VULNS)
    ahead = NOW + timedelta(hours=2)
    coming = replace(attestation("release", VULNS, n=5), statement="f" * 64)
    contents = {**clean[1], coming.statement: replace(SCAN, finished=ahead)}
    result = check("vulnerabilities == []", clean[0], coming, by="release", contents=contents)
    assert say(result) == PASSED
    assert result.until is not None
    assert NOW < result.until <= ahead


def scanned(content: Content, form: Format, *, n: int) -> tuple[Finding, Mapping[str, Content]]:
    finding, contents = stated(content, "", n=n)
    return replace(finding, claim=Claim.REPORT, format=form, signer=""), contents


def test_our_own_scanner_and_database_are_shown_where_that_is_asked_for() -> None:
    bill, bills = scanned(BILL, Format.SCANNER_SBOM, n=1)
    matches, scans = scanned(replace(SCAN, finished=None, database_at=NOW, of=bill.statement), Format.MATCHES, n=2)
    look = Look(findings=(bill, matches), now=NOW, contents={**bills, **scans}, gathered=SEEN)
    whole = rule("components.size() == 2 && vulnerabilities.size() == 2", "scanner: true")
    result = whole.check(look)
    assert (say(result), result.evidence) == (PASSED, tuple(sorted((bill.evidence, matches.evidence))))
    stale = rule("vulnerabilities.size() == 2", "scanner: true, maxDatabaseAge: 1h")
    assert say(stale.check(replace(look, now=NOW + timedelta(hours=1)))) == (Outcome.FAILED, Reason.SCAN_STALE)
    unscanned = (Unobtained(what="database", reason=Reason.TRUST_UNAVAILABLE, detail="not pulled"),)
    nothing = replace(look, findings=(), gathered=replace(SEEN, unscanned=unscanned))
    for text in ("components == []", "vulnerabilities == []"):
        assert say(rule(text, "scanner: true").check(nothing)) == (Outcome.UNDECIDED, Reason.TRUST_UNAVAILABLE)


def test_matched_bills_are_shown_where_that_is_asked_for() -> None:
    finding, bills = stated(BILL, SPDX)
    matches, scans = scanned(replace(SCAN, finished=None, database_at=NOW, of=finding.statement), Format.MATCHES, n=2)
    look = Look(findings=(finding, matches), now=NOW, contents={**bills, **scans})
    text = "vulnerabilities.size() == 2"
    assert say(rule(text, "by: {any: [release]}, matched: true").check(look)) == PASSED
    assert rule(text, "by: {any: [release]}").check(look).outcome is Outcome.FAILED


EVERYTHING = ("signatures == []", "attestations == []", "components == []", "vulnerabilities == []")


@pytest.mark.parametrize("text", EVERYTHING)
def test_what_could_not_be_obtained_is_never_absent(text: str) -> None:
    for whole in (text, f"!({text})", f"true || {text}"):
        result = check(whole, by="release", unobtained=(not_obtained(Reason.REGISTRY_REFUSED),))
        assert say(result) == (Outcome.UNDECIDED, Reason.REGISTRY_REFUSED)
        assert say(check(whole, by="release", truncated=True)) == (Outcome.FAILED, Reason.TOO_MUCH_EVIDENCE)
    assert say(check("tags.size() == 2", unobtained=(not_obtained(),), truncated=True)) == PASSED


def test_facts_of_the_image_that_are_not_there_are_never_absent() -> None:
    missing = {"gathered": image(unobtained=(not_obtained(what="configuration"),))}
    assert say(check("!has(image.config)", **missing)) == (Outcome.UNDECIDED, Reason.REGISTRY_UNAVAILABLE)
    assert say(check('image.registry == "registry.example"', **missing)) == PASSED
    void = {"gathered": image(flaw=Flaw(reason=Reason.TOO_LARGE, detail="5 MiB"))}
    assert say(check("!has(image.config)", **void)) == (Outcome.FAILED, Reason.TOO_LARGE)
    assert say(check("image.annotations.size() == 0", gathered=image(manifest=b"[]"))) == (
        Outcome.FAILED,
        Reason.PAYLOAD_MALFORMED,
    )
    assert say(check("tags == []", tags=None)) == (Outcome.UNDECIDED, Reason.REGISTRY_UNAVAILABLE)
    assert say(check('image.registry == ""', subject=None)) == (Outcome.UNDECIDED, Reason.REGISTRY_UNAVAILABLE)


def test_invalid_evidence_never_changes_what_an_expression_says() -> None:
    invalid = [
        broken(Reason.SIGNATURE_INVALID, Step.PARSED, signer="release"),
        signature("vendor"),
        replace(attestation(), step=Step.PAYLOAD, reason=Reason.STATEMENT_MALFORMED),
    ]
    for text in ("signatures.size() == 1 && attestations == []", "signatures.size() == 2", "attestations.size() > 0"):
        alone = check(text, signature(), by="release")
        assert all(check(text, *some, by="release") == alone for some in permutations([*invalid, signature()]))


@pytest.mark.parametrize(
    ("text", "more", "needs"),
    [
        ("now > timestamp('2026-01-01T00:00:00Z')", "", set()),
        ('image.registry == "a"', "", set()),
        ('image.config.user == "1"', "", {Need.CONFIG}),
        ("image.size() > 2", "", {Need.CONFIG}),
        ('image["registry"] == "a"', "", {Need.CONFIG}),
        ("tags == []", "", {Need.TAGS}),
        ("signatures == attestations", "by: {any: [release]}", set()),
        ("components == []", "by: {any: [release]}", {Need.INVENTORY}),
        ("components == []", "scanner: true", {Need.SCANNER}),
        ("vulnerabilities == []", "by: {any: [release]}", {Need.SCAN, Need.MATCHES}),
        ("vulnerabilities == []", "by: {any: [release]}, matched: true", {Need.SCAN, Need.MATCHES, Need.INVENTORY}),
        ("vulnerabilities == []", "scanner: true", {Need.SCANNER, Need.MATCHES}),
    ],
)
def test_only_what_is_asked_for_is_gathered_and_shown(text: str, more: str, needs: set[Need]) -> None:
    found = rule(text, more)
    assert found.needs == needs
    assert [each.people for each in found.quorums] == (["release"] if "by" in more else [])
    known = know(found.asked, found, Look(findings=(), now=NOW, gathered=SEEN, subject=SUBJECT, tags=Tags()))
    shown = set() if isinstance(known, RuleResult) else set(known.facts) - {"now"}
    assert shown <= found.asked.names


@pytest.mark.parametrize(
    ("text", "more"),
    [
        ("tags == []", ""),
        ("components == []", "by: {any: [vendor, release]}, scanner: true"),
        ("vulnerabilities == []", "by: {any: [release]}, matched: true, maxScanAge: 3d, maxDatabaseAge: 1d"),
    ],
)
def test_a_rule_is_rebuilt_from_its_canonical_form(text: str, more: str) -> None:
    written = f'{{expression: "{text}", {more}}}' if more else f'"{text}"'
    policies = policy_set(policy_text(f"[{{name: x, cel: {written}}}]"))
    again = PolicySet.from_document(policies.document)
    assert again == policies
    assert again.policies[0].rules[0].needs == policies.policies[0].rules[0].needs


def test_plain_text_and_the_long_form_are_one_policy() -> None:
    plain = one_policy('[{name: x, cel: "tags == []"}]')
    assert plain == one_policy('[{name: x, cel: {expression: "tags == []"}}]')
    assert {"type": "string"} in json_schema("Policy")["$defs"]["CelSpec"]["anyOf"]


def test_an_expression_for_another_engine_is_not_taken_over() -> None:
    policies = policy_set(policy_text('[{name: x, cel: "tags == []"}]'))
    other = policies.document.replace(b'"cel-expr-python"', b'"cel-go"')
    assert other != policies.document
    with pytest.raises(BadConfiguration, match="for the engine 'cel-go'"):
        PolicySet.from_document(other)


def test_without_the_engine_a_policy_does_not_load(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cel_expr_python", None)
    cel._engine.cache_clear()
    try:
        with pytest.raises(BadConfiguration, match=r"policy-0\.yaml.*pip install 'preverify\[cel\]'"):
            rule("tags == []")
    finally:
        monkeypatch.undo()
        cel._engine.cache_clear()


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        ('"tags =="', "policy-0.yaml"),
        ('"tags.size()"', "expected bool"),
        ('"tag == []"', "did you mean 'tags'"),
        ('""', "expression"),
        ("1", "cel"),
        ('"signatures == []"', "'by' is missing"),
        ('"attestations == []"', "'by' is missing"),
        ('"components == vulnerabilities"', "whose components and vulnerabilities?"),
        ('{expression: "tags == []", by: {any: [release]}}', "'by' stands there"),
        ('{expression: "tags == []", scanner: true}', "'scanner' stands there"),
        ('{expression: "components == []", by: {any: [release]}, matched: true}', "'matched' stands there"),
        ('{expression: "vulnerabilities == []", scanner: true, maxScanAge: 1d}', "'maxScanAge' stands there"),
        ('{expression: "components == []", scanner: true, maxDatabaseAge: 1d}', "'maxDatabaseAge' stands there"),
        ('{expression: "signatures == []", by: {all: [release]}}', "expected by: {any: […]}"),
        ('{expression: "signatures == []", by: {any: [nobody]}}', "there is no signer 'nobody'"),
        ('{expresion: "tags == []"}', "did you mean 'expression'"),
    ],
)
def test_what_is_not_understood_does_not_load(written: str, sentence: str) -> None:
    with pytest.raises(BadConfiguration) as refused:
        one_policy(f"[{{name: x, cel: {written}}}]")
    assert sentence in str(refused.value)


def test_the_digest_is_over_the_text_and_the_engine() -> None:
    one, two = (one_policy(f'[{{name: x, cel: "{text}"}}]') for text in ("tags == []", "[] == tags"))
    assert one.digest != two.digest
    assert b'"engine":"cel-expr-python"' in canonical_json(one.canonical())
