import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from preverify import observe
from preverify.model.errors import BadInput
from preverify.observe.catalogue import BY_NAME, METRICS
from preverify.observe.exceptions import exception_figures
from preverify.ports import Backlog, CensusRows, SweepMark, TagCount
from preverify.settings import Settings
from support.policies import SIGNED, policy_set, policy_text

NOW = datetime(2026, 1, 2, 10, tzinfo=UTC)
BACKLOG = Backlog(due=3, open=2, parked=1, oldest_seconds=12.5, oldest_hint_seconds=4.0)
Shown = dict[tuple[str, ...], float]


class _Clock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> datetime:
        return NOW + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds

    def new_id(self, prefix: str) -> str:
        return prefix


class _Census:
    def __init__(self, rows: CensusRows, before: Callable[[], object] = lambda: None) -> None:
        self.rows = rows
        self.before = before
        self.taken = 0

    def take(self, *, now: datetime) -> CensusRows:
        self.taken += 1
        self.before()
        return self.rows


def _tags(**values: object) -> TagCount:
    return TagCount(
        **{"source": "shop", "repository": "shop/api", "answer": "verified", "reason": "ok", "tags": 1} | values
    )


def _settings(**metrics: object) -> Settings:
    sources = {"shop": {"registry": "registry.example"}, "idle": {"registry": "idle.example"}}
    return Settings.model_validate({"sources": sources, "metrics": metrics})


def _collector(census: _Census, clock: _Clock | None = None, **more: object) -> observe.CensusCollector:
    settings = more.pop("settings", None) or _settings()
    return observe.CensusCollector(census, lambda _: BACKLOG, settings, clock or _Clock(), **more)


def _shown(collector: observe.CensusCollector) -> dict[str, Shown]:
    shown: dict[str, Shown] = {}
    for family in collector.collect():
        shown[family.name.removeprefix("preverify_")] = {tuple(s.labels.values()): s.value for s in family.samples}
    return shown


ROWS = CensusRows(
    tags=(
        _tags(tags=5),
        _tags(answer="denied", reason="wrong-key", tags=2, since=NOW - timedelta(hours=2)),
        _tags(repository="shop/web", answer="denied", reason="wrong-key", tags=1, since=NOW - timedelta(hours=3)),
        _tags(answer="unknown", reason="registry-unavailable", tags=1, since=NOW - timedelta(minutes=1)),
    ),
    expired={"shop": 4},
    sweeps=(SweepMark(source="shop", sweep="tags", at=NOW - timedelta(minutes=5)),),
    statements={"published": 7, "not-withdrawn": 1},
    generation=3,
    leader=True,
)
TRUST = (
    ("exceptions", ("in-force",), 1.0),
    ("exception_expiry_timestamp_seconds", ("hotfix",), 6.0),
    ("trust_expiry_timestamp_seconds", ("public-good", "log"), 7.0),
    ("trust_expiry_timestamp_seconds", ("ca:vendor", "certificate"), 8.0),
    ("trust_refreshed_timestamp_seconds", ("public-good",), 0.0),
    ("trust_metadata_expiry_timestamp_seconds", ("public-good",), 9.0),
    ("trust_refresh_interval_seconds", ("public-good",), 86400.0),
)


def test_figures_of_trust_are_given_by_name_and_bounded() -> None:
    shown = _shown(_collector(_Census(ROWS), trust=lambda: TRUST))
    assert shown["trust_expiry_timestamp_seconds"] == {("public-good", "log"): 7, ("ca:vendor", "certificate"): 8}
    assert shown["trust_refreshed_timestamp_seconds"] == {("public-good",): 0}
    many = [("trust_refreshed_timestamp_seconds", (f"r{number:04}",), 1.0) for number in range(300)]
    shown = _shown(_collector(_Census(ROWS), trust=lambda: many))
    assert len(shown["trust_refreshed_timestamp_seconds"]) == 200


def test_names_of_one_figure_do_not_crowd_out_those_of_another() -> None:
    many = [("exception_expiry_timestamp_seconds", (f"e{number:04}",), 1.0) for number in range(300)]
    shown = _shown(_collector(_Census(ROWS), trust=lambda: [*many, *TRUST]))
    assert len(shown["exception_expiry_timestamp_seconds"]) == 200
    assert shown["trust_refreshed_timestamp_seconds"] == {("public-good",): 0}


def test_exceptions_are_counted_by_where_they_stand_in_time() -> None:
    def document(name: str, since: str, until: str) -> str:
        spec = f"policies: [shop-release], images: ['a.test/**'], owner: o, reason: r, notBefore: {since!r}"
        return (
            "apiVersion: preverify/v1\nkind: Exception\n"
            f"metadata: {{name: {name}}}\nspec: {{{spec}, expires: {until!r}}}\n"
        )

    policies = policy_set(
        policy_text(SIGNED),
        document("now", "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"),
        document("over", "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"),
        document("soon", "2026-01-20T00:00:00Z", "2026-02-01T00:00:00Z"),
    )
    at = datetime(2026, 1, 10, tzinfo=UTC)
    shown = _shown(_collector(_Census(ROWS), trust=lambda: exception_figures(policies, at)))
    assert shown["exceptions"] == {("pending",): 1, ("in-force",): 1, ("ended",): 1}
    assert shown["exception_expiry_timestamp_seconds"]["over",] == datetime(2026, 1, 2, tzinfo=UTC).timestamp()
    assert set(shown["exception_expiry_timestamp_seconds"]) == {("now",), ("over",), ("soon",)}


def test_trust_that_cannot_be_read_does_not_end_a_scrape() -> None:
    def broken() -> object:
        raise OSError

    assert "generation" in _shown(_collector(_Census(ROWS), trust=broken))


def test_trust_that_takes_long_does_not_hold_a_scrape_and_is_not_read_at_each() -> None:
    gate, clock, asked = threading.Event(), _Clock(), list[float]()

    def trust() -> object:
        asked.append(clock.seconds)
        gate.wait(30)
        return TRUST

    collector = _collector(_Census(ROWS), clock, trust=trust, wait_seconds=0.05)
    for _ in range(2):
        shown = _shown(collector)
        assert "trust_expiry_timestamp_seconds" not in shown
        assert shown["generation"] == {(): 3}
    gate.set()
    running = collector._trusting.running
    assert running is not None
    running.join(30)
    for clock.seconds in (0.0, 4.9):
        assert _shown(collector)["trust_expiry_timestamp_seconds"]["public-good", "log"] == 7
    assert asked == [0.0]
    clock.seconds = 5.1
    _shown(collector)
    assert asked == [0.0, 5.1]


def test_every_census_gauge_of_the_catalogue_is_given_and_no_other() -> None:
    settings = _settings(repositoryLabel=True)
    database = settings.vulnerabilities.database.model_copy(update={"reference": "registry.example/v:1"})
    vulnerabilities = settings.vulnerabilities.model_copy(update={"database": database})
    collector = _collector(
        _Census(ROWS),
        settings=settings.model_copy(update={"vulnerabilities": vulnerabilities}),
        heartbeat=lambda: NOW,
        trust=lambda: TRUST,
        vulnerabilities=lambda: NOW,
    )
    declared = {metric.name for metric in METRICS if metric.where == "census"}
    assert set(_shown(collector)) == declared


def test_the_figures_are_those_of_the_database() -> None:
    shown = _shown(_collector(_Census(ROWS), heartbeat=lambda: NOW))
    assert shown["tags"] == {
        ("shop", "verified", "ok"): 5,
        ("idle", "verified", "ok"): 0,
        ("shop", "denied", "wrong-key"): 3,
        ("shop", "unknown", "registry-unavailable"): 1,
    }
    assert shown["oldest_unverified_seconds"] == {("shop",): 3 * 3600, ("idle",): 0}
    assert shown["expired_verdicts"] == {("shop",): 4, ("idle",): 0}
    assert shown["queue_jobs"] == {("due",): 3, ("open",): 2, ("parked",): 1}
    assert shown["queue_oldest_seconds"] == {(): 12.5}
    assert shown["oldest_hint_seconds"] == {(): 4.0}
    assert shown["statements"]["not-withdrawn",] == 1
    assert shown["statements"]["withdrawing",] == 0, "an alert needs the zero"
    assert shown["sweep_last_success_timestamp_seconds"] == {("shop", "tags"): (NOW - timedelta(minutes=5)).timestamp()}
    assert shown["sweep_interval_seconds"]["shop", "tags"] == 600
    assert shown["feed_heartbeat_timestamp_seconds"] == {(): NOW.timestamp()}
    assert (shown["leader"], shown["generation"]) == ({(): 1}, {(): 3})
    assert shown["census_up"] == {(): 1}
    assert "repository_tags" not in shown


def test_the_age_of_the_vulnerability_database_is_that_of_its_data() -> None:
    shown = _shown(_collector(_Census(ROWS), vulnerabilities=lambda: NOW - timedelta(hours=3)))
    assert shown["vulnerability_database_age_seconds"] == {(): 3 * 3600}
    assert "vulnerability_database_max_age_seconds" not in shown, "nobody is woken where none is configured"
    ahead = _shown(_collector(_Census(ROWS), vulnerabilities=lambda: NOW + timedelta(hours=3)))
    assert ahead["vulnerability_database_age_seconds"] == {(): 0}


def test_a_vulnerability_database_that_cannot_be_read_has_no_age() -> None:
    def damaged() -> datetime:
        raise BadInput("damaged")

    for missing in (damaged, lambda: None):
        shown = _shown(_collector(_Census(ROWS), vulnerabilities=missing))
        assert "vulnerability_database_age_seconds" not in shown
        assert shown["census_up"] == {(): 1}


def test_a_clock_that_went_back_gives_no_negative_age() -> None:
    rows = CensusRows(tags=(_tags(answer="denied", reason="wrong-key", since=NOW + timedelta(hours=1)),))
    assert _shown(_collector(_Census(rows)))["oldest_unverified_seconds"]["shop",] == 0


def test_repositories_beyond_the_bound_are_other() -> None:
    rows = CensusRows(tags=tuple(_tags(repository=f"r{i}", tags=1) for i in range(250)))
    shown = _shown(_collector(_Census(rows), settings=_settings(repositoryLabel=True)))["repository_tags"]
    assert len(shown) == 201
    assert shown["shop", "other", "verified"] == 50
    assert sum(shown.values()) == 250


def test_scrapes_within_the_cache_time_do_not_ask_again() -> None:
    census, clock = _Census(ROWS), _Clock()
    collector = _collector(census, clock)
    _shown(collector)
    clock.seconds = 4.9
    _shown(collector)
    assert census.taken == 1
    clock.seconds = 5.1
    _shown(collector)
    assert census.taken == 2


def test_a_database_that_hangs_does_not_hold_the_scrape() -> None:
    """The last figures stay, marked as such; only one question is under way however often one scrapes."""
    gate = threading.Event()
    gate.set()
    census, clock = _Census(ROWS, before=lambda: gate.wait(30)), _Clock()
    collector = _collector(census, clock, wait_seconds=0.05)
    census_wait = _shown(_collector(_Census(ROWS)))
    assert _shown(collector).keys() <= census_wait.keys()
    gate.clear()
    clock.seconds = 60
    for _ in range(3):
        shown = _shown(collector)
        assert shown["census_up"] == {(): 0}
        assert shown["tags"]["shop", "denied", "wrong-key"] == 3
        assert shown["census_timestamp_seconds"] == {(): NOW.timestamp()}
    assert census.taken == 2
    gate.set()
    running = collector._taking.running
    assert running is not None
    running.join(30)
    assert _shown(collector)["census_up"] == {(): 1}


def test_a_database_that_fails_is_said_to_be_down_and_scrapes_go_on() -> None:
    def fail() -> None:
        raise OSError("database is away")

    shown = _shown(_collector(_Census(ROWS, before=fail)))
    assert shown["census_up"] == {(): 0}
    assert "tags" not in shown
    assert shown["source_info"] == {("shop",): 1, ("idle",): 1}
    assert shown["build_info"]


def test_a_lookup_table_that_cannot_be_read_has_no_heartbeat() -> None:
    def broken() -> datetime:
        raise OSError

    assert "feed_heartbeat_timestamp_seconds" not in _shown(_collector(_Census(ROWS), heartbeat=broken))
    assert "feed_heartbeat_timestamp_seconds" not in _shown(_collector(_Census(ROWS), heartbeat=lambda: None))


def test_label_values_stay_in_their_closed_sets() -> None:
    rows = CensusRows(tags=(_tags(answer="denied", reason="made-up"),), statements={"odd": 1})
    shown = _shown(_collector(_Census(rows)))
    states = next(label.values for label in BY_NAME["statements"].labels)
    assert states is not None
    assert {key[0] for key in shown["statements"]} == states
    assert ("shop", "denied", "other") in shown["tags"]
