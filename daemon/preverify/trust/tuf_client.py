"""One verified look at a TUF repository: python-tuf does the protocol, here is what we ask of it and keep.

Spec:
    The Update Framework, "Detailed client workflow". Each look starts with the root metadata that the policy directory
    (or the sigstore package) holds, never with a root that merely lies in the state directory.
"""

import contextlib
import logging
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from tuf.api.exceptions import (
    DownloadError,
    DownloadLengthMismatchError,
    LengthOrHashMismatchError,
    RepositoryError,
)
from tuf.api.metadata import Metadata
from tuf.ngclient.config import UpdaterConfig
from tuf.ngclient.fetcher import FetcherInterface
from tuf.ngclient.updater import Updater

from preverify.model.errors import BadConfiguration, PreverifyError, Unavailable
from preverify.model.reasons import Reason
from preverify.model.trusted_root import MAX_BYTES, parse_trusted_root
from preverify.policy.trust_documents import RootRequest

TARGET = "trusted_root.json"
ROLES = ("root", "timestamp", "snapshot", "targets")
CONFIG = UpdaterConfig(
    max_root_rotations=256,
    max_delegations=32,
    root_max_length=512_000,
    timestamp_max_length=16_384,
    snapshot_max_length=2_000_000,
    targets_max_length=5_000_000,
    app_user_agent="preverify",
)
# python-tuf logs what it tries and fails on the way; what matters comes as an exception.
logging.getLogger("tuf").addHandler(logging.NullHandler())


class Untrusted(PreverifyError):
    """The repository answered, and what it says must not be trusted: signatures, a step back, expired, a wrong hash."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What a look at a repository established."""

    target: bytes
    expires: datetime
    versions: tuple[tuple[str, int], ...]


def look(request: RootRequest, metadata: Path, fetcher: FetcherInterface, known: bytes | None) -> Verified:
    """Bring the metadata of a repository up to date and return its target, verified.

    Args:
        request: Completed: with address and first root metadata.
        metadata: Directory of the verified metadata so far; python-tuf keeps it, and refuses to go back behind it.
        fetcher: Where files come from.
        known: The target as verified last; it is not fetched again where it is still the current one.

    Raises:
        Unavailable: the repository does not answer, or the directory cannot be written.
        Untrusted: it answers what must not be trusted, or a target that cannot be used.
    """
    metadata.mkdir(parents=True, exist_ok=True)
    try:
        with TemporaryDirectory(dir=metadata.parent) as scratch:
            updater = Updater(
                metadata_dir=str(metadata),
                metadata_base_url=request.url,
                target_dir=scratch,
                target_base_url=f"{request.url.rstrip('/')}/targets/",
                fetcher=fetcher,
                config=CONFIG,
                bootstrap=request.root,
            )
            updater.refresh()
            target = _target(updater, Path(scratch), known)
        _check_usable(target, request.name)
        roles = {role: Metadata.from_file(str(metadata / f"{role}.json")).signed for role in ROLES}
    except (RepositoryError, DownloadLengthMismatchError) as error:
        raise Untrusted(f"{type(error).__name__}: {_said(error)}") from error
    except (DownloadError, OSError) as error:
        detail = f"TUF repository of root {request.name!r}: {_said(error)}"
        raise Unavailable(detail, reason=Reason.TRUST_UNAVAILABLE) from error
    return Verified(
        target=target,
        expires=min(role.expires for role in roles.values()),
        versions=tuple(sorted((name, role.version) for name, role in roles.items())),
    )


def _target(updater: Updater, scratch: Path, known: bytes | None) -> bytes:
    info = updater.get_targetinfo(TARGET)
    if info is None:
        raise Untrusted(f"the repository has no target {TARGET}")
    if info.length > MAX_BYTES:
        raise Untrusted(f"{TARGET} is {info.length} bytes long, at most {MAX_BYTES} are read")
    if known is not None:
        with contextlib.suppress(LengthOrHashMismatchError):
            info.verify_length_and_hashes(known)
            return known
    return Path(updater.download_target(info, str(scratch / TARGET))).read_bytes()


def _check_usable(target: bytes, name: str) -> None:
    """Refuse a root that is newer than we are: it must not take the place of one that works."""
    try:
        parse_trusted_root(target, name)
    except BadConfiguration as error:
        raise Untrusted(f"{TARGET} cannot be used: {error}") from error


def _said(error: Exception) -> str:
    return (str(error) or type(error).__name__)[:300]
