"""Editing a `.att` manifest: our layer comes, is replaced or goes; everybody else's stay as they are, in order."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from preverify.attest.manifests import OCI_CONFIG, OCI_MANIFEST, descriptor, descriptors, read_object, write
from preverify.model.digest import Digest
from preverify.model.dsse import DSSE_ENVELOPE, VSA_PREDICATE
from preverify.model.errors import BadInput, MalformedEvidence
from preverify.model.reasons import Reason

DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
_SIGNATURE = "dev.cosignproject.cosign/signature"
_EMPTY_CONFIG = {"architecture": "", "created": "0001-01-01T00:00:00Z", "os": "", "config": {}}


@dataclass(frozen=True, slots=True, kw_only=True)
class AttEdit:
    """What to write. The blobs go first; `layer` is None where none of ours is to stand."""

    manifest: bytes
    media_type: str
    config: bytes
    layer: bytes | None


def tag(digest: Digest) -> str:
    """Return the tag of a subject's attestations: `sha256-<hex>.att`."""
    return f"{digest.algorithm}-{digest.hex}.att"


def config_digest(manifest: bytes) -> Digest:
    """Return which blob is the config of a `.att` manifest.

    Raises:
        MalformedEvidence: no image manifest, or none with a config.
    """
    config = _manifest(manifest).get("config")
    if not isinstance(config, dict) or not isinstance(config.get("digest"), str):
        raise MalformedEvidence(Reason.CONTENT_MISMATCH, ".att manifest has no config")
    try:
        return Digest.parse(config["digest"])
    except BadInput as error:
        raise MalformedEvidence(Reason.CONTENT_MISMATCH, f".att manifest: config: {error}") from error


def layers(manifest: bytes) -> tuple[dict[str, Any], ...]:
    """Return the layer descriptors of a `.att` manifest.

    Raises:
        MalformedEvidence: no image manifest.
    """
    return tuple(descriptors(_manifest(manifest), "layers", ".att manifest"))


def edit(manifest: bytes | None, config: bytes | None, *, drop: Collection[int], add: bytes | None) -> AttEdit | None:
    """Return the manifest without the layers `drop` and with the envelope `add`; None where that changes nothing.

    Args:
        manifest: The manifest that the tag names now, or None where there is none.
        config: Its config blob. One that cannot be read as an image config is written anew: cosign pairs its `diff_ids`
            with the layers when it appends, and would lose layers over a wrong list.
        drop: Positions of layers that are ours and are to go. A layer that already holds `add` is left where it is.
        add: The envelope, or None where none of ours is to stand.

    Raises:
        MalformedEvidence: the tag names something else than an image manifest. It is somebody's: left alone.

    Spec:
        cosign, SIGNATURE_SPEC and attestation storage: one layer an attestation; the empty signature annotation has to
        stand.
    """
    document = _manifest(manifest) if manifest is not None else None
    standing = descriptors(document, "layers", ".att manifest") if document is not None else []
    wanted = _our_layer(add) if add is not None else None
    present = next((i for i, layer in enumerate(standing) if wanted is not None and _same(layer, wanted)), None)
    gone = {i for i in drop if i != present}
    if not gone and (wanted is None or present is not None):
        return None
    kept = [i for i in range(len(standing)) if i not in gone]
    diff_ids = _diff_ids(config, standing)
    after = [standing[i] for i in kept]
    after_ids = [diff_ids[i] for i in kept]
    if wanted is not None and present is None:
        after.append(wanted)
        after_ids.append(wanted["digest"])
    new_config = _config(config, after_ids)
    document = document or {"schemaVersion": 2, "mediaType": OCI_MANIFEST}
    config_type = _config_type(document)
    changed = {**document, "config": descriptor(config_type, new_config), "layers": after}
    return AttEdit(
        manifest=write(changed),
        media_type=str(document.get("mediaType", OCI_MANIFEST)),
        config=new_config,
        layer=add,
    )


def _manifest(data: bytes) -> dict[str, Any]:
    document = read_object(data, ".att manifest")
    media_type = document.get("mediaType", OCI_MANIFEST)
    if media_type not in (OCI_MANIFEST, DOCKER_MANIFEST) or "manifests" in document:
        raise MalformedEvidence(
            Reason.CONTENT_MISMATCH, f".att tag names {str(media_type)[:80]}, not an image manifest"
        )
    return document


def _our_layer(envelope: bytes) -> dict[str, Any]:
    annotations = {_SIGNATURE: "", "predicateType": VSA_PREDICATE}
    return {**descriptor(DSSE_ENVELOPE, envelope), "annotations": annotations}


def _same(layer: dict[str, Any], wanted: dict[str, Any]) -> bool:
    return all(layer.get(member) == value for member, value in wanted.items())


def _config_type(document: dict[str, Any]) -> str:
    config = document.get("config")
    media_type = config.get("mediaType") if isinstance(config, dict) else None
    return media_type if isinstance(media_type, str) else OCI_CONFIG


def _readable(config: bytes | None) -> dict[str, Any] | None:
    try:
        return read_object(config, ".att config") if config is not None else None
    except MalformedEvidence:
        return None


def _diff_ids(config: bytes | None, standing: Sequence[dict[str, Any]]) -> list[str]:
    """Return one diff id a layer: the config's where it has exactly one for each, else the layers' own digests."""
    rootfs = (_readable(config) or {}).get("rootfs")
    found = rootfs.get("diff_ids") if isinstance(rootfs, dict) else None
    if isinstance(found, list) and len(found) == len(standing) and all(isinstance(d, str) for d in found):
        return found
    return [layer["digest"] for layer in standing]  # attestation layers are not compressed: both digests are one


def _config(config: bytes | None, diff_ids: list[str]) -> bytes:
    document = _readable(config)
    if document is None:
        document = _EMPTY_CONFIG
    # The history is optional, and one that is not in step with the layers helps nobody.
    kept = {name: value for name, value in document.items() if name != "history"}
    return write({**kept, "rootfs": {"type": "layers", "diff_ids": diff_ids}})
