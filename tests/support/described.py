"""Bills of materials as rules see them: findings with contents, and the results of rules about them."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from preverify.model.contents import Component, Inventory
from preverify.model.evidence import Format, Gathered, Unobtained
from preverify.model.findings import Claim, Finding
from preverify.model.verdicts import Answer, RuleResult
from preverify.policy.policies import Policy
from preverify.policy.rules.evidence import Look
from support.asking import ask
from support.policies import NOW, attestation, gathered, one_policy, policy_set, policy_text

SPDX = "https://spdx.dev/Document"
BOM = "https://cyclonedx.org/bom/v1.6"
Said = tuple[Finding, Inventory | None]
OPENSSL = Component(
    name="openssl", version="3.0.1", purl="pkg:deb/debian/openssl@3.0.1?arch=amd64", licenses=("Apache-2.0",)
)
LEFT_PAD = Component(name="left-pad", version="1.3.0", purl="pkg:npm/left-pad@1.3.0", licenses=("WTFPL",))


def bill(*components: Component, **more: Any) -> Inventory:
    """Return a bill of materials, an hour old."""
    made = {"format": "spdx", "version": "SPDX-2.3", "created": NOW.replace(hour=9), **more}
    return Inventory(components=components or (OPENSSL,), **made)


def by(signer: str, inventory: Inventory | None, *, n: int = 0, kind: str = SPDX, **more: Any) -> Said:
    """Return an attested bill; without contents it could not be read."""
    finding = replace(attestation(signer, kind, n=n), statement=f"{signer}-{n}".encode().hex().ljust(64, "0"), **more)
    return finding, inventory


def by_scanner(inventory: Inventory | None, **more: Any) -> Said:
    """Return what our own scanner found."""
    return by("release", inventory, n=9, claim=Claim.REPORT, format=Format.SCANNER_SBOM, predicate_type="", **more)


def unscanned(*lacks: Unobtained) -> Gathered:
    """Return an image that could not be scanned."""
    return replace(gathered(), unscanned=lacks)


def check(
    demand: str,
    *said: Said,
    seen: Gathered | None = None,
    now: datetime = NOW,
    policy: Policy | None = None,
    **more: Any,
) -> RuleResult:
    """Return the result of the one rule that is written as `demand`."""
    (rule,) = (policy or one_policy(f"[{{name: it, {demand}}}]")).rules
    return rule.check(
        Look(
            findings=[finding for finding, _ in said],
            contents={finding.statement: inventory for finding, inventory in said if inventory is not None},
            gathered=seen or gathered(),
            now=now,
            **more,
        )
    )


def answer(demand: str, said: Sequence[Said], *, later_hours: float = 0, seen: Gathered | None = None) -> Answer:
    """Ask under a policy of one rule."""
    return ask(
        policy_set(policy_text(f"[{{name: it, {demand}}}]")),
        *(finding for finding, _ in said),
        contents={finding.statement: inventory for finding, inventory in said if inventory is not None},
        later_hours=later_hours,
        seen=seen,
    )
