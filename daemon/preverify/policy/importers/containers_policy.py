"""`policy.json` of containers/image: Podman, CRI-O, Skopeo, Buildah.

Only the most specific scope counts there, and ours all do: each scope's policy excludes those that are more specific.
Images by tag: verdicts are about digests, so what compares tags is refused, unless images are deployed by digest.

Spec:
    containers-policy.json(5), as containers/image v5 reads it: unknown and duplicate keys refuse the whole file.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from preverify.model.errors import BadInput
from preverify.model.reference import Reference
from preverify.model.strict_yaml import Document
from preverify.policy.importers import sigstore_signed
from preverify.policy.importers.draft import DENY, PASS, Form, PolicyDraft, Remarks, Root, Who, named
from preverify.policy.importers.fields import Fields, ReadFile, member, whole
from preverify.policy.importers.scopes import NamesOneImage, Scope
from preverify.policy.places import Path, refusal, using
from preverify.policy.rules.docker_reference import SAME_REPOSITORY, SAME_REPOSITORY_EXACTLY, is_exact

NAME = "containers-policy"

_DOCKER = "docker"
_KEYS = ("keyPath", "keyPaths", "keyData", "keyDatas")
_LOGS = ("rekorPublicKeyPath", "rekorPublicKeyPaths", "rekorPublicKeyData", "rekorPublicKeyDatas")
_TYPES = ("insecureAcceptAnything", "reject", "signedBy", "sigstoreSigned", "signedBaseLayer")
_REFUSED: Mapping[str, str] = {
    "signedBy": "signatures of GPG are not read here; sign with cosign and demand sigstoreSigned",
    "signedBaseLayer": "base layers are not looked at, neither there nor here",
}
_DEFAULT_IDENTITY = "matchRepoDigestOrExact"
_IDENTITIES = (
    "matchExact",
    _DEFAULT_IDENTITY,
    "matchRepository",
    "exactReference",
    "exactRepository",
    "remapIdentity",
)


def recognises(document: Document) -> bool:
    """Say whether a document has the shape of a policy.json."""
    return isinstance(member(document, "default"), list) and member(document, "kind") is None


def translate(documents: Sequence[Document], *, read_file: ReadFile, remarks: Remarks) -> Sequence[PolicyDraft]:
    """Return a policy for each scope of registries, and one for all other images."""
    return _translated(documents, _Reading(read_file, remarks))


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
        return _translated(documents, _Reading(read_file, remarks, by_digest=True))


BY_DIGEST = _ByDigest()


def _translated(documents: Sequence[Document], reading: "_Reading") -> Sequence[PolicyDraft]:
    if len(documents) > 1:
        raise refusal(documents[1], (), "is a second policy.json; a machine has one, so import one at a time")
    _refuse_null(documents[0], (), documents[0].value)
    with whole(documents[0]) as fields:
        transports = fields.part("transports") or _nothing(fields, "transports")
        docker = transports.part(_DOCKER) or _nothing(transports, _DOCKER)
        for name in transports.names():
            if name != _DOCKER:
                transports.ignore(name)
                reading.remarks.note(f"transports.{name} is about no images in registries and is left out")
        return tuple(_policies(fields, docker, reading))


def _nothing(fields: Fields, name: str) -> Fields:
    return Fields(fields.document, (*fields.path, name), {})


class _Reading(NamedTuple):
    read_file: ReadFile
    remarks: Remarks
    by_digest: bool = False


def _policies(fields: Fields, docker: Fields, reading: _Reading) -> Iterator[PolicyDraft]:
    known: list[Scope] = []
    for text in docker.names():
        try:
            known.append(Scope.read(text))
        except NamesOneImage as error:
            refused = docker.refusal(text, str(error))
            if not reading.remarks.lossy:
                raise refused from error
            reading.remarks.losses.append(str(refused))
            yield PolicyDraft(name=text, images=(error.repository,), rules=(DENY,))
        except ValueError as error:
            raise docker.refusal(text, str(error)) from error
    for scope in known:
        name = scope.text or _DOCKER
        rules = _requirements(docker, scope.text, named(name), reading)
        yield PolicyDraft(name=name, images=scope.globs, exclude=scope.without(known), rules=rules)
    rest = Scope.read("")
    rules = _requirements(fields, "default", "default", reading)
    if rest not in known:
        yield PolicyDraft(name="default", images=rest.globs, exclude=rest.without(known), rules=rules)


def _requirements(fields: Fields, name: str, policy: str, reading: _Reading) -> tuple[Form, ...]:
    """Return the rules of a list of requirements, which all have to hold."""
    remarks = reading.remarks
    rules: list[Form] = []
    parts = fields.parts(name)
    if not parts:
        raise fields.refusal(name, "is empty, which the other tool refuses")
    for each in parts:
        rules += remarks.attempt(partial(_requirement, each, policy, reading), (DENY,), each)
    if DENY in rules:
        return (DENY,)
    if not rules:
        remarks.note(
            f"policy {policy} accepts anything: images pass unverified, each verdict says so, and nothing is published"
        )
    return tuple(rules) or (PASS,)


def _requirement(fields: Fields, policy: str, reading: _Reading) -> tuple[Form, ...]:
    with fields:
        kind = fields.word("type", _TYPES, default="")
        if kind in _REFUSED:
            raise fields.refusal("type", f"{kind}: {_REFUSED[kind]}")
        if kind != "sigstoreSigned":
            return (DENY,) if kind == "reject" else ()
        whom = _whom(fields, policy, reading)
        return (sigstore_signed.signed(whom, _identity(fields, reading), reading.remarks),)


def _whom(fields: Fields, policy: str, reading: _Reading) -> list[Who]:
    forms = [name for name in (*_KEYS, "fulcio", "pki") if name in fields]
    if len(forms) != 1:
        raise fields.refuse(f"expected exactly one of {', '.join(_KEYS)}, fulcio and pki")
    if forms == ["pki"]:
        raise fields.refusal("pki", sigstore_signed.NO_ISSUER)
    logs = _logs(fields, policy, reading)
    if forms == ["fulcio"]:
        if not logs:
            raise fields.refusal("fulcio", f"without {_LOGS[0]}, which the other tool refuses")
        return [_by_fulcio(fields, policy, logs, reading)]
    log = Root(name=policy, form={"logs": list(logs)}) if logs else None
    whom: list[Who] = []
    for piece in _pieces(fields, forms[0], policy, reading):
        with using(fields.document, piece.place, piece.name):
            whom.append(sigstore_signed.by_key(piece.name, piece.data, log))
    return whom


def _logs(fields: Fields, policy: str, reading: _Reading) -> tuple[Form, ...]:
    forms = [name for name in _LOGS if name in fields]
    if len(forms) > 1:
        raise fields.refuse(f"expected at most one of {', '.join(_LOGS)}")
    found: list[Form] = []
    for piece in _pieces(fields, forms[0], policy, reading) if forms else ():
        with using(fields.document, piece.place, piece.name):
            found.append(sigstore_signed.log(policy, piece.data))
    return tuple(found)


def _by_fulcio(fields: Fields, policy: str, logs: Sequence[Form], reading: _Reading) -> Who:
    fulcio = fields.part("fulcio")
    assert fulcio is not None  # noqa: S101 - it is there
    with fulcio:
        forms = [name for name in ("caPath", "caData") if name in fulcio]
        if len(forms) != 1:
            raise fulcio.refuse("expected exactly one of caPath and caData")
        (piece,) = _pieces(fulcio, forms[0], policy, reading)
        with using(fulcio.document, piece.place, piece.name):
            issuers = sigstore_signed.authorities(policy, piece.data, reading.remarks)
        for name in ("oidcIssuer", "subjectEmail"):
            if name not in fulcio:
                raise fulcio.refuse(f"has no {name}")
        root = Root(name=policy, form={"authorities": list(issuers), "logs": list(logs)})
        return sigstore_signed.by_mail(
            name=policy, issuer=fulcio.text("oidcIssuer"), mail=fulcio.text("subjectEmail"), root=root
        )


class _Piece(NamedTuple):
    """The content of a file, named or written into the document."""

    place: Path
    name: str
    data: bytes


def _pieces(fields: Fields, name: str, policy: str, reading: _Reading) -> Iterator[_Piece]:
    several = name.endswith("s")
    texts = fields.texts(name) if several else (fields.text(name),)
    if not texts:
        raise fields.refusal(name, "is empty, which the other tool refuses")
    for i, text in enumerate(texts):
        place: Path = (*fields.path, name, i) if several else (*fields.path, name)
        if "Path" in name:
            with using(fields.document, place, text, noun="file"):
                data = reading.read_file(text)
            yield _Piece(place, named(text.rpartition("/")[2].partition(".")[0]), data)
        else:
            yield _Piece(place, policy, sigstore_signed.decoded(fields.document, place, text))


def _identity(fields: Fields, reading: _Reading) -> str:
    """Return which name payloads have to state."""
    part = fields.part("signedIdentity")
    if part is None:
        return _by_tag(fields, "signedIdentity", _DEFAULT_IDENTITY, reading)
    with part:
        kind = part.word("type", _IDENTITIES, default="")
        if kind == "matchRepository":
            return SAME_REPOSITORY
        if kind == "exactRepository":
            return sigstore_signed.repository_named(part, "dockerRepository")
        if kind == "exactReference":
            return _reference_named(part, "dockerReference")
        return _by_tag(part, "type", kind, reading)


def _by_tag(fields: Fields, name: str, kind: str, reading: _Reading) -> str:
    """Return what is left of a demand that compares tags, where images are deployed by digest."""
    if kind != _DEFAULT_IDENTITY or not reading.by_digest:
        said = f"is missing, which means {kind}" if name == "signedIdentity" else kind
        raise fields.refusal(name, sigstore_signed.refused_name(said, BY_DIGEST.NAME))
    reading.remarks.note(sigstore_signed.NOT_BY_TAG)
    return SAME_REPOSITORY_EXACTLY


def _reference_named(fields: Fields, name: str) -> str:
    text = fields.text(name)
    try:
        found = str(Reference.parse(text))
    except BadInput as error:
        raise fields.refusal(name, str(error)) from error
    if not is_exact(text):
        raise fields.refusal(name, "names neither tag nor digest, which the other tool refuses")
    return found


def _refuse_null(document: Document, place: Path, value: object) -> None:
    """Refuse null: our reader takes it for nothing, the other tool does not."""
    if value is None:
        raise refusal(document, place, "is null, which the other tool does not take for nothing")
    for key, each in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        _refuse_null(document, (*place, key), each)
