"""What long documents say, read: bills of materials, scans and VEX documents. Rules look at these, never at bytes."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

MAX_ENTRIES = 100_000
"""Documents with more components, vulnerabilities or statements than this are not read."""


class Severity(StrEnum):
    """How bad a vulnerability is: the qualitative scale of CVSS, and `unknown`, which is never "none"."""

    UNKNOWN = "unknown"
    NONE = "none"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


class VexStatus(StrEnum):
    """What a VEX statement says of a vulnerability in a product."""

    NOT_AFFECTED = "not_affected"
    AFFECTED = "affected"
    FIXED = "fixed"
    UNDER_INVESTIGATION = "under_investigation"


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """One entry of a bill of materials.

    Attributes:
        name: As written.
        version: As written; empty where none is.
        purl: Package URL as written; empty where none is. Such a component cannot be matched.
        licenses: SPDX expressions, identifiers or names, as written; empty where none is said.
    """

    name: str
    version: str = ""
    purl: str = ""
    licenses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """A bill of materials.

    Attributes:
        format: `spdx` or `cyclonedx`.
        version: Of the format, as its predicate facts say it.
        created: When it was made, if it says so.
        components: All that it names, nested ones too, the described image itself left out.
        distribution: The operating system, `id-version` like `debian-12`; empty where none is said.
        incomplete: What the document itself says is missing; empty where it says nothing of the kind.
    """

    format: str
    version: str = ""
    created: datetime | None = None
    components: tuple[Component, ...] = ()
    distribution: str = ""
    incomplete: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Vulnerability:
    """One vulnerability of one component.

    Attributes:
        id: As the scan or database names it (`CVE-2026-1`, `GHSA-…`, `DSA-…`).
        aliases: Other names of the same, sorted.
        purl: The component; empty where the scan does not say.
        package: Name and version for people, like `openssl 3.0.1`.
        severity: The worst that is said of it; recomputed from a vector where there is one.
        score: CVSS base score, 0.0 to 10.0; None where none is known.
        fixed_in: Versions that fix it; empty: no fix is known.
        published: When it became known; None where that is not said.
        epss: Probability of exploitation, 0.0 to 1.0; None where not known.
        exploited: Whether it stands in the catalogue of known exploited vulnerabilities (KEV); None where not known.
    """

    id: str
    aliases: tuple[str, ...] = ()
    purl: str = ""
    package: str = ""
    severity: Severity = Severity.UNKNOWN
    score: float | None = None
    fixed_in: tuple[str, ...] = ()
    published: datetime | None = None
    epss: float | None = None
    exploited: bool | None = None

    @property
    def names(self) -> frozenset[str]:
        """Return every name of it."""
        return frozenset((self.id, *self.aliases))


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """What a scanner, or our own matching, found in an image.

    Attributes:
        scanner: Name of the tool, for people.
        scanner_version: Its version, or its digest.
        database: Version or digest of the data that it compared with; empty where not said.
        database_at: How recent that data is; None where not said.
        finished: When the scan was made; None where not said. Our own matching is as recent as its data.
        vulnerabilities: All that it found.
        unjudged: Components, or whole ecosystems, about which it could say nothing. They are unknown, not clean.
        of: sha256 of the bill of materials that was matched; empty where the image itself was scanned.
    """

    scanner: str
    scanner_version: str = ""
    database: str = ""
    database_at: datetime | None = None
    finished: datetime | None = None
    vulnerabilities: tuple[Vulnerability, ...] = ()
    unjudged: tuple[str, ...] = ()
    of: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class VexStatement:
    """What an author says of one vulnerability in some products.

    Attributes:
        vulnerabilities: Its names: id and aliases.
        products: Identifiers of the products (purls, digests as `sha256:…`), as written.
        subcomponents: Purls of the components that it is about; empty: the whole product.
        status: What is said.
        justification: Why, where it is `not_affected`.
        at: When it was said: the statement's own time, or the document's.
    """

    vulnerabilities: tuple[str, ...]
    products: tuple[str, ...] = ()
    subcomponents: tuple[str, ...] = ()
    status: VexStatus
    justification: str = ""
    at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Vex:
    """A VEX document: its author's statements. Whether the author counts is said by who signed it, not by `author`."""

    author: str
    at: datetime | None = None
    statements: tuple[VexStatement, ...] = ()


Content = Inventory | Scan | Vex
"""What a long document says. One for each document, found by the digest of its statement."""
