"""Scans, bills of materials, matches and VEX documents as rules get to see them: a finding, and what it says."""

import hashlib
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from preverify.model.contents import (
    Component,
    Content,
    Inventory,
    Scan,
    Severity,
    Vex,
    VexStatement,
    VexStatus,
    Vulnerability,
)
from preverify.model.evidence import Gathered
from preverify.model.findings import Claim, Finding, Step
from preverify.model.reasons import Reason
from preverify.model.verdicts import Answer, RuleResult
from preverify.policy.rules.evidence import Look
from support.asking import ask
from support.policies import NOW, SUBJECT, attestation, gathered, one_policy, policy_set, policy_text

Piece = tuple[Finding, Content]

VULN = "https://cosign.sigstore.dev/attestation/vuln/v1"
SPDX = "https://spdx.dev/Document"
OPENVEX = "https://openvex.dev/ns/v0.2.0"
TRIVY = "pkg:github/aquasecurity/trivy@0.60.0"
OPENSSL = "pkg:deb/debian/openssl@3.0.1-1?arch=amd64&distro=debian-12"
HOUR = timedelta(hours=1)


def found(name: str = "CVE-2026-1", severity: str = "critical", **more: Any) -> Vulnerability:
    """Return a vulnerability, in openssl unless `purl` and `package` say otherwise."""
    where = {"purl": OPENSSL, "package": "openssl 3.0.1-1"}
    return Vulnerability(id=name, severity=Severity(severity), **{**where, **more})


def _piece(finding: Finding, content: Content) -> Piece:
    digest = hashlib.sha256(repr((finding.evidence, content)).encode()).hexdigest()
    return replace(finding, statement=digest, evidence=f"{finding.evidence}-{digest[:8]}"), content


def scan(*entries: Vulnerability, by: str = "release", kind: str = VULN, **more: Any) -> Piece:
    """Return an attested scan, an hour old."""
    said = {"scanner": TRIVY, "finished": NOW - HOUR, **more}
    return _piece(attestation(by, kind), Scan(vulnerabilities=entries, **said))


def bill(*components: Component, by: str = "release", kind: str = SPDX, **more: Any) -> Piece:
    """Return an attested bill of materials; of one component where none is given."""
    named = components or (Component(name="openssl", version="3.0.1-1", purl=OPENSSL),)
    return _piece(attestation(by, kind), Inventory(format="spdx", components=named, **more))


def _report(form: str, content: Content) -> Piece:
    finding = Finding(
        evidence=f"sha256:{form}",
        format=form,
        claim=Claim.REPORT,
        step=Step.ESTABLISHED,
        reason=Reason.OK,
        detail="made here",
        place="scanner",
    )
    return _piece(finding, content)


def own_bill(*components: Component, **more: Any) -> Piece:
    """Return what our own scanner found in the image."""
    named = components or (Component(name="openssl", version="3.0.1-1", purl=OPENSSL),)
    return _report("scanner-sbom", Inventory(format="cyclonedx", components=named, **more))


def matches(of: Piece, *entries: Vulnerability, **more: Any) -> Piece:
    """Return what our database, an hour old, has for a bill of materials or a scan."""
    said = {"scanner": "preverify", "database_at": NOW - HOUR, "finished": NOW - HOUR, **more}
    return _report("matches", Scan(vulnerabilities=entries, of=of[0].statement, **said))


def says(
    status: str = "not_affected",
    *names: str,
    products: Iterable[str] = (str(SUBJECT.digest),),
    at: datetime | None = NOW - HOUR,
    **more: Any,
) -> VexStatement:
    """Return a statement about this image, with a justification where it needs one."""
    reason = "vulnerable_code_not_present" if status == "not_affected" else ""
    return VexStatement(
        vulnerabilities=names or ("CVE-2026-1",),
        products=tuple(products),
        status=VexStatus(status),
        at=at,
        **{"justification": reason, **more},
    )


def vex(*statements: VexStatement, by: str = "vendor") -> Piece:
    return _piece(attestation(by, OPENVEX), Vex(author="somebody", statements=statements or (says(),)))


def look(*pieces: Piece, now: datetime = NOW, **more: Any) -> Look:
    """Return what a rule sees of the pieces."""
    return Look(
        findings=[finding for finding, _ in pieces],
        contents={finding.statement: content for finding, content in pieces},
        now=now,
        **{"subject": SUBJECT, "gathered": gathered(), **more},
    )


def check(demand: str, *pieces: Piece, kind: str = "vulnerabilities", **more: Any) -> RuleResult:
    """Return what a rule of one kind says of the pieces; `demand` is YAML flow text."""
    (rule,) = one_policy(f"[{{name: x, {kind}: {{{demand}}}}}]").rules
    return rule.check(look(*pieces, **more))


def answer(demand: str, *pieces: Piece, kind: str = "vulnerabilities", seen: Gathered | None = None) -> Answer:
    """Ask under such a rule."""
    policies = policy_set(policy_text(f"[{{name: x, {kind}: {{{demand}}}}}]"))
    contents = {finding.statement: content for finding, content in pieces}
    return ask(policies, *(finding for finding, _ in pieces), contents=contents, seen=seen)
