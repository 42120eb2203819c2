"""VEX: whose latest word about which product takes a vulnerability away, and until when."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from preverify.model.contents import Vex, VexStatement, Vulnerability
from preverify.policy.demands.vex import Hearing, Silence, Voice, identities
from support.policies import NOW, REPOSITORY, SUBJECT
from support.scans import HOUR, OPENSSL, found, says

DIGEST = str(SUBJECT.digest)
REPO = f"pkg:oci/api?repository_url={REPOSITORY}"


def silence(
    *statements: VexStatement, entry: Vulnerability | None = None, names: tuple[str, ...] = (), **more: Any
) -> Silence | None:
    entry = found() if entry is None else entry
    voices = [Voice(Vex(author="a", statements=(each,)), f"sha256:{n}", None) for n, each in enumerate(statements)]
    hearing = Hearing(voices, **{"subject": SUBJECT, "now": NOW, **more})
    return hearing.silence(entry, frozenset(names) or entry.names)


def about(product: str, *parts: str, **more: Any) -> VexStatement:
    return says(products=(product,), subcomponents=parts, **more)


@pytest.mark.parametrize("status", ["not_affected", "fixed"])
def test_what_takes_away(status: str) -> None:
    assert silence(says(status)) == Silence(frozenset({"sha256:0"}), None)


@pytest.mark.parametrize("status", ["affected", "under_investigation"])
def test_what_does_not(status: str) -> None:
    assert silence(says(status)) is None
    assert silence() is None


def test_not_affected_needs_its_justification() -> None:
    assert silence(says(justification="")) is None
    assert silence(says("fixed", justification="")) is not None


def test_another_vulnerability_is_not_meant() -> None:
    assert silence(says("not_affected", "CVE-2026-2")) is None
    assert silence(says("not_affected", "CVE-2026-2", "CVE-2026-1")) is not None


def test_every_name_of_a_vulnerability_counts() -> None:
    entry = found("GHSA-1", aliases=("CVE-2026-1",))
    assert silence(says(), entry=entry) is not None
    assert silence(says("not_affected", "GHSA-1"), entry=found(aliases=("GHSA-1",))) is not None
    assert silence(says(), entry=found("GHSA-1"), names=("GHSA-1", "CVE-2026-1")) is not None


@pytest.mark.parametrize(
    "product",
    [
        DIGEST,
        f"pkg:oci/api@{DIGEST.replace(':', '%3A')}",
        f"pkg:oci/api@{DIGEST.replace(':', '%3A')}?repository_url=mirror.example/api&tag=v1&arch=amd64",
        REPO,
        OPENSSL,
        "pkg:deb/debian/openssl",
        "pkg:deb/debian/openssl@3.0.1-1",
        "pkg:deb/debian/openssl?distro=debian-12",
    ],
)
def test_products_that_are_this_image_or_its_component(product: str) -> None:
    assert silence(about(product)) is not None


@pytest.mark.parametrize(
    "product",
    [
        "sha256:" + "0" * 64,
        f"pkg:oci/api@sha256%3A{'0' * 64}?repository_url={REPOSITORY}",
        "pkg:oci/api",
        "pkg:oci/api?repository_url=registry.example/other/api",
        f"pkg:oci/other?repository_url={REPOSITORY}",
        f"{REPO}&tag=v1",
        f"{REPO}&arch=amd64",
        "pkg:oci/",
        "pkg:deb/debian/openssl@3.0.2-1",
        "pkg:deb/debian/openssl@3.0.1-1?distro=debian-11",
        "pkg:deb/debian/openssl@3.0.1-1#sub/path",
        "pkg:deb/ubuntu/openssl",
        "pkg:rpm/debian/openssl",
        "pkg:deb/debian/libssl",
        "pkg:deb",
        "openssl",
        "*",
        "",
        "pkg:deb/debian/openssl?x=" + "y" * 5000,
    ],
)
def test_products_that_are_not(product: str) -> None:
    assert silence(about(product)) is None


@pytest.mark.parametrize("product", [REPO, "pkg:deb/debian/openssl", "pkg:deb/debian/openssl?distro=debian-12"])
def test_what_is_fixed_is_a_version_and_not_all_of_them(product: str) -> None:
    assert silence(about(product)) is not None
    assert silence(about(product, status="fixed")) is None
    for exact in (DIGEST, OPENSSL, "pkg:deb/debian/openssl@3.0.1-1"):
        assert silence(about(exact, status="fixed")) is not None
    assert silence(about(DIGEST, "pkg:deb/debian/openssl", status="fixed")) is not None


def test_a_statement_about_no_product_is_about_none() -> None:
    assert silence(says(products=())) is None


def test_components_of_an_image_are_silenced_alone() -> None:
    assert silence(about(DIGEST, OPENSSL)) is not None
    assert silence(about(DIGEST, "pkg:deb/debian/zlib", "pkg:deb/debian/openssl")) is not None
    assert silence(about(DIGEST, "pkg:deb/debian/zlib")) is None
    assert silence(about("pkg:oci/other", OPENSSL)) is None
    assert silence(about(OPENSSL, OPENSSL)) is None  # whether it is a part of that component is not known


def test_where_the_component_is_not_said_only_the_whole_image_can_be_meant() -> None:
    nowhere = found(purl="", package="")
    assert silence(about(DIGEST), entry=nowhere) is not None
    for statement in (about(DIGEST, OPENSSL), about(OPENSSL), about(DIGEST, ""), about("")):
        assert silence(statement, entry=nowhere) is None


def test_where_the_subject_is_not_known_no_product_is_the_image() -> None:
    assert silence(about(DIGEST), subject=None) is None
    assert silence(about(OPENSSL), subject=None) is not None


def at(hours: float) -> datetime:
    return NOW - HOUR * hours


def test_the_latest_word_counts_whoever_says_it_and_in_whatever_order() -> None:
    older, newer = says(at=at(3)), says("affected", at=at(2))
    for statements in ((older, newer), (newer, older)):
        assert silence(*statements) is None
    older, newer = says("affected", at=at(3)), says(at=at(2))
    for statements in ((older, newer), (newer, older)):
        assert silence(*statements) is not None
    same = says(at=at(2)), says("under_investigation", at=at(2))
    assert silence(*same) is silence(*reversed(same)) is None


def test_a_word_about_the_component_and_one_about_the_image_are_about_the_same() -> None:
    assert silence(about(OPENSSL, at=at(2)), says("affected", at=at(1))) is None
    assert silence(about(OPENSSL, status="affected", at=at(2)), says(at=at(1))) is not None


def test_a_statement_without_a_date_takes_nothing_away_and_is_never_overruled() -> None:
    assert silence(says(at=None)) is None
    assert silence(says("affected", at=None), says()) is None


def test_what_will_be_said_is_not_said_yet() -> None:
    assert silence(says(at=NOW + HOUR)) is None
    assert silence(says(at=NOW + timedelta(minutes=5))) is not None  # clocks differ
    assert silence(says(), says("fixed", at=NOW + HOUR)) == Silence(frozenset({"sha256:0"}), None)
    later = says("affected", at=NOW + HOUR)
    assert silence(says(), later) == Silence(frozenset({"sha256:0"}), NOW + HOUR - timedelta(minutes=5))


def test_an_unreasoned_word_does_not_supersede_either() -> None:
    assert silence(says("affected", at=at(3)), says(justification="", at=at(1))) is None
    assert silence(says(at=at(3)), says(justification="", at=at(1))) is not None


def test_it_holds_as_long_as_the_word_of_its_author() -> None:
    voice = Voice(Vex(author="a", statements=(says(),)), "sha256:0", NOW + HOUR)
    entry = found()
    assert Hearing([voice], SUBJECT, NOW).silence(entry, entry.names) == Silence(frozenset({"sha256:0"}), NOW + HOUR)


def test_an_advisory_about_several_is_gone_where_each_of_them_is() -> None:
    advisory = found("DSA-1", aliases=("CVE-2026-1", "CVE-2026-2"))
    one, two, whole = says(), says("fixed", "CVE-2026-2", at=at(2)), says("not_affected", "DSA-1", at=at(3))
    assert silence(one, entry=advisory) is silence(two, entry=advisory) is None
    assert silence(one, two, entry=advisory) == Silence(frozenset({"sha256:0", "sha256:1"}), None)
    assert silence(whole, entry=advisory) is not None
    assert silence(whole, says("affected", "CVE-2026-2", at=at(2)), entry=advisory) is None


def test_one_of_several_beside_an_advisory_is_itself() -> None:
    entry = found("CVE-2026-1", aliases=("CVE-2026-2", "DSA-1"))
    assert silence(says(), entry=entry) is not None
    assert silence(says("fixed", "CVE-2026-2"), entry=entry) is None
    assert identities("CVE-2026-1", entry.names) == [{"CVE-2026-1"}]
