"""The database as an image in a registry: one layer, the SQLite file in gzip. Other tools can push and copy it."""

import gzip
import json
import zlib
from pathlib import Path
from typing import BinaryIO, NamedTuple

from preverify.model import strict_json
from preverify.model.digest import Digest
from preverify.model.errors import BadInput, MalformedEvidence
from preverify.model.reasons import Reason

ARTIFACT_TYPE = "application/vnd.preverify.vulnerabilities.v1"
LAYER_TYPE = "application/vnd.preverify.vulnerabilities.v1+sqlite.gzip"
MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
EMPTY_TYPE = "application/vnd.oci.empty.v1+json"
EMPTY = b"{}"
MAX_PACKED = 1 << 30
MAX_UNPACKED = 16 << 30
MAX_RATIO = 100
_MAX_MANIFEST = 4 << 20
_CHUNK = 1 << 20


class Layer(NamedTuple):
    """The one layer of the image."""

    digest: Digest
    size: int


def manifest_of(layer: Layer, made_at: str) -> bytes:
    """Return the manifest of an image with this layer.

    Spec:
        OCI image-spec, "Guidelines for Artifact Usage".
    """
    document = {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "artifactType": ARTIFACT_TYPE,
        "config": {"mediaType": EMPTY_TYPE, "digest": str(Digest.of(EMPTY)), "size": len(EMPTY)},
        "layers": [{"mediaType": LAYER_TYPE, "digest": str(layer.digest), "size": layer.size}],
        "annotations": {"org.opencontainers.image.created": made_at},
    }
    return json.dumps(document, separators=(",", ":")).encode()


def layer_of(manifest: bytes) -> Layer:
    """Return the layer that holds the database.

    Raises:
        MalformedEvidence: the image is something else.
    """
    document = strict_json.parse(manifest, max_bytes=_MAX_MANIFEST)
    layers = document.get("layers") if isinstance(document, dict) else None
    if not isinstance(layers, list) or len(layers) != 1 or not isinstance(layers[0], dict):
        raise _malformed("the image has not one layer, as a vulnerability database has")
    kind, size, digest = (layers[0].get(key) for key in ("mediaType", "size", "digest"))
    if kind != LAYER_TYPE:
        raise _malformed(f"the image's layer is {str(kind)[:120]!r}, expected {LAYER_TYPE!r}")
    if not isinstance(size, int) or isinstance(size, bool) or not 0 < size <= MAX_PACKED:
        raise MalformedEvidence(Reason.TOO_LARGE, f"the layer has {size!r} bytes, expected 1 to {MAX_PACKED}")
    try:
        return Layer(Digest.parse(digest if isinstance(digest, str) else ""), size)
    except BadInput as error:
        raise _malformed(f"the layer's digest: {error}") from error


def pack(database: Path) -> bytes:
    """Return a database file in gzip; the same file always gives the same bytes.

    Raises:
        BadInput: it cannot be read, or is too large.
    """
    try:
        packed = gzip.compress(database.read_bytes(), mtime=0)
    except OSError as error:
        raise BadInput(f"{database} cannot be read: {error.strerror}") from error
    if len(packed) > MAX_PACKED:
        raise BadInput(f"{database} has {len(packed)} bytes in gzip, at most {MAX_PACKED} are pulled")
    return packed


def unpack(packed: BinaryIO, size: int, into: BinaryIO) -> None:
    """Write what a gzip file holds. Where this raises, a part may have been written.

    Args:
        packed: The layer.
        size: Its length, which bounds what may come out of it.
        into: Where to write.

    Raises:
        MalformedEvidence: not gzip, cut short, followed by something, or more than `MAX_RATIO` times as large.
    """
    left = min(MAX_UNPACKED, size * MAX_RATIO)
    reader = zlib.decompressobj(wbits=31)
    while not reader.eof:
        chunk = reader.unconsumed_tail or packed.read(_CHUNK)
        if not chunk:
            raise _malformed("the layer is cut short")
        try:
            data = reader.decompress(chunk, _CHUNK)
        except zlib.error as error:
            raise _malformed(f"the layer is not gzip: {error}") from error
        left -= len(data)
        if left < 0:
            raise MalformedEvidence(
                Reason.TOO_LARGE, f"the layer unpacks to more than {MAX_RATIO} times its {size} bytes"
            )
        into.write(data)
    if reader.unused_data or packed.read(1):
        raise _malformed("the layer goes on after its end")


def _malformed(detail: str) -> MalformedEvidence:
    return MalformedEvidence(Reason.PAYLOAD_MALFORMED, detail)
