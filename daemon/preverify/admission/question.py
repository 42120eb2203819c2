"""What every front end speaks: a question about images, and a reply. Also how answers are put in words."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from preverify.model.digest import Digest
from preverify.model.reference import Repository
from preverify.model.verdicts import Answer, AnswerState

MAX_IMAGES = 1_000
JSON = "application/json"

_HINTS = {
    "no-policy": "no policy names this image; add it to a policy or remove it from the workload",
    "no-signature": "sign the image with a configured key, then push the signature to its repository",
    "wrong-key": "sign with a key that the policy names, or add the key to the policy's signers",
    "registry-unavailable": "the registry did not answer; the check is repeated by itself",
    "registry-refused": "the registry refused our credentials; see the source's credentials",
    "too-much-evidence": "remove surplus signatures and attestations from the image",
}
_STATES = {
    AnswerState.DENIED: "`preverify explain` shows which evidence was read",
    AnswerState.UNKNOWN: "it has not been verified yet; push it through a watched registry and try again shortly",
    AnswerState.EXPIRED: "its verdict is over and being renewed; try again shortly",
    AnswerState.VERIFIED: "",
}


# Structs and not dataclasses: these are made for every request, and cost a tenth.
class AskedImage(msgspec.Struct, frozen=True, kw_only=True):
    """One image of a question: by `digest` (and repository where named), or by `reference` as it was written.

    `where` is the path in the request that holds it. `namespace` is None where the caller named none.
    """

    where: str
    namespace: str | None
    reference: str = ""
    digest: Digest | None = None
    repository: Repository | None = None


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """All that a request asks. A set `refusal` says why nothing can be admitted, whatever the answers are."""

    images: tuple[AskedImage, ...] = ()
    uid: str = ""
    refusal: str = ""


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """A response of a front end. `admitted` is what was decided, for counters and logs."""

    status: int
    admitted: bool
    body: bytes = b""
    media_type: str = JSON
    headers: tuple[tuple[str, str], ...] = ()


class FrontEnd(Protocol):
    """What every module in this folder offers.

    Header names are lower case and no header or query parameter stands twice. `path` is the last part of the path
    where the route has a parameter. `read` raises BadInput for what cannot be read as a question at all.
    """

    NAME: str
    METHODS: frozenset[str]
    MAX_BODY_BYTES: int

    def read(self, path: str, query: Mapping[str, str], headers: Mapping[str, str], body: bytes) -> Question: ...
    def reply(self, question: Question, answers: Sequence[Answer]) -> Reply: ...
    def unavailable(self, question: Question, problem: str) -> Reply:
        """Return the reply while no answer can be had: never one that admits."""


def in_words(answer: Answer) -> str:
    """Put an answer that does not admit in one sentence: the image, the reason code, what to do."""
    name = answer.image or answer.digest or "the image"
    code = f" ({answer.reason})" if answer.reason else ""
    detail = f": {cut(answer.detail, 300)}" if answer.detail else ""
    advice = _HINTS.get(answer.reason) or _STATES[answer.state]
    return f"{cut(name, 300)} is {answer.state.value}{code}{detail}" + (f"; {advice}" if advice else "")


def cut(text: str, length: int) -> str:
    """Return `text` on one line of at most `length` characters, with everything that is not printable escaped."""
    plain = text if text.isprintable() else text.encode("unicode_escape").decode("ascii")
    return plain if len(plain) <= length else plain[: length - 1] + "…"
