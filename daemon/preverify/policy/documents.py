"""Policy documents to compiled policies. Whatever is unclear is refused here, so that nothing unclear ever decides."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from preverify.model import strict_yaml
from preverify.model.errors import BadConfiguration, BadInput
from preverify.model.needs import OF_MANIFESTS
from preverify.model.platforms import EACH_CHILD, Platforms
from preverify.model.strict_yaml import Document
from preverify.model.trust import Trust
from preverify.model.validation import nearest, validate
from preverify.model.verdicts import Mode
from preverify.policy.compile_exceptions import with_exceptions
from preverify.policy.compile_signers import compile_signers
from preverify.policy.exceptions import ExceptionDocument
from preverify.policy.expand_presets import written_out
from preverify.policy.image_globs import image_glob
from preverify.policy.places import Path, refusal
from preverify.policy.policies import API_VERSION, Policy, PolicySet, compiled
from preverify.policy.quorum import BySpec, Quorum, Signer
from preverify.policy.rules import Rule
from preverify.policy.schema import KINDS, PolicyDocument, PolicySpec, SignersDocument, Written
from preverify.policy.trust_documents import (
    ListFiles,
    ReadFile,
    ReadRoot,
    RootRequest,
    TrustDocument,
    builtin,
    compile_trust,
    names_of_roots,
    unknown_root,
)

MAX_POLICIES = 5_000
_NAMESPACE_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-*")

_Signers = list[tuple[Document, SignersDocument]]
_Trusts = list[tuple[Document, TrustDocument]]


def load(
    files: Sequence[tuple[str, bytes]],
    read_file: ReadFile,
    *,
    read_root: ReadRoot | None = None,
    list_files: ListFiles | None = None,
) -> PolicySet:
    """Read and compile the policy documents of a directory.

    Args:
        files: Names and contents of the documents; each may hold several.
        read_file: Returns the content of a file by its name relative to the policy directory. It may raise
            `BadConfiguration` or `OSError`.
        read_root: Returns a root that is built in or comes by TUF; asked only for roots that some signer names.
        list_files: Returns the names of the files in a directory (named as above) of a trust store: last parts only.

    Raises:
        BadConfiguration: with file, line and path; the first problem rules, nothing is loaded in part.
        Unavailable: a root that comes by TUF was never fetched and cannot be now.
    """
    policies: list[tuple[Document, PolicyDocument]] = []
    written_signers: _Signers = []
    trusts: _Trusts = []
    exceptions: list[tuple[Document, ExceptionDocument]] = []
    for name, data in files:
        for document in strict_yaml.read(data, name=name):
            typed = validate(_kind(document), document)
            if isinstance(typed, PolicyDocument):
                policies.append((document, typed))
            elif isinstance(typed, SignersDocument):
                written_signers.append((document, typed))
            elif isinstance(typed, ExceptionDocument):
                exceptions.append((document, typed))
            else:
                trusts.append((document, typed))
    if len(policies) > MAX_POLICIES:
        raise BadConfiguration(f"{len(policies)} policies, at most {MAX_POLICIES} are loaded")
    policies, written_signers = written_out(policies, written_signers)
    trust = compile_trust(
        trusts,
        wanted=_wanted_roots(written_signers, trusts),
        read_file=read_file,
        read_root=read_root or _no_roots,
        list_files=list_files,
    )
    signers: dict[str, Signer] = {}
    for document, typed_signers in written_signers:
        for signer in compile_signers(document, typed_signers, trust, read_file):
            if signer.name in signers:
                path = ("spec", signer.name)
                raise refusal(document, path, f"there is another signer named {signer.name!r}")
            signers[signer.name] = signer
    compiled_policies: dict[str, Policy] = {}
    for document, written in policies:
        policy = _compile(document, written, signers, trust)
        if policy.name in compiled_policies:
            raise refusal(document, ("metadata", "name"), f"there is another policy named {policy.name!r}")
        compiled_policies[policy.name] = policy
    return PolicySet.of(with_exceptions(compiled_policies, exceptions), signers, trust)


def _no_roots(request: RootRequest) -> bytes:
    raise BadConfiguration(
        f"root {request.name!r} cannot be read here: nothing to read built-in and TUF roots was given"
    )


def _wanted_roots(signers: _Signers, trusts: _Trusts) -> frozenset[str]:
    """Return the names of the roots that signers name; refuse those that nobody declares, where they are named."""
    known = names_of_roots(trusts)
    wanted: set[str] = set()
    for document, written in signers:
        for name, spec in written.spec.items():
            root = spec.trust if spec.keyless is None else spec.keyless.trust
            if root is None:
                continue
            if root not in known and builtin(root) is None:
                path = ("spec", name, "trust") if spec.keyless is None else ("spec", name, "keyless", "trust")
                raise refusal(document, path, unknown_root(root, known))
            wanted.add(root)
    return frozenset(wanted)


def _kind(document: Document) -> type[Written]:
    value: Any = document.value
    if not isinstance(value, dict):
        raise refusal(document, (), "expected a mapping with apiVersion, kind, metadata and spec")
    if value.get("apiVersion") != API_VERSION:
        seen = str(value.get("apiVersion"))[:60]
        raise refusal(document, ("apiVersion",), f"is {seen!r}, expected {API_VERSION!r}")
    kind = value.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        near = nearest(str(kind), KINDS)
        hint = f", did you mean {near!r}?" if near else f", expected one of: {', '.join(sorted(KINDS))}"
        raise refusal(document, ("kind",), f"is {str(kind)[:60]!r}{hint}")
    return KINDS[kind]


def _compile(document: Document, written: PolicyDocument, signers: Mapping[str, Signer], trust: Trust) -> Policy:
    spec = written.spec
    rules: dict[str, Rule] = {}
    for i, rule_spec in enumerate(spec.require):
        path = ("spec", "require", i)
        ((kind, demand),) = rule_spec.demands.items()
        if rule_spec.name in rules:
            raise refusal(document, (*path, "name"), f"there is another rule named {rule_spec.name!r} in this policy")
        resolve = partial(_quorum, document, (*path, kind), signers)
        try:
            rules[rule_spec.name] = demand.compile(name=rule_spec.name, mode=rule_spec.mode, quorum=resolve)
        except ValueError as error:
            raise refusal(document, (*path, kind), str(error)) from error
    if all(rule.mode is not Mode.ENFORCE for rule in rules.values()):
        raise refusal(
            document,
            ("spec", "require"),
            "every rule is audit or warn, so that nothing would be demanded; set the mode of the policy instead",
        )
    return compiled(
        name=written.metadata.name,
        images=tuple(_image_glob(document, ("spec", "images", i), g) for i, g in enumerate(spec.images)),
        exclude=tuple(_image_glob(document, ("spec", "exclude", i), g) for i, g in enumerate(spec.exclude)),
        namespaces=tuple(
            _namespace_glob(document, ("spec", "namespaces", i), g) for i, g in enumerate(spec.namespaces)
        ),
        mode=spec.mode,
        platforms=spec.platforms,
        own_platforms=_own_platforms(document, spec, rules),
        valid_for=spec.valid_for,
        rules=tuple(rules.values()),
        trust=trust,
    )


def _own_platforms(document: Document, spec: PolicySpec, rules: Mapping[str, Rule]) -> dict[str, Platforms]:
    """Return what rules say of platforms themselves. An index has no configuration: such rules look at its children."""
    own: dict[str, Platforms] = {}
    for i, written in enumerate(spec.require):
        of_manifests = bool(rules[written.name].needs & OF_MANIFESTS)
        if written.platforms is not None:
            own[written.name] = written.platforms
            if of_manifests and not written.platforms.of_children:
                detail = "looks at what only images have, and an index has not: expected each, or a list of platforms"
                raise refusal(document, ("spec", "require", i, "platforms"), detail)
        elif of_manifests and not spec.platforms.of_children:
            own[written.name] = EACH_CHILD
    return own


def _quorum(document: Document, path: Path, signers: Mapping[str, Signer], by: BySpec, at: Path = ()) -> Quorum:
    path = (*path, *at, "by")
    for name in by.names:
        if name not in signers:
            near = nearest(name, signers)
            known = ", ".join(sorted(signers)) or "none"
            hint = f"did you mean {near!r}?" if near else f"known signers: {known[:200]}"
            raise refusal(document, path, f"there is no signer {name!r}, {hint}")
    try:
        return Quorum.of(by.needed, [signers[name] for name in by.names])
    except ValueError as error:
        raise refusal(document, path, str(error)) from error


def _image_glob(document: Document, path: Path, text: str) -> str:
    try:
        return image_glob(text)
    except BadInput as error:
        raise refusal(document, path, str(error)) from error


def _namespace_glob(document: Document, path: tuple[str | int, ...], text: str) -> str:
    if not text or len(text) > 63 or not _NAMESPACE_CHARACTERS.issuperset(text) or "**" in text:
        raise refusal(document, path, f"{text[:80]!r} is not a namespace glob, expected a-z, 0-9, '-' and '*'")
    return text
