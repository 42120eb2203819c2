"""The layout of one image on disk, for a scanner to read: what its manifest names, fetched and hashed by us."""

import fcntl
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from preverify.model import strict_json
from preverify.model.digest import Digest
from preverify.model.errors import BadInput, MalformedEvidence
from preverify.model.evidence import Image
from preverify.model.reasons import Reason
from preverify.ports import Registry

_PREFIX = "preverify-image-"


@contextmanager
def room_for_an_image(parent: Path) -> Iterator[Path]:
    """Make a directory that is gone afterwards, or at the next `clear` where we are killed."""
    with TemporaryDirectory(prefix=_PREFIX, dir=parent, ignore_cleanup_errors=True) as name, _locked(Path(name)):
        yield Path(name)


def clear(parent: Path) -> None:
    """Remove the images that killed processes left behind. Those in use are locked, and stay."""
    for path in parent.glob(f"{_PREFIX}*"):
        with suppress(OSError), _locked(path):
            shutil.rmtree(path)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    held = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(held)


@dataclass(frozen=True, slots=True, kw_only=True)
class LayoutLimits:
    """What is fetched of one image at most. Sizes in bytes, as registries keep them."""

    layers: int = 256
    layer: int = 4 << 30
    total: int = 8 << 30


def write_layout(registry: Registry, image: Image, directory: Path, *, limits: LayoutLimits | None = None) -> None:
    """Write the layout of one manifest into a new directory, readable for whoever may look into the one around it.

    Addresses that a layer gives for itself are never asked: only the image's own repository is.

    Raises:
        BadInput: an index; its manifests are scanned one by one.
        MalformedEvidence: no image, one that is too large, or content that does not have the digest that named it.
        NotFound: the registry does not have a layer.
        Unavailable: it does not give one.
        OSError: the directory does not hold it.
    """
    limits = limits or LayoutLimits()
    if image.is_index:
        raise BadInput(f"{image.subject.digest} is an index, expected one of its manifests")
    named = _named(image, limits)
    digest = image.subject.digest
    directory.mkdir()
    for each in {digest.algorithm, *(named_digest.algorithm for named_digest in named)}:
        (directory / "blobs" / each).mkdir(parents=True)
    for each_digest, size in named.items():
        with _file(directory, each_digest).open("xb") as file:
            registry.copy_blob(image.subject.repository, each_digest, size=size, into=file)
    _file(directory, digest).write_bytes(image.manifest)
    entry = {"mediaType": image.media_type, "digest": str(digest), "size": len(image.manifest)}
    index = {"schemaVersion": 2, "manifests": [entry]}
    (directory / "index.json").write_text(json.dumps(index), encoding="ascii")
    (directory / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}', encoding="ascii")
    # Scanners run as another user where we are root. Nobody else gets here: the directory around it is ours.
    for path in (directory, *directory.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)


def _file(directory: Path, digest: Digest) -> Path:
    return directory / "blobs" / digest.algorithm / digest.hex


def _named(image: Image, limits: LayoutLimits) -> dict[Digest, int]:
    """Return what the manifest names, configuration and layers, with the sizes; each digest once."""
    document = strict_json.parse(image.manifest, max_bytes=len(image.manifest))
    config, layers = (document.get("config"), document.get("layers")) if isinstance(document, dict) else (None, None)
    if not isinstance(layers, list) or config is None:
        raise MalformedEvidence(Reason.CONTENT_MISMATCH, f"{image.subject.digest} has no configuration and layers")
    if len(layers) > limits.layers:
        raise MalformedEvidence(Reason.TOO_LARGE, f"an image of {len(layers)} layers, at most {limits.layers} are read")
    named: dict[Digest, int] = {}
    for each in (config, *layers):
        digest, size = _descriptor(each)
        if named.setdefault(digest, size) != size:
            raise MalformedEvidence(Reason.CONTENT_MISMATCH, f"{digest} is named with two sizes")
    if max(named.values()) > limits.layer or sum(named.values()) > limits.total:
        detail = f"an image of {sum(named.values())} bytes, at most {limits.total} and {limits.layer} a layer are read"
        raise MalformedEvidence(Reason.TOO_LARGE, detail)
    return named


def _descriptor(value: object) -> tuple[Digest, int]:
    digest, size = (value.get("digest"), value.get("size")) if isinstance(value, Mapping) else (None, None)
    if not isinstance(digest, str) or not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise MalformedEvidence(Reason.CONTENT_MISMATCH, "a layer without digest and size")
    try:
        return Digest.parse(digest), size
    except BadInput as error:
        raise MalformedEvidence(Reason.CONTENT_MISMATCH, str(error)) from error
