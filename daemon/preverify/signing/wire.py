"""Requests and replies between workers and the signing process: one JSON message a packet, tied together by an id."""

import json
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from preverify.ports import SignedStatement

MAX_REQUEST = 1024
MAX_REPLY = 192 * 1024
_REQUEST_ID = re.compile(r"[0-9a-f]{32}")
_STATEMENT_ID = re.compile(r"[A-Za-z0-9_.:-]{1,128}")


@dataclass(frozen=True, slots=True)
class Request:
    """What a worker asks: a statement's id and nothing else."""

    id: str
    statement: str

    def pack(self) -> bytes:
        """Return the packet."""
        return json.dumps({"id": self.id, "statement": self.statement}).encode()


@dataclass(frozen=True, slots=True)
class Refusal:
    """The answer no. It stays no until rows change."""

    detail: str


@dataclass(frozen=True, slots=True)
class Later:
    """Could not be decided now."""

    detail: str
    retry_after: timedelta


Reply = SignedStatement | Refusal | Later


def read_request(packet: bytes) -> Request | None:
    """Read a request; None for everything that is not exactly one."""
    document = _object(packet)
    if document is None or document.keys() != {"id", "statement"}:
        return None
    request, statement = document["id"], document["statement"]
    if not isinstance(request, str) or not isinstance(statement, str):
        return None
    if _REQUEST_ID.fullmatch(request) is None or _STATEMENT_ID.fullmatch(statement) is None:
        return None
    return Request(request, statement)


def pack_reply(request_id: str, reply: Reply) -> bytes:
    """Return the packet of a reply."""
    document: dict[str, object]
    if isinstance(reply, SignedStatement):
        document = {
            "envelope": reply.envelope.decode("ascii"),
            "keyId": reply.key_id,
            "validUntil": reply.valid_until.isoformat(),
        }
    elif isinstance(reply, Refusal):
        document = {"refused": reply.detail[:2000]}
    else:
        document = {"later": reply.detail[:2000], "seconds": reply.retry_after.total_seconds()}
    return json.dumps({"id": request_id, **document}).encode()


def read_reply(packet: bytes, request_id: str) -> Reply | None:
    """Read a reply; None where it is not the one to this request."""
    document = _object(packet)
    if document is None or document.get("id") != request_id:
        return None
    try:
        if "refused" in document:
            return Refusal(str(document["refused"]))
        if "later" in document:
            return Later(str(document["later"]), timedelta(seconds=float(document["seconds"])))
        return SignedStatement(
            envelope=str(document["envelope"]).encode("ascii"),
            key_id=str(document["keyId"]),
            valid_until=datetime.fromisoformat(str(document["validUntil"])),
        )
    except (KeyError, ValueError, TypeError):
        return None


def _object(packet: bytes) -> dict[str, Any] | None:
    try:
        document = json.loads(packet)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None
