"""OSV records: bytes -> what is matched. A record is read whole or refused; nothing in it is guessed."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from preverify.model import strict_json
from preverify.model.contents import Severity
from preverify.model.cvss import base_score, severity_of
from preverify.model.errors import MalformedEvidence
from preverify.model.reasons import Reason
from preverify.scanners.packages.purls import normal_name
from preverify.scanners.packages.versions import family

MAX_RECORD = 16 << 20
_MAX_KEYS = 1_000_000
_MAX_TEXT = 512
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:+-]{0,127}", re.ASCII)
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)", re.ASCII)
_BOUND = re.compile(r"<\s*([^\s=,<>]{1,128})")
_LONG_AGO = datetime(1990, 1, 1, tzinfo=UTC)
_EVENTS = ("introduced", "fixed", "last_affected", "limit")
_WORDS = {
    "negligible": Severity.LOW,
    "unimportant": Severity.LOW,
    "low": Severity.LOW,
    "moderate": Severity.MEDIUM,
    "medium": Severity.MEDIUM,
    "important": Severity.HIGH,
    "high": Severity.HIGH,
    "critical": Severity.CRITICAL,
}
_CVES = re.compile(r"CVE-\d{4}-\d{4,}", re.ASCII)
_DISTRIBUTIONS = frozenset(
    {"AlmaLinux", "Alpine", "Chainguard", "Debian", "Red Hat", "Rocky Linux", "SUSE", "Ubuntu", "Wolfi", "openSUSE"}
)
RANK = {severity: rank for rank, severity in enumerate(Severity)}
"""How bad a severity is, to find the worst."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """A line of events, in the order of the record. `semver`: they compare by Semantic Versioning."""

    semver: bool
    events: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Affected:
    """What a record says of one package. With neither ranges nor versions it says nothing that can be compared."""

    ecosystem: str
    package: str
    ranges: tuple[Range, ...]
    versions: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One OSV record.

    Attributes:
        id: Its name.
        aliases: Other names of the same vulnerability, sorted.
        covers: The vulnerabilities that an advisory of a distribution is about, sorted: fixed together, not the same.
        severity: The worst that is said of it as a whole.
        score: The highest base score of its CVSS vectors; None where there is no such vector.
        published: When it became known.
        modified: When it was last changed.
        affected: By package.
        withdrawn: It is no more.
    """

    id: str
    aliases: tuple[str, ...]
    covers: tuple[str, ...]
    severity: Severity
    score: float | None
    published: datetime | None
    modified: datetime
    affected: tuple[Affected, ...]
    withdrawn: bool


def read(data: bytes) -> Record:
    """Read one record.

    Raises:
        MalformedEvidence: it is no OSV record, or says something that has no meaning.

    Spec:
        Open Source Vulnerability format, 1.7.
    """
    document = strict_json.parse(data, max_bytes=MAX_RECORD, max_keys=_MAX_KEYS)
    if not isinstance(document, dict):
        raise _malformed("not an object")
    modified = _time(document, "modified")
    if modified is None:
        raise _malformed("says no modified")
    affected = [entry for each in _list(document, "affected", dict) for entry in _affected(each)]
    own = _id(document.get("id"))
    aliases = _names(document, "aliases") - {own}
    covers = _covers(document, own, aliases, affected)
    severity, score = _severity(document)
    return Record(
        id=own,
        aliases=tuple(sorted(aliases - covers)),
        covers=tuple(sorted(covers)),
        severity=severity,
        score=score,
        published=_published(document),
        modified=modified,
        affected=tuple(affected),
        withdrawn=_time(document, "withdrawn") is not None,
    )


def moment(text: str) -> datetime | None:
    """Read a time as OSV writes it; None for anything else."""
    try:
        return datetime.fromisoformat(text).astimezone(UTC) if _TIME.fullmatch(text) else None
    except (ValueError, OverflowError):
        return None


def worst(severities: Sequence[Severity]) -> Severity:
    """Return the worst of some severities; unknown where there is none."""
    return max(severities, key=RANK.__getitem__, default=Severity.UNKNOWN)


def is_cve(name: str) -> bool:
    """Say whether a name is one of CVE."""
    return _CVES.fullmatch(name) is not None


def _covers(document: Mapping[str, object], own: str, aliases: set[str], affected: Sequence[Affected]) -> set[str]:
    """Return what an advisory fixes under other names.

    Older advisories of distributions name their vulnerabilities as `related`, some as aliases although there are many.
    """
    upstream = _names(document, "upstream") - {own}
    related = _names(document, "related")
    if upstream or is_cve(own) or not any(family(each.ecosystem) in _DISTRIBUTIONS for each in affected):
        return upstream
    if not aliases:
        return {each for each in related if is_cve(each)}
    several = {each for each in aliases if is_cve(each)}
    return several if len(several) > 1 else set()


def _affected(entry: dict[str, object]) -> list[Affected]:
    package = entry.get("package")
    if package is None:
        return []  # a repository only: no bill of materials names those
    if not isinstance(package, dict):
        raise _malformed("affected.package is not an object")
    ecosystem, name = _text(package, "ecosystem"), _text(package, "name")
    bound = _known_bound(entry)
    ranges = [found for each in _list(entry, "ranges", dict) if (found := _range(each, bound)) is not None]
    versions = _list(entry, "versions", str)
    for version in versions:
        if len(version) > _MAX_TEXT:
            raise _malformed("a version is too long")
    return [
        Affected(
            ecosystem=ecosystem,
            package=normal_name(ecosystem, name),
            ranges=tuple(ranges),
            versions=tuple(sorted(set(versions))),
        )
    ]


def _known_bound(entry: Mapping[str, object]) -> str:
    """Return where an open range ends, which GitHub writes beside it; empty where it does not end.

    `< 2.0` says that 2.0 is not affected. `<= 1.9` says no more than that 1.9 was the newest when it was written.
    """
    specific = entry.get("database_specific")
    said = specific.get("last_known_affected_version_range") if isinstance(specific, dict) else None
    found = _BOUND.fullmatch(said) if isinstance(said, str) else None
    return found[1] if found is not None else ""


def _range(entry: Mapping[str, object], bound: str) -> Range | None:
    """Read a range; None for one of commits. `bound` ends it where nothing else does."""
    kind = entry.get("type")
    if kind == "GIT":
        return None
    if kind not in {"SEMVER", "ECOSYSTEM"}:
        raise _malformed(f"a range of the type {str(kind)[:40]!r}")
    events = []
    for each in _list(entry, "events", dict):
        if len(each) != 1 or next(iter(each)) not in _EVENTS:
            raise _malformed(f"an event with the keys {sorted(each)[:4]}, expected one of {', '.join(_EVENTS)}")
        name = next(iter(each))
        events.append((name, _text(each, name)))
    if all(name != "introduced" for name, _ in events):
        raise _malformed("a range in which nothing is introduced")
    if bound and all(name == "introduced" for name, _ in events):
        events.append(("limit", bound))
    return Range(semver=kind == "SEMVER", events=tuple(events))


def _severity(document: Mapping[str, object]) -> tuple[Severity, float | None]:
    """Return the worst severity that is said anywhere in a record, and the highest score.

    Words count only where no vector can be computed.
    """
    parts = [document, *_list(document, "affected", dict)]
    said = [each for part in parts for each in _list(part, "severity", dict)]
    vectors = [each["score"] for each in said if isinstance(each.get("score"), str)]
    # A score of version 2 is on a scale of its own: it counts where there is nothing newer.
    for newer in (True, False):
        rated = [base_score(each) for each in vectors if each.startswith("CVSS:") is newer]
        scores = [score for score in rated if score is not None]
        if scores:
            return severity_of(max(scores), version_2=not newer), max(scores)
    words = [each.get("score") for each in said]
    for part in parts:
        for key in ("database_specific", "ecosystem_specific"):
            specific = part.get(key)
            words += [specific.get("severity"), specific.get("urgency")] if isinstance(specific, dict) else []
    return worst([_WORDS[w.lower().rstrip("*")] for w in words if isinstance(w, str) and _known(w)]), None


def _known(word: str) -> bool:
    return word.lower().rstrip("*") in _WORDS


def _list(part: Mapping[str, object], key: str, kind: type[T]) -> list[T]:
    value = part.get(key)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(each, kind) for each in value):
        raise _malformed(f"{key} is not a list of {kind.__name__}")
    return value


def _text(part: Mapping[str, object], key: str) -> str:
    value = part.get(key)
    if not isinstance(value, str) or not value or len(value) > _MAX_TEXT:
        raise _malformed(f"{key} is not a text of 1 to {_MAX_TEXT} characters")
    return value


def _names(part: Mapping[str, object], key: str) -> set[str]:
    """Return names that others gave, whatever their form: a strange one joins nothing, and loses no record."""
    names = set(_list(part, key, str))
    if not all(0 < len(name) <= _MAX_TEXT and name.isprintable() for name in names):
        raise _malformed(f"{key} holds what is no name")
    return names


def _id(value: object) -> str:
    if not isinstance(value, str) or _ID.fullmatch(value) is None:
        raise _malformed(f"{str(value)[:80]!r} is not the name of a vulnerability")
    return value


def _time(part: Mapping[str, object], key: str) -> datetime | None:
    value = part.get(key)
    if value is None:
        return None
    at = moment(value) if isinstance(value, str) else None
    if at is None:
        raise _malformed(f"{key} is not a time: {str(value)[:40]!r}")
    return at


def _published(document: Mapping[str, object]) -> datetime | None:
    """Return when a record was published. The year 1 is how some of Go's say that they do not know."""
    at = _time(document, "published")
    return at if at is not None and at >= _LONG_AGO else None


def _malformed(detail: str) -> MalformedEvidence:
    return MalformedEvidence(Reason.PAYLOAD_MALFORMED, detail)
