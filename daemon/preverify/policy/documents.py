"""Policy documents to compiled policies. Whatever is unclear is refused here, so that nothing unclear ever decides."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from preverify.model import globs, strict_yaml
from preverify.model.errors import BadConfiguration, BadInput
from preverify.model.reference import registry_host
from preverify.model.strict_yaml import Document
from preverify.model.validation import nearest, validate
from preverify.model.verdicts import Mode
from preverify.policy.keys import read_public_key
from preverify.policy.policies import API_VERSION, Policy, PolicySet, compiled
from preverify.policy.quorum import Quorum, Signer
from preverify.policy.rules import Rule
from preverify.policy.schema import KINDS, PolicyDocument, SignersDocument

__all__ = ["PolicySet", "load"]

MAX_POLICIES = 5_000
_NAMESPACE_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-*")
ReadFile = Callable[[str], bytes]


def load(files: Sequence[tuple[str, bytes]], read_file: ReadFile) -> PolicySet:
    """Read and compile the policy documents of a directory.

    Args:
        files: Names and contents of the documents; each may hold several.
        read_file: Returns the content of a key file by its name relative to the policy directory. It may raise
            `BadConfiguration` or `OSError`.

    Raises:
        BadConfiguration: with file, line and path; the first problem rules, nothing is loaded in part.
    """
    policies: list[tuple[Document, PolicyDocument]] = []
    signers: dict[str, Signer] = {}
    for name, data in files:
        for document in strict_yaml.read(data, name=name):
            typed = validate(_kind(document), document)
            if isinstance(typed, PolicyDocument):
                policies.append((document, typed))
            else:
                _add_signers(signers, document, typed, read_file)
    if len(policies) > MAX_POLICIES:
        raise BadConfiguration(f"{len(policies)} policies, at most {MAX_POLICIES} are loaded")
    compiled_policies: dict[str, Policy] = {}
    for document, written in policies:
        policy = _compile(document, written, signers)
        if policy.name in compiled_policies:
            raise _refusal(document, ("metadata", "name"), f"there is another policy named {policy.name!r}")
        compiled_policies[policy.name] = policy
    return PolicySet.of(compiled_policies, signers)


def _kind(document: Document) -> type[PolicyDocument] | type[SignersDocument]:
    value: Any = document.value
    if not isinstance(value, dict):
        raise _refusal(document, (), "expected a mapping with apiVersion, kind, metadata and spec")
    if value.get("apiVersion") != API_VERSION:
        seen = str(value.get("apiVersion"))[:60]
        raise _refusal(document, ("apiVersion",), f"is {seen!r}, expected {API_VERSION!r}")
    kind = value.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        near = nearest(str(kind), KINDS)
        hint = f", did you mean {near!r}?" if near else f", expected one of: {', '.join(sorted(KINDS))}"
        raise _refusal(document, ("kind",), f"is {str(kind)[:60]!r}{hint}")
    return KINDS[kind]


def _add_signers(signers: dict[str, Signer], document: Document, written: SignersDocument, read_file: ReadFile) -> None:
    for name, spec in written.spec.items():
        path = ("spec", name)
        if name in signers:
            raise _refusal(document, path, f"there is another signer named {name!r}")
        if spec.key.file.startswith("/") or ".." in spec.key.file.split("/"):
            raise _refusal(document, (*path, "key", "file"), "leaves the policy directory, expected a path inside it")
        try:
            key = read_public_key(read_file(spec.key.file))
        except (OSError, ValueError, BadConfiguration) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            raise _refusal(document, (*path, "key", "file"), f"key file {spec.key.file!r}: {reason}") from error
        signers[name] = Signer(name=name, key=key)


def _compile(document: Document, written: PolicyDocument, signers: Mapping[str, Signer]) -> Policy:
    spec = written.spec
    rules: dict[str, Rule] = {}
    for i, rule_spec in enumerate(spec.require):
        path = ("spec", "require", i)
        ((kind, demand),) = rule_spec.demands.items()
        if rule_spec.name in rules:
            raise _refusal(document, (*path, "name"), f"there is another rule named {rule_spec.name!r} in this policy")
        quorum = _quorum(document, (*path, kind, "by"), demand.by.needed, demand.by.names, signers)
        rules[rule_spec.name] = demand.compile(name=rule_spec.name, mode=rule_spec.mode, by=quorum)
    if all(rule.mode is not Mode.ENFORCE for rule in rules.values()):
        raise _refusal(
            document,
            ("spec", "require"),
            "every rule is audit or warn, so that nothing would be demanded; set the mode of the policy instead",
        )
    return compiled(
        name=written.metadata.name,
        images=tuple(_image_glob(document, ("spec", "images", i), g) for i, g in enumerate(spec.images)),
        namespaces=tuple(
            _namespace_glob(document, ("spec", "namespaces", i), g) for i, g in enumerate(spec.namespaces)
        ),
        mode=spec.mode,
        platforms=spec.platforms,
        valid_for=spec.valid_for,
        rules=tuple(rules.values()),
    )


def _quorum(
    document: Document, path: tuple[str | int, ...], needed: int, names: Sequence[str], signers: Mapping[str, Signer]
) -> Quorum:
    for name in names:
        if name not in signers:
            near = nearest(name, signers)
            known = ", ".join(sorted(signers)) or "none"
            hint = f"did you mean {near!r}?" if near else f"known signers: {known[:200]}"
            raise _refusal(document, path, f"there is no signer {name!r}, {hint}")
    try:
        return Quorum.of(needed, [signers[name] for name in names])
    except ValueError as error:
        raise _refusal(document, path, str(error)) from error


def _image_glob(document: Document, path: tuple[str | int, ...], text: str) -> str:
    """Return a glob over `registry/path` in internal form; refuse what could never match anything."""
    host, slash, rest = text.partition("/")
    try:
        globs.check(text)
        if text.startswith("oci:/"):  # a directory of OCI layouts is a source too; paths have their own case
            return text
        host = host.lower() if "*" in host else registry_host(host)
    except BadInput as error:
        raise _refusal(document, path, str(error)) from error
    if "*" not in host and not _is_registry(host):
        raise _refusal(
            document, path, f"{text[:80]!r} starts with no registry; write docker.io/… or registry.example/…"
        )
    if ":" in rest:
        raise _refusal(document, path, f"{text[:80]!r} names a tag; tags do not take part, verdicts are about digests")
    if rest != rest.lower() or (slash and not rest):
        raise _refusal(document, path, f"{text[:80]!r} matches nothing: repository names are not empty and lower-case")
    if not slash and "**" not in host:
        raise _refusal(document, path, f"{text[:80]!r} names only a registry; write {host}/** for all of it")
    return f"{host}{slash}{rest}"


def _is_registry(host: str) -> bool:
    return host == "localhost" or any(c in host for c in ".:[")


def _namespace_glob(document: Document, path: tuple[str | int, ...], text: str) -> str:
    if not text or len(text) > 63 or not _NAMESPACE_CHARACTERS.issuperset(text) or "**" in text:
        raise _refusal(document, path, f"{text[:80]!r} is not a namespace glob, expected a-z, 0-9, '-' and '*'")
    return text


def _refusal(document: Document, path: tuple[str | int, ...], detail: str) -> BadConfiguration:
    return BadConfiguration(detail, where=document.where(path))
