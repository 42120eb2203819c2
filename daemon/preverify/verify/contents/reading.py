"""What readers of long documents share."""

from datetime import datetime
from typing import Any

from preverify.model.contents import MAX_ENTRIES
from preverify.model.errors import MalformedEvidence
from preverify.model.reasons import Reason
from preverify.model.strict_json import Keep, parse
from preverify.verify.predicates.facts import Node
from preverify.verify.predicates.outline import MAX_KEYS
from preverify.verify.predicates.spdx import unwrapped
from preverify.verify.statements.statement import MAX_PAYLOAD_BYTES

MAX_KEPT = 10 * MAX_ENTRIES
"""Objects of which something is kept: ten for each entry are more than any format has."""


def parsed(data: bytes, keep: Keep) -> object:
    """Read a document, and of each object only what is kept.

    Raises:
        MalformedEvidence: `statement-malformed` or `too-large`.
    """
    left = MAX_KEPT

    def counted(members: dict[str, Any]) -> bool:
        nonlocal left
        kept = keep(members)
        left -= kept
        if left < 0:
            raise MalformedEvidence(Reason.TOO_LARGE, f"more than {MAX_KEPT} objects that say something")
        return kept

    return parse(
        data,
        max_bytes=MAX_PAYLOAD_BYTES,
        max_keys=MAX_KEYS,
        max_items=MAX_KEYS,
        reason=Reason.STATEMENT_MALFORMED,
        keep=counted,
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
