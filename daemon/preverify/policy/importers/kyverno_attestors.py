"""Attestors of Kyverno's verifyImages: who has to have signed, as rules.

Sets are demanded all together; of a set's entries all, or as many as `count` says. Each entry is verified for itself.

Spec:
    `kyverno.io/v1`, as Kyverno v1.19 evaluates it.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from preverify.policy.importers.combine import Rules, at_least
from preverify.policy.importers.draft import DENY, File, Form, Remarks, Root, Store, Who
from preverify.policy.importers.fields import Fields
from preverify.policy.importers.keys import check_key
from preverify.policy.importers.regexes import anywhere, checked
from preverify.policy.importers.sigstore_signed import authorities, log
from preverify.policy.importers.trust_root import PUBLIC

COSIGN, BUNDLE, NOTARY = "Cosign", "SigstoreBundle", "Notary"
_NESTED = "attestor"
_PUBLIC_REKOR = "https://rekor.sigstore.dev"
_ENDS = "-----END PUBLIC KEY-----"
_EXTENSIONS: Mapping[str, str] = {
    "githubWorkflowTrigger": "githubWorkflowTrigger",
    "githubWorkflowSha": "githubWorkflowSHA",
    "githubWorkflowName": "githubWorkflowName",
    "githubWorkflowRepository": "githubWorkflowRepository",
    "githubWorkflowRef": "githubWorkflowRef",
    **{
        f"1.3.6.1.4.1.57264.1.{number}": f"githubWorkflow{name}"
        for number, name in ((2, "Trigger"), (3, "SHA"), (4, "Name"), (5, "Repository"), (6, "Ref"))
    },
}
_DENIED: tuple[Rules, ...] = ((DENY,),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """What attestors are asked about: signatures of a type, or attestations (`predicate` is their type)."""

    type: str
    name: str
    remarks: Remarks
    predicate: str = ""

    def rule(self, whom: Sequence[Who], annotations: Mapping[str, str]) -> Form:
        """Return the rule: one of these signers."""
        by: Form = {"by": {"any": list(whom)}}
        if self.predicate:
            return {"name": "attested", "attestation": {"type": self.predicate, **by}}
        return {"name": "signed", "signature": {**by, **({"annotations": dict(annotations)} if annotations else {})}}


def rules_of(sets: Sequence[Fields], asking: Asking) -> Rules:
    """Return the rules of attestor sets that all have to be satisfied."""
    return tuple(rule for each in sets for rule in _set(each, asking))


def _set(fields: Fields, asking: Asking) -> Rules:
    with fields:
        count = fields.number("count")
        entries = fields.parts("entries")
        if not entries:
            raise fields.refusal("entries", "is missing")
        if count is not None and count < 0:
            raise fields.refusal("count", f"is {count}, expected at least 1")
        alternatives: list[Rules] = []
        for entry in entries:
            alternatives += asking.remarks.attempt(partial(_entry, entry, asking), _DENIED, entry)
        if count is not None and count > len(alternatives):
            raise fields.refusal("count", f"is {count}, and there are {len(alternatives)} entries")
        return at_least(count or len(alternatives), alternatives)


def _entry(fields: Fields, asking: Asking) -> tuple[Rules, ...]:
    """Return what an entry asks for: once, or once for each of its keys."""
    with fields:
        fields.forbid("repository", "evidence is looked for beside the image")
        algorithm = fields.text("signatureAlgorithm")
        annotations = fields.pairs("annotations")
        if annotations and (asking.predicate or asking.type != COSIGN):
            raise fields.refusal("annotations", f"{asking.type} looks at annotations of cosign's older signatures only")
        kinds = {kind: part for kind in (*_READERS, _NESTED) if (part := fields.part(kind)) is not None}
        if len(kinds) != 1:
            raise fields.refuse(f"expected exactly one of {', '.join((*_READERS, _NESTED))}")
        ((kind, part),) = kinds.items()
        if kind == _NESTED:
            if asking.predicate:
                raise fields.refusal(kind, "Kyverno does not look into it where attestations are asked for")
            return (_set(part, asking),)
        if (asking.type == NOTARY) != (kind == "certificates"):
            raise fields.refusal(kind, _MISFIT[kind])
        if kind == "keys" and algorithm not in ("", "sha256"):
            raise fields.refusal("signatureAlgorithm", "the hash follows from the key here: expected sha256")
        return tuple((asking.rule([who], annotations),) for who in _READERS[kind](part, asking))


_MISFIT: Mapping[str, str] = {
    "certificates": "a signer by one certificate is not imported; write its public key as keys, or its authority as "
    "keyless with roots",
    "keys": "Notary asks for certificates",
    "keyless": "Notary asks for certificates",
}


def _keys(fields: Fields, asking: Asking) -> Iterator[Who]:
    with fields:
        for member in ("kms", "secret"):
            fields.forbid(member, "is not asked for keys; write the public key as publicKeys")
        if fields.text("signatureAlgorithm") not in ("", "sha256"):
            raise fields.refusal("signatureAlgorithm", "the hash follows from the key here: expected sha256")
        looks = _looks(fields, asking, by_key=True)
        text = fields.text("publicKeys")
        pems = [f"{each.strip()}\n{_ENDS}\n".encode() for each in text.split(_ENDS)[:-1]]
        if len(pems) > 1 and asking.predicate:
            raise fields.refusal("publicKeys", "Kyverno only looks at the first key where attestations are asked for")
        if not pems or text.split(_ENDS)[-1].strip():
            raise fields.refusal("publicKeys", "holds no public keys in PEM")
        for pem in pems:
            try:
                check_key(pem)
            except ValueError as error:
                raise fields.refusal("publicKeys", str(error)) from error
            yield Who(name=asking.name, form={"key": {"file": File(name=f"keys/{asking.name}.pub", data=pem)}, **looks})


def _keyless(fields: Fields, asking: Asking) -> Iterator[Who]:
    with fields:
        who = {**_name(fields, "issuer", asking), **_name(fields, "subject", asking)}
        looks = _looks(fields, asking, by_key=False)
        extensions = fields.part("additionalExtensions")
        if extensions is not None and asking.type == BUNDLE:
            raise fields.refusal("additionalExtensions", f"{BUNDLE} does not look at it")
        if extensions is not None:
            who["extensions"] = dict(_extension(extensions, name) for name in extensions.names())
        yield Who(name=asking.name, form={"keyless": {**who, **looks}})


def _extension(fields: Fields, name: str) -> tuple[str, str]:
    value = fields.text(name)
    if name not in _EXTENSIONS or not value or "*" in value or "?" in value:
        raise fields.refusal(
            name, f"expected one of {', '.join(list(_EXTENSIONS)[:5])}, with a value without wildcards"
        )
    return _EXTENSIONS[name], value


def _name(fields: Fields, what: str, asking: Asking) -> dict[str, object]:
    """Return an issuer or subject. Cosign's ones know wildcards, those of bundles are exact."""
    exact, expression = fields.text(what), fields.text(f"{what}RegExp")
    if bool(exact) == bool(expression):
        raise fields.refusal(what, f"expected exactly one of {what} and {what}RegExp: both have to name somebody")
    try:
        if expression:
            return {f"{what}Pattern": anywhere(expression)}
        if asking.type == BUNDLE or not ("*" in exact or "?" in exact):
            return {what: exact}
        parts = {"*": "(?s:.*)", "?": "(?s:.)"}
        return {f"{what}Pattern": checked("".join(parts.get(c, re.escape(c)) for c in exact))}
    except ValueError as error:
        raise fields.refusal(f"{what}RegExp" if expression else what, str(error)) from error


def _certificates(fields: Fields, asking: Asking) -> Iterator[Who]:
    with fields:
        for member in ("rekor", "ctlog"):
            fields.forbid(member, "Notary looks at no such log")
        pem = "\n".join(each.strip() for each in (fields.text("cert"), fields.text("certChain")) if each)
        if not pem:
            raise fields.refuse("expected cert or certChain")
        files = [File(name=f"certs/{asking.name}.pem", data=f"{pem}\n".encode())]
        store = Store(kind="ca", name=asking.name, form={"files": files})
        yield Who(name=asking.name, form={"notation": {"stores": [store], "identities": ["*"], "level": "strict"}})


_READERS: Mapping[str, Callable[[Fields, Asking], Iterator[Who]]] = {
    "keys": _keys,
    "certificates": _certificates,
    "keyless": _keyless,
}


# --- logs and roots ---


@dataclass(frozen=True, slots=True, kw_only=True)
class _Logs:
    """What `rekor` and `ctlog` say."""

    ignores_log: bool = False
    log_key: bytes = b""
    ignores_sct: bool = False
    sct_key: bytes = b""
    stamps: bytes = b""


def _logs(fields: Fields) -> _Logs:
    rekor, ctlog = fields.part("rekor"), fields.part("ctlog")
    said: dict[str, object] = {}
    if rekor is not None:
        with rekor:
            url = rekor.text("url")
            said["ignores_log"] = rekor.flag("ignoreTlog", default=False)
            said["log_key"] = rekor.text("pubkey").encode()
            if url not in ("", _PUBLIC_REKOR) and not said["ignores_log"] and not said["log_key"]:
                raise rekor.refusal("url", "is another log without its pubkey, so that nothing of it could be checked")
    if ctlog is not None:
        with ctlog:
            said["ignores_sct"] = ctlog.flag("ignoreSCT", default=False)
            said["sct_key"] = ctlog.text("pubkey").encode()
            said["stamps"] = ctlog.text("tsaCertChain").encode()
    return _Logs(**said)  # type: ignore[arg-type]  # each by its own name


def _looks(fields: Fields, asking: Asking, *, by_key: bool) -> dict[str, object]:
    """Return what a signer looks at, and the root of it: the public one, or one of parts, never both."""
    logs = _logs(fields)
    roots = b"" if by_key else fields.text("roots").encode()
    if asking.type == BUNDLE:
        return _looks_of_bundles(fields, logs, roots, by_key=by_key)
    own = {
        "authorities": roots,
        "logs": b"" if logs.ignores_log else logs.log_key,
        "ctLogs": b"" if by_key or logs.ignores_sct else logs.sct_key,
        "timestampAuthorities": logs.stamps,
    }
    public = (
        not by_key and not roots,
        not logs.ignores_log and not logs.log_key,
        not by_key and not logs.ignores_sct and not logs.sct_key,
    )
    parts = {member: pem for member, pem in own.items() if pem}
    if parts and any(public):
        raise fields.refuse(
            f"trusts {', '.join(parts)} of one's own beside the public instance; roots are never pooled: give all of "
            "roots, rekor.pubkey and ctlog.pubkey, or ignore what is not there"
        )
    form: dict[str, object] = {"tlog": "none" if logs.ignores_log else "required"}
    if not by_key or logs.stamps:
        form["timestamps"] = _stamps(logs)
    if parts or any(public):
        form["trust"] = _root(fields, asking, parts) if parts else PUBLIC
    return form if by_key else {**form, "sct": "none" if logs.ignores_sct else "required"}


def _stamps(logs: _Logs) -> str:
    if not logs.stamps:
        return "none"
    return "required" if logs.ignores_log else "accepted"


def _looks_of_bundles(fields: Fields, logs: _Logs, roots: bytes, *, by_key: bool) -> dict[str, object]:
    if roots or logs.log_key or logs.sct_key or logs.stamps:
        raise fields.refuse(f"names roots or logs of one's own, which {BUNDLE} does not look at")
    if logs.ignores_log != logs.ignores_sct:
        why = "one of rekor.ignoreTlog and ctlog.ignoreSCT alone asks for times in a way that cannot be said here"
        raise fields.refuse(f"{why}: both, or neither")
    if logs.ignores_log:
        none: dict[str, object] = {"tlog": "none"}
        return none if by_key else {**none, "timestamps": "none", "sct": "none", "trust": PUBLIC}
    looks: dict[str, object] = {"tlog": "required", "timestamps": "accepted", "trust": PUBLIC}
    return looks if by_key else {**looks, "sct": "none"}


def _root(fields: Fields, asking: Asking, parts: Mapping[str, bytes]) -> Root:
    name = f"{asking.name}-root"
    form: dict[str, object] = {}
    try:
        for member, pem in parts.items():
            if member in ("logs", "ctLogs"):
                form[member] = [log(f"{name}-{member.lower()}", pem)]
            else:
                form[member] = list(authorities(f"{name}-{member.lower()}", pem, asking.remarks))
    except ValueError as error:
        raise fields.refuse(f"names roots or logs that cannot be used: {error}") from error
    return Root(name=name, form=form)
