"""What is known of one subject, as expressions ask for it; or why too little is known to ask."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from preverify.model.contents import Scan, Vulnerability
from preverify.model.findings import Claim
from preverify.model.reasons import Reason
from preverify.model.verdicts import Outcome, RuleResult
from preverify.policy.demands.attestation_types import kind_of
from preverify.policy.demands.images import ConfigFacts, ManifestFacts, Unread, image_facts, manifest_facts
from preverify.policy.demands.scan_sources import Sources, Unjudged
from preverify.policy.demands.vulnerabilities import Enriched
from preverify.policy.quorum import Quorum
from preverify.policy.rules.evidence import Look, Standing, earliest, standing
from preverify.policy.rules.gleaning import Gleaned, glean, latest
from preverify.policy.rules.inventories import Inventories, part_of_it
from preverify.policy.rules.results import Named, result, undecided

SIGNATURES, ATTESTATIONS, COMPONENTS, VULNERABILITIES = "signatures", "attestations", "components", "vulnerabilities"
EVIDENCE = frozenset({SIGNATURES, ATTESTATIONS, COMPONENTS, VULNERABILITIES})
OF_MANIFEST = frozenset({"registry", "repository", "digest", "annotations"})
"""What of an image is known without its configuration."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What an expression asks for, and whose evidence it gets to see.

    Attributes:
        names: The variables.
        config: Whether the image's configuration is among it.
        by: Whose evidence is shown; None: nobody's.
        scanner: Whether what our own scanner finds is shown.
        matched: Whether what our database says of attested bills of materials is.
        max_scan_age: How old attested scans may be.
        max_database_age: How old our database may be.
    """

    names: frozenset[str]
    config: bool
    by: Quorum | None
    scanner: bool
    matched: bool
    max_scan_age: timedelta
    max_database_age: timedelta

    @property
    def inventories(self) -> Inventories:
        """Return whose bills of materials are shown."""
        return Inventories(by=self.by, scanner=self.scanner)

    @property
    def sources(self) -> Sources:
        """Return whose scans are shown."""
        return Sources(
            scans=self.by,
            matched=self.by if self.matched else None,
            scanner=self.scanner,
            max_scan_age=self.max_scan_age,
            max_database_age=None,
            own_database_age=self.max_database_age,
            unjudged=Unjudged.COMPONENTS,
        )


@dataclass(slots=True)
class Known:
    """What is shown of one subject, and what that rests on."""

    facts: dict[str, object] = field(default_factory=dict)
    evidence: set[str] = field(default_factory=set)
    ends: list[datetime | None] = field(default_factory=list)
    degraded: bool = False

    @property
    def until(self) -> datetime | None:
        """Return until when all of it certainly holds; nobody knows which of it an expression rests on."""
        return earliest(self.ends)

    def rests_on(self, found: RuleResult) -> None:
        """Take over what a conclusion rests on."""
        self.evidence.update(found.evidence)
        self.ends.append(found.until)
        self.degraded |= found.degraded


def know(asked: Asked, rule: Named, look: Look) -> Known | RuleResult:
    """Return what is asked for, or the result where too little is known.

    An expression can turn any fact around, so that one that is missing could make it pass: what cannot be obtained
    is never taken for what is not there.
    """
    known = Known()
    known.facts["now"] = look.now
    if "tags" in asked.names:
        if look.tags is None:
            return _undecided(rule, "the image's tags were not looked at when it was last decided about")
        known.facts["tags"] = list(look.tags.names)
    short = _image(asked, rule, look, known) if "image" in asked.names else None
    if short is None and not EVIDENCE.isdisjoint(asked.names):
        short = _whole(rule, look) or _evidence(asked, rule, look, known)
    return known if short is None else short


def _undecided(rule: Named, detail: str) -> RuleResult:
    return result(rule, Outcome.UNDECIDED, Reason.REGISTRY_UNAVAILABLE, detail)


def _whole(rule: Named, look: Look) -> RuleResult | None:
    """Return the result where evidence was left out."""
    for missing in look.unobtained:
        return undecided(rule, missing)
    if look.truncated:
        detail = "there is more evidence than limits allow to be read, and an expression may rest on its absence"
        return result(rule, Outcome.FAILED, Reason.TOO_MUCH_EVIDENCE, detail)
    return None


def _image(asked: Asked, rule: Named, look: Look, known: Known) -> RuleResult | None:
    if look.subject is None:
        return _undecided(rule, "which image is meant was not said")
    image = image_facts(look.gathered) if asked.config else manifest_facts(look.gathered)
    if isinstance(image, Unread):
        return result(rule, image.outcome, image.reason, image.detail)
    manifest = image if isinstance(image, ManifestFacts) else image.manifest
    facts: dict[str, object] = {
        "registry": look.subject.repository.registry,
        "repository": look.subject.repository.path,
        "digest": str(look.subject.digest),
        "annotations": dict(manifest.annotations),
    }
    known.facts["image"] = facts if isinstance(image, ManifestFacts) else facts | {"config": _config(image.config)}
    return None


def _config(config: ConfigFacts) -> dict[str, object]:
    return {
        "user": config.user,
        "env": [f"{name}={value}" for name, value in config.env],
        "labels": dict(config.labels),
        "entrypoint": list(config.entrypoint),
        "cmd": list(config.cmd),
        "exposedPorts": list(config.ports),
        "created": config.created,
        "os": config.os or None,
        "architecture": config.architecture or None,
    }


def _evidence(asked: Asked, rule: Named, look: Look, known: Known) -> RuleResult | None:
    if asked.by is not None:
        for name, claim, write in (
            (SIGNATURES, Claim.SIGNATURE, _signature),
            (ATTESTATIONS, Claim.ATTESTATION, _attestation),
        ):
            if name in asked.names:
                known.facts[name] = [write(each) for each in _shown(asked.by, claim, look, known)]
    short = _components(asked.inventories, rule, look, known) if COMPONENTS in asked.names else None
    if short is None and VULNERABILITIES in asked.names:
        short = _vulnerabilities(asked.sources, rule, look, known)
    return short


def _shown(by: Quorum, claim: Claim, look: Look, known: Known) -> Iterator[Standing]:
    """Yield the findings of a kind that are by some of the signers, in an order that nobody else can choose."""
    for finding in sorted(look.findings, key=lambda each: (each.evidence, each.anchor, each.signer)):
        shown = standing(finding, by, claim, look.now)
        if shown is not None:
            known.evidence.add(finding.evidence)
            known.ends.append(shown.until)
            known.degraded |= finding.signing is not None and bool(finding.signing.degraded)
            yield shown


def _signature(shown: Standing) -> dict[str, object]:
    finding = shown.finding
    times = () if finding.signing is None else finding.signing.times
    return _signed(shown) | {
        "format": finding.format,
        "key": (finding.signing.key or None) if finding.signing is not None else finding.signer,
        "annotations": dict(finding.annotations),
        "times": [each.at for each in times],
    }


def _attestation(shown: Standing) -> dict[str, object]:
    kind = shown.finding.predicate_type
    return _signed(shown) | {"type": kind_of(kind) or kind, "predicate": dict(shown.finding.predicate)}


def _signed(shown: Standing) -> dict[str, object]:
    signing = shown.finding.signing
    return {
        "signers": sorted(signer.name for signer in shown.signers),
        "identity": (signing.identity or None) if signing is not None else None,
        "issuer": (signing.issuer or None) if signing is not None else None,
    }


def _components(inventories: Inventories, rule: Named, look: Look, known: Known) -> RuleResult | None:
    found = inventories.conclude(rule, look, lack=part_of_it)
    if found.outcome is not Outcome.PASSED:
        return found
    known.rests_on(found)
    bills = inventories.bills(look)
    known.evidence.update(bill.evidence for bill in bills)
    components = {each for bill in bills for each in bill.inventory.components}
    known.facts[COMPONENTS] = [
        {
            "name": each.name,
            "version": each.version or None,
            "purl": each.purl or None,
            "licenses": list(each.licenses),
        }
        for each in sorted(components, key=lambda each: (each.name, each.version, each.purl, each.licenses))
    ]
    return None


def _vulnerabilities(sources: Sources, rule: Named, look: Look, known: Known) -> RuleResult | None:
    gleaned = glean(sources, look, rule)
    passed = [each for each in gleaned.results if each.outcome is Outcome.PASSED]
    if not passed:
        return _no_scan(sources, gleaned, rule, look)
    for source in passed:
        known.evidence.update(source.evidence)
        known.degraded |= source.degraded
    both = (*gleaned.counted, *gleaned.enriching)
    known.ends += [latest(each.until for each in passed), *(each.ends for each in both), *gleaned.begins]
    known.evidence.update(each.evidence for each in both)
    scans = [each.scan for each in gleaned.counted]
    enriched = Enriched(scans, [each.scan for each in gleaned.enriching])
    found = [each for each in _distinct(scans) if not enriched.excepted(each, look.excepted)]
    known.facts[VULNERABILITIES] = [_vulnerability(each, enriched) for each in found]
    return None


def _no_scan(sources: Sources, gleaned: Gleaned, rule: Named, look: Look) -> RuleResult:
    if look.unscanned and sources.ours:
        return undecided(rule, look.unscanned[0])
    return gleaned.results[0]


def _distinct(scans: Iterable[Scan]) -> list[Vulnerability]:
    entries = {each for scan in scans for each in scan.vulnerabilities}
    return sorted(entries, key=lambda each: (each.id, each.purl, each.package, str(each)))


def _vulnerability(entry: Vulnerability, enriched: Enriched) -> dict[str, object]:
    more = enriched.of(entry)
    return {
        "id": entry.id,
        "aliases": list(entry.aliases),
        "severity": entry.severity.value,
        "score": entry.score,
        "fixed": list(entry.fixed_in),
        "published": more.published,
        "epss": more.epss,
        "exploited": more.exploited,
        "package": entry.package or None,
        "purl": entry.purl or None,
    }
