"""The client's own decisions: hints, refusals, conditional writes, deletions, budgets, counting."""

import json
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta

import pytest

from preverify.clock import SystemClock
from preverify.model.digest import Digest
from preverify.model.errors import BadInput, MalformedEvidence, NotFound, Unavailable
from preverify.model.reasons import Reason
from preverify.model.reference import Repository
from preverify.registry import open_source
from preverify.registry.budget import Budget
from preverify.registry.client import Client, Conflict, Limits, Refused
from preverify.registry.images import MAX_CHILDREN
from preverify.registry.layout import LayoutRegistry
from preverify.registry.remote import RemoteRegistry
from preverify.settings import Budget as BudgetSettings
from support.clock import Stopped
from support.hostile import OCI_MANIFEST, Hostile, Tokens, body, header, status
from support.registry_clients import client, source


def test_head_falls_back_to_get_where_it_says_nothing(hostile: Hostile) -> None:
    digest = hostile.image("a/b", "t")
    hostile.fault("HEAD", "", header("Docker-Content-Digest", None))
    ours = client(hostile.host)
    assert str(ours.head_manifest("a/b", "t")) == digest
    hostile.fault("HEAD", "", status(405))
    assert str(ours.head_manifest("a/b", "t")) == digest
    hostile.fault("GET", "", status(404))
    assert ours.head_manifest("a/b", "t") is None
    hostile.fault("HEAD", "", status(400))
    with pytest.raises(Refused):
        ours.head_manifest("a/b", "t")


def test_has_manifest_reads_nothing(hostile: Hostile) -> None:
    digest = Digest.parse(hostile.image("a/b", "t"))
    ours = client(hostile.host)
    assert ours.has_manifest("a/b", digest)
    assert not ours.has_manifest("a/b", "absent")
    assert {s.method for s in hostile.seen} == {"HEAD"}


@pytest.mark.parametrize("data", [b"{}", b'{"tags":7}', b'{"tags":[7]}', b"[]", b'{"tags":["a"],"tags":["b"]}', b"x"])
def test_listings_that_are_none(hostile: Hostile, data: bytes) -> None:
    hostile.image("a/b", "t")
    hostile.fault("GET", "/tags/", body(data))
    with pytest.raises(MalformedEvidence):
        client(hostile.host).tags("a/b")


def test_null_listing_is_empty(hostile: Hostile) -> None:
    hostile.image("a/b")
    hostile.fault("GET", "/tags/", body(b'{"name":"a/b","tags":null}'))
    page = client(hostile.host).tags("a/b")
    assert (page.tags, page.next_after, page.truncated) == ((), None, False)


def test_listed_names_outside_the_grammar_are_left_out(hostile: Hostile) -> None:
    hostile.image("a/b", "t")
    hostile.fault("GET", "/tags/", body(b'{"tags":["good","../bad","a b",""]}'))
    hostile.fault("GET", "/_catalog", body(b'{"repositories":["good","../bad","UPPER"]}'))
    ours = client(hostile.host)
    assert ours.tags("a/b").tags == ("good",)
    assert ours.catalog() == (("good",), False)


def test_ten_thousand_tags_are_one_pass(hostile: Hostile) -> None:
    digest = hostile.image("a/b", "t")
    hostile.tags["a/b"] = {f"t{i:05}": digest for i in range(10_050)}
    ours = client(hostile.host)
    first = ours.tags("a/b")
    assert (len(first.tags), first.truncated, first.next_after) == (10_000, True, "t09999")
    second = ours.tags("a/b", after=first.next_after)
    assert (len(second.tags), second.truncated, second.next_after) == (50, False, None)
    assert len(hostile.seen) <= 12


def test_registry_that_ignores_where_to_go_on_is_resumed_all_the_same(hostile: Hostile) -> None:
    digest = hostile.image("a/b", "t")
    names = [f"t{i:02}" for i in range(30)]
    hostile.tags["a/b"] = dict.fromkeys(names, digest)
    hostile.fault("GET", "/tags/", body(json.dumps({"tags": names}).encode()))
    hostile.fault("GET", "/tags/", header("Link", None))
    ours = client(hostile.host)
    first = ours.tags("a/b", limit=20)
    assert first.tags == tuple(names[:20])
    assert ours.tags("a/b", after=first.next_after).tags == tuple(names[20:])


def test_conditional_put_that_lost(hostile: Hostile) -> None:
    hostile.image("a/b", "t")
    ours = client(hostile.host)
    read = ours.get_manifest("a/b", "t")
    assert read.etag is not None
    hostile.image("a/b", "t", content="somebody else's")
    with pytest.raises(Conflict) as caught:
        ours.put_manifest("a/b", "t", read.data, OCI_MANIFEST, if_match=read.etag)
    assert caught.value.status == 412
    now = ours.get_manifest("a/b", "t")
    put = ours.put_manifest("a/b", "t", read.data, OCI_MANIFEST, if_match=now.etag)
    assert put.digest == read.digest
    assert hostile.tags["a/b"]["t"] == str(read.digest)


@pytest.mark.parametrize("etag", ["\u00e9", "a\tb", "\x7f"])
def test_etag_that_cannot_be_sent_back_is_none(hostile: Hostile, etag: str) -> None:
    hostile.image("a/b", "t")
    hostile.fault("GET", "", header("ETag", etag))
    assert client(hostile.host).get_manifest("a/b", "t").etag is None


def test_immutable_tag_is_a_refusal_with_the_registrys_code(hostile: Hostile) -> None:
    error = b'{"errors":[{"code":"TAG_IMMUTABLE","message":"no"}]}'
    hostile.fault("PUT", "/manifests/", status(409, data=error))
    with pytest.raises(Refused) as caught:
        client(hostile.host).put_manifest("a/b", "t", b"{}", OCI_MANIFEST)
    assert (caught.value.status, caught.value.code) == (409, "TAG_IMMUTABLE")
    assert caught.value.reason is Reason.REGISTRY_REFUSED


@pytest.mark.parametrize(
    "data", [b"", b"<html>", b"[]", b'{"errors":[]}', b'{"errors":[{"code":"\\u001b[31m"}]}', b"\xff"]
)
def test_error_bodies_of_any_kind_are_survived(hostile: Hostile, data: bytes) -> None:
    hostile.fault("GET", "", status(400, data=data))
    with pytest.raises(Refused) as caught:
        client(hostile.host).get_manifest("a/b", "t")
    assert caught.value.code == ""


def test_manifest_is_put_under_its_own_digest_only(hostile: Hostile) -> None:
    with pytest.raises(BadInput, match="has sha256"):
        client(hostile.host).put_manifest("a/b", Digest.of(b"other"), b"{}", OCI_MANIFEST)
    assert hostile.seen == []


@pytest.mark.parametrize("code", [400, 401, 403, 405, 409, 415, 500, 501])
def test_refused_deletion_is_said(hostile: Hostile, code: int) -> None:
    digest = Digest.parse(hostile.image("a/b", "t"))
    hostile.fault("DELETE", "", status(code))
    assert client(hostile.host).delete_manifest("a/b", digest) is False


def test_token_that_may_not_delete_is_a_refused_deletion() -> None:
    with Hostile(tokens=Tokens(anonymous=True)) as registry:
        digest = Digest.parse(registry.image("a/b", "t"))
        registry.fault("GET", "^/token.*delete", status(403))
        assert client(registry.host).delete_manifest("a/b", digest) is False
        assert client(registry.host).has_manifest("a/b", digest)


@pytest.mark.parametrize("code", [429, 502, 503])
def test_deletion_that_may_work_later_is_unavailable(hostile: Hostile, code: int) -> None:
    hostile.fault("DELETE", "", status(code))
    with pytest.raises(Unavailable):
        client(hostile.host).delete_manifest("a/b", Digest.of(b""))


def test_missing_delete_method_is_told_from_a_missing_manifest(hostile: Hostile) -> None:
    digest = Digest.parse(hostile.image("a/b", "t"))
    hostile.deletes = False
    hostile.fault("DELETE", "", status(404))
    assert client(hostile.host).delete_manifest("a/b", digest) is False
    assert client(hostile.host).delete_manifest("a/b", Digest.of(b"never")) is True


@pytest.mark.parametrize("location", ["", "ftp://x/y"])
def test_upload_without_a_location_is_unavailable(hostile: Hostile, location: str) -> None:
    hostile.fault("POST", "", status(202, {"Location": location} if location else {}))
    with pytest.raises(Unavailable):
        client(hostile.host).put_blob("a/b", b"data")
    assert hostile.sent("PUT") == []


def test_other_success_of_a_read_is_no_answer(hostile: Hostile) -> None:
    hostile.image("a/b", "t")
    for code in (202, 206):
        hostile.heal()
        hostile.fault("GET", "", status(code))
        with pytest.raises(Unavailable, match="expected 200"):
            client(hostile.host).get_manifest("a/b", "t")


def test_hub_is_reached_at_its_api_host() -> None:
    made = Client("hub", source("docker.io", tls={}, network="public"), clock=SystemClock())
    assert str(made.base) == "https://registry-1.docker.io/v2/"
    assert made.host == "docker.io"


def test_requests_are_counted_by_thread(hostile: Hostile) -> None:
    hostile.image("a/b", "t")
    ours = client(hostile.host)
    counts: list[int] = []

    def work(times: int) -> None:
        for _ in range(times):
            ours.get_manifest("a/b", "t")
        counts.append(ours.requests)

    threads = [threading.Thread(target=work, args=(times,)) for times in (3, 7)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(counts) == [3, 7]


class Watching:
    """Notes what was counted and timed."""

    def __init__(self) -> None:
        self.counted: list[tuple[str, dict[str, str]]] = []
        self.timed: list[str] = []

    def event(self, name: str, **fields: object) -> None: ...

    def count(self, metric: str, value: float = 1, **labels: str) -> None:
        self.counted.append((metric, labels))

    def time(self, metric: str, **labels: str) -> AbstractContextManager[None]:
        @contextmanager
        def measured() -> Iterator[None]:
            self.timed.append(metric)
            yield

        return measured()


def test_requests_are_observed(hostile: Hostile) -> None:
    hostile.image("a/b", "t")
    watching = Watching()
    registry = open_source("shop", source(hostile.host), clock=SystemClock(), observer=watching)
    registry.resolve(Repository(hostile.host, "a/b"), "t")
    hostile.fault("GET", "", lambda _seen, reply: type(reply)(raw=b"garbage"))
    with pytest.raises(Unavailable):
        registry.resolve(Repository(hostile.host, "a/b"), "t")
    codes = [(name, labels["source"], labels["code"]) for name, labels in watching.counted]
    assert codes == [("registry_requests_total", "shop", "200"), ("registry_requests_total", "shop", "error")]
    assert watching.timed == ["registry_request_seconds"] * 2


def test_open_source_chooses_by_the_registry(tmp_path) -> None:
    assert isinstance(open_source("a", source(f"oci:{tmp_path}", tls={}), clock=SystemClock()), LayoutRegistry)
    assert isinstance(open_source("a", source("127.0.0.1:1"), clock=SystemClock()), RemoteRegistry)


@pytest.mark.parametrize("count", [MAX_CHILDREN, MAX_CHILDREN + 1])
def test_index_with_too_many_children_is_not_judged_in_part(hostile: Hostile, count: int) -> None:
    entries = [
        {"mediaType": OCI_MANIFEST, "digest": f"sha256:{i:064x}", "size": 1, "platform": {"os": "linux"}}
        for i in range(count)
    ]
    hostile.index("a/b", entries, "t")
    registry = open_source("a", source(hostile.host), clock=SystemClock())
    if count <= MAX_CHILDREN:
        assert len(registry.resolve(Repository(hostile.host, "a/b"), "t").children) == count
        return
    with pytest.raises(MalformedEvidence) as caught:
        registry.resolve(Repository(hostile.host, "a/b"), "t")
    assert caught.value.reason is Reason.TOO_MUCH_EVIDENCE


def test_index_with_an_entry_that_is_no_descriptor_is_refused(hostile: Hostile) -> None:
    hostile.index("a/b", [{"digest": "nonsense"}], "t")
    with pytest.raises(MalformedEvidence):
        open_source("a", source(hostile.host), clock=SystemClock()).resolve(Repository(hostile.host, "a/b"), "t")


def test_budget_spends_a_burst_and_then_its_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, slept = Stopped(), []
    monkeypatch.setattr("time.sleep", lambda seconds: (slept.append(seconds), clock.forward(seconds)))
    budget = Budget(BudgetSettings.model_validate({"requestsPerSecond": 10.0, "concurrent": 1}), clock)
    for _ in range(40):
        with budget.request("x"):
            pass
    assert slept == []
    for _ in range(20):
        with budget.request("x"):
            pass
    assert sum(slept) == pytest.approx(2.0, abs=0.2), "twenty more at ten a second"


def test_budget_bounds_what_is_under_way() -> None:
    budget = Budget(BudgetSettings.model_validate({"requestsPerSecond": 1e6, "concurrent": 3}), SystemClock())
    most, now, lock = [0], [0], threading.Lock()

    def work() -> None:
        for _ in range(30):
            with budget.request("x"):
                with lock:
                    now[0] += 1
                    most[0] = max(most[0], now[0])
                with lock:
                    now[0] -= 1

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert 1 <= most[0] <= 3


def test_budget_keeps_silent_as_long_as_asked() -> None:
    clock = Stopped()
    budget = Budget(BudgetSettings(), clock)
    budget.silence(timedelta(seconds=30))
    budget.silence(timedelta(seconds=10))
    clock.forward(29)
    with pytest.raises(Unavailable) as caught, budget.request("x"):
        pass
    assert caught.value.retry_after == timedelta(seconds=1)
    clock.forward(1.1)
    with budget.request("x"):
        pass


def test_not_found_is_not_found(hostile: Hostile) -> None:
    ours = client(hostile.host, limits=Limits())
    with pytest.raises(NotFound):
        ours.get_manifest("a/b", "t")
