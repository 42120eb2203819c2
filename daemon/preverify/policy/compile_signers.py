"""From the written form of signers to compiled ones: files read, roots and stores resolved."""

from collections.abc import Iterator

from preverify.model.anchors import KeyAnchor, KeylessAnchor, Log, Stamps
from preverify.model.errors import BadConfiguration
from preverify.model.keys import TrustedKey
from preverify.model.strict_yaml import Document
from preverify.model.trust import Trust
from preverify.policy.keys import read_public_key
from preverify.policy.notation_trust import inline, read_trust_policy
from preverify.policy.places import Path, refusal, using
from preverify.policy.schema import KeySpec, NotationSpec, SignersDocument, SignerSpec
from preverify.policy.signers import KeyIdentity, NotationIdentity, Signer
from preverify.policy.trust_documents import ReadFile


def compile_signers(
    document: Document, written: SignersDocument, trust: Trust, read_file: ReadFile
) -> Iterator[Signer]:
    """Compile the signers of a document.

    Args:
        document: For places in refusals.
        written: The document, validated. Every root that it names is part of `trust`.
        trust: Roots and stores.
        read_file: Returns a file by its name relative to the policy directory.

    Raises:
        BadConfiguration: with file, line and path.
    """
    for name, spec in written.spec.items():
        yield _signer(document, name, spec, trust, read_file)


def _signer(document: Document, name: str, spec: SignerSpec, trust: Trust, read_file: ReadFile) -> Signer:
    path: Path = ("spec", name)
    if spec.keyless is not None:
        demands = spec.keyless
        anchor = KeylessAnchor(
            root=_root(demands.trust, trust),
            log=demands.tlog,
            stamps=demands.timestamps,
            sct=demands.sct == "required",
        )
        return Signer(name=name, anchor=anchor, identity=demands.identity())
    if spec.notation is not None:
        return _notation(document, (*path, "notation"), name, spec.notation, trust, read_file)
    assert spec.key is not None  # noqa: S101 - the written form has exactly one of the three
    key = _key(document, (*path, "key", "file"), spec.key, read_file)
    return Signer(
        name=name,
        anchor=KeyAnchor(
            key=key,
            log=spec.tlog or Log.NONE,
            stamps=spec.timestamps or Stamps.NONE,
            root="" if spec.trust is None else _root(spec.trust, trust),
        ),
        identity=KeyIdentity(
            valid_from=spec.key.valid_from, valid_until=spec.key.valid_until, revoked_at=spec.key.revoked_at
        ),
    )


def _root(name: str, trust: Trust) -> str:
    root = trust.root_named(name)
    assert root is not None  # noqa: S101 - unknown roots were refused where they are named
    return root.id


def _key(document: Document, path: Path, spec: KeySpec, read_file: ReadFile) -> TrustedKey:
    with using(document, path, spec.file, noun="key file"):
        return read_public_key(read_file(spec.file))


def _notation(
    document: Document, path: Path, name: str, spec: NotationSpec, trust: Trust, read_file: ReadFile
) -> Signer:
    text = None
    if spec.trust_policy is not None:
        path = (*path, "trustPolicy", "file")
        with using(document, path, spec.trust_policy.file, noun="file"):
            text = read_file(spec.trust_policy.file)
    try:
        if text is not None:
            anchor = read_trust_policy(text, store_of=trust.store_named)
        else:
            anchor = inline(
                stores=spec.stores,
                identities=spec.identities,
                level=spec.level,
                override=spec.override,
                verify_timestamp=spec.verify_timestamp,
                store_of=trust.store_named,
            )
    except BadConfiguration as error:
        inside = f"{error.where}: {error.detail}" if error.where else error.detail
        raise refusal(document, path, inside) from error
    return Signer(name=name, anchor=anchor, identity=NotationIdentity())
