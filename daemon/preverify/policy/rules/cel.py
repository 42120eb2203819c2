"""The rule `cel`: an expression over everything that is known, for what no other rule can say."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Annotated, Any, ClassVar, Self

from pydantic import Field, GetJsonSchemaHandler, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from preverify.model.needs import Need
from preverify.model.reasons import Reason
from preverify.model.verdicts import Mode, Outcome, RuleResult
from preverify.policy import cel
from preverify.policy.quorum import BySpec, Quorum, Resolve, Signer
from preverify.policy.rules.attestation_spec import Age
from preverify.policy.rules.cel_facts import (
    ATTESTATIONS,
    COMPONENTS,
    EVIDENCE,
    OF_MANIFEST,
    SIGNATURES,
    VULNERABILITIES,
    Asked,
    know,
)
from preverify.policy.rules.evidence import Look
from preverify.policy.rules.results import result
from preverify.policy.rules.vulnerabilities_spec import DATABASE_AGE, SCAN_AGE
from preverify.policy.wire import Part

ENGINE = "cel-expr-python"
"""Which engine an expression is meant for. Another one may read the same text otherwise: it is part of the digest."""


class CelSpec(Part):
    """A CEL expression that has to be true. One that asks for nobody's evidence may be written as plain text."""

    expression: Annotated[str, Field(min_length=1, max_length=cel.MAX_EXPRESSION)]
    """The expression, of type bool."""
    by: BySpec | None = None
    """Whose signatures, attestations, bills of materials and scans it gets to see, as `any: […]`."""
    scanner: bool = False
    """Whether components and vulnerabilities that our own scanner and database find are shown."""
    matched: bool = False
    """Whether vulnerabilities are shown that our database has for bills of materials by `by`."""
    max_scan_age: Age | None = Field(None, alias="maxScanAge")
    """How old scans by `by` may be since they were finished. Left out: 24h."""
    max_database_age: Age | None = Field(None, alias="maxDatabaseAge")
    """How old our database may be. Left out: 48h."""

    @model_validator(mode="before")
    @classmethod
    def _plain(cls, value: object) -> object:
        return {"expression": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _each_is_shown(self) -> Self:
        if self.by is not None and self.by.any is None:
            raise ValueError("shows each signer's evidence and counts none, expected by: {any: […]}; count in the text")
        return self

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Say in the schema that plain text is enough."""
        schema = handler.resolve_ref_schema(handler(core))
        whole = dict(schema)
        schema.clear()
        schema["anyOf"] = [{"type": "string"}, whole]
        return schema

    def compile(self, *, name: str, mode: Mode, quorum: Resolve) -> "Holds":
        """Return the rule, its signers resolved.

        Raises:
            ValueError: the expression cannot be used, or it asks for what nobody was named for.
        """
        rule = Holds.of(
            name=name,
            mode=mode,
            text=self.expression,
            by=None if self.by is None else quorum(self.by),
            scanner=self.scanner,
            matched=self.matched,
            max_scan_age=self.max_scan_age or SCAN_AGE,
            max_database_age=self.max_database_age or DATABASE_AGE,
        )
        self._check(rule.asked.names)
        return rule

    def _check(self, names: frozenset[str]) -> None:
        """Refuse what would be shown and is not asked for, and the contrary."""
        evidence = names & EVIDENCE
        found = names & {COMPONENTS, VULNERABILITIES}
        said = self.by is not None
        if names & {SIGNATURES, ATTESTATIONS} and not said:
            raise ValueError("'by' is missing: whose signatures and attestations does the expression ask for?")
        if found and not said and not self.scanner:
            raise ValueError(f"whose {' and '.join(sorted(found))}? expected by: {{any: […]}}, scanner: true or both")
        for key, given, useful in (
            ("by", said, bool(evidence)),
            ("scanner", self.scanner, bool(found)),
            ("matched", self.matched, VULNERABILITIES in names and said),
            ("maxScanAge", self.max_scan_age is not None, VULNERABILITIES in names and said),
            ("maxDatabaseAge", self.max_database_age is not None, VULNERABILITIES in names),
        ):
            if given and not useful:
                raise ValueError(f"'{key}' stands there, but the expression asks for nothing that it is about")


@dataclass(frozen=True, slots=True, kw_only=True)
class Holds:
    """The expression is true of what is known. An error is never true, nor is what could not be obtained."""

    KIND: ClassVar[str] = "cel"

    name: str
    mode: Mode
    text: str
    asked: Asked
    expression: cel.Expression = field(compare=False, repr=False)

    @classmethod
    def of(cls, *, name: str, mode: Mode, text: str, **asked: Any) -> Self:
        """Compile the rule.

        Raises:
            ValueError: the expression cannot be used, or the engine is not installed.
        """
        expression = cel.compiled(text)
        config = not expression.asks_only_for("image", OF_MANIFEST)
        whole = Asked(names=expression.names, config=config, **asked)
        return cls(name=name, mode=mode, text=text, asked=whole, expression=expression)

    @property
    def quorums(self) -> tuple[Quorum, ...]:
        """Return whose evidence is looked at."""
        return () if self.asked.by is None else (self.asked.by,)

    @property
    def needs(self) -> frozenset[Need]:
        """Return what the expression asks for."""
        asked, names = self.asked, self.asked.names
        wanted = {
            Need.CONFIG: "image" in names and asked.config,
            Need.TAGS: "tags" in names,
            Need.INVENTORY: (COMPONENTS in names and asked.by is not None) or asked.matched,
            Need.SCAN: VULNERABILITIES in names and asked.by is not None,
            Need.MATCHES: VULNERABILITIES in names,
            Need.SCANNER: asked.scanner,
        }
        return frozenset(need for need, is_wanted in wanted.items() if is_wanted)

    def check(self, look: Look) -> RuleResult:
        """Return PASSED where the expression is true."""
        known = know(self.asked, self, look)
        if isinstance(known, RuleResult):
            return known
        judgement = self.expression.evaluate(known.facts)
        reasons = {Outcome.PASSED: Reason.OK, Outcome.FAILED: Reason.CONFIG_DENIED}
        return result(
            self,
            judgement.outcome,
            reasons.get(judgement.outcome, Reason.INTERNAL_ERROR),
            judgement.detail,
            evidence=tuple(sorted(known.evidence)),
            degraded=known.degraded,
            until=known.until,
        )

    def canonical(self) -> dict[str, Any]:
        """Return the rule's configuration as the policy's digest sees it."""
        asked = self.asked
        form: dict[str, Any] = {"expression": self.text, "engine": ENGINE}
        if asked.by is not None:
            form["by"] = asked.by.canonical()
        form |= {key: True for key, shown in (("scanner", asked.scanner), ("matched", asked.matched)) if shown}
        if VULNERABILITIES in asked.names:
            form["maxScanAgeSeconds"] = int(asked.max_scan_age.total_seconds())
            form["maxDatabaseAgeSeconds"] = int(asked.max_database_age.total_seconds())
        return form

    @classmethod
    def from_canonical(cls, name: str, mode: Mode, body: Mapping[str, Any], signers: Mapping[str, Signer]) -> Self:
        """Rebuild a rule from its canonical form.

        Raises:
            ValueError: it is meant for another engine.
        """
        if body["engine"] != ENGINE:
            raise ValueError(f"an expression for the engine {body['engine']!r}, this version has {ENGINE}")

        def age(key: str, otherwise: timedelta) -> timedelta:
            return timedelta(seconds=body[key]) if key in body else otherwise

        return cls.of(
            name=name,
            mode=mode,
            text=body["expression"],
            by=Quorum.from_canonical(body["by"], signers) if "by" in body else None,
            scanner=body.get("scanner", False),
            matched=body.get("matched", False),
            max_scan_age=age("maxScanAgeSeconds", SCAN_AGE),
            max_database_age=age("maxDatabaseAgeSeconds", DATABASE_AGE),
        )
