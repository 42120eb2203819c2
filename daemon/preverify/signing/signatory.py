"""What decides whether a statement is signed: the stored rows, read anew, and nothing that the asker says."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Protocol

from preverify import __version__
from preverify.attest import statement
from preverify.model.digest import Digest
from preverify.model.errors import BadInput, MalformedEvidence
from preverify.model.evidence import Evidence, Gathered
from preverify.model.needs import Need
from preverify.model.reference import Subject
from preverify.model.strict_json import parse as parse_json
from preverify.model.verdicts import Outcome, RuleResult, Verdict
from preverify.policy.decide import decide
from preverify.policy.policies import Policy, PolicySet
from preverify.policy.rules.evidence import earliest
from preverify.ports import Clock, GenerationRow, Generations, History, SignedStatement, Statements, StoredStatement
from preverify.signing.journal import Journal
from preverify.signing.sealer import Sealer

PROFILE = "default"
_WANTED = "wanted"
_REMEMBERED = 64


class Records(Protocol):
    """Where rows are read from: the signing process's own connection."""

    @property
    def statements(self) -> Statements: ...
    @property
    def history(self) -> History: ...
    @property
    def generations(self) -> Generations: ...


class Signatory:
    """Rebuilds a statement from its rows and signs it, or says why not."""

    def __init__(
        self,
        sealer: Sealer,
        records: Records,
        journal: Journal,
        *,
        verifier_id: str,
        validity: timedelta,
        clock: Clock,
        version: str = __version__,
    ) -> None:
        self._sealer = sealer
        self._sealed: dict[bytes, bytes] = {}
        self._records = records
        self._journal = journal
        self._verifier_id = verifier_id
        self._validity = validity
        self._clock = clock
        self._version = version
        self._policies: tuple[str, PolicySet] | None = None

    def sign(self, statement_id: str) -> SignedStatement:
        """Sign the statement of this row.

        Raises:
            BadInput: no such row, or rows that do not say, each for itself and all together, that the subject passed
                every enforcing policy of the profile under the active generation.
            BadConfiguration: the active generation's document is not what it was stored as.
        """
        now = self._clock.now()
        row = self._row(statement_id)
        generation, policies = self._active()
        profile = policies.profile(row.subject.repository)
        verdicts = self._verdicts(row, profile, now)
        inputs = self._rederived(row.subject, verdicts, profile)
        built = statement.build(
            row.subject,
            row.profile,
            verdicts,
            verifier_id=self._verifier_id,
            version=self._version,
            profile_digest=Digest.parse(policies.profile_digest),
            generation=generation.number,
            policies={policy.name: policy.digest for policy in profile},
            validity=self._validity,
            input_attestations=inputs,
            now=now,
            ends=_first_end(verdicts, profile),
        )
        payload, valid_until = self._once(row, built, now)
        return SignedStatement(envelope=self._seal(payload), key_id=self._sealer.own.id, valid_until=valid_until)

    def close(self) -> None:
        """Let go of the journal."""
        self._journal.close()

    def _seal(self, payload: bytes) -> bytes:
        """Sign, or return what was signed just now for somebody who did not wait long enough to hear it."""
        sealed = self._sealed.pop(payload, None) or self._sealer.seal(payload)
        self._sealed[payload] = sealed
        if len(self._sealed) > _REMEMBERED:
            del self._sealed[next(iter(self._sealed))]
        return sealed

    def _row(self, statement_id: str) -> StoredStatement:
        row = self._records.statements.statement(statement_id)
        if row is None or row.id != statement_id:
            raise BadInput(f"there is no statement {statement_id}")
        if row.state != _WANTED or row.envelope:
            raise BadInput(
                f"statement {row.id} is {row.state}, only one that is {_WANTED} and not signed yet is signed"
            )
        if row.profile != PROFILE:
            raise BadInput(
                f"statement {row.id} is under the profile {row.profile[:80]!r}, this key signs for {PROFILE!r}"
            )
        if not row.verdicts or tuple(sorted(set(row.verdicts))) != row.verdicts:
            raise BadInput(f"statement {row.id} names no set of verdicts: expected sorted ids, each once")
        if row.set_id != statement.verdict_set_id(row.verdicts):
            raise BadInput(f"statement {row.id} has the set id {row.set_id[:80]}, its verdicts have another")
        return row

    def _active(self) -> tuple[GenerationRow, PolicySet]:
        row = self._records.generations.active()
        if row is None or row.state != "active":
            raise BadInput("no generation is active: nothing is signed before policies are")
        if not Digest.parse(row.digest).names(row.document):
            raise BadInput(f"generation {row.number} does not have its digest {row.digest}")
        if self._policies is None or self._policies[0] != row.digest:
            self._policies = (row.digest, PolicySet.from_document(row.document))
        return row, self._policies[1]

    def _verdicts(self, row: StoredStatement, profile: Sequence[Policy], now: datetime) -> tuple[Verdict, ...]:
        """Read the verdict rows; each has to be current, under a policy of the profile, and to hold at this moment."""
        found = self._records.history.verdicts(row.verdicts)
        if tuple(v.id for v in found) != row.verdicts:
            raise BadInput(f"statement {row.id} names {len(row.verdicts)} verdicts, {len(found)} of them are stored")
        current = {v.id: v for v in self._records.history.current(row.subject)}
        for verdict in found:
            standing = current.get(verdict.id)
            if standing is None:
                raise BadInput(f"verdict {verdict.id} of policy {verdict.policy} is not current any more")
            # Renewals move both times of the current row; everything else is as it was decided.
            if replace(standing, valid_until=verdict.valid_until, due_at=verdict.due_at) != verdict:
                raise BadInput(f"verdict {verdict.id} and the current row of policy {verdict.policy} do not agree")
            if standing.valid_until is None or standing.valid_until <= now:
                raise BadInput(f"verdict {verdict.id} of policy {verdict.policy} does not hold any more: decide anew")
            latest = max(now, verdict.decided_at) + statement.MAX_SKEW + _policy_of(verdict, profile).valid_for
            if standing.valid_until > latest:
                raise BadInput(
                    f"verdict {verdict.id} of policy {verdict.policy} holds for longer than any look can say"
                )
            if verdict.trust_epoch != _policy_of(verdict, profile).trust_epoch:
                raise BadInput(f"verdict {verdict.id} rests on the trust {verdict.trust_epoch[:80]!r}, not on today's")
            if verdict.degraded:
                raise BadInput(f"verdict {verdict.id} passed on what its trust policy only logs: that is not published")
        return found

    def _rederived(
        self, subject: Subject, verdicts: Sequence[Verdict], profile: Sequence[Policy]
    ) -> tuple[Digest, ...]:
        """Derive each verdict again from the stored findings that it names; returns the manifests of its evidence.

        No evidence is parsed here: that is for processes that hold no key. Its hashes are looked at.
        """
        gathered = self._records.history.gathered(subject)
        if gathered is None or gathered.image.subject != subject:
            raise BadInput(f"nothing is stored of what was found for {subject}")
        if not subject.digest.names(gathered.image.manifest):
            raise BadInput(f"the stored manifest does not have the digest {subject.digest}")
        _hold_their_digests(gathered)
        by_id = {e.id: e for e in gathered.everything}
        inputs: set[Digest] = set()
        for verdict in verdicts:
            used = _used(verdict, by_id)
            inputs.update(e.manifest for e in used.values())
            self._redecide(_policy_of(verdict, profile), verdict, gathered, used)
        return tuple(sorted(inputs))

    def _redecide(self, policy: Policy, verdict: Verdict, gathered: Gathered, used: Mapping[str, Evidence]) -> None:
        history = self._records.history
        findings = tuple(f for f in history.findings(verdict.subject) if f.evidence in used)
        complete = _complete(gathered, used)
        again = decide(
            policy,
            complete,
            findings,
            now=verdict.decided_at,
            trust_epoch=verdict.trust_epoch,
            new_id=lambda _: verdict.id,
            contents=history.contents(f.statement for f in findings if f.statement),
            tags=history.tags_of(verdict.subject, at=verdict.decided_at) if Need.TAGS in policy.needs else None,
        )
        if again.outcome is not Outcome.PASSED or verdict.outcome is not Outcome.PASSED:
            raise BadInput(f"verdict {verdict.id} says {verdict.outcome.value}, its findings say {again.outcome.value}")
        # Not for longer; for less where revocation data has been renewed since.
        if verdict.valid_until is None or again.valid_until is None or verdict.valid_until > again.valid_until:
            raise BadInput(f"verdict {verdict.id} is not valid for as long as {policy.name} says")
        if _comparable(verdict) != _comparable(again):
            raise BadInput(f"verdict {verdict.id} and its findings do not agree on the rules of {policy.name}")

    def _once(self, row: StoredStatement, built: statement.Statement, now: datetime) -> tuple[bytes, datetime]:
        """Write the intent down; where one stands for this verdict set already, that is what is signed."""
        name = f"{row.profile} {row.set_id} {row.subject}"
        before = self._journal.recall(name)
        if before is not None:
            return before, _valid_until(before)
        self._journal.note(
            name,
            built.payload,
            at=now,
            statement=row.id,
            subject=str(row.subject),
            payload_digest=str(Digest.of(built.payload)),
            key=self._sealer.own.id,
        )
        return built.payload, built.valid_until


def _policy_of(verdict: Verdict, profile: Sequence[Policy]) -> Policy:
    for policy in profile:
        if (policy.name, policy.digest) == (verdict.policy, verdict.policy_digest):
            return policy
    raise BadInput(
        f"verdict {verdict.id} is under {verdict.policy}@{verdict.policy_digest}, which is no enforcing policy of the "
        f"active profile for {verdict.subject.repository}"
    )


def _comparable(verdict: Verdict) -> list[RuleResult]:
    """Return the counted rules. What an exception lets pass may fail for less where less evidence is at hand."""
    return [replace(r, detail="") if r.excepted else r for r in verdict.rules if r.counted]


def _first_end(verdicts: Sequence[Verdict], profile: Sequence[Policy]) -> datetime | None:
    """Return when the first exception ends that one of the verdicts rests on; None where none does."""
    return earliest(
        end for verdict in verdicts for end in _policy_of(verdict, profile).exceptions_ending(verdict.excepted)
    )


def _used(verdict: Verdict, by_id: Mapping[str, Evidence]) -> dict[str, Evidence]:
    """Return the evidence that a verdict rests on, in the order of reading; all of it has to be stored whole."""
    ids = {e for rule in verdict.rules if rule.counted for e in rule.evidence}
    used = {name: evidence for name, evidence in by_id.items() if name in ids}
    if missing := ids - used.keys():
        raise BadInput(f"verdict {verdict.id} rests on evidence that is not stored any more: {min(missing)}")
    for evidence in used.values():
        if evidence.flaw is not None or not evidence.digest.names(evidence.body):
            raise BadInput(f"verdict {verdict.id} rests on evidence {evidence.digest}, whose stored bytes are not it")
    return used


def _hold_their_digests(gathered: Gathered) -> None:
    """See that the stored manifests of children are those that the index names, and configurations the manifests'."""
    for child in gathered.children:
        digest = child.image.subject.digest
        if child.held and not (digest in gathered.image.children and digest.names(child.image.manifest)):
            raise BadInput(f"the stored manifest of the child {digest} is none of {gathered.image.subject}")
    for one in (gathered, *gathered.children):
        config = one.config
        if config is not None and config.flaw is None:
            named = str(config.digest).encode() in one.image.manifest
            if not (named and config.digest.names(config.body)):
                raise BadInput(f"the stored configuration {config.digest} is none of {one.image.subject}")


def _complete(gathered: Gathered, used: Mapping[str, Evidence]) -> Gathered:
    """Return what was found, cut to what a verdict rests on, the children's too."""
    return replace(
        gathered,
        evidence=tuple(e for e in gathered.evidence if e.id in used),
        unobtained=(),
        unscanned=(),
        truncated=False,
        children=tuple(_complete(child, used) for child in gathered.children),
    )


def _valid_until(payload: bytes) -> datetime:
    try:
        document = parse_json(payload, max_bytes=statement.MAX_PAYLOAD_BYTES)
        return datetime.fromisoformat(document["predicate"][statement.VALID_UNTIL])  # type: ignore[index]
    except (MalformedEvidence, KeyError, TypeError, ValueError) as error:
        raise BadInput(f"the journal holds something else than a statement: {error}") from error
