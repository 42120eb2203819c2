"""ClusterImagePolicy and ImagePolicy of OpenShift: scopes and demands of containers/image as Kubernetes objects.

Not those of policy-controller, one of which has the same kind. Only the most specific scope counts, in a namespace too,
where a cluster's policy goes before those of the namespace.

Spec:
    `config.openshift.io/v1` and `v1alpha1`, which are the same here; as the nodes' policy.json is made from them.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import NamedTuple

from preverify.model.strict_yaml import Document
from preverify.policy.importers import sigstore_signed
from preverify.policy.importers.draft import DENY, Form, PolicyDraft, Remarks, Root, Who, named
from preverify.policy.importers.fields import Fields, ReadFile, kubernetes, member, object_name, whole
from preverify.policy.importers.scopes import NamesOneImage, Scope
from preverify.policy.places import refusal, using
from preverify.policy.rules.docker_reference import SAME_REPOSITORY, SAME_REPOSITORY_EXACTLY

NAME = "openshift"

MAX_SCOPES = 256
_GROUP = "config.openshift.io"
_VERSIONS = (f"{_GROUP}/v1", f"{_GROUP}/v1alpha1")
_CLUSTER = "ClusterImagePolicy"
_KINDS = (_CLUSTER, "ImagePolicy")
_ROOTS = {"PublicKey": "publicKey", "FulcioCAWithRekor": "fulcioCAWithRekor", "PKI": "pki"}
_DENIED: tuple[Form, ...] = (DENY,)
_DEFAULT_MATCH = "MatchRepoDigestOrExact"
_MATCHES = (_DEFAULT_MATCH, "MatchRepository", "ExactRepository", "RemapIdentity")


def recognises(document: Document) -> bool:
    """Say whether a document is one of OpenShift's image policies."""
    return kubernetes(document, (_GROUP,), _KINDS)


def translate(documents: Sequence[Document], *, read_file: ReadFile, remarks: Remarks) -> Sequence[PolicyDraft]:
    """Return a policy for each scope of each object."""
    del read_file  # nothing is named by path
    return _translated(documents, remarks, by_digest=False)


class _ByDigest:
    """The same, where images are deployed by digest only: then a demand that goes by tags goes by the repository."""

    NAME = f"{NAME}-by-digest"

    def recognises(self, document: Document, /) -> bool:
        """Say no: it has to be named."""
        del document
        return False

    def translate(
        self, documents: Sequence[Document], /, *, read_file: ReadFile, remarks: Remarks
    ) -> Sequence[PolicyDraft]:
        """Return the same policies."""
        del read_file
        return _translated(documents, remarks, by_digest=True)


BY_DIGEST = _ByDigest()


def _translated(documents: Sequence[Document], remarks: Remarks, *, by_digest: bool) -> Sequence[PolicyDraft]:
    written = [one for document in documents for one in _written(document, remarks, by_digest)]
    remarks.note("images that no policy is about: OpenShift lets them through, here they are denied (listen.noPolicy)")
    return tuple(_policies(written, remarks))


class _Written(NamedTuple):
    """What one object says of one scope. `namespace` is empty for those of the cluster."""

    name: str
    namespace: str
    scope: Scope
    rules: tuple[Form, ...]


def _policies(written: Sequence[_Written], remarks: Remarks) -> Iterator[PolicyDraft]:
    of_cluster = [one.scope for one in written if not one.namespace]
    for one in written:
        if one.namespace and any(one.scope == each or one.scope.within(each) for each in of_cluster):
            remarks.note(
                f"ImagePolicy {one.namespace}/{one.name} is left out for {one.scope.text}: a policy of the cluster is "
                "about it and goes before"
            )
            continue
        known = of_cluster + [each.scope for each in written if one.namespace and each.namespace == one.namespace]
        yield PolicyDraft(
            name=f"{one.name}-{one.scope.text}",
            images=one.scope.globs,
            exclude=one.scope.without(known),
            namespaces=(one.namespace,) if one.namespace else (),
            rules=one.rules,
        )


def _written(document: Document, remarks: Remarks, by_digest: bool) -> Iterator[_Written]:
    with whole(document) as fields:
        if member(document, "apiVersion") not in _VERSIONS:
            raise fields.refusal("apiVersion", f"is another one than {' and '.join(_VERSIONS)}")
        namespace = _namespace(document, fields)
        name = object_name(fields)
        spec = fields.part("spec")
        if spec is None:
            raise fields.refusal("spec", "is missing")
        with spec:
            scopes = spec.texts("scopes")
            if not 1 <= len(scopes) <= MAX_SCOPES:
                raise spec.refusal("scopes", f"has {len(scopes)}, expected 1 to {MAX_SCOPES}")
            rules = remarks.attempt(partial(_rules, spec, named(name), remarks, by_digest), _DENIED, spec)
            for i, text in enumerate(scopes):
                scope, denied = _scope(document, i, text, remarks)
                yield _Written(name, namespace, scope, (DENY,) if denied else rules)


def _namespace(document: Document, fields: Fields) -> str:
    metadata = member(document, "metadata")
    namespace = metadata.get("namespace") if isinstance(metadata, dict) else None
    if member(document, "kind") == _CLUSTER:
        return ""
    if not isinstance(namespace, str) or not namespace:
        raise fields.refusal("metadata", "has no namespace, in which alone an ImagePolicy holds")
    return namespace


def _scope(document: Document, i: int, text: str, remarks: Remarks) -> tuple[Scope, bool]:
    """Return a scope; where it is about one image and losses are allowed, that of its repository, to be denied."""
    place = ("spec", "scopes", i)
    try:
        if text:
            return Scope.read(text), False
    except NamesOneImage as error:
        refused = refusal(document, place, str(error))
        if not remarks.lossy:
            raise refused from error
        remarks.losses.append(str(refused))
        return Scope(text=error.repository), True
    except ValueError as error:
        raise refusal(document, place, str(error)) from error
    raise refusal(document, place, "is empty")


def _rules(spec: Fields, name: str, remarks: Remarks, by_digest: bool) -> tuple[Form, ...]:
    policy = spec.part("policy")
    if policy is None:
        raise spec.refusal("policy", "is missing")
    with policy:
        root = policy.part("rootOfTrust")
        if root is None:
            raise policy.refusal("rootOfTrust", "is missing")
        with root:
            kind = root.word("policyType", _ROOTS, default="")
            inside = root.part(_ROOTS[kind])
            if inside is None:
                raise root.refusal(_ROOTS[kind], "is missing")
            with inside:
                who = _who(inside, kind, name, remarks)
        return (sigstore_signed.signed([who], _identity(policy, remarks, by_digest), remarks),)


def _who(fields: Fields, kind: str, name: str, remarks: Remarks) -> Who:
    if kind == "PKI":
        raise fields.refuse(sigstore_signed.NO_ISSUER)
    if kind == "PublicKey":
        log = Root(name=name, form={"logs": [_log(fields, name)]}) if "rekorKeyData" in fields else None
        data = _data(fields, "keyData")
        with using(fields.document, (*fields.path, "keyData"), name):
            return sigstore_signed.by_key(name, data, log)
    data = _data(fields, "fulcioCAData")
    with using(fields.document, (*fields.path, "fulcioCAData"), name):
        issuers = sigstore_signed.authorities(name, data, remarks)
    root = Root(name=name, form={"authorities": list(issuers), "logs": [_log(fields, name)]})
    subject = fields.part("fulcioSubject")
    if subject is None:
        raise fields.refusal("fulcioSubject", "is missing")
    with subject:
        issuer, mail = subject.text("oidcIssuer"), subject.text("signedEmail")
        if not issuer or not mail:
            raise subject.refuse("expected oidcIssuer and signedEmail")
    return sigstore_signed.by_mail(name=name, issuer=issuer, mail=mail, root=root)


def _log(fields: Fields, name: str) -> Form:
    data = _data(fields, "rekorKeyData")
    with using(fields.document, (*fields.path, "rekorKeyData"), name):
        return sigstore_signed.log(name, data)


def _data(fields: Fields, name: str) -> bytes:
    return sigstore_signed.decoded(fields.document, (*fields.path, name), fields.text(name))


def _identity(policy: Fields, remarks: Remarks, by_digest: bool) -> str:
    """Return which name payloads have to state."""
    part = policy.part("signedIdentity")
    if part is None:
        return _by_tag(policy, "signedIdentity", _DEFAULT_MATCH, remarks, by_digest)
    with part:
        kind = part.word("matchPolicy", _MATCHES, default="")
        if kind == "MatchRepository":
            return SAME_REPOSITORY
        if kind != "ExactRepository":
            return _by_tag(part, "matchPolicy", kind, remarks, by_digest)
        exact = part.part("exactRepository")
        if exact is None:
            raise part.refusal("exactRepository", "is missing")
        with exact:
            return sigstore_signed.repository_named(exact, "repository")


def _by_tag(fields: Fields, name: str, kind: str, remarks: Remarks, by_digest: bool) -> str:
    """Return what is left of a demand that compares tags, where images are deployed by digest."""
    if kind != _DEFAULT_MATCH or not by_digest:
        said = f"is missing, which means {kind}" if name == "signedIdentity" else kind
        raise fields.refusal(name, sigstore_signed.refused_name(said, BY_DIGEST.NAME))
    remarks.note(sigstore_signed.NOT_BY_TAG)
    return SAME_REPOSITORY_EXACTLY
