"""The rules `anyOf`, `allOf`, `atLeast` and `not`: demands that are put together of other demands."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self

from pydantic import BaseModel, Field, RootModel, create_model, model_validator

from preverify.model.needs import Need
from preverify.model.reasons import Reason
from preverify.model.verdicts import Mode, Outcome, RuleResult
from preverify.policy.places import Path
from preverify.policy.quorum import BySpec, Quorum, Resolve, Signer
from preverify.policy.rules.evidence import Look, earliest, reached
from preverify.policy.rules.results import result
from preverify.policy.wire import Name, Part

if TYPE_CHECKING:
    from preverify.policy.rules import Rule

MAX_DEPTH = 4
MAX_DEMANDS = 128
_MAX_LIST = 64
_FRAME = frozenset({"name", "mode", "platforms"})
_OF_THE_IMAGE = frozenset({Need.CONFIG, Need.TAGS})
_OWN = frozenset({Need.MATCHES, Need.SCANNER})
_CONTRADICTS = frozenset(
    {
        Reason.ANNOTATION_MISMATCH,
        Reason.CONTENT_MISMATCH,
        Reason.BUILDER_MISMATCH,
        Reason.SOURCE_MISMATCH,
        Reason.LEVEL_TOO_LOW,
        Reason.COMPONENT_DENIED,
        Reason.LICENSE_DENIED,
        Reason.VULNERABILITY_FOUND,
        Reason.CONFIG_DENIED,
        Reason.IMAGE_TOO_OLD,
        Reason.PLATFORM_MISSING,
        Reason.TAG_DENIED,
        Reason.END_OF_LIFE,
    }
)
"""Reasons that say: it was read, and it says otherwise. All others say that something is missing or damaged."""


class OneDemand(Part):
    """A part in which exactly one kind of demand stands, each under the key of its kind."""

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if len(self.demands) != 1:
            seen = ", ".join(self.demands) or "nothing"
            raise ValueError(f"demands {seen}, expected exactly one of: {', '.join(sorted(self._kinds()))}")
        return self

    @property
    def demands(self) -> dict[str, Any]:
        """Return what is demanded, by kind."""
        return {kind: spec for kind in self._kinds() if (spec := getattr(self, kind)) is not None}

    @classmethod
    def _kinds(cls) -> Iterator[str]:
        return (name for name in cls.model_fields if name not in _FRAME)


_Nested = Annotated[tuple["NestedSpec", ...], Field(min_length=1, max_length=_MAX_LIST, strict=False)]


class AnyOfSpec(RootModel[_Nested]):
    """One of these demands is enough. Each looks at the same image or platform, and counts its signers for itself."""

    def compile(self, *, name: str, mode: Mode, quorum: Resolve) -> "Several":
        """Return the rule."""
        return Several.of_parts(name, mode, 1, _compiled(self.root, mode, quorum))


class AllOfSpec(RootModel[_Nested]):
    """All of these demands; useful inside of `anyOf`."""

    def compile(self, *, name: str, mode: Mode, quorum: Resolve) -> "Several":
        """Return the rule."""
        return Several.of_parts(name, mode, len(self.root), _compiled(self.root, mode, quorum))


class AtLeastSpec(Part):
    """So many of several demands, each different from the others."""

    at_least: int = Field(alias="atLeast", ge=1)
    """How many have to hold."""
    of: _Nested
    """The demands that are counted."""

    def compile(self, *, name: str, mode: Mode, quorum: Resolve) -> "Several":
        """Return the rule."""
        return Several.of_parts(name, mode, self.at_least, _compiled(self.of, mode, quorum, ("of",)))


class NotSpec(RootModel["NestedSpec"]):
    """One demand that must not hold. It passes only on what was read and says otherwise: absence proves nothing."""

    def compile(self, *, name: str, mode: Mode, quorum: Resolve) -> "Not":
        """Return the rule."""
        ((kind, demand),) = self.root.demands.items()
        inner = demand.compile(name=self.root.name or kind, mode=mode, quorum=partial(_below, quorum, (kind,)))
        return Not.of_part(name, mode, inner)


class _NestedBase(OneDemand):
    """A demand inside of another one: exactly one kind, without mode and platforms of its own."""

    name: Name | None = None
    """How details name it; left out: its kind."""


if TYPE_CHECKING:
    NestedSpec = _NestedBase


def nested_spec(specs: Mapping[str, type[BaseModel]]) -> type[OneDemand]:
    """Return the written form of a nested demand, and complete those above that hold some."""
    spec: type[OneDemand] = create_model(
        "NestedSpec", __base__=_NestedBase, __doc__=_NestedBase.__doc__, __module__=__name__, **fields(specs)
    )
    for part in (AnyOfSpec, AllOfSpec, AtLeastSpec, NotSpec):
        part.model_rebuild(force=True, _types_namespace={"NestedSpec": spec})
    spec.model_rebuild(force=True)
    return spec


def fields(specs: Mapping[str, type[BaseModel]]) -> dict[str, Any]:
    """Return the fields of a part in which each kind of demand may stand."""
    return {kind: (spec | None, Field(None, description=spec.__doc__)) for kind, spec in specs.items()}


def _compiled(written: Sequence["NestedSpec"], mode: Mode, quorum: Resolve, at: Path = ()) -> tuple["Rule", ...]:
    rules = []
    for i, each in enumerate(written):
        ((kind, demand),) = each.demands.items()
        try:
            below = partial(_below, quorum, (*at, i, kind))
            rules.append(demand.compile(name=each.name or kind, mode=mode, quorum=below))
        except ValueError as error:
            raise ValueError(f"[{i}].{kind}: {error}") from error
    return tuple(rules)


def _below(quorum: Resolve, here: Path, by: BySpec, at: Path = ()) -> Quorum:
    return quorum(by, (*here, *at))


@dataclass(frozen=True, slots=True, kw_only=True)
class Several:
    """At least `needed` of several demands hold. `anyOf` is one of them, `allOf` all.

    Failed where so many failed that the rest cannot reach the number; undecided in between. The reason is that of the
    failed demand whose evidence got furthest.
    """

    KIND: ClassVar[str] = "atLeast"

    name: str
    mode: Mode
    needed: int
    of: tuple["Rule", ...]

    @classmethod
    def of_parts(cls, name: str, mode: Mode, needed: int, of: Sequence["Rule"]) -> Self:
        """Build the rule.

        Raises:
            ValueError: it can never hold, says one thing twice, or is too deep or too large.
        """
        if type(needed) is not int or not 1 <= needed <= len(of):
            raise ValueError(f"needs {needed!r} of {len(of)} demands, expected a number from 1 to {len(of)}")
        forms = [(rule.KIND, rule.canonical()) for rule in of]
        twice = next((i for i, form in enumerate(forms) if form in forms[:i]), None)
        if twice is not None:
            raise ValueError(f"[{twice}] demands the same as one before it; one demand counts once")
        whole = cls(name=name, mode=mode, needed=needed, of=tuple(of))
        _bounded(whole)
        return whole

    @property
    def quorums(self) -> tuple[Quorum, ...]:
        """Return whose evidence is looked at."""
        return tuple(by for rule in self.of for by in rule.quorums)

    @property
    def needs(self) -> frozenset[Need]:
        """Return what any of the demands has to see."""
        return frozenset(need for rule in self.of for need in rule.needs)

    def check(self, look: Look) -> RuleResult:
        """Return PASSED where enough of the demands do."""
        parts = [(rule, rule.check(look)) for rule in self.of]
        results = [each for _, each in parts]
        passed = [each for each in results if each.outcome is Outcome.PASSED]
        clean = [each for each in passed if not each.degraded]
        plain = [each for rule, each in parts if each in clean and not _negative(rule)]
        if len(plain) >= self.needed:
            return self._passed(plain)
        denied = [each for rule, each in parts if rule.KIND == Not.KIND]
        for good in (clean, passed):
            if len(good) >= self.needed:
                return self._passed(good, beside=denied)
        failed = [each for each in results if each.outcome is Outcome.FAILED]
        if len(self.of) - len(failed) >= self.needed:
            bad = next(each for each in results if each.outcome is Outcome.UNDECIDED)
        else:
            steps = reached(look.findings)
            bad = max(failed, key=lambda each: max((steps.get(e, -1) for e in each.evidence), default=-1))
        others = len(results) - len(passed) - 1
        more = f" (and {others} more of {len(results)} do not hold)" if others else ""
        return result(
            self,
            bad.outcome,
            bad.reason,
            f"{bad.rule}{more}: {bad.detail}",
            evidence=bad.evidence,
            until=earliest(each.until for each in results),
        )

    def _passed(self, good: Sequence[RuleResult], *, beside: Sequence[RuleResult] = ()) -> RuleResult:
        """Return that it holds, until fewer than needed do.

        Signing derives this again from nothing but the evidence that is named here. What contradicts a demand can be
        missing then; so nothing is said of a `not` that is not needed, and else its evidence is named as well.
        """
        ends: list[datetime] = sorted(each.until for each in good if each.until is not None)
        spare = len(good) - self.needed
        return result(
            self,
            Outcome.PASSED,
            Reason.OK,
            "; ".join(f"{each.rule}: {each.detail}" for each in good)[:500],
            evidence=tuple(dict.fromkeys(one for each in (*good, *beside) for one in each.evidence)),
            degraded=any(each.degraded for each in good),
            until=ends[spare] if spare < len(ends) else None,
        )

    def canonical(self) -> dict[str, Any]:
        """Return the rule's configuration as the policy's digest sees it."""
        return {"atLeast": self.needed, "of": [_form(rule) for rule in self.of]}

    @classmethod
    def from_canonical(cls, name: str, mode: Mode, body: Mapping[str, Any], signers: Mapping[str, Signer]) -> Self:
        """Rebuild a rule from its canonical form."""
        return cls.of_parts(name, mode, body["atLeast"], [_rebuilt(form, mode, signers) for form in body["of"]])


@dataclass(frozen=True, slots=True, kw_only=True)
class Not:
    """One demand does not hold, and what was read says so.

    It passes only where what was read contradicts the demand: a fact of the image itself, or evidence that is
    established, where all of it was read. What is missing or damaged proves nothing, nor does what somebody else says.
    So adding broken or foreign evidence never makes it pass.
    """

    KIND: ClassVar[str] = "not"

    name: str
    mode: Mode
    of: "Rule"

    @classmethod
    def of_part(cls, name: str, mode: Mode, of: "Rule") -> Self:
        """Build the rule.

        Raises:
            ValueError: it is about demands that are put together themselves.
        """
        if of.KIND in (Several.KIND, Not.KIND):
            raise ValueError("is about one plain demand; for several write anyOf or allOf around one 'not' each")
        return cls(name=name, mode=mode, of=of)

    @property
    def quorums(self) -> tuple[Quorum, ...]:
        """Return whose evidence is looked at."""
        return self.of.quorums

    @property
    def needs(self) -> frozenset[Need]:
        """Return what the demand has to see."""
        return self.of.needs

    def check(self, look: Look) -> RuleResult:
        """Return PASSED where what was read contradicts the demand."""
        # What establishes nothing is not shown: broken evidence neither helps nor spoils.
        inner = self.of.check(replace(look, findings=[each for each in look.findings if each.established]))
        outcome, reason, detail = self._conclude(inner, look)
        return result(self, outcome, reason, detail, evidence=inner.evidence, until=inner.until)

    def _conclude(self, inner: RuleResult, look: Look) -> tuple[Outcome, Reason, str]:
        if inner.outcome is Outcome.PASSED:
            return Outcome.FAILED, Reason.CONTENT_MISMATCH, f"{inner.rule} holds and must not: {inner.detail}"
        if inner.outcome is Outcome.UNDECIDED:
            return inner.outcome, inner.reason, inner.detail
        if (self.quorums or not self.needs <= _OF_THE_IMAGE) and (unknown := self._unknown(inner, look)) is not None:
            return unknown
        if inner.reason not in _CONTRADICTS:
            return Outcome.FAILED, inner.reason, _nothing_against(inner)
        return Outcome.PASSED, Reason.OK, f"not {inner.rule}: {inner.detail}"

    def _unknown(self, inner: RuleResult, look: Look) -> tuple[Outcome, Reason, str] | None:
        """Say why evidence does not speak against the demand: not all of it was read, or none is established."""
        unread = (*look.unobtained, *(look.unscanned if self.needs & _OWN else ()))
        if unread:
            return Outcome.UNDECIDED, unread[0].reason, f"{unread[0].what}: {unread[0].detail}"
        if look.truncated:
            detail = (
                "there is more evidence than limits allow to be read, and what was not read may be what it is about"
            )
            return Outcome.FAILED, Reason.TOO_MUCH_EVIDENCE, detail
        established = {finding.evidence for finding in look.findings if finding.established}
        if established.isdisjoint(inner.evidence):
            return Outcome.FAILED, inner.reason, _nothing_against(inner)
        return None

    def canonical(self) -> dict[str, Any]:
        """Return the rule's configuration as the policy's digest sees it."""
        return _form(self.of)

    @classmethod
    def from_canonical(cls, name: str, mode: Mode, body: Mapping[str, Any], signers: Mapping[str, Signer]) -> Self:
        """Rebuild a rule from its canonical form."""
        return cls.of_part(name, mode, _rebuilt(body, mode, signers))


def _nothing_against(inner: RuleResult) -> str:
    return f"nothing that was read speaks against {inner.rule}: {inner.detail}"


def _negative(rule: "Rule") -> bool:
    return rule.KIND == Not.KIND or (isinstance(rule, Several) and any(map(_negative, rule.of)))


def _form(rule: "Rule") -> dict[str, Any]:
    return {"name": rule.name, rule.KIND: rule.canonical()}


def _rebuilt(form: Mapping[str, Any], mode: Mode, signers: Mapping[str, Signer]) -> "Rule":
    from preverify.policy.rules import RULES  # the table names these rules too

    (kind,) = form.keys() - {"name"}
    return RULES[kind].from_canonical(form["name"], mode, form[kind], signers)


def _bounded(whole: Several) -> None:
    depth, demands, level = 0, 0, [whole]
    while level:
        depth += 1
        parts = [part for each in level for part in each.of]
        demands += len(parts)
        level = [part for part in parts if isinstance(part, Several)]
    if depth > MAX_DEPTH:
        raise ValueError(f"demands stand within demands {depth} deep, at most {MAX_DEPTH}")
    if demands > MAX_DEMANDS:
        raise ValueError(f"holds {demands} demands, at most {MAX_DEMANDS}")
