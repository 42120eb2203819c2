"""Every metric that this program exposes, in one table. Names are without the prefix; documents are made from it."""

from dataclasses import dataclass
from enum import StrEnum

from preverify.model.reasons import Reason
from preverify.model.verdicts import AnswerState, Outcome
from preverify.policy.exceptions import State
from preverify.ports import JobKind, PublishState

PREFIX = "preverify_"
OTHER = "other"
MAX_SERIES = 5_000
MAX_LABEL_VALUES = 200
MAX_LABEL_LENGTH = 128

ANSWER_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)
WORK_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)


class Kind(StrEnum):
    """What a metric is."""

    COUNTER = "counter"
    HISTOGRAM = "histogram"
    GAUGE = "gauge"


@dataclass(frozen=True, slots=True)
class Label:
    """A label and the closed set of its values. `values` None: an open set, cut at `MAX_LABEL_VALUES`, then `other`."""

    name: str
    values: frozenset[str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One metric.

    Attributes:
        name: Without the prefix; counters end in `_total`, durations in `_seconds`.
        where: "process": counted where it happens, merged over processes. "census": read from the database once a
            scrape, by the supervisor alone.
        from_zero: Every series exists from the start: a rate over a counter needs the zero before its first one.
    """

    name: str
    kind: Kind
    help: str
    labels: tuple[Label, ...] = ()
    buckets: tuple[float, ...] = ()
    where: str = "process"
    from_zero: bool = False

    @property
    def samples_each(self) -> int:
        """Return how many samples one series of labels exposes."""
        return len(self.buckets) + 3 if self.kind is Kind.HISTOGRAM else 1

    @property
    def full_name(self) -> str:
        """Return the name as exposed."""
        return PREFIX + self.name

    @property
    def label_names(self) -> tuple[str, ...]:
        """Return the names of the labels in order."""
        return tuple(label.name for label in self.labels)


def _closed(name: str, *values: str) -> Label:
    return Label(name, frozenset(values))


_REASONS = tuple(Reason)
_SOURCE = Label("source")
_NAMESPACE = Label("namespace")
_CODE = Label("code")
_ANSWER = _closed("answer", *AnswerState)
_REASON = _closed("reason", *_REASONS)
_FRONTEND = _closed("frontend", "lookup", "batch", "auth", "k8s-validate")
_SWEEP = _closed("sweep", "tags", "evidence")
_KIND = _closed("kind", *JobKind)
_ROOT = Label("root")
_STATEMENT_STATE = _closed("state", "wanted", "signed", "superseded", "withdrawing", *PublishState)


def _counter(name: str, text: str, *labels: Label, from_zero: bool = False) -> Metric:
    return Metric(name=name, kind=Kind.COUNTER, help=text, labels=labels, from_zero=from_zero)


def _histogram(name: str, text: str, buckets: tuple[float, ...], *labels: Label) -> Metric:
    return Metric(name=name, kind=Kind.HISTOGRAM, help=text, labels=labels, buckets=buckets)


def _gauge(name: str, text: str, *labels: Label, where: str = "census") -> Metric:
    return Metric(name=name, kind=Kind.GAUGE, help=text, labels=labels, where=where)


METRICS: tuple[Metric, ...] = (
    # hints
    _counter(
        "hooks_total",
        "Push notifications received, by what became of them.",
        _SOURCE,
        _closed("result", "accepted", "unauthentic", "malformed", "too-large", "unknown-source", "unavailable"),
        from_zero=True,
    ),
    _counter("hints_total", "Hints stored from accepted notifications.", _SOURCE),
    # work
    _counter(
        "jobs_total",
        "Jobs finished, by result.",
        _KIND,
        _closed("result", "done", "retried"),
        from_zero=True,
    ),
    _histogram("job_seconds", "Time that one job took in a worker.", WORK_BUCKETS, _KIND),
    _counter(
        "sweeps_total",
        "Sweeps of a repository or source finished, by result.",
        _SOURCE,
        _SWEEP,
        _closed("result", "done"),
    ),
    # verification
    _counter("verdicts_total", "Verdicts recorded.", _SOURCE, _closed("outcome", *Outcome), _REASON),
    _histogram("verification_seconds", "From the start of a look at one subject to its record.", WORK_BUCKETS, _SOURCE),
    _histogram("event_to_verdict_seconds", "From a stored hint to the verdict that it led to.", WORK_BUCKETS, _SOURCE),
    _counter(
        "evidence_total",
        "Pieces of evidence read, by what they establish.",
        _closed("established", "yes", "no"),
        _REASON,
    ),
    _counter(
        "internal_errors_total", "Errors of ours that made a verdict undecided or a request fail.", Label("where")
    ),
    # registry
    _counter(
        "registry_requests_total", "Requests to a source, by status code; `error` where none came.", _SOURCE, _CODE
    ),
    _histogram("registry_request_seconds", "Duration of requests to a source.", WORK_BUCKETS, _SOURCE),
    _gauge(
        "registry_up",
        "1 where the newest request to the source got an answer below 500, else 0.",
        _SOURCE,
        where="process",
    ),
    # trust
    _counter(
        "trust_refreshes_total",
        "Looks at a TUF repository, by result; `refused`: it says what must not be trusted.",
        _closed("result", "changed", "unchanged", "refused", "unavailable"),
        from_zero=True,
    ),
    # publishing
    _counter(
        "publications_total",
        "Statements published or withdrawn, by outcome.",
        _SOURCE,
        _closed("state", *PublishState),
        from_zero=True,
    ),
    _counter(
        "signatures_total",
        "Requests to the signing process, by result.",
        _closed("result", "signed", "refused", "unavailable"),
        from_zero=True,
    ),
    _histogram("signing_seconds", "Time that the signing process took for one statement.", ANSWER_BUCKETS),
    # answers
    _counter("answers_total", "Answers given.", _FRONTEND, _ANSWER, _closed("admit", "true", "false"), from_zero=True),
    _histogram("answer_seconds", "Time that one request to a front end took.", ANSWER_BUCKETS, _FRONTEND),
    _counter("denied_total", "Answers `denied` at admission, also where nothing is enforced.", _NAMESPACE, _REASON),
    _counter("unknown_total", "Answers `unknown` at admission, also where nothing is enforced.", _NAMESPACE),
    _counter("expired_admitted_total", "Expired verdicts that still admitted within the configured grace.", _NAMESPACE),
    _counter(
        "unenforced_admitted_total", "Answers other than `verified` admitted because no policy enforces.", _NAMESPACE
    ),
    _counter("misses_total", "Lookups that found nothing and caused work.", _SOURCE),
    _counter("http_requests_total", "HTTP requests answered.", Label("endpoint"), _CODE),
    _counter("bad_input_total", "Input refused because it could not be used.", Label("where")),
    # feed
    _counter("feed_changes_total", "Feed changes applied to the local lookup table."),
    # the supervisor
    _counter("process_restarts_total", "Child processes started again after their end.", Label("process")),
    # census
    _gauge("build_info", "Always 1; the version is in the labels.", Label("version"), Label("python")),
    _gauge(
        "census_up", "1 where the database answered this scrape in time, else 0 and the figures are of the last one."
    ),
    _gauge("census_timestamp_seconds", "When the figures read from the database were read."),
    _gauge(
        "tags",
        "Live tags by what a lookup of their digest, without namespace, answers; `none`: not looked at, or expired.",
        _SOURCE,
        _ANSWER,
        _closed("reason", *_REASONS, "none"),
    ),
    _gauge(
        "repository_tags",
        "Like `tags`, by repository; only with `metrics.repositoryLabel`, at most 200 repositories.",
        _SOURCE,
        Label("repository"),
        _ANSWER,
    ),
    _gauge("oldest_unverified_seconds", "For how long the oldest unverified tag has been so; 0 for none.", _SOURCE),
    _gauge("expired_verdicts", "Passed verdicts of tagged digests whose validity is over.", _SOURCE),
    _gauge("sweep_last_success_timestamp_seconds", "When a sweep of the source last came to its end.", _SOURCE, _SWEEP),
    _gauge("oldest_hint_seconds", "For how long the oldest hint has been waiting for its look; 0 for none."),
    _gauge("queue_jobs", "Jobs by state.", _closed("state", "due", "open", "parked")),
    _gauge("queue_oldest_seconds", "For how long the oldest runnable job has been waiting; 0 for none."),
    _gauge(
        "statements", "Statements by state; `not-withdrawn` is one that a registry did not give up.", _STATEMENT_STATE
    ),
    _gauge("feed_heartbeat_timestamp_seconds", "When the local lookup table last heard from the feed."),
    _gauge("leader", "1 where some process holds the lease for timers and dispatch, else 0."),
    _gauge("generation", "Number of the active policy generation; 0 for none."),
    _gauge(
        "exceptions",
        "Exceptions in the policies in force, by whether they count now.",
        _closed("state", *State),
    ),
    _gauge(
        "exception_expiry_timestamp_seconds",
        "When an exception ends, or has ended that is still there.",
        Label("exception"),
    ),
    _gauge(
        "trust_expiry_timestamp_seconds",
        "When a root's last part of this kind ends; in a Notation store: the first certificate that is still to end.",
        _ROOT,
        _closed("kind", "authority", "log", "ct-log", "timestamp-authority", "certificate"),
    ),
    _gauge(
        "trust_refreshed_timestamp_seconds",
        "When a root that comes by TUF was last found or made current; 0 for never.",
        _ROOT,
    ),
    _gauge(
        "trust_metadata_expiry_timestamp_seconds",
        "When the first of the TUF metadata that vouches for a root runs out.",
        _ROOT,
    ),
    _gauge(
        "trust_refresh_interval_seconds",
        "The configured interval of looks at a TUF repository; absent where `trust.offline` is set.",
        _ROOT,
    ),
    _gauge(
        "vulnerability_database_age_seconds",
        "How old the newest record of the vulnerability database in use is; absent where there is none.",
    ),
    _gauge(
        "vulnerability_database_max_age_seconds",
        "The configured age from which on it is stale; absent where no database is configured.",
    ),
    _gauge("source_info", "Always 1 for each configured source; absent sources have no series.", _SOURCE),
    _gauge("sweep_interval_seconds", "The configured interval of a sweep.", _SOURCE, _SWEEP),
)

BY_NAME = {metric.name: metric for metric in METRICS}
