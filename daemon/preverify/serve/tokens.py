"""Bearer tokens: one a line in a file, compared in constant time, read again when the file changes."""

import hashlib
import hmac
import re
from pathlib import Path

from preverify.model.errors import BadConfiguration
from preverify.observe import hide

_FORM = re.compile(r"[A-Za-z0-9._~+/=-]{16,512}")  # RFC 6750, section 2.1, and long enough to be a secret
_MAX_TOKENS = 1_000


class Tokens:
    """The accepted tokens. Without a file none is accepted."""

    def __init__(self, path: Path | None = None) -> None:
        """Read `path`.

        Raises:
            BadConfiguration: the file cannot be read or holds something that is no token.
        """
        self._path = path
        self._seen: tuple[int, int, int] | None = None
        self._digests: tuple[bytes, ...] = ()
        self.refresh()

    def refresh(self) -> bool:
        """Read the file again where it changed; True when it did. On an error the present tokens stay.

        Raises:
            BadConfiguration: the file cannot be read or holds something that is no token.
        """
        if self._path is None:
            return False
        try:
            about = self._path.stat()
            seen = (about.st_mtime_ns, about.st_ino, about.st_size)
            if seen == self._seen:
                return False
            lines = self._path.read_text("ascii").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise BadConfiguration(f"the tokens cannot be read: {error}", where=str(self._path)) from error
        self._digests = tuple(self._digest(number, line) for number, line in self._used(lines))
        self._seen = seen
        return True

    def accept(self, authorization: str) -> bool:
        """Say whether an Authorization header carries one of the tokens. Every token is compared, whichever matches."""
        scheme, _, sent = authorization.partition(" ")
        presented = hashlib.sha256(sent.strip().encode("latin-1", "replace")).digest()
        found = False
        for digest in self._digests:
            found |= hmac.compare_digest(digest, presented)
        return found and scheme.lower() == "bearer"

    def _used(self, lines: list[str]) -> list[tuple[int, str]]:
        used = [(number, line.strip()) for number, line in enumerate(lines, 1) if line.strip() and line[0] != "#"]
        if len(used) > _MAX_TOKENS:
            raise BadConfiguration(f"{len(used)} tokens, expected at most {_MAX_TOKENS}", where=str(self._path))
        return used

    def _digest(self, number: int, token: str) -> bytes:
        if _FORM.fullmatch(token) is None:
            raise BadConfiguration(
                "a token has 16 to 512 letters, digits or ._~+/=-; make one with `openssl rand -hex 32`",
                where=f"{self._path}:{number}",
            )
        hide(token)
        return hashlib.sha256(token.encode()).digest()
