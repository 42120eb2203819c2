"""Putting small trees of our own into a registry: blobs, then a manifest that names them."""

from collections.abc import Sequence
from datetime import timedelta

from preverify.model.digest import Digest
from preverify.model.reference import Reference
from preverify.ports import Clock
from preverify.registry.client import Client, Limits
from preverify.registry.engine import Timeouts
from preverify.registry.manifests import OCI_MANIFEST
from preverify.settings import Source

_LARGE = Limits(timeouts=Timeouts(total=timedelta(minutes=30)))


def push(source: Source, reference: Reference, blobs: Sequence[bytes], manifest: bytes, *, clock: Clock) -> Digest:
    """Store blobs and a manifest; returns its digest.

    Args:
        source: How the registry is reached.
        reference: Where it goes: with a tag, the tag names it afterwards.
        blobs: What the manifest names. Those that are there already are not sent again.
        manifest: Its bytes.
        clock: Time.

    Raises:
        Refused: the registry does not take it.
        Unavailable: it does not answer.
    """
    client = Client("command-line", source, clock=clock, limits=_LARGE)
    path = reference.repository.path
    for blob in blobs:
        client.put_blob(path, blob)
    return client.put_manifest(path, reference.tag or Digest.of(manifest), manifest, OCI_MANIFEST).digest
