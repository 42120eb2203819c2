"""Exceptions: for a while, somebody answers for a rule that does not hold. Each ends, and is told where it counts."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from preverify.model import globs
from preverify.model.evidence import Gathered
from preverify.model.reasons import Reason
from preverify.model.reference import Subject
from preverify.model.verdicts import Outcome, RuleResult
from preverify.policy.image_globs import ImageGlob
from preverify.policy.rules.evidence import earliest
from preverify.policy.wire import DigestWord, Line, Metadata, Moment, Name, Part, distinct

LONGEST = timedelta(days=90)
MAX_EXCEPTIONS = 1_000
_MAX_DETAIL = 500


Vulnerability = Annotated[str, Field(min_length=3, max_length=100, pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]*$")]


class ExceptionSpec(Part):
    """What is excepted from which rules, who answers for it, and from when to when."""

    policies: tuple[Name, ...] = Field(min_length=1, max_length=100, strict=False)
    """The policies whose rules are excepted; all of them have to exist."""
    rules: tuple[Name, ...] = Field((), max_length=100, strict=False)
    """Rules of these policies, by name. Left out: every rule."""
    images: tuple[ImageGlob, ...] = Field((), max_length=100, strict=False)
    """Globs over `registry/path`, as in policies. At least one of `images` and `digests`; of both, both must match."""
    digests: tuple[DigestWord, ...] = Field((), max_length=100, strict=False)
    """Digests as deployed: of the index, where one is deployed."""
    vulnerabilities: tuple[Vulnerability, ...] = Field((), max_length=100, strict=False)
    """Only these vulnerabilities are excepted: a rule passes where it would pass without them."""
    owner: Line
    """Who answers for it."""
    reason: Line
    """Why it is needed."""
    ticket: Line | None = None
    """Where it is talked about."""
    not_before: Moment = Field(alias="notBefore")
    """From when it counts."""
    expires: Moment
    """From when it counts no longer; at most 90 days after `notBefore`."""

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        if not self.images and not self.digests:
            raise ValueError("excepts no image, expected 'images' or 'digests'")
        if self.not_before.microsecond or self.expires.microsecond:
            raise ValueError("'notBefore' and 'expires' are whole seconds")
        if not timedelta(0) < self.expires - self.not_before <= LONGEST:
            raise ValueError(f"'expires' is not within {LONGEST.days} days after 'notBefore'; write a new one in time")
        return self


class ExceptionDocument(Part):
    """An exception: named images pass named rules for a while, though these do not hold."""

    api_version: Literal["preverify/v1"] = Field(alias="apiVersion")
    kind: Literal["Exception"]
    metadata: Metadata
    spec: ExceptionSpec


class State(StrEnum):
    """Where an exception stands in time."""

    PENDING = "pending"
    IN_FORCE = "in-force"
    ENDED = "ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyException:
    """An exception as one policy sees it: part of what the policy's digest is over.

    Attributes:
        rules: Names; empty: every rule of the policy.
        images: Globs in internal form; empty: any image.
        digests: As deployed; empty: any digest.
        vulnerabilities: Names; empty: the whole rule is excepted, whatever it failed for.
    """

    name: str
    rules: tuple[str, ...]
    images: tuple[str, ...]
    digests: tuple[str, ...]
    vulnerabilities: tuple[str, ...]
    owner: str
    reason: str
    ticket: str
    not_before: datetime
    expires: datetime

    def covers(self, rule: str, subject: Subject) -> bool:
        """Say whether it is about this rule and image."""
        return (
            (not self.rules or rule in self.rules)
            and (not self.digests or str(subject.digest) in self.digests)
            and (not self.images or any(globs.matches(glob, str(subject.repository)) for glob in self.images))
        )

    def state(self, now: datetime) -> State:
        """Say whether it counts now."""
        if now < self.not_before:
            return State.PENDING
        return State.IN_FORCE if now < self.expires else State.ENDED

    @property
    def words(self) -> str:
        """Return it as answers name it."""
        ticket = f" ({self.ticket})" if self.ticket else ""
        return f"exception {self.name} by {self.owner}{ticket} until {self.expires.isoformat()}"

    def canonical(self) -> dict[str, Any]:
        """Return the form that the policy's digest is over: what is not said does not stand."""
        form: dict[str, Any] = {
            "name": self.name,
            "rules": list(self.rules),
            "images": list(self.images),
            "digests": list(self.digests),
            "vulnerabilities": list(self.vulnerabilities),
            "owner": self.owner,
            "reason": self.reason,
            "ticket": self.ticket,
            "notBefore": self.not_before.isoformat(),
            "expires": self.expires.isoformat(),
        }
        return {key: value for key, value in form.items() if value}

    @classmethod
    def from_canonical(cls, form: Mapping[str, Any]) -> Self:
        """Rebuild an exception."""
        return cls(
            name=form["name"],
            rules=tuple(form.get("rules", ())),
            images=tuple(globs.check(glob) for glob in form.get("images", ())),
            digests=tuple(form.get("digests", ())),
            vulnerabilities=tuple(form.get("vulnerabilities", ())),
            owner=form["owner"],
            reason=form["reason"],
            ticket=form.get("ticket", ""),
            not_before=datetime.fromisoformat(form["notBefore"]).astimezone(UTC),
            expires=datetime.fromisoformat(form["expires"]).astimezone(UTC),
        )


def exception_of(written: ExceptionDocument) -> PolicyException:
    """Return the compiled form. The order of lists means nothing."""
    spec = written.spec
    return PolicyException(
        name=written.metadata.name,
        rules=distinct(spec.rules),
        images=distinct(spec.images),
        digests=distinct(spec.digests),
        vulnerabilities=distinct(spec.vulnerabilities),
        owner=spec.owner,
        reason=spec.reason,
        ticket=spec.ticket or "",
        not_before=spec.not_before,
        expires=spec.expires,
    )


Again = Callable[[frozenset[str]], RuleResult]
"""Checks the rule once more, as if vulnerabilities of these names were not there."""


def excused(
    result: RuleResult, exceptions: Sequence[PolicyException], gathered: Gathered, *, now: datetime, again: Again
) -> RuleResult:
    """Return what becomes of a rule's result under the exceptions of its policy.

    Only what failed is excepted: what could not be obtained stays undecided, an exception does not know what it would
    except. Nothing is excepted of an index that names a child whose bytes are others: that is no matter of policy.
    """
    if result.outcome is not Outcome.FAILED:
        return result
    subject = gathered.image.subject
    about = [each for each in exceptions if each.covers(result.rule, subject)]
    if not about or any(c.flaw is not None and c.flaw.reason is Reason.DIGEST_MISMATCH for c in gathered.children):
        return result
    in_force = [each for each in about if each.state(now) is State.IN_FORCE]
    passed = _but_for(result, in_force, again) or _whole(result, in_force)
    if passed is not None:
        return passed
    begins = earliest(each.not_before for each in about if each.state(now) is State.PENDING)
    result = replace(result, until=earliest((result.until, begins)))
    over = [each for each in about if each.state(now) is State.ENDED]
    if over and (_but_for(result, [*in_force, *over], again) or _whole(result, over)):
        last = max(over, key=lambda each: (each.expires, each.name))
        ended = last.words.replace(" until ", " ended at ")
        return replace(result, reason=Reason.EXCEPTION_EXPIRED, detail=_cut(f"{ended}: {_why(result)}"))
    return result


def _whole(result: RuleResult, exceptions: Sequence[PolicyException]) -> RuleResult | None:
    """Return the result under the exception of the whole rule that ends last; None where there is none."""
    whole = [each for each in exceptions if not each.vulnerabilities]
    if not whole:
        return None
    used = max(whole, key=lambda each: (each.expires, each.name))
    # It rests on the exception and on no evidence.
    return replace(
        result,
        outcome=Outcome.PASSED,
        reason=Reason.OK,
        detail=_cut(f"{used.words}: {_why(result)}"),
        evidence=(),
        until=used.expires,
        excepted=(used.name,),
    )


def _but_for(result: RuleResult, exceptions: Sequence[PolicyException], again: Again) -> RuleResult | None:
    """Return the result without the excepted vulnerabilities, where it passes so; None where not.

    Exceptions that are not needed are left out, those that end first before others.
    """
    used = sorted((each for each in exceptions if each.vulnerabilities), key=lambda each: (each.expires, each.name))
    passed = _without(used, again) if used else None
    if passed is None:
        return None
    for each in tuple(used):
        fewer = [other for other in used if other is not each]
        less = _without(fewer, again) if fewer else None
        if less is not None:
            used, passed = fewer, less
    words = "; ".join(each.words for each in used)
    return replace(
        passed,
        detail=_cut(f"{words}: {_why(result)}; but for that: {passed.detail}"),
        until=earliest((passed.until, *(each.expires for each in used))),
        excepted=tuple(sorted(each.name for each in used)),
    )


def _without(exceptions: Iterable[PolicyException], again: Again) -> RuleResult | None:
    result = again(frozenset(name for each in exceptions for name in each.vulnerabilities))
    return result if result.outcome is Outcome.PASSED else None


def _why(result: RuleResult) -> str:
    return f"{result.reason.value}: {result.detail}"


def _cut(text: str) -> str:
    return text if len(text) <= _MAX_DETAIL else f"{text[: _MAX_DETAIL - 1]}…"
