"""ImageValidatingPolicy of Kyverno, whose logic is CEL: only the shapes that its documents show are recognised.

`images.containers.map(image, verifyImageSignatures(image, [attestors.a])).all(e, e > 0)`, the same with
`verifyAttestationSignatures(image, attestations.x, [attestors.a])`, either written as
`images.containers.all(image, … > 0)`, several joined by `&&`. Everything else is code.

Spec:
    `policies.kyverno.io` v1, v1beta1, v1alpha1, as Kyverno v1.19 evaluates them.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from preverify.model.strict_yaml import Document
from preverify.policy.demands.attestation_types import known_type
from preverify.policy.importers.combine import Rules, at_least
from preverify.policy.importers.draft import DENY, Form, PolicyDraft, Remarks
from preverify.policy.importers.fields import Fields, ReadFile, kubernetes, member, whole
from preverify.policy.importers.kyverno_cosign import signers
from preverify.policy.importers.kyverno_images import demanded

NAME = "kyverno-validating"

_GROUP = "policies.kyverno.io"
_KIND, _NAMESPACED = "ImageValidatingPolicy", "NamespacedImageValidatingPolicy"
_CODE = "this is code, which is not translated"
_OBJECTS = "policies here are about images, whatever object names them"
_SHAPE = (
    "is no shape that is recognised: images.containers.map(image, verifyImageSignatures(image, [attestors.a]))"
    ".all(e, e > 0), or verifyAttestationSignatures(image, attestations.x, [attestors.a]); others are code"
)
_ATTESTOR = re.compile(r"attestors(?:\.([A-Za-z_]\w*)|\[[\"']([\w.-]+)[\"']\])")
_CALL = (
    r"(?:verifyImageSignatures\(\1,|verifyAttestationSignatures\(\1,attestations(?:\.([A-Za-z_]\w*)|\[[\"']([\w.-]+)[\"']\]),)"
    r"\[([^\[\]()]+(?:\[[^\[\]()]+\][^\[\]()]*)*)\]\)"
)
_NUMBER = r"(>=|>|==)(\d{1,3})"
_SHAPES = (
    re.compile(rf"images\.containers\.map\((\w+),{_CALL}\)\.all\((\w+),\5{_NUMBER}\)"),
    re.compile(rf"images\.containers\.all\((\w+),{_CALL}(){_NUMBER}\)"),
)
_DENIED: Rules = (DENY,)


def recognises(document: Document) -> bool:
    """Say whether a document is a policy of Kyverno's newer language that validates images."""
    return kubernetes(document, (_GROUP,), (_KIND, _NAMESPACED))


def translate(documents: Sequence[Document], *, read_file: ReadFile, remarks: Remarks) -> Sequence[PolicyDraft]:
    """Return a policy for each ImageValidatingPolicy."""
    del read_file  # nothing is named by path
    remarks.note(
        "images that no policy matches: Kyverno admits them, here listen.noPolicy decides; it denies by default"
    )
    remarks.note("images.containers: here the images of init and ephemeral containers are verified as well")
    return [_policy(document, remarks) for document in documents]


def _policy(document: Document, remarks: Remarks) -> PolicyDraft:
    with whole(document) as fields:
        metadata, spec = fields.part("metadata"), fields.part("spec")
        fields.ignore("apiVersion", "kind", "status")
        name = metadata.text("name") if metadata is not None else ""
        if metadata is None or not name or spec is None:
            raise fields.refuse("expected metadata.name and spec")
        inside = member(document, "kind") == _NAMESPACED
        with spec:
            _check_objects(spec)
            _check_evaluation(spec)
            spec.ignore("failurePolicy", "webhookConfiguration", "autogen", "auditAnnotations")
            spec.ignore("validationConfigurations", "credentials")
            return PolicyDraft(
                name=name,
                images=_images(spec),
                namespaces=(metadata.text("namespace") or "default",) if inside else (),
                mode=_mode(spec),
                rules=remarks.attempt(partial(_rules, spec, remarks), _DENIED, spec),
            )


def _check_objects(spec: Fields) -> None:
    constraints = spec.part("matchConstraints")
    if constraints is None:
        raise spec.refusal("matchConstraints", "is missing: then no object is looked at")
    with constraints:
        constraints.ignore("matchPolicy")
        rules = constraints.parts("resourceRules")
        if not any(_of_pods(each) for each in rules):
            raise constraints.refusal("resourceRules", "expected pods, when they are created: " + _OBJECTS)


def _of_pods(fields: Fields) -> bool:
    with fields:
        wanted = (("apiGroups", ""), ("apiVersions", "v1"), ("operations", "CREATE"), ("resources", "pods"))
        fields.ignore("scope")
        suits = [{"*", word} & set(fields.texts(name)) for name, word in wanted]
        return all(suits)


def _check_evaluation(spec: Fields) -> None:
    for code in ("matchConditions", "variables", "images"):
        spec.forbid(code, _CODE)
    evaluation = spec.part("evaluation")
    if evaluation is not None:
        with evaluation:
            evaluation.word("mode", ("Kubernetes",), default="Kubernetes")
            evaluation.ignore("background")
            admission = evaluation.part("admission")
            if admission is not None:
                with admission:
                    if not admission.flag("enabled", default=True):
                        raise admission.refusal("enabled", "is off, so that nothing is asked at admission")


def _mode(spec: Fields) -> str:
    actions = spec.texts("validationActions") or ("Deny",)
    modes = {"Deny": "enforce", "Warn": "warn", "Audit": "audit"}
    for each in actions:
        if each not in modes:
            raise spec.refusal("validationActions", f"holds {each[:40]!r}, expected some of: {', '.join(modes)}")
    return next(modes[each] for each in modes if each in actions)


def _images(spec: Fields) -> tuple[str, ...]:
    found: list[str] = []
    for each in spec.parts("matchImageReferences"):
        with each:
            each.forbid("expression", _CODE)
            text = each.text("glob")
            host, slash, _ = text.partition("/")
            if "*" in host.strip("*") or (host.endswith("*") and host.strip("*")) or not (slash or set(text) == {"*"}):
                # Names are matched as pods write them: `n*` is a name on Docker Hub as well.
                raise each.refusal("glob", f"{text[:80]!r} has to name a registry whole, or '*' in its place")
            try:
                found += demanded(text)
            except ValueError as error:
                raise each.refusal("glob", f"{text[:80]!r} {error}") from error
    return tuple(dict.fromkeys(found)) or ("**",)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Named:
    """Attestors and attestations by name."""

    attestors: Mapping[str, Fields]
    attestations: Mapping[str, Fields]
    remarks: Remarks


def _rules(spec: Fields, remarks: Remarks) -> Rules:
    named = _Named(
        attestors={each.text("name"): each for each in spec.parts("attestors")},
        attestations={each.text("name"): each for each in spec.parts("attestations")},
        remarks=remarks,
    )
    rules: Rules = ()
    for each in spec.parts("validations"):
        rules += remarks.attempt(partial(_validation, each, named), _DENIED, each)
    if not rules:
        raise spec.refusal("validations", "is missing, so that nothing is verified")
    return rules


def _validation(fields: Fields, named: _Named) -> Rules:
    with fields:
        fields.ignore("message", "messageExpression", "reason")
        text = "".join(fields.text("expression").split())
        return tuple(rule for clause in text.split("&&") for rule in _clause(fields, clause, named))


def _clause(fields: Fields, text: str, named: _Named) -> Rules:
    found = next((match for shape in _SHAPES if (match := shape.fullmatch(text)) is not None), None)
    if found is None:
        raise fields.refusal("expression", _SHAPE)
    _, dotted, quoted, listed, _, comparison, number = found.groups()
    references = [_ATTESTOR.fullmatch(each) for each in listed.split(",")]
    attestors = [match[1] or match[2] for match in references if match is not None]
    if len(attestors) < len(references):
        raise fields.refusal("expression", _SHAPE)
    needed = int(number) + (comparison == ">")
    if not needed or (comparison == "==" and needed != len(attestors)):
        raise fields.refusal("expression", f"asks for {comparison} {number} of {len(attestors)} attestors: at least 1")
    kind = _type(fields, dotted or quoted, named) if dotted or quoted else ""
    return at_least(needed, [_attestor(fields, name, kind, named) for name in attestors])


def _type(fields: Fields, name: str, named: _Named) -> str:
    attestation = named.attestations.get(name)
    if attestation is None:
        raise fields.refusal("expression", f"names the attestation {name[:60]!r}, which is not there")
    attestation.forbid("referrer", "artifacts beside an image are no statements, and are not read")
    intoto = attestation.part("intoto")
    if intoto is None:
        raise attestation.refuse("expected intoto")
    with intoto, attestation:
        kind = intoto.text("type")
        try:
            known_type(kind)
        except ValueError as error:
            raise intoto.refusal("type", str(error)) from error
        if ":" not in kind:
            raise intoto.refusal("type", f"{kind[:80]!r} is no predicate type URI")
        return kind


def _attestor(fields: Fields, name: str, kind: str, named: _Named) -> Rules:
    attestor = named.attestors.get(name)
    if attestor is None:
        raise fields.refusal("expression", f"names the attestor {name[:60]!r}, which is not there")
    with attestor:
        by: Form = {"by": {"any": signers(attestor, name, named.remarks)}}
    if kind:
        return ({"name": f"{name}-attested", "attestation": {"type": kind, **by}},)
    return ({"name": f"{name}-signed", "signature": by},)
