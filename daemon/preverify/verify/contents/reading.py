"""What readers of long documents share."""

from datetime import datetime

from preverify.model.contents import MAX_ENTRIES
from preverify.model.errors import MalformedEvidence
from preverify.model.reasons import Reason
from preverify.model.strict_json import Keep, parse
from preverify.verify.predicates.facts import Node
from preverify.verify.predicates.outline import MAX_KEYS
from preverify.verify.predicates.spdx import unwrapped
from preverify.verify.statements.statement import MAX_PAYLOAD_BYTES


def parsed(data: bytes, keep: Keep) -> object:
    """Read a document, and of each object only what is kept.

    Raises:
        MalformedEvidence: `statement-malformed` or `too-large`.
    """
    return parse(
        data,
        max_bytes=MAX_PAYLOAD_BYTES,
        max_keys=MAX_KEYS,
        max_items=MAX_KEYS,
        reason=Reason.STATEMENT_MALFORMED,
        keep=keep,
    )


def opened(predicate: object, keep: Keep) -> object:
    """Return the document that a predicate is: taken out of old wrappings, and read where JSON stands as text."""
    document = unwrapped(predicate)
    if isinstance(document, str) and document.lstrip()[:1] == "{":
        return parsed(document.encode(), keep)
    return document


def moment(node: Node, name: str) -> datetime | None:
    """Return a member that is a time; None where it is not set."""
    text = node.instant(name)
    return datetime.fromisoformat(text) if text else None


def check_number(count: int, noun: str) -> None:
    """Refuse a document with too many entries.

    Raises:
        MalformedEvidence: `too-large`.
    """
    if count > MAX_ENTRIES:
        raise MalformedEvidence(Reason.TOO_LARGE, f"more than {MAX_ENTRIES} {noun}")
