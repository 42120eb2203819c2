"""Which manifests a rule is shown: the deployed one, or children of an index, and how their results become one."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import NamedTuple

from preverify.model.contents import Content
from preverify.model.evidence import Gathered
from preverify.model.findings import Finding
from preverify.model.platforms import Platforms
from preverify.model.reasons import Reason
from preverify.model.tags import Tags
from preverify.model.verdicts import Outcome, RuleResult
from preverify.policy.rules import Rule
from preverify.policy.rules.evidence import Look, earliest
from preverify.policy.rules.results import result, undecided

_MAX_NAMED = 5


@dataclass(frozen=True, slots=True)
class Views:
    """What was found for one subject, cut to what one rule may see of it: evidence of one digest counts for no other.

    A child of an index is judged by its own evidence, the index by its own: a signed child does not make the index
    signed, nor a signed index its children, under rules that look at these.
    """

    gathered: Gathered
    findings: Sequence[Finding]
    now: datetime
    contents: Mapping[str, Content] = field(default_factory=dict)
    tags: Tags | None = None
    excepted: frozenset[str] = frozenset()

    def check(self, rule: Rule, platforms: Platforms) -> RuleResult:
        """Return what `rule` says of the manifests that `platforms` are about."""
        if not platforms.of_children:
            return rule.check(self._look(self.gathered, ""))
        if not self.gathered.image.is_index:
            return self._alone(rule, platforms)
        image = self.gathered.image
        if not image.children:
            return result(rule, Outcome.FAILED, Reason.PLATFORM_MISSING, "the index has no manifest that could be run")
        if len(image.platforms) != len(image.children):
            return _unread(rule)
        if missing := platforms.missing(image.platforms):
            return _missing(rule, missing, image.platforms)
        return _together(rule, [_Part(name, self._child(rule, digest)) for digest, name in self._targets(platforms)])

    def _alone(self, rule: Rule, platforms: Platforms) -> RuleResult:
        """Judge a manifest that is deployed by itself: it is its own only platform."""
        own = self.gathered.platform
        if platforms.names:
            if own is None:
                return _unobtained(rule, self.gathered)
            if missing := platforms.missing((own,)):
                return _missing(rule, missing, (own,))
        return rule.check(self._look(self.gathered, ""))

    def _targets(self, platforms: Platforms) -> Iterator[tuple[str, str]]:
        """Yield each child that has to satisfy the rule once: its digest, and what people call it."""
        image = self.gathered.image
        named: dict[str, list[str]] = {}
        for child, platform in zip(image.children, image.platforms, strict=True):
            if platforms.covers(platform):
                named.setdefault(str(child), []).append(platform or str(child)[:19])
        for digest, names in named.items():
            yield digest, "+".join(names[:_MAX_NAMED])

    def _child(self, rule: Rule, digest: str) -> RuleResult:
        child = next((c for c in self.gathered.children if str(c.image.subject.digest) == digest), None)
        if child is None:
            return _unread(rule)
        if child.flaw is not None:
            return result(rule, Outcome.FAILED, child.flaw.reason, child.flaw.detail)
        if not child.held:
            return _unobtained(rule, child)
        return rule.check(self._look(child, digest))

    def _look(self, gathered: Gathered, about: str) -> Look:
        return Look(
            findings=[finding for finding in self.findings if finding.about == about],
            unobtained=gathered.unobtained,
            truncated=gathered.truncated,
            now=self.now,
            subject=gathered.image.subject,
            gathered=gathered,
            contents=self.contents,
            tags=self.tags,
            excepted=self.excepted,
        )


class _Part(NamedTuple):
    """What a rule said of one child."""

    platform: str
    result: RuleResult


def _missing(rule: Rule, missing: Sequence[str], present: Sequence[str]) -> RuleResult:
    there = ", ".join(dict.fromkeys(each for each in present if each)) or "no manifest that says its platform"
    detail = f"{', '.join(missing)} is not there, only {there[:200]}"
    return result(rule, Outcome.FAILED, Reason.PLATFORM_MISSING, detail)


def _unread(rule: Rule) -> RuleResult:
    detail = "the evidence of its platforms was not read when the index was last looked at"
    return result(rule, Outcome.UNDECIDED, Reason.REGISTRY_UNAVAILABLE, detail)


def _unobtained(rule: Rule, gathered: Gathered) -> RuleResult:
    if not gathered.unobtained:
        return _unread(rule)
    return undecided(rule, gathered.unobtained[0])


def _together(rule: Rule, parts: Sequence[_Part]) -> RuleResult:
    """Return one result for all children: the worst one's reason, every one's evidence."""
    evidence = tuple(dict.fromkeys(each for part in parts for each in part.result.evidence))
    for outcome in (Outcome.FAILED, Outcome.UNDECIDED):
        bad = [part for part in parts if part.result.outcome is outcome]
        if bad:
            others = f" (and {len(bad) - 1} more of {len(parts)})" if len(bad) > 1 else ""
            detail = f"{bad[0].platform}{others}: {bad[0].result.detail}"
            return replace(bad[0].result, detail=detail, evidence=evidence)
    details = dict.fromkeys(part.result.detail for part in parts)
    return result(
        rule,
        Outcome.PASSED,
        Reason.OK,
        f"{'; '.join(details)[:300]}, for {', '.join(part.platform for part in parts)[:200]}",
        evidence=evidence,
        degraded=any(part.result.degraded for part in parts),
        until=earliest(part.result.until for part in parts),
    )
