"""URLs that a registry hands us (Link, Location, realm): one strict grammar, so that no two parsers can differ."""

import re
from dataclasses import dataclass
from typing import Self
from urllib.parse import urljoin

from preverify.model.errors import BadInput

_URL = re.compile(
    r"(?P<scheme>https?)://(?P<host>[a-z0-9](?:[a-z0-9._-]{0,252}[a-z0-9])?|\[[0-9a-f:.]{2,45}\])"
    r"(?::(?P<port>[0-9]{1,5}))?(?P<target>/[!$-\[\]-_a-~]*)?",
    re.IGNORECASE,
)
_PORTS = {"http": 80, "https": 443}
_MAX_URL = 8192


@dataclass(frozen=True, slots=True)
class Url:
    """A URL without user info, fragment, backslash or control characters.

    `authority` is `host` or `host:port` in lower case without the scheme's default port.
    """

    scheme: str
    authority: str
    target: str

    @classmethod
    def parse(cls, text: str, *, base: "Url | None" = None) -> Self:
        """Read an absolute URL, or one relative to `base`.

        Raises:
            BadInput: anything that two readers could understand differently.

        >>> Url.parse("/v2/a/tags/list?n=1", base=Url("https", "r.example", "/v2/")).authority
        'r.example'
        """
        if not 0 < len(text) <= _MAX_URL or not text.isascii() or not text.isprintable() or " " in text or "\\" in text:
            raise BadInput(f"{text[:120]!r} is not a usable URL")
        absolute = urljoin(str(base), text) if base is not None else text
        match = _URL.fullmatch(absolute)
        if match is None:
            raise BadInput(f"{absolute[:120]!r} is not a plain http or https URL")
        scheme, host = match["scheme"].lower(), match["host"].lower()
        port = int(match["port"]) if match["port"] else _PORTS[scheme]
        if not 0 < port < 65536:
            raise BadInput(f"{absolute[:120]!r} has no possible port")
        authority = host if port == _PORTS[scheme] else f"{host}:{port}"
        return cls(scheme, authority, match["target"] or "/")

    @property
    def origin(self) -> tuple[str, str]:
        """Return what must be equal for two URLs to be at the same server."""
        return self.scheme, self.authority

    @property
    def path(self) -> str:
        """Return the target without its query."""
        return self.target.partition("?")[0]

    def with_query(self, query: str) -> Self:
        """Return this URL with `query` (already encoded) added to whatever query it has."""
        if not query:
            return self
        return type(self)(self.scheme, self.authority, f"{self.target}{'&' if '?' in self.target else '?'}{query}")

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}{self.target}"
