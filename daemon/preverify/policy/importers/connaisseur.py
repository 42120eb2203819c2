"""Values of Connaisseur's Helm chart: its validators and its image policy.

Only the rule with the most specific pattern counts there, and ours all do: each rule's policy excludes what more
specific ones are about. Images that a pattern matches by accident (its text somewhere in their name) are denied.

Spec:
    Connaisseur 3, "Image policy", "Validators".
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial

from preverify.model.strict_yaml import Document
from preverify.policy.importers.connaisseur_patterns import Pattern
from preverify.policy.importers.connaisseur_validators import DEFAULT, DENIED, by_name, demanded
from preverify.policy.importers.draft import PolicyDraft, Remarks
from preverify.policy.importers.fields import Fields, Files, member, whole
from preverify.policy.importers.scopes import LAYOUTS
from preverify.policy.places import refusal

NAME = "connaisseur"

_FEATURES = (
    "automaticUnchangedApproval",
    "automaticChildApproval",
    "namespacedValidation",
    "resourceValidationMode",
    "cache",
)


def recognises(document: Document) -> bool:
    """Say whether a document has the shape of the chart's values."""
    application = member(document, "application")
    return isinstance(application, dict) and {"validators", "policy"} <= application.keys()


def translate(documents: Sequence[Document], *, read_file: Files, remarks: Remarks) -> Sequence[PolicyDraft]:
    """Return a policy for each rule, and those that deny what no rule is meant for."""
    del read_file  # nothing is named by path
    if len(documents) > 1:
        raise refusal(documents[1], (), "is a second configuration; import one at a time")
    with whole(documents[0]) as fields:
        fields.ignore("kubernetes", "alerting")
        application = fields.part("application")
        if application is None:
            raise fields.refusal("application", "is missing")
        with application:
            application.ignore("logLevel")
            mode = "warn" if _only_warns(application, remarks) else "enforce"
            validators = by_name(application, "validators")
            rules = application.parts("policy")
            if not rules:
                raise application.refusal("policy", "is missing")
            return tuple(_policies(rules, validators, mode, remarks))


def _only_warns(application: Fields, remarks: Remarks) -> bool:
    features = application.part("features")
    if features is None:
        return False
    with features:
        for name in _FEATURES:
            if name in features:
                remarks.note(f"features.{name}: left out; images are looked at in every namespace and object here")
        features.ignore(*_FEATURES)
        return features.flag("detectionMode", default=False)


def _policies(
    rules: Sequence[Fields], validators: Mapping[str, Fields], mode: str, remarks: Remarks
) -> Iterator[PolicyDraft]:
    patterns = [_pattern(rule) for rule in rules]
    for i, (rule, pattern) in enumerate(zip(rules, patterns, strict=True)):
        with rule:
            exclude = [other.glob for j, other in enumerate(patterns) if j != i and _goes_before(rule, other, pattern)]
            wanted = rule.text("validator") or DEFAULT
            if wanted not in validators:
                raise rule.refusal("validator", f"{wanted[:80]!r} is not among the validators")
            demands = remarks.attempt(partial(demanded, rule, wanted, validators[wanted], remarks), DENIED, rule)
            layouts = [LAYOUTS] if pattern.glob.startswith("*") else []
            images = (pattern.glob,)
            name = f"{wanted} {'/'.join(pattern.components)}"
            yield PolicyDraft(name=name, images=images, exclude=(*exclude, *layouts), rules=demands, mode=mode)
            if pattern.elsewhere:
                name = f"elsewhere {'/'.join(pattern.components)}"
                yield PolicyDraft(name=name, images=(pattern.elsewhere,), exclude=images, rules=DENIED, mode=mode)
    if all(pattern.glob != "**" for pattern in patterns):
        globs = tuple(dict.fromkeys(pattern.glob for pattern in patterns))
        yield PolicyDraft(name="no-rule", images=("**",), exclude=globs, rules=DENIED, mode=mode)


def _pattern(rule: Fields) -> Pattern:
    text = rule.text("pattern")
    try:
        return Pattern.read(text)
    except ValueError as error:
        raise rule.refusal("pattern", f"{text[:80]!r} {error}") from error


def _goes_before(rule: Fields, other: Pattern, pattern: Pattern) -> bool:
    """Say whether another rule takes images away from this one."""
    if other.apart_from(pattern):
        return False
    try:
        return other.beats(pattern)
    except ValueError as error:
        why = f"and {'/'.join(other.components)!r} are about the same images: {error}; make one begin with the other"
        raise rule.refusal("pattern", why) from error
