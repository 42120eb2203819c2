"""Which image name a signature's payload has to state (`docker-reference`): of the own repository, or a given one."""

from preverify.model.errors import BadInput
from preverify.model.reference import Reference, Repository, Subject, is_registry

SAME_REPOSITORY = "same-repository"
SAME_REPOSITORY_EXACTLY = f"{SAME_REPOSITORY}:*"
"""The same, and the name has some tag or digest, which cosign does not write."""
_EXPECTED = f"expected {SAME_REPOSITORY}, {SAME_REPOSITORY_EXACTLY}, registry/repository, or that with :tag or @digest"


def read_demand(text: str) -> str:
    """Return what is demanded in normal form.

    Raises:
        ValueError: not such a demand.
    """
    if text in (SAME_REPOSITORY, SAME_REPOSITORY_EXACTLY):
        return text
    host, slash, _ = text.partition("/")
    if not slash or not is_registry(host):
        raise ValueError(f"{text[:80]!r} names no registry, {_EXPECTED}")
    try:
        reference = Reference.parse(text)
    except BadInput as error:
        raise ValueError(f"{error}, {_EXPECTED}") from error
    return str(reference) if is_exact(text) else str(reference.repository)


def states(signed: str, wanted: str, subject: Subject | None) -> bool:
    """Say whether the name in a payload is what `read_demand` returned. A name that cannot be read is no name."""
    try:
        reference = Reference.parse(signed)
    except BadInput:
        return False
    if wanted in (SAME_REPOSITORY, SAME_REPOSITORY_EXACTLY):
        enough = wanted == SAME_REPOSITORY or is_exact(signed)
        return enough and subject is not None and reference.repository == subject.repository
    if is_exact(wanted):
        return is_exact(signed) and str(reference) == wanted
    return reference.repository == Repository.parse(wanted)


def is_exact(text: str) -> bool:
    """Say whether a reference names a tag or a digest, and not only a repository."""
    return "@" in text or ":" in text.rpartition("/")[2]
