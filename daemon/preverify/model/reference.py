"""Image references: one grammar, one internal form, one place."""

import re
from dataclasses import dataclass
from typing import Self

from preverify.model.digest import Digest
from preverify.model.errors import BadInput

_PATH = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*")
_TAG = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}")
_LABEL = r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?"
_HOST = re.compile(rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9a-f:]+\])(?::[0-9]{{1,5}})?")
_IMAGE_ID = re.compile(r"[0-9a-f]{64}")
_MAX_NAME = 255
_HUB = "docker.io"
_HUB_ALIASES = frozenset({"docker.io", "index.docker.io", "registry-1.docker.io"})


def is_tag(text: str) -> bool:
    """Say whether `text` follows the tag grammar of the OCI distribution specification."""
    return _TAG.fullmatch(text) is not None


def is_repository_path(text: str) -> bool:
    """Say whether `text` follows the `<name>` grammar of the OCI distribution specification."""
    return _PATH.fullmatch(text) is not None


def is_registry(first: str) -> bool:
    """Say whether the first part of a name is a registry, and not the first part of a path on Docker Hub."""
    return first == "localhost" or any(c in first for c in ".:[")


def registry_host(text: str) -> str:
    """Return the internal form of a registry host, `host[:port]` in lower case.

    Raises:
        BadInput: not a host name, IPv4 address or bracketed IPv6 address with an optional port.
    """
    host = text.lower()
    if _HOST.fullmatch(host) is None or len(host) > _MAX_NAME:
        raise BadInput(f"{text[:80]!r} is not a registry host, expected host or host:port")
    return _HUB if host in _HUB_ALIASES else host


@dataclass(frozen=True, slots=True, order=True)
class Repository:
    """A registry host and a repository path in internal form. `str()` gives `registry/path`."""

    registry: str
    path: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `registry/path` without tag or digest, by the rules of `Reference.parse`.

        Raises:
            BadInput: a tag or digest is there, or the text follows no grammar.
        """
        reference = Reference.parse(text)
        tail = text.rpartition("/")[2]
        if reference.digest is not None or ":" in tail:
            raise BadInput(f"{text[:80]!r} names a tag or digest, expected only registry/repository")
        return cls(reference.repository.registry, reference.repository.path)

    def __str__(self) -> str:
        return f"{self.registry}/{self.path}"


@dataclass(frozen=True, slots=True)
class Reference:
    """A repository with a tag, a digest or both. With both, the digest rules and the tag is only a name.

    Spec:
        The distribution reference grammar. `docker.io` is implied where the first component is no host; a single
        component there is in `library/`; the tag `latest` is implied where neither tag nor digest stands.
    """

    repository: Repository
    tag: str | None = None
    digest: Digest | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read an image reference as people and Kubernetes write it.

        Raises:
            BadInput: what was seen and which part is wrong.

        >>> str(Reference.parse("nginx"))
        'docker.io/library/nginx:latest'
        """
        if not text or len(text) > _MAX_NAME + 1 + 128 + 140 or not text.isascii() or not text.isprintable():
            raise BadInput(f"{text[:80]!r} is not an image reference, expected [registry/]repository[:tag][@digest]")
        if _IMAGE_ID.fullmatch(text):
            raise BadInput("a bare 64-digit hex name is an image id, expected a repository name")
        name, at, digest_text = text.partition("@")
        digest = Digest.parse(digest_text) if at else None
        tag: str | None = None
        slash, colon = name.rfind("/"), name.rfind(":")
        if colon > slash:
            name, tag = name[:colon], name[colon + 1 :]
            if not is_tag(tag):
                raise BadInput(f"{tag[:140]!r} is not a tag, expected 1 to 128 letters, digits, '_', '.' or '-'")
        first, slash_text, rest = name.partition("/")
        if slash_text and is_registry(first):
            registry, path = registry_host(first), rest
        elif slash_text and first != first.lower():
            # Some readers take this for a host. In lower case it would be a path on Docker Hub: two meanings.
            raise BadInput(f"{first[:80]!r} is no host that can be told from a path, expected a dot or a port in it")
        else:
            registry, path = _HUB, name
        if registry == _HUB and "/" not in path:
            path = f"library/{path}"
        if not is_repository_path(path) or len(registry) + 1 + len(path) > _MAX_NAME:
            raise BadInput(f"{path[:80]!r} is not a repository name, expected lower-case components separated by '/'")
        if tag is None and digest is None:
            tag = "latest"
        return cls(Repository(registry, path), tag, digest)

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag is not None else ""
        digest = f"@{self.digest}" if self.digest is not None else ""
        return f"{self.repository}{tag}{digest}"


@dataclass(frozen=True, slots=True, order=True)
class Subject:
    """The thing that is verified: a digest in a repository. The same digest elsewhere is another subject."""

    repository: Repository
    digest: Digest

    def __str__(self) -> str:
        return f"{self.repository}@{self.digest}"
