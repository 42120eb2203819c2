"""Answers from the lookup table: the caller's names to ours, one point read, and the policies of the generation."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache

from preverify.lookup.reader import Found, Reader, Via
from preverify.lookup.warm import NEVER, Warm, WarmAnswers
from preverify.model.digest import Digest
from preverify.model.errors import BadConfiguration, Unavailable
from preverify.model.reasons import Reason
from preverify.model.reference import Reference, Repository, Subject, registry_host
from preverify.model.verdicts import Answer, AnswerState, PolicyAnswer
from preverify.policy.answers import compose, worst
from preverify.policy.policies import Policy, PolicySet
from preverify.ports import Clock
from preverify.settings import Listen

MAX_FEED_AGE = timedelta(minutes=15)
"""After how long without a heartbeat answers carry `stale_since`."""
MAX_REPOSITORIES = 1000
"""How many repositories are considered for a digest whose repository the caller does not name."""
_TRIES = 5
_parse = lru_cache(maxsize=4096)(Reference.parse)  # what is no reference is not remembered, and what is one is short
_MUTABLE = "the reference names a tag, which can be moved; name the image by digest"

_HOLDING = frozenset({AnswerState.VERIFIED, AnswerState.EXPIRED})

Asked = tuple[Digest, Repository | None, str | None]
"""Digest, repository as the caller names it, namespace."""


@dataclass(frozen=True, slots=True)
class _Compiled:
    """The policies of a generation, ready to decide which of a row's verdicts count."""

    generation: int
    set: PolicySet
    by_digest: Mapping[str, Policy]


class Answerer:
    """`ports.Answers` on a lookup table. Safe to use from several threads.

    Args:
        reader: The table.
        aliases: Other registry names by which clusters pull, to the registry of the source. An alias maps to its
            source, never the other way.
        settings: How tags, expired verdicts and images without a policy are answered.
        clock: Time of the answers.
    """

    def __init__(self, reader: Reader, *, aliases: Mapping[str, str], settings: Listen, clock: Clock) -> None:
        self._reader = reader
        self._aliases = {registry_host(alias): registry for alias, registry in aliases.items()}
        self._settings = settings
        self._patience = MAX_FEED_AGE if settings.max_stale is None else min(MAX_FEED_AGE, settings.max_stale)
        self._clock = clock
        self._lock = threading.Lock()
        self._compiled: _Compiled | None = None
        self._warm = WarmAnswers()

    def lookup(self, digest: Digest, image: Repository | None, namespace: str | None) -> Answer:
        """Answer for a digest in one repository; without `image` the worst over all repositories that hold it.

        Raises:
            Unavailable: the table is missing or unreadable.
        """
        if image is None:
            return self._everywhere(digest, namespace)
        moment, now = self._reader.moment(), self._clock.now()
        key = (digest.hex, image.registry, image.path, namespace)
        warm = self._warm.get(key)
        if warm is not None and warm.holds(moment, now):
            return warm.answer
        repository = self._ours(image)
        for _ in range(_TRIES):
            stored = self._reader.stored(repository, digest)
            now = self._clock.now()
            policies = self._policies(stored.generation)
            if policies is None:
                if stored.generation == 0:
                    return _nothing_yet(str(image), str(digest))
                continue
            silent = self._silent_after(stored.heartbeat)
            if warm is not None and warm.was_made_of(stored, policies, now, silent):
                warm = warm.again(moment, silent)
            else:
                found = self._reader.decoded(stored, repository, digest)
                subject = Subject(repository, digest)
                answer = self._answer(policies, found, subject, image, namespace, now)
                if answer.stale_since is not None:  # every moment may bring it another state
                    return answer
                warm = Warm.of(answer, moment, stored, policies, now=now, turns=self._turns(found), silent=silent)
            self._warm.put(key, warm)
            return warm.answer
        raise _restless()

    def reference(self, text: str, namespace: str | None) -> Answer:
        """Answer for an image reference as a workload writes it. A digest rules; a tag beside it is only a name.

        A tag alone is never a key: it is denied, or answered for the digest last observed, saying that it can move.

        Raises:
            BadInput: `text` is no image reference.
            Unavailable: the table is missing or unreadable.
        """
        reference = _parse(text)
        if reference.digest is not None:
            return self.lookup(reference.digest, reference.repository, namespace)
        return self._tagged(reference.repository, reference.tag or "latest", namespace)

    def batch(self, asked: Sequence[Asked]) -> tuple[Answer, ...]:
        """Answer several questions at one moment of the table, in their order."""
        with self._reader.snapshot():
            return tuple(self.lookup(digest, image, namespace) for digest, image, namespace in asked)

    def _tagged(self, image: Repository, tag: str, namespace: str | None) -> Answer:
        found = self._reader.look_at_tag(self._ours(image), tag)
        denied = Answer(
            state=AnswerState.DENIED,
            admit=False,
            enforced=True,
            generation=found.generation,
            image=str(image),
            digest="",
            stale_since=self._stale_since(found.heartbeat, self._clock.now()),
            reason=Reason.TAG_DENIED.value,
            detail=_MUTABLE,
            warnings=(_MUTABLE,),
        )
        if self._settings.tag_references == "deny":
            return denied
        if found.tagged is None:
            return replace(denied, state=AnswerState.UNKNOWN, reason="", detail=f"the tag {tag} was never observed")
        answer = self.lookup(found.tagged, image, namespace)
        warning = f"{_MUTABLE}; answered for {found.tagged}, which {tag} named when last observed"
        return replace(answer, warnings=(*answer.warnings, warning))

    def _everywhere(self, digest: Digest, namespace: str | None) -> Answer:
        for _ in range(_TRIES):
            found = self._reader.look_everywhere(digest, MAX_REPOSITORIES + 1)
            policies = self._policies(found.generation)
            if policies is None and found.generation == 0:
                return _nothing_yet("", str(digest))
            if policies is None:
                continue
            subjects = dict.fromkeys((*(row.subject for row in found.rows), *(via.subject for via in found.via)))
            if len(subjects) > MAX_REPOSITORIES:
                return replace(
                    _nothing_yet("", str(digest)),
                    generation=found.generation,
                    considered=MAX_REPOSITORIES,
                    detail=f"more than {MAX_REPOSITORIES} repositories hold this digest; name the repository",
                )
            now = self._clock.now()
            answers = [
                self._answer(policies, found, subject, subject.repository, namespace, now) for subject in subjects
            ]
            answer = worst(answers, considered=len(answers), digest=str(digest), generation=found.generation)
            return answer if answers else replace(answer, stale_since=self._stale_since(found.heartbeat, now))
        raise _restless()

    def _answer(
        self,
        policies: _Compiled,
        found: Found,
        subject: Subject,
        image: Repository,
        namespace: str | None,
        now: datetime,
    ) -> Answer:
        """Answer for one subject by its own verdicts; where it has none, through an index that names it.

        One index whose verdict holds is enough, as it is for a runtime that pulls the digest through it; one that is
        denied says nothing about its children.
        """
        own = next((row.policies for row in found.rows if row.subject == subject), ())
        answer = self._compose(policies, found, subject, own, image, namespace, now)
        if own or answer.reason == Reason.NO_POLICY.value:
            return answer
        through = [
            self._through(policies, found, via, image, namespace, now) for via in found.via if via.subject == subject
        ]
        holding = [each for each in through if each.state in _HOLDING]
        return max(holding, key=_how_long, default=answer)

    def _through(
        self,
        policies: _Compiled,
        found: Found,
        via: Via,
        image: Repository,
        namespace: str | None,
        now: datetime,
    ) -> Answer:
        speaking = tuple(
            part
            for part in via.policies
            if (policy := policies.by_digest.get(part.policy_digest)) is not None and policy.vouches_for(via.platforms)
        )
        answer = self._compose(policies, found, via.subject, speaking, image, namespace, now)
        parent = str(via.parent)
        said = f"; {answer.detail}" if answer.detail else ""
        return replace(answer, via=parent, detail=f"through the index {parent}, which names this digest{said}")

    def _compose(
        self,
        policies: _Compiled,
        found: Found,
        subject: Subject,
        parts: Sequence[PolicyAnswer],
        image: Repository,
        namespace: str | None,
        now: datetime,
    ) -> Answer:
        settings = self._settings
        return compose(
            policies.set,
            subject.repository,
            subject.digest,
            {p.policy: p for p in parts if p.policy_digest in policies.by_digest},
            image=str(image),
            generation=found.generation,
            namespaces=namespace,
            now=now,
            expired_grace=settings.expired_grace,
            no_policy=settings.no_policy,
            stale_since=self._stale_since(found.heartbeat, now),
            max_stale=settings.max_stale,
        )

    def _policies(self, generation: int) -> _Compiled | None:
        """Return the compiled policies of a generation; None where the table has moved on, or has none yet."""
        compiled = self._compiled
        if compiled is not None and compiled.generation == generation:
            return compiled
        if generation == 0:
            return None
        with self._lock:
            if self._compiled is None or self._compiled.generation != generation:
                number, document, _ = self._reader.generation()
                if number != generation:
                    return None
                try:
                    policies = PolicySet.from_document(document)
                except BadConfiguration as error:
                    raise Unavailable(f"lookup table: {error}", reason=Reason.INTERNAL_ERROR) from error
                self._compiled = _Compiled(number, policies, {p.digest: p for p in policies.policies})
            return self._compiled

    def _ours(self, image: Repository) -> Repository:
        registry = self._aliases.get(image.registry)
        return image if registry is None else Repository(registry, image.path)

    def _stale_since(self, heartbeat: datetime | None, now: datetime) -> datetime | None:
        silent = self._silent_after(heartbeat)
        return heartbeat if silent is not None and now > silent else None

    def _silent_after(self, heartbeat: datetime | None) -> datetime | None:
        """Return after when answers carry `stale_since`, as long as no other heartbeat comes."""
        return None if heartbeat is None else _later(heartbeat, self._patience)

    def _turns(self, found: Found) -> Iterator[datetime]:
        """Yield every time at which an answer made of `found` may change by itself."""
        held = (*(row.policies for row in found.rows), *(via.policies for via in found.via))
        for policy in (policy for policies in held for policy in policies):
            if policy.valid_until is not None:
                yield policy.valid_until
                yield _later(policy.valid_until, self._settings.expired_grace)


def _how_long(answer: Answer) -> tuple[bool, float]:
    until = answer.valid_until
    return answer.state is AnswerState.VERIFIED, 0.0 if until is None else until.timestamp()


def _later(moment: datetime, delay: timedelta) -> datetime:
    try:
        return moment + delay
    except OverflowError:
        return NEVER


def _nothing_yet(image: str, digest: str) -> Answer:
    return Answer(
        state=AnswerState.UNKNOWN,
        admit=False,
        enforced=True,
        generation=0,
        image=image,
        digest=digest,
        detail="no policy generation is active yet; the daemon has not finished its first start",
    )


def _restless() -> Unavailable:
    return Unavailable("the policy generation changes while it is read", reason=Reason.INTERNAL_ERROR)
