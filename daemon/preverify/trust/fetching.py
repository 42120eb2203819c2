"""How the TUF client gets files: over HTTP through a function that is handed in, or from files that are at hand."""

from collections.abc import Iterator, Mapping

from tuf.api.exceptions import DownloadError, DownloadHTTPError, DownloadLengthMismatchError
from tuf.ngclient.fetcher import FetcherInterface

from preverify.model.errors import MalformedEvidence, Unavailable
from preverify.trust.roots import Get

MAX_BYTES = 5_000_000


class Fetcher(FetcherInterface):
    """Fetches over HTTP. What comes is verified by the TUF client before anything is done with it."""

    def __init__(self, get: Get) -> None:
        self._get = get

    def download_bytes(self, url: str, max_length: int) -> bytes:
        """Return the bytes of a metadata file, never more than the client allows."""
        try:
            status, data = self._get(url, min(max_length, MAX_BYTES))
        except Unavailable as error:
            raise DownloadError(str(error)) from error
        except MalformedEvidence as error:
            raise DownloadLengthMismatchError(error.detail) from error
        if status != 200:
            # Redirects too: a mirror does not get to choose which address of our network is asked next.
            raise DownloadHTTPError(f"{url[:200]} answered {status}", status)
        return data

    def _fetch(self, url: str) -> Iterator[bytes]:
        return iter((self.download_bytes(url, MAX_BYTES),))


class Served(FetcherInterface):
    """Answers from files as their repository would: what is imported is verified like what is fetched.

    Files go by the names that metadata is kept under: `timestamp.json`, roots with their version (`7.root.json`).
    """

    def __init__(self, url: str, files: Mapping[str, bytes], target: bytes) -> None:
        self._base = url.rstrip("/") + "/"
        self._files = files
        self._target = target

    def _fetch(self, url: str) -> Iterator[bytes]:
        name = url.removeprefix(self._base)
        if name.startswith("targets/"):
            return iter((self._target,))
        data = self._files.get(name)
        version, _, rest = name.partition(".")
        if data is None and version.isdigit():
            # The metadata itself says which version it is, and is held against what was asked for.
            data = self._files.get(rest)
        if data is None:
            raise DownloadHTTPError(f"{name[:80]} is not there", 404)
        return iter((data,))
