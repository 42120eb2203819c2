"""Validators of Connaisseur, as rules: what a rule demands with one of them.

Spec:
    Connaisseur 3, "Validators": static, cosign (as cosign 2 verifies), notation; notaryv1 is not read here.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

from preverify.policy.certificates import read_certificates
from preverify.policy.importers import sigstore_signed
from preverify.policy.importers.combine import Rules
from preverify.policy.importers.draft import DENY, PASS, File, Form, Remarks, Root, Store, Who, named
from preverify.policy.importers.fields import Fields
from preverify.policy.importers.regexes import anywhere
from preverify.policy.importers.trust_root import PUBLIC
from preverify.policy.places import refusal, using

_TYPES = ("static", "cosign", "notation", "notaryv1")
_MODES = ("mutate", "insecureValidateOnly")
_ALL = "*"
DEFAULT = "default"
"""Validators and trust roots of this name are meant where none is named."""
DENIED: Rules = (DENY,)


def demanded(rule: Fields, name: str, validator: Fields, remarks: Remarks) -> Rules:
    """Return what a rule demands by its validator.

    Raises:
        BadConfiguration: with the place of what cannot be said.
    """
    kind = validator.word("type", _TYPES, default="")
    options = rule.part("with") or Fields(rule.document, (*rule.path, "with"), {})
    with validator, options:
        validator.ignore("name")
        options.word("mode", _MODES, default="mutate")  # whether references are replaced; verdicts are about digests
        return _TRANSLATORS[kind](validator, options, named(name), remarks)


def by_name(fields: Fields, name: str) -> Mapping[str, Fields]:
    """Return the elements of a list by their names, which have to be there and to differ."""
    found: dict[str, Fields] = {}
    for i, each in enumerate(fields.parts(name)):
        text = each.text("name")
        if not text or text in found:
            raise refusal(fields.document, (*fields.path, name, i), "has no name of its own")
        found[text] = each
    return found


def _static(validator: Fields, options: Fields, name: str, remarks: Remarks) -> Rules:
    del options
    if "approve" not in validator:
        raise validator.refuse("has no 'approve'")
    if not validator.flag("approve", default=False):
        return DENIED
    remarks.note(f"validator {name} approves everything: images pass unverified, and each verdict says so")
    return (PASS,)


def _notary_v1(validator: Fields, options: Fields, name: str, remarks: Remarks) -> Rules:
    del options, name, remarks
    raise validator.refusal("type", "notaryv1: signatures of Docker Content Trust are not read here")


def _roots(validator: Fields, remarks: Remarks) -> Mapping[str, Fields]:
    """Return the trust roots by name, and pass over how the registry is spoken to."""
    if "auth" in validator or "cert" in validator:
        remarks.note("auth and cert of validators: how registries are spoken to belongs to the source's settings")
    validator.ignore("auth", "cert")
    return by_name(validator, "trustRoots")


def _chosen(options: Fields, roots: Mapping[str, Fields]) -> tuple[Sequence[str], bool]:
    """Return which roots are asked, and whether as those of `*`."""
    choice = options.text("trustRoot") or DEFAULT
    names = tuple(roots) if choice == _ALL else (choice,)
    if not names or names[0] not in roots:
        raise options.refusal("trustRoot", f"{choice[:80]!r} is not among the validator's trust roots")
    return names, choice == _ALL


def _cosign(validator: Fields, options: Fields, name: str, remarks: Remarks) -> Rules:
    remarks.note(
        "Connaisseur reads signatures of cosign's older format, and asks the log where one brings no entry; here "
        "signatures count from wherever they are found beside the image, and bring their entry"
    )
    roots = _roots(validator, remarks)
    names, all_of_them = _chosen(options, roots)
    threshold, required = options.number("threshold") or 0, options.texts("required")
    if (threshold or required) and not all_of_them:
        raise options.refuse("threshold and required are looked at with trustRoot '*' only")
    for i, each in enumerate(required):
        if each not in roots or each in required[:i]:
            raise refusal(options.document, (*options.path, "required", i), "is not among the trust roots, or twice")
    if not 0 <= threshold <= len(names):
        raise options.refusal("threshold", f"is {threshold}, which {len(names)} trust roots never reach")
    trusting = _Trusting(validator, options, name, remarks)
    who = {each: _signer(roots[each], f"{name}-{each}", trusting) for each in names}
    needed = threshold or (0 if required else len(names))
    rules: list[Form] = []
    if required:
        rules.append(_signed({"all": [who[each] for each in required]}))
    if needed > len(required) or not required:
        by = {"all": list(who.values())} if needed == len(who) else {"atLeast": needed, "of": list(who.values())}
        rules.append(_signed(by))
    return tuple(rules)


def _signed(by: Mapping[str, object]) -> Form:
    return {"name": "signed", "signature": {"by": by}}


class _Trusting:
    """What a validator of cosign trusts beside its trust roots: one Sigstore instance, its own or the public one."""

    def __init__(self, validator: Fields, options: Fields, name: str, remarks: Remarks) -> None:
        self.log = options.flag("verifyInTransparencyLog", default=True)
        self.sct = options.flag("verifySCT", default=True)
        self._name = name
        self._remarks = remarks
        self._host = validator.part("host") or Fields(validator.document, (*validator.path, "host"), {})
        with self._host as host:
            host.ignore("rekor")  # where entries are asked for that signatures do not bring
            self._pems = {part: host.text(part) for part in ("rekorPubkey", "fulcioCert", "ctLogPubkey")}

    def of_key(self) -> dict[str, object]:
        """Return what a signer by key looks at."""
        if not self.log:
            return {"tlog": "none"}
        root = Root(name=self._name, form={"logs": [self._key("rekorPubkey")]}) if self._pems["rekorPubkey"] else PUBLIC
        return {"tlog": "required", "trust": root}

    def of_identity(self) -> dict[str, object]:
        """Return what a signer by certificate looks at: everything of one instance."""
        parts = {"fulcioCert": True, "rekorPubkey": self.log, "ctLogPubkey": self.sct}
        own = [part for part, wanted in parts.items() if wanted and self._pems[part]]
        if own and len(own) < sum(parts.values()):
            missing = next(part for part, wanted in parts.items() if wanted and part not in own)
            raise self._host.refuse(f"has {own[0]} and no {missing}: parts of two instances are never pooled")
        log, sct = "required" if self.log else "none", "required" if self.sct else "none"
        root = self._own() if own else PUBLIC
        return {"trust": root, "tlog": log, "timestamps": "none", "sct": sct}

    def _own(self) -> Root:
        with using(self._host.document, (*self._host.path, "fulcioCert"), self._name):
            issuers = sigstore_signed.authorities(self._name, self._pems["fulcioCert"].encode(), self._remarks)
        form: dict[str, object] = {"authorities": list(issuers)}
        form |= {"logs": [self._key("rekorPubkey")]} if self.log else {}
        form |= {"ctLogs": [self._key("ctLogPubkey")]} if self.sct else {}
        return Root(name=self._name, form=form)

    def _key(self, part: str) -> Form:
        with using(self._host.document, (*self._host.path, part), self._name):
            return sigstore_signed.log(self._name, self._pems[part].encode())


def _signer(root: Fields, name: str, trusting: _Trusting) -> Who:
    with root:
        root.ignore("name")
        keyless, key = root.part("keyless"), root.text("key")
        if (keyless is None) == (not key):
            raise root.refuse("expected exactly one of key and keyless")
        if keyless is None:
            looks = trusting.of_key()
            with using(root.document, (*root.path, "key"), name):
                signer = sigstore_signed.by_key(named(name), key.encode(), None)
            return Who(name=signer.name, form={**signer.form, **looks})
        with keyless:
            who = {key: text for what in ("issuer", "subject") for key, text in (_identity(keyless, what),)}
            return Who(name=name, form={"keyless": {**who, **trusting.of_identity()}})


def _identity(keyless: Fields, what: str) -> tuple[str, str]:
    exact, expression = keyless.text(what), keyless.text(f"{what}Regex")
    if bool(exact) == bool(expression):
        raise keyless.refuse(f"expected exactly one of {what} and {what}Regex")
    if exact:
        return what, exact
    try:
        return f"{what}Pattern", anywhere(expression)
    except ValueError as error:
        raise keyless.refusal(f"{what}Regex", str(error)) from error


def _notation(validator: Fields, options: Fields, name: str, remarks: Remarks) -> Rules:
    roots = _roots(validator, remarks)
    names, _ = _chosen(options, roots)
    stores = [store for each in names for store in _stores(roots[each], f"{name}-{each}")]
    form = {
        "stores": stores,
        "identities": ["*"],
        "level": options.word("verificationLevel", ("strict", "permissive", "audit"), default="strict"),
        "verifyTimestamp": options.word("verifyTimestamp", ("always", "afterCertExpiry"), default="always"),
    }
    return (_signed({"any": [Who(name=name, form={"notation": form})]}),)


def _stores(root: Fields, name: str) -> Iterator[Store]:
    with root:
        root.ignore("name")
        for kind, part in (("ca", "cert"), ("tsa", "tsCert")):
            text = root.text(part)
            if not text and kind == "ca":
                raise root.refusal(part, "is missing")
            if text:
                with using(root.document, (*root.path, part), name):
                    if len(read_certificates(text.encode())) != 1:
                        raise ValueError("holds several certificates, of which Connaisseur reads the first one only")
                yield Store(kind=kind, name=name, form={"files": [File(name=f"trust/{name}.pem", data=text.encode())]})


_TRANSLATORS: Mapping[str, Callable[[Fields, Fields, str, Remarks], Rules]] = {
    "static": _static,
    "cosign": _cosign,
    "notation": _notation,
    "notaryv1": _notary_v1,
}
