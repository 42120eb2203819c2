"""From what was gathered to verdicts: findings, contents, our own reports, decisions. No registry is asked here."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import reduce
from operator import or_

from preverify.model.anchors import Anchor
from preverify.model.contents import Content, Vex
from preverify.model.evidence import DESCRIBED_CHILD, Evidence, Format, Gathered, Unobtained
from preverify.model.findings import Finding
from preverify.model.needs import OF_CONTENTS, Need
from preverify.model.platforms import THE_INDEX, Platforms
from preverify.model.reasons import Reason
from preverify.model.reference import Repository, Subject
from preverify.model.revocation import Wanted
from preverify.model.tags import Tags
from preverify.model.trust import Trust
from preverify.model.verdicts import Verdict
from preverify.policy.decide import decide
from preverify.policy.policies import Policy, PolicySet
from preverify.ports import Clock, History, Revocations, Stored, Vulnerabilities
from preverify.verify import MAX_ROUNDS, verify, wanted
from preverify.verify.contents import content_names, read_contents
from preverify.verify.formats import own_reports

Tagged = Callable[[Subject, datetime], Tags]
"""Returns what is known of a subject's tags at a moment."""
_MOST_MATCHED = 16  # documents of one manifest that are matched


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """A subject with everything that policies decide over, as far as it does not depend on them.

    Attributes:
        contents: What long documents among the evidence say, by the digest of their statement.
        packages: For each, the keys by which the database looks its components up.
        anchors: Ids of the anchors that the findings were concluded under.
    """

    gathered: Gathered
    findings: tuple[Finding, ...]
    contents: Mapping[str, Content] = field(default_factory=dict)
    packages: Mapping[str, Sequence[str]] = field(default_factory=dict)
    anchors: tuple[str, ...] = ()

    @property
    def subject(self) -> Subject:
        """Return what was looked at."""
        return self.gathered.image.subject


@dataclass(frozen=True, slots=True, kw_only=True)
class Look(Examined):
    """One look at one subject, before anything is stored."""

    verdicts: tuple[Verdict, ...]


def conclude(
    gathered: Gathered,
    sets: Sequence[PolicySet],
    clock: Clock,
    *,
    attempts: int = 0,
    asked: bool = False,
    database: Vulnerabilities | None = None,
    tagged: Tagged | None = None,
) -> Look:
    """Verify and decide, as `examine` and `decided` do. Two sets that share an anchor or a policy share its work."""
    now = clock.now()
    examined = examine(gathered, sets, now, asked=asked, database=database)
    return decided(examined, sets, clock, now, attempts=attempts, tagged=tagged)


def decide_anew(
    history: History,
    sets: Sequence[PolicySet],
    subject: Subject,
    *,
    clock: Clock,
    database: Vulnerabilities | None = None,
) -> Look | None:
    """Decide a known subject from stored bytes, without network; None when never gathered."""
    gathered = history.gathered(subject)
    if gathered is None:
        return None
    return conclude(gathered, sets, clock, database=database, tagged=tagged_by(history))


def examine(
    gathered: Gathered,
    sets: Sequence[PolicySet],
    now: datetime,
    *,
    asked: bool = False,
    database: Vulnerabilities | None = None,
) -> Examined:
    """Verify what was gathered and read what it says. Pure but for the database.

    Args:
        gathered: With all bytes.
        sets: Whose signers are asked about, and whose needs are met.
        now: Time of the verification.
        asked: Revocations were asked about just now. Otherwise what is unknown of them may only be old: it is noted
            as not obtained, which keeps a verdict open.
        database: What bills of materials and scans are matched with; None: what was matched before stands.
    """
    trust, anchors = trusted(sets)
    needs = needed(sets, gathered.image.subject.repository)
    findings = tuple(_findings(_only(gathered, matches=False), anchors, trust=trust, now=now))
    contents = _contents(gathered, findings, needs)
    packages: Mapping[str, Sequence[str]] = {}
    if database is not None and Need.MATCHES in needs:
        packages = {name: database.packages(content) for name, content in contents.items()}
        gathered = _matched(gathered, findings, contents, database)
        contents |= _reports(gathered)
    findings += tuple(_findings(_only(gathered, matches=True), (), trust=trust, now=now))
    if not asked and any(finding.reason is Reason.REVOCATION_UNKNOWN for finding in findings):
        gathered = _not_asked(gathered)
    return Examined(
        gathered=gathered,
        findings=findings,
        contents=contents,
        packages=packages,
        anchors=tuple(anchor.id for anchor in anchors),
    )


def examined_before(stored: Stored, sets: Sequence[PolicySet], contents: Mapping[str, Content]) -> Examined | None:
    """Return what history keeps of a subject, where that is all that `sets` look at; None where bytes have to be read.

    That is where they ask for a signer or a kind of content that nobody asked for before, or where what is known of
    revocations may only be old.
    """
    repository = stored.gathered.image.subject.repository
    wanted = {anchor.id for policies in sets for policy in policies.matching(repository) for anchor in policy.anchors}
    if stored.anchors is None or not wanted <= stored.anchors:
        return None
    if not content_names(stored.findings, needed(sets, repository)) <= contents.keys():
        return None
    if any(finding.reason is Reason.REVOCATION_UNKNOWN for finding in stored.findings):
        return None
    return Examined(
        gathered=stored.gathered, findings=stored.findings, contents=contents, anchors=tuple(stored.anchors)
    )


def decided(
    examined: Examined,
    sets: Sequence[PolicySet],
    clock: Clock,
    now: datetime,
    *,
    attempts: int = 0,
    tagged: Tagged | None = None,
) -> Look:
    """Decide every policy that is about the subject.

    Args:
        examined: The subject.
        sets: Where two hold one policy under different trust, the first one's counts.
        clock: Makes the ids of verdicts.
        now: Time of the decision.
        attempts: How often in a row the subject stayed undecided; spaces the retries.
        tagged: What is known of tags; None: rules about them stay undecided.
    """
    repository = examined.subject.repository
    policies = {p.digest: p for policies in reversed(sets) for p in policies.matching(repository)}
    tags = tags_for(examined.subject, policies.values(), now, tagged)
    verdicts = tuple(
        decide(
            policy,
            examined.gathered,
            examined.findings,
            now=now,
            trust_epoch=policy.trust_epoch,
            new_id=clock.new_id,
            attempts=attempts,
            contents=examined.contents,
            tags=tags,
        )
        for policy in policies.values()
    )
    return Look(
        gathered=examined.gathered,
        findings=examined.findings,
        contents=examined.contents,
        packages=examined.packages,
        anchors=examined.anchors,
        verdicts=verdicts,
    )


def tags_for(subject: Subject, policies: Iterable[Policy], now: datetime, tagged: Tagged | None) -> Tags | None:
    """Return what is known of a subject's tags where some policy wants to know."""
    wanted = tagged is not None and any(Need.TAGS in policy.needs for policy in policies)
    return tagged(subject, now) if tagged is not None and wanted else None


def tagged_by(history: History, *, past: bool = False) -> Tagged:
    """Return what asks history about tags: as they are now, or (`past`) as they were at the moment of the decision."""
    return lambda subject, now: history.tags_of(subject, at=now if past else None)


def needed(sets: Sequence[PolicySet], repository: Repository) -> frozenset[Need]:
    """Return what some policy of `sets` has to see beside signatures."""
    return frozenset(need for policies in sets for need in policies.needs(repository))


def gathers(sets: Sequence[PolicySet], repository: Repository) -> Platforms:
    """Return which children of an index some policy of `sets` has to know about."""
    return reduce(or_, (policies.gathers(repository) for policies in sets), THE_INDEX)


def trusted(sets: Sequence[PolicySet]) -> tuple[Trust, tuple[Anchor, ...]]:
    """Return the trust and anchors of several sets together; anchors name roots by content, so they never mix."""
    trust, anchors = Trust(), dict[str, Anchor]()
    for policies in sets:
        trust |= policies.trust
        anchors.update((anchor.id, anchor) for anchor in policies.anchors)
    return trust, tuple(anchors.values())


# --- findings and contents --------------------------------------------------------------------------------------------


def _findings(gathered: Gathered, anchors: Sequence[Anchor], *, trust: Trust, now: datetime) -> Iterator[Finding]:
    """Verify the evidence of a subject, then that of each of its children, which says whom it is about."""
    statements = (e for e in gathered.evidence if e.format is Format.BUILDKIT_STATEMENT)
    described = {e.id: e.annotation(DESCRIBED_CHILD) or "" for e in statements}
    for finding in verify(gathered.image, gathered.evidence, anchors, trust=trust, now=now):
        about = described.get(finding.evidence, "")
        yield replace(finding, about=about) if about else finding
    for child in gathered.children:
        about = str(child.image.subject.digest)
        for finding in verify(child.image, child.evidence, anchors, trust=trust, now=now) if child.held else ():
            yield replace(finding, about=about)


def _only(gathered: Gathered, *, matches: bool) -> Gathered:
    """Return a gathering with our matches alone, or with all but them: they are made of what the others establish."""
    return replace(
        gathered,
        evidence=tuple(e for e in gathered.evidence if (e.format is Format.MATCHES) is matches),
        children=tuple(_only(child, matches=matches) for child in gathered.children),
    )


def _contents(gathered: Gathered, findings: Sequence[Finding], needs: frozenset[Need]) -> dict[str, Content]:
    found: dict[str, Content] = {}
    if needs & OF_CONTENTS:
        found.update(read_contents(gathered.everything, findings, needs))
    found.update(_reports(gathered))
    return found


def _reports(gathered: Gathered) -> dict[str, Content]:
    return own_reports.read_reports(gathered.everything)


def _matched(
    gathered: Gathered, findings: Sequence[Finding], contents: Mapping[str, Content], database: Vulnerabilities
) -> Gathered:
    """Put what the database has for each document beside it, in place of what it had before."""

    def beside(one: Gathered, about: str) -> Gathered:
        evidence = [each for each in one.evidence if each.format is not Format.MATCHES]
        unscanned = [each for each in one.unscanned if each.what != database.name]
        names = dict.fromkeys(f.statement for f in findings if f.about == about and f.established)
        documents = [name for name in names if name in contents]
        for name in documents[:_MOST_MATCHED]:
            content = contents[name]
            found = None if isinstance(content, Vex) else database.matches(content, name, one.image.subject.digest)
            evidence += [found] if isinstance(found, Evidence) else []
            unscanned += [found] if isinstance(found, Unobtained) else []
        return replace(one, evidence=tuple(evidence), unscanned=tuple(unscanned))

    children = tuple(beside(child, str(child.image.subject.digest)) for child in gathered.children)
    return replace(beside(gathered, ""), children=children)


def _not_asked(gathered: Gathered) -> Gathered:
    """Say that what is not known of revocations may only be old."""
    old = Unobtained(what="revocation data", reason=Reason.TRUST_UNAVAILABLE, detail="was not asked for again")

    def noted(one: Gathered) -> Gathered:
        return one if old in one.unobtained else replace(one, unobtained=(*one.unobtained, old))

    return replace(noted(gathered), children=tuple(noted(child) for child in gathered.children))


def with_revocations(
    gathered: Gathered, trusted: tuple[Trust, tuple[Anchor, ...]], revocations: Revocations, clock: Clock
) -> Gathered:
    """Add the revocation data that certificates of anchored chains ask for. What cannot be had is noted as such.

    Children have certificates of their own: each gets what its own evidence asks for.
    """
    trust, anchors = trusted
    now, asked = clock.now(), set[Wanted]()
    evidence, missing = gathered.evidence, list[Unobtained]()
    for _ in range(MAX_ROUNDS):
        needed = wanted(gathered.image, evidence, anchors, trust=trust, now=now, asked=asked)
        if not needed:
            break
        found, away = revocations.fetch(needed)
        asked.update(needed)
        evidence = (*evidence, *found)
        missing += away
    if missing:
        # One of two ways to the same answer may be closed: only what is still unknown keeps a verdict open.
        findings = verify(gathered.image, evidence, anchors, trust=trust, now=now)
        if not any(finding.reason is Reason.REVOCATION_UNKNOWN for finding in findings):
            missing.clear()
    children = tuple(with_revocations(child, trusted, revocations, clock) for child in gathered.children)
    unobtained = (*gathered.unobtained, *missing)
    return replace(gathered, evidence=evidence, unobtained=unobtained, children=children)
