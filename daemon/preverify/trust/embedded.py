"""What the sigstore package carries of the built-in roots: a first copy, and the metadata that trust starts with."""

from dataclasses import dataclass
from importlib import resources
from urllib.parse import quote

from preverify.model.errors import BadConfiguration
from preverify.policy.trust_documents import BUILT_IN, RootRequest

_ADDRESSES = dict(
    zip(BUILT_IN, ("https://tuf-repo-cdn.sigstore.dev", "https://tuf-repo-cdn.sigstage.dev"), strict=True)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Embedded:
    """A built-in root. `root` is TUF root metadata, `target` a trusted_root.json."""

    url: str
    root: bytes
    target: bytes


def embedded(name: str) -> Embedded:
    """Return what is known of a built-in root without asking anybody. KeyError for any other name."""
    url = _ADDRESSES[name]
    kept = resources.files("sigstore._store") / quote(url, safe="")
    return Embedded(url=url, root=(kept / "root.json").read_bytes(), target=(kept / "trusted_root.json").read_bytes())


def completed(request: RootRequest) -> RootRequest:
    """Return a request with address and first root metadata, also for a built-in root."""
    if request.url:
        return request
    found = embedded(request.name)
    return RootRequest(name=request.name, url=found.url, root=found.root)


def read_built_in(request: RootRequest) -> bytes:
    """Return the embedded copy of a root, for where no state directory is configured.

    Raises:
        BadConfiguration: the root comes by TUF.
    """
    if request.url:
        detail = f"root {request.name!r} comes by TUF: name the configuration (--config), whose state directory has it"
        raise BadConfiguration(detail)
    return embedded(request.name).target
