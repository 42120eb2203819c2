"""ClusterImagePolicy of Sigstore's policy-controller, with the TrustRoots that it refers to.

Any one authority is enough within a policy, and every policy that matches an image has to pass: as with ours. What is
not said here: where signatures are stored and in which form. Ours count from wherever they are found.

Spec:
    `policy.sigstore.dev/v1beta1` and `v1alpha1`, as policy-controller v0.13 evaluates them.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial

from preverify.model.strict_yaml import Document
from preverify.policy.demands.attestation_types import known_type
from preverify.policy.importers.combine import Rules, any_of
from preverify.policy.importers.draft import DENY, PASS, File, PolicyDraft, Remarks, Root, Who
from preverify.policy.importers.fields import Fields, ReadFile, kubernetes, member, object_name, whole
from preverify.policy.importers.image_globs import repository_glob
from preverify.policy.importers.keys import check_key
from preverify.policy.importers.regexes import anywhere
from preverify.policy.importers.trust_root import PUBLIC, root_of

NAME = "cluster-image-policy"

PREDICATES: Mapping[str, str] = {
    "custom": "https://cosign.sigstore.dev/attestation/v1",
    "slsaprovenance": "https://slsa.dev/provenance/v0.2",
    "slsaprovenance02": "https://slsa.dev/provenance/v0.2",
    "slsaprovenance1": "https://slsa.dev/provenance/v1",
    "spdx": "https://spdx.dev/Document",
    "spdxjson": "https://spdx.dev/Document",
    "cyclonedx": "https://cyclonedx.org/bom",
    "link": "https://in-toto.io/Link/v1",
    "vuln": "https://cosign.sigstore.dev/attestation/vuln/v1",
    "openvex": "https://openvex.dev/ns",
}
"""What cosign calls types of predicates."""

_GROUP = "policy.sigstore.dev"
_OLDER = f"{_GROUP}/v1alpha1"
_KINDS = ("ClusterImagePolicy", "TrustRoot")
_CODE = "this is code, which is not translated; demand single facts with `predicate` in an attestation rule"

_DENIED: Rules = (DENY,)

_Roots = Mapping[str, Root]


def recognises(document: Document) -> bool:
    """Say whether a document is an object of policy-controller."""
    return kubernetes(document, (_GROUP,), _KINDS)


def translate(documents: Sequence[Document], *, read_file: ReadFile, remarks: Remarks) -> Sequence[PolicyDraft]:
    """Return a policy for each ClusterImagePolicy."""
    del read_file  # nothing is named by path
    roots: dict[str, Root] = {}
    for document in documents:
        if member(document, "kind") == "TrustRoot":
            with whole(document) as fields:
                name = object_name(fields)
                spec = fields.part("spec")
                if spec is None:
                    raise fields.refusal("spec", "is missing")
                roots[name] = root_of(spec, name)
    remarks.note(
        "images that no policy matches: policy-controller has no-match-policy, here it is listen.noPolicy; both deny "
        "unless told otherwise"
    )
    return [_policy(document, roots, remarks) for document in documents if member(document, "kind") != "TrustRoot"]


def _policy(document: Document, roots: _Roots, remarks: Remarks) -> PolicyDraft:
    with whole(document) as fields:
        name = object_name(fields)
        spec = fields.part("spec")
        if spec is None:
            raise fields.refusal("spec", "is missing")
        with spec:
            return PolicyDraft(
                name=name,
                images=_images(spec),
                mode=spec.word("mode", ("enforce", "warn"), default="enforce"),
                rules=remarks.attempt(partial(_rules, spec, name, roots, remarks), _DENIED, spec),
            )


def _images(spec: Fields) -> tuple[str, ...]:
    globs: list[str] = []
    for each in spec.parts("images"):
        with each:
            text = each.text("glob")
            try:
                globs.append(repository_glob(text))
            except ValueError as error:
                raise each.refusal("glob", f"{text[:80]!r} {error}") from error
    if not globs:
        raise spec.refusal("images", "is missing")
    return tuple(dict.fromkeys(globs))


def _rules(spec: Fields, policy: str, roots: _Roots, remarks: Remarks) -> Rules:
    spec.forbid("match", "policies here are about images, whatever kind of object names them")
    spec.forbid("policy", _CODE)
    authorities = spec.parts("authorities")
    if not authorities:
        raise spec.refusal("authorities", "is missing: such a policy passes nothing")
    return any_of(
        [
            remarks.attempt(partial(_authority, each, f"{policy}-{i}", roots, remarks), _DENIED, each)
            for i, each in enumerate(authorities)
        ]
    )


def _authority(fields: Fields, unnamed: str, roots: _Roots, remarks: Remarks) -> Rules:
    with fields:
        name = fields.text("name") or unnamed
        key, keyless, static = fields.part("key"), fields.part("keyless"), fields.part("static")
        if sum(each is not None for each in (key, keyless, static)) != 1:
            raise fields.refuse("expected exactly one of key, keyless and static")
        if static is not None:
            return _static(static)
        form = fields.word("signatureFormat", ("legacy", "bundle"), default="legacy")
        attestations = fields.parts("attestations")
        _check_form(fields, form, keyless, attestations, remarks)
        _check_source(fields, remarks)
        trusting = _Trusting(fields, roots)
        whom = [_by_key(key, name, trusting)] if key is not None else _by_identity(keyless, name, form, trusting)
        if not attestations:
            return ({"name": "signed", "signature": {"by": {"any": whom}}},)
        return tuple(_attestation(each, whom) for each in attestations)


def _static(fields: Fields) -> Rules:
    with fields:
        fields.ignore("message")
        if not fields.text("action"):
            raise fields.refusal("action", "is missing")
        fields.take("action")
        return (PASS,) if fields.word("action", ("pass", "fail"), default="") == "pass" else (DENY,)


def _check_form(
    fields: Fields, form: str, keyless: Fields | None, attestations: Sequence[Fields], remarks: Remarks
) -> None:
    if form == "bundle" and (keyless is None or not attestations):
        why = "policy-controller reads bundles only for attestations by keyless identities; everything else it denies"
        raise fields.refusal("signatureFormat", why)
    remarks.note(
        "policy-controller reads one storage format (signatureFormat) and there only; here signatures and attestations "
        "count from wherever they are found beside the image"
    )


def _check_source(fields: Fields, remarks: Remarks) -> None:
    for source in fields.parts("source"):
        with source:
            for member_name in ("oci", "tagPrefix"):
                source.forbid(member_name, "evidence is looked for beside the image, under the usual names")
            if source.elements("signaturePullSecrets"):
                remarks.note("signaturePullSecrets: credentials belong to the source's settings")


class _Trusting:
    """What log and time stamps an authority asks for, and of which root."""

    def __init__(self, fields: Fields, roots: _Roots) -> None:
        self._roots = roots
        self.log = fields.part("ctlog")
        self.stamps = fields.part("rfc3161timestamp")
        self._log_ref = self._log_url = self._stamp_ref = ""
        if self.log is not None:
            with self.log as log:
                self._log_ref, self._log_url = log.text("trustRootRef"), log.text("url")
                if not self._log_url and (not self._log_ref or member(log.document, "apiVersion") != _OLDER):
                    # v1beta1 is turned into v1alpha1 before it is used, and a log without url is lost there.
                    raise log.refuse(
                        "names no url, and policy-controller then looks at no log: write it, or leave ctlog out"
                    )
        if self.stamps is not None:
            with self.stamps as stamps:
                self._stamp_ref = stamps.text("trustRootRef")
                if not self._stamp_ref:
                    raise stamps.refuse("names no trustRootRef, so that no time stamp is looked at: leave it out")

    def root(self, fields: Fields, reference: str) -> Root:
        """Return the root that a part refers to; without a reference, the public instance."""
        if not reference:
            return PUBLIC
        if reference not in self._roots:
            why = f"is {reference[:60]!r}, and no TrustRoot of that name is among the documents: import them together"
            raise fields.refusal("trustRootRef", why)
        return self._roots[reference]

    def of_key(self) -> dict[str, object]:
        """Return what a signer by key looks at. Time stamps take the log's place."""
        if self.stamps is not None:
            return {"tlog": "none", "timestamps": "required", "trust": self.root(self.stamps, self._stamp_ref)}
        if self.log is not None:
            return {"tlog": "required", "trust": self.root(self.log, self._log_ref)}
        return {"tlog": "none"}

    def of_identity(self, fields: Fields, reference: str, *, bundle: bool) -> dict[str, object]:
        """Return what a keyless signer looks at. Everything has to come from one root."""
        for part, other in ((self.log, self._log_ref), (self.stamps, self._stamp_ref)):
            if part is not None and other != reference:
                names = [f"the TrustRoot {name!r}" if name else "the public instance" for name in (other, reference)]
                why = f"trusts {names[0]} beside certificates of {names[1]}; roots are never pooled: make them one"
                raise part.refuse(why)
        if self.stamps is not None:
            return {"tlog": "none", "timestamps": "required", "trust": self.root(fields, reference)}
        looks = bundle or self.log is not None or not reference
        log = "required" if looks else "none"
        return {"tlog": log, "timestamps": "none", "trust": self.root(fields, reference)}


def _by_key(fields: Fields, name: str, trusting: _Trusting) -> Who:
    with fields:
        fields.forbid("kms", "a key service is not asked; write the public key as `data`")
        fields.forbid("secretRef", "secrets of a cluster are not read; write the public key as `data`")
        if fields.text("hashAlgorithm") not in ("", "sha256"):
            raise fields.refusal("hashAlgorithm", "the hash follows from the key here: expected sha256")
        data = fields.text("data").encode()
        try:
            check_key(data)
        except ValueError as error:
            raise fields.refusal("data", str(error)) from error
        pem = data if data.endswith(b"\n") else data + b"\n"
        return Who(name=name, form={"key": {"file": File(name=f"keys/{name}.pub", data=pem)}, **trusting.of_key()})


def _by_identity(fields: Fields | None, name: str, form: str, trusting: _Trusting) -> list[Who]:
    assert fields is not None  # noqa: S101 - it is key or keyless
    with fields:
        fields.forbid("ca-cert", "policy-controller v0.13 passes nothing with it; use a TrustRoot")
        fields.ignore("url")  # Fulcio is not asked; which certificates count, the root says
        reference = fields.text("trustRootRef")
        sct = "none" if fields.flag("insecureIgnoreSCT", default=False) else "required"
        looks = trusting.of_identity(fields, reference, bundle=form == "bundle")
        identities = fields.parts("identities")
        if not identities:
            raise fields.refusal("identities", "is missing")
        if form == "bundle" and len(identities) > 1:
            raise fields.refusal("identities", "policy-controller passes nothing where bundles have several identities")
        return [
            Who(name=name if len(identities) == 1 else f"{name}-{i}", form={"keyless": {**who, **looks, "sct": sct}})
            for i, who in enumerate(map(_identity, identities))
        ]


def _identity(fields: Fields) -> dict[str, str]:
    with fields:
        return dict(item for what in ("issuer", "subject") for item in _name(fields, what))


def _name(fields: Fields, what: str) -> Iterator[tuple[str, str]]:
    exact, expression = fields.text(what), fields.text(f"{what}RegExp")
    if bool(exact) == bool(expression):
        raise fields.refusal(what, f"expected exactly one of {what} and {what}RegExp")
    if exact:
        yield what, exact
        return
    try:
        yield f"{what}Pattern", anywhere(expression)
    except ValueError as error:
        raise fields.refusal(f"{what}RegExp", str(error)) from error


def _attestation(fields: Fields, whom: list[Who]) -> dict[str, object]:
    with fields:
        name = fields.text("name")
        fields.forbid("policy", _CODE)
        written = fields.text("predicateType")
        kind = PREDICATES.get(written, written)
        try:
            known_type(kind)
        except ValueError as error:
            raise fields.refusal("predicateType", str(error)) from error
        if ":" not in kind:
            raise fields.refusal("predicateType", f"{written!r} is no predicate type URI")
        return {"name": name or "attested", "attestation": {"type": kind, "by": {"any": whom}}}
