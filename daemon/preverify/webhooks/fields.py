"""What all formats share: members of the right type, and hints out of names that follow the grammars."""

from collections.abc import Mapping
from typing import cast

from preverify.model import strict_json
from preverify.model.digest import Digest
from preverify.model.errors import BadInput, MalformedEvidence
from preverify.model.evidence_tags import is_evidence_tag, subject_of_evidence_tag
from preverify.model.hints import Hint
from preverify.model.reference import is_repository_path, is_tag

_MAX_REPOSITORY = 255


def document(body: bytes, *, max_bytes: int) -> Mapping[str, object]:
    """Return the body's one JSON object.

    Raises:
        BadInput: no strict JSON, too large, or not an object.
    """
    try:
        return member(strict_json.parse(body, max_bytes=max_bytes), "the notification")
    except MalformedEvidence as error:
        raise BadInput(f"the notification cannot be read: {error}") from error


def member(value: object, where: str) -> Mapping[str, object]:
    """Return `value` as a JSON object.

    Raises:
        BadInput: it is something else.
    """
    if not isinstance(value, dict):
        raise BadInput(f"{where} is {kind_of(value)}, expected an object")
    return cast("Mapping[str, object]", value)


def text(holder: Mapping[str, object], key: str, where: str) -> str:
    """Return the string at `key`, empty where it is absent or null.

    Raises:
        BadInput: it is something else.
    """
    value = holder.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise BadInput(f"{where}.{key} is {kind_of(value)}, expected a string")
    return value


def kind_of(value: object) -> str:
    """Name the JSON type of `value` for a message."""
    names = {dict: "an object", list: "an array", str: "a string", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")


def readable_digest(text_: str) -> str | None:
    """Return `text_` where it is a digest that we could look at, else None: a claimed digest decides nothing."""
    try:
        return str(Digest.parse(text_))
    except BadInput:
        return None


def hint(
    repository: str, tag: str, digest: str, where: str, *, deleted: bool = False, delivery: str = "", registry: str = ""
) -> Hint | None:
    """Return the hint that these names make, or None where they name nothing that can be looked at.

    A tag that holds evidence (`sha256-….sig`, `.att`, or the bare fallback tag of the referrers API) is not an image:
    it becomes a hint for the subject that its name carries. A sha512 subject cannot be read back from its cut fallback
    tag; the evidence sweep finds it.

    Raises:
        BadInput: the repository or the tag does not follow the grammar of the OCI distribution specification.
    """
    if not is_repository_path(repository) or len(repository) > _MAX_REPOSITORY:
        raise BadInput(
            f"{where} names the repository {repository[:80]!r}, expected lower-case components joined by '/'"
        )
    if tag and not is_tag(tag):
        raise BadInput(f"{where} names the tag {tag[:80]!r}, expected 1 to 128 letters, digits, '_', '.' or '-'")
    claimed: str | None = readable_digest(digest)
    if is_evidence_tag(tag):
        subject = subject_of_evidence_tag(tag)
        tag, claimed, deleted = "", None if subject is None else str(subject), False
    if not tag and claimed is None:
        return None
    return Hint(
        repository=repository,
        tag=tag or None,
        digest=claimed,
        deleted=deleted,
        delivery=delivery[:200],
        registry=registry,
    )
