"""`POST /v1/lookup:batch`: many lookups in one request, one Answer each, in order."""

from collections.abc import Mapping, Sequence

import msgspec

from preverify.admission import lookup
from preverify.admission.documents import API_VERSION, answer_document
from preverify.admission.question import MAX_IMAGES, Question, Reply
from preverify.admission.strict import decode
from preverify.model.errors import BadInput
from preverify.model.verdicts import Answer

NAME = "batch"
METHODS = frozenset({"POST"})
MAX_BODY_BYTES = 1024 * 1024

_encode = msgspec.json.Encoder().encode


class _Item(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    digest: str
    image: str | None = None
    namespace: str | None = None


class _Batch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    items: list[_Item]


_decoder = msgspec.json.Decoder(_Batch)


def read(path: str, query: Mapping[str, str], headers: Mapping[str, str], body: bytes) -> Question:  # noqa: ARG001
    """Return the questions of `{"items": [{"digest", "image"?, "namespace"?}]}`.

    Raises:
        BadInput: another form, no item or more than 1000; one bad item refuses the whole batch.
    """
    if query:
        raise BadInput(f"unknown parameter {min(query)[:80]!r}, expected none")
    items = decode(_decoder, body, max_bytes=MAX_BODY_BYTES).items
    if not 1 <= len(items) <= MAX_IMAGES:
        raise BadInput(f"items has {len(items)} entries, expected 1 to {MAX_IMAGES}")
    return Question(
        images=tuple(
            lookup.asked(item.digest, item.image, item.namespace, f"items[{number}]")
            for number, item in enumerate(items)
        )
    )


def reply(question: Question, answers: Sequence[Answer]) -> Reply:  # noqa: ARG001
    """Return `AnswerList`; 200 says only that there are answers, each says itself whether it admits."""
    document = {
        "apiVersion": API_VERSION,
        "kind": "AnswerList",
        "admit": all(answer.admit for answer in answers),
        "items": [answer_document(answer) for answer in answers],
    }
    return Reply(status=200, admitted=all(answer.admit for answer in answers), body=_encode(document))


unavailable = lookup.unavailable
