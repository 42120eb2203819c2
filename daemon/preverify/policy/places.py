"""Refusals that say at which place of a document something stands that cannot be used."""

from collections.abc import Iterator
from contextlib import contextmanager

from preverify.model.errors import BadConfiguration
from preverify.model.strict_yaml import Document

Path = tuple[str | int, ...]


def refusal(document: Document, path: Path, detail: str) -> BadConfiguration:
    """Return the error about what stands at `path`."""
    return BadConfiguration(detail, where=document.where(path))


@contextmanager
def using(document: Document, path: Path, name: str, *, noun: str = "") -> Iterator[None]:
    """Say in which file and place of the document `name` stands, where it cannot be used."""
    try:
        yield
    except (OSError, ValueError, BadConfiguration) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise refusal(document, path, f"{noun} {name!r}: {reason}".lstrip()) from error
