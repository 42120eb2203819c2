"""`GET /v1/lookup/{digest}?image=registry/repository&namespace=name`: the question in its plainest form."""

from collections.abc import Mapping, Sequence
from functools import lru_cache

import msgspec

from preverify.admission.documents import answer_document
from preverify.admission.question import AskedImage, Question, Reply
from preverify.model.digest import Digest
from preverify.model.errors import BadInput
from preverify.model.recent import Recent
from preverify.model.reference import Repository
from preverify.model.verdicts import Answer, AnswerState

NAME = "lookup"
METHODS = frozenset({"GET", "HEAD"})
MAX_BODY_BYTES = 0

_PARAMETERS = frozenset({"image", "namespace"})
_STATUS = {AnswerState.DENIED: 403, AnswerState.UNKNOWN: 404, AnswerState.EXPIRED: 409}
_MEMO = 2_048
_encode = msgspec.json.Encoder().encode
# What follows the grammars is short, and nothing else is remembered.
_digest = lru_cache(maxsize=_MEMO)(Digest.parse)
_repository = lru_cache(maxsize=_MEMO)(Repository.parse)
# By identity: whoever gives the same answer object again gets the same bytes again.
_written: Recent[int, tuple[Answer, Reply]] = Recent(_MEMO)


def read(path: str, query: Mapping[str, str], headers: Mapping[str, str], body: bytes) -> Question:  # noqa: ARG001
    """Return the question of the path and its parameters.

    Raises:
        BadInput: no digest, an unknown parameter, or an `image` with a tag or digest.
    """
    if not query.keys() <= _PARAMETERS:
        unknown = min(query.keys() - _PARAMETERS)
        raise BadInput(f"unknown parameter {unknown[:80]!r}, expected image and namespace")
    return Question(images=(asked(path, query.get("image"), query.get("namespace"), "the path"),))


def asked(digest: str, image: str | None, namespace: str | None, where: str) -> AskedImage:
    """Return the asked image of a digest and optional names; an empty name is refused, it would ask something wider.

    Raises:
        BadInput: one of them is not what it must be.
    """
    if image == "" or namespace == "":
        raise BadInput(f"{where} has an empty image or namespace, leave it out to ask about every repository")
    return AskedImage(
        where=where,
        namespace=namespace,
        digest=_digest(digest),
        repository=None if image is None else _repository(image),
    )


def reply(question: Question, answers: Sequence[Answer]) -> Reply:  # noqa: ARG001
    """Return the Answer document; the status follows `admit`: 200, else 403, 404 or 409 by state."""
    (answer,) = answers
    known = _written.get(id(answer))
    if known is not None and known[0] is answer:
        return known[1]
    status = 200 if answer.admit else _STATUS.get(answer.state, 403)
    written = Reply(status=status, admitted=answer.admit, body=_encode(answer_document(answer)))
    _written.put(id(answer), (answer, written))
    return written


def unavailable(question: Question, problem: str) -> Reply:  # noqa: ARG001
    """Return 503: the lookup table is missing or unreadable."""
    document = {"type": "about:blank", "title": "Service Unavailable", "status": 503, "detail": problem}
    return Reply(
        status=503,
        admitted=False,
        body=_encode(document),
        media_type="application/problem+json",
        headers=(("retry-after", "5"),),
    )
