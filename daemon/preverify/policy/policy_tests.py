"""Tests of policies: which image, as what, when, and what has to come of it. Pure: answers are compared, not made."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from preverify.model import strict_yaml
from preverify.model.errors import BadConfiguration, BadInput
from preverify.model.reasons import Reason
from preverify.model.reference import Reference, Repository, is_tag
from preverify.model.strict_yaml import Document
from preverify.model.validation import validate
from preverify.model.verdicts import Answer, AnswerState
from preverify.policy.policies import API_VERSION
from preverify.policy.wire import DigestWord, Line, Metadata, Moment, Name, Part

KIND = "PolicyTest"
SUFFIXES = (".test.yaml", ".test.yml")
_NAMESPACE = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_VERDICTS = {"passed": AnswerState.VERIFIED, "failed": AnswerState.DENIED, "undecided": AnswerState.UNKNOWN}


def _repository(text: str) -> str:
    try:
        reference = Reference.parse(text)
    except BadInput as error:
        raise ValueError(str(error)) from error
    if reference.digest is not None or text.rpartition("/")[2].count(":"):
        raise ValueError(f"{text[:80]!r} names a tag or digest, expected registry/repository")
    return str(reference.repository)


def _tag(text: str) -> str:
    if not is_tag(text):
        raise ValueError(f"{text[:80]!r} is no tag")
    return text


def _namespace(text: str) -> str:
    if _NAMESPACE.fullmatch(text) is None:
        raise ValueError(f"{text[:80]!r} is no namespace")
    return text


class CaseSpec(Part):
    """One image, and what has to come of it."""

    name: Line
    """What the case shows, in words."""
    layout: Annotated[str, Field(min_length=1, max_length=1024)]
    """Directory of an OCI layout with the image and its evidence, relative to this file."""
    tag: Annotated[str, AfterValidator(_tag)] | None = None
    """What the layout calls the image. Exactly one of `tag` and `digest`."""
    digest: DigestWord | None = None
    """The image's digest."""
    repository: Annotated[str, AfterValidator(_repository)] = Field(alias="as")
    """What the image is taken for: `registry/repository`, as policies match it."""
    namespace: Annotated[str, AfterValidator(_namespace)] | None = None
    """Namespace that it would run in; left out: outside of any."""
    at: Moment | None = None
    """When, instead of what the whole file says."""
    tags: tuple[Annotated[str, AfterValidator(_tag)], ...] | None = Field(None, strict=False)
    """Tags that name it, for rules about tags; left out: `tag`."""
    expect: Literal["verified", "denied", "unknown"]
    """The answer; with `policy`, that policy's alone."""
    policy: Name | None = None
    """The policy that `expect`, `rule` and `reason` are about; left out: all that apply, together."""
    rule: Name | None = None
    """The rule that the answer has to name."""
    reason: Annotated[Reason, Field(strict=False)] | None = None
    """The reason that the rule has to give; without `rule`, the first one."""
    exceptions: tuple[Name, ...] = Field((), strict=False)
    """Exceptions that it passes by, exactly these."""


class PolicyTestSpec(Part):
    """Cases, all against the policies beside this file."""

    at: Moment
    """When the images are looked at: certificates, exceptions and ages are compared with that."""
    cases: tuple[CaseSpec, ...] = Field(min_length=1, max_length=10_000, strict=False)
    """What is tried."""


class PolicyTestDocument(Part):
    """What policies have to say of images that are at hand."""

    api_version: Literal["preverify/v1"] = Field(alias="apiVersion")
    kind: Literal["PolicyTest"]
    metadata: Metadata
    spec: PolicyTestSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What came of a case. `excepted`: names of the exceptions that verdicts rest on, by policy."""

    answer: Answer
    excepted: dict[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """How a case went. `problems` says what was expected and what was seen instead; none where it went well."""

    test: str
    case: str
    seen: str
    problems: tuple[str, ...]


def read_tests(data: bytes, *, name: str) -> tuple[PolicyTestDocument, ...]:
    """Read the tests of a file.

    Raises:
        BadConfiguration: with file, line and path.
    """
    return tuple(_read(document) for document in strict_yaml.read(data, name=name))


def _read(document: Document) -> PolicyTestDocument:
    value = document.value
    if not isinstance(value, dict) or value.get("apiVersion") != API_VERSION or value.get("kind") != KIND:
        raise BadConfiguration(f"expected apiVersion {API_VERSION} and kind {KIND}", where=document.where(()))
    typed = validate(PolicyTestDocument, document)
    for i, case in enumerate(typed.spec.cases):
        if (case.tag is None) == (case.digest is None):
            raise BadConfiguration(
                "expected exactly one of 'tag' and 'digest'", where=document.where(("spec", "cases", i))
            )
    return typed


def repository_of(case: CaseSpec) -> Repository:
    """Return what the image is taken for."""
    return Reference.parse(case.repository).repository


def judge(test: str, case: CaseSpec, seen: Seen) -> Tried:
    """Compare what came of a case with what was expected."""
    answer = seen.answer
    parts = [part for part in answer.policies if case.policy in (None, part.policy)]
    state, reason, detail = answer.state, answer.reason, answer.detail
    if case.policy is not None and parts:
        state = _VERDICTS.get(parts[0].verdict, AnswerState.UNKNOWN)
        _, reason, detail = parts[0].reasons[0] if parts[0].reasons else ("", "", parts[0].verdict)
    return Tried(
        test=test,
        case=case.name,
        seen=f"{state.value}: {reason}: {detail}".rstrip(": "),
        problems=tuple(_problems(case, seen, state, reason)),
    )


def _problems(case: CaseSpec, seen: Seen, state: AnswerState, reason: str) -> Iterator[str]:
    parts = [part for part in seen.answer.policies if case.policy in (None, part.policy)]
    if case.policy is not None and not parts:
        yield f"policy {case.policy} does not apply to {case.repository}"
        return
    if state.value != case.expect:
        yield f"is {state.value}, expected {case.expect}"
    named = {rule: code for part in parts for rule, code, _ in reversed(part.reasons)}
    if case.rule is not None:
        if case.rule not in named:
            yield f"rule {case.rule} is not named, only {', '.join(sorted(named)) or 'no rule'}"
            return
        reason = named[case.rule]
    if case.reason is not None and reason != case.reason:
        yield f"the reason is {reason or 'none'}, expected {case.reason}"
    used = sorted({name for policy, names in seen.excepted.items() for name in names if case.policy in (None, policy)})
    if used != sorted(set(case.exceptions)):
        yield f"passes by the exceptions {', '.join(used) or 'none'}, expected {', '.join(case.exceptions) or 'none'}"
