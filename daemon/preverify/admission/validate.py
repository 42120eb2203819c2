"""`POST /k8s/validate`: the Kubernetes validating webhook, for every built-in kind that owns pods.

Nothing is admitted early: not for names, annotations, a deletion time stamp or dry runs, which callers set; and an
UPDATE is judged by its new object alone, so that a changed policy reaches what runs already.

Spec:
    admission.k8s.io/v1 AdmissionReview; core/v1 PodSpec; apps/v1 and batch/v1 for the owners.
"""

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from preverify.admission.pods import PLACES, Kind, PodSpec, Review, ReviewRequest, pod_spec
from preverify.admission.question import MAX_IMAGES, AskedImage, Question, Reply, cut, in_words
from preverify.admission.strict import decode
from preverify.model.errors import BadInput
from preverify.model.recent import Recent
from preverify.model.verdicts import Answer

NAME = "k8s-validate"
METHODS = frozenset({"POST"})
MAX_BODY_BYTES = 3 * 1024 * 1024

_MAX_WARNING, _MAX_WARNINGS, _MAX_MESSAGE, _MAX_AUDIT = 120, 4_096, 4_096, 1_024
_WITHOUT_OBJECT = frozenset({"DELETE", "CONNECT"})
# Requests on these parts of a pod or its owner cannot set an image: the API server takes nothing else from them.
_WITHOUT_IMAGES = frozenset({"status", "scale", "binding", "eviction"})
_decoder = msgspec.json.Decoder(Review)
_encode = msgspec.json.Encoder().encode
_BEFORE_UID = b'{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","response":{"uid":'
_MAX_REMEMBERED = 600  # no reference that can be pulled is longer


class _Judged(msgspec.Struct, frozen=True):
    """A response without its uid: `members` is JSON from behind the opening brace on."""

    admitted: bool
    members: bytes


_written: Recent[tuple[int, str, str], tuple[Answer, _Judged]] = Recent(2_048)


def read(path: str, query: Mapping[str, str], headers: Mapping[str, str], body: bytes) -> Question:  # noqa: ARG001
    """Return every image of the review's object. The API server's own `?timeout=3s` parameter is left unread.

    Raises:
        BadInput: no AdmissionReview v1 with a request: there is no uid to answer.
    """
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise BadInput("the body is compressed, expected it plain; the API server never compresses it")
    review = decode(_decoder, body, max_bytes=MAX_BODY_BYTES)
    if (review.apiVersion, review.kind) != ("admission.k8s.io/v1", "AdmissionReview") or review.request is None:
        raise BadInput(
            f"the body is {review.apiVersion[:60]!r} {review.kind[:60]!r}, expected an admission.k8s.io/v1 "
            "AdmissionReview with a request; set admissionReviewVersions: [v1]"
        )
    request = review.request
    if not request.uid:
        raise BadInput("request.uid is empty, expected the identifier that the answer repeats")
    try:
        images = _images(request)
    except BadInput as problem:
        return Question(uid=request.uid, refusal=str(problem))
    return Question(uid=request.uid, images=images)


def _images(request: ReviewRequest) -> tuple[AskedImage, ...]:
    """Return the images of a request, none where it cannot bring any.

    Raises:
        BadInput: the request may bring images that we cannot see.
    """
    if request.operation in _WITHOUT_OBJECT:
        return ()
    kind = request.kind
    if request.operation not in {"CREATE", "UPDATE"}:
        raise BadInput(
            f"the operation {request.operation[:40]!r} of {_name(kind)} is not known, expected CREATE or UPDATE"
        )
    if request.subResource in _WITHOUT_IMAGES:
        return ()
    place = PLACES.get((kind.group, kind.version, kind.kind))
    if place is None:
        raise BadInput(
            f"{_name(kind)} is not a kind whose images can be read, expected a pod or a built-in owner of pods; "
            "leave it out of the webhook's rules"
        )
    if not request.namespace:
        raise BadInput(f"request.namespace of {_name(kind)} is empty, so its policies cannot be chosen")
    spec = pod_spec(request.object, place)
    images = tuple(
        AskedImage(where=f"object.{place.path}.{where}", namespace=request.namespace, reference=reference)
        for where, reference in _references(spec)
    )
    if len(images) > MAX_IMAGES:
        raise BadInput(f"{_name(kind)} has {len(images)} images, at most {MAX_IMAGES} are checked at once")
    return images


def _name(kind: Kind) -> str:
    return f"{kind.group}/{kind.version} {kind.kind}".removeprefix("/")[:120]


def _references(spec: PodSpec | None) -> Iterator[tuple[str, str]]:
    if spec is None:  # a ReplicationController without a template creates nothing
        return
    lists = (
        ("containers", spec.containers),
        ("initContainers", spec.initContainers),
        ("ephemeralContainers", spec.ephemeralContainers),
    )
    for name, containers in lists:
        for number, container in enumerate(containers or ()):
            yield f"{name}[{number}].image", container.image
    for number, volume in enumerate(spec.volumes or ()):
        if volume.image is not None:
            yield f"volumes[{number}].image.reference", volume.image.reference


def reply(question: Question, answers: Sequence[Answer]) -> Reply:
    """Return the AdmissionReview that answers `question`: allowed where every image is admitted."""
    if len(answers) != len(question.images):  # nothing that was asked may stay unanswered
        return unavailable(question, f"{len(question.images)} images were asked for, {len(answers)} answered")
    if len(answers) != 1 or question.refusal:
        return _framed(question.uid, _judged(question, answers))
    # The common question. All but its uid follows from the image as written and from the answer, compared by identity.
    (asked,), (answer,) = question.images, answers
    key = (id(answer), asked.where, asked.reference)
    known = _written.get(key)
    if known is None or known[0] is not answer:
        known = (answer, _judged(question, answers))
        if len(asked.reference) <= _MAX_REMEMBERED:
            _written.put(key, known)
    return _framed(question.uid, known[1])


def _judged(question: Question, answers: Sequence[Answer]) -> _Judged:
    refused = [
        f"{asked.where}: {in_words(answer)}"
        for asked, answer in zip(question.images, answers, strict=True)
        if not answer.admit
    ]
    if question.refusal:
        refused.append(question.refusal)
    return _response(refused, _warnings(question.images, answers), _audit(question.images, answers))


def unavailable(question: Question, problem: str) -> Reply:
    """Return a denial that says that no answer could be had."""
    refused = [f"images could not be checked: {problem}"]
    return _framed(question.uid, _response(refused, [], {"answer": "unavailable"}))


def _response(refused: Sequence[str], warnings: Sequence[str], audit: Mapping[str, str]) -> _Judged:
    response: dict[str, object] = {"allowed": not refused}
    if refused:
        response["status"] = {
            "code": 403,
            "reason": "Forbidden",
            "message": cut("preverify: " + " | ".join(refused), _MAX_MESSAGE),
        }
    if warnings:
        response["warnings"] = warnings
    if audit:
        response["auditAnnotations"] = audit
    return _Judged(admitted=not refused, members=_encode(response)[1:])


def _framed(uid: str, judged: _Judged) -> Reply:
    """Return the AdmissionReview: the uid in front of the other members of its response."""
    body = b"".join((_BEFORE_UID, _encode(uid), b",", judged.members, b"}"))
    return Reply(status=200, admitted=judged.admitted, body=body)


def _warnings(images: Sequence[AskedImage], answers: Sequence[Answer]) -> list[str]:
    """Return warnings of admitted images within Kubernetes' limits; what is cut is counted in the last one."""
    said = dict.fromkeys(
        cut(f"{asked.reference}: {warning}", _MAX_WARNING)
        for asked, answer in zip(images, answers, strict=True)
        if answer.admit
        for warning in answer.warnings
    )
    kept: list[str] = []
    room = _MAX_WARNINGS - _MAX_WARNING
    for number, warning in enumerate(said):
        room -= len(warning.encode())
        if room < 0:
            return [*kept, f"{len(said) - number} more warnings were left out"]
        kept.append(warning)
    return kept


def _audit(images: Sequence[AskedImage], answers: Sequence[Answer]) -> dict[str, str]:
    """Return what the cluster's audit log keeps: the generation, the verdicts, and one line an image."""
    if not answers:
        return {}
    lines = (
        f"{asked.reference} {answer.digest or '-'} {answer.state.value} {answer.reason or '-'}"
        for asked, answer in zip(images, answers, strict=True)
    )
    verdicts = dict.fromkeys(policy.verdict_id for answer in answers for policy in answer.policies if policy.verdict_id)
    annotations = {
        "generation": ",".join(dict.fromkeys(str(answer.generation) for answer in answers)),
        "images": cut("; ".join(lines), _MAX_AUDIT),
    }
    if verdicts:
        annotations["verdicts"] = cut(",".join(verdicts), _MAX_AUDIT)
    return annotations
