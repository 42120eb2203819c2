"""Reports and VEX documents as scanners and authors write them, signed by fixture keys, judged through the pipeline."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from preverify.model.digest import Digest
from preverify.model.evidence import Evidence
from support import signed
from support.deciding import decide
from support.predicates import changed, document

IMAGE = signed.image("legacy-unsigned")
DIGEST = IMAGE.subject.digest
NOW = datetime.now(UTC).replace(microsecond=0)
HOUR = timedelta(hours=1)
PURL = "pkg:deb/debian/openssl@3.0.1-1?arch=amd64&distro=debian-12"
SIGNERS = {"release": "ec1", "vendor": "ec2"}


def moment(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


def row(name: str = "CVE-2026-1", severity: str = "CRITICAL", **more: Any) -> dict[str, Any]:
    """Return what Trivy writes of one vulnerability."""
    package = {"PkgName": "openssl", "PkgIdentifier": {"PURL": PURL}, "InstalledVersion": "3.0.1-1"}
    return {"VulnerabilityID": name, "Severity": severity, **package, **more}


def report(*rows: Mapping[str, Any], age: timedelta = HOUR, **more: Any) -> dict[str, Any]:
    """Return a report of Trivy in cosign's wrapping; `more` are members of Trivy's report."""
    result = {"SchemaVersion": 2, "Results": [{"Target": "debian", "Vulnerabilities": list(rows)}], **more}
    whole = changed(document("cosign-vuln"), "scanner/result", result)
    return changed(whole, "metadata/scanFinishedOn", moment(NOW - age))


def says(status: str = "not_affected", *names: str, age: timedelta = HOUR, **more: Any) -> dict[str, Any]:
    """Return a statement of OpenVEX about this image, with a justification where it needs one."""
    reason = {"justification": "vulnerable_code_not_present"} if status == "not_affected" else {}
    return {
        "vulnerability": {"name": names[0] if names else "CVE-2026-1", "aliases": list(names[1:])},
        "products": [{"@id": str(DIGEST)}],
        "status": status,
        "timestamp": moment(NOW - age),
        **reason,
        **more,
    }


def openvex(*statements: Mapping[str, Any]) -> dict[str, Any]:
    return changed(document("cosign-openvex"), "statements", [dict(each) for each in statements])


def attested(whole: Mapping[str, Any], by: str = "ec1", about: Digest = DIGEST) -> Evidence:
    """Return the predicate of a statement, signed about an image."""
    statement = signed.statement(about, whole["predicateType"], predicate=whole["predicate"])
    return signed.bundled(signed.bundle({"dsseEnvelope": signed.envelope(statement, (by,))}, hint=""))


def judged(demands: Mapping[str, Any], *evidence: Evidence) -> tuple[str, str]:
    """Return outcome and reason of a rule about vulnerabilities: scans by `release`, high is the most."""
    rule = {"scans": {"by": {"any": ["release"]}}, "maxSeverity": "high", **demands}
    verdict = decide(IMAGE, evidence, {"vulnerabilities": rule}, signers=SIGNERS)
    return verdict.outcome.value, verdict.rules[0].reason.value
