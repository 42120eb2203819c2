"""Rows of the rule `cel`: what it shows, and what an expression says of that."""

from dataclasses import replace
from datetime import timedelta

from preverify.model.contents import Component, Inventory, Scan
from preverify.model.evidence import Format
from preverify.model.findings import Claim, Finding
from preverify.model.verdicts import Answer
from support.configured import answer, image
from support.policies import NOW, attestation

SEEN = image()
DIGESTS = [f"sha256:{n:064x}" for n in range(4)]
BILL = replace(attestation(predicate_type="https://spdx.dev/Document"), statement=DIGESTS[0])
SCANNED = replace(attestation(n=1), claim=Claim.REPORT, format=Format.SCANNER_SBOM, signer="", statement=DIGESTS[1])
OF_BILL = replace(SCANNED, evidence="sha256:of-bill", format=Format.MATCHES, statement=DIGESTS[2])
SCAN = replace(attestation(predicate_type="https://cosign.sigstore.dev/attestation/vuln/v1", n=2), statement=DIGESTS[3])
CONTENTS = {
    DIGESTS[0]: Inventory(format="spdx", components=(Component(name="bash"),)),
    DIGESTS[1]: Inventory(format="spdx", components=(Component(name="bash"),)),
    DIGESTS[2]: Scan(scanner="preverify", database_at=NOW - timedelta(hours=30), of=DIGESTS[0]),
    DIGESTS[3]: Scan(scanner="trivy", finished=NOW - timedelta(hours=30)),
}
MATCHED = "expression: 'vulnerabilities == []', by: {any: [release]}, matched: true"


def shown(*findings: Finding, kept: str, violated: str) -> tuple[Answer, Answer]:
    return tuple(answer(f"cel: {{{each}}}", SEEN, *findings, contents=CONTENTS) for each in (kept, violated))  # type: ignore[return-value]


ROWS = {
    "RuleSpec.cel": (
        answer("cel: \"image.registry == 'registry.example'\"", SEEN),
        answer("cel: \"image.registry == 'docker.io'\"", SEEN),
    ),
    "CelSpec.expression": shown(
        kept="expression: 'image.annotations.size() == 0'", violated="expression: 'image.annotations.size() == 1'"
    ),
    "CelSpec.by": shown(
        attestation(),
        kept="expression: 'attestations.size() == 1', by: {any: [release]}",
        violated="expression: 'attestations.size() == 1', by: {any: [vendor]}",
    ),
    "CelSpec.scanner": shown(
        SCANNED,
        kept="expression: 'components.size() == 1', scanner: true",
        violated="expression: 'components.size() == 1', by: {any: [release]}",
    ),
    "CelSpec.matched": shown(BILL, OF_BILL, kept=MATCHED, violated=MATCHED.replace("true", "false")),
    "CelSpec.max_scan_age": shown(
        SCAN,
        kept="expression: 'vulnerabilities == []', by: {any: [release]}, maxScanAge: 31h",
        violated="expression: 'vulnerabilities == []', by: {any: [release]}, maxScanAge: 29h",
    ),
    "CelSpec.max_database_age": shown(
        BILL, OF_BILL, kept=f"{MATCHED}, maxDatabaseAge: 31h", violated=f"{MATCHED}, maxDatabaseAge: 29h"
    ),
}
