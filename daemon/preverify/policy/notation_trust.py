"""Notation trust policies, from `trustpolicy.json` or from the parts of one statement, to an anchor."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from preverify.model.anchors import Action, NotationAnchor, NotationStatement
from preverify.model.distinguished_names import Name, covers, parse_name
from preverify.model.errors import BadConfiguration, BadInput, MalformedEvidence
from preverify.model.reference import Repository, is_registry
from preverify.model.strict_json import parse
from preverify.model.trust import Store
from preverify.model.validation import unknown_key

StoreOf = Callable[[str, str], Store | None]
"""Finds a trust store by its kind and name."""

MAX_DOCUMENT_BYTES = 1 << 20
VERSION = "1.0"
KINDS = ("ca", "signingAuthority", "tsa")

_ENFORCE, _LOG = Action.ENFORCE, Action.LOG
_CHECKS = {
    "authenticity": "authenticity",
    "authenticTimestamp": "authentic_timestamp",
    "expiry": "expiry",
    "revocation": "revocation",
}
_LEVELS: Mapping[str, tuple[Action, ...]] = {
    "strict": (_ENFORCE, _ENFORCE, _ENFORCE, _ENFORCE),
    "permissive": (_ENFORCE, _LOG, _LOG, _LOG),
    "audit": (_LOG, _LOG, _LOG, _LOG),
}
_SKIP = "skip"
_ACTIONS = frozenset(action.value for action in Action)
_STORE_NAME = re.compile(r"[a-zA-Z0-9_.-]+")
_SUBJECT = "x509.subject"
_DOCUMENT = ("version", "trustPolicies")
_STATEMENT = ("name", "registryScopes", "signatureVerification", "trustStores", "trustedIdentities")
_VERIFICATION = ("level", "override", "verifyTimestamp")


def read_trust_policy(document: bytes, *, store_of: StoreOf) -> NotationAnchor:
    """Compile a `trustpolicy.json` (or `trustpolicy.oci.json`).

    Fields that the format does not know are refused, where notation reads over them: a misspelled `override` must not
    vanish.

    Raises:
        BadConfiguration: `where` is a path in the document.

    Spec:
        Notary Project, trust store and trust policy, "Trust Policy", version 1.0, the only one.
    """
    try:
        value = parse(document, max_bytes=MAX_DOCUMENT_BYTES)
    except MalformedEvidence as error:
        raise BadConfiguration(f"not a trust policy document: {error.detail}") from error
    whole = _object(value, "", _DOCUMENT)
    if whole.get("version") != VERSION:
        raise BadConfiguration(f"is {whole.get('version')!r}, expected {VERSION!r}"[:160], where="version")
    written = whole.get("trustPolicies")
    if not isinstance(written, list) or not written:
        raise BadConfiguration("expected a list of at least one statement", where="trustPolicies")
    statements = tuple(_statement(each, f"trustPolicies[{i}]", store_of) for i, each in enumerate(written))
    _check_unique([(each.name,) for each in statements], "name")
    _check_unique([each.scopes for each in statements], "registryScopes")
    return NotationAnchor(statements=statements)


def inline(
    *,
    stores: Sequence[str],
    identities: Sequence[str],
    level: str,
    override: Mapping[str, str],
    verify_timestamp: str,
    store_of: StoreOf,
) -> NotationAnchor:
    """Compile one statement for all repositories from its parts, by the same rules.

    Raises:
        BadConfiguration: `where` is the name of a part.
    """
    verification = {"level": level, "override": dict(override), "verifyTimestamp": verify_timestamp}
    demands = _verification(verification, "")
    found = _whom(stores, identities, "", store_of, names=("stores", "identities"), skip="skip" in demands)
    return NotationAnchor(statements=(NotationStatement(name="inline", scopes=("*",), **demands, **found),))


def _statement(value: object, where: str, store_of: StoreOf) -> NotationStatement:
    written = _object(value, where, _STATEMENT)
    name = written.get("name")
    if not isinstance(name, str) or not name:
        raise BadConfiguration("expected a name", where=f"{where}.name")
    demands = _verification(written.get("signatureVerification"), f"{where}.signatureVerification")
    whom = _whom(
        _texts(written.get("trustStores", []), f"{where}.trustStores"),
        _texts(written.get("trustedIdentities", []), f"{where}.trustedIdentities"),
        where,
        store_of,
        skip="skip" in demands,
    )
    scopes = _scopes(_texts(written.get("registryScopes"), f"{where}.registryScopes"), f"{where}.registryScopes")
    return NotationStatement(name=name, scopes=scopes, **demands, **whom)


def _verification(value: object, where: str) -> dict[str, Any]:
    """Return what a statement demands, as fields of `NotationStatement`."""
    written = _object(value, where, _VERIFICATION)
    level, override = written.get("level"), written.get("override") or {}
    when = written.get("verifyTimestamp") or "always"
    if when not in ("always", "afterCertExpiry"):
        raise BadConfiguration(
            f"is {str(when)[:60]!r}, expected always or afterCertExpiry", where=_in(where, "verifyTimestamp")
        )
    if level == _SKIP:
        if override:
            raise BadConfiguration("level skip cannot be customised", where=_in(where, "override"))
        return {"skip": True}
    if not isinstance(level, str) or level not in _LEVELS:
        expected = ", ".join((*_LEVELS, _SKIP))
        raise BadConfiguration(f"is {str(level)[:60]!r}, expected one of: {expected}", where=_in(where, "level"))
    actions = dict(zip(_CHECKS.values(), _LEVELS[level], strict=True))
    return actions | _overrides(override, _in(where, "override")) | {"after_expiry_only": when == "afterCertExpiry"}


def _overrides(value: object, where: str) -> dict[str, Action]:
    written = _object(value, where, tuple(_CHECKS))  # integrity is not among them: nothing overrides it
    found: dict[str, Action] = {}
    for check, action in written.items():
        if not isinstance(action, str) or action not in _ACTIONS:
            raise BadConfiguration(f"is {str(action)[:60]!r}, expected enforce or log", where=f"{where}.{check}")
        if action == Action.SKIP and check != "revocation":
            raise BadConfiguration("cannot be skipped, only revocation can", where=f"{where}.{check}")
        found[_CHECKS[check]] = Action(action)
    return found


def _whom(
    stores: Sequence[str],
    identities: Sequence[str],
    where: str,
    store_of: StoreOf,
    *,
    skip: bool,
    names: tuple[str, str] = ("trustStores", "trustedIdentities"),
) -> dict[str, Any]:
    """Return whom a statement trusts, as fields of `NotationStatement`."""
    if skip:
        if stores or identities:
            raise BadConfiguration("level skip takes neither trust stores nor trusted identities", where=where)
        return {}
    ids, kinds = [], set()
    for i, each in enumerate(stores):
        store = _store(each, f"{_in(where, names[0])}[{i}]", store_of)
        ids.append(store.id)
        kinds.add(store.kind)
    if not kinds - {"tsa"}:
        raise BadConfiguration("expected at least one ca or signingAuthority store", where=_in(where, names[0]))
    return {
        "stores": tuple(dict.fromkeys(ids)),
        "identities": _identities(identities, _in(where, names[1])),
    }


def _store(text: str, where: str, store_of: StoreOf) -> Store:
    kind, colon, name = text.partition(":")
    if not colon or kind not in KINDS or _STORE_NAME.fullmatch(name) is None:
        raise BadConfiguration(
            f"{text[:80]!r} is no trust store, expected ca:, signingAuthority: or tsa: and a name of A-Z a-z 0-9 _ . -",
            where=where,
        )
    store = store_of(kind, name)
    if store is None:
        raise BadConfiguration(f"no trust store {text[:80]!r} is defined", where=where)
    return store


def _identities(written: Sequence[str], where: str) -> tuple[Name, ...] | None:
    """Return the trusted subjects; None for anybody whom the stores vouch for."""
    if list(written) == ["*"]:
        return None
    if "*" in written or not written:
        raise BadConfiguration("expected identities, or '*' alone", where=where)
    found: list[Name] = []
    for i, each in enumerate(written):
        kind, colon, text = each.partition(":")
        if not colon:
            raise BadConfiguration(f"{each[:80]!r} has no prefix, expected {_SUBJECT}: …", where=f"{where}[{i}]")
        if kind != _SUBJECT:  # for plug-ins, which there are none of here
            continue
        try:
            name = parse_name(text)
        except BadInput as error:
            raise BadConfiguration(f"{each[:80]!r}: {error}", where=f"{where}[{i}]") from error
        if any(covers(name, other) or covers(other, name) for other in found):
            raise BadConfiguration(f"{each[:80]!r} overlaps with one before it", where=f"{where}[{i}]")
        found.append(name)
    if not found:
        raise BadConfiguration(f"none of the identities is of kind {_SUBJECT}, so nobody is trusted", where=where)
    return tuple(found)


def _scopes(written: Sequence[str], where: str) -> tuple[str, ...]:
    if list(written) == ["*"]:
        return ("*",)
    if "*" in written or not written:
        raise BadConfiguration("expected repositories, or '*' alone", where=where)
    return tuple(_scope(each, f"{where}[{i}]") for i, each in enumerate(written))


def _scope(text: str, where: str) -> str:
    """Return a repository in internal form. The registry has to stand there: nothing is implied in a scope."""
    expected = "expected registry/repository without tag or digest"
    host, slash, _ = text.partition("/")
    if not slash or not is_registry(host):
        raise BadConfiguration(f"{text[:80]!r} names no registry, {expected}", where=where)
    try:
        return str(Repository.parse(text))
    except BadInput as error:
        raise BadConfiguration(f"{error}, {expected}", where=where) from error


def _check_unique(values: Sequence[Sequence[str]], what: str) -> None:
    seen: set[str] = set()
    for i, each in enumerate(values):
        for text in each:
            if text in seen:
                raise BadConfiguration(f"{text[:80]!r} stands twice", where=f"trustPolicies[{i}].{what}")
            seen.add(text)


def _object(value: object, where: str, known: Sequence[str]) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise BadConfiguration(f"is {type(value).__name__}, expected an object", where=where)
    for key in value:
        if key not in known:
            raise BadConfiguration(unknown_key(key, known), where=where)
    return value


def _texts(value: object, where: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise BadConfiguration("expected a list of texts", where=where)
    return tuple(value)


def _in(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name
