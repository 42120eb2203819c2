"""Globs of policy-controller as globs over repositories.

There they are matched against `registry/path@sha256:…`, since admission only sees digests. So a glob without an end
that takes the digest matches nothing, and one for tags neither. Both are refused: ours would match.

Spec:
    policy-controller, pkg/apis/glob: `*` within a segment, `**` across, everything else for itself.
"""

import re

from preverify.model import globs
from preverify.model.reference import is_registry

_HUB = "index.docker.io"
_OTHER_NAMES = ("docker.io", "registry-1.docker.io")
_DIGEST_CHARACTERS = frozenset("@sha256:0123456789abcdef")
_KNOWN = re.compile(r"[a-zA-Z0-9_:/*.@-]+")
_ANY_DIGEST = ("*", "**", "sha256:*", "sha256:**")
_SHORT = {"*": f"{_HUB}/library/*", "*/*": f"{_HUB}/*/*"}


def repository_glob(text: str) -> str:
    """Return our glob that matches a repository where `text` matches each digest in it.

    Raises:
        ValueError: it matches no digest, only some, or names that we call otherwise.

    >>> repository_glob("index.docker.io/library/*")
    'docker.io/library/*'
    """
    glob = re.sub(r"\*{3,}", "**", _SHORT.get(text, text))
    if len(glob) > globs.MAX_LENGTH:
        raise ValueError(f"has {len(glob)} characters, at most {globs.MAX_LENGTH} are read")
    if _KNOWN.fullmatch(glob) is None:
        raise ValueError("is no glob of policy-controller: letters, digits, '-', '_', ':', '/', '*', '.' and '@'")
    glob = _without_digest(glob)
    host, slash, path = glob.partition("/")
    _check_host(host, glob)
    if not slash and "**" not in host:
        raise ValueError("names only a registry and matches no image of it: end it with '/**'")
    if host == _HUB:
        host = "docker.io"
    if glob != glob.lower() or ":" in path:
        raise ValueError("matches no image: names are lower-case, and where the digest stands there is no tag")
    return f"{host}{slash}{path}"


def _without_digest(glob: str) -> str:
    head, at, digest = glob.partition("@")
    if at:
        if digest not in _ANY_DIGEST:
            raise ValueError("names a digest; policies here are about repositories: end it with '@*'")
        return head
    # What ends in `*:*` takes the colon of the digest. Before a slash it could be that of a port.
    tagged = re.fullmatch(r"(.*\*):\*{1,2}", glob)
    if tagged is not None and ("/" in tagged[1] or set(tagged[1]) == {"*"}):
        glob = tagged[1]
    if not glob.endswith("*"):
        raise ValueError("matches no image by its digest, and admission sees nothing else: end it with '*' or '@*'")
    literals = [each for each in re.split(r"\*+", glob)[1:-1] if each]
    if any(_DIGEST_CHARACTERS.issuperset(each) for each in literals):
        raise ValueError("matches some digests of an image and not others: leave out what could stand in a digest")
    return glob


def _check_host(host: str, glob: str) -> None:
    """Refuse globs that treat Docker Hub's name there, index.docker.io, otherwise than its name here."""
    if "*" not in host:
        if host in _OTHER_NAMES:
            raise ValueError(f"matches nothing there: Docker Hub is called {_HUB}")
        if not is_registry(host):
            raise ValueError(f"starts with no registry and matches nothing there; Docker Hub is called {_HUB}")
        return
    lead = host.partition("*")[0]
    if glob.startswith("**"):
        # What `**` takes may be longer by "index." there; only what follows could need a part of that.
        first = re.split(r"\*+", glob)[1]
        beginnings = [f"{_HUB}/"[i:] for i in range(len("index."))]
        if not first or not any(each.startswith(first) or first.startswith(each) for each in beginnings):
            return
    if host in ("*", "**") or (lead and not any(each.startswith(lead) for each in (_HUB, *_OTHER_NAMES))):
        return
    if "**" in host or globs.matches(host, _HUB) != globs.matches(host, "docker.io"):
        raise ValueError(f"takes {_HUB}, which is called docker.io here, for another registry: name registries whole")
