"""What the core needs from outside, as small protocols that speak our values. Adapters live one floor up."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import BinaryIO, Protocol

from preverify.model.contents import Content, Inventory, Scan
from preverify.model.digest import Digest
from preverify.model.evidence import Evidence, Gathered, Image, Unobtained
from preverify.model.findings import Finding
from preverify.model.hints import Hint
from preverify.model.needs import Need
from preverify.model.platforms import THE_INDEX, Platforms
from preverify.model.reference import Repository, Subject
from preverify.model.revocation import Wanted
from preverify.model.tags import Tags
from preverify.model.verdicts import Answer, PolicyAnswer, Verdict

TENANT = "default"


class Clock(Protocol):
    """Time and identifiers."""

    def now(self) -> datetime: ...
    def monotonic(self) -> float: ...
    def new_id(self, prefix: str) -> str: ...


# --- registry ---------------------------------------------------------------------------------------------------------


class Layout(StrEnum):
    """Where a statement is attached."""

    AUTO = "auto"
    BUNDLE = "bundle"
    ATT = "att"
    BOTH = "both"
    DETACHED = "detached"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class TagPage:
    """A page of a tag listing. `next_after` is None at the end; `truncated` says that a cap stopped the pass."""

    tags: tuple[str, ...]
    next_after: str | None
    truncated: bool = False


class PublishState(StrEnum):
    """What became of a publication or withdrawal."""

    PUBLISHED = "published"
    WOULD_SHADOW = "would-shadow"  # `bundle` or `both` would hide foreign legacy signatures
    UNPUBLISHED = "unpublished"  # no layout is possible here (cannot be withdrawn, immutable tag, layout none)
    WITHDRAWN = "withdrawn"
    NOT_WITHDRAWN = "not-withdrawn"  # the registry did not take the withdrawal: a state, a metric, an alert


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """Result of `Registry.publish` or `Registry.withdraw`.

    `layouts` are those that hold the statement now; `manifests` the digests of the manifests written, for withdrawal.
    """

    state: PublishState
    layouts: tuple[Layout, ...] = ()
    manifests: tuple[str, ...] = ()
    detail: str = ""
    requests: int = 0


class Registry(Protocol):
    """One source: a registry, or a directory of OCI layouts. Everything returned was hashed by us.

    Raises, everywhere: `Unavailable` (network, 429, 5xx, deadline, 401, 403), `NotFound` (404), `MalformedEvidence`
    (the bytes are not what they must be) and nothing else.
    """

    def head(self, repository: Repository, tag: str) -> Digest | None:
        """Return what the registry says that `tag` names (a hint that no verdict may rest on); None for 404."""

    def resolve(self, repository: Repository, tag: str) -> Image:
        """Fetch what `tag` names; the digest is computed from the bytes."""

    def fetch(self, subject: Subject) -> Image:
        """Fetch the manifest or index that has the subject's digest."""

    def gather(
        self, image: Image, *, platforms: Platforms = THE_INDEX, needs: frozenset[Need] = frozenset()
    ) -> Gathered:
        """Read all evidence beside `image`. Never raises for evidence: what could not be had is in `unobtained`.

        `platforms` says beside which children of an index evidence is read as well; `needs` whether configurations are.
        """

    def copy_blob(self, repository: Repository, digest: Digest, *, size: int, into: BinaryIO) -> None:
        """Write a blob of exactly `size` bytes to a file. Where this raises, a part of it may have been written."""

    def evidence_fingerprint(
        self, subject: Subject, tags: frozenset[str] | None, children: Sequence[Digest] = ()
    ) -> str:
        """Return `Gathered.fingerprint` as it would be now, with at most one request (none without the referrers API).

        `tags` is a fresh listing of the repository where the caller has one, else None. `children` are those that were
        looked at with the subject; each costs at most one request more.
        """

    def tags(self, repository: Repository, *, after: str | None) -> TagPage:
        """List tags, one bounded pass, from after `after`."""

    def repositories(self) -> tuple[Repository, ...]:
        """Expand the source's configured repository patterns (catalogue where a pattern has wildcards), bounded."""

    def publish(self, subject: Subject, envelope: bytes, layout: Layout, *, supersedes: tuple[str, ...]) -> Publication:
        """Attach a signed DSSE envelope. Idempotent: the same bytes a second time change nothing.

        `supersedes` are manifests of our older statements about this subject, to be removed from what readers see.
        """

    def withdraw(self, subject: Subject, manifests: tuple[str, ...]) -> Publication:
        """Take our statements about `subject` away, wherever they are; foreign layers stay byte-identical."""


# --- history ----------------------------------------------------------------------------------------------------------


class Revocations(Protocol):
    """Where CRLs and OCSP responses come from."""

    def fetch(self, wanted: Sequence[Wanted]) -> tuple[tuple[Evidence, ...], tuple[Unobtained, ...]]:
        """Ask each question, from a cache as long as its answers are fresh. Never raises for what is not there.

        Returns:
            Answers as evidence, nothing of which is believed yet, and what could not be obtained.
        """


class Scanner(Protocol):
    """An external program that makes bills of materials, in its sandbox."""

    name: str
    """What unobtained results are called."""

    def sbom(self, registry: Registry, image: Image) -> Evidence | Unobtained:
        """Return the bill of materials of one manifest, or why there is none. The same image gives the same bytes."""


class Vulnerabilities(Protocol):
    """The database of known vulnerabilities."""

    name: str
    """What unobtained results are called."""

    def matches(self, content: Inventory | Scan, of: str, about: Digest) -> Evidence | Unobtained:
        """Return what the database has for a document about the image `about`; `of` is the document's digest.

        A bill of materials is matched; a scan by others is given back with what the database knows more of what it
        found. The same document and database give the same bytes.
        """

    def packages(self, content: Content) -> tuple[str, ...]:
        """Return the keys by which a document's components are looked up, each once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Renewal:
    """A current verdict that a new look confirmed: its lookup validity moves on, no history row is written."""

    verdict_id: str
    valid_until: datetime | None
    due_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """All that one look at one subject led to; stored in one transaction.

    Attributes:
        source: Name of the configured source.
        gathered: Evidence as found. None where only decided anew from stored findings.
        based_on: Where nothing was fetched: the stored gathering (bytes or not) that all this was concluded from. Where
            somebody has looked again meanwhile, nothing of the recording is stored: old evidence undoes no newer one.
        findings: Replace the stored findings of the subject. None where not verified anew.
        verdicts: One per policy that was decided. Their ids are set.
        renewals: Current verdicts confirmed as they stand (in place, with a `change`, without a history row).
        anchors: Ids of the anchors that the findings were concluded under, whether they hold or not.
        contents: What long documents among the evidence say, by the digest of their statement.
        packages: For each of these, the keys by which a database looks its components up.
        tags: Tags seen to name the subject just now.
        publish: Verdict ids under which the default profile passed (a statement is wanted), or None.
        withdraw: The default profile stopped being passed: a live statement is to be withdrawn.
        cause: Why this look happened: "push", "sweep", "time", "evidence", "policy", "asked".
        considered: Number of the newest generation, staged ones included, whose policies were decided; 0: not known.
        lease: Id and fence of the job that led here; what a worker brings that no longer holds its job is dropped.
    """

    tenant: str = TENANT
    source: str
    subject: Subject
    gathered: Gathered | None
    based_on: Gathered | None = None
    findings: tuple[Finding, ...] | None
    verdicts: tuple[Verdict, ...]
    anchors: tuple[str, ...] = ()
    contents: Mapping[str, Content] = field(default_factory=dict)
    packages: Mapping[str, Sequence[str]] = field(default_factory=dict)
    renewals: tuple[Renewal, ...] = ()
    tags: tuple[str, ...] = ()
    publish: tuple[str, ...] | None = None
    withdraw: bool = False
    cause: str
    generation: int
    considered: int = 0
    lease: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownSubject:
    """A subject that history knows, with what a sweep needs to decide whether to look again."""

    source: str
    subject: Subject
    media_type: str
    fingerprint: str
    tags: tuple[str, ...]
    due_at: datetime | None
    children: tuple[Digest, ...] = ()  # those whose evidence was read with its own


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredStatement:
    """A row of `statement`: what we signed or are about to sign. `envelope` is empty until signed.

    States: wanted -> signed -> published -> (superseded | withdrawing -> withdrawn | not-withdrawn); or would-shadow,
    unpublished. `verdicts` is the verdict set: sorted verdict ids; `set_id` its digest. One row per set and profile.
    """

    id: str
    source: str
    subject: Subject
    profile: str
    set_id: str
    verdicts: tuple[str, ...]
    state: str
    envelope: bytes
    key_id: str
    layouts: tuple[Layout, ...]
    manifests: tuple[str, ...]
    attempts: int
    valid_until: datetime | None
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """What was concluded of a subject, as history keeps it.

    Attributes:
        gathered: Without the bytes of manifest and evidence; configurations only where they were asked for.
        findings: In the order of the evidence.
        anchors: Ids of the anchors that the findings were concluded under; None: not known (written long ago).
    """

    source: str
    gathered: Gathered
    findings: tuple[Finding, ...]
    anchors: frozenset[str] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """A verdict as it was decided, with the evidence and findings that it rests on.

    `generation` is that of the policies; `stored` holds bytes.
    """

    verdict: Verdict
    generation: int
    stored: Stored


class History(Protocol):
    """The record of everything seen and decided. Append-only where it matters."""

    def record(self, recordings: Sequence[Recording], *, now: datetime) -> None:
        """Store all recordings in one transaction.

        Evidence, findings, verdicts, current verdicts, change rows, statements wanted or to withdraw with the jobs that
        carry it out, and when time alone makes the subject due.
        """

    def observe_tag(
        self, source: str, repository: Repository, tag: str, digest: Digest | None, *, now: datetime
    ) -> bool:
        """Note what a tag names now (None: the tag is gone); True when that is a move. History keeps every move."""

    def known_tags(self, source: str, repository: Repository) -> Mapping[str, Digest]:
        """Return what each live tag of a repository named when last observed."""

    def subjects(
        self, *, source: str | None = None, repository: Repository | None = None, tagged: bool = False
    ) -> Iterator[KnownSubject]:
        """Yield subjects, in pages inside."""

    def gathered(self, subject: Subject) -> Gathered | None:
        """Rebuild the last gathering of a subject, bytes included; None when never seen."""

    def findings(self, subject: Subject) -> tuple[Finding, ...]:
        """Return the stored findings of a subject."""

    def stored(self, subjects: Sequence[Subject], *, configs: bool = False) -> Mapping[Subject, Stored]:
        """Return what was last concluded of many subjects, without the bytes that it was concluded from.

        `configs`: with the configurations of images. Subjects that were never verified are left out.
        """

    def contents(self, names: Iterable[str]) -> Mapping[str, Content]:
        """Return what long documents say, by the digest of their statement; what is not kept is left out."""

    def tags_of(
        self,
        subject: Subject,
        *,
        at: datetime | None = None,
        seen: Sequence[str] = (),
        seen_at: datetime | None = None,
    ) -> Tags:
        """Return what is known of the tags that name a subject now, or named it at a moment.

        `seen` are tags that were seen to name it at `seen_at`, and are not stored yet.
        """

    def naming(self, packages: Iterable[str]) -> tuple[tuple[str, Subject], ...]:
        """Return the subjects one of whose documents names something that these keys look up, each with its source."""

    def past(self, verdict_ids: Sequence[str]) -> Mapping[str, Past]:
        """Return verdicts as they were decided, with what they rest on; unknown ids are left out."""

    def decided_before(self, subjects: Sequence[Subject], at: datetime) -> Mapping[Subject, str]:
        """Return for each subject the id of the last verdict of that moment; those without any are left out."""

    def current(self, subject: Subject) -> tuple[Verdict, ...]:
        """Return the current verdicts of a subject, under every policy digest that has one."""

    def current_of(self, subjects: Sequence[Subject]) -> Mapping[Subject, tuple[Verdict, ...]]:
        """Return the current verdicts of many subjects; those without any are left out."""

    def verdicts(self, ids: Sequence[str]) -> tuple[Verdict, ...]:
        """Return verdict rows by id, in the order asked; unknown ids are left out."""

    def find(self, digest: Digest) -> tuple[KnownSubject, ...]:
        """Return every subject with this digest."""

    def parents(self, subject: Subject) -> Mapping[Digest, bool]:
        """Return the indexes of the repository that name this digest as a child, and whether they read its evidence."""


class Marks(Protocol):
    """How far something that is done bit by bit has come: a text under a name."""

    def mark(self, name: str) -> str | None: ...

    def set_mark(self, name: str, value: str, *, now: datetime) -> None: ...


class Statements(Protocol):
    """The outbox: statements on their way to or from a registry."""

    def statement(self, statement_id: str) -> StoredStatement | None: ...

    def live(self, subject: Subject) -> tuple[StoredStatement, ...]:
        """Return statements that a registry holds or may hold (signed, published, withdrawing, not-withdrawn)."""

    def live_of(self, subjects: Sequence[Subject]) -> Mapping[Subject, tuple[StoredStatement, ...]]:
        """Return the live statements of many subjects; those without any are left out."""

    def signed(self, statement_id: str, envelope: bytes, key_id: str, valid_until: datetime) -> bool:
        """Store the envelope before its first PUT; False when one is stored already (the stored one stays)."""

    def settled(self, statement_id: str, publication: Publication, *, now: datetime) -> None:
        """Store what became of a publication or withdrawal; a published one supersedes older rows of its subject."""


# --- policy generations -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationRow:
    """A loaded set of policies. `document` is the canonical JSON of the whole set, signers resolved."""

    number: int
    digest: str
    document: bytes
    state: str  # staged, active, retired
    created_at: datetime


class Generations(Protocol):
    """Numbered policy sets; one is active."""

    def active(self) -> GenerationRow | None: ...

    def active_at(self, moment: datetime) -> GenerationRow | None:
        """Return the generation that was active at a moment."""

    def numbered(self, number: int) -> GenerationRow | None:
        """Return a generation by its number, whatever became of it."""

    def staged(self) -> GenerationRow | None: ...

    def stage(self, document: bytes, digest: str, *, now: datetime) -> GenerationRow:
        """Store a new set as staged (or return the staged or active row that has this digest already)."""

    def activate(self, number: int, *, now: datetime) -> None:
        """Move the pointer: the staged row becomes active, the active one retired, with one change row.

        Raises BadInput where `number` is not the staged generation: an older one is refused.
        """


# --- work -------------------------------------------------------------------------------------------------------------


class JobKind(StrEnum):
    """What a job does. Jobs are idempotent and carry only ids."""

    TAG = "tag"  # key: tag name; resolve it and look at what it names
    SUBJECT = "subject"  # key: digest; gather, verify, decide, record
    REMATCH = "rematch"  # key: digest; match what is stored with the present database, decide, record
    PUBLISH = "publish"  # key: statement id
    WITHDRAW = "withdraw"  # key: statement id
    SWEEP_TAGS = "sweep-tags"  # key: ""; list one repository (or, with repository "", the source's repositories)
    SWEEP_EVIDENCE = "sweep-evidence"  # key: ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A unit of work. (tenant, source, kind, repository, key) is unique while open."""

    source: str
    kind: JobKind
    repository: str  # path without registry; empty for the whole source
    key: str
    cause: str
    priority: int = 100  # lower first: 10 asked and pushed, 50 time, 100 sweep
    tenant: str = TENANT


@dataclass(frozen=True, slots=True, kw_only=True)
class LeasedJob:
    """A job that a worker holds until `until`. `fence` makes a late completion by a zombie worker harmless."""

    id: int
    job: Job
    fence: int
    attempts: int
    until: datetime
    created_at: datetime


class Work(Protocol):
    """Durable work, at least once. Times come from the caller."""

    def add(self, jobs: Sequence[Job], *, run_at: datetime, now: datetime) -> int:
        """Make jobs due; one already due keeps the earlier time and better priority. Returns how many are new."""

    def accept(self, source: str, hints: Sequence[Hint], jobs: Sequence[Job], *, now: datetime) -> int:
        """Store hints and the jobs that they cause in one transaction (the inbox). Returns how many jobs are new."""

    def dispatch(self, *, now: datetime, window: int) -> int:
        """Open due jobs up to `window` open ones, round-robin over (tenant, source). The lease holder calls this."""

    def lease(self, *, worker: str, until: datetime, now: datetime, limit: int) -> tuple[LeasedJob, ...]:
        """Claim up to `limit` open jobs that are free or whose lease ended before `now`."""

    def abandon(self, worker: str, *, now: datetime) -> int:
        """End the leases of a worker that is dead, so that its jobs need not wait for that; returns how many."""

    def extend(self, leased: LeasedJob, *, until: datetime) -> bool:
        """Hold on for longer; False when somebody else has it."""

    def done(self, leased: LeasedJob, *, now: datetime) -> bool:
        """Finish; False when somebody else has it. Work made due meanwhile stays due."""

    def finish(self, leased: Sequence[LeasedJob], *, now: datetime) -> int:
        """Finish several in one transaction, each as `done` does; returns how many were still ours."""

    def retry(self, leased: LeasedJob, *, at: datetime, error: str, now: datetime) -> bool:
        """Give back with an error, to run at `at`; counted in `attempts`."""

    def backlog(self, *, now: datetime) -> "Backlog": ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """Numbers about work for metrics. Ages in seconds; 0 where nothing waits."""

    due: int
    open: int
    parked: int
    oldest_seconds: float
    oldest_hint_seconds: float
    by_kind: Mapping[str, int] = field(default_factory=dict)


class Lease(Protocol):
    """One holder at a time, by compare-and-set on a row."""

    def take(self, name: str, holder: str, *, ttl: timedelta, now: datetime) -> int | None:
        """Take or renew; returns the fence number, or None while another holds it."""

    def release(self, name: str, holder: str) -> None: ...


# --- feed and lookup --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectState:
    """What the lookup table holds of one subject: each policy's current verdict, under every live policy digest.

    `children` are those of an index, `platforms` what each stands there for, in the same order.
    """

    subject: Subject
    policies: tuple[PolicyAnswer, ...]
    children: tuple[Digest, ...] = ()
    platforms: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TagState:
    """What a tag names; None once it is gone."""

    repository: Repository
    tag: str
    digest: Digest | None


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationState:
    """The generation that answers are computed under, whole."""

    number: int
    document: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One row of the feed, numbered without gaps by the sequencer."""

    number: int
    at: datetime
    what: SubjectState | TagState | GenerationState


class Feed(Protocol):
    """Committed changes in one gapless order."""

    def sequence(self, *, fence: int, now: datetime) -> int:
        """Number what has been committed since; returns the last number. Only the lease holder, fenced."""

    def changes(self, after: int, *, limit: int) -> tuple[Change, ...]:
        """Return numbered changes after `after`, in order. A subject's state is its newest at the time of reading."""

    def snapshot(self) -> Iterator[Change]:
        """Yield the whole present state (generation first), each with the number to resume from."""


class LookupWriter(Protocol):
    """The one writer of a local lookup table."""

    def position(self) -> int:
        """Return the last number applied; -1 for an empty table that wants a snapshot."""

    def apply(self, changes: Sequence[Change], *, now: datetime) -> None:
        """Apply changes in one transaction and remember the last number."""

    def reset(self, changes: Iterator[Change], *, now: datetime) -> None:
        """Replace everything by a snapshot, atomically for readers."""

    def heartbeat(self, *, now: datetime) -> None:
        """Note that the feed is alive."""


class Answers(Protocol):
    """Answers from the local lookup table. Reads only; no network."""

    def lookup(self, digest: Digest, image: Repository | None, namespace: str | None) -> Answer:
        """Answer for a digest in one repository; without `image` the worst over all repositories that hold it.

        Raises:
            Unavailable: the table is missing or unreadable.
        """

    def reference(self, text: str, namespace: str | None) -> Answer:
        """Answer for an image reference as a workload writes it; a tag is never a key.

        Raises:
            BadInput: `text` is no image reference.
            Unavailable: the table is missing or unreadable.
        """


# --- signing ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedStatement:
    """A DSSE envelope over the statement of a verdict set, and the id of the key that made it."""

    envelope: bytes
    key_id: str
    valid_until: datetime


class Signing(Protocol):
    """The signing process, seen from a worker. It takes ids, never bytes."""

    def sign(self, statement_id: str) -> SignedStatement:
        """Have the statement of this row rebuilt from the stored rows and signed.

        Raises:
            BadInput: refused: no such row, or a verdict of it is not passed under the active generation.
            Unavailable: the signing process or its key does not answer.
        """


# --- observation ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class TagCount:
    """How many live tags of a repository get one answer now, and since when the longest of them.

    `answer` and `reason` are those that a lookup without namespace would give: `reason` is `ok` where verified, empty
    where nothing was decided yet or a passed verdict is over. `since` is when the oldest of these tags came to name its
    digest; None where verified.
    """

    source: str
    repository: str
    answer: str
    reason: str
    tags: int
    since: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepMark:
    """When a sweep of a source last came to its end. `sweep` is "tags" or "evidence"."""

    source: str
    sweep: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CensusRows:
    """What the database says about the whole, read at one moment."""

    tags: tuple[TagCount, ...] = ()
    expired: Mapping[str, int] = field(default_factory=dict)  # source -> tagged subjects whose passed verdict is over
    sweeps: tuple[SweepMark, ...] = ()
    statements: Mapping[str, int] = field(default_factory=dict)  # state -> rows
    generation: int = 0
    leader: bool = False


class Census(Protocol):
    """Counts over the whole database, for metrics. Read-only."""

    def take(self, *, now: datetime) -> CensusRows:
        """Count everything. May take seconds on a large database: callers keep it off every hot path."""


class Observer(Protocol):
    """Counters and log lines of the core. Labels come from closed lists."""

    def event(self, name: str, **fields: object) -> None:
        """Write one structured log line."""

    def count(self, metric: str, value: float = 1, **labels: str) -> None: ...

    def time(self, metric: str, **labels: str) -> AbstractContextManager[None]: ...

    def took(self, metric: str, seconds: float, **labels: str) -> None:
        """Put a duration that was measured elsewhere into a histogram."""


class Bell(Protocol):
    """Wakes a process of this machine; losing a ring costs only the poll interval."""

    def ring(self, who: str) -> None:
        """Wake `who`: "timer", "workers" or "answers"."""

    def wait(self, timeout: float) -> bool:
        """Sleep until rung or `timeout` seconds are over; True when rung."""
