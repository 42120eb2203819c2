"""The plain front ends: lookup, batch, auth, and the words for people."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from preverify.admission import FRONT_ENDS, auth, batch, lookup
from preverify.admission.question import Question, cut, in_words
from preverify.model.digest import Digest
from preverify.model.errors import BadInput
from preverify.model.reference import Repository
from preverify.model.verdicts import Answer, AnswerState, Mode, PolicyAnswer

HEX = "a" * 64
DIGEST = f"sha256:{HEX}"
IMAGE = "registry.example/shop/api"
MOMENT = datetime(2026, 1, 2, 10, tzinfo=UTC)


def answer(state: AnswerState = AnswerState.VERIFIED, **changes: Any) -> Answer:
    fields: dict[str, Any] = {
        "state": state,
        "admit": state is AnswerState.VERIFIED,
        "enforced": True,
        "generation": 17,
        "image": IMAGE,
        "digest": DIGEST,
    }
    return Answer(**fields | changes)


def look(path: str = DIGEST, **query: str) -> Question:
    return lookup.read(path, query, {}, b"")


def test_names_are_unique() -> None:
    assert len({front.NAME for front in FRONT_ENDS}) == len(FRONT_ENDS) == 4


def test_a_lookup_asks_for_the_digest_in_its_repository_and_namespace() -> None:
    (one,) = look(image=IMAGE, namespace="shop").images
    assert (one.digest, one.repository, one.namespace) == (Digest.parse(DIGEST), Repository.parse(IMAGE), "shop")


def test_without_image_every_repository_is_asked() -> None:
    (one,) = look().images
    assert (one.repository, one.namespace) == (None, None)


@pytest.mark.parametrize(
    ("path", "query", "words"),
    [
        ("latest", {}, "is not a digest"),
        ("sha256:" + "A" * 64, {}, "lower-case hex"),
        (DIGEST, {"image": ""}, "empty image or namespace"),
        (DIGEST, {"namespace": ""}, "empty image or namespace"),
        (DIGEST, {"image": f"{IMAGE}:1.0"}, "names a tag or digest"),
        (DIGEST, {"image": f"{IMAGE}@{DIGEST}"}, "names a tag or digest"),
        (DIGEST, {"iamge": IMAGE}, "unknown parameter 'iamge'"),
    ],
)
def test_a_lookup_that_could_be_read_in_two_ways_is_refused(path: str, query: dict[str, str], words: str) -> None:
    with pytest.raises(BadInput, match=words):
        lookup.read(path, query, {}, b"")


@pytest.mark.parametrize(
    ("state", "admit", "status"),
    [
        (AnswerState.VERIFIED, True, 200),
        (AnswerState.VERIFIED, False, 403),
        (AnswerState.DENIED, False, 403),
        (AnswerState.DENIED, True, 200),
        (AnswerState.UNKNOWN, False, 404),
        (AnswerState.EXPIRED, False, 409),
        (AnswerState.EXPIRED, True, 200),
    ],
)
def test_the_status_follows_admit(state: AnswerState, admit: bool, status: int) -> None:
    reply = lookup.reply(look(), [answer(state, admit=admit)])
    assert (reply.status, reply.admitted, json.loads(reply.body)["answer"]) == (status, admit, state.value)


def test_the_answer_document_says_everything() -> None:
    policy = PolicyAnswer(
        policy="shop-release",
        policy_digest="sha256:9b",
        mode=Mode.WARN,
        verdict="failed",
        verdict_id="v_1",
        decided_at=MOMENT,
        valid_until=None,
        reasons=(("signed", "wrong-key", "signed by key:77"),),
    )
    one = answer(
        AnswerState.DENIED,
        policies=(policy,),
        valid_until=MOMENT,
        stale_since=MOMENT,
        reason="wrong-key",
        detail="d",
        considered=2,
        warnings=("w",),
    )
    assert json.loads(lookup.reply(look(), [one]).body) == {
        "apiVersion": "preverify/v1",
        "kind": "Answer",
        "answer": "denied",
        "admit": False,
        "enforced": True,
        "generation": 17,
        "image": IMAGE,
        "digest": DIGEST,
        "reason": "wrong-key",
        "detail": "d",
        "via": None,
        "validUntil": "2026-01-02T10:00:00Z",
        "staleSince": "2026-01-02T10:00:00Z",
        "considered": 2,
        "warnings": ["w"],
        "policies": [
            {
                "policy": "shop-release",
                "policyDigest": "sha256:9b",
                "mode": "warn",
                "verdict": "failed",
                "verdictId": "v_1",
                "decidedAt": "2026-01-02T10:00:00Z",
                "validUntil": None,
                "reasons": [{"rule": "signed", "code": "wrong-key", "detail": "signed by key:77"}],
            }
        ],
    }


def test_without_a_table_a_lookup_is_503() -> None:
    reply = lookup.unavailable(look(), "the lookup table is missing")
    assert (reply.status, reply.admitted, reply.media_type) == (503, False, "application/problem+json")
    assert json.loads(reply.body)["detail"] == "the lookup table is missing"


def many(items: object, **query: str) -> Question:
    return batch.read("", query, {}, json.dumps({"items": items}).encode())


def test_a_batch_asks_in_order_and_answers_in_order() -> None:
    question = many([{"digest": DIGEST, "image": IMAGE}, {"digest": f"sha256:{'b' * 64}", "namespace": "n"}])
    assert [image.where for image in question.images] == ["items[0]", "items[1]"]
    reply = batch.reply(question, [answer(), answer(AnswerState.UNKNOWN)])
    document = json.loads(reply.body)
    assert (reply.status, reply.admitted, document["kind"], document["admit"]) == (200, False, "AnswerList", False)
    assert [item["answer"] for item in document["items"]] == ["verified", "unknown"]


@pytest.mark.parametrize(
    ("items", "words"),
    [
        ([], "items has 0 entries"),
        ([{"digest": DIGEST}] * 1001, "items has 1001 entries"),
        ([{"digest": DIGEST}, {"digest": "x"}], "is not a digest"),
        ([{"digest": DIGEST, "tag": "1"}], "unknown field `tag`"),
        ([{}], "missing required field `digest`"),
        ({}, "Expected `array`"),
    ],
)
def test_one_bad_item_refuses_the_batch(items: object, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        many(items)


def test_a_batch_takes_no_parameters_and_no_repeated_member() -> None:
    with pytest.raises(BadInput, match="unknown parameter"):
        many([{"digest": DIGEST}], image=IMAGE)
    with pytest.raises(BadInput, match="stands twice"):
        batch.read("", {}, {}, b'{"items":[],"items":[]}')


def ask(**headers: str) -> Question:
    return auth.read("", {}, {f"x-preverify-{name}": value for name, value in headers.items()}, b"")


def test_auth_reads_a_reference_or_a_digest_with_a_repository() -> None:
    (one,) = ask(image=f"{IMAGE}:1.0", namespace="shop").images
    assert (one.reference, one.digest, one.namespace) == (f"{IMAGE}:1.0", None, "shop")
    (two,) = ask(image=IMAGE, digest=DIGEST).images
    assert (two.reference, str(two.digest), str(two.repository), two.namespace) == ("", DIGEST, IMAGE, None)
    (three,) = ask(digest=DIGEST).images
    assert three.repository is None
    (four,) = ask(image=f"{IMAGE}@{DIGEST}", digest=DIGEST).images
    assert str(four.digest) == DIGEST


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"image": ""},
        {"digest": "x"},
        {"image": "UPPER/../x", "digest": DIGEST},
        {"image": f"{IMAGE}@sha256:{'b' * 64}", "digest": DIGEST},
    ],
)
def test_auth_refuses_what_it_cannot_read_with_403(headers: dict[str, str]) -> None:
    reply = auth.reply(ask(**headers), [])
    assert (reply.status, reply.admitted, reply.body) == (403, False, b"")
    assert reply.headers[0][1].startswith("bad-request: ")


def test_auth_answers_200_or_403_and_nothing_else() -> None:
    question = ask(digest=DIGEST)
    assert auth.reply(question, [answer()]).status == 200
    denied = auth.reply(question, [answer(AnswerState.DENIED, reason="wrong-key")])
    assert (denied.status, denied.headers) == (403, (("x-preverify-reason", "wrong-key"),))
    assert auth.reply(question, [answer(AnswerState.EXPIRED)]).headers[0][1] == "expired"
    assert auth.reply(question, []).headers[0][1] == "nothing-asked"
    assert auth.unavailable(question, "x").status == 403


def test_the_reason_header_holds_only_plain_text() -> None:
    reason = auth.reply(ask(image="b\u00e4d/\u2026", digest=DIGEST), []).headers[0][1]
    assert reason.isascii()
    assert len(reason) <= 300


def test_words_name_the_image_the_code_and_what_to_do() -> None:
    assert in_words(answer(AnswerState.DENIED, reason="no-policy")).startswith(
        f"{IMAGE} is denied (no-policy); no policy"
    )
    assert "explain" in in_words(answer(AnswerState.DENIED, reason="subject-mismatch"))
    assert in_words(answer(AnswerState.VERIFIED, admit=False)) == f"{IMAGE} is verified"
    assert in_words(answer(AnswerState.UNKNOWN, image="", digest="")).startswith("the image is unknown; ")


def test_cutting_escapes_and_bounds() -> None:
    assert cut("plain", 5) == "plain"
    assert cut("plain!", 5) == "plai…"
    assert cut("a\nb", 10) == "a\\nb"


def test_the_same_answer_object_gets_the_same_bytes() -> None:
    one = answer()
    assert lookup.reply(Question(), [one]) is lookup.reply(Question(), [one])
    assert lookup.reply(Question(), [answer()]).body == lookup.reply(Question(), [one]).body
