"""Revocation data over HTTP: what is asked, what is kept, and what an address may not be."""

import os
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.x509 import ocsp

from preverify.model.reasons import Reason
from preverify.model.revocation import RevocationKind, Wanted
from preverify.registry.addresses import Reach
from preverify.registry.revocation import FetchLimits, RevocationFetcher
from preverify.registry.revocation_cache import CacheLimits
from preverify.verify.certificates.certificate import parse_certificate
from preverify.verify.revoked.ocsp import request_for
from support import pki
from support.clock import Stopped
from support.notary import BETWEEN, NOW, SIGNER
from support.revocations import HOUR, Publisher, answer, crl, publisher

ISSUER = BETWEEN.der
REQUEST = request_for(parse_certificate(SIGNER.der), parse_certificate(ISSUER))


@pytest.fixture
def server() -> Iterator[Publisher]:
    with publisher() as running:
        yield running


@pytest.fixture
def clock() -> Stopped:
    return Stopped(NOW)


def fetcher(clock: Stopped, directory: Path | None = None, **limits: Any) -> RevocationFetcher:
    quick = FetchLimits(**{"ocsp_total": timedelta(seconds=1), "crl_total": timedelta(seconds=1), **limits})
    return RevocationFetcher(clock=clock, directory=directory, reach=Reach.PRIVATE, limits=quick)


def list_at(url: str, issuer: bytes = ISSUER) -> Wanted:
    return Wanted(kind=RevocationKind.CRL, url=url, issuer=issuer)


def question_at(url: str) -> Wanted:
    return Wanted(kind=RevocationKind.OCSP, url=url, request=REQUEST, issuer=ISSUER)


def test_lists_and_answers_come_as_evidence(server: Publisher, clock: Stopped) -> None:
    listed, said = crl(BETWEEN), answer(SIGNER)
    lists, responder = list_at(server.put("a.crl", listed)), question_at(server.put("ocsp", said))
    found, missing = fetcher(clock).fetch([lists, responder, lists])
    assert missing == ()
    assert found == (lists.answered(listed), responder.answered(said))
    assert server.asked == [
        ("GET", "/a.crl", b""),
        ("GET", "/ocsp", REQUEST),
    ]


def test_fresh_answers_are_kept(server: Publisher, clock: Stopped, tmp_path: Path) -> None:
    wanted = [list_at(server.put("a.crl", crl(BETWEEN))), question_at(server.put("ocsp", answer(SIGNER)))]
    ours = fetcher(clock, tmp_path / "deep" / "cache")
    first = ours.fetch(wanted)
    clock.forward(60)
    assert ours.fetch(wanted) == first
    assert fetcher(clock, tmp_path / "deep" / "cache").fetch(wanted) == first, "a restart finds them again"
    assert len(server.asked) == 2
    clock.forward(HOUR.total_seconds())
    ours.fetch(wanted)
    fetcher(clock, tmp_path / "deep" / "cache").fetch(wanted)
    assert len(server.asked) == 6, "past their time they are asked for anew, and stale ones are not kept again"


def test_nothing_is_kept_longer_than_the_limit(server: Publisher, clock: Stopped, tmp_path: Path) -> None:
    """A list that says it holds for years would hide every later revocation."""
    wanted = [list_at(server.put("a.crl", crl(BETWEEN, until=NOW + timedelta(days=9000))))]
    ours = fetcher(clock, tmp_path, cache=CacheLimits(max_age=timedelta(minutes=10)))
    ours.fetch(wanted)
    clock.forward(599)
    ours.fetch(wanted)
    assert len(server.asked) == 1
    clock.forward(2)
    ours.fetch(wanted)
    assert len(server.asked) == 2


@pytest.mark.parametrize(
    "body",
    [
        b"x",
        crl(pki.root("other"), until=NOW + timedelta(days=9000)),
        crl(pki.root("other"), issuer=BETWEEN.x509.subject),
        crl(BETWEEN, until=NOW - HOUR, since=NOW - 2 * HOUR),
    ],
)
def test_what_the_issuer_did_not_sign_is_handed_on_and_not_kept(
    server: Publisher, clock: Stopped, tmp_path: Path, body: bytes
) -> None:
    """Whoever sits on the way could otherwise block a certificate for as long as they like."""
    wanted = [list_at(server.put("a.crl", body))]
    ours = fetcher(clock, tmp_path)
    assert [each.body for each in ours.fetch(wanted)[0]] == [body]
    server.put("a.crl", crl(BETWEEN))
    ours.fetch(wanted)
    assert len(server.asked) == 2


def test_files_that_somebody_changed_are_thrown_away(server: Publisher, clock: Stopped, tmp_path: Path) -> None:
    body = crl(BETWEEN)
    wanted = [list_at(server.put("a.crl", body))]
    fetcher(clock, tmp_path).fetch(wanted)
    (file,) = tmp_path.iterdir()
    assert file.read_bytes() == body
    file.write_bytes(body[:-1])
    os.utime(file, (NOW.timestamp(), NOW.timestamp()))
    assert [each.body for each in fetcher(clock, tmp_path).fetch(wanted)[0]] == [body]
    assert len(server.asked) == 2
    for odd in (NOW + timedelta(days=2), NOW - timedelta(days=2)):
        os.utime(file, (odd.timestamp(), odd.timestamp()))
        fetcher(clock, tmp_path).fetch(wanted)
    assert len(server.asked) == 4


def test_two_issuers_share_no_answer(server: Publisher, clock: Stopped) -> None:
    other = pki.root("other")
    url = server.put("a.crl", crl(BETWEEN))
    ours = fetcher(clock)
    ours.fetch([list_at(url)])
    ours.fetch([list_at(url, other.der)])
    assert len(server.asked) == 2


def test_memory_and_directory_are_bounded(server: Publisher, clock: Stopped, tmp_path: Path) -> None:
    size = len(crl(BETWEEN))
    limits = CacheLimits(memory_bytes=size * 2 + 10, directory_bytes=size * 3 + 30, files=100)
    ours = fetcher(clock, tmp_path, cache=limits)
    wanted = [list_at(server.put(f"{i}.crl", crl(BETWEEN, number=i + 100))) for i in range(6)]
    for each in wanted:
        ours.fetch([each])
        clock.forward(1)
    assert len(list(tmp_path.iterdir())) <= 3
    assert ours._cache._size <= limits.memory_bytes
    few = fetcher(clock, tmp_path, cache=CacheLimits(files=2))
    for each in wanted:
        few.fetch([each])
    assert len(list(tmp_path.iterdir())) <= 2


@pytest.mark.parametrize("status", [204, 301, 302, 403, 404, 429, 500, 503])
def test_what_does_not_come_is_said(server: Publisher, clock: Stopped, status: int) -> None:
    url = server.put("a.crl", b"", status)
    found, missing = fetcher(clock).fetch([list_at(url)])
    assert found == ()
    assert [(each.what, each.reason) for each in missing] == [(url, Reason.TRUST_UNAVAILABLE)]
    assert f"answered {status}" in missing[0].detail


def test_an_address_that_failed_is_left_alone_for_a_while(server: Publisher, clock: Stopped) -> None:
    url = server.put("a.crl", b"", 500)
    ours = fetcher(clock)
    first = ours.fetch([list_at(url)])
    clock.forward(29)
    assert ours.fetch([list_at(url)]) == first
    assert len(server.asked) == 1
    clock.forward(2)
    server.put("a.crl", crl(BETWEEN))
    assert len(ours.fetch([list_at(url)])[0]) == 1


def test_failures_are_remembered_in_bounds(clock: Stopped) -> None:
    ours = fetcher(clock, ocsp_total=timedelta(seconds=30))
    ours.fetch([list_at(f"ftp://x/{i}") for i in range(1030)])
    assert len(ours._failed) <= 1024


def test_slow_and_endless_ones_end(server: Publisher, clock: Stopped) -> None:
    def slow(_request: bytes) -> tuple[int, bytes]:
        time.sleep(0.6)
        return 200, answer(SIGNER)

    server.answers["/slow"] = slow
    ours = fetcher(clock, ocsp_total=timedelta(seconds=0.2), crl_bytes=100)
    start = time.monotonic()
    _, missing = ours.fetch([question_at(server.url("slow")), list_at(server.put("large", b"x" * 101))])
    assert time.monotonic() - start < 0.6
    assert ["did not answer in time" in missing[0].detail, "more than 100 bytes" in missing[1].detail] == [True, True]
    time.sleep(0.5)


def test_all_questions_together_have_a_deadline(server: Publisher, clock: Stopped) -> None:
    def slow(_request: bytes) -> tuple[int, bytes]:
        clock.forward(31)
        return 200, crl(BETWEEN)

    server.answers["/slow"] = slow
    found, missing = fetcher(clock).fetch([list_at(server.url("slow")), list_at(server.url("never"))])
    assert len(found) == 1
    assert [each.reason for each in missing] == [Reason.DEADLINE]
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    "url",
    ["https://crl.test/", "ldap://x/", "file:///etc/passwd", "http://a@b/", "http://", "http://x/\n", "http://x:0/"],
)
def test_addresses_that_are_not_asked(clock: Stopped, url: str) -> None:
    found, missing = fetcher(clock).fetch([list_at(url)])
    assert (found, len(missing)) == ((), 1)


def test_ocsp_at_an_address_with_a_query_or_a_slash(server: Publisher, clock: Stopped) -> None:
    _, missing = fetcher(clock).fetch([question_at(server.url("ocsp?x"))])
    assert "has a query" in missing[0].detail
    server.put("ocsp", answer(SIGNER))
    assert len(fetcher(clock).fetch([question_at(server.url("ocsp/"))])[0]) == 1


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "localhost"])
def test_addresses_inside_are_only_asked_where_that_is_allowed(server: Publisher, clock: Stopped, host: str) -> None:
    server.put("a.crl", crl(BETWEEN))
    public = RevocationFetcher(clock=clock, directory=None)
    _, missing = public.fetch([list_at(f"http://{host}:{server.port}/a.crl")])
    assert "from which no revocation data is fetched" in missing[0].detail
    assert server.asked == []


def test_metadata_services_are_never_asked(clock: Stopped) -> None:
    _, missing = fetcher(clock).fetch([list_at("http://169.254.169.254/latest/meta-data")])
    assert "link-local address" in missing[0].detail


def test_revoked_answers_are_asked_for_again(server: Publisher, clock: Stopped) -> None:
    said = answer(SIGNER, status=ocsp.OCSPCertStatus.REVOKED)
    wanted = [question_at(server.put("ocsp", said))]
    ours = fetcher(clock)
    assert [each.body for each in (*ours.fetch(wanted)[0], *ours.fetch(wanted)[0])] == [said, said]
