"""From a front end's question to its reply: look up, count, log, and note what is missing."""

import asyncio
from collections.abc import Sequence

from preverify.admission.question import AskedImage, FrontEnd, Question, Reply
from preverify.model.digest import Digest
from preverify.model.errors import BadInput, Unavailable
from preverify.model.reasons import Reason
from preverify.model.reference import Repository
from preverify.model.verdicts import Answer, AnswerState
from preverify.ports import Answers, Clock, Observer
from preverify.serve.http import Request, Response
from preverify.serve.misses import Misses
from preverify.serve.problems import problem

_SAMPLE_SECONDS = 1.0  # at most one admission in this time is logged a front end; denials always are
_YIELD_AFTER = 50  # lookups of one request before others get their turn
_MAX_SHORT_BYTES = 32 * 1024  # read twice where it holds too many images
_TRIES = 3
_NO_NAMESPACE = "-"


class Answering:
    """Handles the requests of one front end."""

    def __init__(self, front: FrontEnd, answers: Answers, misses: Misses, observer: Observer, clock: Clock) -> None:
        self._front, self._answers, self._misses = front, answers, misses
        self._observer, self._clock = observer, clock
        self._sampled = -_SAMPLE_SECONDS

    async def handle(self, request: Request) -> Response:
        """Answer one request. Where no answer can be had, the front end says so and admits nothing."""
        with self._observer.time("answer_seconds", frontend=self._front.NAME):
            question = self._question(request)
            if isinstance(question, Response):
                return question
            try:
                answers = await self._ask(question.images)
            except Unavailable as error:
                return self._unavailable(question, error)
            return self._reply(question, answers)

    def question(self, request: Request) -> Question | None:
        """Return what a request asks; None where that has to be refused, or answering it would keep others waiting."""
        if len(request.body) > _MAX_SHORT_BYTES:
            return None
        try:
            question = self._front.read(request.parameter, request.query, request.headers, request.body)
        except BadInput:
            return None  # said and counted by `handle`
        return question if len(question.images) <= _YIELD_AFTER else None

    def answer(self, question: Question) -> Response:
        """Answer at once, as `handle` does."""
        with self._observer.time("answer_seconds", frontend=self._front.NAME):
            try:
                answers = self._ask_now(question.images)
            except Unavailable as error:
                return self._unavailable(question, error)
            return self._reply(question, answers)

    def _question(self, request: Request) -> Question | Response:
        try:
            return self._front.read(request.parameter, request.query, request.headers, request.body)
        except BadInput as error:
            self._observer.count("bad_input_total", where=self._front.NAME)
            self._warn("admission.unreadable", problem=str(error))
            return problem(400, str(error))

    def _unavailable(self, question: Question, error: Unavailable) -> Response:
        self._observer.count("internal_errors_total", where="lookup")
        self._warn("admission.unavailable", uid=question.uid, problem=str(error))
        return _response(self._front.unavailable(question, str(error)))

    def _reply(self, question: Question, answers: Sequence[Answer]) -> Response:
        reply = self._front.reply(question, answers)
        if question.refusal:
            self._observer.count("bad_input_total", where=self._front.NAME)
            self._warn("admission.refused", uid=question.uid, problem=question.refusal)
        for asked, answer in zip(question.images, answers, strict=True):
            self._account(question, asked, answer)
        return _response(reply)

    def _warn(self, name: str, **fields: str) -> None:
        self._observer.event(name, level="warning", frontend=self._front.NAME, **fields)

    async def _ask(self, images: Sequence[AskedImage]) -> list[Answer]:
        """Return one answer an image, all of one generation: a policy change never shows through a single reply.

        Raises:
            Unavailable: the table cannot be read, or changed its generation again and again.
        """
        for _ in range(_TRIES):
            answers: list[Answer] = []
            for number, asked in enumerate(images, 1):
                answers.append(self._one(asked))
                if number % _YIELD_AFTER == 0:
                    await asyncio.sleep(0)
            if _of_one_generation(answers):
                return answers
        raise _restless()

    def _ask_now(self, images: Sequence[AskedImage]) -> list[Answer]:
        """Do what `_ask` does, in one go.

        Raises:
            Unavailable: as there.
        """
        if len(images) == 1:
            return [self._one(images[0])]
        for _ in range(_TRIES):
            answers = [self._one(asked) for asked in images]
            if _of_one_generation(answers):
                return answers
        raise _restless()

    def _one(self, asked: AskedImage) -> Answer:
        if asked.digest is not None:
            return self._answers.lookup(asked.digest, asked.repository, asked.namespace)
        try:
            return self._answers.reference(asked.reference, asked.namespace)
        except BadInput as error:  # a name that nothing can be pulled by, or an attempt to be read in two ways
            return Answer(
                state=AnswerState.DENIED,
                admit=False,
                enforced=True,
                generation=0,
                image=asked.reference,
                digest="",
                detail=f"not an image reference: {error}",
            )

    def _account(self, question: Question, asked: AskedImage, answer: Answer) -> None:
        observer, frontend = self._observer, self._front.NAME
        observer.count(
            "answers_total", frontend=frontend, answer=answer.state.value, admit="true" if answer.admit else "false"
        )
        if answer.state is not AnswerState.VERIFIED:
            self._account_unverified(asked, answer)
        if answer.admit:
            now = self._clock.monotonic()
            if now - self._sampled < _SAMPLE_SECONDS:
                return
            self._sampled = now
        observer.event(
            "admission.admitted" if answer.admit else "admission.denied",
            level="info" if answer.admit else "warning",
            frontend=frontend,
            uid=question.uid,
            namespace=asked.namespace or "",
            where=asked.where,
            image=answer.image or asked.reference,
            digest=answer.digest,
            answer=answer.state.value,
            enforced=answer.enforced,
            reason=answer.reason,
            detail=answer.detail,
            generation=answer.generation,
            verdicts=[policy.verdict_id for policy in answer.policies],
        )

    def _account_unverified(self, asked: AskedImage, answer: Answer) -> None:
        observer, namespace = self._observer, asked.namespace or _NO_NAMESPACE
        match answer.state:
            case AnswerState.DENIED:
                observer.count("denied_total", namespace=namespace, reason=answer.reason)
            case AnswerState.UNKNOWN:
                observer.count("unknown_total", namespace=namespace)
                self._miss(asked, answer)
            case _ if answer.admit and answer.enforced:
                observer.count("expired_admitted_total", namespace=namespace)
            case _:
                pass
        if answer.admit and not answer.enforced:
            observer.count("unenforced_admitted_total", namespace=namespace)

    def _miss(self, asked: AskedImage, answer: Answer) -> None:
        """Note a digest that was never looked at. What is undecided has its own time for the next try."""
        if any(policy.verdict == "undecided" for policy in answer.policies):
            return
        try:
            repository = asked.repository or Repository.parse(answer.image)
            digest = asked.digest or Digest.parse(answer.digest)
        except BadInput:
            return  # only a digest, or only a tag: nothing to look at
        self._misses.note(repository, digest)


def _of_one_generation(answers: Sequence[Answer]) -> bool:
    return len({answer.generation for answer in answers if answer.generation}) <= 1


def _restless() -> Unavailable:
    return Unavailable("the policy generation changes while it is read", reason=Reason.INTERNAL_ERROR)


def _response(reply: Reply) -> Response:
    return Response(status=reply.status, body=reply.body, media_type=reply.media_type, headers=reply.headers)
