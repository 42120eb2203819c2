"""Attestors of Kyverno's ImageValidatingPolicy: by key, by identity, or Notary's certificates.

Spec:
    `policies.kyverno.io`, `spec.attestors`, as Kyverno v1.19 evaluates them.
"""

import base64
import binascii

from preverify.policy.importers.draft import File, Remarks, Root, Store, Who
from preverify.policy.importers.fields import Fields
from preverify.policy.importers.keys import check_key
from preverify.policy.importers.regexes import anywhere
from preverify.policy.importers.trust_root import PUBLIC

_CODE = "this is code, which is not translated"
_MIXED = "is mixed with what the public instance trusts; roots are never pooled: give all of it as trustedRoot"


def signers(fields: Fields, name: str, remarks: Remarks) -> list[Who]:
    """Return whom an attestor stands for, any of them."""
    cosign, notary = fields.part("cosign"), fields.part("notary")
    fields.ignore("name")
    if (cosign is None) == (notary is None):
        raise fields.refuse("expected exactly one of cosign and notary")
    if notary is not None:
        return [_notary(notary, name)]
    assert cosign is not None  # noqa: S101 - one of two is there
    with cosign:
        cosign.forbid("certificate", "a signer by one certificate is not imported; write its public key as key")
        cosign.forbid("annotations", "Kyverno compares annotations beside the signature, which nobody signed")
        source = cosign.part("source")
        if source is not None:
            with source:
                for member in ("repository", "tagPrefix"):
                    source.forbid(member, "evidence is looked for beside the image")
                if source.elements("PullSecrets"):
                    remarks.note("PullSecrets: credentials belong to the source's settings")
        key, keyless = cosign.part("key"), cosign.part("keyless")
        if (key is None) == (keyless is None):
            raise cosign.refuse("expected exactly one of key and keyless")
        looks = _Looks(cosign, name)
        return [_key(key, name, looks)] if key is not None else _keyless(keyless, name, looks)


class _Looks:
    """What log, proof and root an attestor asks for."""

    def __init__(self, cosign: Fields, name: str) -> None:
        self.log = self.sct = True
        self.root = _root(cosign, name)
        ctlog = cosign.part("ctlog")
        if ctlog is not None:
            with ctlog:
                for member in ("rekorPubKey", "ctLogPubKey", "tsaCertChain"):
                    ctlog.forbid(member, _MIXED)
                ctlog.ignore("url")  # logs are not searched
                self.log = not ctlog.flag("insecureIgnoreTlog", default=False)
                self.sct = not ctlog.flag("insecureIgnoreSCT", default=False)


def _root(cosign: Fields, name: str) -> Root:
    given, tuf = cosign.part("trustedRoot"), cosign.part("tuf")
    if given is not None and tuf is not None:
        raise cosign.refusal("tuf", "stands beside trustedRoot, expected one of them")
    if given is not None:
        with given:
            given.forbid("expression", _CODE)
            data = given.text("value").encode()
            return Root(name=f"{name}-root", form={"file": File(name=f"trust/{name}-root.json", data=data)})
    if tuf is None:
        return PUBLIC
    with tuf:
        mirror, first = tuf.text("mirror"), tuf.part("root")
        if not mirror or first is None:
            raise tuf.refuse("expected mirror and root.data")
        with first:
            first.forbid("path", "is not read; write the root metadata as data")
            try:
                data = base64.b64decode("".join(first.text("data").split()), validate=True)
            except (binascii.Error, ValueError) as error:
                raise first.refusal("data", "is not base64") from error
        root = File(name=f"trust/{name}-root.json", data=data)
        return Root(name=f"{name}-root", form={"tuf": {"url": mirror.rstrip("/"), "root": root}})


def _key(fields: Fields, name: str, looks: _Looks) -> Who:
    with fields:
        fields.forbid("kms", "a key service is not asked; write the public key as data")
        fields.forbid("expression", _CODE)
        if fields.text("hashAlgorithm") not in ("", "sha256"):
            raise fields.refusal("hashAlgorithm", "the hash follows from the key here: expected sha256")
        pem = f"{fields.text('data').strip()}\n".encode()
        try:
            check_key(pem)
        except ValueError as error:
            raise fields.refusal("data", str(error)) from error
        log = {"tlog": "required", "trust": looks.root} if looks.log else {"tlog": "none"}
        return Who(name=name, form={"key": {"file": File(name=f"keys/{name}.pub", data=pem)}, **log})


def _keyless(fields: Fields | None, name: str, looks: _Looks) -> list[Who]:
    assert fields is not None  # noqa: S101 - it is key or keyless
    with fields:
        fields.forbid("roots", _MIXED)
        fields.forbid("additionalExtensions", "Kyverno does not look at it")
        identities = fields.parts("identities")
        if not identities:
            raise fields.refusal("identities", "is missing")
        form = {
            "tlog": "required" if looks.log else "none",
            "timestamps": "accepted",
            "sct": "required" if looks.sct else "none",
            "trust": looks.root,
        }
        return [Who(name=name, form={"keyless": {**_identity(each), **form}}) for each in identities]


def _identity(fields: Fields) -> dict[str, str]:
    who: dict[str, str] = {}
    with fields:
        fields.forbid("subjectExpression", _CODE)
        for what in ("issuer", "subject"):
            exact, expression = fields.text(what), fields.text(f"{what}RegExp")
            if bool(exact) == bool(expression):
                raise fields.refusal(what, f"expected exactly one of {what} and {what}RegExp")
            try:
                who[what if exact else f"{what}Pattern"] = exact or anywhere(expression)
            except ValueError as error:
                raise fields.refusal(f"{what}RegExp", str(error)) from error
    return who


def _notary(fields: Fields, name: str) -> Who:
    with fields:
        stores: list[Store] = []
        for member, kind in (("certs", "ca"), ("tsaCerts", "tsa")):
            part = fields.part(member)
            if part is None:
                continue
            with part:
                part.forbid("expression", _CODE)
                files = [File(name=f"certs/{name}-{kind}.pem", data=f"{part.text('value').strip()}\n".encode())]
                stores.append(Store(kind=kind, name=name, form={"files": files}))
        if not stores or stores[0].kind != "ca":
            raise fields.refusal("certs", "is missing")
        return Who(name=name, form={"notation": {"stores": stores, "identities": ["*"], "level": "strict"}})
