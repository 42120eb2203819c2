"""The registry room: everything that speaks to a registry or reads a directory of OCI layouts."""

from collections.abc import Sequence
from pathlib import Path

from preverify.attest.identity import Own
from preverify.model.reference import Repository
from preverify.ports import Clock, Observer, Registry
from preverify.settings import Source


def open_layout(directory: Path, repository: Repository, *, clock: Clock) -> Registry:
    """Return the adapter for one OCI layout, whose images are taken for those of `repository`."""
    from preverify.registry.layout import LayoutRegistry, OneLayout

    registry = LayoutRegistry(Source(registry=f"oci:{directory}"), clock=clock)
    registry.reader = OneLayout(directory, repository)
    return registry


def open_source(
    name: str,
    source: Source,
    *,
    clock: Clock,
    own_keys: Sequence[Own] = (),
    observer: Observer | None = None,
) -> Registry:
    """Return the adapter for a configured source.

    Args:
        name: Name of the source, for messages.
        source: Its configuration; credential files are read now.
        clock: Time.
        observer: Counts and times requests.
        own_keys: Public keys that our statements verify under; what they signed is not evidence.

    Raises:
        BadConfiguration: a credential or certificate file cannot be used.
        BadInput: the registry is neither `host[:port]` nor `oci:/absolute/directory`.
    """
    if source.registry.startswith("oci:"):
        from preverify.registry.layout import LayoutRegistry

        return LayoutRegistry(source, clock=clock, own_keys=own_keys)
    from preverify.registry.client import Client
    from preverify.registry.remote import RemoteRegistry

    return RemoteRegistry(source, Client(name, source, clock=clock, observer=observer), clock=clock, own_keys=own_keys)
