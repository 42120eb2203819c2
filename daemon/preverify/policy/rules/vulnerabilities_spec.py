"""The written form of the rule `vulnerabilities`: its field docstrings are the manual."""

from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from preverify.model.contents import Severity
from preverify.model.verdicts import Mode
from preverify.policy.demands.limits import Limits
from preverify.policy.demands.scan_sources import Sources, Unjudged
from preverify.policy.quorum import BySpec, Resolve
from preverify.policy.rules.attestation_spec import Age
from preverify.policy.wire import Part

if TYPE_CHECKING:
    from preverify.policy.rules.vulnerabilities import Vulnerabilities

SCAN_AGE = timedelta(hours=24)
DATABASE_AGE = timedelta(hours=48)


class ScansSpec(Part):
    """Attested scans: reports of Trivy or Grype in cosign's wrapping, and in-toto's predicate."""

    by: BySpec
    """Whose scans count, and how many distinct signers' are needed."""


class MatchedSpec(Part):
    """Attested bills of materials, SPDX or CycloneDX, as our own database has vulnerabilities for them."""

    by: BySpec
    """Whose bills of materials count, and how many distinct signers' are needed."""


class VexSpec(Part):
    """OpenVEX documents. Nobody else's word takes a vulnerability away."""

    by: BySpec
    """Whose documents count, as `any: […]`: each counts by itself, and of several the latest word."""

    @model_validator(mode="after")
    def _each_counts(self) -> Self:
        if self.by.any is None:
            raise ValueError("VEX documents count one by one, expected by: {any: […]}")
        return self


class VulnerabilitiesSpec(Part):
    """No vulnerability over the limits, as recent scans say. At least one source has to be named, and one limit.

    Of several sources one is enough, but what any of them found counts.
    """

    later: ClassVar[Mapping[str, str]] = {"ignore": "let somebody whom `vex` names say why it does no harm"}

    scans: ScansSpec | None = None
    """A source: scans that somebody attested. Of each signer and scanner the newest counts."""
    matched: MatchedSpec | None = None
    """A source: bills of materials that somebody attested, compared with our database."""
    scanner: bool = False
    """A source: what our own scanner finds in the image, compared with our database."""
    max_severity: Literal["none", "low", "medium", "high"] | None = Field(None, alias="maxSeverity")
    """The highest severity that is allowed: `high` denies what is critical, `none` everything above none."""
    max_score: Annotated[float, Field(ge=0, le=10, allow_inf_nan=False)] | None = Field(None, alias="maxScore")
    """The highest CVSS base score that is allowed. Without a score, the highest of its severity stands for it."""
    max_epss: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] | None = Field(None, alias="maxEpss")
    """The highest probability of exploitation (EPSS) that is allowed. A CVE of which it is not known is denied."""
    exploited: Literal["deny"] | None = None
    """`deny`: nothing that is known to be exploited (KEV), without days of grace. A CVE of which it is not known
    whether it is, is denied as well."""
    unknown_severity: Literal["deny", "allow"] = Field("deny", alias="unknownSeverity")
    """What happens to what nobody says a severity of, under `maxSeverity` and `maxScore`."""
    fixable: bool = False
    """Only what a fix is known of counts."""
    grace: Age | None = None
    """How long after its publication a vulnerability is allowed. Without a known date there is no grace."""
    max_scan_age: Age | None = Field(None, alias="maxScanAge")
    """How old an attested scan may be since it was finished. Left out: 24h."""
    max_database_age: Age | None = Field(None, alias="maxDatabaseAge")
    """How old the database may be. Left out: 48h for our own; attested scans need not say how old theirs was."""
    vex: VexSpec | None = None
    """Whose VEX documents take vulnerabilities away: `not_affected` with a justification, or `fixed`."""
    unjudged: Literal["deny", "components", "allow"] = "components"
    """What a scan may say nothing of: `components`, single ones, but no distribution and no whole ecosystem; `deny`:
    nothing; `allow`: anything, even all of the image."""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.scans is None and self.matched is None and not self.scanner:
            raise ValueError("names no source, expected at least one of: scans, matched, scanner: true")
        limits = self._limits()
        if not limits.any:
            raise ValueError("denies nothing, expected at least one of: maxSeverity, maxScore, maxEpss, exploited")
        if "unknown_severity" in self.model_fields_set and not limits.rates:
            raise ValueError("'unknownSeverity' is about maxSeverity and maxScore, expected one of them beside it")
        if self.max_scan_age is not None and self.scans is None:
            raise ValueError("'maxScanAge' is about attested scans, expected 'scans' beside it; see maxDatabaseAge")
        return self

    def _limits(self) -> Limits:
        return Limits(
            max_severity=None if self.max_severity is None else Severity(self.max_severity),
            max_score=None if self.max_score is None else float(self.max_score),
            max_epss=None if self.max_epss is None else float(self.max_epss),
            exploited=self.exploited is not None,
            allow_unknown=self.unknown_severity == "allow",
            fixable=self.fixable,
            grace=self.grace,
        )

    def compile(self, *, name: str, mode: Mode, quorum: Resolve) -> "Vulnerabilities":
        """Return the rule, its signers resolved."""
        from preverify.policy.rules.vulnerabilities import Vulnerabilities  # the rule knows its written form

        return Vulnerabilities(
            name=name,
            mode=mode,
            sources=Sources(
                scans=None if self.scans is None else quorum(self.scans.by, ("scans",)),
                matched=None if self.matched is None else quorum(self.matched.by, ("matched",)),
                scanner=self.scanner,
                max_scan_age=self.max_scan_age or SCAN_AGE,
                max_database_age=self.max_database_age,
                own_database_age=self.max_database_age or DATABASE_AGE,
                unjudged=Unjudged(self.unjudged),
            ),
            limits=self._limits(),
            vex=None if self.vex is None else quorum(self.vex.by, ("vex",)),
        )
