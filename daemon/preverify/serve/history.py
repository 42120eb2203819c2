"""`GET /v1/verdicts?digest=&image=`: what was decided about a digest. `POST /v1/misses`: what replicas did not find."""

import asyncio
from collections.abc import Sequence
from typing import Protocol

import msgspec

from preverify.admission.batch import read as read_batch
from preverify.model.digest import Digest
from preverify.model.errors import BadInput
from preverify.model.reference import Repository, Subject
from preverify.model.verdicts import Verdict
from preverify.ports import KnownSubject
from preverify.serve.http import Request, Response
from preverify.serve.misses import Misses
from preverify.serve.problems import problem

_DEFAULT, _MOST = 100, 1_000
_PARAMETERS = frozenset({"digest", "image", "limit"})


class Finds(Protocol):
    """What is used here of `ports.History`."""

    def find(self, digest: Digest) -> Sequence[KnownSubject]: ...
    def current(self, subject: Subject) -> tuple[Verdict, ...]: ...


class Verdicts:
    """Handles the route. The database is read in a thread, two requests at a time: answers never wait for it."""

    METHODS = frozenset({"GET"})

    def __init__(self, history: Finds) -> None:
        self._history = history
        self._turns = asyncio.Semaphore(2)

    async def handle(self, request: Request) -> Response:
        """Return the current verdicts of every subject with the digest, at most `limit` of them."""
        try:
            digest, image, limit = _read(request)
        except BadInput as error:
            return problem(400, str(error))
        async with self._turns:
            verdicts = await asyncio.to_thread(self._find, digest, image)
        document = {
            "apiVersion": "preverify/v1",
            "kind": "VerdictList",
            "truncated": len(verdicts) > limit,
            "items": [_document(verdict) for verdict in verdicts[:limit]],
        }
        return Response(status=200, body=msgspec.json.encode(document))

    def _find(self, digest: Digest, image: Repository | None) -> Sequence[Verdict]:
        subjects = [known.subject for known in self._history.find(digest)]
        return [
            verdict
            for subject in subjects
            if image is None or subject.repository == image
            for verdict in self._history.current(subject)
        ]


class MissReports:
    """Handles the reports of replicas: the form of `/v1/lookup:batch`, each item with its image."""

    METHODS = frozenset({"POST"})
    MAX_BODY_BYTES = 1024 * 1024

    def __init__(self, misses: Misses) -> None:
        self._misses = misses

    async def handle(self, request: Request) -> Response:
        """Note every miss; says how many cause work."""
        try:
            images = read_batch("", request.query, request.headers, request.body).images
        except BadInput as error:
            return problem(400, str(error))
        caused = sum(
            self._misses.note(image.repository, image.digest)
            for image in images
            if image.repository is not None and image.digest is not None
        )
        return Response(status=202, body=msgspec.json.encode({"caused": caused}))


def _read(request: Request) -> tuple[Digest, Repository | None, int]:
    query = request.query
    unknown = sorted(set(query) - _PARAMETERS)
    if unknown or "digest" not in query:
        raise BadInput(f"expected the parameter digest, and optionally image and limit, not {sorted(query)!r:.200}")
    limit = query.get("limit", str(_DEFAULT))
    if not (limit.isascii() and limit.isdigit()) or not 1 <= len(limit) <= 9:
        raise BadInput(f"limit is {limit[:20]!r}, expected a number up to {_MOST}")
    image = query.get("image")
    return (
        Digest.parse(query["digest"]),
        None if image is None else Repository.parse(image),
        max(1, min(int(limit), _MOST)),
    )


def _document(verdict: Verdict) -> dict[str, object]:
    return {
        "id": verdict.id,
        "image": str(verdict.subject.repository),
        "digest": str(verdict.subject.digest),
        "policy": verdict.policy,
        "policyDigest": verdict.policy_digest,
        "trustEpoch": verdict.trust_epoch,
        "verdict": verdict.outcome.value,
        "decidedAt": verdict.decided_at,
        "validUntil": verdict.valid_until,
        "dueAt": verdict.due_at,
        "rules": [
            {
                "rule": rule.rule,
                "outcome": rule.outcome.value,
                "code": rule.reason.value,
                "detail": rule.detail,
                "counted": rule.counted,
                "evidence": rule.evidence,
            }
            for rule in verdict.rules
        ],
    }
