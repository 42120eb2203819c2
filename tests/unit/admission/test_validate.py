"""AdmissionReviews: every image of every kind is asked for, and only full knowledge admits."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from preverify.admission import validate
from preverify.admission.question import AskedImage, Question
from preverify.model.errors import BadInput
from preverify.model.verdicts import Answer, AnswerState, Mode, PolicyAnswer

RECORDED = Path(__file__).parents[2] / "vectors" / "admission"
API = "registry.example/shop/api@sha256:" + "1" * 64
INIT = "registry.example/shop/init:1.2@sha256:" + "2" * 64
DEBUG = "registry.example/shop/debug@sha256:" + "3" * 64
MODEL = "registry.example/shop/model@sha256:" + "4" * 64


def recorded(name: str) -> bytes:
    return (RECORDED / f"{name}.json").read_bytes()


def read(body: bytes, **headers: str) -> Question:
    return validate.read("", {"timeout": "3s"}, headers, body)


def changed(name: str, change: Callable[[dict[str, Any]], None]) -> bytes:
    review = json.loads(recorded(name))
    change(review["request"])
    return json.dumps(review, separators=(",", ":")).encode()


def images_of(name: str) -> dict[str, str]:
    question = read(recorded(name))
    assert question.refusal == ""
    assert all(image.namespace == "shop" for image in question.images)
    return {image.where: image.reference for image in question.images}


def answer(state: AnswerState = AnswerState.VERIFIED, **changes: Any) -> Answer:
    fields: dict[str, Any] = {
        "state": state,
        "admit": state is AnswerState.VERIFIED,
        "enforced": True,
        "generation": 17,
        "image": "registry.example/shop/api",
        "digest": "sha256:" + "1" * 64,
    }
    return Answer(**fields | changes)


def asked(count: int = 1) -> Question:
    images = tuple(
        AskedImage(where=f"object.spec.containers[{n}].image", namespace="shop", reference=API) for n in range(count)
    )
    return Question(uid="u1", images=images)


def response(question: Question, *answers: Answer) -> dict[str, Any]:
    reply = validate.reply(question, answers)
    document = json.loads(reply.body)
    assert (reply.status, document["apiVersion"], document["kind"]) == (200, "admission.k8s.io/v1", "AdmissionReview")
    body: dict[str, Any] = document["response"]
    assert body["allowed"] is reply.admitted
    return body


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("pod-create", "spec"),
        ("pod-update", "spec"),
        ("pod-resize", "spec"),
        ("podtemplate-create", "template.spec"),
        ("replicationcontroller-create", "spec.template.spec"),
        ("deployment-create", "spec.template.spec"),
        ("replicaset-create", "spec.template.spec"),
        ("statefulset-create", "spec.template.spec"),
        ("daemonset-create", "spec.template.spec"),
        ("job-create", "spec.template.spec"),
        ("cronjob-create", "spec.jobTemplate.spec.template.spec"),
    ],
)
def test_every_owner_of_pods_is_read_whole(name: str, path: str) -> None:
    assert images_of(name) == {
        f"object.{path}.containers[0].image": API,
        f"object.{path}.initContainers[0].image": INIT,
        f"object.{path}.volumes[1].image.reference": MODEL,
    }


def test_ephemeral_containers_are_read() -> None:
    assert images_of("pod-ephemeralcontainers")["object.spec.ephemeralContainers[0].image"] == DEBUG


@pytest.mark.parametrize(
    "name",
    [
        "pod-delete",
        "pod-exec",
        "pod-status",
        "pod-binding",
        "pod-eviction",
        "deployment-scale",
        "replicationcontroller-without-template",
    ],
)
def test_what_cannot_bring_an_image_asks_nothing_and_is_allowed(name: str) -> None:
    question = read(recorded(name))
    assert (question.images, question.refusal) == ((), "")
    assert response(question) == {"uid": json.loads(recorded(name))["request"]["uid"], "allowed": True}


def test_a_kind_that_cannot_be_read_is_denied_with_a_sentence() -> None:
    said = response(read(recorded("configmap-create")))
    assert said["allowed"] is False
    assert "v1 ConfigMap is not a kind whose images can be read" in said["status"]["message"]


def test_an_unknown_operation_is_denied() -> None:
    question = read(changed("pod-create", lambda request: request.update(operation="PATCH")))
    assert "operation 'PATCH'" in question.refusal


def test_another_version_of_a_known_kind_is_denied() -> None:
    question = read(changed("deployment-create", lambda request: request["kind"].update(version="v1beta1")))
    assert "apps/v1beta1 Deployment is not a kind" in question.refusal


@pytest.mark.parametrize("namespace", ["", None])
def test_an_object_without_namespace_is_denied(namespace: str | None) -> None:
    def change(request: dict[str, Any]) -> None:
        del request["namespace"]
        if namespace is not None:
            request["namespace"] = namespace

    assert "request.namespace of v1 Pod is empty" in read(changed("pod-create", change)).refusal


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda r: r.update(object=None), "request.object cannot be read"),
        (lambda r: r.pop("object"), "request.object cannot be read"),
        (lambda r: r["object"].pop("spec"), "`spec`"),
        (lambda r: r["object"].update(spec=None), "request.object cannot be read"),
        (lambda r: r["object"]["spec"].pop("containers"), "`containers`"),
        (lambda r: r["object"]["spec"].update(containers={}), "`$.spec.containers`"),
        (lambda r: r["object"]["spec"]["containers"][0].update(image=7), "`$.spec.containers[0].image`"),
        (lambda r: r["object"]["spec"].update(volumes=[{"image": "x"}]), "`$.spec.volumes[0].image`"),
    ],
)
def test_a_pod_whose_images_cannot_be_seen_is_denied(change: Callable[[dict[str, Any]], None], words: str) -> None:
    question = read(changed("pod-create", change))
    assert question.images == ()
    assert response(question)["allowed"] is False
    assert words in question.refusal


def test_a_container_without_image_is_asked_for_by_its_empty_name() -> None:
    question = read(changed("deployment-create", lambda r: _containers(r)[0].pop("image")))
    assert question.images[0].reference == ""


def _containers(request: dict[str, Any]) -> list[dict[str, Any]]:
    containers: list[dict[str, Any]] = request["object"]["spec"]["template"]["spec"]["containers"]
    return containers


def test_more_images_than_are_checked_at_once_are_denied() -> None:
    question = read(changed("pod-create", lambda r: r["object"]["spec"].update(containers=[{"image": API}] * 1001)))
    assert "at most 1000" in question.refusal


def test_a_body_in_another_spelling_is_read_the_same() -> None:
    spaced = json.dumps(json.loads(recorded("pod-create")), indent=1).encode()
    assert read(spaced) == read(recorded("pod-create"))


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "the body is empty"),
        (b"{", "cannot be read"),
        (b"null", "cannot be read"),
        (b"[]", "cannot be read"),
        (b"{}", "apiVersion"),
        (b'{"apiVersion":"admission.k8s.io/v1beta1","kind":"AdmissionReview","request":null}', "expected an admission"),
        (b'{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview"}', "with a request"),
        (b'{"apiVersion":"admission.k8s.io/v1","kind":"Pod"}', "'Pod', expected"),
        (b"[" * 100_000, "cannot be read"),
        (b'{"a":"\xff"}', "cannot be read"),
        (recorded("pod-create")[:-20], "cannot be read"),
        (b" " * (3 * 1024 * 1024 + 1), "expected at most"),
    ],
)
def test_what_is_no_review_is_refused_whole(body: bytes, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        read(body)


def test_a_review_without_uid_cannot_be_answered() -> None:
    with pytest.raises(BadInput, match=r"request\.uid is empty"):
        read(changed("pod-create", lambda r: r.update(uid="")))


@pytest.mark.parametrize(
    "twice",
    [
        b'"uid":"other"',
        b'"operation":"DELETE"',
        b'"namespace":"kube-system"',
        b'"object":{"spec":{"containers":[]}}',
    ],
)
def test_a_repeated_member_is_refused_wherever_it_stands(twice: bytes) -> None:
    body = recorded("pod-create").replace(b'"request":{', b'"request":{' + twice + b",", 1)
    with pytest.raises(BadInput, match="stands twice"):
        read(body)


def test_a_repeated_image_is_refused() -> None:
    body = recorded("pod-create").replace(b'"image":"' + API.encode(), b'"image":"x","image":"' + API.encode())
    with pytest.raises(BadInput, match="'image' stands twice"):
        read(body)


def test_compressed_bodies_are_refused() -> None:
    with pytest.raises(BadInput, match="compressed"):
        read(recorded("pod-create"), **{"content-encoding": "gzip"})
    assert read(recorded("pod-create"), **{"content-encoding": "identity"}).images


def test_verified_images_are_allowed_and_audited() -> None:
    policy = PolicyAnswer(
        policy="shop",
        policy_digest="sha256:9b",
        mode=Mode.ENFORCE,
        verdict="passed",
        verdict_id="v_1",
        decided_at=None,
        valid_until=None,
        reasons=(),
    )
    said = response(asked(2), answer(policies=(policy,)), answer(policies=(policy,)))
    assert said["allowed"] is True
    assert said["auditAnnotations"] == {
        "generation": "17",
        "images": f"{API} sha256:{'1' * 64} verified -; {API} sha256:{'1' * 64} verified -",
        "verdicts": "v_1",
    }
    assert "status" not in said
    assert "warnings" not in said


@pytest.mark.parametrize("state", [AnswerState.DENIED, AnswerState.UNKNOWN, AnswerState.EXPIRED])
def test_one_image_that_is_not_verified_denies_the_object(state: AnswerState) -> None:
    said = response(asked(3), answer(), answer(state, reason="wrong-key", detail="signed by key:77"), answer())
    assert said["allowed"] is False
    assert (said["status"]["code"], said["status"]["reason"]) == (403, "Forbidden")
    message = said["status"]["message"]
    assert message.startswith("preverify: object.spec.containers[1].image: registry.example/shop/api is ")
    assert "(wrong-key): signed by key:77; sign with a key that the policy names" in message


def test_a_refusal_denies_whatever_the_answers_are() -> None:
    question = Question(uid="u1", images=asked().images, refusal="something was not seen")
    assert response(question, answer())["allowed"] is False


@pytest.mark.parametrize("answers", [(), (answer(),) * 3])
def test_an_image_that_stays_unanswered_denies(answers: tuple[Answer, ...]) -> None:
    said = response(asked(2), *answers)
    assert said["allowed"] is False
    assert f"2 images were asked for, {len(answers)} answered" in said["status"]["message"]


def test_while_nothing_can_be_answered_everything_is_denied() -> None:
    document = json.loads(validate.unavailable(asked(), "the lookup table is missing").body)["response"]
    assert (document["uid"], document["allowed"]) == ("u1", False)
    assert "the lookup table is missing" in document["status"]["message"]


def test_warnings_of_admitted_images_stay_within_kubernetes_limits() -> None:
    many = tuple(f"policy p{n} would deny: " + "x" * 200 for n in range(100))
    said = response(asked(1), answer(AnswerState.DENIED, admit=True, enforced=False, warnings=many))
    assert said["allowed"] is True
    assert all(len(warning) <= 120 for warning in said["warnings"])
    assert sum(len(warning.encode()) for warning in said["warnings"]) <= 4096
    assert said["warnings"][-1].endswith("more warnings were left out")


def test_the_same_warning_is_said_once_and_denied_images_give_none() -> None:
    warned = answer(warnings=("mutable reference",))
    assert response(asked(2), warned, warned)["warnings"] == [f"{API}: mutable reference"]
    assert "warnings" not in response(asked(), answer(AnswerState.DENIED, warnings=("w",)))


def test_what_callers_wrote_cannot_break_out_of_its_line() -> None:
    evil = "x\ny\x1b[31m\u202e" + "z" * 5000
    said = response(asked(), answer(AnswerState.UNKNOWN, image=evil, detail=evil))
    message = said["status"]["message"]
    assert message.isprintable()
    assert len(message) < 1000


def test_the_same_answer_is_written_once_and_another_one_anew() -> None:
    image = AskedImage(where="object.spec.containers[0].image", namespace="shop", reference=API)
    first, second = answer(), answer(AnswerState.DENIED, reason="wrong-key")
    bodies = []
    for uid, given in (("a", first), ("b", first), ("a", second), ("a", first)):
        reply = validate.reply(Question(uid=uid, images=(image,)), [given])
        assert reply.admitted is given.admit
        assert json.loads(reply.body)["response"]["uid"] == uid
        bodies.append(reply.body)
    assert bodies[0] == bodies[3]
    assert bodies[1] == bodies[0].replace(b'"uid":"a"', b'"uid":"b"')
    assert b"wrong-key" in bodies[2]


def test_what_is_no_reference_is_not_remembered() -> None:
    kept = len(validate._written)
    image = AskedImage(where="object.spec.containers[0].image", namespace="shop", reference="x" * 601)
    reply = validate.reply(Question(uid="a", images=(image,)), [answer(AnswerState.DENIED)])
    assert not reply.admitted
    assert len(validate._written) == kept
