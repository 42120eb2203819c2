"""What importers hand over: policies with signers, roots and files as values, and how they become documents.

Forms are plain values as our documents write them, with `Who`, `Root` and `File` in the place of names. Equal ones
become one; whatever no policy uses is not written.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import yaml

from preverify.model.errors import BadConfiguration
from preverify.policy.importers.fields import Fields
from preverify.policy.policies import API_VERSION
from preverify.policy.wire import NAME

Form = Mapping[str, Any]
_FOREIGN = re.compile(r"[^a-z0-9.-]+")
_MAX_NAME = 63
_IMPORTED = "imported"
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A file that is written beside the documents. `name` is a wish, with a folder: `keys/release.pub`."""

    name: str
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Root:
    """A root of a Trust document, under a name that it would like to have. `form` is None for a built-in one."""

    name: str
    form: Form | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Store:
    """A Notation store of a Trust document. `kind` is `ca`, `signingAuthority` or `tsa`."""

    kind: str
    name: str
    form: Form


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Who:
    """A signer of a Signers document, under a name that it would like to have."""

    name: str
    form: Form


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PolicyDraft:
    """One policy. `rules` are written rules, with a name that they would like to have: all have to hold."""

    name: str
    images: tuple[str, ...]
    rules: tuple[Form, ...]
    mode: str = "enforce"
    exclude: tuple[str, ...] = ()
    namespaces: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """Documents and files, by names relative to one directory, and what people have to know about them.

    Attributes:
        documents: YAML by file name.
        files: Keys and certificates that the documents name.
        notes: What means the same here but looks otherwise, and what the other tool did besides deciding.
        losses: Refusals that were turned into denials, on request.
    """

    documents: Mapping[str, bytes]
    files: Mapping[str, bytes]
    notes: tuple[str, ...] = ()
    losses: tuple[str, ...] = ()


@dataclass(slots=True)
class Remarks:
    """What is said beside the documents. `lossy`: what cannot be said is turned into a denial instead of refused."""

    lossy: bool = False
    notes: list[str] = field(default_factory=list)
    losses: list[str] = field(default_factory=list)

    def note(self, text: str) -> None:
        """Say something once."""
        if text not in self.notes:
            self.notes.append(text)

    def attempt(self, make: Callable[[], _T], otherwise: _T, fields: Fields) -> _T:
        """Return what `make` makes of `fields`; where it refuses and losses are allowed, `otherwise`: a denial."""
        try:
            return make()
        except BadConfiguration as error:
            if not self.lossy:
                raise
            self.losses.append(str(error))
            fields.give_up()
            return otherwise


# A key whose private part was never kept; it is revoked since before anything was signed besides.
_NOBODYS_KEY = b"""-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEZbna6Vqf6HzpsYteQF+oqNDm6HCU
OSndmSQK6xMiKFJndM+bovF0LWhfiO8B6ndIjpVF0LdseVN9vmY10RgOjw==
-----END PUBLIC KEY-----
"""
NOBODY = Who(
    name="nobody",
    form={
        "key": {"file": File(name="keys/nobody.pub", data=_NOBODYS_KEY), "revokedAt": "1970-01-01T00:00:00Z"},
        "tlog": "none",
    },
)
"""Whose signatures never count: what is demanded of them denies."""

UNCHECKED = Who(
    name="unchecked",
    form={
        "notation": {
            "trustPolicy": {
                "file": File(
                    name="unchecked.json",
                    data=b'{"version": "1.0", "trustPolicies": [{"name": "unchecked", "registryScopes": ["*"], '
                    b'"signatureVerification": {"level": "skip"}}]}\n',
                )
            }
        }
    },
)
"""Whose trust policy verifies nothing: what is demanded of them passes, says so, and nothing is published on it."""

DENY: Form = {"name": "denied", "signature": {"by": {"any": [NOBODY]}}}
PASS: Form = {"name": "unchecked", "signature": {"by": {"any": [UNCHECKED]}}}


def named(text: str) -> str:
    """Return the nearest thing to `text` that policies, signers and roots may be called.

    >>> named("Sign Images!")
    'sign-images'
    """
    name = _FOREIGN.sub("-", text.lower()).strip("-.")[:_MAX_NAME].strip("-.")
    return name if NAME.fullmatch(name) else _IMPORTED


def assemble(policies: Sequence[PolicyDraft], remarks: Remarks) -> Imported:
    """Turn drafts into documents."""
    making = _Making()
    written = [making.policy(policy) for policy in policies]
    documents = {"policies.yaml": _yaml(written)}
    if making.signers:
        documents["signers.yaml"] = _yaml([_document("Signers", making.signers)])
    trust = {key: part for key, part in (("roots", making.roots), ("stores", making.stores)) if part}
    if trust:
        documents["trust.yaml"] = _yaml([_document("Trust", trust)])
    return Imported(documents=documents, files=making.files, notes=tuple(remarks.notes), losses=tuple(remarks.losses))


def _document(kind: str, spec: Form, name: str = _IMPORTED) -> dict[str, Any]:
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": {"name": name}, "spec": spec}


def _yaml(documents: Sequence[Form]) -> bytes:
    text: str = yaml.safe_dump_all(documents, sort_keys=False, allow_unicode=True, width=110, explicit_start=True)
    return text.encode()


class _Making:
    """Gives everything that drafts hold a name, equal things the same one."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.roots: dict[str, Form] = {}
        self.stores: dict[str, Form] = {}
        self.signers: dict[str, Form] = {}
        self._policies: dict[str, None] = {}

    def policy(self, policy: PolicyDraft) -> dict[str, Any]:
        name = _free(named(policy.name), self._policies)
        self._policies[name] = None
        spec: dict[str, Any] = {"images": list(policy.images)}
        if policy.exclude:
            spec["exclude"] = list(policy.exclude)
        if policy.namespaces:
            spec["namespaces"] = list(policy.namespaces)
        if policy.mode != "enforce":
            spec["mode"] = policy.mode
        spec["require"] = self._rules(policy.rules)
        return _document("Policy", spec, name)

    def _rules(self, rules: Sequence[Form]) -> list[dict[str, Any]]:
        used: dict[str, None] = {}
        written: list[dict[str, Any]] = []
        for rule in rules:
            form = self._plain(rule)
            demand = {key: value for key, value in form.items() if key != "name"}
            if any(demand == {key: value for key, value in each.items() if key != "name"} for each in written):
                continue  # what is demanded twice is demanded
            name = _free(named(str(form.get("name") or next(iter(demand)))), used)
            used[name] = None
            written.append({"name": name, **demand})
        return written

    def _plain(self, value: Any) -> Any:
        if isinstance(value, Mapping):
            return {key: self._plain(each) for key, each in value.items()}
        if isinstance(value, list | tuple):
            # A list that names signers names each once, though several may have turned out to be the same.
            plain = [self._plain(each) for each in value]
            return list(dict.fromkeys(plain)) if any(isinstance(each, Who) for each in value) else plain
        if isinstance(value, File):
            return self._file(value)
        if isinstance(value, Root):
            if value.form is None:
                return value.name
            return _kept(named(value.name), self._plain(value.form), self.roots)
        if isinstance(value, Store):
            head = f"{value.kind}:"
            return _kept(head + named(value.name), self._plain(value.form), self.stores, among=head)
        if isinstance(value, Who):
            return _kept(named(value.name), self._plain(value.form), self.signers)
        return value

    def _file(self, wanted: File) -> str:
        folder, slash, last = wanted.name.rpartition("/")
        stem, _, suffix = last.rpartition(".")
        head = f"{folder}{slash}{named(stem)}"
        return _kept(f"{head}.{suffix}", wanted.data, self.files, between=(head, f".{suffix}"))


def _kept(name: str, value: _T, kept: dict[str, _T], *, between: tuple[str, str] | None = None, among: str = "") -> str:
    """Keep a value under its name, or another one where that is taken; return the name of an equal one.

    Only names that begin as `among` says are those of equal ones: a store of another kind is another store.
    """
    known = next((each for each, one in kept.items() if one == value and each.startswith(among)), None)
    if known is not None:
        return known
    free = _free(name, kept, between)
    kept[free] = value
    return free


def _free(name: str, taken: Mapping[str, object], between: tuple[str, str] | None = None) -> str:
    head, tail = between or (name, "")
    number, found = 1, name
    while found in taken:
        number += 1
        cut = head[: _MAX_NAME - len(str(number)) - 1].rstrip("-.") if between is None else head
        found = f"{cut}-{number}{tail}"
    return found
