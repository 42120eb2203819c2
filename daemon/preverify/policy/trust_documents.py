"""From documents of the kind `Trust` to values: the roots that signers name, and every store."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from preverify.model.errors import BadConfiguration
from preverify.model.strict_yaml import Document
from preverify.model.trust import Authority, Log, SigstoreRoot, Store, Trust
from preverify.model.trusted_root import parse_trusted_root
from preverify.model.validation import nearest
from preverify.policy.certificates import chain_of, check_issuer, check_stamper, check_stored, read_certificates
from preverify.policy.keys import read_public_key
from preverify.policy.places import Path, refusal, using
from preverify.policy.trust_schema import AuthoritySpec, CtLogSpec, LogSpec, RootSpec, StoreSpec, TrustDocument, TufSpec

__all__ = [
    "BUILT_IN",
    "RootRequest",
    "TrustDocument",
    "builtin",
    "compile_trust",
    "names_of_roots",
    "requests",
    "unknown_root",
]

ReadFile = Callable[[str], bytes]
ListFiles = Callable[[str], Sequence[str]]

MAX_ROOT_BYTES = 512_000
"""Of TUF root metadata; of a trusted_root.json its reader has the bound."""
MAX_STORE_FILES = 100
BUILT_IN = ("public-good", "staging")
_CERTIFICATE_FILE = re.compile(r"[^.].*\.(?:pem|crt|cer)")


@dataclass(frozen=True, slots=True, kw_only=True)
class RootRequest:
    """A root whose content is not in the policy directory: it comes by TUF, or is built in.

    Attributes:
        name: As signers name it.
        url: Address of the TUF repository; empty for a built-in root.
        root: Root metadata that trust in the repository starts with; empty for a built-in root.
    """

    name: str
    url: str = ""
    root: bytes = b""


ReadRoot = Callable[[RootRequest], bytes]
"""Returns a trusted_root.json. May raise `BadConfiguration` or `Unavailable`."""


def builtin(name: str) -> RootRequest | None:
    """Return the request for a root that needs no document; None where there is none of that name."""
    return RootRequest(name=name) if name in BUILT_IN else None


def compile_trust(
    documents: Sequence[tuple[Document, TrustDocument]],
    *,
    wanted: Iterable[str],
    read_file: ReadFile,
    read_root: ReadRoot,
    list_files: ListFiles | None = None,
) -> Trust:
    """Compile the roots that signers name and every store.

    Args:
        documents: Trust documents as read and validated.
        wanted: Names of the roots that some signer names; no other is read.
        read_file: Returns a file by its name relative to the policy directory; as `documents.load` has it.
        read_root: Returns the content of a root that is built in or comes by TUF.
        list_files: Returns the file names in a directory below the policy directory; None: stores name their files.

    Raises:
        BadConfiguration: with file, line and path; nothing is compiled in part.
        Unavailable: a root by TUF was never fetched and cannot be now.
    """
    declared = _declared(documents)
    roots = tuple(_root(name, declared, read_file, read_root) for name in sorted(set(wanted)))
    stores: dict[str, Store] = {}
    for document, written in documents:
        for name, spec in written.spec.stores.items():
            path = ("spec", "stores", name)
            if name in stores:
                raise refusal(document, path, f"there is another store named {name!r}")
            stores[name] = _store(document, path, spec, read_file, list_files)
    return Trust(roots=roots, stores=tuple(stores[name] for name in sorted(stores)))


def names_of_roots(documents: Sequence[tuple[Document, TrustDocument]]) -> tuple[str, ...]:
    """Return the names of all roots that documents declare, used or not, sorted."""
    return tuple(sorted(_declared(documents)))


def requests(
    documents: Sequence[tuple[Document, TrustDocument]], *, wanted: Iterable[str], read_file: ReadFile
) -> tuple[RootRequest, ...]:
    """Return the roots among `wanted` that are built in or come by TUF: what has to be kept fresh.

    Raises:
        BadConfiguration: a root is unknown, or the root metadata that it starts with cannot be read.
    """
    declared = _declared(documents)
    found: list[RootRequest] = []
    for name in sorted(set(wanted)):
        if name not in declared:
            found.append(_undeclared(name, declared))
            continue
        document, spec = declared[name]
        if spec.tuf is not None:
            found.append(_by_tuf(document, name, spec.tuf, read_file))
    return tuple(found)


def unknown_root(name: str, known: Iterable[str]) -> str:
    """Write the sentence about a root that nobody declared."""
    if name == "github":
        return (
            "there is no root 'github': save what `gh attestation trusted-root` prints, or take the root metadata of "
            "https://tuf-repo.github.com, and declare it in a Trust document (file or tuf)"
        )
    words = sorted({*known, *BUILT_IN})
    near = nearest(name, words)
    return f"there is no root {name[:80]!r}, " + (
        f"did you mean {near!r}?" if near else f"known roots: {', '.join(words)[:200]}"
    )


_Declared = tuple[Document, RootSpec]


def _declared(documents: Sequence[tuple[Document, TrustDocument]]) -> Mapping[str, _Declared]:
    declared: dict[str, _Declared] = {}
    for document, written in documents:
        for name, spec in written.spec.roots.items():
            path = ("spec", "roots", name)
            if name in BUILT_IN:
                raise refusal(document, path, f"the root {name!r} is built in; give this one another name")
            if name in declared:
                raise refusal(document, path, f"there is another root named {name!r}")
            declared[name] = document, spec
    return declared


def _undeclared(name: str, declared: Iterable[str]) -> RootRequest:
    request = builtin(name)
    if request is None:
        raise BadConfiguration(unknown_root(name, declared))
    return request


def _by_tuf(document: Document, name: str, tuf: TufSpec, read_file: ReadFile) -> RootRequest:
    with using(document, ("spec", "roots", name, "tuf", "root"), tuf.root):
        root = read_file(tuf.root)
        if len(root) > MAX_ROOT_BYTES:
            raise ValueError(f"is {len(root)} bytes long, at most {MAX_ROOT_BYTES} are read")
        return RootRequest(name=name, url=tuf.url, root=root)


def _root(name: str, declared: Mapping[str, _Declared], read_file: ReadFile, read_root: ReadRoot) -> SigstoreRoot:
    if name not in declared:
        return parse_trusted_root(read_root(_undeclared(name, declared)), name)
    document, spec = declared[name]
    path = ("spec", "roots", name)
    if spec.tuf is not None:
        request = _by_tuf(document, name, spec.tuf, read_file)
        with using(document, (*path, "tuf"), request.url):
            return parse_trusted_root(read_root(request), name)
    if spec.file is not None:
        with using(document, (*path, "file"), spec.file):
            return parse_trusted_root(read_file(spec.file), name)
    return _own_root(document, path, name, spec, read_file)


def _own_root(document: Document, path: Path, name: str, spec: RootSpec, read_file: ReadFile) -> SigstoreRoot:
    return SigstoreRoot(
        name=name,
        authorities=tuple(
            _authority(document, (*path, "authorities", i), each, read_file, check_issuer)
            for i, each in enumerate(spec.authorities)
        ),
        logs=tuple(_log(document, (*path, "logs", i), each, read_file) for i, each in enumerate(spec.logs)),
        ct_logs=tuple(_ct_log(document, (*path, "ctLogs", i), each, read_file) for i, each in enumerate(spec.ct_logs)),
        timestamp_authorities=tuple(
            _authority(document, (*path, "timestampAuthorities", i), each, read_file, check_stamper)
            for i, each in enumerate(spec.timestamp_authorities)
        ),
    )


def _authority(
    document: Document, path: Path, spec: AuthoritySpec, read_file: ReadFile, check: Callable[[bytes], None]
) -> Authority:
    certificates: list[x509.Certificate] = []
    for i, file in enumerate(spec.files):
        with using(document, (*path, "files", i), file):
            certificates += read_certificates(read_file(file))
    with using(document, (*path, "files"), ", ".join(spec.files)[:120]):
        chain = chain_of(certificates)
        check(chain[0])
    return Authority(certificates=chain, valid=spec.period)


def _log(document: Document, path: Path, spec: LogSpec, read_file: ReadFile) -> Log:
    with using(document, (*path, "key"), spec.key):
        key = read_public_key(read_file(spec.key)).spki
        return Log(key=key, id=_log_id(key, spec.origin), origin=spec.origin or "", valid=spec.period)


def _log_id(spki: bytes, origin: str | None) -> bytes:
    """Return the id by which entries name a log.

    Spec:
        C2SP signed-note: an Ed25519 key's id is over its name, a newline, the algorithm and the raw key. Logs with
        other keys (and Rekor v1) go by the SHA-256 of the SubjectPublicKeyInfo.
    """
    key = load_der_public_key(spki)
    if not isinstance(key, Ed25519PublicKey):
        return sha256(spki).digest()
    if origin is None:
        raise ValueError("holds an Ed25519 key, whose log id is made with the log's origin: write 'origin'")
    return sha256(origin.encode() + b"\n\x01" + key.public_bytes(Encoding.Raw, PublicFormat.Raw)).digest()


def _ct_log(document: Document, path: Path, spec: CtLogSpec, read_file: ReadFile) -> Log:
    with using(document, (*path, "key"), spec.key):
        key = read_public_key(read_file(spec.key)).spki
    return Log(key=key, id=sha256(key).digest(), valid=spec.period)


def _store(document: Document, path: Path, spec: StoreSpec, read_file: ReadFile, list_files: ListFiles | None) -> Store:
    kind, _, name = str(path[-1]).partition(":")
    certificates: list[bytes] = []
    for at, file in _files(document, path, spec, list_files):
        with using(document, at, file):
            certificates += (check_stored(each, kind=kind) for each in read_certificates(read_file(file)))
    return Store(kind=kind, name=name, certificates=tuple(dict.fromkeys(certificates)))


def _files(document: Document, path: Path, spec: StoreSpec, list_files: ListFiles | None) -> Iterator[tuple[Path, str]]:
    if spec.directory is None:
        yield from (((*path, "files", i), file) for i, file in enumerate(spec.files or ()))
        return
    at = (*path, "directory")
    if list_files is None:
        raise refusal(document, at, "directories cannot be listed here; name the files instead")
    with using(document, at, spec.directory):
        names = sorted(name for name in list_files(spec.directory) if _CERTIFICATE_FILE.fullmatch(name))
        if not 1 <= len(names) <= MAX_STORE_FILES:
            raise ValueError(
                f"holds {len(names)} certificate files (*.pem, *.crt, *.cer), expected 1 to {MAX_STORE_FILES}"
            )
    yield from ((at, f"{spec.directory.rstrip('/')}/{name}") for name in names)
