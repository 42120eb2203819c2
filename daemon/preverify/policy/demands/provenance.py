"""What a rule may demand of provenance, compiled: builder, source, ref, level, parameters."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

import rfc8785

from preverify.model.findings import Finding
from preverify.model.reasons import Reason
from preverify.policy.builders import Accepted, Build, Vouched, judge
from preverify.policy.builders.build import not_this_builder, not_this_source
from preverify.policy.shortfall import Shortfall

PULL_REQUEST = "pull-request"
SELF_HOSTED = "self-hosted"
_PULLED = frozenset({"pull_request", "pull_request_target"})
_TAG = re.compile(r"v(\d+)(?:\.(\d+))?(?:\.(\d+))?(?:-([0-9A-Za-z.-]+))?(?:\+[0-9A-Za-z.-]+)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvenanceDemand:
    """Demands on provenance. What is empty is not demanded.

    Attributes:
        builders: The builder is one of these; binds their ids to the signers of the rule.
        source: Repository, without `git+` and ref.
        ref: Full git ref.
        versioned_tag: `v1`, `v1.2` or `v1.2.3`: a tag of that version, as far as it is said.
        trigger: One of these events started the build.
        build_type: The build type, exactly.
        parameters: Canonical JSON by name: external parameters, exactly these beside those that the builder's own
            checks cover.
        inputs: What was typed for a workflow started by hand: these, each exactly.
        min_level: SLSA build level.
        allow: `pull-request`, `self-hosted`: what is refused otherwise.
    """

    builders: tuple[Accepted, ...] = ()
    source: str = ""
    ref: str = ""
    versioned_tag: str = ""
    trigger: tuple[str, ...] = ()
    build_type: str = ""
    parameters: tuple[tuple[str, str], ...] | None = None
    inputs: tuple[tuple[str, str], ...] = ()
    min_level: int = 0
    allow: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Say whether anything is demanded."""
        return any(getattr(self, each.name) != each.default for each in fields(self))

    def shortfall(self, finding: Finding) -> Shortfall | None:
        """Return why an established provenance attestation does not meet the demands; None where it does."""
        build = Build.of(finding)
        accepted = next((each for each in self.builders if each.matches(build.builder_id)), None)
        if self.builders and accepted is None:
            seen = build.builder_id[:200] or "nobody"
            return not_this_builder(f"built by {seen!r}, expected {', '.join(each.id for each in self.builders)[:300]}")
        vouched = judge(build, accepted)
        if isinstance(vouched, Shortfall):
            return vouched
        return self._origin(vouched) or self._run(build, vouched) or self._parameters(build, vouched)

    def _origin(self, vouched: Vouched) -> Shortfall | None:
        if self.source and vouched.source != self.source:
            return not_this_source(f"built from {vouched.source[:200] or 'nowhere'!r}, expected {self.source}")
        if self.ref and vouched.ref != self.ref:
            return not_this_source(f"built from {vouched.ref[:120] or 'no ref'!r}, expected {self.ref}")
        if self.versioned_tag and not is_version(vouched.ref.removeprefix("refs/tags/"), self.versioned_tag):
            return not_this_source(
                f"built from {vouched.ref[:120] or 'no ref'!r}, expected a tag of {self.versioned_tag}"
            )
        pulled = vouched.trigger in _PULLED or vouched.ref.startswith("refs/pull/")
        if pulled and PULL_REQUEST not in self.allow:
            return not_this_source(f"built for a pull request ({vouched.trigger} of {vouched.ref[:120]})")
        return None

    def _run(self, build: Build, vouched: Vouched) -> Shortfall | None:
        if vouched.self_hosted and SELF_HOSTED not in self.allow:
            return not_this_builder("built on a self-hosted runner, which whoever starts builds may change")
        if self.trigger and vouched.trigger not in self.trigger:
            detail = f"started by {vouched.trigger[:80] or 'nobody knows what'!r}, expected {', '.join(self.trigger)}"
            return Shortfall(Reason.EXTENSION_MISMATCH, detail)
        kind = build.says("buildType")
        if self.build_type and kind != self.build_type:
            return not_this_builder(f"a build of type {kind[:200]!r}, expected {self.build_type}")
        if vouched.level < self.min_level:
            detail = f"SLSA build level {vouched.level} as far as signer and builder tell, expected {self.min_level}"
            return Shortfall(Reason.LEVEL_TOO_LOW, detail)
        return None

    def _parameters(self, build: Build, vouched: Vouched) -> Shortfall | None:
        """Refuse parameters that nobody expects: they change what is built.

        Spec:
            SLSA, provenance v1, "externalParameters": verifiers reject unrecognised ones.
        """
        wanted = dict(self.parameters or ())
        if vouched.parameters is not None or self.parameters is not None:
            names = frozenset(json.loads(build.says("parameters.names") or "[]"))
            foreign = sorted(names - wanted.keys() - (vouched.parameters or frozenset()))
            if foreign:
                return _other(f"built with the parameter {foreign[0][:80]!r}, which nobody expects")
        given = json.loads(build.says("parameters") or "{}")
        for name, value in wanted.items():
            if name not in given:
                return _other(f"the parameter {name!r} is not known")
            if written(given[name]) != value:
                return _other(f"the parameter {name!r} is {written(given[name])[:120]}, expected {value[:120]}")
        inputs = json.loads(build.says("inputs") or "{}")
        for name, text in self.inputs:
            if inputs.get(name) != text:
                return _other(f"the input {name!r} is {str(inputs.get(name))[:120]!r}, expected {text[:120]!r}")
        return None

    def canonical(self) -> dict[str, Any]:
        """Return the demands as the policy's digest sees them: what is not demanded does not stand."""
        form: dict[str, Any] = {
            "builders": [{"id": e.id, **({} if e.level is None else {"level": e.level})} for e in self.builders],
            "source": self.source,
            "ref": self.ref,
            "versionedTag": self.versioned_tag,
            "trigger": list(self.trigger),
            "buildType": self.build_type,
            "workflowInputs": dict(self.inputs),
            "minLevel": self.min_level,
            "allow": list(self.allow),
        }
        exact = {} if self.parameters is None else {"parameters": dict(self.parameters)}
        return {**{name: value for name, value in form.items() if value}, **exact}

    @classmethod
    def from_canonical(cls, form: Mapping[str, Any]) -> Self:
        """Rebuild demands."""
        return cls(
            builders=tuple(Accepted(id=e["id"], level=e.get("level")) for e in form.get("builders", ())),
            source=form.get("source", ""),
            ref=form.get("ref", ""),
            versioned_tag=form.get("versionedTag", ""),
            trigger=tuple(form.get("trigger", ())),
            build_type=form.get("buildType", ""),
            parameters=tuple(sorted(form["parameters"].items())) if "parameters" in form else None,
            inputs=tuple(sorted(form.get("workflowInputs", {}).items())),
            min_level=form.get("minLevel", 0),
            allow=tuple(form.get("allow", ())),
        )


def is_version(tag: str, wanted: str) -> bool:
    """Say whether a tag is of a version, as far as that is written out. Pre-releases have to be named whole.

    >>> is_version("v1.2.3", "v1.2"), is_version("v1.2.3-rc1", "v1"), is_version("v11.0.0", "v1")
    (True, False, False)
    """
    seen, expected = _TAG.fullmatch(tag), _TAG.fullmatch(wanted)
    if seen is None or expected is None:
        return False
    pairs = zip(seen.group(1, 2, 3), expected.group(1, 2, 3), strict=True)
    return seen[4] == expected[4] and all(b is None or a == b for a, b in pairs)


def written(value: Any) -> str:
    """Write the value of a parameter in its one canonical form (RFC 8785). Raises as `rfc8785.dumps` does."""
    return rfc8785.dumps(value).decode()


def _other(detail: str) -> Shortfall:
    return Shortfall(Reason.CONTENT_MISMATCH, detail)
