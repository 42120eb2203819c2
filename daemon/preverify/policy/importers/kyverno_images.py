"""Wildcards of Kyverno over image references, as globs over repositories.

They are matched against `registry/path:tag` or `registry/path@sha256:…`, whichever a pod says, so that `…:*` leaves out
images by digest. Ours are about the repository: at least the images that theirs match, and for what is skipped, at
most those.

Spec:
    Kyverno, go-wildcard: `*` for any characters, also slashes, `?` for one. Docker Hub is `docker.io`, and a name that
    is written without `library/` stays without it.
"""

import re

from preverify.model import globs
from preverify.model.reference import is_registry

_HUB = "docker.io"
_TAILS = ("@sha256:*", "@*", ":*")
_KNOWN = re.compile(r"[a-zA-Z0-9_:/*.@-]+")


def demanded(text: str) -> tuple[str, ...]:
    """Return globs that match every repository of which `text` matches an image.

    Raises:
        ValueError: no globs do, or only ones that match far more.

    >>> demanded("ghcr.io/acme/*")
    ('ghcr.io/acme/**',)
    >>> demanded("docker.io/nginx:*")
    ('docker.io/nginx', 'docker.io/library/nginx')
    """
    glob = _checked(text)
    head = next((glob.removesuffix(tail) for tail in _TAILS if glob.endswith(tail)), None)
    if head is None:
        _check_open(glob)
    elif "/" not in head and head != "*":
        raise ValueError("starts with no registry")
    elif "*" in head and "@sha256".endswith(head.rpartition("*")[2] or " "):
        raise ValueError("matches some images by digest and not others")
    glob = head or glob
    host, slash, path = glob.partition("/")
    _check_host(host, slash)
    whole = (glob.replace("*", "**"),)
    if host == _HUB and "*" in path.partition("/")[0] + ("" if "/" in path else "*") and path != "*":
        return (*whole, f"{_HUB}/library/{path}".replace("*", "**"))
    return whole


def skipped(text: str) -> str:
    """Return a glob that matches no repository of which `text` leaves out an image.

    Raises:
        ValueError: there is none.
    """
    glob = _checked(text)
    _check_open(glob)
    host, slash, path = glob.partition("/")
    _check_host(host, slash)
    first, more, _ = path.partition("/")
    if "library" in glob or (host == _HUB and path != "*" and ("*" in first or not more)):
        raise ValueError(
            "matches names of Docker Hub without library/ and not those with it, which are the same images"
        )
    return glob.replace("*", "**")


def _checked(text: str) -> str:
    if _KNOWN.fullmatch(text) is None:
        raise ValueError("is more than a name with '*', which is all that can be said here")
    if len(text) > globs.MAX_LENGTH:
        raise ValueError(f"has {len(text)} characters, at most {globs.MAX_LENGTH} are read")
    if text.rpartition("/")[0] + "/" != (text.rpartition("/")[0] + "/").lower():
        raise ValueError("has capitals, and names of repositories have none")
    return re.sub(r"\*+", "*", text)


def _check_open(glob: str) -> None:
    """Refuse what looks at tags and digests: verdicts are about all of a repository."""
    if not glob.endswith("*"):
        raise ValueError("matches images by one tag or digest; end it with '*', ':*' or '@*'")
    if set(":@") & set(glob.rpartition("/")[2]) or any("/" not in each for each in glob.split("*")[1:-1]):
        raise ValueError("looks at tags or digests, and verdicts here are about repositories")


def _check_host(host: str, slash: str) -> None:
    if "*" not in host:
        if not slash or not is_registry(host):
            raise ValueError("starts with no registry")
    elif slash and host != "*" and globs.matches(host.replace("*", "**"), _HUB):
        raise ValueError(f"takes {_HUB} for one of several registries: name registries whole")
