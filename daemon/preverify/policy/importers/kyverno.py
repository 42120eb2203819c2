"""ClusterPolicy and Policy of Kyverno, as far as they verify images.

Each entry of `verifyImages` becomes a policy: all of them have to pass, as theirs do.

Spec:
    `kyverno.io/v1`, as Kyverno v1.19 evaluates it.
"""

from collections.abc import Sequence
from functools import partial

from preverify.model.strict_yaml import Document
from preverify.policy.demands.attestation_types import known_type
from preverify.policy.importers.combine import Rules
from preverify.policy.importers.draft import DENY, PolicyDraft, Remarks
from preverify.policy.importers.fields import Fields, ReadFile, kubernetes, member, whole
from preverify.policy.importers.kyverno_attestors import BUNDLE, COSIGN, NOTARY, Asking, rules_of
from preverify.policy.importers.kyverno_images import demanded, skipped

NAME = "kyverno"

_GROUP = "kyverno.io"
_CODE = "this is code, which is not translated"
_OBJECTS = "policies here are about images, whatever object names them"
_KINDS = frozenset(
    {"Pod", "Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "Job", "CronJob", "ReplicationController"}
)
_DENIED: Rules = (DENY,)


def recognises(document: Document) -> bool:
    """Say whether a document is a policy of Kyverno's first language."""
    return kubernetes(document, (_GROUP,), ("ClusterPolicy", "Policy"))


def translate(documents: Sequence[Document], *, read_file: ReadFile, remarks: Remarks) -> Sequence[PolicyDraft]:
    """Return a policy for each entry of `verifyImages`."""
    del read_file  # nothing is named by path
    remarks.note(
        "images that no policy matches: Kyverno admits them, here listen.noPolicy decides, and denies by default"
    )
    remarks.note("Kyverno tells tags from digests (…:*); here policies are about all images of a repository")
    remarks.note(
        "Kyverno reads one storage format (type); here signatures and attestations count from wherever they are found "
        "beside the image, and an attestation is never taken for a signature"
    )
    return [draft for document in documents for draft in _policies(document, remarks)]


def _policies(document: Document, remarks: Remarks) -> list[PolicyDraft]:
    with whole(document) as fields:
        metadata, spec = fields.part("metadata"), fields.part("spec")
        fields.ignore("apiVersion", "kind", "status")
        name = metadata.text("name") if metadata is not None else ""
        if metadata is None or not name or spec is None:
            raise fields.refuse("expected metadata.name and spec")
        namespaces = (metadata.text("namespace") or "default",) if member(document, "kind") == "Policy" else ()
        with spec:
            softer = "warn" if spec.flag("emitWarning", default=False) else "audit"
            mode = _mode(spec, "validationFailureAction", "Audit", softer)
            _check_spec(spec)
            rules = spec.parts("rules")
            if not rules:
                raise spec.refusal("rules", "is missing")
            return [draft for rule in rules for draft in _rule(rule, name, namespaces, mode, remarks)]


def _mode(fields: Fields, member_name: str, default: str, softer: str) -> str:
    action = fields.word(member_name, ("Enforce", "Audit", "enforce", "audit"), default=default)
    return "enforce" if action.lower() == "enforce" else softer


def _check_spec(spec: Fields) -> None:
    spec.forbid("validationFailureActionOverrides", "one policy has one mode here; write one for each")
    if spec.text("applyRules") not in ("", "All"):
        raise spec.refusal("applyRules", "all rules count here")
    if not spec.flag("admission", default=True):
        raise spec.refusal("admission", "is off, so that nothing is asked at admission")
    webhook = spec.part("webhookConfiguration")
    if webhook is not None:
        with webhook:
            webhook.forbid("matchConditions", _OBJECTS)
            webhook.ignore("failurePolicy", "timeoutSeconds")
    spec.ignore("background", "failurePolicy", "schemaValidation", "webhookTimeoutSeconds", "useServerSideApply")
    spec.ignore("generateExisting", "generateExistingOnPolicyUpdate", "mutateExistingOnPolicyUpdate")


def _rule(fields: Fields, policy: str, inside: tuple[str, ...], mode: str, remarks: Remarks) -> list[PolicyDraft]:
    with fields:
        name = fields.text("name")
        fields.ignore("reportProperties", "skipBackgroundRequests")
        for kind in ("validate", "mutate", "generate"):
            fields.forbid(kind, "only verifyImages is imported; take this rule out")
        for code in ("context", "preconditions", "celPreconditions", "imageExtractors"):
            fields.forbid(code, _CODE)
        fields.forbid("exclude", _OBJECTS)
        namespaces = _namespaces(fields, inside)
        entries = fields.parts("verifyImages")
        if not entries:
            raise fields.refusal("verifyImages", "is missing, and nothing else is imported")
        title = f"{policy}-{name}" if name else policy
        return [_entry(each, title, namespaces, mode, remarks) for each in entries]


def _namespaces(fields: Fields, inside: tuple[str, ...]) -> tuple[str, ...]:
    """Return the namespaces of a rule's objects, empty for all; refuse whatever else chooses objects."""
    match = fields.part("match")
    if match is None:
        raise fields.refusal("match", "is missing")
    with match:
        filters = match.parts("any") or match.parts("all")
        if len(match.elements("all")) > 1 or {"any", "all"} <= set(match.names()):
            raise match.refusal("all", "several filters that all have to hold are not combined; write one")
        found = [_of_filter(each) for each in filters or (match,)]
    if not all(found):
        return inside
    if inside:
        raise fields.refusal("match", "names namespaces in a policy that is inside of one")
    return tuple(dict.fromkeys(name for each in found for name in each))


def _of_filter(fields: Fields) -> tuple[str, ...]:
    with fields:
        resources = fields.part("resources")
        if resources is None:
            raise fields.refuse("expected resources, which say what objects are looked at")
        return _of_objects(resources)


def _of_objects(fields: Fields) -> tuple[str, ...]:
    with fields:
        kinds = {kind.rpartition("/")[2] for kind in fields.texts("kinds")}
        if "Pod" not in kinds or not kinds <= _KINDS:
            raise fields.refusal("kinds", f"expected Pod, alone or with its controllers: {_OBJECTS}")
        operations = fields.texts("operations")
        if operations and not {"CREATE", "UPDATE"} <= set(operations):
            raise fields.refusal("operations", "pods are looked at when they are created and when they change")
        namespaces = fields.texts("namespaces")
        if any("?" in each for each in namespaces):
            raise fields.refusal("namespaces", "'?' cannot be said here, only '*'")
        return () if any(set(each) == {"*"} for each in namespaces) else namespaces


def _entry(fields: Fields, title: str, namespaces: tuple[str, ...], mode: str, remarks: Remarks) -> PolicyDraft:
    with fields:
        softer = "warn" if mode == "warn" else "audit"
        action = _mode(fields, "failureAction", "Enforce" if mode == "enforce" else "Audit", softer)
        for member_name in ("image", "key", "roots", "subject", "issuer", "additionalExtensions", "annotations"):
            fields.forbid(member_name, "is the older form; write it as imageReferences and attestors")
        if not fields.flag("required", default=True):
            remarks.note("required: false: images that a policy matches are always verified here")
        if fields.flag("mutateDigest", default=True):
            remarks.note("mutateDigest: images are not changed here; deploy by digest")
        fields.ignore("verifyDigest", "useCache", "cosignOCI11")
        if fields.take("imageRegistryCredentials"):
            remarks.note("imageRegistryCredentials: credentials belong to the source's settings")
        return PolicyDraft(
            name=title,
            images=_images(fields),
            exclude=_exclude(fields),
            namespaces=namespaces,
            mode=action,
            rules=remarks.attempt(partial(_rules, fields, title, remarks), _DENIED, fields),
        )


def _images(fields: Fields) -> tuple[str, ...]:
    found: list[str] = []
    for i, text in enumerate(fields.texts("imageReferences")):
        try:
            found += demanded(text)
        except ValueError as error:
            raise fields.refusal("imageReferences", f"element {i}, {text[:80]!r}, {error}") from error
    if not found:
        raise fields.refusal("imageReferences", "is missing")
    return tuple(dict.fromkeys(found))


def _exclude(fields: Fields) -> tuple[str, ...]:
    found: list[str] = []
    for i, text in enumerate(fields.texts("skipImageReferences")):
        try:
            found.append(skipped(text))
        except ValueError as error:
            raise fields.refusal("skipImageReferences", f"element {i}, {text[:80]!r}, {error}") from error
    return tuple(found)


def _rules(fields: Fields, name: str, remarks: Remarks) -> Rules:
    fields.forbid("repository", "evidence is looked for beside the image")
    validate = fields.part("validate")
    if validate is not None:
        with validate:
            validate.ignore("message")
            validate.forbid("deny", _CODE)
    kind = fields.word("type", (COSIGN, BUNDLE, NOTARY), default=COSIGN)
    asking = Asking(type=kind, name=name, remarks=remarks)
    rules = rules_of(fields.parts("attestors"), asking)
    for each in fields.parts("attestations"):
        rules += remarks.attempt(partial(_attestation, each, asking), _DENIED, each)
    if not rules:
        raise fields.refuse("has neither attestors nor attestations, so that it verifies nothing")
    return rules


def _attestation(fields: Fields, asking: Asking) -> Rules:
    with fields:
        fields.ignore("name")
        fields.forbid("conditions", _CODE + "; demand single facts with `predicate` in an attestation rule")
        if asking.type == NOTARY:
            raise fields.refuse("attestations in Notary's form are no statements, and are not read")
        older, kind = fields.text("predicateType"), fields.text("type")
        kind = kind or older
        try:
            known_type(kind)
        except ValueError as error:
            raise fields.refusal("type", str(error)) from error
        if ":" not in kind:
            raise fields.refusal("type", f"{kind[:80]!r} is no predicate type URI")
        sets = fields.parts("attestors")
        if not sets:
            raise fields.refusal("attestors", "is missing: then whoever has a certificate may attest")
        about = Asking(type=asking.type, name=asking.name, remarks=asking.remarks, predicate=kind)
        return rules_of(sets, about)
