"""Globs over `registry/path` as policies write them, brought to internal form."""

from typing import Annotated

from pydantic import AfterValidator

from preverify.model import globs
from preverify.model.errors import BadInput
from preverify.model.reference import is_registry, registry_host


def image_glob(text: str) -> str:
    """Return a glob over `registry/path` in internal form; refuse what could never match anything.

    Raises:
        BadInput: says why.
    """
    host, slash, rest = text.partition("/")
    globs.check(text)
    if text.startswith("oci:/"):  # a directory of OCI layouts is a source too; paths have their own case
        return text
    host = host.lower() if "*" in host else registry_host(host)
    if "*" not in host and not is_registry(host):
        raise BadInput(f"{text[:80]!r} starts with no registry; write docker.io/… or registry.example/…")
    if ":" in rest:
        raise BadInput(f"{text[:80]!r} names a tag; tags do not take part, verdicts are about digests")
    if rest != rest.lower() or (slash and not rest):
        raise BadInput(f"{text[:80]!r} matches nothing: repository names are not empty and lower-case")
    if not slash and "**" not in host:
        raise BadInput(f"{text[:80]!r} names only a registry; write {host}/** for all of it")
    return f"{host}{slash}{rest}"


def _checked(text: str) -> str:
    try:
        return image_glob(text)
    except BadInput as error:
        raise ValueError(str(error)) from error


ImageGlob = Annotated[str, AfterValidator(_checked)]
