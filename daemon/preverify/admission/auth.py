"""`/auth`: external authorisation of nginx (`auth_request`) and Envoy (`ext_authz`, HTTP service).

The proxy names the image in headers: `X-Preverify-Image` (`registry/repository[:tag][@digest]`) and, where the image
header has no digest, `X-Preverify-Digest`; `X-Preverify-Namespace` is optional. The reply is 200, or 403 with the
header `X-Preverify-Reason` and no body; nothing else, since proxies take other codes in many ways.

Spec:
    nginx, module ngx_http_auth_request_module; Envoy, extensions.filters.http.ext_authz.v3.HttpService.
"""

from collections.abc import Mapping, Sequence

from preverify.admission.question import AskedImage, Question, Reply
from preverify.model.digest import Digest
from preverify.model.errors import BadInput
from preverify.model.reference import Reference, Repository
from preverify.model.verdicts import Answer

NAME = "auth"
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})  # Envoy repeats the original's
MAX_BODY_BYTES = 64 * 1024  # read and forgotten

_REASON = "x-preverify-reason"


def read(path: str, query: Mapping[str, str], headers: Mapping[str, str], body: bytes) -> Question:  # noqa: ARG001
    """Return the question of the headers; a request that asks nothing readable is a refusal, not an error."""
    image, digest = headers.get("x-preverify-image", ""), headers.get("x-preverify-digest", "")
    namespace = headers.get("x-preverify-namespace") or None
    try:
        return Question(images=(_asked(image, digest, namespace),))
    except BadInput as problem:
        return Question(refusal=f"bad-request: {problem}")


def _asked(image: str, digest: str, namespace: str | None) -> AskedImage:
    if not digest:
        if not image:
            raise BadInput("neither X-Preverify-Image nor X-Preverify-Digest is set")
        return AskedImage(where="X-Preverify-Image", namespace=namespace, reference=image)
    named = Digest.parse(digest)
    repository: Repository | None = None
    if image:
        reference = Reference.parse(image)
        if reference.digest is not None and reference.digest != named:
            raise BadInput("X-Preverify-Image and X-Preverify-Digest name different digests")
        repository = reference.repository
    return AskedImage(where="X-Preverify-Digest", namespace=namespace, digest=named, repository=repository)


def reply(question: Question, answers: Sequence[Answer]) -> Reply:
    """Return 200 where every answer admits and the question could be read, else 403 with the reason."""
    if question.refusal:
        return _refused(question.refusal)
    refused = next((answer for answer in answers if not answer.admit), None)
    if refused is not None or not answers:
        code = (refused.reason or refused.state.value) if refused is not None else "nothing-asked"
        return _refused(code)
    return Reply(status=200, admitted=True)


def unavailable(question: Question, problem: str) -> Reply:  # noqa: ARG001
    """Return 403: what cannot be answered is not admitted."""
    return _refused("lookup-unavailable")


def _refused(reason: str) -> Reply:
    plain = reason.encode("ascii", "backslashreplace").decode("ascii")[:300]
    return Reply(status=403, admitted=False, headers=((_REASON, plain),))
